//! The code between API Gateway (an HTTP API, payload format 2.0) and a handler that uses plain `http`
//! types: events, responses, logs, deadlines.
//!
//! ```no_run
//! # use shared::{clock::Timestamp, settings::Settings, web::request::{Function, Request, Response}};
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
//!     gateway::run(env!("CARGO_CRATE_NAME"), async |settings: &mut Settings| {
//!         let greeting = settings.required("GREETING", "a word", |text| Ok::<_, &str>(text.to_owned()))?;
//!         Some(Greeter { greeting })
//!     })
//! }
//! ```
//!
//! With the feature `concurrent`, one process handles as many requests at a time as Lambda configures:
//! one, unless the function runs on Managed Instances. Without the feature it is always one.

pub mod answer;
pub mod authorizer;
pub mod event;
pub mod logging;
pub mod proxy;
mod runtime;
mod service;

use std::{
    env,
    io::{self, IsTerminal as _},
    process::ExitCode,
};

use shared::{clock::Clock, names::LogEvent, settings::Settings, web::request::Function};

use logging::Logging;
use proxy::Proxy;

pub use authorizer::Authorizer;
pub use service::{DEADLINE_MARGIN, Gateway, service};

/// The variables that the Lambda runtime client requires; it panics if one is missing.
const RUNTIME_VARIABLES: [&str; 4] = [
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_RUNTIME_API",
];

/// Runs a function: starts logging, builds the function from the settings with `build`,
/// [prepares](Function::prepare) it, then handles requests. It creates the Tokio runtime for all of that.
///
/// Invalid settings end the process with one message on stderr, which Lambda reports as a failed
/// initialisation. The message contains names of variables and never a value.
///
/// `program` is the name of the function's crate, whose lines are logged. With the argument `--version`
/// the program only [prints its version](prints_version).
pub fn run<B, F>(program: &str, build: B) -> ExitCode
where
    B: AsyncFnOnce(&mut Settings) -> Option<F>,
    F: Function + 'static,
{
    if prints_version(program) {
        return ExitCode::SUCCESS;
    }
    run_with(Settings::from_env(), &[program], build)
}

/// The same, with settings that do not come only from the environment, and several crates.
pub fn run_with<B, F>(settings: Settings, programs: &[&str], build: B) -> ExitCode
where
    B: AsyncFnOnce(&mut Settings) -> Option<F>,
    F: Function + 'static,
{
    on_a_runtime(settings, async |settings| {
        let (function, proxy) = start(build, settings, programs).await?;
        let clock = Clock::system();
        function.prepare(clock.now()).await;
        let handler = move |request, now| {
            proxy.hand_on(request, move |request| function.handle(request, now))
        };
        let service = service(handler, clock);
        runtime::poll(service).await.map_err(unreachable)
    })
}

/// The same, for an authorizer, which API Gateway calls to decide whether a request may reach another
/// function.
pub fn run_authorizer<B, A>(program: &str, build: B) -> ExitCode
where
    B: AsyncFnOnce(&mut Settings) -> Option<A>,
    A: Authorizer + 'static,
{
    if prints_version(program) {
        return ExitCode::SUCCESS;
    }
    on_a_runtime(Settings::from_env(), async |settings| {
        let (authorizer, proxy) = start(build, settings, &[program]).await?;
        let clock = Clock::system();
        authorizer.prepare(clock.now()).await;
        let service = authorizer::service(authorizer, proxy, clock);
        runtime::poll(service).await.map_err(unreachable)
    })
}

/// Prints the version of this bundle if the program's first argument is `--version`, and returns whether
/// it is.
#[must_use]
pub fn prints_version(program: &str) -> bool {
    let is_asked = env::args_os().nth(1).is_some_and(|argument| argument == "--version");
    if is_asked {
        println!("{program} (auth0-login) {}", env!("CARGO_PKG_VERSION"));
    }
    is_asked
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

/// Builds the function and reads which proxy must be in front of it. Neither is freed, so that concurrent
/// requests need no reference counting.
async fn start<B, F>(
    build: B,
    mut settings: Settings,
    programs: &[&str],
) -> Result<&'static (F, Proxy), ExitCode>
where
    B: AsyncFnOnce(&mut Settings) -> Option<F>,
    F: 'static,
{
    let logging = Logging::from_settings(&mut settings, io::stdout().is_terminal());
    logging::start(logging::subscriber(logging, programs, io::stdout));

    let function = build(&mut settings).await;
    let proxy = Proxy::from_settings(&mut settings);
    let runnable = RUNTIME_VARIABLES.iter().all(|name| settings.is_set(name));
    if let Err(error) = settings.finish() {
        eprintln!("{error}");
        return Err(ExitCode::FAILURE);
    }
    let (Some(function), Some(proxy)) = (function, proxy) else {
        eprintln!("the function could not be built, and no setting was named as the reason");
        return Err(ExitCode::FAILURE);
    };
    if !runnable {
        eprintln!("this program serves Lambda; start it by `cargo lambda watch`");
        return Err(ExitCode::FAILURE);
    }
    Ok(Box::leak(Box::new((function, proxy))))
}

#[expect(clippy::needless_pass_by_value, reason = "the signature that `map_err` requires")]
fn unreachable(error: lambda_runtime::Error) -> ExitCode {
    tracing::error!(event = LogEvent::RuntimeUnreachable.name(), %error, "the Lambda runtime cannot be reached");
    ExitCode::FAILURE
}
