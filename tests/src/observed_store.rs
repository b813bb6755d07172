//! A session store that records its calls and fails on demand.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use shared::{
    clock::Timestamp,
    crypto::secret::Digest,
    store::{
        CreateError, DocumentRow, DocumentStore, Found, Lease, PointerRow, RenewError, Renewal,
        Selection, SessionRow, SessionStore, Store, StoreError, Tombstone, memory::MemoryStore,
    },
};

use crate::{gate::Gate, permissions::Permissions};

/// A store wrapper that counts calls and keeps a copy of every row ever stored.
#[derive(Debug)]
pub struct ObservedStore {
    store: Arc<dyn Store>,
    calls: Mutex<Vec<&'static str>>,
    taken: AtomicUsize,
    is_down: AtomicBool,
    documents_are_down: AtomicBool,
    index_is_down: AtomicBool,
    index_is_late: AtomicBool,
    next_end_fails: AtomicBool,
    gates: Mutex<BTreeMap<&'static str, Arc<Gate>>>,
    permissions: Permissions,
    renewals_fail: AtomicBool,
    written: Mutex<Written>,
}

#[derive(Debug, Default)]
struct Written {
    sessions: Vec<SessionRow>,
    pointers: Vec<PointerRow>,
    marks: Vec<(Digest, Timestamp)>,
    tombstones: Vec<Tombstone>,
    renewals: Vec<Renewal>,
    documents: Vec<DocumentRow>,
}

