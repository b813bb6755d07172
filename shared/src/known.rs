//! What a process remembers by digests: a bounded number of entries, of which those used lately stay.

use quick_cache::{
    DefaultHashBuilder, OptionsBuilder, UnitWeighter,
    sync::{Cache, DefaultLifecycle},
};

use crate::secret::Digest;

/// How many entries are remembered at most. What was used lately stays, however many come that are
/// used once.
pub(crate) const CAPACITY: usize = 1_000;

/// Entries by digests. Readers of different entries seldom meet at a lock, and none is held for longer
/// than it takes to find one.
pub(crate) struct Known<V>(Cache<Digest, V>);

impl<V: Clone> Known<V> {
    /// What is remembered under `digest`.
    pub(crate) fn get(&self, digest: Digest) -> Option<V> {
        self.0.get(&digest)
    }

    /// Remembers `value`.
    pub(crate) fn remember(&self, digest: Digest, value: V) {
        self.0.insert(digest, value);
    }

    /// Forgets what is remembered under `digest`.
    pub(crate) fn forget(&self, digest: Digest) {
        self.0.remove(&digest);
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    #[cfg(test)]
    pub(crate) fn clear(&self) {
        self.0.clear();
    }
}

impl<V: Clone> Default for Known<V> {
    #[expect(clippy::expect_used, reason = "both of what must be set is set")]
    fn default() -> Self {
        let options = OptionsBuilder::new()
            .shards(8)
            .estimated_items_capacity(CAPACITY)
            .weight_capacity(CAPACITY as u64)
            .build()
            .expect("the capacity is given");
        let (hasher, lifecycle) = (DefaultHashBuilder::default(), DefaultLifecycle::default());
        Self(Cache::with_options(options, UnitWeighter, hasher, lifecycle))
    }
}
