use core::time::Duration;

use crate::time::Instant;

/// So many failures in a row, without a success among them, may be a server that is gone.
const FAILURES: u32 = 20;

/// They are one if they went on for so long: connections that break together are no outage.
const SPAN: Duration = Duration::from_secs(2);

/// The wait before the first probe; before each one after it twice as much, up to [`LONGEST`].
const FIRST: Duration = Duration::from_secs(1);

const LONGEST: Duration = Duration::from_secs(15);

/// Probes that fail in a row before everything is given up: by then 45 s of waiting are over.
const PROBES: u32 = 6;

/// Stops a hopeless storm: where everything fails nothing new is sent but one probe at a time.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    /// Failures since the last success.
    failures: u32,
    /// When the first of them was.
    since: Instant,
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Closed,
    /// Nothing is sent until then.
    Open { until: Instant, failed: u32 },
    /// One request is under way, which decides.
    Probing { serial: u64, failed: u32 },
}

/// What an exchange says about the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    /// It works.
    Good,
    /// It does not.
    Bad,
    /// It refuses this request, because there are too many.
    Throttled,
    /// Nothing.
    None,
}

/// What has become of the breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tripped {
    Opened,
    Closed,
    /// No probe has succeeded. This many failures there were in a row.
    GaveUp(u32),
}

impl Breaker {
    /// When the next request may be sent; [`Instant::MAX`] where an outcome must come first.
    pub(super) const fn ready_at(&self) -> Instant {
        match self.state {
            State::Closed => Instant::ZERO,
            State::Open { until, .. } => until,
            State::Probing { .. } => Instant::MAX,
        }
    }

    /// A request is sent.
    pub(super) const fn started(&mut self, serial: u64) {
        if let State::Open { failed, .. } = self.state {
            self.state = State::Probing { serial, failed };
        }
    }

    /// A request has come to an end.
    pub(super) fn ended(&mut self, serial: u64, sign: Sign, now: Instant) -> Option<Tripped> {
        let probe = match self.state {
            State::Probing {
                serial: probe,
                failed,
            } if probe == serial => Some(failed),
            _ => None,
        };
        match sign {
            Sign::Good => {
                self.failures = 0;
                let was = core::mem::take(&mut self.state);
                return (was != State::Closed).then_some(Tripped::Closed);
            }
            Sign::None if probe.is_none() => return None,
            Sign::Bad | Sign::Throttled | Sign::None => {}
        }
        if self.failures == 0 {
            self.since = now;
        }
        self.failures = self.failures.saturating_add(1);
        match (self.state, probe) {
            (_, Some(failed)) if failed + 1 >= PROBES => {
                let failures = core::mem::take(self).failures;
                Some(Tripped::GaveUp(failures))
            }
            (_, Some(failed)) => {
                self.open(failed + 1, now);
                None
            }
            (State::Closed, None) if self.failures >= FAILURES && now.since(self.since) >= SPAN => {
                self.open(0, now);
                Some(Tripped::Opened)
            }
            _ => None,
        }
    }

    fn open(&mut self, failed: u32, now: Instant) {
        let wait = FIRST.saturating_mul(1_u32.checked_shl(failed).unwrap_or(u32::MAX));
        self.state = State::Open {
            until: now + wait.min(LONGEST),
            failed,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(millis)
    }

    /// A breaker that opens at 2.5 s.
    fn open() -> Breaker {
        let mut breaker = Breaker::default();
        for serial in 0..25 {
            assert_eq!(breaker.ended(serial, Sign::Bad, at(serial * 50)), None);
        }
        let tripped = breaker.ended(25, Sign::Bad, at(2_500));
        assert_eq!(tripped, Some(Tripped::Opened));
        breaker
    }

    #[test]
    fn what_breaks_together_is_no_outage() {
        let mut breaker = Breaker::default();
        for serial in 0..500 {
            assert_eq!(breaker.ended(serial, Sign::Bad, at(0)), None);
        }
        assert_eq!(breaker.ended(500, Sign::Good, at(10_000)), None);
        assert_eq!(breaker.ended(501, Sign::Bad, at(10_001)), None);
        assert_eq!(breaker.ready_at(), Instant::ZERO);
    }

    #[test]
    fn few_failures_are_no_outage_however_long_they_last() {
        let mut breaker = Breaker::default();
        for serial in 0..19 {
            assert_eq!(breaker.ended(serial, Sign::Bad, at(serial * 10_000)), None);
        }
    }

    #[test]
    fn one_probe_at_a_time_until_one_succeeds() {
        let mut breaker = open();
        assert_eq!(breaker.ready_at(), at(3_500));
        breaker.started(30);
        assert_eq!(breaker.ready_at(), Instant::MAX);
        // What was under way before the breaker opened decides nothing by its failure.
        assert_eq!(breaker.ended(29, Sign::Bad, at(3_600)), None);
        assert_eq!(breaker.ready_at(), Instant::MAX);
        assert_eq!(breaker.ended(30, Sign::Bad, at(4_000)), None);
        assert_eq!(breaker.ready_at(), at(6_000));
        breaker.started(31);
        let tripped = breaker.ended(31, Sign::Good, at(6_100));
        assert_eq!(tripped, Some(Tripped::Closed));
        assert_eq!(breaker.ready_at(), Instant::ZERO);
    }

    #[test]
    fn after_six_probes_all_is_given_up() {
        let (mut breaker, mut now) = (open(), at(2_500));
        for probe in 0..6 {
            assert!(breaker.ready_at() > now);
            now = breaker.ready_at();
            breaker.started(100 + probe);
            // One that was lost says nothing, and counts all the same.
            let sign = if probe == 3 {
                Sign::None
            } else {
                Sign::Throttled
            };
            let tripped = breaker.ended(100 + probe, sign, now);
            let over = (probe == 5).then_some(Tripped::GaveUp(32));
            assert_eq!(tripped, over);
        }
        assert_eq!(now, at(47_500));
        assert_eq!(breaker.ready_at(), Instant::ZERO);
    }
}
