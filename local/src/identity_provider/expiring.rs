//! A map with expiring entries.

use std::collections::HashMap;

use shared::clock::Timestamp;

/// Values under unguessable keys, each with an expiry.
///
/// An expired entry is never returned, even if it was not removed yet. If the map is full, the entry
/// that expires first is removed. So strangers can make the map lose entries but not grow.
pub(super) struct Expiring<V, const CAPACITY: usize = 10_000> {
    entries: HashMap<String, Entry<V>>,
}

struct Entry<V> {
    value: V,
    expires_at: Timestamp,
}

impl<V, const CAPACITY: usize> Default for Expiring<V, CAPACITY> {
    fn default() -> Self {
        Self { entries: HashMap::new() }
    }
}

impl<V, const CAPACITY: usize> Expiring<V, CAPACITY> {
    pub(super) fn insert(&mut self, key: String, value: V, expires_at: Timestamp, now: Timestamp) {
        self.entries.retain(|_, entry| entry.expires_at > now);
        if self.entries.len() >= CAPACITY {
            let first =
                self.entries.iter().min_by_key(|(_, entry)| entry.expires_at).map(|(key, _)| key);
            if let Some(first) = first.cloned() {
                self.entries.remove(&first);
            }
        }
        self.entries.insert(key, Entry { value, expires_at });
    }

    pub(super) fn find(&self, key: &str, now: Timestamp) -> Option<&V> {
        self.entries.get(key).filter(|entry| entry.expires_at > now).map(|entry| &entry.value)
    }

    pub(super) fn find_mut(&mut self, key: &str, now: Timestamp) -> Option<&mut V> {
        self.entries
            .get_mut(key)
            .filter(|entry| entry.expires_at > now)
            .map(|entry| &mut entry.value)
    }

    /// Removes and returns the value. Only one of two calls with the same key gets it.
    pub(super) fn take(&mut self, key: &str, now: Timestamp) -> Option<V> {
        self.entries.remove(key).filter(|entry| entry.expires_at > now).map(|entry| entry.value)
    }

    /// Removes and returns every live value that `wanted` selects.
    pub(super) fn take_where(&mut self, now: Timestamp, wanted: impl Fn(&V) -> bool) -> Vec<V> {
        self.entries
            .extract_if(|_, entry| wanted(&entry.value))
            .filter(|(_, entry)| entry.expires_at > now)
            .map(|(_, entry)| entry.value)
            .collect()
    }

    pub(super) fn set_expiry(&mut self, key: &str, expires_at: Timestamp) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.expires_at = expires_at;
        }
    }

    pub(super) fn values(&self, now: Timestamp) -> impl Iterator<Item = &V> {
        self.entries.values().filter(move |entry| entry.expires_at > now).map(|entry| &entry.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_unix(seconds)
    }

    #[test]
    fn an_entry_expires_to_the_second_and_is_taken_once() {
        let mut map = Expiring::<_>::default();
        map.insert("key".into(), 1, at(10), at(0));
        assert_eq!(map.find("key", at(9)), Some(&1));
        assert_eq!(map.find("key", at(10)), None);
        assert_eq!(map.take("key", at(9)), Some(1));
        assert_eq!(map.take("key", at(9)), None);
        map.insert("key".into(), 1, at(10), at(0));
        assert_eq!(map.take("key", at(10)), None);
    }

    #[test]
    fn a_full_map_drops_expired_entries_and_then_the_one_that_expires_first() {
        let mut map = Expiring::<_, 2>::default();
        map.insert("short".into(), 1, at(10), at(0));
        map.insert("long".into(), 2, at(20), at(0));
        map.insert("new".into(), 3, at(15), at(0));
        assert_eq!(map.find("short", at(1)), None);
        assert_eq!(map.values(at(1)).count(), 2);
        map.insert("last".into(), 4, at(40), at(30));
        assert_eq!(map.entries.len(), 1);
    }
}
