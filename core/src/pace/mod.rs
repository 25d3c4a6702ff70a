//! How fast a session goes: what the caller allows, what the server allows, what the network has.
//!
//! Everything here is a matter of *when a new exchange may begin*. Bytes that are under way are
//! never held up: a server that is not read from breaks the connection, and a buffer that fills in
//! the kernel is nobody's memory account.
//!
//! | part | says |
//! |---|---|
//! | [`SessionConfig::max_bandwidth`], [`SessionConfig::max_requests`] | what the caller allows a second |
//! | [`Concurrency`] | how many exchanges run at once, and whether that follows what is measured |
//! | [`PaceChange`] | what a session has changed by itself, and why |
//!
//! What a session learns by itself, beside its concurrency: how many requests a second a server
//! takes that refuses more, that a server which fails every request is to be asked seldom, and how long
//! ranges take to begin, so that those which don't are asked for once more.
//!
//! [`SessionConfig::max_bandwidth`]: crate::session::SessionConfig::max_bandwidth
//! [`SessionConfig::max_requests`]: crate::session::SessionConfig::max_requests

mod breaker;
mod bucket;
mod change;
mod concurrency;
mod counter;
mod governor;
mod hedges;
mod throttle;

use core::num::{NonZeroU32, NonZeroU64};
use core::time::Duration;

pub(crate) use breaker::Sign;
use breaker::{Breaker, Tripped};
use bucket::Bucket;
use change::Changes;
pub use change::{Lever, PaceChange, RequestRate, Why};
pub use concurrency::Concurrency;
use governor::Governor;
use hedges::Hedges;
use throttle::{Shift, Throttle};

use crate::time::Instant;

/// The pace of a session.
#[derive(Debug)]
pub(crate) struct Pace {
    bytes: Option<Bucket>,
    requests: Option<Bucket>,
    throttle: Throttle,
    breaker: Breaker,
    /// Absent where the caller has fixed the concurrency.
    governor: Option<Governor>,
    hedges: Hedges,
    changes: Changes,
}

/// When exchanges may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gate {
    /// Any at all.
    pub(crate) any: Instant,
    /// Those that move payload.
    pub(crate) payload: Instant,
}

/// What an exchange costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Freight {
    /// A request and an answer that are nothing beside payload.
    Nothing,
    /// Bytes of objects, as many as are known beforehand.
    Payload(u64),
}

/// An exchange that has come to an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) serial: u64,
    pub(crate) freight: Freight,
    pub(crate) started: Instant,
    /// Bytes of payload that it has moved.
    pub(crate) moved: u64,
    /// Those of them that were told while it was under way.
    pub(crate) told: u64,
    pub(crate) sign: Sign,
}

impl Pace {
    /// A pace of at most so many bytes and requests a second; `slots` where the number of exchanges
    /// at once is to follow what is measured: that at first.
    pub(crate) fn new(
        bandwidth: Option<NonZeroU64>,
        requests: Option<NonZeroU32>,
        slots: Option<u16>,
    ) -> Self {
        Self {
            bytes: bandwidth.map(Bucket::new),
            requests: requests.map(|requests| Bucket::new(requests.into())),
            throttle: Throttle::default(),
            breaker: Breaker::default(),
            governor: slots.map(Governor::new),
            hedges: Hedges::default(),
            changes: Changes::default(),
        }
    }

    /// When the next exchange may begin; now, or in the past, where one may.
    pub(crate) fn gate(&self) -> Gate {
        let ready =
            |bucket: &Option<Bucket>| bucket.as_ref().map_or(Instant::ZERO, Bucket::ready_at);
        let learnt = self.throttle.ready_at().max(self.breaker.ready_at());
        let any = ready(&self.requests).max(learnt);
        Gate {
            any,
            payload: any.max(ready(&self.bytes)),
        }
    }

    /// How many exchanges may run at once, where that follows what is measured.
    pub(crate) fn slots(&self) -> Option<u16> {
        self.governor.as_ref().map(Governor::limit)
    }

    /// The caller fixes how many exchanges run at once.
    pub(crate) fn fix_slots(&mut self) {
        self.governor = None;
    }

    /// An exchange begins.
    pub(crate) fn started(&mut self, serial: u64, freight: Freight, now: Instant) {
        if let Some(requests) = &mut self.requests {
            requests.take(1, now);
        }
        if let (Some(bytes), Freight::Payload(len)) = (&mut self.bytes, freight) {
            bytes.take(len, now);
        }
        self.breaker.started(serial);
        self.hedges.started();
        if let Some(shift) = self.throttle.started(now) {
            self.note_rate(shift, Why::Recovered, now);
        }
    }

    /// An exchange has moved so many bytes more than it had at its last report.
    pub(crate) fn progressed(&mut self, more: u64, now: Instant) {
        if let Some(governor) = &mut self.governor {
            governor.moved(more, now);
        }
    }

    /// An exchange has come to an end. Returns how many have failed in a row if there is no hope
    /// left for those to come.
    pub(crate) fn ended(&mut self, ended: &Ended, now: Instant) -> Option<u32> {
        self.settle(ended, now);
        self.steer(ended, now);
        match ended.sign {
            Sign::Good => self.throttle.answered(now),
            Sign::Throttled => self.refused(ended.started, now),
            Sign::Bad | Sign::None => {}
        }
        let tripped = self.breaker.ended(ended.serial, ended.sign, now)?;
        let (is_open, why, hopeless) = match tripped {
            Tripped::Opened => (true, Why::Outage, None),
            Tripped::Closed => (false, Why::Answered, None),
            Tripped::GaveUp(failures) => (false, Why::GivenUp, Some(failures)),
        };
        self.note(Lever::Breaker { is_open }, why, now);
        hopeless
    }

