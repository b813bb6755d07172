//! Exchanges the refresh token for new tokens. Only the request that holds the lease does this.

use secrecy::{ExposeSecret, SecretString};
use shared::{
    clock::Timestamp,
    crypto::secret::SessionSecret,
    guard::Refusal,
    jwt::{Expected, TokenKind},
    names::LogEvent,
    provider::{self, ErrorMeaning, RefreshResponse, RefreshTokenGrant},
    session::{HeldLease, Renewable, SAME_TOKEN, Session, SessionContents},
    store::{RenewError, StoreError},
};
use tokio::time::sleep;

use crate::{
    Refresh, RefreshError,
    turn::{Client, LEASE, PATIENCE, Time},
};

/// The verified result of a refresh.
struct Renewed {
    contents: SessionContents,
    /// `session_expiry` of the new ID token. Our session must end by then.
    ends_by: Option<Timestamp>,
}

impl Refresh {
    /// Exchanges the refresh token. Afterwards the session either has a working refresh token or has
    /// ended.
    ///
    /// A new token that already belongs to another session is not used. The next refresh token is
    /// stored and presented one second later, when the provider issues a different token (R196).
    pub(crate) async fn exchange(
        &self,
        secret: &SessionSecret,
        mut held: HeldLease,
        client: &Client,
        time: Time,
    ) -> Result<Session, RefreshError> {
        let mut tries = 0;
        loop {
            let tokens = self.present(&held, client, time).await?;
            // If the provider returned a new refresh token, the presented one has stopped working.
            let held_token = &held.renewable.grant.refresh_token;
            let next = tokens.refresh_token.as_ref().unwrap_or(held_token).clone();
            let Renewed { contents, ends_by } =
                match self.verify(&held.renewable, &tokens, time.now()).await {
                    Ok(renewed) => renewed,
                    Err(error) if error.may_pass() => {
                        return self.go_on(error, &held, secret, &next, client, time).await;
                    }
                    Err(error) => {
                        self.discard(secret, &next, client, time.now()).await;
                        return Err(error);
                    }
                };
            match self.sessions.renew(&held, contents, next.clone(), ends_by, time.now()).await {
                Ok(session) => {
                    tracing::info!(event = LogEvent::RefreshSucceeded.name(), session = %session.id, "a session has new tokens");
                    return Ok(session);
                }
                Err(RenewError::PointerExists) if tries < MAXIMUM_TRIES && time.has(PATIENCE) => {
                    tries += 1;
                    let (sessions, now) = (&self.sessions, time.now());
                    let kept =
                        sessions.keep_refresh_token_and_lease(held, next.clone(), now + LEASE, now);
                    held = match kept.await {
                        Ok(held) => held,
                        Err(refused) => {
                            return self.not_written(refused, secret, &next, client, time).await;
                        }
                    };
                    sleep(SAME_TOKEN).await;
                }
                Err(RenewError::PointerExists) => {
                    let error = RefreshError::TokenOfAnotherSession;
                    return self.go_on(error, &held, secret, &next, client, time).await;
                }
                // There is no room for another pointer. Updating the session's row needs none.
                Err(RenewError::Store(full @ StoreError::Full)) => {
                    return self.go_on(full.into(), &held, secret, &next, client, time).await;
                }
                Err(refused) => {
                    return self.not_written(refused, secret, &next, client, time).await;
                }
            }
        }
    }

    /// Presents the refresh token. A permanent refusal ends the session (R192).
    async fn present(
        &self,
        held: &HeldLease,
        client: &Client,
        time: Time,
    ) -> Result<RefreshResponse, RefreshError> {
        let presented = RefreshTokenGrant {
            refresh_token: held.renewable.grant.refresh_token.expose_secret(),
            credentials: &client.credentials,
            authentication: client.authentication(),
        };
        let error = match self.provider.refresh(&client.metadata.token_endpoint, presented).await {
            Ok(tokens) => return Ok(tokens),
            Err(error) => error,
        };
        if error.refusal().is_some_and(ErrorMeaning::is_final) {
            self.sessions.end(held.renewable.session.id, time.now()).await?;
            return Err(RefreshError::ForGood(error));
        }
        if error.refusal() == Some(ErrorMeaning::WrongSecret) {
            self.config.credentials.refuse(&client.credentials);
        }
        self.give_up(held, time.now()).await;
        Err(RefreshError::Redeem(error))
    }

    /// Keeps the session with its current token and the next refresh token. Returns `error`, the
    /// reason why there is no new token.
    async fn go_on(
        &self,
        error: RefreshError,
        held: &HeldLease,
        secret: &SessionSecret,
        next: &SecretString,
        client: &Client,
        time: Time,
    ) -> Result<Session, RefreshError> {
        match self.sessions.keep_refresh_token(held, next.clone(), time.now()).await {
            Ok(()) => Err(error),
            Err(refused) => self.not_written(refused, secret, next, client, time).await,
        }
    }

