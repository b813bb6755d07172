//! A session store in this process's memory, for local runs and tests.

use std::{
    collections::HashMap,
    fmt,
    sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    time::Duration,
};

use async_trait::async_trait;

use super::{
    CLOCK_TOLERANCE, CreateError, DocumentRow, Found, Lease, Owner, PointerRow, RenewError,
    Renewal, Selection, SessionRow, SessionStore, StoreError, Tombstone,
};
use crate::{clock::Timestamp, crypto::secret::Digest};

/// A store that loses its data when its process ends.
///
/// Its memory is bounded: it drops expired rows regularly, and refuses new rows beyond `capacity`.
///
/// There are two kinds of lock. A caller that adds a row first takes the lock of `rows`, so that no
/// other row is added meanwhile. The checks before the insertion, of tombstones and of the capacity,
/// therefore stay true until the row is inserted. Sessions and pointers are in shards, each with a
/// separate lock. Reading, sliding or ending one takes only that lock. No two shards are locked at
/// once.
pub struct MemoryStore {
    rows: RwLock<Rows>,
    shards: [RwLock<Shard>; SHARDS],
    capacity: usize,
}

/// The rows that a request with a session does not read.
#[derive(Default)]
struct Rows {
    marks: HashMap<Digest, Timestamp>,
    /// Tombstones by owner.
    tombstones: HashMap<Digest, Tombstone>,
    /// Always few, so they do not count towards the capacity.
    documents: HashMap<Digest, DocumentRow>,
    /// When the right to fetch a document expires.
    document_leases: HashMap<Digest, Timestamp>,
    next_sweep: Option<Timestamp>,
}

/// A part of the sessions and pointers, selected by their keys.
#[derive(Default)]
struct Shard {
    sessions: HashMap<Digest, SessionRow>,
    pointers: HashMap<Digest, PointerRow>,
}

impl MemoryStore {
    /// An empty store for at most `capacity` rows.
    pub fn new(capacity: usize) -> Self {
        Self { rows: RwLock::default(), shards: Default::default(), capacity }
    }

    /// A store that keeps expired rows, as DynamoDB does: a clock that was ahead and is set back finds
    /// them again.
    #[cfg(test)]
    pub(crate) fn without_sweeps() -> Self {
        let rows = Rows { next_sweep: Some(Timestamp::MAX), ..Rows::default() };
        Self { rows: RwLock::new(rows), ..Self::default() }
    }

    fn rows(&self) -> RwLockWriteGuard<'_, Rows> {
        self.rows.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locks `rows` for adding a row that counts towards the capacity. Drops expired rows first if a
    /// sweep is due or the store is full.
    fn write(&self, now: Timestamp) -> RwLockWriteGuard<'_, Rows> {
        let mut rows = self.rows();
        let is_due = rows.next_sweep.is_none_or(|next_sweep| next_sweep <= now);
        if is_due || self.len(&rows) >= self.capacity {
            rows.drop_expired(now);
            for shard in &self.shards {
                write(shard).drop_expired(now);
            }
        }
        rows
    }

    /// Takes each read lock only briefly: only the holder of `rows` adds rows, and rows that are
    /// removed make room.
    fn len(&self, rows: &Rows) -> usize {
        rows.len() + self.shards.iter().map(|shard| read(shard).len()).sum::<usize>()
    }

    fn has_session(&self, key: Digest, now: Timestamp) -> bool {
        read(self.shard(key)).session(key, now).is_some()
    }

    fn has_pointer(&self, key: Digest, now: Timestamp) -> bool {
        read(self.shard(key)).pointer(key, now).is_some()
    }

    /// The shard that contains `key` if any does.
    fn shard(&self, key: Digest) -> &RwLock<Shard> {
        &self.shards[usize::from(key.as_bytes()[0]) % SHARDS]
    }
}

