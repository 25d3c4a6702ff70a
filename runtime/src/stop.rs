use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Asks one exchange to end. Clones are of the same request.
///
/// One waker waits at a time. An exchange that blocks its thread can register a waker that shuts
/// its socket down, which makes every call on that socket return.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    stopped: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Stop {
    /// Asks for the end.
    pub fn stop(&self) {
        self.0.stopped.store(true, Ordering::Release);
        let waker = self.waker().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Whether the end was asked for.
    pub fn is_stopped(&self) -> bool {
        self.0.stopped.load(Ordering::Acquire)
    }

    /// Ready once the end was asked for; else wakes whoever asked last.
    pub fn poll_stopped(&self, cx: &Context<'_>) -> Poll<()> {
        self.wake(cx.waker());
        if self.is_stopped() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    /// Waits until the end is asked for.
    pub async fn stopped(&self) {
        poll_fn(|cx| self.poll_stopped(cx)).await;
    }

    /// Has `waker` woken by the end, at once where it was asked for already. It takes the place of
    /// the one before.
    pub fn on_stop(&self, waker: &Waker) {
        self.wake(waker);
        if self.is_stopped() {
            waker.wake_by_ref();
        }
    }

    fn wake(&self, waker: &Waker) {
        let mut before = self.waker();
        match &mut *before {
            Some(before) => before.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
    }

    fn waker(&self) -> MutexGuard<'_, Option<Waker>> {
        self.0.waker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicU32);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn whoever_waits_is_woken_once_and_whoever_comes_late_at_once() {
        let (stop, count) = (Stop::default(), Arc::<Count>::default());
        let waker = Waker::from(Arc::clone(&count));
        let cx = Context::from_waker(&waker);
        assert_eq!(stop.poll_stopped(&cx), Poll::Pending);
        let same = stop.clone();
        same.stop();
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert_eq!(stop.poll_stopped(&cx), Poll::Ready(()));
        stop.on_stop(&waker);
        assert_eq!(count.0.load(Ordering::Relaxed), 2);
    }
}
