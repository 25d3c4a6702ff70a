use core::time::Duration;

use crate::time::Instant;

/// The length of a slot. Reports come once a second for each request, so a shorter one would show
/// their rhythm.
const SLOT: u64 = 500_000_000;

const NANOS: u64 = 1_000_000_000;

/// Slots in the window, which so spans ten seconds.
const SLOTS: usize = 20;

/// Measures a rate over a sliding window of ten seconds, in which all bytes weigh the same.
///
/// A window, and not an exponential average: it forgets a stall or a burst completely, its number
/// can be checked by hand, and it needs integers alone, so that it is the same on every machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateMeter {
    /// The bytes of each slot, at the slot's number modulo [`SLOTS`].
    slots: [u64; SLOTS],
    started: Instant,
    /// The latest time seen.
    last: Instant,
    bytes: u64,
}

impl RateMeter {
    /// A meter that starts `now`, with no bytes.
    pub const fn new(now: Instant) -> Self {
        Self {
            slots: [0; SLOTS],
            started: now,
            last: now,
            bytes: 0,
        }
    }

    /// By `now`, so many bytes have been moved in all. A total that is not above the highest one so
    /// far, as after a part has been thrown away, changes nothing until it is passed again; a time
    /// before the last one counts as the last one.
    pub fn reached(&mut self, total: u64, now: Instant) {
        let now = now.max(self.last);
        for passed in self.stale(now) {
            self.slots[passed] = 0;
        }
        self.last = now;
        let new = total.saturating_sub(self.bytes);
        self.bytes += new;
        let slot = &mut self.slots[index(self.slot(now))];
        *slot = slot.saturating_add(new);
    }

    /// The most bytes so far.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes per second over the last ten seconds, or since the start if that is less, but not less
    /// than half a second: the first bytes of all would show an absurd rate.
    pub fn rate(&self, now: Instant) -> u64 {
        let now = now.max(self.last);
        let mut slots = self.slots;
        for passed in self.stale(now) {
            slots[passed] = 0;
        }
        // No more than the total, which is a u64.
        let bytes: u64 = slots.iter().sum();
        let span = self.span(now);
        // A division of 128 bits takes ten times as long, and is seldom needed.
        if let Some(scaled) = bytes.checked_mul(NANOS) {
            return scaled / span;
        }
        let rate = u128::from(bytes) * u128::from(NANOS) / u128::from(span);
        u64::try_from(rate).unwrap_or(u64::MAX)
    }

    /// The time that is left until `total` bytes at the present rate, in whole seconds, rounded up;
    /// `None` where nothing moves.
    pub fn remaining(&self, total: u64, now: Instant) -> Option<Duration> {
        self.remaining_at(self.rate(now), total)
    }

    /// As [`remaining`](Self::remaining), at a rate that is known.
    pub(super) fn remaining_at(&self, rate: u64, total: u64) -> Option<Duration> {
        let left = total.saturating_sub(self.bytes);
        if left == 0 {
            return Some(Duration::ZERO);
        }
        match rate {
            0 => None,
            rate => Some(Duration::from_secs(left.div_ceil(rate))),
        }
    }

    /// The number of the slot that a time falls into. Slots count from the start, so that the first
    /// one is not cut short.
    fn slot(&self, at: Instant) -> u64 {
        (at.as_nanos() - self.started.as_nanos()) / SLOT
    }

    /// The slots whose content is older than the window at `now`, which is not before the last
    /// time: all that were entered since.
    fn stale(&self, now: Instant) -> impl Iterator<Item = usize> + use<> {
        let (from, to) = (self.slot(self.last), self.slot(now));
        let entered = to - from;
        let first = to - entered.min(SLOTS as u64);
        (first..to).map(|slot| index(slot + 1))
    }

    /// The nanoseconds that the slots cover at `now`: the full ones before this one, and as much of
    /// this one as has passed; at least one slot.
    fn span(&self, now: Instant) -> u64 {
        let elapsed = now.as_nanos() - self.started.as_nanos();
        let full = (SLOTS as u64 - 1) * SLOT;
        elapsed.min(full + elapsed % SLOT).max(SLOT)
    }
}

