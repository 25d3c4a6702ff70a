use crate::time::Instant;

/// The length of a slot in nanoseconds.
const SLOT: u64 = 100_000_000;

/// Slots in the window, which so spans a second.
const SLOTS: usize = 10;

/// Counts what happened within the last second.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Counter {
    slots: [u32; SLOTS],
    /// The number of the slot that was counted in last.
    last: u64,
    /// That of the first one of all.
    first: Option<u64>,
}

impl Counter {
    /// It happens once.
    pub(super) fn count(&mut self, now: Instant) {
        self.pass(now);
        self.first.get_or_insert(self.last);
        let slot = &mut self.slots[index(self.last)];
        *slot = slot.saturating_add(1);
    }

    /// How often it happens in a second: as often as in the last one, of which a tenth may be
    /// missing; at the beginning in proportion.
    pub(super) fn rate(&mut self, now: Instant) -> u64 {
        self.pass(now);
        let slots = SLOTS as u64;
        let sum: u64 = self.slots.iter().map(|n| u64::from(*n)).sum();
        let seen = self.first.map_or(slots, |first| self.last - first + 1);
        sum * slots / seen.min(slots)
    }

    fn pass(&mut self, now: Instant) {
        let slot = (now.as_nanos() / SLOT).max(self.last);
        let passed = (slot - self.last).min(SLOTS as u64);
        for step in 0..passed {
            self.slots[index(slot - step)] = 0;
        }
        self.last = slot;
    }
}

fn index(slot: u64) -> usize {
    usize::try_from(slot % SLOTS as u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    #[test]
    fn a_beginning_counts_in_proportion() {
        let mut counter = Counter::default();
        let at = |millis: u64| Instant::ZERO + Duration::from_millis(5_000 + millis);
        for millis in 0..20 {
            counter.count(at(millis));
        }
        assert_eq!(counter.rate(at(99)), 200);
        assert_eq!(counter.rate(at(450)), 40);
    }

    #[test]
    fn only_the_last_second_counts() {
        let at = |millis| Instant::ZERO + Duration::from_millis(millis);
        let mut counter = Counter::default();
        for millis in (0..1_000).step_by(10) {
            counter.count(at(millis));
        }
        assert_eq!(counter.rate(at(999)), 100);
        assert_eq!(counter.rate(at(1_000)), 90);
        assert_eq!(counter.rate(at(1_450)), 50);
        // Time that runs backwards stands still.
        counter.count(at(0));
        assert_eq!(counter.rate(at(1_450)), 51);
        assert_eq!(counter.rate(at(10_000)), 0);
        counter.count(Instant::MAX);
        assert_eq!(counter.rate(Instant::MAX), 1);
    }
}
