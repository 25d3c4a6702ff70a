//! How far a transfer is, and how fast it gets on: for people to look at. Nothing is decided by it.

mod rate;

use core::time::Duration;

pub use rate::RateMeter;

/// A transfer at one moment. Plain data: keep it, compare it, draw it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Payload bytes moved so far. Bytes that had to be moved again count once, so the number never
    /// falls.
    pub bytes: u64,
    /// Payload bytes in all, once that is known.
    pub total: Option<u64>,
    /// Parts or ranges that are finished.
    pub parts: u32,
    /// Parts or ranges in all, once that is known.
    pub parts_total: Option<u32>,
    /// Requests that were sent.
    pub attempts: u32,
    /// Those of them that were retries.
    pub retries: u32,
    /// Requests under way.
    pub in_flight: u32,
    /// Bytes per second over the last ten seconds.
    pub rate: u64,
    /// The time that the rest takes at this rate; `None` while the total is unknown or nothing
    /// moves.
    pub remaining: Option<Duration>,
}

impl Progress {
    /// This with bytes, rate and remaining time as `meter` has them at `now`. The total must be set
    /// before.
    #[must_use]
    pub fn measured(self, meter: &RateMeter, now: crate::time::Instant) -> Self {
        let rate = meter.rate(now);
        Self {
            bytes: meter.bytes(),
            rate,
            remaining: self.total.and_then(|total| meter.remaining_at(rate, total)),
            ..self
        }
    }
}
