//! The local ends of transfers: a consumer that takes bytes in order at its speed, and a source
//! that has them at its speed. Counted, never kept.

use std::collections::BTreeMap;
use std::time::Duration;

use sans3_core::attempt::AttemptId;
use sans3_core::time::Instant;

use super::link::{NANO, Paused};

/// How far ahead of its consumer an exchange reads whose bytes are next, as the adapters do.
const AHEAD: u64 = 2 << 20;

/// What a download in order has received, and its consumer has taken. Offsets are in real bytes.
#[derive(Debug, Default)]
pub(super) struct Intake {
    /// Bytes a second; `None` takes whatever there is at once.
    speed: Option<u64>,
    /// What came beyond a gap: end by start.
    pieces: BTreeMap<u64, u64>,
    /// No byte is missing below.
    joined: u64,
    arrived: u64,
    /// In billionths of a byte.
    taken: u128,
    at: Instant,
    /// Exchanges that wait until the consumer has taken something.
    pub(super) waiting: Vec<(AttemptId, Paused)>,
}

impl Intake {
    pub(super) fn new(speed: Option<u64>) -> Self {
        Self {
            speed,
            ..Self::default()
        }
    }

    /// Bytes have come.
    pub(super) fn place(&mut self, at: u64, len: u64, now: Instant) {
        self.take(now);
        assert!(at >= self.joined, "bytes came again that were delivered");
        self.arrived += len;
        self.pieces.insert(at, at + len);
        while let Some(end) = self.pieces.remove(&self.joined) {
            self.joined = end;
        }
    }

    /// Lets the consumer take until now, and says what it is done with.
    pub(super) fn take(&mut self, now: Instant) -> u64 {
        let nanos = now.since(self.at).as_nanos();
        self.at = now;
        let joined = u128::from(self.joined) * NANO;
        self.taken = match self.speed {
            Some(speed) => joined.min(self.taken + u128::from(speed) * nanos),
            None => joined,
        };
        self.released()
    }

    /// Bytes that were received and not yet taken.
    pub(super) fn held(&self) -> u64 {
        self.arrived - self.released()
    }

    /// Whether the exchange that brings the byte at `at` must wait for the consumer.
    pub(super) fn is_full(&self, at: u64) -> bool {
        at == self.joined && self.is_ahead()
    }

    /// Whether the consumer has enough to take for now.
    pub(super) fn is_ahead(&self) -> bool {
        self.joined - self.released() >= AHEAD
    }

    /// How far an exchange is that waits for the consumer.
    pub(super) fn paused(&self, id: AttemptId) -> Option<Paused> {
        let waiting = self.waiting.iter().find(|(waits, _)| *waits == id);
        waiting.map(|(_, paused)| *paused)
    }

    /// Whether the consumer has anything to do.
    pub(super) fn is_busy(&self) -> bool {
        self.released() < self.joined
    }

    /// How long the consumer takes for what there is.
    pub(super) fn rest(&self) -> Duration {
        let left = u128::from(self.joined) * NANO - self.taken;
        let speed = u128::from(self.speed.unwrap_or(u64::MAX).max(1));
        Duration::from_nanos(u64::try_from(left.div_ceil(speed)).unwrap_or(u64::MAX))
    }

    fn released(&self) -> u64 {
        u64::try_from(self.taken / NANO).unwrap_or(u64::MAX)
    }
}

/// The parts of a pull source that are in memory: their lengths by offset.
#[derive(Debug, Default)]
pub(super) struct Supply {
    held: BTreeMap<u64, u64>,
}

impl Supply {
    pub(super) fn fill(&mut self, offset: u64, len: u64) {
        self.held.insert(offset, len);
    }

    pub(super) fn stored(&mut self, offset: u64) {
        self.held.remove(&offset);
    }

    pub(super) fn held(&self) -> u64 {
        self.held.values().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn a_consumer_takes_what_has_no_gap_before_it_at_its_speed() {
        let mut intake = Intake::new(Some(10));
        intake.place(50, 50, at(0));
        assert_eq!((intake.take(at(1)), intake.held()), (0, 50));
        assert!(!intake.is_busy());
        intake.place(0, 50, at(2));
        assert_eq!(intake.held(), 100);
        // It does not make up for the time in which there was nothing to take.
        assert_eq!((intake.take(at(5)), intake.held()), (30, 70));
        assert_eq!(intake.rest(), Duration::from_secs(7));
        assert_eq!(intake.take(at(100)), 100);
        assert!(!intake.is_busy());
    }

    #[test]
    fn only_the_next_bytes_wait_and_only_for_a_consumer_that_has_enough() {
        let mut intake = Intake::new(Some(1));
        intake.place(0, AHEAD - 1, at(0));
        assert!(!intake.is_full(AHEAD - 1));
        intake.place(AHEAD - 1, 1, at(0));
        assert!(intake.is_full(AHEAD) && !intake.is_full(AHEAD + 1));
        intake.take(at(1));
        assert!(!intake.is_full(AHEAD));
    }

    #[test]
    fn a_consumer_without_a_speed_holds_only_what_comes_out_of_turn() {
        let mut intake = Intake::new(None);
        intake.place(0, 10, at(0));
        intake.place(20, 10, at(0));
        assert_eq!((intake.take(at(0)), intake.held()), (10, 10));
    }

    #[test]
    fn a_pull_source_holds_its_parts_until_they_are_stored() {
        let mut supply = Supply::default();
        supply.fill(0, 8);
        supply.fill(8, 16);
        supply.stored(0);
        assert_eq!(supply.held(), 16);
    }
}
