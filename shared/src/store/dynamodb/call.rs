//! One call to DynamoDB: when it is repeated, and what its failure means.

use std::{error::Error, future::Future, time::Duration};

use aws_sdk_dynamodb::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
    operation::{
        batch_get_item::BatchGetItemError, delete_item::DeleteItemError, get_item::GetItemError,
        put_item::PutItemError, query::QueryError, transact_write_items::TransactWriteItemsError,
        update_item::UpdateItemError,
    },
};
use tokio::time;

use crate::{
    aws::{CALL_TIMEOUT, CallError},
    crypto::random::Random,
    store::StoreError,
};

/// The longest waits before a call is repeated after a conflict with another call on the same row. The
/// SDK does not repeat such calls.
const CONFLICT_WAITS: [Duration; 6] = [
    Duration::from_millis(10),
    Duration::from_millis(20),
    Duration::from_millis(40),
    Duration::from_millis(80),
    Duration::from_millis(160),
    Duration::from_millis(320),
];

/// Other calls kept writing the same row.
#[derive(Debug, thiserror::Error)]
#[error("{0} kept conflicting with other calls")]
struct Conflicting(&'static str);

/// Why DynamoDB refused a call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum FailureCause {
    /// The call's condition does not hold.
    Condition,
    /// Another call used the same row at that moment; nothing was written.
    Conflict,
    /// DynamoDB cannot execute the call now.
    Unavailable,
}

/// The error type of an operation.
pub(super) trait CallFailure: ProvideErrorMetadata + Error + Send + Sync + 'static {
    fn failure_cause(&self) -> FailureCause {
        match self.code() {
            Some("ConditionalCheckFailedException") => FailureCause::Condition,
            Some("TransactionConflictException") => FailureCause::Conflict,
            _ => FailureCause::Unavailable,
        }
    }
}

impl CallFailure for BatchGetItemError {}
impl CallFailure for DeleteItemError {}
impl CallFailure for GetItemError {}
impl CallFailure for PutItemError {}
impl CallFailure for QueryError {}
impl CallFailure for UpdateItemError {}

impl CallFailure for TransactWriteItemsError {
    /// A failed condition has priority, whatever happened to the other row.
    fn failure_cause(&self) -> FailureCause {
        let Self::TransactionCanceledException(cancelled) = self else {
            return FailureCause::Unavailable;
        };
        let any = |codes: &[&str]| {
            cancelled
                .cancellation_reasons()
                .iter()
                .any(|reason| reason.code().is_some_and(|code| codes.contains(&code)))
        };
        if any(&["ConditionalCheckFailed"]) {
            FailureCause::Condition
        } else if any(&["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"])
        {
            FailureCause::Conflict
        } else {
            FailureCause::Unavailable
        }
    }
}

/// Sends until there is a result. Inner `Err`: the condition does not hold.
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
            Outcome::Conflict => Err(Conflicting(operation).into()),
        }
    };
    time::timeout(CALL_TIMEOUT, attempts)
        .await
        .unwrap_or_else(|_| Err(CallError::TimedOut(operation).into()))
        .map_err(StoreError::Unavailable)
}

enum Outcome<T, E> {
    Settled(Result<T, E>),
    Conflict,
}

fn outcome<T, E: CallFailure>(
    operation: &'static str,
    result: Result<T, SdkError<E, HttpResponse>>,
) -> Result<Outcome<T, E>, CallError> {
    match result {
        Ok(answer) => Ok(Outcome::Settled(Ok(answer))),
        Err(SdkError::ServiceError(refused))
            if refused.err().failure_cause() == FailureCause::Condition =>
        {
            Ok(Outcome::Settled(Err(refused.into_err())))
        }
        Err(SdkError::ServiceError(refused))
            if refused.err().failure_cause() == FailureCause::Conflict =>
        {
            Ok(Outcome::Conflict)
        }
        Err(error) => Err(CallError::of(operation, error)),
    }
}

/// A random wait between half of `longest` and all of it, so that conflicting calls do not meet again.
fn jittered(longest: Duration, random: &Random) -> Duration {
    let [share] = random.bytes::<1>();
    longest / 2 + longest * u32::from(share) / 510
}
