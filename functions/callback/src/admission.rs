//! Whether the user of a login is let in, and what the session contains.

use secrecy::ExposeSecret;
use serde_json::Value;
use shared::{
    clock::Timestamp,
    guard::OrganizationPolicy,
    jwt::{self, Authentication, Claims, Expected, TokenKind, UserInfo},
    login::attempt::LoginAttempt,
    provider::{Metadata, TokenResponse},
    session::SessionContents,
};

use crate::{Callback, CallbackError};

/// A verified login of a user who is let in.
pub(super) struct Admitted {
    pub(super) claims: Claims,
    pub(super) user_info: UserInfo,
    pub(super) contents: SessionContents,
}

impl Callback {
    /// Verifies the tokens, and decides whether their user is let in.
    pub(super) async fn admit(
        &self,
        metadata: &Metadata,
        tokens: &TokenResponse,
        attempt: &LoginAttempt,
        now: Timestamp,
    ) -> Result<Admitted, CallbackError> {
        let claims = self.verify_id_token(tokens, attempt, now).await?;
        let user_info = self.user_info(metadata, tokens, &claims, now).await?;
        let contents = self.contents(tokens, &claims, &user_info, attempt, now).await?;
        // A requested organization is not certainly the one that the user logged in to (R183).
        let requested = attempt.organization.clone().map(OrganizationPolicy::Only);
        for policy in requested.iter().chain([&self.config.organization]) {
            policy.check(&contents.user, &contents.api_claims).map_err(|refusal| {
                let used = jwt::organization(&contents.user);
                CallbackError::Organization(refusal, used.map(|used| used.to_owned().into()))
            })?;
        }
        self.config.email.check(&contents.user).map_err(|refusal| {
            let address = contents.user.get("email").and_then(Value::as_str);
            CallbackError::Email(refusal, address.map(|address| address.to_owned().into()))
        })?;
        if claims.session_expiry.is_some_and(|end| end <= now) || contents.api_key_expires_at <= now
        {
            return Err(CallbackError::Over);
        }
        Ok(Admitted { claims, user_info, contents })
    }

    async fn verify_id_token(
        &self,
        tokens: &TokenResponse,
        attempt: &LoginAttempt,
        now: Timestamp,
    ) -> Result<Claims, CallbackError> {
        let kind = TokenKind::IdToken {
            client_id: &self.config.application.client_id,
            nonce: Some(attempt.nonce.expose_secret()),
            access_token: Some(tokens.access_token.expose_secret()),
            max_age: None,
            authenticated_after: attempt.authenticated_after,
        };
        let expected = Expected { issuer: &self.config.application.issuer, kind };
        let claims = self.keys.verify(tokens.id_token.expose_secret(), &expected, now).await?;
        // What was requested is not certainly what the provider did (R185).
        if !attempt.step_up.is_met_by(&Authentication::of(&claims), now) {
            return Err(CallbackError::StepUpMissing);
        }
        Ok(claims)
    }

    /// The contents of the new session. The API key is verified as `/protected` will verify it, so no
    /// user receives a key that does not work.
    ///
    /// Only requested scopes are granted, because the user can add any scope to the URL of the
    /// authorization request. Permissions cannot be requested, so all permissions that the provider
    /// names are granted (R187).
    async fn contents(
        &self,
        tokens: &TokenResponse,
        claims: &Claims,
        user_info: &UserInfo,
        attempt: &LoginAttempt,
        now: Timestamp,
    ) -> Result<SessionContents, CallbackError> {
        let api_key = match self.config.application.audience {
            Some(_) => &tokens.access_token,
            None => &tokens.id_token,
        };
        let key_claims = self
            .keys
            .verify(api_key.expose_secret(), &self.config.application.expected_api_key(), now)
            .await;
        let key_claims = key_claims.map_err(CallbackError::ApiKey)?;
        if key_claims.subject != claims.subject {
            return Err(CallbackError::OtherSubject);
        }
        let asked = key_claims.scopes().filter(|scope| attempt.asked_for(scope));
        let granted = asked.chain(key_claims.permissions()).map(str::to_owned).collect();
        let mut user = claims.user();
        // Compared with the ID token: a claim that user info removed must not come back.
        let api_claims = key_claims.user_beyond(&user);
        user_info.add_to(&mut user);
        Ok(SessionContents {
            api_claims,
            authentication: Authentication::of(claims),
            user,
            id_token: tokens.id_token.expose_secret().to_owned().into(),
            api_key: api_key.expose_secret().to_owned().into(),
            api_key_expires_at: key_claims.expires_at,
            provider_session: claims.session_id.clone(),
            scopes: granted,
        })
    }
}