impl ObservedStore {
    /// Wraps `store`.
    pub fn over(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            calls: Mutex::default(),
            taken: AtomicUsize::default(),
            is_down: AtomicBool::default(),
            documents_are_down: AtomicBool::default(),
            index_is_down: AtomicBool::default(),
            index_is_late: AtomicBool::default(),
            next_end_fails: AtomicBool::default(),
            gates: Mutex::default(),
            permissions: Permissions::default(),
            renewals_fail: AtomicBool::default(),
            written: Mutex::default(),
        }
    }

    /// The number of calls, except those for the provider's documents, which belong to no user. A
    /// pointer that is read along with the documents is not counted as a call.
    pub fn calls(&self) -> usize {
        self.asked_for().into_iter().filter(|method| !method.contains("document")).count()
    }

    /// The number of calls for the provider's documents.
    pub fn document_calls(&self) -> usize {
        self.asked_for().len() - self.calls()
    }

    /// The calls since the last time, by the names in [`RIGHTS`](shared::store::table::RIGHTS).
    pub fn take_calls(&self) -> Vec<&'static str> {
        let mut asked_for = self.asked_for();
        let taken = self.taken.swap(asked_for.len(), Ordering::SeqCst);
        asked_for.split_off(taken)
    }

    /// The permissions of each function, and those that it used.
    pub fn permissions(&self) -> &Permissions {
        &self.permissions
    }

    /// Makes the store unavailable, or available again.
    pub fn set_down(&self, is_down: bool) {
        self.is_down.store(is_down, Ordering::SeqCst);
    }

    /// Makes the provider's documents unavailable, or available again.
    pub fn set_documents_down(&self, are_down: bool) {
        self.documents_are_down.store(are_down, Ordering::SeqCst);
    }

    /// Hides the sessions of an owner from queries, or shows them again.
    pub fn set_index_down(&self, is_down: bool) {
        self.index_is_down.store(is_down, Ordering::SeqCst);
    }

    /// Makes the first query find no sessions, as an index that shows them one second late.
    pub fn set_index_late(&self) {
        self.index_is_late.store(true, Ordering::SeqCst);
    }

    /// Makes only the next end of a session fail.
    pub fn fail_next_end(&self) {
        self.next_end_fails.store(true, Ordering::SeqCst);
    }

    /// Makes renewals fail and the store unavailable afterwards, as a store that goes down at the
    /// worst moment; or makes it work again.
    pub fn set_renewals_fail(&self, fail: bool) {
        self.renewals_fail.store(fail, Ordering::SeqCst);
    }

    /// Makes each call of `method` wait at the gate from now on, after the store has done its work.
    pub fn hold(&self, method: &'static str) -> Arc<Gate> {
        let gate = Arc::new(Gate::default());
        self.gates().insert(method, Arc::clone(&gate));
        gate
    }

    /// Makes further calls skip the gate.
    pub fn let_pass(&self) {
        self.gates().clear();
    }

    /// The number of sessions ever created.
    pub fn sessions_created(&self) -> usize {
        self.written().sessions.len()
    }

    /// The number of login states ever claimed.
    pub fn marks(&self) -> usize {
        self.written().marks.len()
    }

    /// The longest lifetime of the marks that were made at `now`.
    pub fn longest_mark(&self, now: Timestamp) -> Duration {
        let written = self.written();
        written.marks.iter().map(|(_, expires_at)| expires_at.since(now)).max().unwrap_or_default()
    }

    /// The number of sessions that are alive at `now`.
    pub async fn live_sessions(&self, now: Timestamp) -> usize {
        let keys: Vec<_> = self.written().sessions.iter().map(|row| row.key).collect();
        let mut live = 0;
        for key in keys {
            if self.store.session(key, now).await.is_ok_and(|row| row.is_some()) {
                live += 1;
            }
        }
        live
    }

    /// Everything that an attacker with read access to the store could read, as raw bytes and as
    /// debug output.
    pub fn dump(&self) -> Vec<u8> {
        let written = self.written();
        let mut dump = format!("{written:?}").into_bytes();
        for row in &written.sessions {
            dump.extend(row.key.as_bytes());
            dump.extend(row.owner.subject.as_bytes());
            dump.extend(row.owner.provider_session.iter().flat_map(|digest| *digest.as_bytes()));
            dump.extend(&row.cookie_key);
            dump.extend(&row.sealed);
        }
        for row in &written.pointers {
            dump.extend(row.key.as_bytes());
            dump.extend(row.session.as_bytes());
            dump.extend(&row.token_key);
        }
        for (mark, _) in &written.marks {
            dump.extend(mark.as_bytes());
        }
        for tombstone in &written.tombstones {
            dump.extend(tombstone.owner.as_bytes());
        }
        for row in &written.renewals {
            dump.extend(&row.cookie_key);
            dump.extend(&row.sealed);
            dump.extend(&row.refresh.sealed);
            dump.extend(row.refresh.previous.iter().flat_map(|previous| &previous.token_key));
        }
        dump.extend(written.documents.iter().flat_map(|row| &row.text));
        let refresh = written.sessions.iter().filter_map(|row| row.refresh.as_ref());
        dump.extend(refresh.flat_map(|refresh| &refresh.sealed));
        dump
    }

    /// The session created last.
    pub fn last_session(&self) -> Option<SessionRow> {
        self.written().sessions.last().cloned()
    }

    fn written(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn asked_for(&self) -> Vec<&'static str> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn gates(&self) -> MutexGuard<'_, BTreeMap<&'static str, Arc<Gate>>> {
        self.gates.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns `answer` once no gate holds `method` up.
    async fn answer<T>(&self, method: &str, answer: T) -> T {
        let gate = self.gates().get(method).cloned();
        if let Some(gate) = gate {
            gate.pass().await;
        }
        answer
    }

    fn call_for_documents(&self, method: &'static str) -> Result<&dyn Store, StoreError> {
        let store = self.call(method)?;
        if self.documents_are_down.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable(
                "documents in arn:aws:dynamodb:secret-table".into(),
            ));
        }
        Ok(store)
    }

    fn call(&self, method: &'static str) -> Result<&dyn Store, StoreError> {
        self.permissions.demand(method);
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(method);
        if self.is_down.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("table arn:aws:dynamodb:secret-table".into()));
        }
        Ok(&*self.store)
    }
}

/// Wraps a memory store.
impl Default for ObservedStore {
    fn default() -> Self {
        Self::over(Arc::new(MemoryStore::default()))
    }
}