impl Default for MemoryStore {
    /// Room for about 30,000 sessions: about 100 MB.
    fn default() -> Self {
        Self::new(100_000)
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = self.rows.read().unwrap_or_else(PoisonError::into_inner);
        f.debug_struct("MemoryStore")
            .field("rows", &self.len(&rows))
            .field("capacity", &self.capacity)
            .finish()
    }
}

#[async_trait]
impl SessionStore for MemoryStore {
    async fn create(
        &self,
        session: SessionRow,
        pointer: PointerRow,
        now: Timestamp,
    ) -> Result<(), CreateError> {
        let rows = self.write(now);
        if rows.is_ended(&session.owner, now) {
            return Err(CreateError::Ended);
        }
        if self.has_session(session.key, now) || self.has_pointer(pointer.key, now) {
            return Err(CreateError::Exists);
        }
        if self.len(&rows) + 2 > self.capacity {
            return Err(StoreError::Full.into());
        }
        // The session first: a pointer without a session means that the session has ended.
        write(self.shard(session.key)).sessions.insert(session.key, session);
        write(self.shard(pointer.key)).pointers.insert(pointer.key, pointer);
        Ok(())
    }

    async fn session(&self, key: Digest, now: Timestamp) -> Result<Option<SessionRow>, StoreError> {
        Ok(read(self.shard(key)).session(key, now).cloned())
    }

    async fn pointer(&self, key: Digest, now: Timestamp) -> Result<Option<PointerRow>, StoreError> {
        Ok(read(self.shard(key)).pointer(key, now).cloned())
    }

    async fn slide(
        &self,
        key: Digest,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut shard = write(self.shard(key));
        let Some(session) = shard.live_session(key, now) else { return Ok(false) };
        session.used_at = now;
        session.expires_at = expires_at;
        Ok(true)
    }

    async fn end(&self, key: Digest, now: Timestamp) -> Result<bool, StoreError> {
        let ended = write(self.shard(key)).sessions.remove(&key);
        Ok(ended.is_some_and(|session| now < session.expires_at))
    }

    async fn claim(
        &self,
        mark: Digest,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut rows = self.write(now);
        if rows.marks.get(&mark).is_some_and(|expires_at| now < *expires_at) {
            return Ok(false);
        }
        if self.len(&rows) >= self.capacity {
            return Err(StoreError::Full);
        }
        rows.marks.insert(mark, expires_at);
        Ok(true)
    }

    /// Iterates over all sessions, which fit into memory.
    async fn sessions_of(
        &self,
        selection: Selection,
        now: Timestamp,
    ) -> Result<Vec<Digest>, StoreError> {
        let mut keys = Vec::new();
        for shard in &self.shards {
            let shard = read(shard);
            let live = shard.sessions.values().filter(|session| now < session.expires_at);
            let selected = live.filter(|session| selection.contains(&session.owner));
            keys.extend(selected.map(|session| session.key));
        }
        Ok(keys)
    }

    async fn end_all(&self, keys: &[Digest], _: Timestamp) -> Result<(), StoreError> {
        for key in keys {
            write(self.shard(*key)).sessions.remove(key);
        }
        Ok(())
    }

    async fn mark_ended(&self, tombstone: Tombstone, now: Timestamp) -> Result<(), StoreError> {
        let mut rows = self.write(now);
        let there = rows.tombstones.get(&tombstone.owner).filter(|there| now < there.expires_at);
        if there.is_some_and(|there| there.issued_before > tombstone.issued_before) {
            return Ok(());
        }
        if there.is_none() && self.len(&rows) >= self.capacity {
            return Err(StoreError::Full);
        }
        rows.tombstones.insert(tombstone.owner, tombstone);
        Ok(())
    }

    fn index_lag(&self) -> Duration {
        Duration::ZERO
    }

