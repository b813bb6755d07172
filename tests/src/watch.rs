//! The product as a user runs it: under `cargo lambda watch`.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use local::{process::Process, watch::forget_this_build};

use crate::documentation::Documentation;

/// A running `cargo lambda watch`. Dropping this stops it and its functions.
#[derive(Debug)]
pub struct Watch {
    process: Process,
    base_url: String,
}

impl Watch {
    /// Starts on a free port with exactly these settings, and waits for a response from `/`.
    pub async fn start(settings: &[(&str, &str)]) -> Self {
        let port = free_port();
        let log = crate::log_of(&format!("watch-{port}"));
        let process = Process::start(log, &mut watch_on(port, settings));
        let mut watch = Self { process, base_url: format!("http://localhost:{port}") };
        watch.first_answer().await;
        watch
    }

    /// `http://localhost:PORT`.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// The output of the emulator and the functions.
    #[must_use]
    pub fn output(&self) -> String {
        self.process.output()
    }

    /// Waits for the first response. The first request builds and starts the function; if the
    /// function exits, the request is never answered.
    async fn first_answer(&mut self) {
        let deadline = Instant::now() + Duration::from_mins(10);
        let http = crate::http_client();
        let mut answer = Box::pin(http.get(&self.base_url).send());
        loop {
            match tokio::time::timeout(Duration::from_millis(100), &mut answer).await {
                // Any other response shows that the function runs. A 5xx is the emulator's or a
                // failure.
                Ok(Ok(answer)) if !answer.status().is_server_error() => return,
                Ok(_) => answer = Box::pin(http.get(&self.base_url).send()),
                Err(_) => {}
            }
            let output = self.output();
            assert!(!output.contains("command exited"), "the function has ended:\n{output}");
            self.process.must_go_on(deadline, "an answer of /");
        }
    }
}

fn watch_on(port: u16, settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new(cargo_lambda(&crate::project()));
    prepare(&mut command, settings);
    command
        .env("PORT", port.to_string())
        // A reload during a test would lose its sessions.
        .args(["lambda", "watch", "--ignore-changes", "-A", "127.0.0.1"])
        .args(["-P", &port.to_string()]);
    command
}

/// Prepares `command` to run in the project with free ports and exactly these settings.
pub fn prepare(command: &mut Command, settings: &[(&str, &str)]) {
    command.current_dir(crate::project());
    // Settings that a test does not set must not come from the developer's environment. An empty value
    // takes precedence over `.env`.
    command.envs(Documentation::read().settings().iter().map(|name| (name, "")));
    command.envs([("https_proxy", ""), ("no_proxy", "")]);
    forget_this_build(command);
    command
        .env("DYNAMODB_PORT", free_port().to_string())
        .env("PROVIDER_PORT", free_port().to_string())
        .envs(settings.iter().copied());
}

/// The cargo-lambda that `local/start` would use. The script installs it if it is missing.
fn cargo_lambda(project: &Path) -> PathBuf {
    let found =
        Command::new(project.join("local/cargo-lambda")).output().expect("the script can be run");
    let folder = String::from_utf8(found.stdout).expect("the script prints a folder");
    assert!(found.status.success(), "{}", String::from_utf8_lossy(&found.stderr));
    Path::new(folder.trim()).join("cargo-lambda")
}

/// A free port on loopback.
#[must_use]
pub fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has a free port");
    listener.local_addr().expect("it is bound").port()
}
