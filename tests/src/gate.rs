//! What holds others up until it is opened.

use tokio::sync::Semaphore;

/// Whoever comes to it waits until it is opened, and whoever tells the story knows how many have come.
#[derive(Debug)]
pub struct Gate {
    arrived: Semaphore,
    opened: Semaphore,
}

impl Gate {
    /// Waits until one more has come to it.
    pub async fn arrival(&self) {
        self.arrivals(1).await;
    }

    /// Waits until so many more have come to it.
    pub async fn arrivals(&self, count: u32) {
        self.arrived.acquire_many(count).await.expect("it is never closed").forget();
    }

    /// Lets everybody through, now and from now on.
    pub fn open(&self) {
        self.opened.close();
    }

    /// Comes to it, and goes on when it is open.
    pub(crate) async fn pass(&self) {
        self.arrived.add_permits(1);
        // Nobody is given a permit: an error says that it is open.
        let _ = self.opened.acquire().await;
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self { arrived: Semaphore::new(0), opened: Semaphore::new(0) }
    }
}
