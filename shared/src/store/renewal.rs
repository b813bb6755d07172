//! What the store keeps of a session that can be refreshed, and what a refresh writes.

use super::{PointerRow, StoreError};
use crate::{clock::Timestamp, crypto::secret::Digest};

/// The part of a session's row that only a login with a refresh token has.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RefreshRow {
    /// The refresh token, sealed for whoever has the cookie.
    pub sealed: Vec<u8>,
    /// How many refresh tokens came before it. It never goes back, so that a write which comes too
    /// late is known by it.
    pub version: u64,
    /// When the token shown as API key came.
    pub refreshed_at: Timestamp,
    /// The pointer from that token. The pointers from the tokens before it lead here still, and open
    /// nothing.
    pub current: Digest,
    /// The token before it, for as long as it is accepted.
    pub previous: Option<PreviousToken>,
    /// Who refreshes the session now.
    pub lease: Option<Lease>,
}

/// A token that was replaced a moment ago.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PreviousToken {
    /// The pointer from it.
    pub pointer: Digest,
    /// When it is accepted no more.
    pub until: Timestamp,
    /// The key to the session's `sealed`, itself sealed for whoever has this token: the one in its
    /// pointer is the key to what was sealed before.
    pub token_key: Vec<u8>,
}

/// The right to refresh a session, for one of those who would.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Lease {
    /// Who has it: random, and drawn anew for each attempt.
    pub owner: [u8; 16],
    /// When it has run out, and somebody else may take it.
    pub expires_at: Timestamp,
}

/// What a refresh writes over the session's row. The rest of the row stays as it is.
#[derive(Clone, Debug)]
pub struct Renewal {
    /// The session's key.
    pub key: Digest,
    /// Who took the lease.
    pub owner: [u8; 16],
    /// See [`SessionRow::ends_at`](super::SessionRow::ends_at).
    pub ends_at: Timestamp,
    /// See [`SessionRow::expires_at`](super::SessionRow::expires_at).
    pub expires_at: Timestamp,
    /// See [`SessionRow::cookie_key`](super::SessionRow::cookie_key).
    pub cookie_key: Vec<u8>,
    /// See [`SessionRow::sealed`](super::SessionRow::sealed).
    pub sealed: Vec<u8>,
    /// Its version is the one after that which was leased. Its lease is none, or the same owner's.
    pub refresh: RefreshRow,
    /// The pointer from the new token, if there is one.
    pub pointer: Option<PointerRow>,
}

/// Why a session was not renewed. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum RenewError {
    /// The session has ended, or somebody else has taken the lease.
    #[error("the session has ended, or another request refreshes it")]
    Lost,
    /// The new token leads to another session.
    #[error("the new token already belongs to another session")]
    PointerExists,
    /// The store cannot answer; the session may have been renewed all the same.
    #[error(transparent)]
    Store(#[from] StoreError),
}
