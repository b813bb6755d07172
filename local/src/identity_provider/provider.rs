//! The state that all endpoints share.

use std::sync::Arc;

use shared::{
    clock::{Clock, Timestamp},
    crypto::random::Random,
};

use super::{
    backchannel::{self, BackchannelClient},
    keys::SigningKey,
    options::Options,
    organizations::Organization,
    state::{Session, SharedState},
};

/// The provider's settings, its key and its state.
pub(super) struct Provider {
    pub(super) issuer: String,
    pub(super) port: u16,
    pub(super) options: Options,
    pub(super) key: SigningKey,
    pub(super) backchannel: BackchannelClient,
    pub(super) state: SharedState,
    pub(super) clock: Clock,
    pub(super) random: Random,
}

impl Provider {
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Whether the user must choose an organization before the login.
    pub(super) fn asks_organization(&self, organization: Option<&Organization>) -> bool {
        self.options.requires_organization && organization.is_none()
    }

    /// The URL of an endpoint, `path` without a leading slash.
    pub(super) fn endpoint(&self, path: &str) -> String {
        format!("{}{path}", self.issuer)
    }

    /// Notifies the client in the background that `session` has ended. Auth0 queues it too, and a slow
    /// client must not delay the user's logout.
    pub(super) fn announce_end(self: &Arc<Self>, session: Session) {
        let provider = Arc::clone(self);
        tokio::spawn(async move { provider.deliver_logout_token(&session).await });
    }

    /// Sends the client a logout token for `session`, if the client has a URL for it.
    pub(super) async fn deliver_logout_token(&self, session: &Session) {
        let Some(uri) = &self.options.backchannel_logout_uri else { return };
        let client_id = &self.options.client_id;
        let claims =
            backchannel::claims(session, &self.issuer, client_id, &self.random, self.now());
        match self.key.sign(&claims) {
            Ok(token) => self.backchannel.deliver(uri, token).await,
            Err(error) => tracing::error!(%error, "signing a logout token failed"),
        }
    }
}
