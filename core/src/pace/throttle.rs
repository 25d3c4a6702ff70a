use core::num::NonZeroU64;
use core::time::Duration;

use super::bucket::Bucket;
use super::change::RequestRate;
use super::counter::Counter;
use crate::time::Instant;

/// Rates are in thousandths of a request a second.
const REQUEST: u64 = 1_000;

/// Nothing is learnt below one request a second: a server that refuses more than that refuses
/// everything.
const LEAST: u64 = REQUEST;

/// One refusal among so many answers is no reason to go slower than now.
const MILD: u64 = 30;

/// The first guess where a server has refused all that it was sent: ten requests a second.
const GUESS: u64 = 10 * REQUEST;

/// How long it takes to come back to the rate at which requests were answered before.
const RETURN: Duration = Duration::from_secs(2);

/// How long the steps last in which the rate then grows: by 4 % a second in the first one, and by
/// twice as much in each one after it.
const STEP: Duration = Duration::from_secs(1);

/// The growth in the first step, in thousandths a second.
const GROWTH: u64 = 40;

/// How often the rate is set anew while it grows.
const TICK: Duration = Duration::from_millis(100);

/// Beyond eight times the rate that was once too much there is nothing left of it.
const FORGET: u64 = 8_000;

/// Learns how many requests a second a server takes, from those that it refuses.
///
/// Additive increase, multiplicative decrease, as in the adaptive mode of the AWS SDKs, in integers:
/// on a refusal the rate falls to nine tenths of that at which requests were answered during the
/// last second. It comes back within two seconds, then probes, slowly at first. While no more than one
/// in thirty is refused it stays where it is: servers count in slots of their own.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    answered: Counter,
    refused: Counter,
    learnt: Option<Learnt>,
    /// Refusals of requests that were sent before tell nothing new.
    cut_at: Option<Instant>,
}

#[derive(Debug)]
struct Learnt {
    bucket: Bucket,
    rate: u64,
    /// What was answered when it was learnt.
    base: u64,
    since: Instant,
    set_at: Instant,
}

/// A rate that has changed; `None` where there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shift {
    pub(super) from: Option<RequestRate>,
    pub(super) to: Option<RequestRate>,
}

impl Shift {
    /// Between rates in thousandths of a request a second.
    fn new(from: Option<u64>, to: Option<u64>) -> Self {
        Self {
            from: from.map(RequestRate::from_thousandths),
            to: to.map(RequestRate::from_thousandths),
        }
    }
}

impl Throttle {
    /// When the next request may be sent.
    pub(super) fn ready_at(&self) -> Instant {
        let ready = |learnt: &Learnt| learnt.bucket.ready_at();
        self.learnt.as_ref().map_or(Instant::ZERO, ready)
    }

    /// A request is sent.
    pub(super) fn started(&mut self, now: Instant) -> Option<Shift> {
        let learnt = self.learnt.as_mut()?;
        learnt.bucket.take(REQUEST, now);
        if now.since(learnt.set_at) < TICK {
            return None;
        }
        let from = Some(learnt.rate);
        let factor = recovery(now.since(learnt.since));
        if factor >= FORGET {
            self.learnt = None;
            return Some(Shift::new(from, None));
        }
        learnt.set(learnt.base.saturating_mul(factor) / 1_000, now);
        None
    }

    /// A request was answered.
    pub(super) fn answered(&mut self, now: Instant) {
        self.answered.count(now);
    }

    /// A request that was sent at `sent` was refused because there are too many.
    pub(super) fn refused(&mut self, sent: Instant, now: Instant) -> Option<Shift> {
        if self.cut_at.is_some_and(|cut_at| sent <= cut_at) {
            return None;
        }
        self.refused.count(now);
        let (answered, refused) = (self.answered.rate(now), self.refused.rate(now));
        if refused * MILD <= answered {
            if let Some(learnt) = &mut self.learnt {
                learnt.stay(now);
            }
            return None;
        }
        self.cut_at = Some(now);
        let answered = answered.saturating_mul(REQUEST);
        let before = self.learnt.as_ref().map(|learnt| learnt.rate);
        let base = match (answered, before) {
            (0, None) => GUESS,
            (0, Some(rate)) => rate / 2,
            (answered, rate) => answered.min(rate.unwrap_or(answered)),
        };
        let base = base.max(LEAST);
        let rate = (base / 10 * 9).max(LEAST);
        let learnt = self.learnt.get_or_insert_with(|| Learnt {
            bucket: Bucket::new(NonZeroU64::MIN),
            rate,
            base,
            since: now,
            set_at: now,
        });
        (learnt.base, learnt.since) = (base, now);
        learnt.set(rate, now);
        Some(Shift::new(before, Some(rate)))
    }
}

