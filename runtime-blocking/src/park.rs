//! Waiting for futures on the thread that needs what they bring.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

/// Lets one thread go on. Not by [`std::thread::park`]: threads of the caller's may be parked for
/// reasons of their own, and must not lose a call of theirs to us.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    given: Mutex<bool>,
    changed: Condvar,
}

impl Signal {
    /// A signal, and what gives it.
    pub(crate) fn new() -> (Arc<Self>, Waker) {
        let signal = Arc::<Self>::default();
        let waker = Waker::from(Arc::clone(&signal));
        (signal, waker)
    }

    /// Gives the signal. Before somebody waits for it is as good.
    pub(crate) fn give(&self) {
        *self.given.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_one();
    }

    /// Waits until the signal was given since it was last waited for, or until `until`.
    pub(crate) fn wait(&self, until: Option<Instant>) {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        while !*given {
            let Some(until) = until else {
                given = self
                    .changed
                    .wait(given)
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let waited = self.changed.wait_timeout(given, left);
            (given, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
        *given = false;
    }
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.give();
    }
}

/// When `limit` is over that began at `since`; in a century where it would be later than that.
pub(crate) fn deadline(since: Instant, limit: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
    since + limit.min(CENTURY)
}

/// Blocks this thread until `future` is ready.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    block_on_poll(|cx| future.as_mut().poll(cx))
}

/// Blocks this thread until `poll` is ready.
pub(crate) fn block_on_poll<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
    let (signal, waker) = Signal::new();
    let mut cx = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(done) = poll(&mut cx) {
            return done;
        }
        signal.wait(None);
    }
}

/// Blocks this thread until `future` is ready, for `limit` at most.
pub(crate) fn block_on_for<T>(
    mut future: Pin<&mut impl Future<Output = T>>,
    limit: Duration,
) -> Option<T> {
    let (signal, waker) = Signal::new();
    let mut cx = Context::from_waker(&waker);
    let until = deadline(Instant::now(), limit);
    loop {
        if let Poll::Ready(done) = future.as_mut().poll(&mut cx) {
            return Some(done);
        }
        if Instant::now() >= until {
            return None;
        }
        signal.wait(Some(until));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_not_lost_and_counts_once() {
        let (signal, waker) = Signal::new();
        waker.wake_by_ref();
        waker.wake();
        signal.wait(None);
        let began = Instant::now();
        signal.wait(Some(began + Duration::from_millis(30)));
        assert!(began.elapsed() >= Duration::from_millis(30));
    }

    #[test]
    fn a_thread_that_waits_keeps_what_unparks_it() {
        std::thread::current().unpark();
        let late = std::future::pending::<()>();
        assert_eq!(block_on_for(pin!(late), Duration::from_millis(5)), None);
        // Returns at once.
        std::thread::park();
    }

    #[test]
    fn a_limit_may_be_any() {
        let now = Instant::now();
        assert!(deadline(now, Duration::MAX) > now);
        assert_eq!(block_on_for(pin!(async { 7 }), Duration::MAX), Some(7));
    }
}
