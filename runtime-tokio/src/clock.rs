//! Monotonic time, which the core can't read by itself.

use sans3_core::time::Instant;

/// Turns tokio's time into the core's and back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    epoch: tokio::time::Instant,
}

impl Clock {
    /// A clock whose epoch is now.
    pub(crate) fn start() -> Self {
        Self {
            epoch: tokio::time::Instant::now(),
        }
    }

    pub(crate) fn now(&self) -> Instant {
        let nanos = self.epoch.elapsed().as_nanos();
        Instant::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// `instant` as a deadline for tokio's timers.
    pub(crate) fn deadline(&self, instant: Instant) -> tokio::time::Instant {
        self.epoch + instant.since(Instant::ZERO)
    }
}
