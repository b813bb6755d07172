//! The provider's signing keys and metadata, cached in memory and in the store. One process fetches a
//! document for all (see `discovery::document`). In both caches:
//!
//! - A document younger than [`SOFT_AGE`] is used without a request.
//! - If it is older, the first reader requests a new one and waits at most [`REFRESH_PATIENCE`]. All
//!   other readers continue with the old one. After a failure, no reader requests it for
//!   [`FAILURE_PAUSE`].
//! - A document older than [`HARD_AGE`] is no longer used. A key that the provider withdrew must stop
//!   working, even if an attacker blocks our requests to the provider.
//! - A token with an unknown `kid` causes a refetch of the keys, once per [`MISS_COOL_DOWN`] across all
//!   senders and processes. A flood of invented key ids thus costs one fetch per cool-down. It delays a
//!   new key by at most that time in a process that receives a token signed with it.
//!
//! A [reader](Keys::reader) never writes to the store. If a stored document is too old, the reader
//! fetches one for its own process, as it does when the store is unavailable.
//!
//! A process reads the store once for both documents: at its [start](Keys::prepare), so that the first
//! request finds the connection open. If they were not usable then, the first token reads them again,
//! together with its pointer. A token that no key could make valid causes no read (R75).

#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use crate::{
    cache::Terms,
    clock::Timestamp,
    crypto::secret::Digest,
    discovery::document::{Document, DocumentKind, ReadAhead, Sharing},
    issuer::Issuer,
    jwt::{
        Claims, Expected, KeySet, LogoutToken, TokenError, UnverifiedToken, UserInfo, UserInfoError,
    },
    names::LogEvent,
    provider::{IdentityProvider, Metadata, ProviderError},
    store::{DocumentStore, Found},
};

pub use crate::discovery::document::WAIT;

/// The age from which a newer document is requested.
pub const SOFT_AGE: Duration = Duration::from_secs(10 * 60);

/// The age at which a document is no longer used.
pub const HARD_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// How long after a failure no new request is sent to the provider. Also how long one process holds the
/// lease for a fetch, because a request may take that long.
pub const FAILURE_PAUSE: Duration = Duration::from_secs(5);

/// How long one reader waits for a newer document while the old one is still usable.
pub const REFRESH_PATIENCE: Duration = Duration::from_secs(2);

/// How long one reader waits without any document: for another process, the provider and the store
/// together.
pub const FIRST_PATIENCE: Duration = Duration::from_secs(12);

/// The minimum time between two fetches for an unknown key.
pub const MISS_COOL_DOWN: Duration = Duration::from_secs(10);

/// The provider's keys and metadata with their caches.
#[derive(Debug)]
pub struct Keys {
    provider: Arc<dyn IdentityProvider>,
    store: Arc<dyn DocumentStore>,
    issuer: Issuer,
    metadata: Document<Metadata>,
    key_set: Document<KeySet>,
}

