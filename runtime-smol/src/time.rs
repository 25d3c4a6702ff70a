//! Clocks and timers: what the core can't have, and what the reactor should not be asked too often.

use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use async_io::Timer;
use futures_lite::FutureExt as _;
use sans3_core::time::Instant as Tick;

/// Turns the system's monotonic time into the core's and back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    epoch: Instant,
}

/// A timer for a deadline that moves.
///
/// Setting a timer wakes the reactor's thread. Deadlines mostly move away from it, with each byte
/// that comes, so it is left as it is then, and set again where it fires too early.
#[derive(Debug, Default)]
pub(crate) struct Alarm(Option<(Instant, Timer)>);

impl Clock {
    /// A clock whose epoch is now.
    pub(crate) fn start() -> Self {
        Self {
            epoch: Instant::now(),
        }
    }

    pub(crate) fn now(&self) -> Tick {
        Tick::ZERO + self.epoch.elapsed()
    }

    /// `tick` as a deadline for timers; `None` where it is too far away to ever come.
    pub(crate) fn deadline(&self, tick: Tick) -> Option<Instant> {
        self.epoch.checked_add(tick.since(Tick::ZERO))
    }
}

impl Alarm {
    /// Ready when `limit` is over, counted from `since`.
    pub(crate) fn poll_after(
        &mut self,
        cx: &mut Context<'_>,
        since: Instant,
        limit: Duration,
    ) -> Poll<()> {
        match since.checked_add(limit) {
            Some(deadline) => self.poll(cx, deadline),
            // Too far away to ever come: somebody wants no limit.
            None => Poll::Pending,
        }
    }

    /// Ready at `deadline`.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        loop {
            let (set, timer) = match &mut self.0 {
                Some(running) if running.0 <= deadline => running,
                early => early.insert((deadline, Timer::at(deadline))),
            };
            ready!(timer.poll(cx));
            let is_over = *set == deadline || Instant::now() >= deadline;
            self.0 = None;
            if is_over {
                return Poll::Ready(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use futures_lite::future::block_on;

    use super::*;

    #[test]
    fn an_alarm_follows_its_deadline_both_ways() {
        let (mut alarm, began) = (Alarm::default(), Instant::now());
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let [near, later, far] = [30, 60, 60_000].map(|ms| began + Duration::from_millis(ms));
        assert!(alarm.poll(&mut cx, far).is_pending());
        assert!(alarm.poll(&mut cx, near).is_pending());
        block_on(poll_fn(|cx| alarm.poll(cx, later)));
        assert!(Instant::now() >= later);
        assert!(Instant::now() < far);
    }

    #[test]
    fn a_limit_that_nobody_lives_to_see_is_none() {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let never = Alarm::default().poll_after(&mut cx, Instant::now(), Duration::MAX);
        assert!(never.is_pending());
    }
}
