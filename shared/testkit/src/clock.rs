//! The clock of a test.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use shared::clock::{Clock, Timestamp};

/// The time at which every test begins.
pub const START: Timestamp = Timestamp::from_unix(1_800_000_000);

/// A clock that moves only on request. Its clones show the same time.
#[derive(Clone, Debug)]
pub struct MovedClock(Arc<AtomicU64>);

impl MovedClock {
    /// A clock that shows [`START`].
    pub fn new() -> Self {
        Self(Arc::new(AtomicU64::new(START.as_unix())))
    }

    /// The current time.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_unix(self.0.load(Ordering::SeqCst))
    }

    /// Moves the clock forward.
    pub fn pass(&self, time: Duration) {
        self.0.fetch_add(time.as_secs(), Ordering::SeqCst);
    }

    /// This clock in the type that the product uses.
    pub fn as_clock(&self) -> Clock {
        let clock = self.clone();
        Clock::from_fn(move || clock.now())
    }
}

impl Default for MovedClock {
    fn default() -> Self {
        Self::new()
    }
}
