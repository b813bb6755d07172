//! The functions' log, checked for secrets and undocumented lines.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{LazyLock, Mutex, MutexGuard, Once, PoisonError};

use http::header::{self, HeaderName};
use serde_json::Value;
use shared::{
    testing::captured_log::CapturedLog,
    web::request::{Request, Response},
};
use tracing::{Dispatch, instrument::WithSubscriber};
use url::Url;

use crate::documentation::{Documentation, LoggedEvent};
use crate::secrets::assert_absent;

/// A log that is checked when it is dropped: it must contain no registered secret, and no line that
/// `functions/README.md` does not document.
///
/// Libraries may log outside of the [watched](Self::watch) futures, for example in their own tasks.
/// Those lines are in the log of the whole process, which is checked too.
#[derive(Debug)]
pub struct WatchedLog {
    log: CapturedLog,
    subscriber: Dispatch,
    secrets: Mutex<BTreeMap<String, &'static str>>,
}

impl WatchedLog {
    /// Runs `future` and captures its log.
    pub async fn watch<F: Future>(&self, future: F) -> F::Output {
        future.with_subscriber(self.subscriber.clone()).await
    }

    /// The response of `handler` to `request`. Credentials of the request must not occur in the lines
    /// of this exchange. Secrets in the response must not occur in any line.
    pub async fn exchange<F: Future<Output = Response>>(
        &self,
        request: Request,
        handler: impl FnOnce(Request) -> F,
    ) -> Response {
        let brought = credentials(&request);
        let brought: Vec<_> =
            brought.iter().map(|text| ("what a request brought", text.as_str())).collect();
        let logged = self.log.text().len();
        let response = self.watch(handler(request)).await;
        assert_absent(&self.log.text().as_bytes()[logged..], &brought);
        for (name, secret) in handed_out(&response) {
            self.keep_out(name, &secret);
        }
        response
    }

    /// Registers `secret`, which must not occur in any line, including earlier ones.
    pub fn keep_out(&self, name: &'static str, secret: &str) {
        self.secrets().insert(secret.to_owned(), name);
    }

    /// The whole log.
    #[must_use]
    pub fn text(&self) -> String {
        self.log.text()
    }

    /// Each line.
    #[must_use]
    pub fn lines(&self) -> Vec<Value> {
        self.log.lines()
    }

    /// Each event: its name, followed by a colon and its error if it has one.
    #[must_use]
    pub fn events(&self) -> Vec<String> {
        let text = |line: &Value, name: &str| line[name].as_str().map(str::to_owned);
        let event = |line: &Value| {
            let name = text(line, "event")?;
            Some(text(line, "error").map_or(name.clone(), |error| format!("{name}: {error}")))
        };
        self.lines().iter().filter_map(event).collect()
    }

    /// The errors of the events with this name; empty where an event has none.
    #[must_use]
    pub fn errors_of(&self, event: &str) -> Vec<String> {
        let lines = self.lines().into_iter().filter(|line| line["event"] == event);
        lines.map(|line| line["error"].as_str().unwrap_or_default().to_owned()).collect()
    }

