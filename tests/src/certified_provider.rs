//! An independent OpenID Connect provider, certified by the OpenID Foundation: npm `oidc-provider`,
//! with Auth0's paths.
//!
//! Its login form has one field, `email`, and accepts any value; the account's `sub` is that e-mail.
//! Its logout has one confirmation button.

use std::{collections::BTreeMap, path::PathBuf, process::Command, time::Duration};

use local::process::{Process, unique};
use serde_json::{Value, json};

/// The client that is registered with the provider.
#[derive(Clone, Debug)]
pub struct Client {
    /// `client_id`.
    pub id: String,
    /// `client_secret`, sent by `client_secret_post` unless `authentication` differs.
    pub secret: String,
    /// The application's base URL, without a trailing slash: `http://localhost:9000`.
    pub base_url: String,
    /// `token_endpoint_auth_method`.
    pub authentication: String,
    /// `backchannel_logout_uri`. If set, ID tokens contain `sid`, as Auth0's do.
    pub backchannel_logout: Option<String>,
}

impl Client {
    /// A client for the application at `base_url`, with the product's paths.
    #[must_use]
    pub fn at(base_url: &str) -> Self {
        Self {
            id: "client-of-the-stories".to_owned(),
            secret: "secret-of-the-stories-longer-than-32-bytes".to_owned(),
            base_url: base_url.to_owned(),
            authentication: "client_secret_post".to_owned(),
            backchannel_logout: None,
        }
    }

    fn metadata(&self) -> Value {
        let mut metadata = json!({
            "client_id": self.id,
            "client_secret": self.secret,
            "redirect_uris": [format!("{}/callback", self.base_url)],
            "post_logout_redirect_uris": [format!("{}/signed-out", self.base_url)],
            "token_endpoint_auth_method": self.authentication,
            "grant_types": ["authorization_code", "refresh_token"],
        });
        if let Some(uri) = &self.backchannel_logout {
            metadata["backchannel_logout_uri"] = json!(uri);
            metadata["backchannel_logout_session_required"] = json!(true);
        }
        metadata
    }
}

/// How the provider differs from Auth0's manners.
#[derive(Clone, Copy, Debug, Default)]
pub struct Setup<'a> {
    /// Access tokens are JWTs for this resource (RFC 8707), unless it is empty.
    pub resource: &'a str,
    /// The path of the issuer, without a trailing slash; empty for Auth0's issuer.
    pub path: &'a str,
    /// Whether the keys and the endpoints that are not for browsers are on another port.
    pub has_second_port: bool,
    /// Whether ID tokens contain only what the standard requires, and the rest is at `/userinfo`.
    pub has_thin_tokens: bool,
}

/// A defect in the next ID token that the provider issues.
#[derive(Clone, Debug)]
pub enum Spoilt {
    /// Replaces these claims: `json!({"nonce": "another"})`.
    Claims(Value),
    /// Signs the token with a key that the provider never published.
    UnknownKey,
}

/// The running provider. Dropping this stops it.
#[derive(Debug)]
pub struct CertifiedProvider {
    _process: Process,
    origin: String,
    issuer: String,
    endpoint_hosts: String,
    http: reqwest::Client,
}

impl CertifiedProvider {
    /// Starts the provider on a free port. `tests/run` installs its packages.
    pub async fn start(client: &Client) -> Self {
        Self::start_with(client, &Setup::default()).await
    }

    /// Like [`Self::start`], with another setup than Auth0's.
    pub async fn start_with(client: &Client, setup: &Setup<'_>) -> Self {
        let folder = Self::folder();
        assert!(
            folder.join("node_modules/oidc-provider").is_dir(),
            "the certified provider is not installed: use tests/run, or `npm ci` in {}",
            folder.display()
        );
        let mut process = Process::start(
            crate::log_of(&format!("certified-provider-{}", unique())),
            Command::new("node")
                .arg(folder.join("provider.mjs"))
                .env("PROVIDER_CLIENT", client.metadata().to_string())
                .env("PROVIDER_RESOURCE", setup.resource)
                .env("PROVIDER_PATH", setup.path)
                .env("PROVIDER_SECOND_PORT", if setup.has_second_port { "yes" } else { "" })
                .env("PROVIDER_THIN", if setup.has_thin_tokens { "yes" } else { "" }),
        );
        let ports = process.line_after("ready ", Duration::from_secs(30)).await;
        let (port, second) = ports.split_once(' ').unwrap_or((&ports, ""));
        let origin = format!("http://localhost:{port}/");
        Self {
            _process: process,
            issuer: if setup.path.is_empty() {
                origin.clone()
            } else {
                format!("http://localhost:{port}{}", setup.path)
            },
            endpoint_hosts: if second.is_empty() {
                String::new()
            } else {
                format!("localhost:{second}")
            },
            origin,
            http: crate::http_client(),
        }
    }

    /// The folder of its programs.
    #[must_use]
    pub fn folder() -> PathBuf {
        crate::project().join("tests/certified_provider")
    }

    /// The issuer: with a trailing slash, unless it has a path.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The issuer as `AUTH_HOST` expects it: without the trailing slash.
    #[must_use]
    pub fn auth_host(&self) -> &str {
        self.issuer.trim_end_matches('/')
    }

    /// The hosts beside the issuer's, as `AUTH_ENDPOINT_HOSTS` expects them.
    #[must_use]
    pub fn endpoint_hosts(&self) -> &str {
        &self.endpoint_hosts
    }

    /// Replaces the signing key and stops publishing the old one. Tokens signed by the old key become
    /// invalid.
    pub async fn rotate_keys(&self) {
        self.control("rotate-keys", "").await;
    }

    /// Applies a defect to the next ID token only.
    pub async fn spoil_next_id_token(&self, how: Spoilt) {
        let how = match how {
            Spoilt::Claims(claims) => json!({ "claims": claims }),
            Spoilt::UnknownKey => json!({ "unknown_key": true }),
        };
        self.control("next-id-token", &how.to_string()).await;
    }

    /// The number of requests per path, for tests that no request was made.
    pub async fn served(&self) -> BTreeMap<String, u64> {
        let response = self.http.get(format!("{}__control/served", self.origin)).send().await;
        let body = response.expect("the provider runs").bytes().await.expect("it answers whole");
        serde_json::from_slice(&body).expect("it answers JSON")
    }

    async fn control(&self, name: &str, body: &str) {
        let url = format!("{}__control/{name}", self.origin);
        let response = self.http.post(url).body(body.to_owned()).send().await;
        let status = response.expect("the provider runs").status();
        assert_eq!(status, 200, "control {name}");
    }
}