    async fn lease(
        &self,
        key: Digest,
        version: u64,
        lease: Lease,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut shard = write(self.shard(key));
        let refresh = shard.live_session(key, now).and_then(|session| session.refresh.as_mut());
        let Some(refresh) = refresh.filter(|refresh| refresh.version == version) else {
            return Ok(false);
        };
        let is_taken =
            refresh.lease.is_some_and(|held| now < held.expires_at && held.owner != lease.owner);
        if !is_taken {
            refresh.lease = Some(lease);
        }
        Ok(!is_taken)
    }

    async fn renew(&self, renewal: Renewal, now: Timestamp) -> Result<(), RenewError> {
        let rows = self.write(now);
        let pointer = renewal.pointer;
        let pointer_exists =
            pointer.as_ref().is_some_and(|pointer| self.has_pointer(pointer.key, now));
        let is_full = pointer.is_some() && self.len(&rows) >= self.capacity;
        {
            let mut shard = write(self.shard(renewal.key));
            let session = shard.live_session(renewal.key, now).filter(|session| {
                session.refresh.as_ref().is_some_and(|refresh| {
                    refresh.version + 1 == renewal.refresh.version
                        && refresh.lease.is_some_and(|held| held.owner == renewal.owner)
                })
            });
            let session = session.ok_or(RenewError::Lost)?;
            if pointer_exists {
                return Err(RenewError::PointerExists);
            }
            if is_full {
                return Err(StoreError::Full.into());
            }
            session.used_at = now;
            session.ends_at = renewal.ends_at;
            session.expires_at = renewal.expires_at;
            session.cookie_key = renewal.cookie_key;
            session.sealed = renewal.sealed;
            session.refresh = Some(renewal.refresh);
        }
        if let Some(pointer) = pointer {
            write(self.shard(pointer.key)).pointers.insert(pointer.key, pointer);
        }
        Ok(())
    }

    async fn documents(
        &self,
        keys: &[Digest],
        pointer: Option<Digest>,
        now: Timestamp,
    ) -> Result<Found, StoreError> {
        let documents = {
            let rows = self.rows.read().unwrap_or_else(PoisonError::into_inner);
            keys.iter().filter_map(|key| rows.document(*key, now)).cloned().collect()
        };
        let pointer = match pointer {
            Some(key) => self.pointer(key, now).await?,
            None => None,
        };
        Ok(Found { documents, pointer })
    }

    async fn lease_document(
        &self,
        key: Digest,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        let mut rows = self.rows();
        let held = rows.document_leases.get(&key).copied();
        let held = held.filter(|held| now < *held && *held <= now + CLOCK_TOLERANCE);
        if held.is_none() {
            rows.document_leases.insert(key, until);
        }
        Ok(held)
    }

    async fn write_document(
        &self,
        document: DocumentRow,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut rows = self.rows();
        let is_later = |there: &DocumentRow| {
            document.fetched_at < there.fetched_at && there.fetched_at <= now + CLOCK_TOLERANCE
        };
        if !rows.document(document.key, now).is_some_and(is_later) {
            rows.document_leases.remove(&document.key);
            rows.documents.insert(document.key, document);
        }
        Ok(())
    }
}

impl Rows {
    fn is_ended(&self, owner: &Owner, now: Timestamp) -> bool {
        [Some(owner.subject), owner.provider_session]
            .into_iter()
            .flatten()
            .filter_map(|digest| self.tombstones.get(&digest))
            .any(|tombstone| tombstone.covers(owner, now))
    }

    fn document(&self, key: Digest, now: Timestamp) -> Option<&DocumentRow> {
        self.documents.get(&key).filter(|document| now < document.expires_at)
    }

    fn len(&self) -> usize {
        self.marks.len() + self.tombstones.len()
    }

    fn drop_expired(&mut self, now: Timestamp) {
        self.marks.retain(|_, expires_at| now < *expires_at);
        self.tombstones.retain(|_, tombstone| now < tombstone.expires_at);
        self.documents.retain(|_, document| now < document.expires_at);
        self.document_leases.retain(|_, until| now < *until);
        self.next_sweep = Some(now + SWEEP_EVERY);
    }
}

