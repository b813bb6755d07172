//! The product as a person runs it: under `cargo lambda watch`.

use std::ffi::OsString;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::process::Process;

/// What the product reads; a story that sets none of them must not get the developer's own.
const SETTINGS: &[&str] = &[
    "ALLOWED_ORIGINS",
    "AUDIENCE",
    "AUTH_HOST",
    "BASE_URL",
    "CLIENT_ID",
    "CLIENT_SECRET",
    "CONNECTIONS",
    "DEBUG",
    "HOST",
    "PORT",
    "PROVIDER_PORT",
    "REQUIRE_SESSION",
    "SCOPE",
    "SECRET_KEY",
    "SESSION_IDLE",
    "SESSION_LIFETIME",
    "SESSION_STORE",
    "SESSION_TABLE",
    "SHOW_KEY",
    "TOKEN_LIFETIME",
];

/// A running `cargo lambda watch`. It ends, with the functions it started, when this is dropped.
#[derive(Debug)]
pub struct Watch {
    process: Process,
    base_url: String,
}

impl Watch {
    /// Starts it for this project with these settings and nothing else set, and waits until `/`
    /// answers. `PORT` is a free one.
    pub async fn start(settings: &[(&str, &str)]) -> Self {
        Self::start_in(&crate::project(), settings).await
    }

    /// The same for the project in that folder.
    pub async fn start_in(project: &Path, settings: &[(&str, &str)]) -> Self {
        let port = free_port();
        let mut command = Command::new(cargo_lambda(project));
        command
            // A reload in the middle of a story would lose its sessions.
            .args(["lambda", "watch", "--ignore-changes", "-A", "127.0.0.1", "-P", &port])
            .current_dir(project);
        for name in SETTINGS {
            command.env_remove(name);
        }
        for (name, _) in std::env::vars_os().filter(|(name, _)| of_this_test(name)) {
            command.env_remove(name);
        }
        command.env("PORT", &port).env("PROVIDER_PORT", free_port()).envs(settings.iter().copied());

        let mut watch = Self {
            process: Process::start(&format!("watch-{port}"), &mut command),
            base_url: format!("http://localhost:{port}"),
        };
        watch.wait_until_ready().await;
        watch
    }

    /// Where it serves, without a trailing slash.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// All that it and the functions have printed.
    #[must_use]
    pub fn output(&self) -> String {
        self.process.output()
    }

    /// The first request builds and starts the function and is answered when that is done.
    async fn wait_until_ready(&mut self) {
        let deadline = Instant::now() + Duration::from_mins(10);
        let http = crate::http_client();
        loop {
            if http
                .get(&self.base_url)
                .send()
                .await
                .is_ok_and(|answer| answer.status().is_success())
            {
                return;
            }
            self.process.must_go_on(deadline, "an answer of /");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

/// The one that `local/start` would use, which is installed by this if there is none.
fn cargo_lambda(project: &Path) -> PathBuf {
    let found =
        Command::new(project.join("local/cargo-lambda")).output().expect("the script is there");
    let folder = String::from_utf8(found.stdout).expect("it prints a folder");
    assert!(found.status.success(), "{}", String::from_utf8_lossy(&found.stderr));
    Path::new(folder.trim()).join("cargo-lambda")
}

/// Cargo and nextest describe the running test to it; the build that is about to start is another.
fn of_this_test(name: &OsString) -> bool {
    let name = name.to_string_lossy();
    ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "NEXTEST"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

fn free_port() -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has a free port");
    listener.local_addr().expect("it is bound").port().to_string()
}
