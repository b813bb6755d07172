//! The keys that seal a session's rows, and what each sealed text is bound to.

use crate::{
    crypto::{
        seal::SealingKey,
        secret::{Digest, SessionSecret},
    },
    store::PointerRow,
};

/// The key to `cookie_key` in the session's row, derived from the cookie.
pub(super) fn cookie_key(secret: &SessionSecret) -> SealingKey {
    SealingKey::new(*secret.as_bytes(), "session key, for the cookie")
}

/// The key to `token_key` in the pointer's row, derived from the token.
pub(super) fn token_key(token: &str) -> SealingKey {
    SealingKey::new(token, "session key, for the token")
}

/// The key to the session's contents, derived from the data key that both rows contain sealed.
pub(super) fn contents_key(data_key: impl Into<Vec<u8>>) -> SealingKey {
    SealingKey::new(data_key, "session contents")
}

/// The key of a token's pointer: the digest of the signed part, without the signature.
///
/// The holder of an ECDSA signature can make another valid signature for the same token. With a digest
/// of the whole token, that second token would count as one that never had a session here, and could
/// still be valid after a logout.
pub(crate) fn token_digest(token: &str) -> Digest {
    Digest::of(token.rsplit_once('.').map_or(token, |(signed, _)| signed))
}

/// Binds a pointer's sealed key to this pointer and its session: it opens nowhere else.
pub(super) fn pointer_identity(pointer: &PointerRow) -> Vec<u8> {
    [*pointer.key.as_bytes(), *pointer.session.as_bytes()].concat()
}

/// The key to the refresh token in the session's row, derived from the cookie.
pub(super) fn grant_key(secret: &SessionSecret) -> SealingKey {
    SealingKey::new(*secret.as_bytes(), "refresh token, for the cookie")
}

/// Binds a refresh token to its session's row and to its version: it opens nowhere else.
pub(super) fn grant_identity(session: Digest, version: u64) -> Vec<u8> {
    [&session.as_bytes()[..], &version.to_be_bytes()].concat()
}
