//! One document of the provider, remembered.

use std::{
    future::Future,
    sync::{Arc, PoisonError, RwLock},
};

use tokio::{
    sync::{Mutex, MutexGuard},
    time::timeout,
};

use crate::{clock::Timestamp, provider::ProviderError};

use super::{FAILURE_PAUSE, HARD_AGE, KeysError, MISS_COOL_DOWN, REFRESH_PATIENCE, SOFT_AGE};

/// The last good document, and who is fetching the next.
///
/// Readers take the standard lock for the time of a clone; it is never held over an await. Whoever
/// fetches holds the other lock, so there is one fetch in flight.
#[derive(Debug)]
pub(super) struct Cache<T> {
    /// What it is called in the log.
    document: &'static str,
    current: RwLock<Option<Snapshot<T>>>,
    attempts: Mutex<Attempts>,
}

#[derive(Debug)]
pub(super) struct Snapshot<T> {
    pub(super) value: Arc<T>,
    fetched_at: Timestamp,
}

#[derive(Debug, Default)]
struct Attempts {
    /// The last failure, and when that was. A success clears it.
    failure: Option<(Timestamp, KeysError)>,
    /// When a document was last fetched because something was not in it.
    missed_at: Option<Timestamp>,
}

impl<T> Cache<T> {
    pub(super) fn new(document: &'static str) -> Self {
        Self { document, current: RwLock::new(None), attempts: Mutex::new(Attempts::default()) }
    }

    /// The document, fetched if there is none or it is old.
    pub(super) async fn get<F: Future<Output = Result<T, ProviderError>>>(
        &self,
        now: Timestamp,
        fetch: impl FnOnce() -> F,
    ) -> Result<Arc<T>, KeysError> {
        if let Some(known) = self.current().filter(|known| now.since(known.fetched_at) < HARD_AGE) {
            if now.since(known.fetched_at) < SOFT_AGE {
                return Ok(known.value);
            }
            // Old, but good: one reader asks for a new one, the others go on at once.
            let Ok(mut attempts) = self.attempts.try_lock() else { return Ok(known.value) };
            if attempts.recent_failure(now).is_some() {
                return Ok(known.value);
            }
            let fetched = timeout(REFRESH_PATIENCE, fetch()).await;
            let fetched = fetched.unwrap_or(Err(ProviderError::TimedOut));
            return Ok(self.conclude(&mut attempts, now, fetched).unwrap_or(known.value));
        }
        let mut attempts = self.attempts.lock().await;
        if let Some(known) = self.current().filter(|known| now.since(known.fetched_at) < HARD_AGE) {
            return Ok(known.value);
        }
        if let Some(error) = attempts.recent_failure(now) {
            return Err(error);
        }
        let fetched = fetch().await;
        self.conclude(&mut attempts, now, fetched)
    }

    /// A newer document than `seen`, in which something was missing. `None` if there can be none
    /// before the cool-down has passed.
    pub(super) async fn newer_than<F: Future<Output = Result<T, ProviderError>>>(
        &self,
        seen: &Arc<T>,
        now: Timestamp,
        fetch: impl FnOnce() -> F,
    ) -> Result<Option<Arc<T>>, KeysError> {
        // All who miss at once wait here for the first of them.
        let mut attempts = self.attempts.lock().await;
        if let Some(known) = self.current()
            && !Arc::ptr_eq(&known.value, seen)
        {
            return Ok(Some(known.value));
        }
        if attempts.missed_at.is_some_and(|missed_at| now.since(missed_at) < MISS_COOL_DOWN) {
            // After a failure nobody can tell whether the key exists.
            return attempts.recent_failure(now).map_or(Ok(None), Err);
        }
        attempts.missed_at = Some(now);
        let fetched = fetch().await;
        self.conclude(&mut attempts, now, fetched).map(Some)
    }

    fn current(&self) -> Option<Snapshot<T>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn conclude(
        &self,
        attempts: &mut MutexGuard<'_, Attempts>,
        now: Timestamp,
        fetched: Result<T, ProviderError>,
    ) -> Result<Arc<T>, KeysError> {
        match fetched {
            Ok(value) => {
                let document = self.document;
                tracing::info!(event = "provider.fetched", document, "the provider was asked");
                attempts.failure = None;
                let value = Arc::new(value);
                let snapshot = Snapshot { value: Arc::clone(&value), fetched_at: now };
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(snapshot);
                Ok(value)
            }
            Err(error) => {
                let error = KeysError(Arc::new(error));
                let cause: &dyn std::error::Error = &error;
                tracing::warn!(
                    event = "provider.unavailable",
                    document = self.document,
                    error = cause,
                    "the provider gave no answer that can be used"
                );
                attempts.failure = Some((now, error.clone()));
                Err(error)
            }
        }
    }
}

impl Attempts {
    fn recent_failure(&self, now: Timestamp) -> Option<KeysError> {
        let (failed_at, error) = self.failure.as_ref()?;
        (now.since(*failed_at) < FAILURE_PAUSE).then(|| error.clone())
    }
}

impl<T> Clone for Snapshot<T> {
    fn clone(&self) -> Self {
        Self { value: Arc::clone(&self.value), fetched_at: self.fetched_at }
    }
}
