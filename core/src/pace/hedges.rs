use core::time::Duration;

use crate::time::Instant;

/// So many exchanges must have told how long they take before one counts as slow.
const SAMPLES: u32 = 16;

/// Slow is what takes longer than the mean by so many times the mean deviation.
const DEVIATIONS: u32 = 4;

/// The shortest time after which an exchange counts as slow. Exchanges report what they have moved
/// once a second, so before that nobody knows of one that it has moved nothing.
const SHORTEST: Duration = Duration::from_millis(1_500);

/// One request among so many may be sent for the sake of another.
const SHARE: u64 = 20;

/// Learns how long it takes until the first bytes of a range are known to have come, and which
/// exchanges are so much later that another one is worth a try.
///
/// Mean and mean deviation are running ones, with the weights of RFC 6298.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Hedges {
    mean: Duration,
    deviation: Duration,
    samples: u32,
    requests: u64,
    hedged: u64,
}

impl Hedges {
    /// A request is sent.
    pub(super) const fn started(&mut self) {
        self.requests = self.requests.saturating_add(1);
    }

    /// Another attempt at something that is under way is sent.
    pub(super) const fn hedged(&mut self) {
        self.hedged = self.hedged.saturating_add(1);
    }

    /// After so long the first bytes were known to have come.
    pub(super) fn began_after(&mut self, time: Duration) {
        if self.samples == 0 {
            (self.mean, self.deviation) = (time, time / 2);
        } else {
            let off = self.mean.abs_diff(time);
            self.deviation = self.deviation - self.deviation / 4 + off / 4;
            self.mean = self.mean - self.mean / 8 + time / 8;
        }
        self.samples = self.samples.saturating_add(1);
    }

    /// When an exchange that began at `started` and has brought nothing is worth another one;
    /// `None` where that is not known, or there were too many already.
    pub(super) fn due_at(&self, started: Instant) -> Option<Instant> {
        let allowed = self.hedged.saturating_add(1).saturating_mul(SHARE) <= self.requests;
        let late = self.mean + self.deviation.saturating_mul(DEVIATIONS);
        (allowed && self.samples >= SAMPLES).then(|| started + late.max(SHORTEST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learnt(times: impl Iterator<Item = u64>, requests: u64) -> Hedges {
        let mut hedges = Hedges::default();
        (0..requests).for_each(|_| hedges.started());
        times.for_each(|millis| hedges.began_after(Duration::from_millis(millis)));
        hedges
    }

    fn due(hedges: &Hedges) -> Option<u64> {
        let due = hedges.due_at(Instant::ZERO)?;
        Some(due.as_nanos() / 1_000_000)
    }

    #[test]
    fn slow_is_what_is_far_from_what_is_usual() {
        assert_eq!(due(&learnt((0..100).map(|_| 30), 100)), Some(1_500));
        let steady = due(&learnt((0..100).map(|_| 3_000), 100)).unwrap();
        assert!((3_000..3_010).contains(&steady), "{steady}");
        let varied = due(&learnt((0..100).map(|n| 2_000 + n % 2 * 2_000), 100)).unwrap();
        assert!((6_500..7_500).contains(&varied), "{varied}");
    }

    #[test]
    fn what_is_not_known_is_not_slow() {
        assert_eq!(due(&learnt((0..15).map(|_| 30), 100)), None);
        assert!(due(&learnt((0..16).map(|_| 30), 100)).is_some());
    }

    #[test]
    fn one_in_twenty_requests_is_for_the_sake_of_another() {
        let mut hedges = learnt((0..100).map(|_| 30), 100);
        for _ in 0..5 {
            assert!(due(&hedges).is_some());
            hedges.hedged();
        }
        assert_eq!(due(&hedges), None);
        (0..20).for_each(|_| hedges.started());
        assert!(due(&hedges).is_some());
    }
}
