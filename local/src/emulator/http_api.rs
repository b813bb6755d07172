//! An emulated API Gateway HTTP API in front of the functions of a [`Lambda`].
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

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::State};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use shared::crypto::random::Random;

use self::{
    authorizer::Authorizer,
    route::{Route, Routes},
};
use super::lambda::Lambda;

/// The first label of its domain.
pub const API_ID: &str = "abc123";

/// The API's domain, from which the product derives its base URL.
pub const DOMAIN: &str = "abc123.execute-api.eu-central-1.amazonaws.com";

/// How long the gateway waits for a function.
const INTEGRATION_TIMEOUT: Duration = Duration::from_secs(30);

/// The largest body, in bytes.
const LARGEST_BODY: usize = 10 * 1024 * 1024;

/// The largest total size of the request line and header values, in bytes.
const LARGEST_HEAD: usize = 10_240;

/// The state that request handling needs.
struct Gateway {
    routes: Routes,
    guarded: BTreeMap<String, Authorizer>,
    lambda: Lambda,
    random: Random,
}

/// The API with these routes. `guarded` names the authorizers of some; its keys are route keys.
pub fn router(routes: Vec<Route>, guarded: BTreeMap<String, Authorizer>, lambda: Lambda) -> Router {
    let routes = Routes::new(routes);
    let gateway = Gateway { routes, guarded, lambda, random: Random::system() };
    Router::new().fallback(serve).with_state(Arc::new(gateway))
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
