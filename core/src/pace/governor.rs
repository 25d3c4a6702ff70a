use core::time::Duration;

use super::change::Why;
use crate::time::Instant;

/// The shortest time in which a change is left to take effect, and the longest. In between, one
/// exchange's: those under way at the change are over by then.
const SETTLE: (Duration, Duration) = (Duration::from_millis(150), Duration::from_secs(3));

/// The shortest time over which bytes are counted, and the longest. In between, two exchanges'.
const MEASURE: (Duration, Duration) = (Duration::from_millis(350), Duration::from_secs(6));

/// How long a number that has proved best is kept before another one is tried: the first time, and
/// at most, since each try that fails doubles it.
const REST: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(80));

/// Finds how many exchanges at once serve best, by trying.
///
/// Bytes are counted over windows in which every slot was in use. More slots must bring an eighth
/// of the gain that they would bring on an unbounded network, or they are given back: doubling
/// first, then by a quarter. Where exchanges come to take half as long again as they did when the
/// number was found, and bring no more for it, a quarter less is tried, and must bring as much. The
/// first refusal for too many requests takes a quarter at once; from then on the rate of requests is
/// learnt, and is what changes.
#[derive(Debug)]
pub(super) struct Governor {
    limit: u16,
    stage: Stage,
    window: Option<Window>,
    /// What an exchange that moves payload takes, on average.
    duration: Duration,
    /// What was measured when the number was last found to be right.
    knee: Option<Knee>,
    rest: Duration,
    /// Whether no try has failed yet.
    doubling: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// What does the present number bring?
    Measure,
    /// Does it bring more than the one before?
    Trial { from: u16, baseline: u64 },
    /// It is right, until then.
    Hold { until: Instant },
    /// It was cut, and comes back.
    Recover { goal: u16 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Knee {
    goodput: u64,
    duration: Duration,
}

/// A time over which bytes are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Window {
    from: Instant,
    to: Instant,
    bytes: u64,
    /// There was a slot that nobody had a use for.
    lacking: bool,
}

/// A number that has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) from: u16,
    pub(super) to: u16,
    pub(super) why: Why,
}

impl Governor {
    pub(super) const fn new(first: u16) -> Self {
        Self {
            limit: first,
            stage: Stage::Measure,
            window: None,
            duration: Duration::ZERO,
            knee: None,
            rest: REST.0,
            doubling: true,
        }
    }

    /// How many exchanges may run at once.
    pub(super) const fn limit(&self) -> u16 {
        self.limit
    }

    /// So many bytes have moved.
    pub(super) fn moved(&mut self, bytes: u64, now: Instant) {
        match &mut self.window {
            Some(window) if window.from <= now => {
                window.bytes = window.bytes.saturating_add(bytes);
            }
            Some(_) => {}
            // Nothing is counted before the first connections are open.
            None => self.open_window(now),
        }
    }

    /// An exchange that moved payload has taken so long.
    pub(super) fn took(&mut self, time: Duration) {
        self.duration = if self.duration.is_zero() {
            time
        } else {
            self.duration - self.duration / 8 + time / 8
        };
    }

    /// So many exchanges are under way, and nobody has a use for one more.
    pub(super) fn waits(&mut self, in_flight: usize, now: Instant) {
        if let Some(window) = &mut self.window
            && in_flight < usize::from(self.limit)
            && window.from <= now
        {
            window.lacking = true;
        }
    }

    /// Requests are refused because there are too many, and were not before.
    pub(super) fn refused(&mut self, now: Instant) -> Option<Step> {
        let goal = match self.stage {
            Stage::Recover { goal } => goal,
            Stage::Trial { from, .. } => from,
            Stage::Measure | Stage::Hold { .. } => self.limit,
        };
        self.doubling = false;
        self.stage = Stage::Recover { goal };
        let step = self.set((self.limit / 4 * 3).max(1), Why::Throttled);
        self.open_window(now);
        step
    }

