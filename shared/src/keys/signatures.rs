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

use super::Key;
use crate::{jwt::UnverifiedToken, known::Known, secret::Digest};

/// Signatures that were verified, of some 200 bytes each.
#[derive(Default)]
pub(super) struct KnownSignatures(Known<Key>);

impl KnownSignatures {
    /// The one of `keys` that made the signature of `token`, if that was verified before.
    pub(super) fn signer<'k>(
        &self,
        token: &UnverifiedToken<'_>,
        keys: &[&'k Key],
    ) -> Option<&'k Key> {
        let signer = self.0.get(token.digest())?;
        keys.iter().find(|key| key.is_same(&signer, token.algorithm())).copied()
    }

    /// Remembers that `signer` made the signature of the token under `digest`.
    pub(super) fn remember(&self, digest: Digest, signer: &Key) {
        self.0.remember(digest, signer.clone());
    }

    /// Forgets a token.
    pub(super) fn forget(&self, digest: Digest) {
        self.0.forget(digest);
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

/// How many there are.
impl fmt::Debug for KnownSignatures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KnownSignatures({})", self.0.len())
    }
}
