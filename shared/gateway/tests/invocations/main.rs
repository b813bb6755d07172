//! Invocations as Lambda makes them: events in, answers and log lines out.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod authorizers;
mod concurrency;
mod events;
mod requests;

use std::time::{Duration, UNIX_EPOCH};

use gateway::logging::{Logging, subscriber};
use lambda_runtime::Context;
use shared::testing::captured_log::{CapturedLog, hear};
use tracing::subscriber::DefaultGuard;

/// Ample time for an invocation.
const AMPLE: Duration = Duration::from_secs(10);

/// The context of the invocation `id`, which Lambda ends after `time_left`.
fn invocation_context(id: &str, time_left: Duration) -> Context {
    #[expect(clippy::disallowed_methods, reason = "Lambda's deadline is in wall-clock time")]
    let deadline = std::time::SystemTime::now() + time_left;
    let mut context = Context::default();
    context.request_id = id.to_owned();
    context.deadline =
        u64::try_from(deadline.duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    context
}

/// The log of this thread until the guard is dropped, with debug lines if `debug`.
fn capture(debug: bool) -> (CapturedLog, DefaultGuard) {
    capture_as(Logging::json(debug))
}

fn capture_as(logging: Logging) -> (CapturedLog, DefaultGuard) {
    let log = CapturedLog::default();
    let guard = hear(subscriber(logging, &["invocations"], log.writer()));
    (log, guard)
}