    /// Verifies the new tokens and compares them with those of the login. A refresh must not grant
    /// anything that the login did not grant (R135, R136, R138).
    async fn verify(
        &self,
        renewable: &Renewable,
        tokens: &RefreshResponse,
        now: Timestamp,
    ) -> Result<Renewed, RefreshError> {
        let Renewable { session, grant, .. } = renewable;
        let application = &self.config.application;
        let claims = match &tokens.id_token {
            None => None,
            Some(id_token) => {
                let kind = TokenKind::RefreshedIdToken {
                    client_id: &application.client_id,
                    access_token: tokens.access_token.expose_secret(),
                    login: &grant.login,
                };
                let expected = Expected { issuer: &application.issuer, kind };
                let verified = self.keys.verify(id_token.expose_secret(), &expected, now).await;
                Some(verified.map_err(RefreshError::IdToken)?)
            }
        };
        let api_key = match (&application.audience, &tokens.id_token) {
            (Some(_), _) => &tokens.access_token,
            (None, Some(id_token)) => id_token,
            (None, None) => return Err(RefreshError::NoApiKey),
        };
        let expected = application.expected_api_key();
        let key_claims = self.keys.verify(api_key.expose_secret(), &expected, now).await;
        let key_claims = key_claims.map_err(RefreshError::ApiKey)?;
        if key_claims.subject != grant.login.subject() {
            return Err(RefreshError::OtherSubject);
        }
        if key_claims.expires_at <= now {
            return Err(RefreshError::NoApiKey);
        }
        let ends_by = claims.as_ref().and_then(|claims| claims.session_expiry);
        if ends_by.is_some_and(|end| end <= now) {
            return Err(RefreshError::Over);
        }
        // Scopes that were granted after the login, or that the login did not request, need another
        // login (R138, R187).
        let is_granted = |scope: &&str| grant.granted.iter().any(|granted| granted == scope);
        let scopes = key_claims.scopes().chain(key_claims.permissions());
        let former = &session.contents.user;
        let mut user = claims.as_ref().map_or_else(|| former.clone(), |claims| claims.user());
        // A refreshed ID token may leave out the organization, but cannot change it (R136).
        for name in ["org_id", "org_name"] {
            if let Some(value) = former.get(name) {
                user.entry(name).or_insert_with(|| value.clone());
            }
        }
        // Compared with the ID token: a claim that user info removed must not come back.
        let api_claims = key_claims.user_beyond(&user);
        if claims.is_some() {
            grant.user_info.add_to(&mut user);
        }
        let contents = SessionContents {
            api_claims,
            authentication: session.contents.authentication.clone(),
            user,
            api_key: api_key.expose_secret().to_owned().into(),
            api_key_expires_at: key_claims.expires_at,
            scopes: scopes.filter(is_granted).map(str::to_owned).collect(),
            // Keep the login's ID token: it names the provider's session, a refreshed one does not.
            id_token: session.contents.id_token.clone(),
            provider_session: session.contents.provider_session.clone(),
        };
        Ok(Renewed { contents, ends_by })
    }

    /// Handles new tokens that could not be stored: the session has ended meanwhile, another request
    /// was faster, or the store failed. If a rotated refresh token is not stored, every later refresh
    /// would present the old one. The session ends in that case (R133, R137).
    async fn not_written(
        &self,
        refused: RenewError,
        secret: &SessionSecret,
        next: &SecretString,
        client: &Client,
        time: Time,
    ) -> Result<Session, RefreshError> {
        if let RenewError::Store(error) = refused {
            self.discard(secret, next, client, time.now()).await;
            return Err(RefreshError::NotStored(error));
        }
        match self.renewable(secret, time.now()).await {
            Ok(renewable) if !renewable.is_due(time.now()) => Ok(renewable.session),
            // Revoke nothing: the stored refresh token is of the same family as ours, so revoking one
            // revokes both.
            Ok(_) => Err(RefreshError::GivenUp),
            Err(RefreshError::Refused(Refusal::CookieWithoutSession)) => {
                self.discard(secret, next, client, time.now()).await;
                Err(RefreshError::EndedMeanwhile)
            }
            Err(error) => Err(error),
        }
    }

    /// Ends the session and revokes its tokens.
    async fn discard(
        &self,
        secret: &SessionSecret,
        next: &SecretString,
        client: &Client,
        now: Timestamp,
    ) {
        let session = secret.digest();
        if let Err(error) = self.sessions.end(session, now).await {
            tracing::error!(
                event = LogEvent::RefreshSessionNotEnded.name(),
                %session,
                error = &error as &dyn std::error::Error,
                "a session without a working refresh token was not ended"
            );
        }
        let grant = RefreshTokenGrant {
            refresh_token: next.expose_secret(),
            credentials: &client.credentials,
            authentication: client.authentication(),
        };
        provider::revoke_or_log(&*self.provider, &client.metadata, grant).await;
    }

    async fn give_up(&self, held: &HeldLease, now: Timestamp) {
        if let Err(error) = self.sessions.give_up(held, now).await {
            tracing::warn!(
                event = LogEvent::RefreshLeaseNotGivenUp.name(),
                error = &error as &dyn std::error::Error,
                "a lease could not be released and will expire by itself"
            );
        }
    }
}

/// How often a refresh is retried when its token already belongs to another session.
const MAXIMUM_TRIES: u8 = 2;
