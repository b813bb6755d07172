//! The provider's documents, which processes share through the store.

use super::PointerRow;
use crate::{clock::Timestamp, crypto::secret::Digest};

/// The longest document that every store accepts, in bytes: a DynamoDB item is limited to 400 KB.
pub const MAX_DOCUMENT: usize = 300_000;

/// How far the clock of another process may be ahead. A timestamp further in the future comes from a
/// wrong clock, and does not prevent its row from being overwritten.
pub const CLOCK_TOLERANCE: std::time::Duration = std::time::Duration::from_secs(5 * 60);

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
