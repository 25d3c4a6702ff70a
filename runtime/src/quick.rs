use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// A call that took longer has waited: for a device, or for a processor.
const LIMIT: Duration = Duration::from_millis(10);

/// After so many waits in a row it is a device. Others that a thread of an executor serves must not
/// wait for that too, so that from then on threads for what blocks make the calls.
const WAITS: u32 = 3;

/// Whether calls that may block take no longer than a copy in memory, as far as anybody has seen:
/// nearly every read or write of a file ends in the system's memory.
#[derive(Debug)]
pub(crate) struct Quick {
    holds: AtomicBool,
    /// Calls that have waited, since one last did not.
    waits: AtomicU32,
}

impl Quick {
    pub(crate) const fn new(holds: bool) -> Self {
        Self {
            holds: AtomicBool::new(holds),
            waits: AtomicU32::new(0),
        }
    }

    pub(crate) fn holds(&self) -> bool {
        self.holds.load(Ordering::Relaxed)
    }

    /// Makes a call, and notes how long it took.
    pub(crate) fn time<T>(&self, call: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let done = call();
        self.took(began.elapsed());
        done
    }

    fn took(&self, time: Duration) {
        if time <= LIMIT {
            self.waits.store(0, Ordering::Relaxed);
        } else if self.waits.fetch_add(1, Ordering::Relaxed) + 1 >= WAITS {
            self.holds.store(false, Ordering::Relaxed);
        }
    }

    /// As after so many calls that have waited.
    #[cfg(test)]
    pub(crate) fn wait(&self, times: u32) {
        (0..times).for_each(|_| self.took(2 * LIMIT));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_now_and_then_is_no_device_and_several_in_a_row_are() {
        let quick = Quick::new(true);
        for _ in 0..10 {
            quick.wait(WAITS - 1);
            quick.time(|| ());
        }
        assert!(quick.holds());
        quick.wait(WAITS);
        quick.time(|| ());
        assert!(!quick.holds(), "it does not come back");
    }
}
