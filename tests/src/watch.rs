//! The product as a person runs it: under `cargo lambda watch`.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use local::watch::forget_this_build;

use crate::{backends::Backends, process::Process};

/// What the product reads; a story that sets none of them must not get the developer's own.
const SETTINGS: &[&str] = &[
    "ALLOWED_ORIGINS",
    "AUDIENCE",
    "AUTH_HOST",
    "BASE_URL",
    "CLIENT_ID",
    "CLIENT_SECRET",
    "CLIENT_SECRET_ARN",
    "CONNECTIONS",
    "DEBUG",
    "DYNAMODB_PORT",
    "HOST",
    "HTTPS_PROXY",
    "LOG_FORMAT",
    "NO_PROXY",
    "PORT",
    "PROVIDER_PORT",
    "REQUIRE_SESSION",
    "ROUTE_SCOPES",
    "SCOPE",
    "SECRET_KEY",
    "SECRET_KEY_ARN",
    "SESSION_IDLE",
    "SESSION_LIFETIME",
    "SESSION_STORE",
    "SESSION_TABLE",
    "SHOW_KEY",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TOKEN_LIFETIME",
    "https_proxy",
    "no_proxy",
];

/// A running `cargo lambda watch`. It ends, with the functions it started, when this is dropped.
#[derive(Debug)]
pub struct Watch {
    process: Process,
    /// What the deployed form needs beside it.
    backends: Option<Backends>,
    base_url: String,
}

impl Watch {
    /// Starts it on a free port with these settings and nothing else set, and waits until `/` is
    /// answered.
    pub async fn start(settings: &[(&str, &str)]) -> Self {
        let port = free_port();
        let started = Self::run(port, &mut watch_on(port, settings), None).await;
        started.unwrap_or_else(|output| panic!("the function has ended:\n{output}"))
    }

    /// The deployed form with these settings: the functions, each in up to `concurrency`
    /// processes of its own, with their sessions in a DynamoDB table.
    pub async fn start_deployed(concurrency: u32, settings: &[(&str, &str)]) -> Self {
        let port = free_port();
        let backends = Backends::start(&[&[("PORT", &*port.to_string())], settings].concat()).await;
        let mut command = watch_on(port, settings);
        command
            .args(["--context", "deployed", "--concurrency", &concurrency.to_string()])
            .arg("--env-file")
            .arg(backends.environment_file());
        let started = Self::run(port, &mut command, Some(backends)).await;
        started.unwrap_or_else(|output| panic!("the function has ended:\n{output}"))
    }

    async fn run(
        port: u16,
        command: &mut Command,
        backends: Option<Backends>,
    ) -> Result<Self, String> {
        let mut watch = Self {
            process: Process::start(&format!("watch-{port}"), command),
            backends,
            base_url: format!("http://localhost:{port}"),
        };
        watch.first_answer().await?;
        Ok(watch)
    }

    /// `http://localhost:PORT`.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// All that it and the functions have printed.
    #[must_use]
    pub fn output(&self) -> String {
        self.process.output()
    }

    /// What finds the table of the deployed form, as its functions are told it.
    #[must_use]
    pub fn environment(&self) -> Vec<(String, String)> {
        let backends = self.backends.as_ref().expect("it is the deployed form");
        backends.environment()
    }

    /// How many processes of this function have been started.
    #[must_use]
    pub fn instances(&self, function: &str) -> usize {
        self.output()
            .matches(&format!("spawning function instance function=\"{function}\""))
            .count()
    }

    /// The first request builds and starts the function, and is answered when that is done - or
    /// never, when the function ends.
    async fn first_answer(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + Duration::from_mins(10);
        let http = crate::http_client();
        let mut answer = Box::pin(http.get(&self.base_url).send());
        loop {
            match tokio::time::timeout(Duration::from_millis(100), &mut answer).await {
                // Whatever the function answers, it runs. A 5xx is the emulator's or a failure.
                Ok(Ok(answer)) if !answer.status().is_server_error() => return Ok(()),
                Ok(_) => answer = Box::pin(http.get(&self.base_url).send()),
                Err(_) => {}
            }
            if self.output().contains("command exited") {
                return Err(self.output());
            }
            self.process.must_go_on(deadline, "an answer of /");
        }
    }
}

fn watch_on(port: u16, settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new(cargo_lambda(&crate::project()));
    prepare(&mut command, settings);
    command
        .env("PORT", port.to_string())
        // A reload in the middle of a story would lose its sessions.
        .args(["lambda", "watch", "--ignore-changes", "-A", "127.0.0.1"])
        .args(["-P", &port.to_string()]);
    command
}

/// Has `command` run in the project, with free ports, these settings and nothing else set.
pub(crate) fn prepare(command: &mut Command, settings: &[(&str, &str)]) {
    command.current_dir(crate::project());
    // Set to nothing, which wins over the developer's `.env`.
    for name in SETTINGS {
        command.env(name, "");
    }
    forget_this_build(command);
    command
        .env("DYNAMODB_PORT", free_port().to_string())
        .env("PROVIDER_PORT", free_port().to_string())
        .envs(settings.iter().copied());
}

/// The one that `local/start` would use, which is installed by this if there is none.
fn cargo_lambda(project: &Path) -> PathBuf {
    let found =
        Command::new(project.join("local/cargo-lambda")).output().expect("the script is there");
    let folder = String::from_utf8(found.stdout).expect("it prints a folder");
    assert!(found.status.success(), "{}", String::from_utf8_lossy(&found.stderr));
    Path::new(folder.trim()).join("cargo-lambda")
}

/// A port of loopback that nobody listens on.
#[must_use]
pub fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has a free port");
    listener.local_addr().expect("it is bound").port()
}
