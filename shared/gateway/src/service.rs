//! One invocation: event, request, handler, response and log line.

use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::{Duration, SystemTime},
};

use http::{Method, StatusCode};
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpResponse;
use lambda_runtime::{Context, LambdaEvent, Service, service_fn};
use serde_json::value::RawValue;
use shared::{
    clock::{Clock, Timestamp},
    names::{ErrorCode, LogEvent},
    pages::plain,
    texts::Language,
    web::{
        error::Public,
        request::{Request, Response},
    },
};
use tokio::time::{Instant, timeout};
use tracing::Instrument;

use crate::{
    answer,
    event::{Event, EventError},
};

/// How long before the deadline of Lambda the handler is cancelled (R166).
pub const DEADLINE_MARGIN: Duration = Duration::from_millis(500);

/// The maximum duration of an invocation in Lambda.
const LONGEST_INVOCATION: Duration = Duration::from_secs(15 * 60);

/// A handler with the gateway code around it.
pub struct Gateway<H> {
    handler: H,
    clock: Clock,
}

/// The service that the Lambda runtime polls: `handler` behind the gateway. It never fails. Clones
/// share the handler and run concurrently; everything that belongs to one request is in its future.
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
    /// Uses `handler` with the time from `clock`.
    pub const fn new(handler: H, clock: Clock) -> Self {
        Self { handler, clock }
    }

    /// Returns a response to any event `json` (R163), and logs one line.
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
                event = LogEvent::RequestAnswered.name(),
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
            Err(error) => return refuse(error, None, request_id),
        };
        let page = plain::language(event.headers());
        let request = match event.into_request(request_id) {
            Ok(request) => request,
            Err(error) => return refuse(error, page, request_id),
        };
        let out_of_time = || {
            tracing::error!(
                event = LogEvent::RequestTimedOut.name(),
                "the handler ran out of time"
            );
            plain::failure(&timed_out(), page, request_id)
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
            tracing::error!(event = LogEvent::RequestPanicked.name(), "the handler panicked");
            plain::failure(&failed(), page, request_id)
        })
    }
}

/// Returns the result of `handling`; `None` if it panics. With `panic = "abort"` no panic is caught:
/// the process ends with all its requests.
///
/// Continuing is sound. The state shared between requests is behind locks, which are taken even if
/// poisoned, and held only to read or change one value.
async fn catch_panic<T>(handling: impl Future<Output = T>) -> Option<T> {
    let mut handling = pin!(handling);
    poll_fn(|context| {
        let polled = catch_unwind(AssertUnwindSafe(|| handling.as_mut().poll(context)));
        polled.map_or(Poll::Ready(None), |polled| polled.map(Some))
    })
    .await
}

fn refuse(error: EventError, page: Option<Language>, request_id: &str) -> Response {
    match error {
        // Clients can cause these errors, and must not be able to trigger an alarm.
        EventError::BodyTooLarge | EventError::UriTooLong => {
            tracing::warn!(event = LogEvent::RequestTooLarge.name(), %error, "a request was rejected");
        }
        EventError::BodyNotBase64 | EventError::Malformed { .. } | EventError::NotPayloadV2 => {
            tracing::error!(event = LogEvent::RequestUnreadable.name(), %error, "an event cannot be served");
        }
    }
    plain::failure(&error.public(), page, request_id)
}

/// The handler panicked. Anyone may read these words: no cause and no part of the request (R176).
const fn failed() -> Public {
    Public::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        ErrorCode::InternalError,
        |texts| texts.titles.request_failed,
        |texts| texts.errors.internal,
    )
}

/// The handler ran out of time (R166).
fn timed_out() -> Public {
    Public {
        retry_after: Some(Duration::from_secs(1)),
        ..Public::new(
            StatusCode::SERVICE_UNAVAILABLE,
            ErrorCode::Timeout,
            |texts| texts.titles.try_again,
            |texts| texts.errors.timeout,
        )
    }
}

/// How long the handler may take. `None` means no limit: `deadline` is too long ago to belong to this
/// invocation. The emulator of cargo-lambda 1 sends a deadline in 1970.
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

/// The path for the log. A client can put anything into a path, even a token or an e-mail address. So
/// only lower-case words are logged, which routes consist of and neither of those does.
fn route(path: &str) -> &str {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || b"/-".contains(&byte);
    if path.len() <= 64 && path.bytes().all(is_plain) { path } else { "other" }
}

/// The method for the log: a client can send any word of any length.
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
