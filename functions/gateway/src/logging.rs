//! One JSON object per line on stdout.
//!
//! A line break typed by a client stays inside a JSON string: nobody writes a line but us (R174).

use tracing::{Level, Subscriber};
use tracing_subscriber::{
    filter::{LevelFilter, Targets},
    fmt::{self, MakeWriter},
    layer::SubscriberExt,
};

/// The bundle's crates. Others are heard from `warn` up only: what a library prints of a request at
/// a lower level is not ours to know.
const OWN_CRATES: [&str; 9] = [
    "authorizer",
    "callback",
    "gateway",
    "local",
    "login",
    "logout",
    "protected",
    "refresh",
    "shared",
];

/// A subscriber that writes to `writer`: `debug` and up if asked for, else `info` and up.
///
/// `program` is any path inside the running program's crate, so that a function added later is
/// heard without being listed here.
pub fn subscriber<W>(debug: bool, program: &str, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let level = if debug { Level::DEBUG } else { Level::INFO };
    let program = program.split("::").next().unwrap_or_default();
    let own = OWN_CRATES.into_iter().chain((!program.is_empty()).then_some(program));
    let targets =
        Targets::new().with_default(LevelFilter::WARN).with_targets(own.map(|name| (name, level)));
    let lines = fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_writer(writer);
    tracing_subscriber::registry().with(targets).with(lines)
}

/// Makes `subscriber` the one of this process. Only the first call counts.
pub fn start(subscriber: impl Subscriber + Send + Sync) {
    if tracing::subscriber::set_global_default(subscriber).is_err() {
        tracing::debug!("logging had been started before");
    }
}
