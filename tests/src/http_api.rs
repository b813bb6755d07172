//! An API Gateway HTTP API on this machine, in front of the functions of a [`Lambda`].
//!
//! It speaks TLS under the name that the API would have, [`DOMAIN`], with a certificate made for the
//! run. Nothing resolves that name: [`HttpApi::http_client`] and [`HttpApi::chromium_flags`] know the
//! way, and trust this one certificate.
//!
//! What it does is what AWS documents, and where AWS documents nothing, what has been observed of it:
//!
//! - routes: [`route`]; payload format 2.0: [`event`]; answers: [`answer`];
//! - `{"message":"Not Found"}` with 404 where no route matches; an `OPTIONS` is as any request;
//! - `{"message":"Internal Server Error"}` with 500 where the function fails, times out, ends, or
//!   answers what is no answer (a REST API answers 502);
//! - `{"message":"Service Unavailable"}` with 503 after 30 s;
//! - a Lambda authorizer is asked before the function: [`authorizer`];
//! - 413 above 10 MB, 431 where the request line and headers are above 10,240 bytes.
//!
//! It does not throttle, and has one stage, `$default`.

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

/// Its domain, from which the bundle derives its base URL.
pub const DOMAIN: &str = "abc123.execute-api.eu-central-1.amazonaws.com";

/// Where browsers reach it.
pub const ORIGIN: &str = "https://abc123.execute-api.eu-central-1.amazonaws.com";

/// How long the gateway waits for a function.
const INTEGRATION_TIMEOUT: Duration = Duration::from_secs(30);

/// The largest body, in bytes.
const LARGEST_BODY: usize = 10 * 1024 * 1024;

/// The most that the request line and the header values may come to, in bytes.
const LARGEST_HEAD: usize = 10_240;

/// A listening gateway. It ends when this is dropped; the functions' processes end with `Lambda`.
#[derive(Debug)]
pub struct HttpApi {
    address: SocketAddr,
    identity: Identity,
    lambda: Lambda,
    server: JoinHandle<()>,
}

/// What a request needs.
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

    /// The same with an authorizer in front of each of these routes, which are named by their keys.
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

    /// Where it really listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// A client that reaches it at [`ORIGIN`], follows no redirect, and knows the way to loopback.
    #[must_use]
    pub fn http_client(&self) -> reqwest::Client {
        let mut roots = RootCertStore::empty();
        roots.add(self.identity.certificate().clone()).expect("it is a certificate");
        let tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the library has both")
            .with_root_certificates(roots)
            .with_no_client_auth();
        crate::http_client_builder()
            .resolve(DOMAIN, self.address)
            .tls_backend_preconfigured(tls)
            .build()
            .expect("the client needs nothing from outside")
    }

    /// What makes Chromium reach it at [`ORIGIN`] and trust the certificate, and no other.
    #[must_use]
    pub fn chromium_flags(&self) -> [String; 2] {
        [
            format!("--host-resolver-rules=MAP {DOMAIN}:443 {}", self.address),
            format!("--ignore-certificate-errors-spki-list={}", self.identity.public_key_pin()),
        ]
    }

    /// What makes curl do so.
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
    let request_id = request_id.parse().expect("it is plain text");
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

    /// As they look: 16 characters that end in `=`.
    fn request_id(&self) -> String {
        format!("{}=", &self.random.token()[..15])
    }
}

fn head_size(head: &http::request::Parts) -> usize {
    let line = head.method.as_str().len() + head.uri.to_string().len() + "HTTP/1.1".len();
    head.headers.values().map(http::HeaderValue::len).sum::<usize>() + line
}
