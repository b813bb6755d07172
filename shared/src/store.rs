//! The session store, one of the two seams.
//!
//! A store only keeps rows under digests. It knows nothing of cookies, tokens or keys. The security of
//! sessions is implemented once, in [`crate::session`].
//!
//! # The laws
//!
//! Every store must obey them; `testing::contract` tests each store.
//!
//! 1. A row whose `expires_at` has come counts as missing, even if it still exists: DynamoDB deletes
//!    such rows days later (R92).
//! 2. [`create`](SessionStore::create) writes both rows or neither, and never overwrites an existing
//!    row (R95).
//! 3. A read sees every write that completed before the read began (R93).
//! 4. [`slide`](SessionStore::slide) changes an existing row and never creates one. An ended session
//!    stays ended, whatever requests were in flight (R94).
//! 5. [`claim`](SessionStore::claim) succeeds for one caller, however many call at once (R17, R18).
//! 6. [`create`](SessionStore::create) refuses a login that a tombstone of its subject or of its
//!    provider session covers. Once [`mark_ended`](SessionStore::mark_ended) has returned, no such
//!    session is created; one created before can be found (R129).
//! 7. Of two tombstones of one owner, the one that covers more is kept.
//! 8. [`sessions_of`](SessionStore::sessions_of) finds every selected session that has existed for
//!    [`index_lag`](SessionStore::index_lag), however many there are, and no others. Law 3 does not
//!    apply to it: it reads an index, which a store may update a moment later.
//! 9. [`lease`](SessionStore::lease) gives one version of a session to one owner until the lease
//!    expires, however many call at once. That owner may take it again, to extend it or to give it up
//!    (R131, R132).
//! 10. [`renew`](SessionStore::renew) writes session and pointer or neither, and only for the owner of
//!     the lease on the previous version. An ended session stays ended, and a session that another
//!     owner has renewed stays unchanged (R132, R137).
//! 11. [`lease_document`](DocumentStore::lease_document) gives the right to fetch a document to one
//!     caller, however many call at once, until it expires or the document is written (R76).
//! 12. [`write_document`](DocumentStore::write_document) never overwrites a document that was fetched
//!     later, so a slow writer restores no old key (R72). Timestamps more than [`CLOCK_TOLERANCE`]
//!     ahead of `now` are ignored (R80).

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
    document::{CLOCK_TOLERANCE, DocumentRow, DocumentStore, Found, MAX_DOCUMENT},
    owner::{Owner, Selection, Tombstone},
    renewal::{Lease, PreviousToken, RefreshRow, RenewError, Renewal},
};

/// One place for both sessions and documents, such as a table.
pub trait Store: SessionStore + DocumentStore {}

impl<T: SessionStore + DocumentStore> Store for T {}

/// A store of sessions.
#[async_trait]
pub trait SessionStore: fmt::Debug + Send + Sync {
    /// Creates a session and the pointer from its token.
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
    /// When the store is unavailable. That is not the same as "no session" (R96).
    async fn session(&self, key: Digest, now: Timestamp) -> Result<Option<SessionRow>, StoreError>;

    /// The pointer under `key`.
    ///
    /// # Errors
    ///
    /// When the store is unavailable.
    async fn pointer(&self, key: Digest, now: Timestamp) -> Result<Option<PointerRow>, StoreError>;

