//! The Tokio runtime: one thread for sequential requests, or several for concurrent ones.

use std::{fmt::Debug, io};

use lambda_runtime::{Diagnostic, LambdaEvent, Service};
use serde::Serialize;
use serde_json::value::RawValue;
use shared::settings::Settings;
use tokio::runtime::{Builder, Runtime};

/// Builds a runtime with one thread, unless Lambda sends this process several requests at a time.
///
/// Threads make the start slower. They are also unsound for sequential requests. For each request, the
/// runtime client writes the trace id into the process environment, where the AWS SDK reads it. That is
/// sound only if no other thread runs meanwhile.
pub(crate) fn build(settings: &Settings) -> io::Result<Runtime> {
    let mut builder = if cfg!(feature = "concurrent") && is_concurrent(settings) {
        Builder::new_multi_thread()
    } else {
        Builder::new_current_thread()
    };
    builder.enable_all().build()
}

/// Handles invocations until the runtime API is unreachable.
///
/// With `concurrent`, each possible concurrent request has a worker, which fetches its own next
/// request. So a slow request delays no other.
pub(crate) async fn poll<S, F, R, E>(service: S) -> Result<(), lambda_runtime::Error>
where
    S: Service<LambdaEvent<Box<RawValue>>, Response = R, Error = E, Future = F>
        + Clone
        + Send
        + 'static,
    F: Future<Output = Result<R, E>> + Send + 'static,
    R: Serialize + Send + 'static,
    E: Into<Diagnostic> + Debug + Send + 'static,
{
    #[cfg(feature = "concurrent")]
    return lambda_runtime::run_concurrent(service).await;
    #[cfg(not(feature = "concurrent"))]
    lambda_runtime::run(service).await
}

/// Parses the variable as the runtime client does: a value that is not a number means one at a time.
fn is_concurrent(settings: &Settings) -> bool {
    let limit = settings.value_of("AWS_LAMBDA_MAX_CONCURRENCY");
    limit.and_then(|text| text.parse::<u32>().ok()).is_some_and(|limit| limit > 1)
}

#[cfg(test)]
mod tests {
    use tokio::runtime::RuntimeFlavor;

    use super::*;

    fn flavor(limit: &str) -> RuntimeFlavor {
        let settings = Settings::from_values([("AWS_LAMBDA_MAX_CONCURRENCY", limit)]);
        build(&settings).unwrap().handle().runtime_flavor()
    }

    #[test]
    fn one_request_at_a_time_has_one_thread() {
        for limit in ["", "1", "0", "-1", "many"] {
            assert_eq!(flavor(limit), RuntimeFlavor::CurrentThread, "{limit:?}");
        }
    }

    #[test]
    fn many_requests_at_a_time_have_many_threads_if_concurrent_is_built_in() {
        let expected = if cfg!(feature = "concurrent") {
            RuntimeFlavor::MultiThread
        } else {
            RuntimeFlavor::CurrentThread
        };
        assert_eq!(flavor("64"), expected);
    }
}
