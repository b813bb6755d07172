//! The stored data for refreshing a session, and what a refresh writes.

use super::{PointerRow, StoreError};
use crate::{clock::Timestamp, crypto::secret::Digest};

/// The part of a session's row that exists only if the login returned a refresh token.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RefreshRow {
    /// The refresh token, sealed for the cookie.
    pub sealed: Vec<u8>,
    /// The number of refresh tokens before this one. It only increases, so a write that comes too late
    /// is detected.
    pub version: u64,
    /// When the token shown as API key was obtained.
    pub refreshed_at: Timestamp,
    /// The key of that token's pointer. The pointers of earlier tokens still lead to this session, but
    /// open nothing.
    pub current: Digest,
    /// The previous token, for as long as it is accepted.
    pub previous: Option<PreviousToken>,
    /// Current lease, or one left by a refresh that did not finish.
    pub lease: Option<Lease>,
}

/// A token that was replaced recently.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PreviousToken {
    /// The key of its pointer.
    pub pointer: Digest,
    /// When it is no longer accepted.
    pub until: Timestamp,
    /// The key to the session's `sealed`, itself sealed for this token. The key in the token's pointer
    /// opens only the earlier contents.
    pub token_key: Vec<u8>,
}

/// The exclusive right of one owner to refresh a session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Lease {
    /// The owner: random, and generated for each attempt.
    pub owner: [u8; 16],
    /// When it expires, so that another owner may take it.
    pub expires_at: Timestamp,
}

/// What a refresh writes to the session's row. The other attributes stay unchanged.
#[derive(Clone, Debug)]
pub struct Renewal {
    /// The session's key.
    pub key: Digest,
    /// The owner of the lease.
    pub owner: [u8; 16],
    /// See [`SessionRow::ends_at`](super::SessionRow::ends_at).
    pub ends_at: Timestamp,
    /// See [`SessionRow::expires_at`](super::SessionRow::expires_at).
    pub expires_at: Timestamp,
    /// See [`SessionRow::cookie_key`](super::SessionRow::cookie_key).
    pub cookie_key: Vec<u8>,
    /// See [`SessionRow::sealed`](super::SessionRow::sealed).
    pub sealed: Vec<u8>,
    /// The new refresh data. Its version is one more than the leased version. Its lease is `None` or
    /// belongs to the same owner.
    pub refresh: RefreshRow,
    /// The pointer of the new token, if there is a new one.
    pub pointer: Option<PointerRow>,
}

/// Why a session was not renewed. Unless a variant states otherwise, nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum RenewError {
    /// The session has ended, or another owner has taken the lease.
    #[error("the session has ended, or another request refreshes it")]
    Lost,
    /// The new token belongs to another session.
    #[error("the new token already belongs to another session")]
    PointerExists,
    /// The store is unavailable; the session may have been renewed all the same.
    #[error(transparent)]
    Store(#[from] StoreError),
}
