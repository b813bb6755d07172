//! Decides which of several concurrent requests refreshes a session.

use std::{sync::Arc, time::Duration};

use shared::{
    clock::Timestamp,
    crypto::secret::SessionSecret,
    guard::Refusal,
    provider::{ClientAuthentication, ClientCredentials, Metadata},
    session::{HeldLease, Renewability, Renewable, Session},
    store::Lease,
};
use tokio::time::{Instant, sleep};

use crate::{Refresh, RefreshError};

/// How long one request may take for a refresh: longer than the provider and the store may take
/// together. A request that has not finished by then never will, and the next one takes over.
pub const LEASE: Duration = Duration::from_secs(20);

/// How long a request waits while another one refreshes the same session.
pub const PATIENCE: Duration = Duration::from_secs(8);

/// How long a waiting request pauses between two reads of the session.
pub const POLL: Duration = Duration::from_millis(200);

/// Whether this request refreshes the session or another one did.
pub(crate) enum Turn {
    /// This request holds the lease and presents the refresh token as this client.
    Ours(Box<HeldLease>, Client),
    /// Another request has just refreshed the session.
    Theirs(Box<Session>),
}

/// This application as a client of the provider.
pub(crate) struct Client {
    /// Contains the provider's token endpoint.
    pub(crate) metadata: Arc<Metadata>,
    /// The credentials with which this application authenticates.
    pub(crate) credentials: Arc<ClientCredentials>,
}

impl Client {
    pub(crate) fn authentication(&self) -> ClientAuthentication {
        self.credentials.authentication(&self.metadata)
    }
}

/// The current time while a request waits. A handler receives `now` only once, at the start.
#[derive(Clone, Copy)]
pub(crate) struct Time {
    told: Timestamp,
    started: Instant,
}

impl Time {
    pub(crate) fn since(now: Timestamp) -> Self {
        Self { told: now, started: Instant::now() }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.told + self.started.elapsed()
    }

    /// Whether less than `time` has passed.
    pub(crate) fn has(&self, time: Duration) -> bool {
        self.started.elapsed() < time
    }
}

impl Refresh {
    pub(crate) async fn turn(
        &self,
        secret: &SessionSecret,
        time: Time,
    ) -> Result<Turn, RefreshError> {
        let mut awaited = None;
        loop {
            let now = time.now();
            let renewable = self.renewable(secret, now).await?;
            if !renewable.is_due(now) {
                return Ok(Turn::Theirs(Box::new(renewable.session)));
            }
            let lease = renewable.lease();
            if awaited.is_some_and(|awaited| was_given_up(awaited, lease)) {
                return Err(RefreshError::GivenUp);
            }
            match lease.filter(|lease| now < lease.expires_at) {
                Some(lease) => awaited = Some(lease),
                None => {
                    // Before the lease, so that no request waits for another one whose provider
                    // metadata or secret is unavailable.
                    let client = Client {
                        metadata: self.keys.metadata(now).await?,
                        credentials: self.config.credentials.current(now).await?,
                    };
                    let now = time.now();
                    if let Some(held) = self.sessions.lease(renewable, now + LEASE, now).await? {
                        return Ok(Turn::Ours(Box::new(held), client));
                    }
                }
            }
            if !time.has(PATIENCE) {
                return Err(RefreshError::InProgress);
            }
            sleep(POLL).await;
        }
    }

    pub(crate) async fn renewable(
        &self,
        secret: &SessionSecret,
        now: Timestamp,
    ) -> Result<Renewable, RefreshError> {
        match self.sessions.renewable(secret, now).await? {
            Some(Renewability::Renewable(renewable)) => Ok(*renewable),
            Some(Renewability::WithoutRefreshToken(_)) => Err(RefreshError::NoRefreshToken),
            None => Err(Refusal::CookieWithoutSession.into()),
        }
    }
}

/// Whether the holder of the lease `awaited` released it without a new token. Then the provider is
/// unavailable, and an immediate retry would not help.
fn was_given_up(awaited: Lease, lease: Option<Lease>) -> bool {
    lease.is_none_or(|lease| lease.owner == awaited.owner && lease.expires_at < awaited.expires_at)
}
