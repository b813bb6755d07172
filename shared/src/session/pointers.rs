//! Pointers that were read before.
//!
//! A pointer is written once and never changed, so a token seen before is led to its session without
//! a read. Whether that session lives is never remembered: its row is read for each request, and
//! whoever logged out is logged out at once.

use std::{fmt, sync::Arc};

use crate::{clock::Timestamp, known::Known, secret::Digest, store::PointerRow};

/// Pointers whose sessions were found alive. A pointer that was not there is never remembered: its
/// session may begin a moment later. Each takes up some 300 bytes.
#[derive(Clone, Default)]
pub(super) struct KnownPointers(Arc<Known<PointerRow>>);

impl KnownPointers {
    /// The pointer under `key`, if it is known and has not expired.
    pub(super) fn get(&self, key: Digest, now: Timestamp) -> Option<PointerRow> {
        let pointer = self.0.get(key)?;
        if now < pointer.expires_at {
            return Some(pointer);
        }
        self.forget(key);
        None
    }

    /// Remembers a pointer whose session lives.
    pub(super) fn remember(&self, pointer: PointerRow) {
        if self.0.get(pointer.key).is_none() {
            self.0.remember(pointer.key, pointer);
        }
    }

    /// Forgets a pointer whose session has ended.
    pub(super) fn forget(&self, key: Digest) {
        self.0.forget(key);
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
impl fmt::Debug for KnownPointers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KnownPointers({})", self.0.len())
    }
}
