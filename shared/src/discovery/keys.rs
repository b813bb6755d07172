//! The provider's signing keys and metadata, cached in memory and in the store: one process fetches
//! a document for all (see `provider::document`). Wherever it is found,
//!
//! - Younger than [`SOFT_AGE`], a document is used as it is.
//! - Older, the first reader of all asks the provider for a new one and waits at most
//!   [`REFRESH_PATIENCE`]; everyone else goes on with the old one. After a failure nobody asks for
//!   [`FAILURE_PAUSE`].
//! - Older than [`HARD_AGE`], it is used no more: a key that the provider withdrew must stop
//!   working, even for one who can keep us from hearing of it.
//! - A token with an unknown `kid` has the keys fetched anew, once per [`MISS_COOL_DOWN`] whoever
//!   sends it to whichever process. A flood of invented names costs one fetch per cool-down, and
//!   cannot keep a new key unknown for longer than that to a process that was shown it.
//!
//! A [reader](Keys::reader) writes nothing to the store. What it finds too old there it fetches for its
//! own process, as where the store does not answer.
//!
//! A process that starts reads the store once for all that it needs, and the pointer of the token
//! with it; a token that no key could make good has nothing read (R75).

#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use crate::{
    cache::Terms,
    clock::Timestamp,
    crypto::secret::Digest,
    discovery::document::{Document, Kind, ReadAhead, Sharing},
    issuer::Issuer,
    jwt::{Algorithm, Claims, Expected, KeySet, LogoutToken, TokenError, UnverifiedToken},
    provider::{IdentityProvider, Metadata, ProviderError},
    store::{Found, SessionStore},
};

pub use crate::discovery::document::WAIT;

/// The age from which a newer document is asked for.
pub const SOFT_AGE: Duration = Duration::from_secs(10 * 60);

/// The age at which a document is used no more.
pub const HARD_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a failure is remembered before the provider is asked again, and how long one process
/// alone may be about a fetch: as long as the provider may take.
pub const FAILURE_PAUSE: Duration = Duration::from_secs(5);

/// How long one reader waits for a newer document while the old one is still good.
pub const REFRESH_PATIENCE: Duration = Duration::from_secs(2);

/// How long one reader waits where there is no document: for another process, the provider and the
/// store together.
pub const FIRST_PATIENCE: Duration = Duration::from_secs(12);

/// How long after a fetch for an unknown key the next such fetch may be.
pub const MISS_COOL_DOWN: Duration = Duration::from_secs(10);

/// The provider's keys and metadata, as far as they are known.
#[derive(Debug)]
pub struct Keys {
    provider: Arc<dyn IdentityProvider>,
    store: Arc<dyn SessionStore>,
    issuer: Issuer,
    metadata: Document<Metadata>,
    key_set: Document<KeySet>,
}

