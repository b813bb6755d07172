//! A cache for one fetched value.
//!
//! Ages are measured with the wall clock, whose time the caller passes in. Lambda freezes a process
//! between requests, and a timer would stop meanwhile.

use std::{
    fmt,
    future::Future,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use tokio::{
    sync::{Mutex, MutexGuard},
    time::{error::Elapsed, timeout},
};

use crate::clock::Timestamp;

/// How long a fetched value may be used, and how often it may be fetched.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// The age from which on a newer value is fetched.
    pub(crate) soft_age: Duration,
    /// The age from which on the value is no longer used.
    pub(crate) hard_age: Duration,
    /// How long a failure is remembered before the next attempt.
    pub(crate) failure_pause: Duration,
    /// How long a reader waits for a newer value while the old one is still usable.
    pub(crate) patience: Duration,
    /// How long a reader waits for a value if there is no usable one.
    pub(crate) first_patience: Duration,
    /// The minimum time between two fetches that were caused by a missing entry.
    pub(crate) miss_cool_down: Duration,
}

impl Terms {
    /// How long to wait for a result that makes a fetch unnecessary. The fetch must have time left.
    pub(crate) fn store_patience(&self) -> Duration {
        self.patience / 2
    }
}

/// The result of a fetch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fetched<T> {
    pub(crate) value: T,
    /// When it was requested from its source: earlier than now if another process fetched it.
    pub(crate) fetched_at: Timestamp,
}

/// The last fetched value, and the lock for fetching the next one.
///
/// Readers hold the standard lock only while they clone the value, never over an await. A fetch holds
/// the other lock, so at most one fetch is in flight.
pub(crate) struct Cache<T, E> {
    terms: Terms,
    report: Box<Report<E>>,
    current: RwLock<Option<Snapshot<T>>>,
    attempts: Mutex<Attempts<E>>,
}

/// Called with the result of each fetch: readers do not see a failure while the old value is usable.
type Report<E> = dyn Fn(Result<(), &E>) + Send + Sync;

struct Snapshot<T> {
    value: Arc<T>,
    fetched_at: Timestamp,
}

struct Attempts<E> {
    /// When the last fetch ended, whether it succeeded or failed.
    tried_at: Option<Timestamp>,
    /// The last failure and its time. A success clears it.
    failure: Option<(Timestamp, Arc<E>)>,
    /// When the value was last fetched because an entry was missing in it.
    missed_at: Option<Timestamp>,
}

impl<T, E: From<Elapsed>> Cache<T, E> {
    /// Creates an empty cache. Fetches nothing.
    pub(crate) fn new(
        terms: Terms,
        report: impl Fn(Result<(), &E>) + Send + Sync + 'static,
    ) -> Self {
        Self {
            terms,
            report: Box::new(report),
            current: RwLock::new(None),
            attempts: Mutex::new(Attempts { tried_at: None, failure: None, missed_at: None }),
        }
    }

