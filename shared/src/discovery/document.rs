//! One of the provider's documents: in this process' memory, in the store for all processes, at the
//! provider itself; asked for in this order.
//!
//! A process that starts finds in the store what another one fetched, so that it need not talk to the
//! provider. Whoever finds it old there fetches it, if nobody else does just now, and writes it back.
//! It keeps its age on the way: what was fetched a day ago is a day old in whatever process.
//!
//! The store is a convenience. What it holds is checked as what the provider sends is, and is as if
//! it were not there if it does not pass (R97); where the store does not answer, the provider is
//! asked as if there were no store.
//!
//! A reader ([`Sharing::Reads`]) uses what the store has, and writes nothing to it: what it must fetch
//! it fetches for its own process.

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
    store::{DocumentRow, MAX_DOCUMENT, SessionStore, StoreError},
};

/// How long a process that has no document at all waits for the one that fetches it. Then it
/// fetches it itself.
pub const WAIT: Duration = Duration::from_secs(3);

/// How often it looks meanwhile.
const POLL: Duration = Duration::from_millis(100);

/// What a document is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    /// Its name in the log and in its row's key.
    pub(crate) name: &'static str,
    /// How old it may get, and how often it may be fetched.
    pub(crate) terms: Terms,
    /// Told why it cannot be had.
    pub(crate) report: fn(&'static str, &ProviderError),
}

/// What a function does with the documents in the store.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Sharing {
    /// It uses them, and writes what it fetched for the others.
    Writes,
    /// It uses them.
    Reads,
}

/// A document, as far as it is known.
pub(crate) struct Document<T> {
    kind: Kind,
    sharing: Sharing,
    /// The key of its row.
    row: Digest,
    /// The key of the row by which one process is told off to look for what was missing in it.
    miss_row: Digest,
    store: Arc<dyn SessionStore>,
    cache: Cache<T, ProviderError>,
    parse: Box<Parse<T>>,
}

/// Reads and checks a document's text, be it from the provider or from the store.
type Parse<T> = dyn Fn(&[u8]) -> Result<T, ProviderError> + Send + Sync;

impl<T: Send + Sync> Document<T> {
    /// The document of `kind` that `issuer` publishes, `about` something of it. Nothing is asked yet.
    pub(crate) fn new(
        kind: Kind,
        sharing: Sharing,
        store: Arc<dyn SessionStore>,
        issuer: &Issuer,
        about: &str,
        parse: impl Fn(&[u8]) -> Result<T, ProviderError> + Send + Sync + 'static,
    ) -> Self {
        let report = move |fetched: Result<(), &ProviderError>| {
            if let Err(error) = fetched {
                (kind.report)(kind.name, error);
            }
        };
        // None of the parts can hold the line break.
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

    /// The key of the row that [`get`](Self::get) would read now, if it would read any.
    pub(crate) fn due_row(&self, now: Timestamp) -> Option<Digest> {
        self.cache.is_due(now).then_some(self.row)
    }

    /// The document, from wherever it can be had; `ask` asks the provider.
    pub(crate) async fn get<F: Future<Output = Result<Vec<u8>, ProviderError>>>(
        &self,
        ahead: &mut ReadAhead,
        now: Timestamp,
        ask: impl FnOnce() -> F,
    ) -> Result<Arc<T>, Arc<ProviderError>> {
        let row = ahead.take(self.row);
        self.cache.get(now, || self.newest(row, now, ask)).await
    }

    /// A newer document than `seen`, in which something was missing; `is_found` says whether it is
    /// in another one. `None` if there can be none before the cool-down has passed.
    ///
    /// Within one cool-down one process asks the provider. The others learn what it has learnt.
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
        // As long as nobody repeats a failure: whoever takes it may fail.
        let until = now + self.kind.terms.failure_pause;
        let lease = self.lease(self.row, until, now).await;
        let is_newer = |fetched_at| Some(fetched_at) != seen_at;
        let theirs = match (lease, &shared) {
            (Ok(Some(_)), Some(_)) => shared.take(),
            (Ok(Some(_)), None) => self.awaited(WAIT, is_newer, now).await,
            // Since the row was read, another process may have done it all.
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

    /// The document that another process is about to write, once it is there.
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

    /// The row's document, if it was fetched at such a time.
    async fn looked_for(
        &self,
        is_theirs: impl Fn(Timestamp) -> bool,
        now: Timestamp,
    ) -> Result<Option<Fetched<T>>, NotShared> {
        let row = self.read(now).await?.filter(|row| is_theirs(row.fetched_at));
        Ok(row.and_then(|row| self.usable(&row, now)))
    }

    /// A new document, or the `old` one if the provider has none to give.
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
            event = "provider.fetched",
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

    /// The row's document, if it is young enough to be used at all and passes every check.
    fn usable(&self, row: &DocumentRow, now: Timestamp) -> Option<Fetched<T>> {
        if self.kind.terms.hard_age <= apart(row.fetched_at, now) {
            return None;
        }
        let value = (self.parse)(&row.text).inspect_err(|error| {
            let error: &dyn std::error::Error = error;
            tracing::warn!(
                event = "provider.row_unusable",
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
        // The policy of such a function refuses the write.
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
        // Whether it could be written changes nothing here.
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
