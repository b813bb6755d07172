//! Notifies the client that a session has ended (OpenID Connect Back-Channel Logout 1.0).

use std::time::Duration;

use serde_json::{Value, json};
use shared::{
    clock::Timestamp,
    crypto::{random::Random, tls::Network},
};

use super::state::Session;

/// How long a client may take to answer, as at Auth0.
const PATIENCE: Duration = Duration::from_secs(5);
/// Lifetime of a logout token, as at Auth0.
const LIFETIME: Duration = Duration::from_secs(120);
/// The member of `events` that makes a JWT a logout token (§2.4).
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// The HTTP client for logout tokens could not be built.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The TLS settings were refused.
    #[error(transparent)]
    Tls(#[from] rustls::Error),
    /// The HTTP client was refused.
    #[error(transparent)]
    Http(#[from] reqwest::Error),
}

/// Delivers logout tokens. It follows no redirect and uses no proxy, so a token to loopback stays on
/// this machine.
pub(super) struct BackchannelClient(reqwest::Client);

impl BackchannelClient {
    pub(super) fn new() -> Result<Self, ClientError> {
        Ok(Self(Network::default().client()?.timeout(PATIENCE).build()?))
    }

    /// Sends the client a logout token. It does not retry, like Auth0.
    pub(super) async fn deliver(&self, uri: &str, token: String) {
        match self.0.post(uri).form(&[("logout_token", token)]).send().await {
            Ok(response) if response.status() == reqwest::StatusCode::OK => {
                tracing::info!("logout token delivered");
            }
            Ok(response) => {
                tracing::warn!(status = response.status().as_u16(), "logout token refused");
            }
            Err(error) => {
                tracing::warn!(error = %error.without_url(), "logout token not delivered");
            }
        }
    }
}

/// The claims of a logout token for `session`, besides issuer and audience.
pub(super) fn claims(
    session: &Session,
    issuer: &str,
    client_id: &str,
    random: &Random,
    now: Timestamp,
) -> Value {
    json!({
        "iss": issuer,
        "sub": session.user.subject,
        "aud": client_id,
        "iat": now.as_unix(),
        "exp": (now + LIFETIME).as_unix(),
        "jti": random.token(),
        "events": {EVENT: {}},
        "trace_id": random.token(),
        "sid": session.id,
    })
}
