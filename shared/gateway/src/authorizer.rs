//! Between API Gateway and a function that it asks whether a request may go on to another one: a
//! Lambda authorizer of an HTTP API or a REST API.
//!
//! # What is answered
//!
//! | | HTTP API, format 2.0 | HTTP API, format 1.0; REST API | what the caller gets |
//! |---|---|---|---|
//! | allowed | `isAuthorized: true` | a policy that allows this one method | the other function's answer |
//! | refused | `isAuthorized: false` | a policy that denies it | 403 |
//! | no decision | an error | an error | 500 |
//!
//! Nobody is let in but by the first row. A function of the bundle that answers for itself never
//! returns an error to the Lambda runtime, for it can answer 503. An authorizer cannot: all that it
//! can say is yes or no. "No" tells the caller to log in, and tells a page to throw its session away,
//! although the store is down and nobody was logged out (R96). So where there is no decision an error is
//! returned: API Gateway documents for an authorizer that it cannot invoke, or whose answer it cannot
//! read, that the caller gets a 500, and counts a 5xx, for which there is an alarm.
//!
//! A refusal is no error, although the text `Unauthorized` would make a 401 of one, at REST APIs: it
//! would count as a failure of this function, and no stranger may set off an alarm. So a caller without
//! a credential gets 403 too. A REST API can give another answer to it: the reason is
//! `$context.authorizer.code` in the gateway response `ACCESS_DENIED`.
//!
//! # What the function behind is told
//!
//! See [`context`]. It is the only place where the function may read who asks: headers are the
//! client's, and what stands in an event's own `requestContext.authorizer` is never read here (R153).

mod answer;
mod event;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use lambda_runtime::{Context, Diagnostic, LambdaEvent, Service, service_fn};
use serde_json::value::RawValue;
use shared::{
    clock::{Clock, Timestamp},
    guard::Principal,
    web::{
        error::{self, Failure},
        request::Request,
    },
};
use tokio::time::{Instant, timeout};
use tracing::Instrument;

pub use self::{
    answer::{Decision, context},
    event::{Call, CallError, Form, Route},
};
use crate::service::{method_label, time_left, wall_clock};

/// Decides who may take which route.
#[async_trait]
pub trait Authorizer: Send + Sync {
    /// Why somebody may not. One that the caller is told with a status of 500 or more is no decision.
    type Refusal: Failure + Send;

    /// Whoever sent `request`, if they may take `route`.
    ///
    /// # Errors
    ///
    /// With the reason why not.
    async fn authorize(
        &self,
        request: &Request,
        route: &Route,
        now: Timestamp,
    ) -> Result<Principal, Self::Refusal>;
}

/// There is no decision, and nobody is let in. The log says why.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("no decision was made; the log contains the reason")]
pub struct NoDecision;

impl From<NoDecision> for Diagnostic {
    fn from(error: NoDecision) -> Self {
        Self { error_type: "NoDecision".to_owned(), error_message: error.to_string() }
    }
}

/// What the Lambda runtime polls.
pub fn service<A: Authorizer>(
    authorizer: &'static A,
    clock: Clock,
) -> impl Service<
    LambdaEvent<Box<RawValue>>,
    Response = Decision,
    Error = NoDecision,
    Future = impl Future<Output = Result<Decision, NoDecision>>,
> + Clone {
    let shared = Arc::new((authorizer, clock));
    service_fn(move |LambdaEvent { payload, context, .. }: LambdaEvent<Box<RawValue>>| {
        let shared = Arc::clone(&shared);
        async move { decide(shared.0, payload.get().as_bytes(), &context, &shared.1).await }
    })
}

/// The decision about the event `json`, whatever it is, with one line in the log, and one more that
/// says why if nobody is let in.
///
/// # Errors
///
/// [`NoDecision`]: an event that cannot be read, no time left, something that cannot be had.
pub async fn decide<A: Authorizer>(
    authorizer: &A,
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
            Ok(call) => respond(authorizer, call, context, clock).await,
            Err(error) => {
                tracing::error!(event = "request.unreadable", %error, "an authorizer event cannot be read");
                Err(NoDecision)
            }
        };
        tracing::info!(
            event = "authorizer.decided",
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
    call: Call,
    context: &Context,
    clock: &Clock,
) -> Result<Decision, NoDecision> {
    let Call { request, route, form } = call;
    let authorizing = authorizer.authorize(&request, &route, clock.now());
    let outcome = match time_left(context.deadline(), wall_clock()) {
        None => Some(authorizing.await),
        Some(Duration::ZERO) => None,
        Some(time_left) => timeout(time_left, authorizing).await.ok(),
    };
    match outcome {
        Some(Ok(principal)) => Ok(form.allow(&principal)),
        Some(Err(refusal)) => refuse(&refusal, &form),
        None => {
            tracing::error!(event = "request.timed_out", "the authorizer ran out of time");
            Err(NoDecision)
        }
    }
}

fn refuse(refusal: &dyn Failure, form: &Form) -> Result<Decision, NoDecision> {
    let public = refusal.public();
    let (event, code, status) = (refusal.event(), public.code, public.status.as_u16());
    let (error, hint) = (error::chain(refusal), refusal.hint());
    if public.status.is_server_error() {
        tracing::error!(
            event,
            code,
            status,
            error,
            hint,
            "no decision could be made on the request"
        );
        return Err(NoDecision);
    }
    tracing::warn!(event, code, status, error, hint, "the request was refused");
    Ok(form.deny(code))
}
