//! One of the provider's documents. It is looked up in this order: in the memory of this process, in
//! the store that all processes share, and at the provider.
//!
//! A new process finds in the store the document that another process has fetched, so it need not
//! contact the provider. If the stored document is too old, one process fetches a new one and writes it
//! back. The age counts from the fetch, so it is the same in every process.
//!
//! The store is only an optimization. Its documents pass the same checks as the provider's; one that
//! fails them is treated as missing (R97). If the store is unavailable, the provider is queried without
//! it.
//!
//! A reader ([`Sharing::Reads`]) uses the store's documents but never writes any. It fetches for its
//! own process only.

mod read_ahead;

use std::{fmt, future::Future, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep, timeout};

pub(crate) use self::read_ahead::ReadAhead;
use self::read_ahead::{NotShared, within};
use crate::provider::ProviderError;
use crate::{
    cache::{Cache, Fetched, Terms, apart},
    clock::Timestamp,
    crypto::secret::Digest,
    issuer::Issuer,
    names::LogEvent,
    store::{DocumentRow, DocumentStore, MAX_DOCUMENT, StoreError},
};

/// How long a process without any document waits for the process that fetches it. After that it fetches
/// the document itself.
pub const WAIT: Duration = Duration::from_secs(3);

/// How often it polls the store during that wait.
const POLL: Duration = Duration::from_millis(100);

/// The kind of a document.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DocumentKind {
    /// Its name in the log and in its row's key.
    pub(crate) name: &'static str,
    /// How old it may get, and how often it may be fetched.
    pub(crate) terms: Terms,
    /// Logs why the document is unavailable.
    pub(crate) report: fn(&'static str, &ProviderError),
}

/// How a function uses the documents in the store.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Sharing {
    /// Reads them, and writes those that it fetched.
    Writes,
    /// Reads them only.
    Reads,
}

/// A document and its caches.
pub(crate) struct Document<T> {
    kind: DocumentKind,
    sharing: Sharing,
    /// The key of its row.
    row: Digest,
    /// Key of the lease row that picks the one process allowed to refetch after a miss.
    miss_row: Digest,
    store: Arc<dyn DocumentStore>,
    cache: Cache<T, ProviderError>,
    parse: Box<Parse<T>>,
}

/// Parses and checks a document's text, from the provider or from the store.
type Parse<T> = dyn Fn(&[u8]) -> Result<T, ProviderError> + Send + Sync;

impl<T: Send + Sync> Document<T> {
    /// The document of `kind` that `issuer` publishes; `about` is the part of it that is meant. Sends
    /// no request yet.
    pub(crate) fn new(
        kind: DocumentKind,
        sharing: Sharing,
        store: Arc<dyn DocumentStore>,
        issuer: &Issuer,
        about: &str,
        parse: impl Fn(&[u8]) -> Result<T, ProviderError> + Send + Sync + 'static,
    ) -> Self {
        let report = move |fetched: Result<(), &ProviderError>| {
            if let Err(error) = fetched {
                (kind.report)(kind.name, error);
            }
        };
        // None of the parts can contain a line break.
        let key =
            |use_of_it: &str| Digest::of([issuer.as_str(), kind.name, use_of_it, about].join("\n"));
        Self {
            kind,
            sharing,
            row: key("document"),
            miss_row: key("miss"),
            store,
            cache: Cache::new(kind.terms, report),
            parse: Box::new(parse),
        }
    }

    /// The key of the row that [`get`](Self::get) would read now, if any.
    pub(crate) fn due_row(&self, now: Timestamp) -> Option<Digest> {
        self.cache.is_due(now).then_some(self.row)
    }

    /// Takes the document from the row that was read ahead into memory, if it is usable.
    pub(crate) fn keep(&self, ahead: &mut ReadAhead, now: Timestamp) {
        let Some(Ok(Some(row))) = ahead.take(self.row) else { return };
        if let Some(shared) = self.usable(&row, now) {
            self.cache.keep(now, shared);
        }
    }

