//! Captures log output for tests.

use std::{
    io,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use serde_json::Value;
use tracing::{
    Dispatch,
    dispatcher::{self, DefaultGuard},
    subscriber::NoSubscriber,
};

/// A captured log. Clones share the same log.
#[derive(Clone, Debug, Default)]
pub struct CapturedLog(Arc<Mutex<Vec<u8>>>);

impl CapturedLog {
    /// The writer for a subscriber of `tracing_subscriber`.
    pub fn writer(&self) -> impl Fn() -> Self + Send + Sync + use<> {
        let log = self.clone();
        move || log.clone()
    }

    /// The whole log.
    pub fn text(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The lines of the log, each of which must be one JSON object.
    ///
    /// # Panics
    ///
    /// When a line is not a JSON object.
    pub fn lines(&self) -> Vec<Value> {
        let object = |line: &str| match serde_json::from_str(line) {
            Ok(object @ Value::Object(_)) => object,
            _ => unreachable!("a line of the log is no JSON object: {line}"),
        };
        self.text().lines().map(object).collect()
    }
}

/// Makes `subscriber` receive the events of this thread until the guard is dropped.
///
/// While a process has only one subscriber, `tracing` caches for all threads whether the first thread
/// that reaches an event has a subscriber. A test thread without one would thus disable the event for
/// this thread. A second subscriber that always exists prevents this.
pub fn hear(subscriber: impl Into<Dispatch>) -> DefaultGuard {
    static SECOND: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(NoSubscriber::new()));
    LazyLock::force(&SECOND);
    dispatcher::set_default(&subscriber.into())
}

impl io::Write for CapturedLog {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn speak() {
        tracing::warn!("an event");
    }

    #[test]
    fn a_thread_without_a_subscriber_does_not_disable_events_of_another() {
        let log = CapturedLog::default();
        let guard = hear(tracing_subscriber::fmt().json().with_writer(log.writer()).finish());
        std::thread::spawn(speak).join().unwrap();
        assert_eq!(log.text(), "");
        speak();
        assert_eq!(log.lines().len(), 1);
        drop(guard);
        speak();
        assert_eq!(log.lines().len(), 1);
    }
}
