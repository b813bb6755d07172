//! What a function runs on: one thread for one request after the other, or many for many at a time.

use std::{fmt::Debug, io};

use lambda_runtime::{Diagnostic, LambdaEvent, Service};
use serde::Serialize;
use serde_json::value::RawValue;
use shared::settings::Settings;
use tokio::runtime::{Builder, Runtime};

/// One thread, unless Lambda gives this process several requests at a time.
///
/// Threads are not only slower to start. Where requests come one after the other, the runtime client
/// writes the trace id of each into the process' environment, and the AWS SDK reads it there: that is
/// sound only as long as nothing else runs meanwhile.
pub(crate) fn build(settings: &Settings) -> io::Result<Runtime> {
    let mut builder = if cfg!(feature = "concurrent") && is_concurrent(settings) {
        Builder::new_multi_thread()
    } else {
        Builder::new_current_thread()
    };
    builder.enable_all().build()
}

/// Answers what Lambda hands over, until the runtime API cannot be reached.
///
/// With `concurrent` there is a worker for each request that may be in flight, and each asks for its
/// own next one: a request that waits holds up no other.
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

/// As the runtime client reads it: what is no number means one at a time.
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
    fn many_at_a_time_have_many_threads_where_that_is_built_in() {
        let expected = if cfg!(feature = "concurrent") {
            RuntimeFlavor::MultiThread
        } else {
            RuntimeFlavor::CurrentThread
        };
        assert_eq!(flavor("64"), expected);
    }
}