/// The provider's keys or metadata cannot be had. That says nothing about a token: answer 503.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the identity provider's keys or metadata are unavailable")]
pub struct KeysError(#[source] Arc<ProviderError>);

/// The provider's documents, and what was read from the store along with them.
struct Published {
    metadata: Arc<Metadata>,
    keys: Arc<KeySet>,
    found: Option<Found>,
}

/// Why a token was not verified.
#[derive(Clone, Debug, thiserror::Error)]
pub enum VerifyError {
    /// Nobody knows whether it is good.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// It is not good.
    #[error(transparent)]
    Token(#[from] TokenError),
}

impl Keys {
    /// The keys of `issuer`, as `provider` tells them and `store` shares them. Nothing is asked yet.
    pub fn new(
        provider: Arc<dyn IdentityProvider>,
        store: Arc<dyn SessionStore>,
        issuer: Issuer,
    ) -> Self {
        Self::sharing(Sharing::Writes, provider, store, issuer)
    }

    /// The same keys for a function that writes no document to the store: it uses the rows that others
    /// write. What it finds too old there, or not at all, it fetches for its own process (R205).
    #[must_use]
    pub fn reader(&self) -> Self {
        let (provider, store) = (Arc::clone(&self.provider), Arc::clone(&self.store));
        Self::sharing(Sharing::Reads, provider, store, self.issuer.clone())
    }

    fn sharing(
        sharing: Sharing,
        provider: Arc<dyn IdentityProvider>,
        store: Arc<dyn SessionStore>,
        issuer: Issuer,
    ) -> Self {
        let kind = |name| Kind { name, terms: TERMS, report };
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

    /// The provider's discovery document.
    ///
    /// # Errors
    ///
    /// When there is none young enough and none can be fetched.
    pub async fn metadata(&self, now: Timestamp) -> Result<Arc<Metadata>, KeysError> {
        self.metadata_from(&mut ReadAhead::default(), now).await
    }

    /// Verifies `token` in full, see [`jwt`](crate::jwt). Keys are fetched if need be, and never for a
    /// token that no key could make good.
    ///
    /// # Errors
    ///
    /// When the token is not as expected, or the keys to tell cannot be had.
    pub async fn verify(
        &self,
        token: &str,
        expected: &Expected<'_>,
        now: Timestamp,
    ) -> Result<Claims, VerifyError> {
        self.verify_reading(token, expected, None, now).await.map(|(claims, _)| claims)
    }

    /// As [`verify`](Self::verify). If it has to read the store for that, it reads the pointer under
    /// `pointer` in the same round trip, and answers what it found.
    ///
    /// # Errors
    ///
    /// When the token is not as expected, or the keys to tell cannot be had.
    pub async fn verify_with_pointer(
        &self,
        token: &str,
        expected: &Expected<'_>,
        pointer: Digest,
        now: Timestamp,
    ) -> Result<(Claims, Option<Found>), VerifyError> {
        self.verify_reading(token, expected, Some(pointer), now).await
    }

    /// Verifies a logout token for the application `client_id` in full, see [`LogoutToken`], with
    /// the same care for keys as [`verify`](Self::verify).
    ///
    /// # Errors
    ///
    /// When the token is not as expected, or the keys to tell cannot be had.
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

    /// What the provider publishes, if it signs with `algorithm`.
    async fn published(
        &self,
        algorithm: Algorithm,
        pointer: Option<Digest>,
        now: Timestamp,
    ) -> Result<Published, VerifyError> {
        let due = [self.metadata.due_row(now), self.key_set.due_row(now)];
        let due = due.into_iter().flatten().collect();
        let patience = TERMS.store_patience();
        let mut ahead = ReadAhead::of(&*self.store, due, pointer, patience, now).await;
        let metadata = self.metadata_from(&mut ahead, now).await?;
        if !metadata.algorithms.contains(&algorithm) {
            return Err(TokenError::AlgorithmNotAllowed.into());
        }
        let ask = || self.provider.key_set(&metadata.jwks_uri);
        let keys = self.key_set.get(&mut ahead, now, ask).await.map_err(KeysError)?;
        Ok(Published { metadata, keys, found: ahead.into_found() })
    }

    /// The keys among which the one that signed `token` must be. If the store had to be read for them,
    /// what was found beside them: the pointer under `pointer`.
    async fn keys_for(
        &self,
        token: &UnverifiedToken<'_>,
        pointer: Option<Digest>,
        now: Timestamp,
    ) -> Result<(Arc<KeySet>, Option<Found>), VerifyError> {
        let Published { metadata, mut keys, found } =
            self.published(token.algorithm(), pointer, now).await?;
        if self.misses(token, &keys) {
            let is_found = |keys: &KeySet| !self.misses(token, keys);
            let ask = || self.provider.key_set(&metadata.jwks_uri);
            let newer = self.key_set.newer_than(&keys, is_found, now, ask).await;
            keys = newer.map_err(KeysError)?.unwrap_or(keys);
        }
        let candidates = keys.candidates(token.key_id(), token.algorithm());
        if candidates.is_empty() && token.key_id().is_some_and(|key_id| keys.contains(key_id)) {
            return Err(TokenError::AlgorithmNotAllowed.into());
        }
        Ok((keys, found))
    }

    /// Whether a newer key set could change the outcome: the token names a key that is not in `keys`,
    /// or names none and no key there made its signature.
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

impl KeysError {
    /// Why.
    pub fn reason(&self) -> &ProviderError {
        &self.0
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
        event = "provider.unavailable",
        document,
        error,
        "the provider returned no usable response"
    );
}
