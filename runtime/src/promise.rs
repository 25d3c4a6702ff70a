//! A value that one side will have and the other waits for, with any waker.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// A promise, and what waits for it to be kept.
pub fn promise<T>() -> (Promise<T>, Pending<T>) {
    let slot = Arc::new(Slot {
        state: Mutex::new(State {
            value: None,
            over: false,
            waker: None,
        }),
    });
    (Promise(Arc::clone(&slot)), Pending(slot))
}

/// The side that will have the value.
pub struct Promise<T>(Arc<Slot<T>>);

/// Resolves to the value; to `None` where the promise was dropped, which is what a panic does too.
#[must_use = "nobody learns of the value otherwise"]
pub struct Pending<T>(Arc<Slot<T>>);

struct Slot<T> {
    state: Mutex<State<T>>,
}

struct State<T> {
    value: Option<T>,
    over: bool,
    waker: Option<Waker>,
}

impl<T> Promise<T> {
    /// Hands over the value.
    pub fn keep(self, value: T) {
        self.0.state().value = Some(value);
    }

    /// Hands over the value, and leaves it to the caller to wake whoever waits for it.
    pub(crate) fn keep_quietly(self, value: T) -> Option<Waker> {
        let mut state = self.0.state();
        state.value = Some(value);
        state.over = true;
        state.waker.take()
    }
}

impl<T> Drop for Promise<T> {
    fn drop(&mut self) {
        let waker = {
            let mut state = self.0.state();
            state.over = true;
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Future for Pending<T> {
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.0.state();
        if state.over {
            return Poll::Ready(state.value.take());
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl<T> Slot<T> {
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> fmt::Debug for Promise<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Promise").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Pending<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poll<T>(pending: &mut Pending<T>) -> Poll<Option<T>> {
        Pin::new(pending).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_kept_promise_gives_its_value_and_a_dropped_one_says_so() {
        let (promise, mut pending) = promise();
        assert_eq!(poll(&mut pending), Poll::Pending);
        promise.keep(7);
        assert_eq!(poll(&mut pending), Poll::Ready(Some(7)));

        let (promise, mut pending) = super::promise::<()>();
        drop(promise);
        assert_eq!(poll(&mut pending), Poll::Ready(None));
    }
}
