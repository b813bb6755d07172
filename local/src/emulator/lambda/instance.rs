//! One process of a function, with its own Runtime API.

use std::{
    env, fmt,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{
    Function, InvocationError, REGION, Surroundings,
    runtime_api::{Invocation, Report, RuntimeApi},
};
use crate::process::Process;

/// Lambda's time limit for a process to request its first invocation.
const INITIALISATION: Duration = Duration::from_secs(10);

/// How often to check whether the process still runs.
const PULSE: Duration = Duration::from_millis(20);

/// A process of a function. Dropping this stops it.
#[derive(Debug)]
pub struct Instance {
    /// Its index among the function's processes.
    pub(super) number: usize,
    process: Mutex<Process>,
    process_id: u32,
    log: Option<PathBuf>,
    runtime_api: RuntimeApi,
    timeout: Duration,
    started: Instant,
}

impl Instance {
    /// Starts a process of `function` without waiting for it.
    pub async fn start(function: &Function) -> Self {
        let runtime_api = RuntimeApi::start(&function.name).await;
        let mut command = Command::new(&function.bootstrap);
        command.env_clear().current_dir(folder(function));
        command.envs(environment(function, &runtime_api));
        // Ctrl-C in a terminal reaches only the process that stops this one.
        command.process_group(0);
        // Taken before the start, since the operating system's work is part of a cold start.
        let started = Instant::now();
        let process = function.output.start(&function.name, command);
        let (process_id, log) = (process.id(), process.log().map(Path::to_owned));
        let (process, timeout) = (Mutex::new(process), function.timeout);
        Self { number: 0, process, process_id, log, runtime_api, timeout, started }
    }

    /// Waits until the process requests its first invocation. Returns the time since its start.
    ///
    /// # Errors
    ///
    /// [`InvocationError::Initialisation`].
    pub async fn ready(&self) -> Result<Duration, InvocationError> {
        let outcome = tokio::select! {
            polled = self.runtime_api.first_poll() => match polled {
                Ok(polled) => return Ok(polled - self.started),
                Err(report) => report.to_string(),
            },
            status = self.end() => status.to_string(),
            () = tokio::time::sleep_until((self.started + INITIALISATION).into()) => {
                format!("nothing within {INITIALISATION:?}")
            }
        };
        let printed = match self.log() {
            Some(_) => format!("; it printed:\n{}", self.process().output()),
            None => String::new(),
        };
        Err(InvocationError::Initialisation(outcome + &printed))
    }

    /// Gives the process an invocation and waits for the response. Invocations may run concurrently
    /// if the process requests several.
    ///
    /// # Errors
    ///
    /// Returns why there is no response. After any error but [`InvocationError::Function`], a process
    /// for one invocation at a time must not be used again.
    pub async fn invoke(&self, event: Bytes) -> Result<Bytes, InvocationError> {
        let timeout = self.timeout;
        let (invocation, answer) = Invocation::new(event, timeout);
        self.runtime_api.hand_over(invocation).await;
        tokio::select! {
            answer = answer => match answer {
                Ok(answer) => answer.map_err(|report| InvocationError::Function(report.to_string())),
                Err(_) => Err(InvocationError::Exited("the Runtime API has ended".to_owned())),
            },
            status = self.end() => Err(InvocationError::Exited(status.to_string())),
            () = tokio::time::sleep(timeout) => Err(InvocationError::TimedOut(timeout)),
        }
    }

    /// Its process id.
    #[must_use]
    pub const fn process_id(&self) -> u32 {
        self.process_id
    }

    /// When it was started.
    #[must_use]
    pub const fn started(&self) -> Instant {
        self.started
    }

    /// The exit status, if the process has ended.
    pub fn has_ended(&self) -> Option<ExitStatus> {
        self.process().has_ended()
    }

    /// The file with the process's output, if it has one.
    #[must_use]
    pub fn log(&self) -> Option<&Path> {
        self.log.as_deref()
    }

    async fn end(&self) -> ExitStatus {
        loop {
            if let Some(status) = self.has_ended() {
                return status;
            }
            tokio::time::sleep(PULSE).await;
        }
    }

    fn process(&self) -> MutexGuard<'_, Process> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The folder with the function's code.
fn folder(function: &Function) -> &Path {
    match &function.code {
        Some(code) => &code.folder,
        None => function.bootstrap.parent().expect("a program lies in a folder"),
    }
}

/// The environment of a process: Lambda's variables and the deployment's. As in Lambda, Lambda's
/// reserved variables take precedence; unlike there, the credentials are examples.
fn environment(function: &Function, runtime_api: &RuntimeApi) -> Vec<(String, String)> {
    let folder = folder(function).to_string_lossy();
    let handler = function.code.as_ref().map_or("bootstrap", |code| code.handler.as_str());
    let name = function.name.as_str();
    let concurrency = function.concurrency.to_string();
    // An interpreter may be anywhere on this machine.
    let path = function.code.as_ref().and_then(|_| env::var("PATH").ok());
    let path = path.as_deref().unwrap_or("/usr/local/bin:/usr/bin/:/bin:/opt/bin");
    let reserved = [
        ("_HANDLER", handler),
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_DEFAULT_REGION", REGION),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", &function.memory.to_string()),
        ("AWS_LAMBDA_FUNCTION_NAME", name),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", &format!("/aws/lambda/{name}")),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "2026/01/31/[$LATEST]0123456789abcdef0123456789abcdef"),
        ("AWS_LAMBDA_RUNTIME_API", &runtime_api.address().to_string()),
        ("AWS_REGION", REGION),
        ("AWS_SECRET_ACCESS_KEY", "an-example-secret-access-key"),
        ("AWS_SESSION_TOKEN", "an-example-session-token"),
        ("LANG", "en_US.UTF-8"),
        ("PATH", path),
        ("TZ", ":UTC"),
    ];
    let inside = [
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
        ("LAMBDA_RUNTIME_DIR", "/var/runtime"),
        ("LAMBDA_TASK_ROOT", folder.as_ref()),
    ];
    let inside = inside.into_iter().filter(|_| function.surroundings == Surroundings::Lambda);
    let managed = [("AWS_LAMBDA_MAX_CONCURRENCY", &*concurrency)];
    let managed = managed.into_iter().filter(|_| function.concurrency > 1);
    let reserved = reserved.into_iter().chain(inside).chain(managed);
    let reserved = reserved.map(|(variable, value)| (variable.to_owned(), value.to_owned()));
    // The emulated table accepts the access key of this run, as IAM accepts a role's.
    let is_given = |variable: &str| {
        let mut given = function.environment.iter().map(|(given, _)| given);
        variable == "AWS_ACCESS_KEY_ID" && given.any(|given| given == variable)
    };
    let reserved = reserved.filter(|(variable, _)| !is_given(variable));
    function.environment.iter().cloned().chain(reserved).collect()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.error_type, self.body)
    }
}