    /// Returns the document from memory, the store or the provider. `ask` sends the request to the
    /// provider.
    pub(crate) async fn get<F: Future<Output = Result<Vec<u8>, ProviderError>>>(
        &self,
        ahead: &mut ReadAhead,
        now: Timestamp,
        ask: impl FnOnce() -> F,
    ) -> Result<Arc<T>, Arc<ProviderError>> {
        let row = ahead.take(self.row);
        self.cache.get(now, || self.newest(row, now, ask)).await
    }

    /// Returns a newer document than `seen`, in which something was missing; `is_found` reports whether
    /// a document contains it. `None` if the cool-down has not passed yet.
    ///
    /// Within one cool-down only one process queries the provider. The others use its result.
    pub(crate) async fn newer_than<F: Future<Output = Result<Vec<u8>, ProviderError>>>(
        &self,
        seen: &Arc<T>,
        is_found: impl Fn(&T) -> bool,
        now: Timestamp,
        ask: impl FnOnce() -> F,
    ) -> Result<Option<Arc<T>>, Arc<ProviderError>> {
        self.cache.newer_than(seen, now, || self.next(is_found, now, ask)).await
    }

    async fn newest<F: Future<Output = Result<Vec<u8>, ProviderError>>>(
        &self,
        row: Option<Result<Option<DocumentRow>, NotShared>>,
        now: Timestamp,
        ask: impl FnOnce() -> F,
    ) -> Result<Fetched<T>, ProviderError> {
        let read = match row {
            Some(row) => row,
            None => self.read(now).await,
        };
        let Ok(row) = read else { return self.fetch(false, now, ask).await };
        let seen_at = row.as_ref().map(|row| row.fetched_at);
        let mut shared = row.and_then(|row| self.usable(&row, now));
        if let Some(shared) = shared.take_if(|shared| self.is_young(shared, now)) {
            return Ok(shared);
        }
        // The lease expires after the failure pause, because the process that holds it may fail.
        let until = now + self.kind.terms.failure_pause;
        let lease = self.lease(self.row, until, now).await;
        let is_newer = |fetched_at| Some(fetched_at) != seen_at;
        let theirs = match (lease, &shared) {
            (Ok(Some(_)), Some(_)) => shared.take(),
            (Ok(Some(_)), None) => self.awaited(WAIT, is_newer, now).await,
            // Another process may have finished the fetch since the row was read.
            (Ok(None), _) => self.looked_for(is_newer, now).await.ok().flatten(),
            (Err(NotShared), _) => None,
        };
        match (theirs, shared) {
            (Some(theirs), _) => Ok(theirs),
            (None, Some(old)) => Ok(self.fetch_over(old, lease.is_ok(), now, ask).await),
            (None, None) => self.fetch(lease.is_ok(), now, ask).await,
        }
    }

    async fn next<F: Future<Output = Result<Vec<u8>, ProviderError>>>(
        &self,
        is_found: impl Fn(&T) -> bool,
        now: Timestamp,
        ask: impl FnOnce() -> F,
    ) -> Result<Fetched<T>, ProviderError> {
        let cool_down = self.kind.terms.miss_cool_down;
        let Ok(row) = self.read(now).await else { return self.fetch(false, now, ask).await };
        let shared = match row.and_then(|row| self.usable(&row, now)) {
            Some(shared) if is_found(&shared.value) => return Ok(shared),
            shared => shared,
        };
        match self.lease(self.miss_row, now + cool_down, now).await {
            Ok(None) => self.fetch(true, now, ask).await,
            Ok(Some(until)) => {
                let since = until - cool_down;
                let is_theirs = |fetched_at| since <= fetched_at;
                match shared.filter(|shared| is_theirs(shared.fetched_at)) {
                    Some(shared) => Ok(shared),
                    None => {
                        let awaited = self.awaited(self.kind.terms.patience, is_theirs, now);
                        awaited.await.ok_or(ProviderError::TimedOut)
                    }
                }
            }
            Err(NotShared) => self.fetch(false, now, ask).await,
        }
    }

