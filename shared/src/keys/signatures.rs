//! Signatures that were verified, so that a token seen before costs a hash instead of a verification.
//!
//! What is remembered of a token is what never changes: which key made its signature. Everything else
//! is looked at on every use: whether the provider still publishes that very key for such a token, and
//! all that the token says. A token that was refused is not remembered.
//!
//! An entry is found by the digest of the token's whole text, so nobody finds one who does not hold the
//! token, and how long the search takes says nothing about tokens that somebody else holds. The text
//! has the signature in it: an ECDSA signature has a twin that is just as valid, and must be verified
//! for itself.

use std::fmt;

use quick_cache::{
    DefaultHashBuilder, OptionsBuilder, UnitWeighter,
    sync::{Cache, DefaultLifecycle},
};

use super::Key;
use crate::{jwt::Algorithm, secret::Digest};

/// How many tokens are remembered at most, of some 200 bytes each. What was used lately stays, however
/// many come that are shown once.
pub(super) const CAPACITY: usize = 1_000;

/// Signatures that were verified. Readers of different tokens seldom meet at a lock, and none is held
/// for longer than it takes to find an entry.
pub(super) struct KnownSignatures(Cache<Digest, Key>);

impl KnownSignatures {
    /// The one of `keys` that made the signature of the token under `digest` with `algorithm`, if that
    /// was verified before.
    pub(super) fn signer<'k>(
        &self,
        digest: Digest,
        keys: &[&'k Key],
        algorithm: Algorithm,
    ) -> Option<&'k Key> {
        let signer = self.0.get(&digest)?;
        keys.iter().find(|key| key.is_same(&signer, algorithm)).copied()
    }

    /// Remembers that `signer` made the signature of the token under `digest`.
    pub(super) fn remember(&self, digest: Digest, signer: &Key) {
        self.0.insert(digest, signer.clone());
    }

    /// Forgets a token.
    pub(super) fn forget(&self, digest: Digest) {
        self.0.remove(&digest);
    }

    #[cfg(test)]
    pub(super) fn clear(&self) {
        self.0.clear();
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl Default for KnownSignatures {
    #[expect(clippy::expect_used, reason = "both of what must be set is set")]
    fn default() -> Self {
        let options = OptionsBuilder::new()
            .shards(8)
            .estimated_items_capacity(CAPACITY)
            .weight_capacity(CAPACITY as u64)
            .build()
            .expect("the capacity is given");
        let (hasher, lifecycle) = (DefaultHashBuilder::default(), DefaultLifecycle::default());
        Self(Cache::with_options(options, UnitWeighter, hasher, lifecycle))
    }
}

/// How many there are.
impl fmt::Debug for KnownSignatures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KnownSignatures({})", self.0.len())
    }
}