impl Shard {
    fn live_session(&mut self, key: Digest, now: Timestamp) -> Option<&mut SessionRow> {
        self.sessions.get_mut(&key).filter(|session| now < session.expires_at)
    }

    fn session(&self, key: Digest, now: Timestamp) -> Option<&SessionRow> {
        self.sessions.get(&key).filter(|session| now < session.expires_at)
    }

    fn pointer(&self, key: Digest, now: Timestamp) -> Option<&PointerRow> {
        self.pointers.get(&key).filter(|pointer| now < pointer.expires_at)
    }

    fn len(&self) -> usize {
        self.sessions.len() + self.pointers.len()
    }

    fn drop_expired(&mut self, now: Timestamp) {
        self.sessions.retain(|_, session| now < session.expires_at);
        self.pointers.retain(|_, pointer| now < pointer.expires_at);
    }
}

/// The number of shards. Keys are digests, so the shards fill evenly.
const SHARDS: usize = 16;

fn read(shard: &RwLock<Shard>) -> RwLockReadGuard<'_, Shard> {
    shard.read().unwrap_or_else(PoisonError::into_inner)
}

fn write(shard: &RwLock<Shard>) -> RwLockWriteGuard<'_, Shard> {
    shard.write().unwrap_or_else(PoisonError::into_inner)
}

/// The time between two sweeps. A sweep iterates over all rows, so it is done rarely.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::contract::{NOW, pointer, session};

    fn after(seconds: u64) -> Timestamp {
        NOW + Duration::from_secs(seconds)
    }

    fn len(store: &MemoryStore) -> usize {
        store.len(&store.rows.read().unwrap())
    }

    #[tokio::test]
    async fn expired_marks_are_dropped_regularly() {
        let store = MemoryStore::new(1_000);
        for index in 0..100_u64 {
            assert!(store.claim(Digest::of(index.to_be_bytes()), after(10), NOW).await.unwrap());
        }
        assert_eq!(len(&store), 100);
        store.claim(Digest::of("later"), after(1_000), after(60)).await.unwrap();
        assert_eq!(len(&store), 1);
    }

    #[tokio::test]
    async fn expired_sessions_and_pointers_are_dropped_regularly() {
        let store = MemoryStore::new(1_000);
        for number in 0..100 {
            let name = number.to_string();
            store.create(session(&name), pointer(&name, &name), NOW).await.unwrap();
        }
        assert_eq!(len(&store), 200);
        let later = after(10_000);
        store.claim(Digest::of("later"), after(20_000), later).await.unwrap();
        assert_eq!(len(&store), 1);
    }

    #[tokio::test]
    async fn a_session_is_refused_if_its_pointer_has_no_room() {
        let store = MemoryStore::new(3);
        store.create(session("one"), pointer("one", "one"), NOW).await.unwrap();
        let refused = store.create(session("two"), pointer("two", "two"), NOW).await;
        assert!(matches!(refused, Err(CreateError::Store(StoreError::Full))));
        assert_eq!(len(&store), 2);
        assert!(store.end(Digest::of("one"), NOW).await.unwrap());
        store.create(session("two"), pointer("two", "two"), NOW).await.unwrap();
    }

    #[tokio::test]
    async fn a_full_store_refuses_rows_until_others_expire() {
        let store = MemoryStore::new(2);
        for mark in ["one", "two"] {
            assert!(store.claim(Digest::of(mark), after(10), NOW).await.unwrap());
        }
        assert!(matches!(
            store.claim(Digest::of("three"), after(20), after(9)).await,
            Err(StoreError::Full)
        ));
        assert!(store.claim(Digest::of("three"), after(20), after(10)).await.unwrap());
    }
}

#[cfg(test)]
mod contract {
    use std::sync::Arc;

    use super::MemoryStore;

    crate::store_contract!(async || Arc::new(MemoryStore::default()));
}
