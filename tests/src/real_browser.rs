//! Chromium, Firefox and WebKit, each driven over WebDriver: by Debian's chromedriver, by geckodriver,
//! by WebKitGTK's driver with its MiniBrowser on a screen in memory.
//!
//! ```no_run
//! # async fn story() {
//! use tests::real_browser::{Engine, RealBrowser};
//! use thirtyfour::By;
//!
//! RealBrowser::tell_in(Engine::Firefox, "log-in", &[], async |browser| {
//!     browser.goto("http://localhost:9000/").await?;
//!     browser.find(By::LinkText("Log in")).await?.click().await?;
//!     browser.screenshot("key").await;
//!     Ok(())
//! })
//! .await;
//! # }
//! ```

use std::ops::Deref;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use local::process::{Process, unique};
use serde_json::{Value, json};
use tempfile::TempDir;
use thirtyfour::error::WebDriverResult;
use thirtyfour::{
    Capabilities, ChromiumLikeCapabilities, DesiredCapabilities, LoggingPrefsLogLevel, WebDriver,
};
use tokio::net::TcpStream;

use crate::watch::free_port;

/// No background requests to the network, no state of earlier runs, and no sandbox, since CI runs as
/// root.
const CHROMIUM_FLAGS: &[&str] = &[
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

/// The browser to use.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Engine {
    /// Debian's Chromium. Features that need its developer tools work in no other browser.
    Chromium,
    /// Debian's Firefox ESR.
    Firefox,
    /// WebKitGTK, the engine of Safari.
    WebKit,
}

/// A browser with an empty profile. Dereferences to a [`WebDriver`].
#[derive(Debug)]
pub struct RealBrowser {
    driver: WebDriver,
    engine: Engine,
    // Fields are dropped in this order: processes must stop before the profile they write to is
    // deleted.
    _processes: Vec<Process>,
    _profile: TempDir,
}

impl RealBrowser {
    /// Runs `story` in Chromium and closes the browser. If the story fails, writes the screenshot
    /// `target/screenshots/NAME-failed.png` and prints the page and the console. Even a successful
    /// story fails if the console contains an error, warning or CSP violation.
    pub async fn tell(name: &str, story: impl AsyncFnOnce(&Self) -> WebDriverResult<()>) {
        Self::tell_in(Engine::Chromium, name, &[], story).await;
    }

    /// Like [`Self::tell`], in any browser, with additional flags for Chromium.
    pub async fn tell_in(
        engine: Engine,
        name: &str,
        flags: &[String],
        story: impl AsyncFnOnce(&Self) -> WebDriverResult<()>,
    ) {
        let browser = Self::start(engine, flags).await;
        let outcome = AssertUnwindSafe(story(&browser)).catch_unwind().await;
        let console = browser.console().await;
        let failed = !matches!(outcome, Ok(Ok(()))) || !console.is_empty();
        if failed {
            browser.screenshot(&format!("{name}-failed")).await;
            let url = browser.current_url().await.map(|url| url.to_string());
            let page = browser.source().await.unwrap_or_default();
            eprintln!("{name} failed at {url:?}\nconsole: {console:#?}\npage: {page}");
        }
        // Only closes the browser cleanly; the processes are killed anyway.
        let _ = browser.driver.clone().quit().await;
        match outcome {
            Ok(Ok(())) => {
                assert!(console.is_empty(), "{name} left messages in the console: {console:#?}");
            }
            Ok(Err(error)) => panic!("{name}: {error:?}"),
            Err(panic) => resume_unwind(panic),
        }
    }

    /// A browser with an empty profile.
    pub async fn start(engine: Engine, flags: &[String]) -> Self {
        crate::install_cryptography();
        let profile = TempDir::new().expect("a profile can be made");
        let name = unique();
        let port = free_port();
        let mut command = match engine {
            Engine::Chromium => Command::new("chromedriver"),
            Engine::Firefox => Command::new(geckodriver()),
            Engine::WebKit => Command::new("WebKitWebDriver"),
        };
        command.arg(format!("--port={port}"));
        command.env("HOME", profile.path()).env("TMPDIR", profile.path());
        let mut processes = Vec::new();
        if engine == Engine::WebKit {
            let mut xvfb = Command::new("sh");
            xvfb.args(["-c", "Xvfb -displayfd 1 -nolisten tcp | sed -u 's/^/display /'"]);
            let mut screen = Process::start(crate::log_of(&format!("screen-{name}")), &mut xvfb);
            command.env("DISPLAY", format!(":{}", screen.line_after("display ", START).await));
            processes.push(screen);
        }
        // The driver must stop before its screen.
        processes
            .insert(0, Process::start(crate::log_of(&format!("{engine:?}-{name}")), &mut command));
        let deadline = Instant::now() + START;
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            processes[0].must_go_on(deadline, "the driver");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let capabilities = capabilities(engine, profile.path(), flags);
        let driver = WebDriver::builder(format!("http://127.0.0.1:{port}"), capabilities)
            .connect()
            .await
            .unwrap_or_else(|error| panic!("no {engine:?}: {error}\n{}", processes[0].output()));
        Self { driver, engine, _processes: processes, _profile: profile }
    }

