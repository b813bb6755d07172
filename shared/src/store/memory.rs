//! Sessions in this process's memory, for local runs and tests.

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;

use super::{
    CLOCK_TOLERANCE, CreateError, DocumentRow, DocumentStore, Found, Lease, Owner, PointerRow,
    RenewError, Renewal, Selection, SessionRow, SessionStore, StoreError, Tombstone,
};
use crate::{clock::Timestamp, crypto::secret::Digest};

/// A store that loses everything when its process ends.
///
/// Its memory is bounded: it drops expired rows from time to time, and refuses new rows beyond
/// `capacity`.
pub struct MemoryStore {
    rows: Mutex<Rows>,
    capacity: usize,
}

#[derive(Default)]
struct Rows {
    sessions: HashMap<Digest, SessionRow>,
    pointers: HashMap<Digest, PointerRow>,
    marks: HashMap<Digest, Timestamp>,
    /// By their owner.
    tombstones: HashMap<Digest, Tombstone>,
    /// Three at most, so they do not count towards the capacity.
    documents: HashMap<Digest, DocumentRow>,
    /// When each right to fetch a document expires.
    document_leases: HashMap<Digest, Timestamp>,
    next_sweep: Option<Timestamp>,
}

impl MemoryStore {
    /// An empty store of at most `capacity` rows.
    pub fn new(capacity: usize) -> Self {
        Self { rows: Mutex::default(), capacity }
    }

    /// A store that keeps expired rows, as DynamoDB does for days. A clock that is set back finds
    /// them.
    #[cfg(test)]
    pub(crate) fn without_sweeps() -> Self {
        let rows = Rows { next_sweep: Some(Timestamp::MAX), ..Rows::default() };
        Self { rows: Mutex::new(rows), ..Self::default() }
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The rows, for a caller that adds one: expired rows are dropped first if that is due.
    fn rows_to_grow(&self, now: Timestamp) -> MutexGuard<'_, Rows> {
        let mut rows = self.rows();
        let is_due = rows.next_sweep.is_none_or(|next_sweep| next_sweep <= now);
        if is_due || rows.len() >= self.capacity {
            rows.drop_expired(now);
        }
        rows
    }
}

impl Default for MemoryStore {
    /// Room for some 30,000 sessions: about 100 MB.
    fn default() -> Self {
        Self::new(100_000)
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore")
            .field("rows", &self.rows().len())
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
        let mut rows = self.rows_to_grow(now);
        if rows.is_ended(&session.owner, now) {
            return Err(CreateError::Ended);
        }
        if rows.session(session.key, now).is_some() || rows.pointer(pointer.key, now).is_some() {
            return Err(CreateError::Exists);
        }
        if rows.len() + 2 > self.capacity {
            return Err(StoreError::Full.into());
        }
        rows.sessions.insert(session.key, session);
        rows.pointers.insert(pointer.key, pointer);
        Ok(())
    }

    async fn session(&self, key: Digest, now: Timestamp) -> Result<Option<SessionRow>, StoreError> {
        Ok(self.rows().session(key, now).cloned())
    }

    async fn pointer(&self, key: Digest, now: Timestamp) -> Result<Option<PointerRow>, StoreError> {
        Ok(self.rows().pointer(key, now).cloned())
    }

    async fn slide(
        &self,
        key: Digest,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut rows = self.rows();
        let Some(session) = rows.live_session(key, now) else { return Ok(false) };
        session.used_at = now;
        session.expires_at = expires_at;
        Ok(true)
    }

    async fn end(&self, key: Digest, now: Timestamp) -> Result<bool, StoreError> {
        let ended = self.rows().sessions.remove(&key);
        Ok(ended.is_some_and(|session| now < session.expires_at))
    }

    async fn claim(
        &self,
        mark: Digest,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut rows = self.rows_to_grow(now);
        if rows.marks.get(&mark).is_some_and(|expires_at| now < *expires_at) {
            return Ok(false);
        }
        if rows.len() >= self.capacity {
            return Err(StoreError::Full);
        }
        rows.marks.insert(mark, expires_at);
        Ok(true)
    }

    /// Walks over all sessions, which are as many as fit into memory.
    async fn sessions_of(
        &self,
        selection: Selection,
        now: Timestamp,
    ) -> Result<Vec<Digest>, StoreError> {
        let rows = self.rows();
        let live = rows.sessions.values().filter(|session| now < session.expires_at);
        let selected = live.filter(|session| selection.contains(&session.owner));
        Ok(selected.map(|session| session.key).collect())
    }

