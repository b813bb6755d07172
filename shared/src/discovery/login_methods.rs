//! The login methods that the login page offers.
//!
//! The page works without the list, so no function here returns an error.

use std::{sync::Arc, time::Duration};

use tokio::time::timeout;

use crate::{
    cache::Terms,
    clock::Timestamp,
    discovery::document::{Document, DocumentKind, ReadAhead, Sharing},
    names::LogEvent,
    provider::{
        IdentityProvider, ProviderError,
        application::Application,
        login_method::{LoginMethod, parse_script},
    },
    store::DocumentStore,
};

/// The age from which a newer list is requested.
pub const LIST_AGE: Duration = Duration::from_secs(5 * 60);

/// The age at which a list is no longer used.
pub const LAST_LIST_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// How long after a failure no request is sent to the provider.
pub const FAILURE_PAUSE: Duration = Duration::from_secs(30);

/// How long a page waits for the list.
pub const PATIENCE: Duration = Duration::from_secs(1);

/// The login methods of one application, cached in memory and in the store.
#[derive(Debug)]
pub struct LoginMethods {
    provider: Arc<dyn IdentityProvider>,
    client_id: String,
    list: Document<Vec<LoginMethod>>,
}

impl LoginMethods {
    /// The methods of `application`, fetched by `provider` and shared in `store`. Sends no request yet.
    pub fn new(
        provider: Arc<dyn IdentityProvider>,
        store: Arc<dyn DocumentStore>,
        application: &Application,
    ) -> Self {
        let kind = DocumentKind { name: "login_methods", terms: TERMS, report };
        let client_id = application.client_id.clone();
        let list = Document::new(
            kind,
            Sharing::Writes,
            store,
            &application.issuer,
            &client_id,
            |script| {
                parse_script(script)
                    .ok_or_else(|| ProviderError::Malformed("no list of login methods".to_owned()))
            },
        );
        Self { provider, client_id, list }
    }

    /// Returns the list within [`PATIENCE`]. If the provider is unavailable, returns the last list of
    /// the past day or an empty one, and sends no request for [`FAILURE_PAUSE`].
    pub async fn list(&self, now: Timestamp) -> Arc<Vec<LoginMethod>> {
        let mut ahead = ReadAhead::default();
        let list = self.list.get(&mut ahead, now, || self.provider.login_methods(&self.client_id));
        // A caller that waits for another caller's request waits slightly longer than for its own. The
        // caller that sent the request must time out first, so that it records the failure.
        match timeout(PATIENCE * 11 / 10, list).await {
            Ok(Ok(list)) => list,
            Ok(Err(_)) | Err(_) => Arc::default(),
        }
    }
}

const TERMS: Terms = Terms {
    soft_age: LIST_AGE,
    hard_age: LAST_LIST_AGE,
    failure_pause: FAILURE_PAUSE,
    patience: PATIENCE,
    first_patience: PATIENCE,
    // Nothing is looked up in a list, so there are no misses.
    miss_cool_down: LIST_AGE,
};

fn report(_: &'static str, error: &ProviderError) {
    let error: &dyn std::error::Error = error;
    tracing::warn!(
        event = LogEvent::LoginMethodsUnavailable.name(),
        error,
        "the list of login methods is unavailable"
    );
}

#[cfg(test)]
mod tests;