    /// Takes the next step if its time has come. `room` is the largest number that there is memory
    /// for.
    pub(super) fn turn(&mut self, room: u16, now: Instant) -> Option<Step> {
        if let Stage::Hold { until } = self.stage {
            let settled = self.window.is_none_or(|window| window.to <= now);
            if now >= until || (settled && self.is_slower()) {
                self.stage = Stage::Measure;
                self.open_window(now);
            }
            return None;
        }
        let window = self.window.filter(|window| window.to <= now)?;
        let goodput = window.goodput(now);
        let step = match self.stage {
            Stage::Recover { goal } => self.recover(goal, room, now),
            Stage::Trial { from, .. } if window.lacking => {
                self.hold(self.rest, now);
                self.set(from, Why::NoDemand)
            }
            _ if window.lacking => None,
            Stage::Measure => self.measured(goodput, room, now),
            Stage::Trial { from, baseline } => self.tried(from, baseline, goodput, room, now),
            Stage::Hold { .. } => None,
        };
        self.open_window(now);
        step
    }

    /// The present number brings this much: tries another one.
    fn measured(&mut self, goodput: u64, room: u16, now: Instant) -> Option<Step> {
        let better = |knee: Knee| goodput / 21 > knee.goodput / 20;
        if self.is_slower() && !self.knee.is_some_and(better) {
            return self.lower(goodput, now);
        }
        self.knee = Some(Knee {
            goodput,
            duration: self.duration,
        });
        let to = self.higher(room);
        if to == self.limit {
            self.hold(self.rest, now);
            return None;
        }
        self.stage = Stage::Trial {
            from: self.limit,
            baseline: goodput,
        };
        self.set(to, Why::Probe)
    }

    /// Another number than `from`, which brought `baseline`, brings this much.
    fn tried(
        &mut self,
        from: u16,
        baseline: u64,
        goodput: u64,
        room: u16,
        now: Instant,
    ) -> Option<Step> {
        if !self.serves(from, baseline, goodput) {
            if self.limit < from {
                // It is not the load that makes it slower.
                self.knee = None;
            }
            self.doubling = false;
            self.hold(self.rest, now);
            self.rest = self.rest.saturating_mul(2).min(REST.1);
            return self.set(from, Why::NoGain);
        }
        self.rest = REST.0;
        if self.limit < from {
            return self.lower(baseline.max(goodput), now);
        }
        self.knee = None;
        self.measured(goodput, room, now)
    }

    /// The present number brings as much as a larger one did: even fewer may.
    fn lower(&mut self, baseline: u64, now: Instant) -> Option<Step> {
        let to = (self.limit - self.limit / 4).max(1);
        if to == self.limit || !self.is_slower() {
            self.knee = None;
            self.hold(self.rest, now);
            return None;
        }
        self.stage = Stage::Trial {
            from: self.limit,
            baseline,
        };
        self.set(to, Why::Slower)
    }

    /// Whether the present number is worth keeping.
    fn serves(&self, from: u16, baseline: u64, goodput: u64) -> bool {
        let (baseline, goodput) = (u128::from(baseline), u128::from(goodput));
        match self.limit.checked_sub(from) {
            Some(more) => {
                let (more, from) = (u128::from(more), u128::from(from));
                goodput * 8 * from >= baseline * (8 * from + more)
            }
            None => goodput * 16 >= baseline * 15,
        }
    }

    fn recover(&mut self, goal: u16, room: u16, now: Instant) -> Option<Step> {
        let goal = goal.min(room);
        let to = self.limit.saturating_add((self.limit / 4).max(1)).min(goal);
        if to >= goal {
            self.knee = None;
            self.hold(REST.0 / 5, now);
        }
        self.set(to.max(1), Why::Recovered)
    }

    fn higher(&self, room: u16) -> u16 {
        let more = if self.doubling {
            self.limit
        } else {
            (self.limit / 4).max(1)
        };
        // Memory may have become too short for the present number; it is kept all the same.
        self.limit.saturating_add(more).min(room).max(self.limit)
    }

    /// Whether exchanges take half as long again as they did when the number was found.
    fn is_slower(&self) -> bool {
        let slower = |knee: &Knee| self.duration > knee.duration.saturating_mul(3) / 2;
        self.knee.as_ref().is_some_and(slower)
    }

    fn hold(&mut self, rest: Duration, now: Instant) {
        self.stage = Stage::Hold { until: now + rest };
    }

    fn set(&mut self, to: u16, why: Why) -> Option<Step> {
        let from = core::mem::replace(&mut self.limit, to);
        (from != to).then_some(Step { from, to, why })
    }

