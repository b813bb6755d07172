//! A store of documents that counts its calls, and fails on demand.

use std::sync::{
    Mutex,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use async_trait::async_trait;
use tokio::time::sleep;

use super::*;
use crate::store::{DocumentRow, DocumentStore, StoreError};

#[derive(Debug, Default)]
pub(super) struct UnreliableStore {
    pub(super) store: MemoryStore,
    pub(super) is_down: AtomicBool,
    pub(super) is_slow: AtomicBool,
    pub(super) refuses_writes: AtomicBool,
    calls: AtomicUsize,
    writes: AtomicUsize,
    /// The documents of each read.
    pub(super) asked: Mutex<Vec<Vec<Digest>>>,
}

impl UnreliableStore {
    pub(super) fn reads(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    /// The number of all calls.
    pub(super) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    pub(super) fn writes(&self) -> usize {
        self.writes.load(Ordering::SeqCst)
    }

    async fn call(&self, is_write: bool) -> Result<&MemoryStore, StoreError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
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
impl DocumentStore for UnreliableStore {
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
}
