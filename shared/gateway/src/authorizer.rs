//! A Lambda authorizer for an HTTP API or a REST API: API Gateway calls it to decide whether a request
//! may reach another function.
//!
//! # Responses
//!
//! | | HTTP API, format 2.0 | HTTP API, format 1.0; REST API | what the caller gets |
//! |---|---|---|---|
//! | allowed | `isAuthorized: true` | a policy that allows this one method | the other function's answer |
//! | refused | `isAuthorized: false` | a policy that denies it | 403 |
//! | no decision | an error | an error | 500 |
//!
//! Only the first row grants access. The other functions of the bundle never return an error to the
//! Lambda runtime, because they can respond with 503. An authorizer can only respond with yes or no.
//! "No" tells the caller to log in and tells a page to discard its session, even if only the store is
//! down and no user was logged out (R96). So without a decision it returns an error. As API Gateway
//! documents for an authorizer that it cannot invoke or whose response it cannot read, the caller then
//! gets a 500. It counts as a 5xx, for which there is an alarm.
//!
//! A refusal is not an error. At REST APIs, the error text `Unauthorized` would become a 401, but it
//! would count as a failure of this function, and no outsider may trigger an alarm. So a caller without
//! a credential also gets a 403. A REST API can return a different response: the reason is
//! `$context.authorizer.code` in the gateway response `ACCESS_DENIED`.
//!
//! # Context for the function behind the authorizer
//!
//! See [`context`]. Only there may the function read the identity of the caller. Headers are written by
//! the client, and an event's own `requestContext.authorizer` is never read here (R153).

mod answer;
mod event;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use lambda_runtime::{Context, Diagnostic, LambdaEvent, Service, service_fn};
use serde_json::value::RawValue;
use shared::{
    clock::{Clock, Timestamp},
    guard::Principal,
    names::LogEvent,
    web::{
        error::{self, Failure},
        request::Request,
    },
};
use tokio::time::{Instant, timeout};
use tracing::Instrument;

pub use self::{
    answer::{CONTEXT_FIELDS, Decision, context},
    event::{Call, CallError, Form, Route},
};
use crate::{
    proxy::{self, Proxy},
    service::{method_label, time_left, wall_clock},
};

/// Decides which callers may take which route.
#[async_trait]
pub trait Authorizer: Send + Sync {
    /// The reason for a refusal. With a public status of 500 or more, it means that there is no
    /// decision.
    type Error: Failure + Send;

    /// The claims that the function behind the authorizer gets beside the usual fields.
    fn context_claims(&self) -> &[String] {
        &[]
    }

    /// As [`Function::prepare`](shared::web::request::Function::prepare).
    async fn prepare(&self, _now: Timestamp) {}

    /// Returns the principal that sent `request`, if it may take `route`.
    ///
    /// # Errors
    ///
    /// The reason for the refusal.
    async fn authorize(
        &self,
        request: &Request,
        route: &Route,
        now: Timestamp,
    ) -> Result<Principal, Self::Error>;
}

/// There is no decision, so access is not granted. The log states the reason.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("no decision was made; the log contains the reason")]
pub struct NoDecision;

impl From<NoDecision> for Diagnostic {
    fn from(error: NoDecision) -> Self {
        Self { error_type: "NoDecision".to_owned(), error_message: error.to_string() }
    }
}

/// The service that the Lambda runtime polls.
pub fn service<A: Authorizer>(
    authorizer: &'static A,
    proxy: &'static Proxy,
    clock: Clock,
) -> impl Service<
    LambdaEvent<Box<RawValue>>,
    Response = Decision,
    Error = NoDecision,
    Future = impl Future<Output = Result<Decision, NoDecision>>,
> + Clone {
    let clock = Arc::new(clock);
    service_fn(move |LambdaEvent { payload, context, .. }: LambdaEvent<Box<RawValue>>| {
        let clock = Arc::clone(&clock);
        async move { decide(authorizer, proxy, payload.get().as_bytes(), &context, &clock).await }
    })
}

/// Returns the decision about any event `json`, and logs one line. If access is not granted, another
/// line states the reason.
///
/// # Errors
///
/// [`NoDecision`]: the event is unreadable, the time is up, or a dependency is unavailable.
pub async fn decide<A: Authorizer>(
    authorizer: &A,
    proxy: &Proxy,
    json: &[u8],
    context: &Context,
    clock: &Clock,
) -> Result<Decision, NoDecision> {
    let started = Instant::now();
    let call = Call::read(json, &context.request_id);
    let request_id = call.as_ref().map_or(context.request_id.as_str(), Call::request_id).to_owned();
    let method = call.as_ref().map_or("other", |call| method_label(&call.route.method)).to_owned();
    let route = call.as_ref().ok().and_then(|call| call.route.resource.clone());
    let span = tracing::info_span!("request", request_id);
    async {
        let decision = match call {
            Ok(call) => respond(authorizer, proxy, call, context, clock).await,
            Err(error) => {
                tracing::error!(event = LogEvent::RequestUnreadable.name(), %error, "an authorizer event cannot be read");
                Err(NoDecision)
            }
        };
        tracing::info!(
            event = LogEvent::AuthorizerDecided.name(),
            method,
            route = route.as_deref().unwrap_or("other"),
            decision = match &decision {
                Ok(decision) if decision.allows() => "allow",
                Ok(_) => "deny",
                Err(_) => "none",
            },
            duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            request_id,
            "decision"
        );
        decision
    }
    .instrument(span)
    .await
}

async fn respond<A: Authorizer>(
    authorizer: &A,
    proxy: &Proxy,
    call: Call,
    context: &Context,
    clock: &Clock,
) -> Result<Decision, NoDecision> {
    let Call { mut request, route, form } = call;
    if !proxy.admits(request.headers_mut()) {
        return Ok(form.deny(proxy::refusal().code));
    }
    let authorizing = authorizer.authorize(&request, &route, clock.now());
    let outcome = match time_left(context.deadline(), wall_clock()) {
        None => Some(authorizing.await),
        Some(Duration::ZERO) => None,
        Some(time_left) => timeout(time_left, authorizing).await.ok(),
    };
    match outcome {
        Some(Ok(principal)) => Ok(form.allow(&principal, authorizer.context_claims())),
        Some(Err(refusal)) => refuse(&refusal, &form),
        None => {
            tracing::error!(
                event = LogEvent::RequestTimedOut.name(),
                "the authorizer ran out of time"
            );
            Err(NoDecision)
        }
    }
}

fn refuse(refusal: &dyn Failure, form: &Form) -> Result<Decision, NoDecision> {
    let public = refusal.public();
    error::log(refusal, &public);
    if public.status.is_server_error() {
        return Err(NoDecision);
    }
    Ok(form.deny(public.code))
}
