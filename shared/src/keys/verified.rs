//! Tokens that were verified, so that a token seen before costs a hash instead of a signature.
//!
//! What is remembered of a token is what never changes: which key made its signature, and what it
//! says. Everything else is looked at on every use: whether the provider still publishes that very
//! key, under the same name and for the same algorithm, and the token's times. A token that was
//! refused is not remembered, nor one that is shown once, as at a login.
//!
//! An entry is found by the digest of the token's whole text and of what it was held against, so
//! nobody finds one who does not hold the token, and how long the search takes says nothing about
//! tokens that somebody else holds.

use std::{fmt, sync::Arc};

use quick_cache::{
    DefaultHashBuilder, OptionsBuilder, Weighter,
    sync::{Cache, DefaultLifecycle},
};

use super::{Key, KeySet};
use crate::{
    clock::Timestamp,
    jwt::{Algorithm, Claims, Expected, Kind, TokenError},
    secret::Digest,
};

/// How much is remembered at most, in bytes as [`Weigh`] estimates them: some 1,000 tokens of usual
/// size. What was used lately stays, however many come that are shown once.
pub(super) const CAPACITY: u64 = 4 * 1024 * 1024;

/// The longest token that is remembered, in bytes. Longer ones are verified each time.
const MAX_LENGTH: usize = 4 * 1024;

/// Tokens that were verified. Readers of different tokens seldom meet at a lock, and none is held for
/// longer than it takes to find an entry.
pub(super) struct VerifiedTokens(Cache<TokenName, Arc<VerifiedToken>, Weigh>);

/// What a token is remembered by.
///
/// It covers the signature as well: an ECDSA signature has a twin that is just as valid, and must be
/// verified for itself. It covers the expectations too, so that what was good for one audience is
/// never taken for good for another.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub(super) struct TokenName(Digest);

/// What is remembered of a token.
pub(super) struct VerifiedToken {
    /// The algorithm of its signature.
    pub(super) algorithm: Algorithm,
    /// The key that made it.
    pub(super) signer: Key,
    /// What it says.
    pub(super) claims: Arc<Claims>,
    /// How long its text is, in bytes.
    pub(super) length: usize,
}

#[derive(Clone)]
struct Weigh;

impl TokenName {
    /// The name of `token`, held against `expected`. `None`: it is none to remember.
    pub(super) fn of(token: &str, expected: &Expected<'_>) -> Option<Self> {
        if token.len() > MAX_LENGTH {
            return None;
        }
        let (kind, audience) = match expected.kind {
            Kind::AccessToken { audience } => ("access token", audience),
            Kind::ApiKey { client_id } => ("API key", client_id),
            Kind::IdToken { .. } | Kind::RefreshedIdToken { .. } => return None,
        };
        let parts = [kind, expected.issuer.as_str(), audience, token];
        Some(Self(Digest::of_parts(parts)))
    }
}

impl VerifiedTokens {
    /// What is remembered under `name`. Whether it still holds is for the caller to ask.
    pub(super) fn get(&self, name: &TokenName) -> Option<Arc<VerifiedToken>> {
        self.0.get(name)
    }

    /// Remembers a token that was verified.
    pub(super) fn remember(&self, name: TokenName, token: VerifiedToken) {
        self.0.insert(name, Arc::new(token));
    }

    /// Forgets a token.
    pub(super) fn forget(&self, name: &TokenName) {
        self.0.remove(name);
    }

    #[cfg(test)]
    pub(super) fn clear(&self) {
        self.0.clear();
    }

    #[cfg(test)]
    pub(super) fn weight(&self) -> u64 {
        self.0.weight()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl Default for VerifiedTokens {
    #[expect(clippy::expect_used, reason = "both of what must be set is set")]
    fn default() -> Self {
        let options = OptionsBuilder::new()
            .shards(8)
            .estimated_items_capacity(1_000)
            .weight_capacity(CAPACITY)
            .build()
            .expect("the capacity is given");
        let (hasher, lifecycle) = (DefaultHashBuilder::default(), DefaultLifecycle::default());
        Self(Cache::with_options(options, Weigh, hasher, lifecycle))
    }
}

impl VerifiedToken {
    /// What the token says, if it would be verified now: `keys` are those that the provider
    /// publishes. `None`: its key is not among them any more, and whether another proves it is to be
    /// seen.
    ///
    /// # Errors
    ///
    /// When its time has passed, or has not come.
    pub(super) fn claims_under(
        &self,
        keys: &KeySet,
        kind: &Kind<'_>,
        now: Timestamp,
    ) -> Result<Option<Arc<Claims>>, TokenError> {
        if !keys.has(&self.signer, self.algorithm) {
            return Ok(None);
        }
        self.claims.check_times(kind, now)?;
        Ok(Some(Arc::clone(&self.claims)))
    }
}

impl Weighter<TokenName, Arc<VerifiedToken>> for Weigh {
    /// About what an entry takes up. The claims, as they lie in memory, are three times as long as
    /// the token of which they are read.
    fn weight(&self, _: &TokenName, token: &Arc<VerifiedToken>) -> u64 {
        1_024 + 3 * token.length as u64
    }
}

/// How many there are, and nothing of what they say.
impl fmt::Debug for VerifiedTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifiedTokens({})", self.0.len())
    }
}
