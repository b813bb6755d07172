//! The session store, as a seam.
//!
//! A store is small and dumb: it keeps rows under digests and knows nothing of cookies, tokens or
//! keys. What makes a session safe lives above it, once, in [`crate::session`].
//!
//! # The laws
//!
//! Every store obeys them; `store::contract` proves it for each.
//!
//! 1. A row whose `expires_at` has come is as if it were not there, though it may still lie there:
//!    DynamoDB deletes such rows days later (R92).
//! 2. [`create`](SessionStore::create) writes both rows or neither, and never over a row that is
//!    there (R95).
//! 3. A read sees every write that ended before it began (R93).
//! 4. [`slide`](SessionStore::slide) changes a row that is there; it never makes one. What has been
//!    ended stays ended, whatever was in flight (R94).
//! 5. [`claim`](SessionStore::claim) says yes to one caller, however many ask at once (R17, R18).
//! 6. [`create`](SessionStore::create) refuses a login that a tombstone covers, its subject's or its
//!    provider session's. Once [`mark_ended`](SessionStore::mark_ended) has answered, none such is
//!    created; one that was before has been there to be found (R129).
//! 7. Of two tombstones of one owner, the one that covers more stays.
//! 8. [`sessions_of`](SessionStore::sessions_of) finds every session that is there, has been for
//!    [`index_lag`](SessionStore::index_lag) and is selected, however many there are, and none that
//!    is not selected. Law 3 does not hold for it: it reads an index, which a store may write a
//!    moment later.
//! 9. [`lease`](SessionStore::lease) gives one version of a session to one owner, however many ask at
//!    once, until the lease runs out; and to that owner again, who may thereby hold it for longer or
//!    give it up (R131, R132).
//! 10. [`renew`](SessionStore::renew) writes session and pointer or neither, for the owner of the lease
//!     on the version before and for nobody else. A session that was ended stays ended, one that
//!     somebody else has renewed stays as it is (R132, R137).
//! 11. [`lease_document`](SessionStore::lease_document) gives the right to fetch a document to one
//!     caller, however many ask at once, until it runs out or the document is written (R76).
//! 12. [`write_document`](SessionStore::write_document) never writes over a document that was fetched
//!     later: a slow writer brings no old key back (R72). What comes from the future, by more than
//!     [`CLOCK_TOLERANCE`], binds nobody (R80).

use std::{error::Error, fmt, time::Duration};

use async_trait::async_trait;

use crate::{clock::Timestamp, crypto::secret::Digest};

mod document;
#[cfg(feature = "dynamodb")]
pub mod dynamodb;
pub mod memory;
pub mod owner;
mod renewal;
pub mod table;

pub use self::{
    document::{CLOCK_TOLERANCE, DocumentRow, Found, MAX_DOCUMENT},
    owner::{Owner, Selection, Tombstone},
    renewal::{Lease, PreviousToken, RefreshRow, RenewError, Renewal},
};

/// Where sessions are kept.
#[async_trait]
pub trait SessionStore: fmt::Debug + Send + Sync {
    /// Does ahead of the first call what need not wait for it. Nothing is asked.
    fn prepare(&self) {}

    /// Creates a session together with the pointer from its token.
    ///
    /// # Errors
    ///
    /// [`CreateError::Exists`] if either key is taken, [`CreateError::Ended`] if a tombstone covers
    /// the login; then nothing was written.
    async fn create(
        &self,
        session: SessionRow,
        pointer: PointerRow,
        now: Timestamp,
    ) -> Result<(), CreateError>;

    /// The session under `key`.
    ///
    /// # Errors
    ///
    /// When the store cannot answer. That is not the same as "no session" (R96).
    async fn session(&self, key: Digest, now: Timestamp) -> Result<Option<SessionRow>, StoreError>;

    /// The pointer under `key`.
    ///
    /// # Errors
    ///
    /// When the store cannot answer.
    async fn pointer(&self, key: Digest, now: Timestamp) -> Result<Option<PointerRow>, StoreError>;

