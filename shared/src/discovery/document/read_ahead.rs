//! What the store is asked for documents, and how long it is waited for.

use std::{future::Future, time::Duration};

use tokio::time::timeout;

use crate::{
    clock::Timestamp,
    crypto::secret::Digest,
    store::{DocumentRow, Found, SessionStore, StoreError},
    web::error,
};

/// The document is not shared with other processes: the store does not answer, which the log has been
/// told, or this function only reads.
#[derive(Clone, Copy, Debug)]
pub(super) struct NotShared;

/// Rows that were read together, before any of them was needed.
#[derive(Debug, Default)]
pub(crate) struct ReadAhead {
    /// The documents that were asked for.
    keys: Vec<Digest>,
    /// `None`: the store does not answer.
    found: Option<Found>,
}

impl ReadAhead {
    /// Reads the documents under `keys`, and along with them the pointer under `pointer`, waiting no
    /// longer than `patience`. Where there is nothing to read but the pointer, nothing is read.
    pub(crate) async fn of(
        store: &dyn SessionStore,
        keys: Vec<Digest>,
        pointer: Option<Digest>,
        patience: Duration,
        now: Timestamp,
    ) -> Self {
        if keys.is_empty() {
            return Self::default();
        }
        let found = within(patience, store.documents(&keys, pointer, now)).await.ok();
        Self { keys, found }
    }

    /// What was found, less the documents that were needed. `None` if nothing was read.
    pub(crate) fn into_found(self) -> Option<Found> {
        self.found
    }

    /// The document under `key`. `None`: it was not asked for.
    pub(super) fn take(&mut self, key: Digest) -> Option<Result<Option<DocumentRow>, NotShared>> {
        self.keys.contains(&key).then(|| match &mut self.found {
            Some(found) => Ok(found.take(key)),
            None => Err(NotShared),
        })
    }
}

/// What the store answers in time.
pub(super) async fn within<R>(
    patience: Duration,
    call: impl Future<Output = Result<R, StoreError>>,
) -> Result<R, NotShared> {
    let error = match timeout(patience, call).await {
        Ok(Ok(answer)) => return Ok(answer),
        Ok(Err(error)) => error::chain(&error),
        Err(_) => "no answer in time".to_owned(),
    };
    tracing::warn!(
        event = "provider.not_shared",
        error,
        "the provider's document is fetched without the store"
    );
    Err(NotShared)
}
