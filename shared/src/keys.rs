//! The provider's signing keys and metadata, cached.
//!
//! - Younger than [`SOFT_AGE`], a document is used as it is.
//! - Older, the first reader asks for a new one and waits at most [`REFRESH_PATIENCE`]; everyone
//!   else goes on with the old one. After a failure nobody asks for [`FAILURE_PAUSE`].
//! - Older than [`HARD_AGE`], it is used no more: a key that the provider withdrew must stop
//!   working, even for one who can keep us from hearing of it.
//! - A token that was verified before is not verified again while its key is there, see `verified`.
//! - A token with an unknown `kid` has the keys fetched anew, once per [`MISS_COOL_DOWN`] whoever
//!   sends it. A flood of invented names costs one fetch per cool-down, and cannot keep a new key
//!   unknown for longer than that.

mod key_set;
#[cfg(test)]
mod tests;
mod verified;

use std::{sync::Arc, time::Duration};

use crate::{
    cache::{Cache, Terms},
    clock::Timestamp,
    issuer::Issuer,
    jwt::{Algorithm, Claims, Expected, LogoutToken, TokenError, UnverifiedToken},
    provider::{IdentityProvider, Metadata, ProviderError},
};

use self::verified::{TokenName, VerifiedToken, VerifiedTokens};

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
    verified: VerifiedTokens,
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
            verified: VerifiedTokens::default(),
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

    /// Verifies `token` in full, see [`jwt`](crate::jwt), unless it was before and nothing has changed
    /// since. Keys are fetched if need be, and never for a token that no key could make good.
    ///
    /// # Errors
    ///
    /// When the token is not as expected, or the keys to tell cannot be had.
    pub async fn verify(
        &self,
        token: &str,
        expected: &Expected<'_>,
        now: Timestamp,
    ) -> Result<Arc<Claims>, VerifyError> {
        let name = TokenName::of(token, expected);
        if let Some(name) = &name
            && let Some(claims) = self.recall(name, expected, now).await?
        {
            return Ok(claims);
        }
        let length = token.len();
        let token = UnverifiedToken::parse(token, expected)?;
        let algorithm = token.algorithm();
        let keys = self.keys_for(&token, now).await?;
        let candidates = keys.candidates(token.key_id(), algorithm);
        let (claims, signer) = token.verify_and_name_signer(&candidates, expected, now)?;
        let claims = Arc::new(claims);
        if let Some(name) = name {
            let (signer, claims) = (signer.clone(), Arc::clone(&claims));
            self.verified.remember(name, VerifiedToken { algorithm, signer, claims, length });
        }
        Ok(claims)
    }

    /// Forgets that `token` was verified: nobody will be let in by it again.
    pub(crate) fn forget(&self, token: &str, expected: &Expected<'_>) {
        if let Some(name) = TokenName::of(token, expected) {
            self.verified.forget(&name);
        }
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
        let keys = self.keys_for(&token, now).await?;
        let candidates = keys.candidates(token.key_id(), token.algorithm());
        Ok(token.verify_logout_token(&candidates, client_id, now)?)
    }

    /// Forgets every token.
    #[cfg(test)]
    pub(crate) fn forget_all(&self) {
        self.verified.clear();
    }

    /// How many tokens are remembered.
    #[cfg(test)]
    pub(crate) fn remembered(&self) -> usize {
        self.verified.len()
    }

    /// What the token of that name says, if it was verified before and would be now. `None`: that is
    /// to be seen.
    async fn recall(
        &self,
        name: &TokenName,
        expected: &Expected<'_>,
        now: Timestamp,
    ) -> Result<Option<Arc<Claims>>, VerifyError> {
        let Some(token) = self.verified.get(name) else { return Ok(None) };
        let (_, keys) = self.published(token.algorithm, now).await?;
        let claims = token.claims_under(&keys, &expected.kind, now);
        if !matches!(claims, Ok(Some(_))) {
            self.verified.forget(name);
        }
        Ok(claims?)
    }

    /// The metadata and the keys of the provider, if it signs with `algorithm`.
    async fn published(
        &self,
        algorithm: Algorithm,
        now: Timestamp,
    ) -> Result<(Arc<Metadata>, Arc<KeySet>), VerifyError> {
        let metadata = self.metadata(now).await?;
        if !metadata.algorithms.contains(&algorithm) {
            return Err(TokenError::AlgorithmNotAllowed.into());
        }
        let fetch = || self.fetch_keys(&metadata);
        let keys = self.key_set.get(now, fetch).await.map_err(KeysError)?;
        Ok((metadata, keys))
    }

    async fn fetch_keys(&self, metadata: &Metadata) -> Result<KeySet, ProviderError> {
        let key_set = self.provider.key_set(&metadata.jwks_uri).await?;
        if key_set.is_empty() { Err(ProviderError::NoUsableKey) } else { Ok(key_set) }
    }

    /// The keys among which the one that signed `token` must be.
    async fn keys_for(
        &self,
        token: &UnverifiedToken<'_>,
        now: Timestamp,
    ) -> Result<Arc<KeySet>, VerifyError> {
        let (metadata, mut keys) = self.published(token.algorithm(), now).await?;
        let fetch = || self.fetch_keys(&metadata);
        if misses(token, &keys)
            && let Some(newer) =
                self.key_set.newer_than(&keys, now, fetch).await.map_err(KeysError)?
        {
            keys = newer;
        }
        let candidates = keys.candidates(token.key_id(), token.algorithm());
        if candidates.is_empty() && token.key_id().is_some_and(|key_id| keys.contains(key_id)) {
            return Err(TokenError::AlgorithmNotAllowed.into());
        }
        Ok(keys)
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
        None => token.signer(&keys.candidates(None, token.algorithm())).is_none(),
    }
}
