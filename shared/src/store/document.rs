//! The provider's documents, which processes share through the store.

use std::fmt;

use async_trait::async_trait;

use super::{PointerRow, StoreError};
use crate::{clock::Timestamp, crypto::secret::Digest};

/// The longest document that every store accepts, in bytes: a DynamoDB item is limited to 400 KB.
pub const MAX_DOCUMENT: usize = 300_000;

/// How far the clock of another process may be ahead. A timestamp further in the future comes from a
/// wrong clock, and does not prevent its row from being overwritten.
pub const CLOCK_TOLERANCE: std::time::Duration = std::time::Duration::from_secs(5 * 60);

/// A store of documents.
#[async_trait]
pub trait DocumentStore: fmt::Debug + Send + Sync {
    /// The documents under `keys` and, in the same round trip, the pointer under `pointer`.
    ///
    /// # Errors
    ///
    /// When the store is unavailable for any of them.
    async fn documents(
        &self,
        keys: &[Digest],
        pointer: Option<Digest>,
        now: Timestamp,
    ) -> Result<Found, StoreError>;

    /// Gives the caller the exclusive right to fetch the document under `key` until `until`, whether
    /// or not the document exists. Returns `None` if the caller now has the right; otherwise, when the
    /// right of the current holder expires.
    ///
    /// # Errors
    ///
    /// When the store is unavailable; the right may then be taken all the same.
    async fn lease_document(
        &self,
        key: Digest,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError>;

    /// Writes a document of at most [`MAX_DOCUMENT`] bytes, regardless of who holds the right to fetch
    /// it, and releases that right. If a document exists that was fetched later, nothing is written,
    /// which is no error.
    ///
    /// # Errors
    ///
    /// When the store is unavailable; the document may then be written all the same.
    async fn write_document(&self, document: DocumentRow, now: Timestamp)
    -> Result<(), StoreError>;
}

/// A document as the provider sent it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DocumentRow {
    /// The digest that identifies it.
    pub key: Digest,
    /// Its text, not verified.
    pub text: Vec<u8>,
    /// When it was requested from the provider.
    pub fetched_at: Timestamp,
    /// When it is no longer useful.
    pub expires_at: Timestamp,
}

/// The result of reading several rows at once.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Found {
    /// The documents that exist, in no particular order.
    pub documents: Vec<DocumentRow>,
    /// The pointer, if it was requested and exists.
    pub pointer: Option<PointerRow>,
}

impl Found {
    /// Removes the document under `key` and returns it.
    pub fn take(&mut self, key: Digest) -> Option<DocumentRow> {
        let index = self.documents.iter().position(|document| document.key == key)?;
        Some(self.documents.swap_remove(index))
    }
}
