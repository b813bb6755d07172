//! What the stories are told with: a browser, a certified provider, Chromium, `cargo lambda watch`.
//!
//! Everything here panics when it cannot do its work: the failure of the machinery is the failure
//! of the story.
#![expect(clippy::expect_used, clippy::panic, reason = "a failure here is a failed test")]

pub mod answer;
pub mod browser;
pub mod certified_provider;
pub mod chromium;
pub mod listener;
pub mod misbehaving_provider;
pub mod observed_store;
pub mod page;
pub mod process;
pub mod secrets;
pub mod site;
pub mod visitor;
pub mod watch;

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
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| project().join("target"), PathBuf::from);
    let folder = target.join(folder);
    std::fs::create_dir_all(&folder).expect("target is writable");
    folder.join(file)
}

/// An HTTP client for loopback that follows no redirect.
#[must_use]
pub fn http_client() -> reqwest::Client {
    install_cryptography();
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(Duration::from_secs(30))
        .no_proxy()
        .build()
        .expect("the client needs nothing from outside")
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