    /// The unexpected console messages since the last call: errors, warnings, failed requests and CSP
    /// violations, one line each. Only Chromium provides them.
    pub async fn console(&self) -> Vec<String> {
        if self.engine != Engine::Chromium {
            return Vec::new();
        }
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

    /// Emulates a phone with this width in CSS pixels.
    pub async fn use_phone(&self, width: u32) -> WebDriverResult<()> {
        let metrics = json!({
            "width": width, "height": 640, "deviceScaleFactor": 2, "mobile": true,
        });
        self.emulate("setDeviceMetricsOverride", metrics).await
    }

    /// Sets the preferred color scheme, `light` or `dark`, and disables transitions.
    pub async fn prefer(&self, color_scheme: &str) -> WebDriverResult<()> {
        let media = json!({ "features": [
            { "name": "prefers-color-scheme", "value": color_scheme },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ] });
        self.emulate("setEmulatedMedia", media).await
    }

    /// Disconnects the current page from the network, or reconnects it.
    pub async fn be_offline(&self, offline: bool) -> WebDriverResult<()> {
        let conditions = json!({
            "offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1,
        });
        self.driver.cdp().send_raw("Network.enable", json!({})).await?;
        self.driver.cdp().send_raw("Network.emulateNetworkConditions", conditions).await?;
        Ok(())
    }

    /// Whether the page is wider than the window, so that users must scroll sideways or zoom out.
    pub async fn scrolls_sideways(&self) -> WebDriverResult<bool> {
        let script =
            "return document.documentElement.scrollWidth > document.documentElement.clientWidth";
        self.driver.execute(script, Vec::new()).await?.convert()
    }

    /// The accessibility violations that axe-core finds on the current page, one line each.
    pub async fn violations(&self) -> WebDriverResult<Vec<String>> {
        let axe =
            crate::project().join("tests/certified_provider/node_modules/axe-core/axe.min.js");
        let axe = std::fs::read_to_string(axe).expect("axe-core is installed: use tests/run");
        let run = "const done = arguments[0];
            axe.run(document).then(
                ({ violations }) => done(violations.flatMap(({ id, nodes }) =>
                    nodes.map(({ html, failureSummary }) => `${id}: ${html}: ${failureSummary}`))),
                (error) => done([String(error)]));";
        self.driver.execute_async(format!("{axe}\n{run}"), Vec::new()).await?.convert()
    }

    async fn emulate(&self, method: &str, parameters: Value) -> WebDriverResult<()> {
        self.driver.cdp().send_raw(&format!("Emulation.{method}"), parameters).await?;
        Ok(())
    }
}

impl Deref for RealBrowser {
    type Target = WebDriver;

    fn deref(&self) -> &WebDriver {
        &self.driver
    }
}

impl Drop for RealBrowser {
    fn drop(&mut self) {
        // Otherwise dropping the driver sends a request that blocks this thread for two minutes. The
        // processes are killed next.
        let _ = self.driver.clone().leak();
    }
}

/// The path where `tests/run` installs geckodriver, since Debian has no package of it.
fn geckodriver() -> PathBuf {
    let geckodriver = crate::project().join("target/tools/bin/geckodriver");
    assert!(geckodriver.exists(), "geckodriver is not installed: use tests/run");
    geckodriver
}

fn capabilities(engine: Engine, profile: &Path, flags: &[String]) -> Capabilities {
    match engine {
        Engine::Chromium => {
            let mut capabilities = DesiredCapabilities::chrome();
            let profile = format!("--user-data-dir={}", profile.display());
            let own = CHROMIUM_FLAGS.iter().copied().chain([profile.as_str()]);
            for flag in own.chain(flags.iter().map(String::as_str)) {
                let flag = flag.trim_start_matches('-');
                capabilities.add_arg(flag).expect("a flag is a string");
            }
            let level = LoggingPrefsLogLevel::All;
            capabilities.set_browser_log_level(level).expect("it is a capability");
            capabilities.into()
        }
        Engine::Firefox => {
            let mut capabilities = DesiredCapabilities::firefox();
            capabilities.set_headless().expect("it is a capability");
            capabilities.into()
        }
        Engine::WebKit => Capabilities::new(),
    }
}
