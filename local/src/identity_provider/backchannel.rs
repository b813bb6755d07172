//! Notifies the client that a session has ended (OpenID Connect Back-Channel Logout 1.0).

use std::{sync::Arc, time::Duration};

use reqwest::redirect;
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use serde_json::json;

use super::{Provider, state::Session};

/// How long a client may take to answer, as at Auth0.
const PATIENCE: Duration = Duration::from_secs(5);
/// Lifetime of a logout token, as at Auth0.
const LIFETIME: Duration = Duration::from_secs(120);
/// The member of `events` that makes a JWT a logout token (§2.4).
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// The client for logout tokens could not be built.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The TLS settings were refused.
    #[error(transparent)]
    Tls(#[from] rustls::Error),
    /// The HTTP client was refused.
    #[error(transparent)]
    Http(#[from] reqwest::Error),
}

/// Delivers logout tokens, on loopback and in plain HTTP only.
#[derive(Debug)]
pub(super) struct BackchannelClient(reqwest::Client);

impl BackchannelClient {
    pub(super) fn new() -> Result<Self, ClientError> {
        // It trusts no certificate, so that a redirect or a proxy cannot lead it off this machine.
        let tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .timeout(PATIENCE)
            .build()?;
        Ok(Self(client))
    }
}

impl Provider {
    /// Sends the client a logout token for `session`. It does not retry, like Auth0.
    pub(super) async fn deliver_logout_token(&self, session: &Session) {
        let Some(uri) = &self.options.backchannel_logout_uri else {
            return;
        };
        let now = self.now();
        let claims = json!({
            "iss": self.issuer,
            "sub": session.user.subject,
            "aud": self.options.client_id,
            "iat": now.as_unix(),
            "exp": (now + LIFETIME).as_unix(),
            "jti": self.random.token(),
            "events": {EVENT: {}},
            "trace_id": self.random.token(),
            "sid": session.id,
        });
        let Ok(token) = self.keys.sign(&claims) else {
            tracing::error!("signing a logout token failed");
            return;
        };
        match self.backchannel.0.post(uri).form(&[("logout_token", token)]).send().await {
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