/// The provider's keys or metadata are unavailable. This does not mean that the token is invalid:
/// respond with 503.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the identity provider's keys or metadata are unavailable")]
pub struct KeysError(#[source] Arc<ProviderError>);

/// Reasons why a signed response of the UserInfo endpoint was not verified.
#[derive(Clone, Debug, thiserror::Error)]
pub enum VerifyUserInfoError {
    /// It is not signed by a key of the provider, or the keys are unavailable.
    #[error(transparent)]
    Signature(#[from] VerifyError),
    /// Another check failed.
    #[error(transparent)]
    UserInfo(#[from] UserInfoError),
}

/// Reasons why a token was not verified.
#[derive(Clone, Debug, thiserror::Error)]
pub enum VerifyError {
    /// The keys are unavailable, so it is unknown whether the token is valid.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The token is invalid.
    #[error(transparent)]
    Token(#[from] TokenError),
}

impl Keys {
    /// The keys of `issuer`, fetched by `provider` and shared in `store`. Sends no request yet.
    pub fn new(
        provider: Arc<dyn IdentityProvider>,
        store: Arc<dyn DocumentStore>,
        issuer: Issuer,
    ) -> Self {
        Self::sharing(Sharing::Writes, provider, store, issuer)
    }

    /// The same keys for a function that never writes documents to the store. It uses the rows that
    /// other functions write, and fetches missing or too old documents for its own process (R205).
    #[must_use]
    pub fn reader(&self) -> Self {
        let (provider, store) = (Arc::clone(&self.provider), Arc::clone(&self.store));
        Self::sharing(Sharing::Reads, provider, store, self.issuer.clone())
    }

    fn sharing(
        sharing: Sharing,
        provider: Arc<dyn IdentityProvider>,
        store: Arc<dyn DocumentStore>,
        issuer: Issuer,
    ) -> Self {
        let kind = |name| DocumentKind { name, terms: TERMS, report };
        let parse_metadata = {
            let issuer = issuer.clone();
            move |text: &[u8]| Metadata::parse(text, &issuer)
        };
        let parse_keys = |text: &[u8]| {
            let keys = KeySet::parse(text)?;
            if keys.is_empty() { Err(ProviderError::NoUsableKey) } else { Ok(keys) }
        };
        let metadata = Document::new(
            kind("metadata"),
            sharing,
            Arc::clone(&store),
            &issuer,
            "",
            parse_metadata,
        );
        let key_set =
            Document::new(kind("keys"), sharing, Arc::clone(&store), &issuer, "", parse_keys);
        Self { provider, store, issuer, metadata, key_set }
    }

    /// Reads the documents from the store into memory, ahead of the first request. This also opens the
    /// connection to the store. A document that is missing or old is left to the request that needs it:
    /// the start of a process sends no request to the provider and takes no lease.
    ///
    /// An unavailable store is logged and delays the start by at most half of [`REFRESH_PATIENCE`]:
    /// one attempt of the AWS SDK, or several that fail at once. Lambda allows ten seconds.
    pub async fn prepare(&self, now: Timestamp) {
        let mut ahead = self.read_ahead(None, now).await;
        self.metadata.keep(&mut ahead, now);
        self.key_set.keep(&mut ahead, now);
    }

    /// The provider's discovery document.
    ///
    /// # Errors
    ///
    /// When no document is young enough and none can be fetched.
    pub async fn metadata(&self, now: Timestamp) -> Result<Arc<Metadata>, KeysError> {
        self.metadata_from(&mut ReadAhead::default(), now).await
    }

    /// Verifies `token` in full, see [`jwt`](crate::jwt). Fetches keys if necessary, but never for a
    /// token that no key could make valid.
    ///
    /// # Errors
    ///
    /// When the token is invalid, or the keys are unavailable.
    pub async fn verify(
        &self,
        token: &str,
        expected: &Expected<'_>,
        now: Timestamp,
    ) -> Result<Claims, VerifyError> {
        self.verify_reading(token, expected, None, now).await.map(|(claims, _)| claims)
    }

    /// Like [`verify`](Self::verify). If that requires a read of the store, the same round trip also
    /// reads the pointer under `pointer`, and the rows found are returned.
    ///
    /// # Errors
    ///
    /// When the token is invalid, or the keys are unavailable.
    pub async fn verify_with_pointer(
        &self,
        token: &str,
        expected: &Expected<'_>,
        pointer: Digest,
        now: Timestamp,
    ) -> Result<(Claims, Option<Found>), VerifyError> {
        self.verify_reading(token, expected, Some(pointer), now).await
    }

    /// Verifies a logout token for the application `client_id` in full, see [`LogoutToken`]. Fetches
    /// keys under the same rules as [`verify`](Self::verify).
    ///
    /// # Errors
    ///
    /// When the token is invalid, or the keys are unavailable.
    pub async fn verify_logout_token(
        &self,
        token: &str,
        client_id: &str,
        now: Timestamp,
    ) -> Result<LogoutToken, VerifyError> {
        let token = UnverifiedToken::parse_logout_token(token, &self.issuer)?;
        let (keys, _) = self.keys_for(&token, None, now).await?;
        let candidates = keys.candidates(token.key_id(), token.algorithm());
        Ok(token.verify_logout_token(&candidates, client_id, now)?)
    }

    /// Verifies a signed response of the UserInfo endpoint in full, see [`UserInfo`]. Fetches keys under
    /// the same rules as [`verify`](Self::verify).
    ///
    /// # Errors
    ///
    /// When the response is invalid or about another user, or the keys are unavailable.
    pub async fn verify_user_info(
        &self,
        text: &str,
        client_id: &str,
        subject: &str,
        now: Timestamp,
    ) -> Result<UserInfo, VerifyUserInfoError> {
        let token =
            UnverifiedToken::parse_user_info(text, &self.issuer).map_err(VerifyError::Token)?;
        let (keys, _) = self.keys_for(&token, None, now).await?;
        let candidates = keys.candidates(token.key_id(), token.algorithm());
        Ok(token.verify_user_info(&candidates, client_id, subject, now)?)
    }

    async fn verify_reading(
        &self,
        text: &str,
        expected: &Expected<'_>,
        pointer: Option<Digest>,
        now: Timestamp,
    ) -> Result<(Claims, Option<Found>), VerifyError> {
        let token = UnverifiedToken::parse(text, expected)?;
        let (keys, found) = self.keys_for(&token, pointer, now).await?;
        let candidates = keys.candidates(token.key_id(), token.algorithm());
        Ok((token.verify(&candidates, expected, now)?, found))
    }

    /// The candidate keys for the signature of `token`. If the store was read for them, also the rows
    /// found with them: the pointer under `pointer`.
    async fn keys_for(
        &self,
        token: &UnverifiedToken<'_>,
        pointer: Option<Digest>,
        now: Timestamp,
    ) -> Result<(Arc<KeySet>, Option<Found>), VerifyError> {
        let mut ahead = self.read_ahead(pointer, now).await;
        let metadata = self.metadata_from(&mut ahead, now).await?;
        if !metadata.algorithms.contains(&token.algorithm()) {
            return Err(TokenError::AlgorithmNotAllowed.into());
        }
        let ask = || self.provider.key_set(&metadata.jwks_uri);
        let mut keys = self.key_set.get(&mut ahead, now, ask).await.map_err(KeysError)?;
        if self.misses(token, &keys) {
            let is_found = |keys: &KeySet| !self.misses(token, keys);
            let newer = self.key_set.newer_than(&keys, is_found, now, ask).await;
            keys = newer.map_err(KeysError)?.unwrap_or(keys);
        }
        let candidates = keys.candidates(token.key_id(), token.algorithm());
        if candidates.is_empty() && token.key_id().is_some_and(|key_id| keys.contains(key_id)) {
            return Err(TokenError::AlgorithmNotAllowed.into());
        }
        Ok((keys, ahead.into_found()))
    }

    /// Reads the documents that are due, and with them the pointer under `pointer`.
    async fn read_ahead(&self, pointer: Option<Digest>, now: Timestamp) -> ReadAhead {
        let due = [self.metadata.due_row(now), self.key_set.due_row(now)];
        let due = due.into_iter().flatten().collect();
        ReadAhead::of(&*self.store, due, pointer, TERMS.store_patience(), now).await
    }

    /// Whether a newer key set could change the result: the token names a key that is not in `keys`, or
    /// names none and no key in `keys` made its signature.
    fn misses(&self, token: &UnverifiedToken<'_>, keys: &KeySet) -> bool {
        if let Some(key_id) = token.key_id() {
            return !keys.contains(key_id);
        }
        !token.is_signed_by_any(&keys.candidates(None, token.algorithm()))
    }

    async fn metadata_from(
        &self,
        ahead: &mut ReadAhead,
        now: Timestamp,
    ) -> Result<Arc<Metadata>, KeysError> {
        self.metadata.get(ahead, now, || self.provider.metadata()).await.map_err(KeysError)
    }
}

const TERMS: Terms = Terms {
    soft_age: SOFT_AGE,
    hard_age: HARD_AGE,
    failure_pause: FAILURE_PAUSE,
    patience: REFRESH_PATIENCE,
    first_patience: FIRST_PATIENCE,
    miss_cool_down: MISS_COOL_DOWN,
};

fn report(document: &'static str, error: &ProviderError) {
    let error: &dyn std::error::Error = error;
    tracing::warn!(
        event = LogEvent::ProviderUnavailable.name(),
        document,
        error,
        "the provider returned no usable response"
    );
}
