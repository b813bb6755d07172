//! What the functions log, watched for what may not be in it.

use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex, MutexGuard, Once, PoisonError};

use serde_json::Value;
use shared::captured_log::CapturedLog;
use tracing::{Dispatch, instrument::WithSubscriber};

use crate::documentation::{Documentation, LoggedEvent};
use crate::secrets::assert_absent;

/// A log in which, when it is dropped, no secret may be found that was named to it, and no line but
/// those that `README.md` promises.
///
/// What a library logs outside of the futures that are [watched](Self::watch), say on a task of its
/// own, is in the log of the whole process, which is looked at as well.
#[derive(Debug)]
pub struct WatchedLog {
    log: CapturedLog,
    subscriber: Dispatch,
    secrets: Mutex<BTreeMap<String, &'static str>>,
}

impl WatchedLog {
    /// An empty log, of all that a function logs in debug.
    #[must_use]
    pub fn new() -> Self {
        static STARTED: Once = Once::new();
        STARTED.call_once(|| gateway::logging::start(subscriber(&PROCESS)));
        let log = CapturedLog::default();
        let subscriber = Dispatch::new(subscriber(&log));
        Self { log, subscriber, secrets: Mutex::default() }
    }

    /// Runs `future`, and keeps what it logs.
    pub async fn watch<F: Future>(&self, future: F) -> F::Output {
        future.with_subscriber(self.subscriber.clone()).await
    }

    /// From now on, and of all that was logged already, `secret` may not be found in it.
    pub fn keep_out(&self, name: &'static str, secret: &str) {
        self.secrets().insert(secret.to_owned(), name);
    }

    /// How many bytes were logged so far.
    #[must_use]
    pub fn length(&self) -> usize {
        self.log.text().len()
    }

    /// Asserts that none of these was logged after the first `length` bytes.
    pub fn assert_absent_since(&self, length: usize, secrets: &[(&str, &str)]) {
        assert_absent(&self.log.text().as_bytes()[length..], secrets);
    }

    /// Each line.
    #[must_use]
    pub fn lines(&self) -> Vec<Value> {
        self.log.lines()
    }

    /// Each line that tells an event: its name, and the error if there is one.
    #[must_use]
    pub fn events(&self) -> Vec<(String, String)> {
        let text = |line: &Value, name: &str| line[name].as_str().unwrap_or_default().to_owned();
        let lines = self.lines();
        let events = lines.iter().filter(|line| line.get("event").is_some());
        events.map(|line| (text(line, "event"), text(line, "error"))).collect()
    }

    /// The events of this name, with their errors.
    #[must_use]
    pub fn errors_of(&self, event: &str) -> Vec<String> {
        let events = self.events().into_iter();
        events.filter(|(name, _)| name == event).map(|(_, error)| error).collect()
    }

    fn secrets(&self) -> MutexGuard<'_, BTreeMap<String, &'static str>> {
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for WatchedLog {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for WatchedLog {
    fn drop(&mut self) {
        // A story that has failed already says why; a second panic would end the process.
        if std::thread::panicking() {
            return;
        }
        let secrets = self.secrets();
        let secrets: Vec<_> = secrets.iter().map(|(secret, name)| (*name, &**secret)).collect();
        for log in [&self.log, &PROCESS] {
            assert_absent(log.text().as_bytes(), &secrets);
        }
        self.log.lines().iter().for_each(assert_documented);
    }
}

static PROCESS: LazyLock<CapturedLog> = LazyLock::new(CapturedLog::default);

fn subscriber(log: &CapturedLog) -> impl tracing::Subscriber + Send + Sync + use<> {
    gateway::logging::subscriber(true, "local::main", log.writer())
}

/// R175: a line of the functions is an event with the level and the fields that `README.md` names.
fn assert_documented(line: &Value) {
    let text = |name: &str| line[name].as_str().unwrap_or_default();
    let (event, level, target) = (text("event"), text("level"), text("target"));
    let is_of_functions =
        FUNCTIONS.iter().any(|name| target == *name || target.starts_with(&format!("{name}::")));
    if !is_of_functions || level == "DEBUG" {
        return;
    }
    static DOCUMENTED: LazyLock<BTreeMap<String, LoggedEvent>> =
        LazyLock::new(|| Documentation::read().events());
    let documented = DOCUMENTED.get(event);
    let documented = documented.unwrap_or_else(|| panic!("README.md knows no such event: {line}"));
    assert!(documented.levels.contains(level), "README.md names another level: {line}");
    for field in line.as_object().expect("a line is an object").keys() {
        let is_known = OF_EVERY_LINE.contains(&&**field) || documented.fields.contains(field);
        assert!(is_known, "README.md does not name the field `{field}`: {line}");
    }
}

const FUNCTIONS: [&str; 6] = ["callback", "gateway", "login", "logout", "protected", "shared"];
const OF_EVERY_LINE: [&str; 6] = ["event", "level", "message", "span", "target", "timestamp"];

#[cfg(test)]
mod tests {
    use base64::{Engine, prelude::BASE64_STANDARD};

    use super::*;

    /// A log with this line that this secret is to be kept out of. In a process with many tests
    /// each needs a secret of its own.
    async fn log(secret: &str, line: &str) -> WatchedLog {
        let log = WatchedLog::new();
        log.keep_out("the secret", secret);
        log.watch(async { tracing::warn!(line) }).await;
        assert_eq!(log.lines()[0]["line"], line);
        log
    }

    #[tokio::test]
    async fn what_is_no_secret_may_be_logged() {
        drop(log("hunter2-hunter2", "hunter3-hunter3").await);
    }

    #[tokio::test]
    #[should_panic(expected = "the secret is there")]
    async fn r173_a_secret_is_found_when_the_log_is_dropped() {
        drop(log("swordfish", &BASE64_STANDARD.encode("x swordfish x")).await);
    }

    #[tokio::test]
    #[should_panic(expected = "the secret is there")]
    async fn r173_a_secret_is_found_outside_of_what_is_watched() {
        let log = log("open sesame", "nothing").await;
        tracing::warn!("open sesame");
        drop(log);
    }

    #[tokio::test]
    #[should_panic(expected = "no such event")]
    async fn r175_an_event_that_nobody_described_is_found() {
        let log = WatchedLog::new();
        log.watch(async { tracing::warn!(target: "shared::jwt", event = "made.up") }).await;
        drop(log);
    }
}
