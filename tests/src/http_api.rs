//! The emulated API Gateway HTTP API behind TLS, under the name that the API would have.
//!
//! It has a certificate made for the run. No DNS server resolves [`DOMAIN`]:
//! [`HttpApi::http_client`] and [`HttpApi::chromium_flags`] resolve it and trust only this
//! certificate.

pub mod tls;

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use local::emulator::{
    http_api::{DOMAIN, authorizer::Authorizer, route::Route, router},
    lambda::Lambda,
};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use serde_json::Value;
use tokio::task::JoinHandle;

use self::tls::Identity;

/// The origin that browsers use.
pub const ORIGIN: &str = "https://abc123.execute-api.eu-central-1.amazonaws.com";

/// Sends a `GET` with only these headers, as a program does. Returns the status and the JSON.
pub async fn ask(client: &reqwest::Client, path: &str, headers: &[(&str, &str)]) -> (u16, Value) {
    let mut request = client.get(format!("{ORIGIN}{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.expect("it is answered");
    (answer.status().as_u16(), answer.json().await.expect("JSON"))
}

/// Requests `/protected` with this token, as a program does.
pub async fn call_api(client: &reqwest::Client, token: &str) -> (u16, Value) {
    ask(client, "/protected", &[("authorization", &format!("Bearer {token}"))]).await
}

/// A listening gateway. Dropping this stops it. The functions' processes stop with `Lambda`.
#[derive(Debug)]
pub struct HttpApi {
    address: SocketAddr,
    identity: Identity,
    lambda: Lambda,
    server: JoinHandle<()>,
}

impl HttpApi {
    /// Listens on a port of loopback.
    pub async fn start(routes: Vec<Route>, lambda: Lambda) -> Self {
        Self::start_guarded(routes, BTreeMap::new(), lambda).await
    }

    /// Like [`Self::start`], with an authorizer for each of these routes. The map's keys are route
    /// keys.
    pub async fn start_guarded(
        routes: Vec<Route>,
        guarded: BTreeMap<String, Authorizer>,
        lambda: Lambda,
    ) -> Self {
        let identity = Identity::new(DOMAIN);
        let (listener, address) = identity.listen().await;
        let router = router(routes, guarded, lambda.clone());
        let server = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("loopback can be served");
        });
        Self { address, identity, lambda, server }
    }

    /// The functions behind it.
    #[must_use]
    pub const fn lambda(&self) -> &Lambda {
        &self.lambda
    }

    /// The loopback address that it listens on.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// A client that resolves [`ORIGIN`] to loopback and follows no redirect.
    #[must_use]
    pub fn http_client(&self) -> reqwest::Client {
        let mut roots = RootCertStore::empty();
        roots.add(self.identity.certificate().clone()).expect("it is a certificate");
        let tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the library supports both versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        crate::http_client_builder()
            .resolve(DOMAIN, self.address)
            .tls_backend_preconfigured(tls)
            .build()
            .expect("the client can be built")
    }

    /// Flags that make Chromium resolve [`ORIGIN`] to loopback and trust only this certificate.
    #[must_use]
    pub fn chromium_flags(&self) -> [String; 2] {
        [
            format!("--host-resolver-rules=MAP {DOMAIN}:443 {}", self.address),
            format!("--ignore-certificate-errors-spki-list={}", self.identity.public_key_pin()),
        ]
    }

    /// Options that make curl do the same.
    #[must_use]
    pub fn curl_options(&self) -> String {
        let pin = self.identity.public_key_pin();
        let address = self.address;
        format!("--connect-to {DOMAIN}:443:{address} --insecure --pinnedpubkey 'sha256//{pin}'")
    }
}

impl Drop for HttpApi {
    fn drop(&mut self) {
        self.server.abort();
    }
}
