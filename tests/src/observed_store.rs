//! A session store that is watched, and that fails on command.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use shared::{
    clock::Timestamp,
    secret::Digest,
    store::{CreateError, PointerRow, SessionRow, SessionStore, StoreError, memory::MemoryStore},
};

use crate::permissions::Permissions;

/// The memory store behind a counter, with a copy of every row that was ever put in.
#[derive(Debug, Default)]
pub struct ObservedStore {
    store: MemoryStore,
    calls: AtomicUsize,
    is_down: AtomicBool,
    ends_before_slide: AtomicBool,
    permissions: Permissions,
    written: Mutex<Written>,
}

#[derive(Debug, Default)]
struct Written {
    sessions: Vec<SessionRow>,
    pointers: Vec<PointerRow>,
    marks: Vec<(Digest, Timestamp)>,
}

impl ObservedStore {
    /// How often it was asked anything.
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// What each function may do with it, and did.
    pub fn permissions(&self) -> &Permissions {
        &self.permissions
    }

    /// From now on it answers nothing, or answers again.
    pub fn set_down(&self, is_down: bool) {
        self.is_down.store(is_down, Ordering::SeqCst);
    }

    /// From now on whoever slides a session finds that a logout was faster by a moment.
    pub fn end_before_slide(&self) {
        self.ends_before_slide.store(true, Ordering::SeqCst);
    }

    /// How many sessions were ever created.
    pub fn sessions_created(&self) -> usize {
        self.written().sessions.len()
    }

    /// How many login states were ever claimed.
    pub fn marks(&self) -> usize {
        self.written().marks.len()
    }

    /// How long the marks live that were made at `now`, the longest of them.
    pub fn longest_mark(&self, now: Timestamp) -> Duration {
        let written = self.written();
        written.marks.iter().map(|(_, expires_at)| expires_at.since(now)).max().unwrap_or_default()
    }

    /// How many of the sessions ever created live at `now`.
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

    /// Everything that whoever reads the store could read, as raw bytes and as printed.
    pub fn dump(&self) -> Vec<u8> {
        let written = self.written();
        let mut dump = format!("{written:?}").into_bytes();
        for row in &written.sessions {
            dump.extend(row.key.as_bytes());
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
        dump
    }

    /// The last session that was created.
    pub fn last_session(&self) -> Option<SessionRow> {
        self.written().sessions.last().cloned()
    }

    fn written(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn call(&self, method: &str) -> Result<&MemoryStore, StoreError> {
        self.permissions.demand(method);
        self.calls.fetch_add(1, Ordering::SeqCst);
        if self.is_down.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("table arn:aws:dynamodb:secret-table".into()));
        }
        Ok(&self.store)
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
        self.call("session")?.session(key, now).await
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
        let store = self.call("slide")?;
        if self.ends_before_slide.load(Ordering::SeqCst) {
            store.end(key, now).await?;
        }
        store.slide(key, expires_at, now).await
    }

    async fn end(&self, key: Digest, now: Timestamp) -> Result<bool, StoreError> {
        self.call("end")?.end(key, now).await
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
        Ok(is_free)
    }
}
