//! Reads documents from the store, with a limit on the waiting time.

use std::{future::Future, time::Duration};

use tokio::time::timeout;

use crate::{
    clock::Timestamp,
    crypto::secret::Digest,
    names::LogEvent,
    store::{DocumentRow, DocumentStore, Found, StoreError},
    web::error,
};

/// The document is not shared with other processes: the store is unavailable, which was logged, or this
/// function only reads.
#[derive(Clone, Copy, Debug)]
pub(super) struct NotShared;

/// Rows that were read together in advance.
#[derive(Debug, Default)]
pub(crate) struct ReadAhead {
    /// The requested documents.
    keys: Vec<Digest>,
    /// `None`: the store is unavailable.
    found: Option<Found>,
}

impl ReadAhead {
    /// Reads the documents under `keys`, and with them the pointer under `pointer`, for at most
    /// `patience`. If `keys` is empty, reads nothing, not even the pointer.
    pub(crate) async fn of(
        store: &dyn DocumentStore,
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

    /// The rows that were found, without the documents already taken. `None` if nothing was read.
    pub(crate) fn into_found(self) -> Option<Found> {
        self.found
    }

    /// Takes the document under `key`. `None` if it was not requested.
    pub(super) fn take(&mut self, key: Digest) -> Option<Result<Option<DocumentRow>, NotShared>> {
        self.keys.contains(&key).then(|| match &mut self.found {
            Some(found) => Ok(found.take(key)),
            None => Err(NotShared),
        })
    }
}

/// The store's response, if it arrives in time.
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
        event = LogEvent::ProviderNotShared.name(),
        error,
        "the store did not answer about the provider's documents"
    );
    Err(NotShared)
}
