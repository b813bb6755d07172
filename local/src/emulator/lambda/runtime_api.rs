//! The Lambda Runtime API, version 2018-06-01, for one process. The process may request several
//! invocations at a time.
//!
//! | | |
//! |---|---|
//! | `GET /runtime/invocation/next` | waits for an invocation |
//! | `POST /runtime/invocation/{id}/response` | its response |
//! | `POST /runtime/invocation/{id}/error` | an error instead |
//! | `POST /runtime/init/error` | the process failed to start |
//!
//! A page in a browser on this machine can send requests to loopback too. Each one is rejected, and so
//! is a foreign `Host` (DNS rebinding).

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use axum::{
    Json, Router,
    body::Body,
    extract::{DefaultBodyLimit, Path, Request, State},
    middleware::{Next, from_fn},
    response::IntoResponse as _,
    routing::{get, post},
};
use bytes::Bytes;
use http::{
    HeaderMap, Response, StatusCode,
    header::{CONTENT_TYPE, HOST, ORIGIN},
};
use serde_json::{Value, json};
use shared::crypto::random::Random;
use tokio::{
    net::TcpListener,
    sync::{Mutex as AsyncMutex, mpsc, oneshot, watch},
    task::JoinHandle,
};

use super::{ACCOUNT, REGION};
use crate::identity_provider::is_loopback_name;

/// The largest response of a synchronous invocation, in bytes.
const LARGEST_ANSWER: usize = 6 * 1024 * 1024;

/// An error that a process reports instead of a response.
#[derive(Clone, Debug)]
pub(super) struct Report {
    /// `Lambda-Runtime-Function-Error-Type`.
    pub(super) error_type: String,
    /// `errorMessage`, `errorType` and `stackTrace`, as JSON.
    pub(super) body: String,
}

type Outcome = Result<Bytes, Report>;

/// One event for the process.
pub(super) struct Invocation {
    event: Bytes,
    deadline: Duration,
    answer: oneshot::Sender<Outcome>,
}

/// A listening Runtime API. Dropping this stops it.
#[derive(Debug)]
pub(super) struct RuntimeApi {
    address: SocketAddr,
    invocations: mpsc::Sender<Invocation>,
    beginning: watch::Receiver<Option<Result<Instant, Report>>>,
    server: JoinHandle<()>,
}

/// The state that the endpoints share.
struct Shared {
    function_arn: String,
    random: Random,
    waiting: AsyncMutex<mpsc::Receiver<Invocation>>,
    /// Unanswered invocations, by request id.
    pending: Mutex<HashMap<String, oneshot::Sender<Outcome>>>,
    beginning: watch::Sender<Option<Result<Instant, Report>>>,
}

impl Invocation {
    /// An invocation with `event` and a deadline `timeout` from now, and the receiver of its
    /// response.
    #[expect(
        clippy::disallowed_methods,
        reason = "the deadline is a wall-clock time in milliseconds; a Timestamp is too coarse"
    )]
    pub(super) fn new(event: Bytes, timeout: Duration) -> (Self, oneshot::Receiver<Outcome>) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let (answer, receiver) = oneshot::channel();
        (Self { event, deadline: now + timeout, answer }, receiver)
    }
}

impl RuntimeApi {
    /// Listens on a port of loopback for a process of the function with this name.
    pub(super) async fn start(function: &str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let (invocations, waiting) = mpsc::channel(1);
        let (sender, beginning) = watch::channel(None);
        let shared = Arc::new(Shared {
            function_arn: format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function}"),
            random: Random::system(),
            waiting: AsyncMutex::new(waiting),
            pending: Mutex::default(),
            beginning: sender,
        });
        let endpoints = Router::new()
            .route("/runtime/invocation/next", get(next))
            .route("/runtime/invocation/{id}/response", post(response))
            .route("/runtime/invocation/{id}/error", post(error))
            .route("/runtime/init/error", post(initialisation_error))
            .layer(DefaultBodyLimit::max(LARGEST_ANSWER))
            .with_state(shared);
        let router = Router::new().nest("/2018-06-01", endpoints).layer(from_fn(reject_pages));
        let server = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("loopback can be served");
        });
        Self { address, invocations, beginning, server }
    }

    /// Where it listens.
    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// When the process first requested an invocation, or why it failed to start.
    pub(super) async fn first_poll(&self) -> Result<Instant, Report> {
        let mut beginning = self.beginning.clone();
        let beginning = beginning.wait_for(Option::is_some).await;
        let beginning = beginning.expect("the server holds the sender").clone();
        beginning.expect("wait_for has found a value")
    }

    /// Gives the process an invocation when it requests one; first come, first served.
    pub(super) async fn hand_over(&self, invocation: Invocation) {
        // On an error the response never arrives, which the caller notices.
        let _ = self.invocations.send(invocation).await;
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Shared {
    fn pending(&self) -> MutexGuard<'_, HashMap<String, oneshot::Sender<Outcome>>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, beginning: Result<Instant, Report>) {
        self.beginning.send_if_modified(|known| {
            let is_first = known.is_none();
            known.get_or_insert(beginning);
            is_first
        });
    }

    fn settle(&self, id: &str, answer: Outcome) -> (StatusCode, Json<Value>) {
        let Some(sender) = self.pending().remove(id) else {
            let error =
                json!({ "errorMessage": "Invalid request ID", "errorType": "InvalidRequestID" });
            return (StatusCode::BAD_REQUEST, Json(error));
        };
        // The caller may have stopped waiting.
        let _ = sender.send(answer);
        (StatusCode::ACCEPTED, Json(json!({ "status": "OK" })))
    }
}

