//! How long a call of AWS may take, and what its failure says.

use std::{error::Error, time::Duration};

use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_types::request_id::RequestId;

/// How long a call may take with all its attempts: well within a function's own time.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(3);

/// How long one attempt may take; three of them fit into [`CALL_TIMEOUT`].
pub(super) const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(900);

/// How often the SDK sends a request before it gives up.
pub(super) const ATTEMPTS: u32 = 3;

/// The longest first wait between two attempts; the next one is twice as long.
pub(super) const BACKOFF: Duration = Duration::from_millis(50);

/// Why a call brought no answer. It names neither what was asked for nor what was sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// It was not sent, or its answer is not one.
    #[error("{0} is not understood")]
    Malformed(&'static str),
    /// AWS refused: throttled, failed, nothing there, not allowed.
    #[error("{operation} was refused: {code}, request {request_id}")]
    Refused {
        /// What was called.
        operation: &'static str,
        /// AWS's name for the reason, such as `ThrottlingException`, or the HTTP status.
        code: String,
        /// AWS's own id of the request.
        request_id: String,
    },
    /// Every attempt, or all of them together, took too long.
    #[error("{0} timed out")]
    TimedOut(&'static str),
    /// No connection, or one that broke.
    #[error("{0} did not reach AWS")]
    Unreachable(&'static str, #[source] Box<dyn Error + Send + Sync>),
}

impl CallError {
    /// What `error` says of `operation`.
    pub(crate) fn of<E>(operation: &'static str, error: SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let request_id = error.request_id().unwrap_or("unknown").to_owned();
        match error {
            // What the SDK cannot read is an error to it, whatever its status.
            SdkError::ServiceError(refused) if refused.raw().status().is_success() => {
                Self::Malformed(operation)
            }
            SdkError::ServiceError(refused) => {
                let status = refused.raw().status().as_u16();
                let code = refused.err().code().map_or_else(|| status.to_string(), str::to_owned);
                Self::Refused { operation, code, request_id }
            }
            SdkError::TimeoutError(_) => Self::TimedOut(operation),
            SdkError::DispatchFailure(failure) if failure.is_timeout() => Self::TimedOut(operation),
            error @ SdkError::DispatchFailure(_) => error
                .into_source()
                .map_or(Self::Malformed(operation), |source| Self::Unreachable(operation, source)),
            _ => Self::Malformed(operation),
        }
    }
}