    fn secrets(&self) -> MutexGuard<'_, BTreeMap<String, &'static str>> {
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An empty log at debug level.
impl Default for WatchedLog {
    fn default() -> Self {
        static STARTED: Once = Once::new();
        STARTED.call_once(|| gateway::logging::start(subscriber(&PROCESS)));
        let log = CapturedLog::default();
        let subscriber = Dispatch::new(subscriber(&log));
        Self { log, subscriber, secrets: Mutex::default() }
    }
}

impl Drop for WatchedLog {
    fn drop(&mut self) {
        // A failed test already has a message; a second panic would abort the process.
        if std::thread::panicking() {
            return;
        }
        let secrets = self.secrets();
        let secrets: Vec<_> = secrets.iter().map(|(secret, name)| (*name, &**secret)).collect();
        assert_absent(different_lines(&self.log).as_bytes(), &secrets);
        assert_absent(different_lines(&PROCESS).as_bytes(), &secrets);
        self.log.lines().iter().for_each(assert_documented);
    }
}

static PROCESS: LazyLock<CapturedLog> = LazyLock::new(CapturedLog::default);

/// The lines without duplicates that differ only in their time, so that repeated lines are searched
/// once.
fn different_lines(log: &CapturedLog) -> String {
    let without_time = |mut line: Value| {
        line.as_object_mut().expect("a line is an object").remove("timestamp");
        line.to_string()
    };
    let lines: BTreeSet<_> = log.lines().into_iter().map(without_time).collect();
    lines.into_iter().collect::<Vec<_>>().join("\n")
}

fn subscriber(log: &CapturedLog) -> impl tracing::Subscriber + Send + Sync + use<> {
    gateway::logging::subscriber(
        gateway::logging::Logging::json(true),
        &local::bundle::programs(),
        log.writer(),
    )
}

/// The credentials in a request, and all values of its query except the provider's error texts
/// (R194). Only values long enough to be distinguished from other text.
fn credentials(request: &Request) -> Vec<String> {
    let texts = |name: HeaderName| {
        let values = request.headers().get_all(name).iter();
        values
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
            .collect::<Vec<_>>()
    };
    let cookies = texts(header::COOKIE);
    let cookies = cookies.iter().flat_map(|header| header.split([';', '=', ' ']));
    let tokens = texts(header::AUTHORIZATION);
    let tokens = tokens.iter().flat_map(|header| header.split([' ', ',']));
    let query = request.uri().query().unwrap_or_default();
    let is_word = |name: &str| ["error", "error_description"].contains(&name);
    let query = form_urlencoded::parse(query.as_bytes())
        .filter(|(name, _)| !is_word(name))
        .map(|(_, value)| value.into_owned());
    let all = cookies.chain(tokens).map(str::to_owned).chain(query);
    all.filter(|text| text.len() >= 16).collect()
}

/// The secrets in a response: its cookies, and those of a redirect to the provider.
fn handed_out(response: &Response) -> Vec<(&'static str, String)> {
    let texts = |name: HeaderName| {
        response.headers().get_all(name).iter().filter_map(|value| value.to_str().ok())
    };
    let cookies = texts(header::SET_COOKIE)
        .filter_map(|header| header.split(';').next()?.split_once('='))
        .map(|(_, value)| ("a cookie", value.to_owned()));
    let is_secret = |name: &str| ["id_token_hint", "nonce", "state"].contains(&name);
    let parameters = texts(header::LOCATION)
        .filter_map(|location| Url::parse(location).ok())
        .flat_map(|location| location.query_pairs().into_owned().collect::<Vec<_>>())
        .filter(|(name, _)| is_secret(name))
        .map(|(_, value)| ("a parameter of a redirect", value));
    cookies.chain(parameters).filter(|(_, secret)| !secret.is_empty()).collect()
}

/// R175: asserts that a line is an event with the level and fields that `functions/README.md` documents.
fn assert_documented(line: &Value) {
    let text = |name: &str| line[name].as_str().unwrap_or_default();
    let (event, level, target) = (text("event"), text("level"), text("target"));
    let is_of_functions =
        CRATES.iter().any(|name| target == name || target.starts_with(&format!("{name}::")));
    if !is_of_functions || level == "DEBUG" {
        return;
    }
    static DOCUMENTED: LazyLock<BTreeMap<String, LoggedEvent>> =
        LazyLock::new(|| Documentation::read().events());
    let documented = DOCUMENTED.get(event);
    let documented = documented
        .unwrap_or_else(|| panic!("functions/README.md does not document the event: {line}"));
    assert!(
        documented.levels.contains(level),
        "functions/README.md documents another level: {line}"
    );
    for field in line.as_object().expect("a line is an object").keys() {
        let is_known = OF_EVERY_LINE.contains(&&**field) || documented.fields.contains(field);
        assert!(is_known, "functions/README.md does not document the field `{field}`: {line}");
    }
}

/// The crates whose lines are documented.
static CRATES: LazyLock<Vec<String>> = LazyLock::new(|| {
    [crate::functions(), vec!["gateway".to_owned(), "shared".to_owned()]].concat()
});

const OF_EVERY_LINE: [&str; 6] = ["event", "level", "message", "span", "target", "timestamp"];

#[cfg(test)]
mod tests {
    use base64::{Engine, prelude::BASE64_STANDARD};

    use super::*;

    /// A log with this line, in which this secret must not occur. Each test in a process needs a
    /// different secret.
    async fn log(secret: &str, line: &str) -> WatchedLog {
        let log = WatchedLog::default();
        log.keep_out("the secret", secret);
        log.watch(async { tracing::warn!(line) }).await;
        assert_eq!(log.lines()[0]["line"], line);
        log
    }

    #[tokio::test]
    #[should_panic(expected = "the secret was found")]
    async fn r173_a_secret_is_found_when_the_log_is_dropped() {
        drop(log("swordfish", &BASE64_STANDARD.encode("x swordfish x")).await);
    }

    #[tokio::test]
    #[should_panic(expected = "the secret was found")]
    async fn r173_a_secret_is_found_outside_of_watched_futures() {
        let log = log("open sesame", "nothing").await;
        tracing::warn!("open sesame");
        drop(log);
    }

    #[tokio::test]
    #[should_panic(expected = "does not document the event")]
    async fn r175_an_undocumented_event_is_found() {
        let log = WatchedLog::default();
        log.watch(async { tracing::warn!(target: "shared::jwt", event = "made.up") }).await;
        drop(log);
    }
}
