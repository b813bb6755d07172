//! A cache of pointers.
//!
//! A pointer is written once and never changed, so the session of a token seen before is found without
//! reading the pointer again. Whether that session is live is never cached: its row is read for each
//! request, so a logout takes effect at once.

use std::{fmt, sync::Arc};

use quick_cache::{OptionsBuilder, UnitWeighter, sync::Cache};

use crate::{clock::Timestamp, crypto::secret::Digest, store::PointerRow};

/// The maximum number of cached pointers, of about 300 bytes each. Recently used ones are kept, even
/// if many others are used once.
const CAPACITY: usize = 1_000;

/// Pointers whose sessions were live. A missing pointer is never cached: its session may begin a
/// moment later.
#[derive(Clone)]
pub(super) struct KnownPointers(Arc<Cache<Digest, PointerRow, UnitWeighter>>);

impl KnownPointers {
    /// The cached pointer under `key`, if it has not expired.
    pub(super) fn get(&self, key: Digest, now: Timestamp) -> Option<PointerRow> {
        let pointer = self.0.get(&key)?;
        if now < pointer.expires_at {
            return Some(pointer);
        }
        self.forget(key);
        None
    }

    /// Caches a pointer whose session is live.
    pub(super) fn remember(&self, pointer: PointerRow) {
        if self.0.peek(&pointer.key).is_none() {
            self.0.insert(pointer.key, pointer);
        }
    }

    /// Removes a pointer whose session has ended.
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

/// Shows only the number of pointers.
impl fmt::Debug for KnownPointers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KnownPointers({})", self.0.len())
    }
}

#[cfg(test)]
mod tests;
