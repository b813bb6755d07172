//! One invocation: event, request, handler, answer, and the line in the log.

use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::{Duration, SystemTime},
};

use http::{HeaderMap, Method, header};
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpResponse;
use lambda_runtime::{Context, LambdaEvent, Service, service_fn};
use serde_json::value::RawValue;
use shared::{
    clock::{Clock, Timestamp},
    web::request::{Request, Response},
};
use tokio::time::{Instant, timeout};
use tracing::Instrument;

use crate::{
    answer,
    event::{Event, EventError},
    refusal::{FAILED, OUT_OF_TIME},
};

/// How long before Lambda would kill the invocation the handler is given up (R166).
pub const DEADLINE_MARGIN: Duration = Duration::from_millis(500);

/// The longest that Lambda lets an invocation run.
const LONGEST_INVOCATION: Duration = Duration::from_secs(15 * 60);

/// A handler behind the gateway.
pub struct Gateway<H> {
    handler: H,
    clock: Clock,
}

/// What the Lambda runtime polls: `handler` behind the gateway. It never fails. Its clones share the
/// handler, and answer side by side; all else that belongs to a request lives in its future.
pub fn service<H, F>(
    handler: H,
    clock: Clock,
) -> impl Service<
    LambdaEvent<Box<RawValue>>,
    Response = ApiGatewayV2httpResponse,
    Error = Infallible,
    Future = impl Future<Output = Result<ApiGatewayV2httpResponse, Infallible>>,
> + Clone
where
    H: Fn(Request, Timestamp) -> F,
    F: Future<Output = Response>,
{
    let gateway = Arc::new(Gateway::new(handler, clock));
    service_fn(move |LambdaEvent { payload, context, .. }: LambdaEvent<Box<RawValue>>| {
        let gateway = Arc::clone(&gateway);
        async move { Ok(gateway.answer(payload.get().as_bytes(), &context).await) }
    })
}

impl<H, F> Gateway<H>
where
    H: Fn(Request, Timestamp) -> F,
    F: Future<Output = Response>,
{
    /// `handler`, told the time by `clock`.
    pub const fn new(handler: H, clock: Clock) -> Self {
        Self { handler, clock }
    }

    /// The answer to the event `json`, whatever it is (R163), with one line in the log.
    pub async fn answer(&self, json: &[u8], context: &Context) -> ApiGatewayV2httpResponse {
        let started = Instant::now();
        let event = Event::read(json);
        let (method, route, request_id) = match &event {
            Ok(event) => {
                (event.method().clone(), route(event.path()), event.request_id(&context.request_id))
            }
            Err(_) => (Method::GET, "other", context.request_id.as_str()),
        };
        let (route, request_id) = (route.to_owned(), request_id.to_owned());
        let label = if event.is_ok() { method_label(&method) } else { "other" };

        let span = tracing::info_span!("request", request_id);
        async {
            let response = self.respond(event, &request_id, context).await;
            tracing::info!(
                event = "request.answered",
                method = label,
                route,
                status = response.status().as_u16(),
                duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
                request_id,
                "request"
            );
            answer::render(response, &method)
        }
        .instrument(span)
        .await
    }

    async fn respond(
        &self,
        event: Result<Event<'_>, EventError>,
        request_id: &str,
        context: &Context,
    ) -> Response {
        let event = match event {
            Ok(event) => event,
            Err(error) => return refuse(error, &HeaderMap::new(), request_id),
        };
        // All that an answer of the gateway's own looks at, should one be needed.
        let accept = event.headers().get_all(header::ACCEPT).iter();
        let headers = accept.map(|value| (header::ACCEPT, value.clone())).collect();
        let request = match event.into_request(request_id) {
            Ok(request) => request,
            Err(error) => return refuse(error, &headers, request_id),
        };
        let out_of_time = || {
            tracing::error!(event = "request.timed_out", "the handler ran out of time");
            OUT_OF_TIME.response(&headers, request_id)
        };
        let answered = match time_left(context.deadline(), wall_clock()) {
            Some(Duration::ZERO) => return out_of_time(),
            Some(time_left) => {
                let handling = catch_panic((self.handler)(request, self.clock.now()));
                let Ok(answered) = timeout(time_left, handling).await else { return out_of_time() };
                answered
            }
            None => catch_panic((self.handler)(request, self.clock.now())).await,
        };
        answered.unwrap_or_else(|| {
            tracing::error!(event = "request.panicked", "the handler panicked");
            FAILED.response(&headers, request_id)
        })
    }
}

/// What `handling` answers; `None` if it panics. With `panic = "abort"` nothing is caught: the process
/// ends, and with it whatever else is in flight.
///
/// To go on is sound: what requests share lies behind locks that are taken whether poisoned or not, and
/// that are held for no more than a look or a change of one value.
async fn catch_panic<T>(handling: impl Future<Output = T>) -> Option<T> {
    let mut handling = pin!(handling);
    poll_fn(|context| {
        let polled = catch_unwind(AssertUnwindSafe(|| handling.as_mut().poll(context)));
        polled.map_or(Poll::Ready(None), |polled| polled.map(Some))
    })
    .await
}

fn refuse(error: EventError, headers: &HeaderMap, request_id: &str) -> Response {
    match error {
        // A client can bring these about, and no client may set off an alarm.
        EventError::BodyTooLarge | EventError::UriTooLong => {
            tracing::warn!(event = "request.too_large", %error, "a request was rejected");
        }
        EventError::BodyNotBase64 | EventError::Malformed { .. } | EventError::NotPayloadV2 => {
            tracing::error!(event = "request.unreadable", %error, "an event cannot be served");
        }
    }
    error.refusal().response(headers, request_id)
}

/// How long the handler may take. `None`: as long as it likes, for `deadline` is so long past that
/// it cannot belong to this invocation. The emulator of cargo-lambda 1 names a moment in 1970.
pub(crate) fn time_left(deadline: SystemTime, now: SystemTime) -> Option<Duration> {
    match deadline.duration_since(now) {
        Ok(time) => Some(time.saturating_sub(DEADLINE_MARGIN)),
        Err(past) if past.duration() > LONGEST_INVOCATION => None,
        Err(_) => Some(Duration::ZERO),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "Lambda's deadline is a wall-clock time in milliseconds; a Timestamp is too coarse"
)]
pub(crate) fn wall_clock() -> SystemTime {
    SystemTime::now()
}

/// A path can hold whatever a client typed, a token or an e-mail address too. What is logged consists
/// of lower-case words, as routes do and as neither of those does.
fn route(path: &str) -> &str {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || b"/-".contains(&byte);
    if path.len() <= 64 && path.bytes().all(is_plain) { path } else { "other" }
}

/// A method can be any word, of any length.
pub(crate) fn method_label(method: &Method) -> &str {
    match *method {
        Method::CONNECT
        | Method::DELETE
        | Method::GET
        | Method::HEAD
        | Method::OPTIONS
        | Method::PATCH
        | Method::POST
        | Method::PUT
        | Method::TRACE => method.as_str(),
        _ => "other",
    }
}
