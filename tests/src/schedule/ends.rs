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
