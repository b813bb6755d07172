//! The exchange itself, by whoever has the lease.

use secrecy::ExposeSecret;
use shared::{
    clock::Timestamp,
    crypto::secret::{SecretText, SessionSecret},
    guard::Refusal,
    jwt::{Expected, Kind},
    provider::{self, ErrorMeaning, RefreshResponse, RefreshTokenGrant},
    session::{HeldLease, Renewable, SAME_TOKEN, Session, SessionContents},
    store::{RenewError, StoreError},
};
use tokio::time::sleep;

use crate::{
    Refresh, RefreshError,
    turn::{Client, LEASE, PATIENCE, Time},
};

/// What a refresh brought, verified.
struct Renewed {
    contents: SessionContents,
    /// `session_expiry` of the new ID token: no session of ours may outlive it.
    ends_by: Option<Timestamp>,
}

impl Refresh {
    /// Whatever comes of it, the session is left with a refresh token that works, or ended.
    ///
    /// A token that leads to another session already is not taken. The next refresh token is kept,
    /// and presented a second later: it brings another token then (R196).
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
            // The presented one has stopped working, if there is another.
            let next = tokens.refresh_token.as_ref().map_or_else(
                || held.renewable.grant.refresh_token.clone(),
                |token| SecretText::from(token.expose_secret().to_owned()),
            );
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
                    tracing::info!(event = "refresh.succeeded", session = %session.id, "a session has new tokens");
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
                // No room for another pointer; the session's own row takes none.
                Err(RenewError::Store(full @ StoreError::Full)) => {
                    return self.go_on(full.into(), &held, secret, &next, client, time).await;
                }
                Err(refused) => {
                    return self.not_written(refused, secret, &next, client, time).await;
                }
            }
        }
    }

    /// Presents the refresh token. A refusal for good ends the session (R192).
    async fn present(
        &self,
        held: &HeldLease,
        client: &Client,
        time: Time,
    ) -> Result<RefreshResponse, RefreshError> {
        let presented = RefreshTokenGrant {
            refresh_token: held.renewable.grant.refresh_token.expose(),
            credentials: &client.credentials,
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

    /// Lets the session go on with the token that it has, and with the next refresh token. Answers
    /// with `error`, which is why.
    async fn go_on(
        &self,
        error: RefreshError,
        held: &HeldLease,
        secret: &SessionSecret,
        next: &SecretText,
        client: &Client,
        time: Time,
    ) -> Result<Session, RefreshError> {
        match self.sessions.keep_refresh_token(held, next.clone(), time.now()).await {
            Ok(()) => Err(error),
            Err(refused) => self.not_written(refused, secret, next, client, time).await,
        }
    }

    /// The new tokens, held against what the login brought. Nothing may come of a refresh that the
    /// login was not granted (R135, R136, R138).
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
                let kind = Kind::RefreshedIdToken {
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
        // What was granted later is not the login's, and what the login did not ask for is not ours
        // (R138, R187): that needs another login.
        let is_granted = |scope: &&str| grant.granted.iter().any(|granted| granted == scope);
        let scopes = key_claims.scopes().chain(key_claims.permissions());
        let contents = SessionContents {
            user: claims
                .as_ref()
                .map_or_else(|| session.contents.user.clone(), |claims| claims.user()),
            api_key: api_key.expose_secret().to_owned().into(),
            api_key_expires_at: key_claims.expires_at,
            scopes: scopes.filter(is_granted).map(str::to_owned).collect(),
            // The login's, which name the provider's session: a refreshed ID token does not.
            id_token: session.contents.id_token.clone(),
            provider_session: session.contents.provider_session.clone(),
        };
        Ok(Renewed { contents, ends_by })
    }

    /// New tokens that the session cannot have: it has ended meanwhile, or another request was
    /// faster, or the store fails. A token that was rotated and is not stored would be presented
    /// again and again, so the session ends then (R133, R137).
    async fn not_written(
        &self,
        refused: RenewError,
        secret: &SessionSecret,
        next: &SecretText,
        client: &Client,
        time: Time,
    ) -> Result<Session, RefreshError> {
        if let RenewError::Store(error) = refused {
            self.discard(secret, next, client, time.now()).await;
            return Err(RefreshError::NotStored(error));
        }
        match self.renewable(secret, time.now()).await {
            Ok(renewable) if !renewable.is_due(time.now()) => Ok(renewable.session),
            // Its refresh token is of the same family as ours: to revoke one is to revoke both.
            Ok(_) => Err(RefreshError::GivenUp),
            Err(RefreshError::Refused(Refusal::CookieWithoutSession)) => {
                self.discard(secret, next, client, time.now()).await;
                Err(RefreshError::EndedMeanwhile)
            }
            Err(error) => Err(error),
        }
    }

    /// Ends the session and throws its tokens away.
    async fn discard(
        &self,
        secret: &SessionSecret,
        next: &SecretText,
        client: &Client,
        now: Timestamp,
    ) {
        let session = secret.digest();
        if let Err(error) = self.sessions.end(session, now).await {
            tracing::error!(
                event = "refresh.session_not_ended",
                %session,
                error = &error as &dyn std::error::Error,
                "a session without a refresh token that works goes on"
            );
        }
        let grant =
            RefreshTokenGrant { refresh_token: next.expose(), credentials: &client.credentials };
        provider::revoke_or_log(&*self.provider, &client.metadata, grant).await;
    }

    async fn give_up(&self, held: &HeldLease, now: Timestamp) {
        if let Err(error) = self.sessions.give_up(held, now).await {
            tracing::warn!(
                event = "refresh.lease_not_given_up",
                error = &error as &dyn std::error::Error,
                "a lease that is needed no more runs out by itself"
            );
        }
    }
}

/// How often a refresh is tried again whose token leads to another session.
const MAXIMUM_TRIES: u8 = 2;
