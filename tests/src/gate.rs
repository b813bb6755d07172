//! A gate that holds up tasks until a test opens it.

use tokio::sync::Semaphore;

/// Tasks wait at it until it is opened. A test can wait for arrivals.
#[derive(Debug)]
pub struct Gate {
    arrived: Semaphore,
    opened: Semaphore,
}

impl Gate {
    /// Waits until one more task has arrived.
    pub async fn arrival(&self) {
        self.arrivals(1).await;
    }

    /// Waits until `count` more tasks have arrived.
    pub async fn arrivals(&self, count: u32) {
        self.arrived.acquire_many(count).await.expect("it is never closed").forget();
    }

    /// Lets all waiting and all later tasks pass.
    pub fn open(&self) {
        self.opened.close();
    }

    /// Arrives at the gate and waits until it is open.
    pub(crate) async fn pass(&self) {
        self.arrived.add_permits(1);
        // There are no permits: the only outcome is an error, when the gate is open.
        let _ = self.opened.acquire().await;
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self { arrived: Semaphore::new(0), opened: Semaphore::new(0) }
    }
}