async fn reject_pages(request: Request, next: Next) -> Response<Body> {
    let headers = request.headers();
    // Browsers send one of these two with each request to loopback.
    let is_of_page = [ORIGIN.as_str(), "sec-fetch-site"].iter().any(|it| headers.contains_key(*it));
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    if is_of_page || !host.is_some_and(is_loopback_name) {
        return StatusCode::FORBIDDEN.into_response();
    }
    next.run(request).await
}

async fn next(State(shared): State<Arc<Shared>>) -> Response<Body> {
    shared.begin(Ok(Instant::now()));
    let invocation = shared.waiting.lock().await.recv().await;
    let Some(Invocation { event, deadline, answer }) = invocation else {
        // The process is about to be killed.
        return std::future::pending().await;
    };
    let id = request_id(&shared.random);
    shared.pending().insert(id.clone(), answer);
    let trace: String =
        shared.random.bytes::<12>().iter().map(|byte| format!("{byte:02x}")).collect();
    Response::builder()
        .header(CONTENT_TYPE, "application/json")
        .header("lambda-runtime-aws-request-id", id)
        .header("lambda-runtime-deadline-ms", deadline.as_millis().to_string())
        .header("lambda-runtime-invoked-function-arn", &shared.function_arn)
        .header(
            "lambda-runtime-trace-id",
            format!("Root=1-{:08x}-{trace};Parent={};Sampled=0", deadline.as_secs(), &trace[..16]),
        )
        .body(Body::from(event))
        .expect("the headers are well-formed")
}

async fn response(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    body: Bytes,
) -> (StatusCode, Json<Value>) {
    shared.settle(&id, Ok(body))
}

async fn error(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, Json<Value>) {
    shared.settle(&id, Err(report(&headers, &body)))
}

async fn initialisation_error(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, Json<Value>) {
    shared.begin(Err(report(&headers, &body)));
    (StatusCode::ACCEPTED, Json(json!({ "status": "OK" })))
}

fn report(headers: &HeaderMap, body: &Bytes) -> Report {
    let error_type = headers.get("lambda-runtime-function-error-type");
    let error_type = error_type.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    Report {
        error_type: error_type.unwrap_or_default(),
        body: String::from_utf8_lossy(body).into_owned(),
    }
}

/// A UUID (RFC 9562 §5.4), the format of Lambda's request ids.
fn request_id(random: &Random) -> String {
    let value = u128::from_be_bytes(random.bytes());
    let value = (value & !(0xf << 76)) | (0x4 << 76);
    let value = (value & !(0xc << 60)) | (0x8 << 60);
    let hex = format!("{value:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

#[cfg(test)]
mod tests {
    use shared::crypto::tls::Network;

    use super::*;

    /// A page that takes an event or answers it acts as the function.
    #[tokio::test]
    async fn no_page_takes_the_place_of_a_function() {
        let api = RuntimeApi::start("greeter").await;
        let client = Network::default().client().unwrap().build().unwrap();
        let url = format!("http://{}/2018-06-01/runtime/init/error", api.address());
        for (name, value, status) in [
            ("origin", "http://localhost:9000", 403),
            ("sec-fetch-site", "cross-site", 403),
            ("host", "evil.example", 403),
            ("host", "localhost:9001", 202),
        ] {
            let answer = client.post(&url).header(name, value).send().await.unwrap();
            assert_eq!(answer.status(), status, "{name}: {value}");
        }
    }
}
