//! What was logged, for a test to look at.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::Value;

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

impl io::Write for CapturedLog {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
