//! Pointers that were read before.
//!
//! A pointer is written once and never changed, so a token seen before is led to its session without
//! a read. Whether that session lives is never remembered: its row is read for each request, and
//! whoever logged out is logged out at once.

use std::{fmt, sync::Arc};

use quick_cache::{OptionsBuilder, UnitWeighter, sync::Cache};

use crate::{clock::Timestamp, crypto::secret::Digest, store::PointerRow};

/// How many pointers are remembered at most, of some 300 bytes each. Those used lately stay, however
/// many come that are used once.
const CAPACITY: usize = 1_000;

/// Pointers whose sessions were found alive. A pointer that was not there is never remembered: its
/// session may begin a moment later.
#[derive(Clone)]
pub(super) struct KnownPointers(Arc<Cache<Digest, PointerRow, UnitWeighter>>);

impl KnownPointers {
    /// The pointer under `key`, if it is known and has not expired.
    pub(super) fn get(&self, key: Digest, now: Timestamp) -> Option<PointerRow> {
        let pointer = self.0.get(&key)?;
        if now < pointer.expires_at {
            return Some(pointer);
        }
        self.forget(key);
        None
    }

    /// Remembers a pointer whose session lives.
    pub(super) fn remember(&self, pointer: PointerRow) {
        if self.0.peek(&pointer.key).is_none() {
            self.0.insert(pointer.key, pointer);
        }
    }

    /// Forgets a pointer whose session has ended.
    pub(super) fn forget(&self, key: Digest) {
        self.0.remove(&key);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl Default for KnownPointers {
    #[expect(clippy::expect_used, reason = "both of what must be set is set")]
    fn default() -> Self {
        let options = OptionsBuilder::new()
            .shards(8)
            .estimated_items_capacity(CAPACITY)
            .weight_capacity(CAPACITY as u64)
            .build()
            .expect("the capacity is given");
        let cache =
            Cache::with_options(options, UnitWeighter, Default::default(), Default::default());
        Self(Arc::new(cache))
    }
}

/// Shows how many there are.
impl fmt::Debug for KnownPointers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KnownPointers({})", self.0.len())
    }
}

#[cfg(test)]
mod tests;
