//! The provider's signing keys and metadata, cached.
//!
//! - Younger than [`SOFT_AGE`], a document is used as it is.
//! - Older, the first reader asks for a new one and waits at most [`REFRESH_PATIENCE`]; everyone
//!   else goes on with the old one. After a failure nobody asks for [`FAILURE_PAUSE`].
//! - Older than [`HARD_AGE`], it is used no more: a key that the provider withdrew must stop
//!   working, even for one who can keep us from hearing of it.
//! - A token with an unknown `kid` has the keys fetched anew, once per [`MISS_COOL_DOWN`] whoever
//!   sends it. A flood of invented names costs one fetch per cool-down, and cannot keep a new key
//!   unknown for longer than that.

mod key_set;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use crate::{
    cache::{Cache, Terms},
    clock::Timestamp,
    issuer::Issuer,
    jwt::{Claims, Expected, TokenError, UnverifiedToken},
    provider::{IdentityProvider, Metadata, ProviderError},
};

pub use self::key_set::{Key, KeySet, MalformedKeySet};

/// The age from which a newer document is asked for.
pub const SOFT_AGE: Duration = Duration::from_secs(10 * 60);

/// The age at which a document is used no more.
pub const HARD_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a failure is remembered before the provider is asked again.
pub const FAILURE_PAUSE: Duration = Duration::from_secs(5);

/// How long one reader waits for a newer document while the old one is still good.
pub const REFRESH_PATIENCE: Duration = Duration::from_secs(2);

/// How long after a fetch for an unknown key the next such fetch may be.
pub const MISS_COOL_DOWN: Duration = Duration::from_secs(10);

/// The provider's keys and metadata, as far as they are known.
#[derive(Debug)]
pub struct Keys {
    provider: Arc<dyn IdentityProvider>,
    issuer: Issuer,
    metadata: Cache<Metadata, ProviderError>,
    key_set: Cache<KeySet, ProviderError>,
}

/// The provider's keys or metadata cannot be had. That says nothing about a token: answer 503.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the identity provider's keys or metadata cannot be had")]
pub struct KeysError(#[source] Arc<ProviderError>);

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
    /// The keys of `issuer`, as `provider` tells them. Nothing is asked yet.
    pub fn new(provider: Arc<dyn IdentityProvider>, issuer: Issuer) -> Self {
        Self {
            provider,
            issuer,
            metadata: Cache::new(TERMS, |fetched| report("metadata", fetched)),
            key_set: Cache::new(TERMS, |fetched| report("keys", fetched)),
        }
    }

    /// The provider's discovery document.
    ///
    /// # Errors
    ///
    /// When there is none young enough and none can be fetched.
    pub async fn metadata(&self, now: Timestamp) -> Result<Arc<Metadata>, KeysError> {
        let fetch = || async {
            let metadata = self.provider.metadata().await?;
            if metadata.issuer == self.issuer {
                Ok(metadata)
            } else {
                Err(ProviderError::WrongIssuer)
            }
        };
        self.metadata.get(now, fetch).await.map_err(KeysError)
    }

    /// Verifies `token` in full, see [`jwt`](crate::jwt). Keys are fetched if need be, and never
    /// for a token that no key could make good.
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
        let token = UnverifiedToken::parse(token, expected)?;
        let metadata = self.metadata(now).await?;
        if !metadata.algorithms.contains(&token.algorithm()) {
            return Err(TokenError::AlgorithmNotAllowed.into());
        }
        let fetch = || async {
            let key_set = self.provider.key_set(&metadata.jwks_uri).await?;
            if key_set.is_empty() { Err(ProviderError::NoUsableKey) } else { Ok(key_set) }
        };
        let mut keys = self.key_set.get(now, fetch).await.map_err(KeysError)?;
        if misses(&token, &keys)
            && let Some(newer) =
                self.key_set.newer_than(&keys, now, fetch).await.map_err(KeysError)?
        {
            keys = newer;
        }
        let candidates = keys.candidates(token.key_id(), token.algorithm());
        if candidates.is_empty() && token.key_id().is_some_and(|key_id| keys.contains(key_id)) {
            return Err(TokenError::AlgorithmNotAllowed.into());
        }
        Ok(token.verify(&candidates, expected, now)?)
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
    miss_cool_down: MISS_COOL_DOWN,
};

fn report(document: &'static str, fetched: Result<(), &ProviderError>) {
    match fetched {
        Ok(()) => {
            tracing::info!(event = "provider.fetched", document, "the provider was asked");
        }
        Err(error) => {
            let error: &dyn std::error::Error = error;
            tracing::warn!(
                event = "provider.unavailable",
                document,
                error,
                "the provider gave no answer that can be used"
            );
        }
    }
}

/// Whether a newer key set could change the outcome: the token names a key that is not in `keys`,
/// or names none and no key there made its signature.
fn misses(token: &UnverifiedToken<'_>, keys: &KeySet) -> bool {
    match token.key_id() {
        Some(key_id) => !keys.contains(key_id),
        None => !token.is_signed_by(&keys.candidates(None, token.algorithm())),
    }
}