    /// Waits for the document that another process is about to write.
    async fn awaited(
        &self,
        patience: Duration,
        is_theirs: impl Fn(Timestamp) -> bool,
        now: Timestamp,
    ) -> Option<Fetched<T>> {
        let started = Instant::now();
        while started.elapsed() < patience {
            sleep(POLL).await;
            match self.looked_for(&is_theirs, now).await {
                Ok(None) => {}
                Ok(theirs) => return theirs,
                Err(NotShared) => return None,
            }
        }
        None
    }

    /// The row's document, if `is_theirs` accepts the time when it was fetched.
    async fn looked_for(
        &self,
        is_theirs: impl Fn(Timestamp) -> bool,
        now: Timestamp,
    ) -> Result<Option<Fetched<T>>, NotShared> {
        let row = self.read(now).await?.filter(|row| is_theirs(row.fetched_at));
        Ok(row.and_then(|row| self.usable(&row, now)))
    }

    /// Fetches a new document; returns the `old` one if the provider fails.
    async fn fetch_over<F: Future<Output = Result<Vec<u8>, ProviderError>>>(
        &self,
        old: Fetched<T>,
        is_to_share: bool,
        now: Timestamp,
        ask: impl FnOnce() -> F,
    ) -> Fetched<T> {
        let fetched = timeout(self.kind.terms.patience, self.fetch(is_to_share, now, ask)).await;
        fetched.unwrap_or_else(|elapsed| Err(elapsed.into())).unwrap_or_else(|error| {
            (self.kind.report)(self.kind.name, &error);
            old
        })
    }

    async fn fetch<F: Future<Output = Result<Vec<u8>, ProviderError>>>(
        &self,
        is_to_share: bool,
        now: Timestamp,
        ask: impl FnOnce() -> F,
    ) -> Result<Fetched<T>, ProviderError> {
        let text = ask().await?;
        let value = (self.parse)(&text)?;
        tracing::info!(
            event = LogEvent::ProviderFetched.name(),
            document = self.kind.name,
            "the provider's document was fetched"
        );
        if is_to_share {
            self.share(text, now).await;
        }
        Ok(Fetched { value, fetched_at: now })
    }

    async fn read(&self, now: Timestamp) -> Result<Option<DocumentRow>, NotShared> {
        let found = self.within_patience(self.store.documents(&[self.row], None, now)).await?;
        Ok(found.documents.into_iter().next())
    }

    /// The row's document, if it is not too old and passes every check.
    fn usable(&self, row: &DocumentRow, now: Timestamp) -> Option<Fetched<T>> {
        if self.kind.terms.hard_age <= apart(row.fetched_at, now) {
            return None;
        }
        let value = (self.parse)(&row.text).inspect_err(|error| {
            let error: &dyn std::error::Error = error;
            tracing::warn!(
                event = LogEvent::ProviderRowUnusable.name(),
                document = self.kind.name,
                error,
                "the provider's document in the store is unusable"
            );
        });
        Some(Fetched { value: value.ok()?, fetched_at: row.fetched_at })
    }

    async fn lease(
        &self,
        row: Digest,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, NotShared> {
        // The IAM policy of a reader denies the write.
        if self.sharing == Sharing::Reads {
            return Err(NotShared);
        }
        self.within_patience(self.store.lease_document(row, until, now)).await
    }

    async fn share(&self, text: Vec<u8>, now: Timestamp) {
        if text.len() > MAX_DOCUMENT {
            return;
        }
        let expires_at = now + self.kind.terms.hard_age;
        let row = DocumentRow { key: self.row, text, fetched_at: now, expires_at };
        // A failed write is harmless here.
        let _ = self.within_patience(self.store.write_document(row, now)).await;
    }

    fn is_young(&self, shared: &Fetched<T>, now: Timestamp) -> bool {
        apart(shared.fetched_at, now) < self.kind.terms.soft_age
    }

    async fn within_patience<R>(
        &self,
        call: impl Future<Output = Result<R, StoreError>>,
    ) -> Result<R, NotShared> {
        within(self.kind.terms.store_patience(), call).await
    }
}

impl<T> fmt::Debug for Document<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document").field("kind", &self.kind).finish_non_exhaustive()
    }
}
