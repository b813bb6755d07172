//! Timeouts and errors of calls to AWS.

use std::{error::Error, time::Duration};

use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_types::request_id::RequestId;

/// How long a call may take with all its attempts: well below a function's own timeout.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(3);

/// How long one attempt may take; three of them fit into [`CALL_TIMEOUT`].
pub(super) const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(900);

/// The maximum number of attempts per call.
pub(super) const ATTEMPTS: u32 = 3;

/// The maximum first backoff; the next one is twice as long.
pub(super) const BACKOFF: Duration = Duration::from_millis(50);

/// Reasons why a call failed. They contain neither the key nor the data of the request.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// The request could not be sent, or the response is invalid.
    #[error("{0} is not understood")]
    Malformed(&'static str),
    /// AWS refused: throttled, failed, not found, not allowed.
    #[error("{operation} was refused: {code}, request {request_id}")]
    Refused {
        /// The operation that was called.
        operation: &'static str,
        /// AWS's error code, such as `ThrottlingException`, or the HTTP status.
        code: String,
        /// AWS's id of the request.
        request_id: String,
    },
    /// One attempt or the whole call took too long.
    #[error("{0} timed out")]
    TimedOut(&'static str),
    /// The connection failed or broke.
    #[error("{0} did not reach AWS")]
    Unreachable(&'static str, #[source] Box<dyn Error + Send + Sync>),
}

impl CallError {
    /// Converts an SDK error of `operation`.
    pub(crate) fn of<E>(operation: &'static str, error: SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let request_id = error.request_id().unwrap_or("unknown").to_owned();
        match error {
            // The SDK reports an unreadable response as a service error, regardless of its status.
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