    /// Records that the session under `key` was used at `now`, and lets it live until
    /// `expires_at`. Answers whether the session was there.
    ///
    /// # Errors
    ///
    /// When the store cannot answer.
    async fn slide(
        &self,
        key: Digest,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Ends the session under `key`. Answers whether there was one.
    ///
    /// Its pointer stays until it expires: a pointer without a session is how a token whose
    /// session was ended is told from one that never had any.
    ///
    /// # Errors
    ///
    /// When the store cannot answer; the session may then still live.
    async fn end(&self, key: Digest, now: Timestamp) -> Result<bool, StoreError>;

    /// Claims `mark` until `expires_at`. Answers whether it was free.
    ///
    /// # Errors
    ///
    /// When the store cannot answer; the mark may then be claimed all the same.
    async fn claim(
        &self,
        mark: Digest,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// The keys of the sessions in `selection`. Among them may be some whose time has come.
    ///
    /// # Errors
    ///
    /// When the store cannot answer.
    async fn sessions_of(
        &self,
        selection: Selection,
        now: Timestamp,
    ) -> Result<Vec<Digest>, StoreError>;

    /// Ends the sessions under `keys`, each of which is named once. Their pointers stay, as with
    /// [`end`](Self::end).
    ///
    /// # Errors
    ///
    /// When the store cannot answer; any of the sessions may then still live.
    async fn end_all(&self, keys: &[Digest], now: Timestamp) -> Result<(), StoreError>;

    /// Lets no login that `tombstone` covers become a session any more.
    ///
    /// # Errors
    ///
    /// When the store cannot answer.
    async fn mark_ended(&self, tombstone: Tombstone, now: Timestamp) -> Result<(), StoreError>;

    /// How long a session may be there before [`sessions_of`](Self::sessions_of) finds it.
    fn index_lag(&self) -> Duration;

    /// Lets the owner of `lease` alone refresh the session under `key`, as long as it is at
    /// `version`. Answers whether the lease was free, or that owner's.
    ///
    /// The version is part of the question: whoever read the row before somebody else's refresh
    /// would present a refresh token that has been used.
    ///
    /// # Errors
    ///
    /// When the store cannot answer; the lease may then be taken all the same.
    async fn lease(
        &self,
        key: Digest,
        version: u64,
        lease: Lease,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Writes what a refresh brought, and gives up the lease. The session counts as used at `now`.
    ///
    /// A lease that has run out is good enough if nobody took it since.
    ///
    /// # Errors
    ///
    /// [`RenewError::Lost`] or [`RenewError::PointerExists`] if it may not; nothing was written then.
    async fn renew(&self, renewal: Renewal, now: Timestamp) -> Result<(), RenewError>;

    /// The documents under `keys`, and in the same round trip the pointer under `pointer`.
    ///
    /// # Errors
    ///
    /// When the store cannot answer for all of them.
    async fn documents(
        &self,
        keys: &[Digest],
        pointer: Option<Digest>,
        now: Timestamp,
    ) -> Result<Found, StoreError>;

    /// Lets the caller alone fetch the document under `key` until `until`, be there one yet or not.
    /// `None`: it is the caller's. Otherwise until when it is somebody else's.
    ///
    /// # Errors
    ///
    /// When the store cannot answer; the right may then be taken all the same.
    async fn lease_document(
        &self,
        key: Digest,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError>;

    /// Writes a document of at most [`MAX_DOCUMENT`] bytes, whoever has the right to fetch it, and
    /// gives that right up. Where one is there that was fetched later, nothing is written, which is
    /// no error.
    ///
    /// # Errors
    ///
    /// When the store cannot answer; the document may then be written all the same.
    async fn write_document(&self, document: DocumentRow, now: Timestamp)
    -> Result<(), StoreError>;
}

/// A session, as the store sees it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SessionRow {
    /// The digest of the cookie's secret.
    pub key: Digest,
    /// Whose it is. It never changes.
    pub owner: Owner,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last seen to be used.
    pub used_at: Timestamp,
    /// When it ends, however much it is used.
    pub ends_at: Timestamp,
    /// When it ends unless it is used before; never later than `ends_at`.
    pub expires_at: Timestamp,
    /// The key to `sealed`, itself sealed for whoever has the cookie.
    pub cookie_key: Vec<u8>,
    /// Claims and tokens.
    pub sealed: Vec<u8>,
    /// What a refresh needs. `None` where the login brought no refresh token.
    pub refresh: Option<RefreshRow>,
}

/// The way from a token to its session. It is written once and never changed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PointerRow {
    /// The digest of the token.
    pub key: Digest,
    /// The key of the session's row.
    pub session: Digest,
    /// The key to the session's `sealed`, itself sealed for whoever has the token.
    pub token_key: Vec<u8>,
    /// When the token expires.
    pub expires_at: Timestamp,
}

/// Why a session was not created.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// One of the keys is taken.
    #[error("a row with this key exists")]
    Exists,
    /// It was ended at the provider, or everywhere, while the login was under way.
    #[error("the session was ended before it was created")]
    Ended,
    /// The store cannot answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The store cannot answer. The request is answered with 503, never with "signed out".
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no room for another row.
    #[error("the session store is full")]
    Full,
    /// It was not reached, or refused.
    #[error("the session store is unavailable")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
}
