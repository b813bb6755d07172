//! Chromium, driven over WebDriver by Debian's chromedriver.
//!
//! ```no_run
//! # async fn story() {
//! use tests::chromium::Chromium;
//! use thirtyfour::By;
//!
//! Chromium::tell("sign-in", async |chromium| {
//!     chromium.goto("http://localhost:9000/").await?;
//!     chromium.find(By::LinkText("Sign in")).await?.click().await?;
//!     chromium.screenshot("key").await;
//!     Ok(())
//! })
//! .await;
//! # }
//! ```

use std::future::poll_fn;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::pin::pin;
use std::process::Command;
use std::task::Poll;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use thirtyfour::error::WebDriverResult;
use thirtyfour::{
    ChromeCapabilities, ChromiumLikeCapabilities, DesiredCapabilities, LoggingPrefsLogLevel,
    WebDriver,
};

use crate::process::Process;

/// Nothing that looks for the network, nothing that another run left, no sandbox: CI runs as root.
const FLAGS: &[&str] = &[
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--window-size=1280,900",
];

const START: Duration = Duration::from_secs(60);

/// One browser with an empty profile. A [`WebDriver`] by deref.
#[derive(Debug)]
pub struct Chromium {
    driver: WebDriver,
    // Fields are dropped in this order: the profile goes when nobody writes to it any more.
    _process: Process,
    profile: TempDir,
}

impl Chromium {
    /// Starts a browser, tells the story and closes the browser. When the story fails, a screenshot
    /// lies in `target/screenshots/NAME-failed.png` and the page and the console are printed. A
    /// story that ends well must have left the console without an error, warning or CSP violation.
    pub async fn tell(name: &str, story: impl AsyncFnOnce(&Self) -> WebDriverResult<()>) {
        Self::tell_with(name, &[], story).await;
    }

    /// The same with more flags for the browser.
    pub async fn tell_with(
        name: &str,
        flags: &[String],
        story: impl AsyncFnOnce(&Self) -> WebDriverResult<()>,
    ) {
        let chromium = Self::start_with(flags).await;
        let outcome = {
            let mut story = pin!(story(&chromium));
            poll_fn(|context| {
                let poll = || story.as_mut().poll(context);
                match catch_unwind(AssertUnwindSafe(poll)) {
                    Ok(poll) => poll.map(Ok),
                    Err(panic) => Poll::Ready(Err(panic)),
                }
            })
            .await
        };
        let console = chromium.console().await;
        let failed = !matches!(outcome, Ok(Ok(()))) || !console.is_empty();
        if failed {
            chromium.screenshot(&format!("{name}-failed")).await;
            let url = chromium.current_url().await.map(|url| url.to_string());
            let page = chromium.source().await.unwrap_or_default();
            eprintln!("{name} failed at {url:?}\nconsole: {console:#?}\npage: {page}");
        }
        // The processes are killed anyway; this only closes them in order.
        let _ = chromium.driver.clone().quit().await;
        match outcome {
            Ok(Ok(())) => assert!(console.is_empty(), "{name} left in the console: {console:#?}"),
            Ok(Err(error)) => panic!("{name}: {error:?}"),
            Err(panic) => resume_unwind(panic),
        }
    }

    /// A browser with an empty profile.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    async fn start_with(flags: &[String]) -> Self {
        crate::install_cryptography();
        let profile = TempDir::new().expect("a profile can be made");
        let mut process = Process::start(
            &format!("chromedriver-{}", crate::process::unique()),
            Command::new("chromedriver").arg("--port=0"),
        );
        let started = process.line_after("started successfully on port ", START).await;
        let port = started.trim_end_matches('.');
        let capabilities = capabilities(&profile, flags);
        let driver = WebDriver::builder(format!("http://127.0.0.1:{port}"), capabilities)
            .connect()
            .await
            .unwrap_or_else(|error| panic!("no Chromium: {error}\n{}", process.output()));
        Self { driver, _process: process, profile }
    }

    /// The folder of its profile, which is gone when it is.
    #[must_use]
    pub fn profile(&self) -> &Path {
        self.profile.path()
    }

    /// What the console has received since the last call and a clean page does not cause: errors,
    /// warnings, failed requests and CSP violations, one line each.
    pub async fn console(&self) -> Vec<String> {
        let entries = self.driver.browser_log().await.expect("the console can be read");
        entries
            .into_iter()
            .filter(|entry| matches!(entry.level.as_str(), "SEVERE" | "WARNING"))
            .map(|entry| format!("{}: {}", entry.level, entry.message))
            .collect()
    }

    /// Writes `target/screenshots/NAME.png`.
    pub async fn screenshot(&self, name: &str) {
        let path = crate::artifact("screenshots", &format!("{name}.png"));
        if let Err(error) = self.driver.screenshot(&path).await {
            eprintln!("no screenshot {name}: {error}");
        }
    }

    /// Lays pages out as on a phone of this width in CSS pixels.
    pub async fn use_phone(&self, width: u32) -> WebDriverResult<()> {
        let metrics = json!({
            "width": width, "height": 640, "deviceScaleFactor": 2, "mobile": true,
        });
        self.emulate("setDeviceMetricsOverride", metrics).await
    }

    /// Sets a media feature: `prefer("prefers-color-scheme", "dark")`. Others go back to what they
    /// were.
    pub async fn prefer(&self, feature: &str, value: &str) -> WebDriverResult<()> {
        let media = json!({ "features": [{ "name": feature, "value": value }] });
        self.emulate("setEmulatedMedia", media).await
    }

    /// Takes the network away from the page that is shown, or gives it back.
    pub async fn be_offline(&self, offline: bool) -> WebDriverResult<()> {
        let conditions = json!({
            "offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1,
        });
        self.driver.cdp().send_raw("Network.enable", json!({})).await?;
        self.driver.cdp().send_raw("Network.emulateNetworkConditions", conditions).await?;
        Ok(())
    }

    /// Whether the page is wider than the window, so that one has to scroll sideways or zoom out.
    pub async fn scrolls_sideways(&self) -> WebDriverResult<bool> {
        let script =
            "return document.documentElement.scrollWidth > document.documentElement.clientWidth";
        self.driver.execute(script, Vec::new()).await?.convert()
    }

    async fn emulate(&self, method: &str, parameters: Value) -> WebDriverResult<()> {
        self.driver.cdp().send_raw(&format!("Emulation.{method}"), parameters).await?;
        Ok(())
    }
}

impl Deref for Chromium {
    type Target = WebDriver;

    fn deref(&self) -> &WebDriver {
        &self.driver
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // Left to itself the driver ends its session with a request that blocks this very thread,
        // for two minutes. The processes are killed next.
        let _ = self.driver.clone().leak();
    }
}

fn capabilities(profile: &TempDir, flags: &[String]) -> ChromeCapabilities {
    let mut capabilities = DesiredCapabilities::chrome();
    let profile = format!("--user-data-dir={}", profile.path().display());
    let own = FLAGS.iter().copied().chain([profile.as_str()]);
    for flag in own.chain(flags.iter().map(String::as_str)) {
        let flag = flag.trim_start_matches('-');
        capabilities.add_arg(flag).expect("a flag is a string");
    }
    capabilities.set_browser_log_level(LoggingPrefsLogLevel::All).expect("it is a capability");
    capabilities
}