#[async_trait]
impl SessionStore for ObservedStore {
    async fn create(
        &self,
        session: SessionRow,
        pointer: PointerRow,
        now: Timestamp,
    ) -> Result<(), CreateError> {
        self.call("create")?.create(session.clone(), pointer.clone(), now).await?;
        let mut written = self.written();
        written.sessions.push(session);
        written.pointers.push(pointer);
        Ok(())
    }

    async fn session(&self, key: Digest, now: Timestamp) -> Result<Option<SessionRow>, StoreError> {
        let row = self.call("session")?.session(key, now).await;
        self.answer("session", row).await
    }

    async fn pointer(&self, key: Digest, now: Timestamp) -> Result<Option<PointerRow>, StoreError> {
        self.call("pointer")?.pointer(key, now).await
    }

    async fn slide(
        &self,
        key: Digest,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let is_there = self.call("slide")?.slide(key, expires_at, now).await;
        self.answer("slide", is_there).await
    }

    async fn end(&self, key: Digest, now: Timestamp) -> Result<bool, StoreError> {
        let store = self.call("end")?;
        if self.next_end_fails.swap(false, Ordering::SeqCst) {
            return Err(StoreError::Unavailable("table arn:aws:dynamodb:secret-table".into()));
        }
        store.end(key, now).await
    }

    async fn claim(
        &self,
        mark: Digest,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let is_free = self.call("claim")?.claim(mark, expires_at, now).await?;
        if is_free {
            self.written().marks.push((mark, expires_at));
        }
        Ok(self.answer("claim", is_free).await)
    }

    async fn sessions_of(
        &self,
        selection: Selection,
        now: Timestamp,
    ) -> Result<Vec<Digest>, StoreError> {
        let store = self.call("sessions_of")?;
        if self.index_is_down.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("index arn:aws:dynamodb:secret-table".into()));
        }
        let is_first = self.asked_for().iter().filter(|name| **name == "sessions_of").count() == 1;
        if is_first && self.index_is_late.load(Ordering::SeqCst) {
            return Ok(Vec::new());
        }
        store.sessions_of(selection, now).await
    }

    async fn end_all(&self, keys: &[Digest], now: Timestamp) -> Result<(), StoreError> {
        self.call("end_all")?.end_all(keys, now).await
    }

    async fn mark_ended(&self, tombstone: Tombstone, now: Timestamp) -> Result<(), StoreError> {
        self.call("mark_ended")?.mark_ended(tombstone, now).await?;
        self.written().tombstones.push(tombstone);
        Ok(())
    }

    fn index_lag(&self) -> Duration {
        match self.index_is_late.load(Ordering::SeqCst) {
            true => Duration::from_secs(1),
            false => self.store.index_lag(),
        }
    }

    async fn lease(
        &self,
        key: Digest,
        version: u64,
        lease: Lease,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.call("lease")?.lease(key, version, lease, now).await
    }

    async fn renew(&self, renewal: Renewal, now: Timestamp) -> Result<(), RenewError> {
        if self.renewals_fail.load(Ordering::SeqCst) {
            self.set_down(true);
        }
        self.call("renew")?.renew(renewal.clone(), now).await?;
        let mut written = self.written();
        written.pointers.extend(renewal.pointer.clone());
        written.renewals.push(renewal);
        Ok(())
    }
}

#[async_trait]
impl DocumentStore for ObservedStore {
    async fn documents(
        &self,
        keys: &[Digest],
        pointer: Option<Digest>,
        now: Timestamp,
    ) -> Result<Found, StoreError> {
        let method = if pointer.is_some() { "documents with a pointer" } else { "documents" };
        self.call_for_documents(method)?.documents(keys, pointer, now).await
    }

    async fn lease_document(
        &self,
        key: Digest,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        self.call_for_documents("lease_document")?.lease_document(key, until, now).await
    }

    async fn write_document(
        &self,
        document: DocumentRow,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.call_for_documents("write_document")?.write_document(document.clone(), now).await?;
        self.written().documents.push(document);
        Ok(())
    }
}