    /// Whether [`get`](Self::get) would fetch now.
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        let known = self.usable(now);
        if known.as_ref().is_some_and(|known| known.age(now) < self.terms.soft_age) {
            return false;
        }
        // If the lock is taken, a fetch is already in flight.
        self.attempts.try_lock().is_ok_and(|attempts| match known {
            Some(_) => !self.is_paused(&attempts, now),
            None => self.recent_failure(&attempts, now).is_none(),
        })
    }

    /// Returns the value. Fetches it first if there is none or it is old. The fetched value may be old
    /// too, if no newer one is available.
    pub(crate) async fn get<F: Future<Output = Result<Fetched<T>, E>>>(
        &self,
        now: Timestamp,
        fetch: impl FnOnce() -> F,
    ) -> Result<Arc<T>, Arc<E>> {
        if let Some(known) = self.usable(now) {
            if known.age(now) < self.terms.soft_age {
                return Ok(known.value);
            }
            // Old but usable: one reader fetches, the others return at once.
            let Ok(mut attempts) = self.attempts.try_lock() else { return Ok(known.value) };
            if self.is_paused(&attempts, now) {
                return Ok(known.value);
            }
            let fetched = within(self.terms.patience, fetch()).await;
            return Ok(self.conclude(&mut attempts, now, fetched).unwrap_or(known.value));
        }
        let mut attempts = self.attempts.lock().await;
        if let Some(known) = self.usable(now) {
            return Ok(known.value);
        }
        if let Some(error) = self.recent_failure(&attempts, now) {
            return Err(error);
        }
        let fetched = within(self.terms.first_patience, fetch()).await;
        self.conclude(&mut attempts, now, fetched)
    }

    /// Keeps a fetched value, unless the current one is younger. Returns the younger one.
    pub(crate) fn keep(&self, now: Timestamp, fetched: Fetched<T>) -> Arc<T> {
        let Fetched { value, fetched_at } = fetched;
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = &*current
            && known.age(now) < apart(fetched_at, now)
        {
            return Arc::clone(&known.value);
        }
        let value = Arc::new(value);
        *current = Some(Snapshot { value: Arc::clone(&value), fetched_at });
        value
    }

    /// Returns a newer value than `seen`, in which an entry was missing. Returns `None` if no fetch is
    /// allowed before the cool-down has passed.
    pub(crate) async fn newer_than<F: Future<Output = Result<Fetched<T>, E>>>(
        &self,
        seen: &Arc<T>,
        now: Timestamp,
        fetch: impl FnOnce() -> F,
    ) -> Result<Option<Arc<T>>, Arc<E>> {
        // Concurrent callers wait here for the fetch of the first one.
        let mut attempts = self.attempts.lock().await;
        if let Some(known) = self.current()
            && !Arc::ptr_eq(&known.value, seen)
        {
            return Ok(Some(known.value));
        }
        if attempts.missed_at.is_some_and(|missed| apart(missed, now) < self.terms.miss_cool_down) {
            // After a failure it is unknown whether the entry exists by now.
            return attempts.failure.as_ref().map_or(Ok(None), |(_, error)| Err(Arc::clone(error)));
        }
        attempts.missed_at = Some(now);
        let fetched = fetch().await;
        if let Ok(fetched) = &fetched {
            // If another process fetched the value, the cool-down began at that time.
            attempts.missed_at = Some(fetched.fetched_at);
        }
        self.conclude(&mut attempts, now, fetched).map(Some)
    }

    fn current(&self) -> Option<Snapshot<T>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn usable(&self, now: Timestamp) -> Option<Snapshot<T>> {
        self.current().filter(|known| known.age(now) < self.terms.hard_age)
    }

    fn is_paused(&self, attempts: &Attempts<E>, now: Timestamp) -> bool {
        attempts.tried_at.is_some_and(|tried_at| apart(tried_at, now) < self.terms.failure_pause)
    }

    fn recent_failure(&self, attempts: &Attempts<E>, now: Timestamp) -> Option<Arc<E>> {
        let (failed_at, error) = attempts.failure.as_ref()?;
        (apart(*failed_at, now) < self.terms.failure_pause).then(|| Arc::clone(error))
    }

    fn conclude(
        &self,
        attempts: &mut MutexGuard<'_, Attempts<E>>,
        now: Timestamp,
        fetched: Result<Fetched<T>, E>,
    ) -> Result<Arc<T>, Arc<E>> {
        (self.report)(fetched.as_ref().map(drop));
        attempts.tried_at = Some(now);
        match fetched {
            Ok(fetched) => {
                attempts.failure = None;
                Ok(self.keep(now, fetched))
            }
            Err(error) => {
                let error = Arc::new(error);
                attempts.failure = Some((now, Arc::clone(&error)));
                Err(error)
            }
        }
    }
}

impl<T> Snapshot<T> {
    fn age(&self, now: Timestamp) -> Duration {
        apart(self.fetched_at, now)
    }
}

/// Omits the cached value: it may be a secret.
impl<T, E> fmt::Debug for Cache<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("terms", &self.terms).finish_non_exhaustive()
    }
}

impl<T> Clone for Snapshot<T> {
    fn clone(&self) -> Self {
        Self { value: Arc::clone(&self.value), fetched_at: self.fetched_at }
    }
}

async fn within<T, E: From<Elapsed>>(
    limit: Duration,
    fetch: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    timeout(limit, fetch).await.unwrap_or_else(|elapsed| Err(elapsed.into()))
}

/// The time between two moments, in either order.
///
/// The clock may have been ahead at the first moment, and corrected since. Measured only forwards, a
/// value would stay young until that moment comes again, and a withdrawn key would keep working.
pub(crate) fn apart(one: Timestamp, other: Timestamp) -> Duration {
    other.since(one).max(one.since(other))
}
