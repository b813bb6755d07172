//! The provider's documents, as the store shares them between processes.

use super::PointerRow;
use crate::{clock::Timestamp, crypto::secret::Digest};

/// The longest text of a document that every store takes, in bytes: a DynamoDB item ends at 400 KB.
pub const MAX_DOCUMENT: usize = 300_000;

/// How far ahead of another process' clock one may be. What lies further in the future was written
/// by a clock that is wrong, and keeps nobody from writing over it.
pub const CLOCK_TOLERANCE: std::time::Duration = std::time::Duration::from_secs(5 * 60);

/// A document as the provider sent it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DocumentRow {
    /// The digest of what it is.
    pub key: Digest,
    /// Its text. Nobody has looked at it.
    pub text: Vec<u8>,
    /// When the provider was asked for it.
    pub fetched_at: Timestamp,
    /// When it is of no use any more.
    pub expires_at: Timestamp,
}

/// What one read of several rows has found.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Found {
    /// The documents that are there, in no order.
    pub documents: Vec<DocumentRow>,
    /// The pointer, if one was asked for and it is there.
    pub pointer: Option<PointerRow>,
}

impl Found {
    /// Takes the document under `key` out.
    pub fn take(&mut self, key: Digest) -> Option<DocumentRow> {
        let index = self.documents.iter().position(|document| document.key == key)?;
        Some(self.documents.swap_remove(index))
    }
}