fn index(slot: u64) -> usize {
    usize::try_from(slot % SLOTS as u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Progress;
    use crate::rng::Rng;

    const EPOCH: Instant = Instant::from_nanos(123_456_789);

    fn at(millis: u64) -> Instant {
        EPOCH + Duration::from_millis(millis)
    }

    #[test]
    fn a_steady_stream_has_its_rate() {
        let mut meter = RateMeter::new(EPOCH);
        assert_eq!(meter.rate(EPOCH), 0);
        let mut sudden = meter.clone();
        sudden.reached(100, EPOCH);
        assert_eq!(sudden.rate(EPOCH), 200);
        for tick in 1..=1_000 {
            meter.reached(tick * 100, at(tick * 100));
            let rate = meter.rate(at(tick * 100));
            let settled = (980..=1_020).contains(&rate);
            assert!(settled || tick < 5, "{rate} at tick {tick}");
        }
        assert_eq!(meter.bytes(), 100_000);
    }

    #[test]
    fn a_stall_is_forgotten_and_so_is_a_burst() {
        let mut meter = RateMeter::new(EPOCH);
        meter.reached(1_000_000, at(100));
        assert_eq!(meter.rate(at(1_000)), 1_000_000);
        assert_eq!(meter.rate(at(4_000)), 250_000);
        assert!(meter.rate(at(9_900)) > 0);
        for slot in 20..100 {
            assert_eq!(meter.rate(at(slot * 500)), 0, "in slot {slot}");
        }
        assert_eq!(meter.rate(Instant::MAX), 0);
        meter.reached(1_000_100, at(60_000));
        assert_eq!(meter.rate(at(60_000)), 10);
    }

    #[test]
    fn the_window_agrees_with_a_list_of_all_reports() {
        let mut rng = Rng::new(5);
        let mut meter = RateMeter::new(EPOCH);
        let (mut now, mut total, mut reports) = (0, 0, Vec::new());
        for _ in 0..3_000 {
            now += rng.below(1_500);
            total += rng.below(10_000);
            reports.push((now / 500, total - meter.bytes()));
            meter.reached(total, at(now));
            let later = now + rng.below(3_000);
            let recent = reports.iter().filter(|(slot, _)| slot + 20 > later / 500);
            let bytes: u64 = recent.map(|(_, bytes)| bytes).sum();
            let span = later.min(9_500 + later % 500).max(500);
            let expected = bytes * 1_000 / span;
            assert_eq!(meter.rate(at(later)), expected);
        }
    }

    #[test]
    fn the_rest_takes_as_long_as_it_takes() {
        let mut meter = RateMeter::new(EPOCH);
        assert_eq!(meter.remaining(10, EPOCH), None);
        assert_eq!(meter.remaining(0, EPOCH), Some(Duration::ZERO));
        meter.reached(1_000, at(1_000));
        let left = |total| meter.remaining(total, at(1_000));
        assert_eq!(left(3_000), Some(Duration::from_secs(2)));
        assert_eq!(left(3_001), Some(Duration::from_secs(3)));
        assert_eq!(left(500), Some(Duration::ZERO));
        assert_eq!(left(u64::MAX), Some(Duration::from_secs(u64::MAX / 1_000)));
        assert_eq!(meter.remaining(3_000, at(60_000)), None);
    }

    #[test]
    fn bytes_never_fall() {
        let mut meter = RateMeter::new(EPOCH);
        meter.reached(100, at(500));
        meter.reached(40, at(1_000));
        assert_eq!(meter.bytes(), 100);
        meter.reached(110, at(1_500));
        assert_eq!((meter.bytes(), meter.rate(at(2_000))), (110, 55));
        meter.reached(u64::MAX, at(2_000));
        assert_eq!(meter.bytes(), u64::MAX);
    }

    #[test]
    fn adversary_52_time_that_runs_backwards_stands_still() {
        let mut meter = RateMeter::new(at(5_000));
        meter.reached(1_000, at(6_000));
        let before = meter.clone();
        meter.reached(1_000, Instant::ZERO);
        assert_eq!(meter, before);
        assert_eq!(meter.rate(Instant::ZERO), 1_000);
        meter.reached(3_000, at(5_500));
        assert_eq!(meter.rate(at(6_000)), 3_000);
        meter.reached(4_000, Instant::MAX);
        assert!(meter.rate(Instant::MAX) > 0);
    }

    #[test]
    fn a_snapshot_takes_the_meters_numbers() {
        let mut meter = RateMeter::new(EPOCH);
        meter.reached(1_000, at(1_000));
        let known = Progress {
            total: Some(5_000),
            parts: 1,
            ..Progress::default()
        };
        let seen = known.measured(&meter, at(1_000));
        assert_eq!((seen.bytes, seen.rate, seen.parts), (1_000, 1_000, 1));
        assert_eq!(seen.remaining, Some(Duration::from_secs(4)));
        let unknown = Progress::default().measured(&meter, at(1_000));
        assert_eq!(unknown.remaining, None);
    }
}
