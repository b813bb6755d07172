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
pub mod authorizer;
pub mod event;
pub mod logging;
pub mod refusal;
mod runtime;
mod service;

use std::{
    any,
    io::{self, IsTerminal as _},
    process::ExitCode,
};

use shared::{clock::Clock, settings::Settings, web::request::Function};

use logging::Logging;

pub use authorizer::Authorizer;
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
    run_with(Settings::from_env(), build)
}

/// The same with settings that do not come from the environment alone.
pub fn run_with<B, F>(settings: Settings, build: B) -> ExitCode
where
    B: AsyncFnOnce(&mut Settings) -> Option<F>,
    F: Function + 'static,
{
    on_a_runtime(settings, async |settings| {
        let function = start(build, settings).await?;
        let service = service(|request, now| function.handle(request, now), Clock::system());
        runtime::poll(service).await.map_err(unreachable)
    })
}

/// The same for a function that API Gateway asks whether a request may go on to another one.
pub fn run_authorizer<B, A>(build: B) -> ExitCode
where
    B: AsyncFnOnce(&mut Settings) -> Option<A>,
    A: Authorizer + 'static,
{
    on_a_runtime(Settings::from_env(), async |settings| {
        let authorizer = start(build, settings).await?;
        let service = authorizer::service(authorizer, Clock::system());
        runtime::poll(service).await.map_err(unreachable)
    })
}

fn on_a_runtime(
    settings: Settings,
    serve: impl AsyncFnOnce(Settings) -> Result<(), ExitCode>,
) -> ExitCode {
    match runtime::build(&settings) {
        Ok(runtime) => match runtime.block_on(serve(settings)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(code) => code,
        },
        Err(error) => {
            eprintln!("the runtime cannot be started: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The function, which lives as long as the process: requests that are answered side by side need not
/// count who still uses it.
async fn start<B, F>(build: B, mut settings: Settings) -> Result<&'static F, ExitCode>
where
    B: AsyncFnOnce(&mut Settings) -> Option<F>,
    F: 'static,
{
    let logging = Logging::from_settings(&mut settings, io::stdout().is_terminal());
    logging::start(logging::subscriber(logging, any::type_name::<B>(), io::stdout));

    let function = build(&mut settings).await;
    let runnable = RUNTIME_VARIABLES.iter().all(|name| settings.is_set(name));
    if let Err(error) = settings.finish() {
        eprintln!("{error}");
        return Err(ExitCode::FAILURE);
    }
    let Some(function) = function else {
        eprintln!("the function could not be built, and no setting was named as the reason");
        return Err(ExitCode::FAILURE);
    };
    if !runnable {
        eprintln!("this program serves Lambda; start it by `cargo lambda watch`");
        return Err(ExitCode::FAILURE);
    }
    Ok(Box::leak(Box::new(function)))
}

#[expect(clippy::needless_pass_by_value, reason = "it is what an outcome's error is mapped with")]
fn unreachable(error: lambda_runtime::Error) -> ExitCode {
    tracing::error!(event = "runtime.unreachable", %error, "the Lambda runtime cannot be reached");
    ExitCode::FAILURE
}
