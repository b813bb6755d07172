//! What the stories are told with: a browser without a screen, Chromium, Firefox, WebKit, a certified
//! provider, `cargo lambda watch`, the deployed functions' own programs behind an HTTP API.
//!
//! Everything here panics when it cannot do its work: the failure of the machinery is the failure
//! of the story.
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
pub mod lambda;
pub mod line;
pub mod listener;
pub mod misbehaving_provider;
pub mod observed_store;
pub mod page;
pub mod permissions;
pub mod process;
pub mod real_browser;
pub mod requirements;
pub mod secrets;
pub mod secrets_manager;
pub mod site;
pub mod table;
pub mod template;
pub mod visitor;
pub mod watch;
pub mod watched_log;

use std::path::PathBuf;
use std::sync::Once;
use std::time::Duration;

/// The project's folder.
#[must_use]
pub fn project() -> PathBuf {
    let tests = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("the package lies in the project").to_owned()
}

/// A file below `target`, in a folder made for it: `artifact("screenshots", "key.png")`.
#[must_use]
pub fn artifact(folder: &str, file: &str) -> PathBuf {
    let folder = target().join(folder);
    std::fs::create_dir_all(&folder).expect("target is writable");
    folder.join(file)
}

/// Where cargo puts what it builds.
fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| project().join("target"), PathBuf::from)
}

/// An HTTP client for loopback that follows no redirect.
#[must_use]
pub fn http_client() -> reqwest::Client {
    http_client_builder().build().expect("the client needs nothing from outside")
}

/// The same before it is built.
fn http_client_builder() -> reqwest::ClientBuilder {
    install_cryptography();
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(Duration::from_secs(30))
        .no_proxy()
}

/// reqwest is built without a default TLS provider and will not start before it is given one, even
/// for plain HTTP.
fn install_cryptography() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        // An error says that another part of the process installed one first, which serves as well.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    });
}
