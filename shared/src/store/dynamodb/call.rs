//! One call of DynamoDB: how long it may take, when it is made again, and what its failure says.

use std::{error::Error, future::Future, time::Duration};

use aws_sdk_dynamodb::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
    operation::{
        RequestId, delete_item::DeleteItemError, get_item::GetItemError, put_item::PutItemError,
        query::QueryError, transact_write_items::TransactWriteItemsError,
        update_item::UpdateItemError,
    },
};
use tokio::time;

use crate::{random::Random, store::StoreError};

/// How long a call may take with all its attempts: well within a function's own time.
pub(super) const CALL_TIMEOUT: Duration = Duration::from_secs(3);

/// How long one attempt may take; three of them fit into [`CALL_TIMEOUT`].
pub(super) const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(900);

/// How often the SDK sends a request before it gives up.
pub(super) const ATTEMPTS: u32 = 3;

/// The longest first wait between two attempts; the next one is twice as long.
pub(super) const BACKOFF: Duration = Duration::from_millis(50);

/// The longest waits before a call that met another on the same row is made again. The SDK leaves
/// those to its caller.
const CONFLICT_WAITS: [Duration; 6] = [
    Duration::from_millis(10),
    Duration::from_millis(20),
    Duration::from_millis(40),
    Duration::from_millis(80),
    Duration::from_millis(160),
    Duration::from_millis(320),
];

/// Why a call brought no answer. It names neither a key nor a value.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    /// Every attempt, or all of them together, took too long.
    #[error("{0} timed out")]
    TimedOut(&'static str),
    /// No connection, or one that broke.
    #[error("{0} did not reach DynamoDB")]
    Unreachable(&'static str, #[source] Box<dyn Error + Send + Sync>),
    /// DynamoDB refused: throttled, failed, no such table, not allowed.
    #[error("{operation} was refused: {code}, request {request_id}")]
    Refused {
        /// What was called.
        operation: &'static str,
        /// DynamoDB's name for the reason, such as `ThrottlingException`, or the HTTP status.
        code: String,
        /// DynamoDB's own id of the request.
        request_id: String,
    },
    /// Others kept writing the same row.
    #[error("{0} kept conflicting with other calls")]
    Conflict(&'static str),
    /// It was not sent, or its answer is not one.
    #[error("{0} is not understood")]
    Malformed(&'static str),
}

/// What a refusal means to its caller.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Refusal {
    /// The call's condition does not hold.
    Condition,
    /// Another call was at the same row at that moment; nothing was written.
    Conflict,
    /// DynamoDB cannot do it now.
    Failure,
}

/// A call's own kind of error.
pub(super) trait CallFailure: ProvideErrorMetadata + Error + Send + Sync + 'static {
    fn refusal(&self) -> Refusal {
        match self.code() {
            Some("ConditionalCheckFailedException") => Refusal::Condition,
            Some("TransactionConflictException") => Refusal::Conflict,
            _ => Refusal::Failure,
        }
    }
}

impl CallFailure for DeleteItemError {}
impl CallFailure for GetItemError {}
impl CallFailure for PutItemError {}
impl CallFailure for QueryError {}
impl CallFailure for UpdateItemError {}

impl CallFailure for TransactWriteItemsError {
    /// A condition that failed decides, whatever happened to the other row.
    fn refusal(&self) -> Refusal {
        let Self::TransactionCanceledException(cancelled) = self else { return Refusal::Failure };
        let any = |codes: &[&str]| {
            cancelled
                .cancellation_reasons()
                .iter()
                .any(|reason| reason.code().is_some_and(|code| codes.contains(&code)))
        };
        if any(&["ConditionalCheckFailed"]) {
            Refusal::Condition
        } else if any(&["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"])
        {
            Refusal::Conflict
        } else {
            Refusal::Failure
        }
    }
}

/// Sends until there is an answer. Inner `Err`: the condition does not hold.
pub(super) async fn call<T, E, F>(
    operation: &'static str,
    random: &Random,
    send: impl Fn() -> F,
) -> Result<Result<T, E>, StoreError>
where
    E: CallFailure,
    F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
{
    let attempts = async {
        for longest in CONFLICT_WAITS {
            match outcome(operation, send().await)? {
                Outcome::Settled(result) => return Ok(result),
                Outcome::Conflict => time::sleep(jittered(longest, random)).await,
            }
        }
        match outcome(operation, send().await)? {
            Outcome::Settled(result) => Ok(result),
            Outcome::Conflict => Err(CallError::Conflict(operation)),
        }
    };
    time::timeout(CALL_TIMEOUT, attempts)
        .await
        .unwrap_or(Err(CallError::TimedOut(operation)))
        .map_err(|error| StoreError::Unavailable(Box::new(error)))
}

enum Outcome<T, E> {
    Settled(Result<T, E>),
    Conflict,
}

fn outcome<T, E: CallFailure>(
    operation: &'static str,
    result: Result<T, SdkError<E, HttpResponse>>,
) -> Result<Outcome<T, E>, CallError> {
    let error = match result {
        Ok(answer) => return Ok(Outcome::Settled(Ok(answer))),
        Err(error) => error,
    };
    let request_id = error.request_id().unwrap_or("unknown").to_owned();
    match error {
        SdkError::ServiceError(refused) => match refused.err().refusal() {
            Refusal::Condition => Ok(Outcome::Settled(Err(refused.into_err()))),
            Refusal::Conflict => Ok(Outcome::Conflict),
            // What the SDK cannot read is an error to it, whatever its status.
            Refusal::Failure if refused.raw().status().is_success() => {
                Err(CallError::Malformed(operation))
            }
            Refusal::Failure => {
                let status = refused.raw().status().as_u16();
                let code = refused.err().code().map_or_else(|| status.to_string(), str::to_owned);
                Err(CallError::Refused { operation, code, request_id })
            }
        },
        SdkError::TimeoutError(_) => Err(CallError::TimedOut(operation)),
        SdkError::DispatchFailure(failure) if failure.is_timeout() => {
            Err(CallError::TimedOut(operation))
        }
        error @ SdkError::DispatchFailure(_) => {
            Err(error.into_source().map_or(CallError::Malformed(operation), |source| {
                CallError::Unreachable(operation, source)
            }))
        }
        _ => Err(CallError::Malformed(operation)),
    }
}

/// Between half of `longest` and all of it, so that calls that met once part.
fn jittered(longest: Duration, random: &Random) -> Duration {
    let [share] = random.bytes::<1>();
    longest / 2 + longest * u32::from(share) / 510
}
