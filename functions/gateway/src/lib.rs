//! What stands between API Gateway (an HTTP API, payload format 2.0) and a handler written in plain
//! `http` types: events in, answers out, logs, deadline.
//!
//! ```no_run
//! # use shared::{clock::Timestamp, config::Settings, request::{Function, Request, Response}};
//! struct Greeter {
//!     greeting: String,
//! }
//!
//! #[async_trait::async_trait]
//! impl Function for Greeter {
//!     fn paths(&self) -> &'static [&'static str] {
//!         &["/greeting"]
//!     }
//!
//!     async fn handle(&self, _: Request, _: Timestamp) -> Response {
//!         Response::new(self.greeting.clone().into())
//!     }
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     gateway::run(async |settings: &mut Settings| {
//!         let greeting = settings.required("GREETING", "a word", |text| Ok::<_, &str>(text.to_owned()))?;
//!         Some(Greeter { greeting })
//!     })
//! }
//! ```
//!
//! With the feature `concurrent` one process answers as many requests at a time as Lambda says, which is
//! one unless the function runs on Managed Instances. Without it, it is always one.

pub mod answer;
pub mod event;
pub mod logging;
pub mod refusal;
mod runtime;
mod service;

use std::{any, io, process::ExitCode};

use shared::{clock::Clock, config::Settings, request::Function};

pub use service::{DEADLINE_MARGIN, Gateway, service};

/// What the Lambda runtime client cannot start without; it panics where one is missing.
const RUNTIME_VARIABLES: [&str; 4] = [
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_RUNTIME_API",
];

/// Runs a function: logging, then the function that `build` makes of the settings, then requests, all
/// on a Tokio runtime of its own.
///
/// Settings that cannot be used end the process with one message on stderr, which Lambda reports as
/// a failed initialisation. The message names variables and never a value.
pub fn run<B, F>(build: B) -> ExitCode
where
    B: AsyncFnOnce(&mut Settings) -> Option<F>,
    F: Function + 'static,
{
    let settings = Settings::from_env();
    match runtime::build(&settings) {
        Ok(runtime) => runtime.block_on(serve(build, settings)),
        Err(error) => {
            eprintln!("the runtime cannot be started: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve<B, F>(build: B, mut settings: Settings) -> ExitCode
where
    B: AsyncFnOnce(&mut Settings) -> Option<F>,
    F: Function + 'static,
{
    let debug_by_default = !settings.inside_lambda();
    let debug = settings.flag("DEBUG", debug_by_default).unwrap_or(debug_by_default);
    logging::start(logging::subscriber(debug, any::type_name::<B>(), io::stdout));

    let function = build(&mut settings).await;
    let runnable = RUNTIME_VARIABLES.iter().all(|name| settings.is_set(name));
    if let Err(error) = settings.finish() {
        eprintln!("{error}");
        return ExitCode::FAILURE;
    }
    let Some(function) = function else {
        eprintln!("the function could not be built, and no setting was named as the reason");
        return ExitCode::FAILURE;
    };
    if !runnable {
        eprintln!("this program serves Lambda; start it by `cargo lambda watch`");
        return ExitCode::FAILURE;
    }
    // It lives as long as the process: requests that are answered side by side need not count who
    // still uses it.
    let function: &'static F = Box::leak(Box::new(function));
    let service = service(|request, now| function.handle(request, now), Clock::system());
    match runtime::poll(service).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(event = "runtime.unreachable", %error, "the Lambda runtime cannot be reached");
            ExitCode::FAILURE
        }
    }
}
