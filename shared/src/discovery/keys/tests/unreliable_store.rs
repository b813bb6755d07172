//! A store of documents that counts its calls, and fails on demand.

use std::sync::{
    Mutex,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use async_trait::async_trait;
use tokio::time::sleep;

use super::*;
use crate::store::{
    CreateError, DocumentRow, Lease, PointerRow, RenewError, Renewal, Selection, SessionRow,
    StoreError, Tombstone,
};

#[derive(Debug, Default)]
pub(super) struct UnreliableStore {
    pub(super) store: MemoryStore,
    pub(super) is_down: AtomicBool,
    pub(super) is_slow: AtomicBool,
    pub(super) refuses_writes: AtomicBool,
    writes: AtomicUsize,
    /// The documents of each read.
    pub(super) asked: Mutex<Vec<Vec<Digest>>>,
}

impl UnreliableStore {
    pub(super) fn reads(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    pub(super) fn writes(&self) -> usize {
        self.writes.load(Ordering::SeqCst)
    }

    async fn call(&self, is_write: bool) -> Result<&MemoryStore, StoreError> {
        if self.is_slow.load(Ordering::SeqCst) {
            sleep(Duration::from_secs(3_600)).await;
        }
        let refuses = is_write && self.refuses_writes.load(Ordering::SeqCst);
        if refuses || self.is_down.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("down".into()));
        }
        Ok(&self.store)
    }
}

#[async_trait]
impl SessionStore for UnreliableStore {
    async fn documents(
        &self,
        keys: &[Digest],
        pointer: Option<Digest>,
        now: Timestamp,
    ) -> Result<Found, StoreError> {
        self.asked.lock().unwrap().push(keys.to_vec());
        self.call(false).await?.documents(keys, pointer, now).await
    }

    async fn lease_document(
        &self,
        key: Digest,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        self.call(true).await?.lease_document(key, until, now).await
    }

    async fn write_document(
        &self,
        document: DocumentRow,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.writes.fetch_add(1, Ordering::SeqCst);
        self.call(true).await?.write_document(document, now).await
    }

    async fn create(&self, _: SessionRow, _: PointerRow, _: Timestamp) -> Result<(), CreateError> {
        unreachable!("{SESSIONS}")
    }

    async fn session(&self, _: Digest, _: Timestamp) -> Result<Option<SessionRow>, StoreError> {
        unreachable!("{SESSIONS}")
    }

    async fn pointer(&self, _: Digest, _: Timestamp) -> Result<Option<PointerRow>, StoreError> {
        unreachable!("{SESSIONS}")
    }

    async fn slide(&self, _: Digest, _: Timestamp, _: Timestamp) -> Result<bool, StoreError> {
        unreachable!("{SESSIONS}")
    }

    async fn end(&self, _: Digest, _: Timestamp) -> Result<bool, StoreError> {
        unreachable!("{SESSIONS}")
    }

    async fn claim(&self, _: Digest, _: Timestamp, _: Timestamp) -> Result<bool, StoreError> {
        unreachable!("{SESSIONS}")
    }

    async fn sessions_of(&self, _: Selection, _: Timestamp) -> Result<Vec<Digest>, StoreError> {
        unreachable!("{SESSIONS}")
    }

    async fn end_all(&self, _: &[Digest], _: Timestamp) -> Result<(), StoreError> {
        unreachable!("{SESSIONS}")
    }

    async fn mark_ended(&self, _: Tombstone, _: Timestamp) -> Result<(), StoreError> {
        unreachable!("{SESSIONS}")
    }

    fn index_lag(&self) -> Duration {
        unreachable!("{SESSIONS}")
    }

    async fn lease(&self, _: Digest, _: u64, _: Lease, _: Timestamp) -> Result<bool, StoreError> {
        unreachable!("{SESSIONS}")
    }

    async fn renew(&self, _: Renewal, _: Timestamp) -> Result<(), RenewError> {
        unreachable!("{SESSIONS}")
    }
}

const SESSIONS: &str = "keys ask for no session";