    /// Records that the session under `key` was used at `now`, and moves its expiry to `expires_at`.
    /// Returns whether the session exists.
    ///
    /// # Errors
    ///
    /// When the store is unavailable.
    async fn slide(
        &self,
        key: Digest,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Ends the session under `key`. Returns whether there was one.
    ///
    /// Its pointer stays until it expires: a pointer without a session distinguishes a token whose
    /// session has ended from one that never had a session.
    ///
    /// # Errors
    ///
    /// When the store is unavailable; the session may then still be live.
    async fn end(&self, key: Digest, now: Timestamp) -> Result<bool, StoreError>;

    /// Claims `mark` until `expires_at`. Returns whether it was free.
    ///
    /// # Errors
    ///
    /// When the store is unavailable; the mark may then be claimed all the same.
    async fn claim(
        &self,
        mark: Digest,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// The keys of the sessions in `selection`. Some of them may have expired.
    ///
    /// # Errors
    ///
    /// When the store is unavailable.
    async fn sessions_of(
        &self,
        selection: Selection,
        now: Timestamp,
    ) -> Result<Vec<Digest>, StoreError>;

    /// Ends the sessions under `keys`, which are distinct. Their pointers stay, as with
    /// [`end`](Self::end).
    ///
    /// # Errors
    ///
    /// When the store is unavailable; any of the sessions may then still be live.
    async fn end_all(&self, keys: &[Digest], now: Timestamp) -> Result<(), StoreError>;

    /// Prevents every login that `tombstone` covers from becoming a session.
    ///
    /// # Errors
    ///
    /// When the store is unavailable.
    async fn mark_ended(&self, tombstone: Tombstone, now: Timestamp) -> Result<(), StoreError>;

    /// How long [`sessions_of`](Self::sessions_of) may miss a session after its creation.
    fn index_lag(&self) -> Duration;

    /// Lets only the owner of `lease` refresh the session under `key`, as long as the session is at
    /// `version`. Returns whether the lease was free, or already belonged to that owner.
    ///
    /// The version is compared because a request may have read the row before another refresh. It
    /// would then send a refresh token that was already used.
    ///
    /// # Errors
    ///
    /// When the store is unavailable; the lease may then be taken all the same.
    async fn lease(
        &self,
        key: Digest,
        version: u64,
        lease: Lease,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Writes the result of a refresh, with the lease that `renewal` contains, if any. The session
    /// counts as used at `now`.
    ///
    /// An expired lease suffices if no other owner has taken it.
    ///
    /// # Errors
    ///
    /// [`RenewError::Lost`] or [`RenewError::PointerExists`] if the renewal is refused; nothing was
    /// written then. [`RenewError::Store`] when the store is unavailable; the session may then be
    /// renewed all the same.
    async fn renew(&self, renewal: Renewal, now: Timestamp) -> Result<(), RenewError>;
}

/// A row of a session.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SessionRow {
    /// The digest of the cookie's secret.
    pub key: Digest,
    /// The owner. It never changes.
    pub owner: Owner,
    /// When it began.
    pub created_at: Timestamp,
    /// When its last use was recorded.
    pub used_at: Timestamp,
    /// When it ends, regardless of use.
    pub ends_at: Timestamp,
    /// When it ends if it is not used before; never later than `ends_at`.
    pub expires_at: Timestamp,
    /// The key to `sealed`, itself sealed for the cookie.
    pub cookie_key: Vec<u8>,
    /// Claims and tokens, sealed.
    pub sealed: Vec<u8>,
    /// The data for a refresh. `None` if the login returned no refresh token.
    pub refresh: Option<RefreshRow>,
}

/// The row that leads from a token to its session. It is written once and never changed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PointerRow {
    /// The digest of the token.
    pub key: Digest,
    /// The key of the session's row.
    pub session: Digest,
    /// The key to the session's `sealed`, itself sealed for the token.
    pub token_key: Vec<u8>,
    /// When the token is no longer accepted.
    pub expires_at: Timestamp,
}

/// Why a session was not created.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// One of the keys is taken.
    #[error("a row with this key exists")]
    Exists,
    /// It was ended at the provider, or everywhere, while the login was in progress.
    #[error("the session was ended before it was created")]
    Ended,
    /// The store is unavailable.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The store is unavailable. The request is answered with 503, never with "logged out".
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It has no room for another row.
    #[error("the session store is full")]
    Full,
    /// It was not reached, or it refused the call.
    #[error("the session store is unavailable")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
}
