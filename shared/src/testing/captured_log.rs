//! What was logged, for a test to look at.

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

/// Everything that was logged into it. A clone is the same log.
#[derive(Clone, Debug, Default)]
pub struct CapturedLog(Arc<Mutex<Vec<u8>>>);

impl CapturedLog {
    /// What a subscriber of `tracing_subscriber` takes as its writer.
    pub fn writer(&self) -> impl Fn() -> Self + Send + Sync + use<> {
        let log = self.clone();
        move || log.clone()
    }

    /// All of it.
    pub fn text(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Its lines, each of which must be one JSON object.
    ///
    /// # Panics
    ///
    /// When one is not.
    pub fn lines(&self) -> Vec<Value> {
        let object = |line: &str| match serde_json::from_str(line) {
            Ok(object @ Value::Object(_)) => object,
            _ => unreachable!("a line of the log is no JSON object: {line}"),
        };
        self.text().lines().map(object).collect()
    }
}

/// Has `subscriber` hear what this thread says, until the guard is dropped.
///
/// While a process has one subscriber, `tracing` asks the thread that first comes to a place in the
/// code whether anybody wants to hear of it, and keeps the answer for all. The thread of another
/// test, which has no subscriber, would silence that place for this one. So there is always a second.
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
        tracing::warn!("somebody speaks");
    }

    #[test]
    fn a_thread_that_nobody_hears_silences_no_other() {
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
