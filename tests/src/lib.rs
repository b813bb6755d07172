//! Test support: two HTTP browsers, real browsers (Chromium, Firefox, WebKit), a certified provider,
//! `cargo lambda watch`, and the deployed programs behind an HTTP API.
//!
//! Everything here panics on failure, so that the test fails.
#![expect(clippy::expect_used, clippy::panic, reason = "a failure here is a failed test")]

pub mod answer;
pub mod artifacts;
pub mod backends;
pub mod browser;
pub mod certified_provider;
pub mod deployment;
pub mod documentation;
pub mod gate;
pub mod http_api;
pub mod iam;
pub mod line;
pub mod listener;
pub mod misbehaving_provider;
pub mod observed_store;
pub mod page;
pub mod permissions;
pub mod real_browser;
pub mod requirements;
pub mod secrets;
pub mod secrets_manager;
pub mod site;
pub mod story;
pub mod table;
pub mod visitor;
pub mod watch;
pub mod watched_log;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;
use std::time::Duration;

use local::emulator::{
    lambda::{Function, Output, Surroundings},
    template::Template,
};
use rustix::time::{ClockId, clock_gettime};

/// The project's folder.
#[must_use]
pub fn project() -> PathBuf {
    let tests = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("the package lies in the project").to_owned()
}

/// Copies the project's files to `folder`, without what git ignores.
pub fn copy_project(folder: &Path) {
    let mut git = Command::new("git");
    git.args(["ls-files", "--cached", "--others", "--exclude-standard"]).current_dir(project());
    let listed = git.output().expect("git can be run").stdout;
    for path in String::from_utf8(listed).expect("a path is UTF-8").lines() {
        // A deleted file may still be listed.
        if project().join(path).is_file() {
            let copy = folder.join(path);
            std::fs::create_dir_all(copy.parent().expect("a parent")).expect("a folder");
            std::fs::copy(project().join(path), copy).expect("a file can be copied");
        }
    }
}

/// The crates of the functions: each folder below `functions`, sorted.
#[must_use]
pub fn functions() -> Vec<String> {
    let entries = std::fs::read_dir(project().join("functions")).expect("the folder can be read");
    let entries = entries.map(|entry| entry.expect("the folder can be read"));
    let folders = entries.filter(|entry| entry.path().is_dir());
    let mut names: Vec<_> =
        folders.map(|entry| entry.file_name().into_string().expect("a name is UTF-8")).collect();
    names.sort_unstable();
    names
}

/// A file below `target`, for example `artifact("screenshots", "key.png")`. Creates the folder.
#[must_use]
pub fn artifact(folder: &str, file: &str) -> PathBuf {
    let folder = target().join(folder);
    std::fs::create_dir_all(&folder).expect("target is writable");
    folder.join(file)
}

/// Files for the output of functions.
#[must_use]
pub fn output() -> Output {
    Output::Files(artifact("test-logs", ""))
}

/// An emulated function inside Lambda with one process, which serves one invocation at a time.
#[must_use]
pub fn emulated_function(name: &str, bootstrap: PathBuf) -> Function {
    Function {
        name: name.to_owned(),
        bootstrap,
        code: None,
        environment: Vec::new(),
        timeout: Duration::from_secs(25),
        memory: 512,
        instances: 1,
        concurrency: 1,
        surroundings: Surroundings::Lambda,
        output: output(),
    }
}

/// The file for the output of the process with this name.
#[must_use]
pub fn log_of(name: &str) -> PathBuf {
    artifact("test-logs", &format!("{name}.log"))
}

/// The project's `template.yaml`.
#[must_use]
pub fn template() -> Template {
    Template::read(&project().join("template.yaml"))
}

/// The processor time of this thread so far.
#[must_use]
pub fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// Cargo's target folder.
#[must_use]
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| project().join("target"), PathBuf::from)
}

/// An HTTP client for loopback that follows no redirect.
#[must_use]
pub fn http_client() -> reqwest::Client {
    http_client_builder().build().expect("the client can be built")
}

/// The builder of [`http_client`].
fn http_client_builder() -> reqwest::ClientBuilder {
    install_cryptography();
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(Duration::from_secs(30))
        .no_proxy()
}

/// Installs a TLS provider for reqwest. It is built without one and needs one even for plain HTTP.
fn install_cryptography() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        // An error means that another part of the process has already installed one.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    });
}
