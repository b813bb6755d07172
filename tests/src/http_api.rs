//! An emulated API Gateway HTTP API in front of the functions of a [`Lambda`].
//!
//! It speaks TLS under [`DOMAIN`], the name that the API would have, with a certificate made for the
//! run. No DNS server resolves that name: [`HttpApi::http_client`] and [`HttpApi::chromium_flags`]
//! resolve it and trust only this certificate.
//!
//! It behaves as AWS documents, or as observed where AWS documents nothing:
//!
//! - routes: [`route`]; payload format 2.0: [`event`]; responses: [`answer`];
//! - `{"message":"Not Found"}` with 404 if no route matches; `OPTIONS` has no special treatment;
//! - `{"message":"Internal Server Error"}` with 500 if the function fails, times out, exits, or
//!   returns an invalid response (a REST API returns 502);
//! - `{"message":"Service Unavailable"}` with 503 after 30 s;
//! - a Lambda authorizer runs before the function: [`authorizer`];
//! - 413 above 10 MB, 431 if the request line and headers exceed 10,240 bytes.
//!
//! There is no throttling, and one stage, `$default`.

pub mod answer;
pub mod authorizer;
pub mod event;
pub mod route;
pub mod tls;

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::State};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use shared::crypto::random::Random;
use tokio::task::JoinHandle;

use self::{
    authorizer::Authorizer,
    route::{Route, Routes},
    tls::Identity,
};
use crate::lambda::Lambda;

/// The first label of its domain.
pub const API_ID: &str = "abc123";

/// The API's domain, from which the product derives its base URL.
pub const DOMAIN: &str = "abc123.execute-api.eu-central-1.amazonaws.com";

/// The origin that browsers use.
pub const ORIGIN: &str = "https://abc123.execute-api.eu-central-1.amazonaws.com";

/// How long the gateway waits for a function.
const INTEGRATION_TIMEOUT: Duration = Duration::from_secs(30);

/// The largest body, in bytes.
const LARGEST_BODY: usize = 10 * 1024 * 1024;

/// The largest total size of the request line and header values, in bytes.
const LARGEST_HEAD: usize = 10_240;

/// A listening gateway. Dropping this stops it. The functions' processes stop with `Lambda`.
#[derive(Debug)]
pub struct HttpApi {
    address: SocketAddr,
    identity: Identity,
    lambda: Lambda,
    server: JoinHandle<()>,
}

/// The state that request handling needs.
struct Gateway {
    routes: Routes,
    guarded: BTreeMap<String, Authorizer>,
    lambda: Lambda,
    random: Random,
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
        let listener = tls::Listener::bind(&identity).await;
        let address = listener.address();
        let gateway = Gateway {
            routes: Routes::new(routes),
            guarded,
            lambda: lambda.clone(),
            random: Random::system(),
        };
        let router = Router::new().fallback(serve).with_state(Arc::new(gateway));
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

async fn serve(State(gateway): State<Arc<Gateway>>, request: Request<Body>) -> Response<Body> {
    let request_id = gateway.request_id();
    let mut answer = gateway.answer(request, &request_id).await;
    let request_id = request_id.parse().expect("a request id is a valid header value");
    answer.headers_mut().insert("apigw-requestid", request_id);
    answer.map(Body::from)
}

impl Gateway {
    async fn answer(&self, request: Request<Body>, request_id: &str) -> Response<Bytes> {
        let (head, body) = request.into_parts();
        if head_size(&head) > LARGEST_HEAD {
            let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
            return answer::message(status, "Request Header Fields Too Large");
        }
        let Ok(body) = axum::body::to_bytes(body, LARGEST_BODY).await else {
            return answer::message(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large");
        };
        let path = event::path(&head.uri);
        let Some(matched) = self.routes.find(&head.method, &path) else {
            return answer::message(StatusCode::NOT_FOUND, "Not Found");
        };
        let mut event = event::build(&head, &body, &matched, request_id);
        if let Some(authorizer) = self.guarded.get(&matched.route.key.to_string()) {
            match authorizer.authorize(&head, &event, &self.lambda).await {
                Ok(authorized) => event = authorized,
                Err(refusal) => return refusal,
            }
        }
        let invocation = self.lambda.invoke(&matched.route.function, event);
        match tokio::time::timeout(INTEGRATION_TIMEOUT, invocation).await {
            Ok(Ok(answer)) => answer::read(&answer).unwrap_or_else(answer::internal_error),
            Ok(Err(_)) => answer::internal_error(),
            Err(_) => answer::message(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable"),
        }
    }

    /// A request id in the gateway's format: 16 characters that end in `=`.
    fn request_id(&self) -> String {
        format!("{}=", &self.random.token()[..15])
    }
}

fn head_size(head: &http::request::Parts) -> usize {
    let line = head.method.as_str().len() + head.uri.to_string().len() + "HTTP/1.1".len();
    head.headers.values().map(http::HeaderValue::len).sum::<usize>() + line
}