    fn open_window(&mut self, now: Instant) {
        let settle = self.duration.clamp(SETTLE.0, SETTLE.1);
        let measure = self.duration.saturating_mul(2).clamp(MEASURE.0, MEASURE.1);
        let from = now + settle;
        self.window = Some(Window {
            from,
            to: from + measure,
            bytes: 0,
            lacking: false,
        });
    }
}

impl Window {
    /// Bytes a second.
    fn goodput(&self, now: Instant) -> u64 {
        let nanos = now.since(self.from).as_nanos().max(1);
        let goodput = u128::from(self.bytes) * 1_000_000_000 / nanos;
        u64::try_from(goodput).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A network on which exchanges of 8 MB take 100 ms, until they share `total` bytes a second.
    struct Network {
        governor: Governor,
        total: u64,
        room: u16,
        now: Instant,
        steps: Vec<(u16, u16, Why)>,
    }

    const PART: u64 = 8_000_000;

    impl Network {
        fn new(total: u64) -> Self {
            Self {
                governor: Governor::new(16),
                total,
                room: 250,
                now: Instant::ZERO,
                steps: Vec::new(),
            }
        }

        /// Lets exchanges follow each other, `idle` of the slots without any.
        fn run(&mut self, seconds: u64, idle: u16) -> u16 {
            let end = self.now + Duration::from_secs(seconds);
            while self.now < end {
                let busy = u64::from(self.governor.limit().saturating_sub(idle).max(1));
                let time = (busy * PART * 1_000_000 / (self.total / 1_000)).max(100_000_000);
                self.now = self.now + Duration::from_nanos(time / busy);
                self.governor.took(Duration::from_nanos(time));
                self.governor.moved(PART, self.now);
                let in_flight = self.governor.limit().saturating_sub(idle);
                self.governor.waits(in_flight.into(), self.now);
                let step = self.governor.turn(self.room, self.now);
                self.steps
                    .extend(step.map(|step| (step.from, step.to, step.why)));
            }
            self.governor.limit()
        }
    }

    #[test]
    fn it_grows_while_that_brings_more_and_holds_at_the_knee() {
        // 80 MB/s an exchange: 50 are enough.
        let mut network = Network::new(4_000_000_000);
        let found = network.run(30, 0);
        assert!((40..=64).contains(&found), "{found}");
        let steps = network.steps[..2].to_vec();
        assert_eq!(steps, [(16, 32, Why::Probe), (32, 64, Why::Probe)]);
        let later = network.run(300, 0);
        assert!((40..=72).contains(&later), "{later}: {:?}", network.steps);
    }

    #[test]
    fn the_first_number_stays_where_more_bring_nothing() {
        let mut network = Network::new(625_000_000);
        assert_eq!(network.run(5, 0), 16);
        assert_eq!(network.steps, [(16, 32, Why::Probe), (32, 16, Why::NoGain)]);
        let tries = network.steps.len();
        network.run(300, 0);
        assert!(network.steps.len() <= tries + 2 * 6, "{:?}", network.steps);
    }

    #[test]
    fn what_there_is_no_demand_or_memory_for_is_not_tried() {
        let mut network = Network::new(100_000_000_000);
        assert_eq!(network.run(10, 1), 16);
        assert!(network.steps.is_empty());
        network.room = 40;
        assert_eq!(network.run(10, 0), 40);
    }

    #[test]
    fn a_refusal_takes_a_quarter_and_it_comes_back() {
        let mut network = Network::new(625_000_000);
        network.run(5, 0);
        let now = network.now;
        let cut = network.governor.refused(now);
        assert_eq!(cut.map(|cut| (cut.from, cut.to)), Some((16, 12)));
        assert_eq!(network.run(5, 12), 16, "{:?}", network.steps);
        for _ in 0..20 {
            network.governor.refused(now);
        }
        assert_eq!(network.governor.limit(), 1);
    }

    #[test]
    fn latency_that_rises_with_the_load_lowers_it() {
        let mut network = Network::new(1_280_000_000);
        assert_eq!(network.run(8, 0), 16);
        // The server gets slower, and has enough to do with 4 exchanges.
        network.total = 320_000_000;
        let found = network.run(60, 0);
        assert!(found < 16, "{found}: {:?}", network.steps);
        assert!(network.steps.iter().any(|step| step.2 == Why::Slower));
    }
}