    async fn end_all(&self, keys: &[Digest], _: Timestamp) -> Result<(), StoreError> {
        let mut rows = self.rows();
        for key in keys {
            rows.sessions.remove(key);
        }
        Ok(())
    }

    async fn mark_ended(&self, tombstone: Tombstone, now: Timestamp) -> Result<(), StoreError> {
        let mut rows = self.rows_to_grow(now);
        let there = rows.tombstones.get(&tombstone.owner).filter(|there| now < there.expires_at);
        if there.is_some_and(|there| there.issued_before > tombstone.issued_before) {
            return Ok(());
        }
        if there.is_none() && rows.len() >= self.capacity {
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
        let mut rows = self.rows();
        let refresh = rows.live_session(key, now).and_then(|session| session.refresh.as_mut());
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
        let mut rows = self.rows_to_grow(now);
        let pointer = renewal.pointer;
        let pointer_exists =
            pointer.as_ref().is_some_and(|pointer| rows.pointer(pointer.key, now).is_some());
        let is_full = pointer.is_some() && rows.len() >= self.capacity;
        let session = rows.live_session(renewal.key, now).filter(|session| {
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
        if let Some(pointer) = pointer {
            rows.pointers.insert(pointer.key, pointer);
        }
        Ok(())
    }
}

#[async_trait]
impl DocumentStore for MemoryStore {
    async fn documents(
        &self,
        keys: &[Digest],
        pointer: Option<Digest>,
        now: Timestamp,
    ) -> Result<Found, StoreError> {
        let rows = self.rows();
        let documents = keys.iter().filter_map(|key| rows.document(*key, now)).cloned().collect();
        let pointer = pointer.and_then(|key| rows.pointer(key, now)).cloned();
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
        self.sessions.len() + self.pointers.len() + self.marks.len() + self.tombstones.len()
    }

    fn drop_expired(&mut self, now: Timestamp) {
        self.sessions.retain(|_, session| now < session.expires_at);
        self.pointers.retain(|_, pointer| now < pointer.expires_at);
        self.marks.retain(|_, expires_at| now < *expires_at);
        self.tombstones.retain(|_, tombstone| now < tombstone.expires_at);
        self.documents.retain(|_, document| now < document.expires_at);
        self.document_leases.retain(|_, until| now < *until);
        self.next_sweep = Some(now + SWEEP_EVERY);
    }
}

/// Dropping expired rows walks over all of them, so it is done once in a while.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::contract::{NOW, pointer, session};

    fn after(seconds: u64) -> Timestamp {
        NOW + Duration::from_secs(seconds)
    }

    fn len(store: &MemoryStore) -> usize {
        store.rows().len()
    }

    #[tokio::test]
    async fn expired_rows_are_dropped_from_time_to_time() {
        let store = MemoryStore::new(1_000);
        for number in 0..100 {
            let name = number.to_string();
            store.create(session(&name), pointer(&name, &name), NOW).await.unwrap();
            assert!(store.claim(Digest::of(&name), after(10), NOW).await.unwrap());
        }
        assert_eq!(len(&store), 300);
        store.claim(Digest::of("later"), after(1_000), after(60)).await.unwrap();
        assert_eq!(len(&store), 201);
        store.claim(Digest::of("last"), after(20_000), after(10_000)).await.unwrap();
        assert_eq!(len(&store), 1);
    }

    #[tokio::test]
    async fn a_full_store_refuses_rows_until_others_end_or_expire() {
        let store = MemoryStore::new(3);
        store.create(session("one"), pointer("one", "one"), NOW).await.unwrap();
        let refused = store.create(session("two"), pointer("two", "two"), NOW).await;
        assert!(matches!(refused, Err(CreateError::Store(StoreError::Full))));
        assert_eq!(len(&store), 2);
        assert!(store.claim(Digest::of("mark"), after(10), NOW).await.unwrap());
        let refused = store.claim(Digest::of("second mark"), after(20), after(9)).await;
        assert!(matches!(refused, Err(StoreError::Full)));
        assert!(store.claim(Digest::of("second mark"), after(20), after(10)).await.unwrap());
        assert!(store.end(Digest::of("one"), after(80)).await.unwrap());
        store.create(session("two"), pointer("two", "two"), after(80)).await.unwrap();
    }
}

#[cfg(test)]
mod contract {
    use std::sync::Arc;

    use super::MemoryStore;

    crate::store_contract!(async || Arc::new(MemoryStore::default()));
}