    /// The first bytes of a range are known to have come so long after its exchange began.
    pub(crate) fn began_after(&mut self, time: Duration) {
        self.hedges.began_after(time);
    }

    /// When an exchange that began at `started`, and has brought nothing, is worth another one.
    pub(crate) fn hedge_at(&self, started: Instant) -> Option<Instant> {
        self.hedges.due_at(started)
    }

    /// An exchange begins for the sake of another one.
    pub(crate) const fn hedged(&mut self) {
        self.hedges.hedged();
    }

    /// Nothing can be done now, with so many exchanges under way.
    pub(crate) fn waits(&mut self, in_flight: usize, now: Instant) {
        if let Some(governor) = &mut self.governor {
            governor.waits(in_flight, now);
        }
    }

    /// Changes how many exchanges run at once, if its time has come. `room` is the largest number
    /// that there is memory for.
    pub(crate) fn turn(&mut self, room: u16, now: Instant) {
        let step = self.governor.as_mut().and_then(|it| it.turn(room, now));
        if let Some(step) = step {
            self.note_step(step, now);
        }
    }

    pub(crate) fn take_changes(&mut self) -> Vec<PaceChange> {
        self.changes.take()
    }

    /// Brings what was taken from the limit of bytes in line with what has moved.
    fn settle(&mut self, ended: &Ended, now: Instant) {
        let (Some(bytes), Freight::Payload(charged)) = (&mut self.bytes, ended.freight) else {
            return;
        };
        match ended.moved.checked_sub(charged) {
            Some(more) => bytes.take(more, now),
            None => bytes.give_back(charged - ended.moved),
        }
    }

    fn steer(&mut self, ended: &Ended, now: Instant) {
        let Some(governor) = &mut self.governor else {
            return;
        };
        if matches!(ended.freight, Freight::Payload(_)) && ended.sign == Sign::Good {
            governor.took(now.since(ended.started));
        }
        if ended.moved > ended.told {
            governor.moved(ended.moved - ended.told, now);
        }
    }

    /// There were too many requests when one was sent at `sent`.
    fn refused(&mut self, sent: Instant, now: Instant) {
        let Some(shift) = self.throttle.refused(sent, now) else {
            return;
        };
        self.note_rate(shift, Why::Throttled, now);
        // Once a rate is learnt it is the rate that is too high.
        let governor = self.governor.as_mut().filter(|_| shift.from.is_none());
        if let Some(step) = governor.and_then(|governor| governor.refused(now)) {
            self.note_step(step, now);
        }
    }

    fn note_step(&mut self, step: governor::Step, now: Instant) {
        let governor::Step { from, to, why } = step;
        self.note(Lever::Concurrency { from, to }, why, now);
    }

    fn note_rate(&mut self, shift: Shift, why: Why, now: Instant) {
        let Shift { from, to } = shift;
        self.note(Lever::RequestRate { from, to }, why, now);
    }

    fn note(&mut self, what: Lever, why: Why, at: Instant) {
        self.changes.push(PaceChange { at, what, why });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(millis)
    }

    fn ended(charged: u64, moved: u64) -> Ended {
        Ended {
            serial: 1,
            freight: Freight::Payload(charged),
            started: at(0),
            moved,
            told: 0,
            sign: Sign::None,
        }
    }

    #[test]
    fn without_limits_nothing_waits() {
        let mut pace = Pace::new(None, None, None);
        for _ in 0..1_000 {
            assert!(pace.gate().payload <= at(0));
            pace.started(0, Freight::Payload(u64::MAX), at(0));
        }
    }

    #[test]
    fn calls_wait_for_requests_alone() {
        let mut pace = Pace::new(NonZeroU64::new(1_000), NonZeroU32::new(10), None);
        pace.started(1, Freight::Payload(5_000), at(0));
        assert_eq!(pace.gate().any, at(100));
        assert_eq!(pace.gate().payload, at(5_000));
        pace.started(1, Freight::Nothing, at(100));
        assert_eq!(pace.gate().any, at(200));
        assert_eq!(pace.gate().payload, at(5_000));
    }

    #[test]
    fn what_did_not_move_is_given_back_and_what_moved_beyond_is_owed() {
        let mut pace = Pace::new(NonZeroU64::new(1_000), None, None);
        pace.started(1, Freight::Payload(5_000), at(0));
        pace.ended(&ended(5_000, 1_000), at(0));
        assert_eq!(pace.gate().payload, at(1_000));
        pace.started(1, Freight::Payload(0), at(1_000));
        pace.ended(&ended(0, 3_000), at(1_000));
        assert_eq!(pace.gate().payload, at(4_000));
    }

    #[test]
    fn refusals_slow_a_session_down_and_are_told() {
        let mut pace = Pace::new(None, None, Some(16));
        let refused = Ended {
            sign: Sign::Throttled,
            ..ended(0, 0)
        };
        assert_eq!(pace.ended(&refused, at(10)), None);
        assert_eq!(pace.slots(), Some(12));
        pace.started(2, Freight::Nothing, at(10));
        assert!(pace.gate().any > at(10));
        let changes = pace.take_changes().into_iter();
        let told: Vec<Lever> = changes.map(|change| change.what).collect();
        let expected = [
            Lever::RequestRate {
                from: None,
                to: Some(RequestRate::from_thousandths(9_000)),
            },
            Lever::Concurrency { from: 16, to: 12 },
        ];
        assert_eq!(told, expected);
    }
}