impl Learnt {
    /// Grows from the present rate as it did from the first one.
    fn stay(&mut self, now: Instant) {
        self.base = self.rate;
        let back = u64::try_from(RETURN.as_nanos()).unwrap_or(u64::MAX);
        self.since = Instant::from_nanos(now.as_nanos().saturating_sub(back));
    }

    fn set(&mut self, rate: u64, now: Instant) {
        self.rate = rate;
        self.set_at = now;
        let rate = NonZeroU64::new(rate).unwrap_or(NonZeroU64::MIN);
        self.bucket.set_rate(rate, now);
    }
}

/// Which part of the base the rate is so long after a refusal, in thousandths.
fn recovery(since: Duration) -> u64 {
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let (since, back, step) = (millis(since), millis(RETURN), millis(STEP));
    let Some(beyond) = since.checked_sub(back) else {
        return 900 + 100 * since / back;
    };
    let (steps, rest) = (beyond / step, beyond % step);
    let Some(pace) = u32::try_from(steps)
        .ok()
        .and_then(|steps| GROWTH.checked_shl(steps.min(32)))
    else {
        return FORGET;
    };
    // What the steps before this one have brought, and what this one has.
    let before = (pace - GROWTH).saturating_mul(step) / 1_000;
    1_000 + before + pace.saturating_mul(rest) / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    fn at(millis: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(millis)
    }

    #[test]
    fn the_rate_comes_back_then_probes_then_is_forgotten() {
        let after = |millis| recovery(Duration::from_millis(millis));
        assert_eq!([0, 1_000, 2_000].map(after), [900, 950, 1_000]);
        assert_eq!([2_500, 3_000, 4_000].map(after), [1_020, 1_040, 1_120]);
        assert_eq!([5_000, 6_000].map(after), [1_280, 1_600]);
        assert!(after(9_000) < FORGET && after(10_000) >= FORGET);
        assert!(after(u64::MAX) >= FORGET);
    }

    #[test]
    fn refusals_cut_once_and_only_if_they_are_many() {
        let mut throttle = Throttle::default();
        for millis in 0..1_000 {
            throttle.answered(at(millis / 10));
        }
        let refused = |throttle: &mut Throttle, sent, now| throttle.refused(at(sent), at(now));
        let cuts: Vec<Shift> = (0..1_000)
            .filter_map(|_| refused(&mut throttle, 0, 100))
            .collect();
        let first = Shift::new(None, Some(4_500_000));
        assert_eq!(cuts, [first], "only when they are many, and then once");
        let again = refused(&mut throttle, 101, 3_000).unwrap();
        assert_eq!(again, Shift::new(Some(4_500_000), Some(2_025_000)));
    }

    #[test]
    fn a_server_that_refuses_all_is_asked_ever_more_seldom() {
        let mut throttle = Throttle::default();
        let mut rates = Vec::new();
        for second in 0..12 {
            let cut = throttle.refused(at(second * 1_000), at(second * 1_000 + 30));
            rates.extend(cut.and_then(|cut| cut.to).map(RequestRate::as_thousandths));
        }
        assert_eq!(rates[..3], [9_000, 4_050, 1_818]);
        assert_eq!(rates.last(), Some(&LEAST));
    }

    /// A server that answers 20 requests in each tenth of a second, 30 ms after they were sent.
    #[test]
    fn a_limit_of_the_server_is_found_and_kept_to() {
        let (mut throttle, mut flying) = (Throttle::default(), VecDeque::new());
        let (mut slot, mut room) = (0, 20);
        let (mut answered, mut refused) = (0_u32, 0_u32);
        for millis in 0..60_000 {
            while flying.front().is_some_and(|sent| sent + 30 <= millis) {
                let sent = flying.pop_front().unwrap_or_default();
                if millis / 100 != slot {
                    (slot, room) = (millis / 100, 20);
                }
                let counts = u32::from(millis >= 10_000);
                if room > 0 {
                    room -= 1;
                    throttle.answered(at(millis));
                    answered += counts;
                } else {
                    throttle.refused(at(sent), at(millis));
                    refused += counts;
                }
            }
            // As many at once as would make 500 requests a second.
            while flying.len() < 15 && throttle.ready_at() <= at(millis) {
                throttle.started(at(millis));
                flying.push_back(millis);
            }
        }
        assert!(answered > 50 * 200 * 93 / 100, "{answered} were answered");
        assert!(refused * 50 < answered, "{refused} were refused");
    }

    #[test]
    fn what_is_over_is_forgotten() {
        let mut throttle = Throttle::default();
        throttle.refused(at(0), at(0));
        let mut now = at(0);
        let shift = loop {
            now = now.max(throttle.ready_at());
            if let Some(shift) = throttle.started(now) {
                break shift;
            }
        };
        assert_eq!(shift.to, None);
        assert!(now > at(9_000) && now < at(11_000), "{now:?}");
        assert_eq!(throttle.ready_at(), Instant::ZERO);
    }
}
