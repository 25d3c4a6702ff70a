//! A network as a fluid: every body that is under way gets a share of the link by its weight.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sans3_core::attempt::AttemptId;
use sans3_core::time::Instant;

/// A billionth of a byte: what one byte a second brings in a nanosecond.
pub(super) const NANO: u128 = 1_000_000_000;

/// The weight of an exchange that is as fast as the others.
pub(super) const WEIGHT: u64 = 1_000;

/// What lies between client and server. Latency and speed of each exchange vary by a quarter either
/// way, since exchanges that are all alike would run in step, and leave the link idle in step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// From a request to the first byte of its answer, on a connection that is open. A new
    /// connection takes twice as long before that: a round trip for TCP and one for TLS 1.3.
    pub latency: Duration,
    /// Bytes a second that one connection carries at most.
    pub per_connection: u64,
    /// Bytes a second that all connections carry together at most.
    pub total: u64,
}

/// The bodies under way. Each moves at a common rate times its weight, so that one number, what a
/// body of `WEIGHT` would have got if it had been there from the start, says how far all are.
#[derive(Debug)]
pub(super) struct Link {
    network: Network,
    now: Instant,
    /// In billionths of a byte, for a body of [`WEIGHT`].
    served: u128,
    /// The sum of all weights.
    weights: u64,
    /// By the value of `served` at which each is through.
    ends: BTreeSet<(u128, AttemptId)>,
    flows: BTreeMap<AttemptId, Flow>,
}

#[derive(Clone, Copy, Debug)]
struct Flow {
    weight: u64,
    len: u128,
    /// The value of `served` at which it is through.
    end: u128,
}

/// A flow that stands still.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paused {
    weight: u64,
    len: u128,
    left: u128,
}

impl Link {
    pub(super) const fn new(network: Network) -> Self {
        Self {
            network,
            now: Instant::ZERO,
            served: 0,
            weights: 0,
            ends: BTreeSet::new(),
            flows: BTreeMap::new(),
        }
    }

    /// Lets time pass. No flow may end on the way: [`next_end`](Self::next_end) comes first.
    pub(super) fn advance(&mut self, now: Instant) {
        let nanos = now.since(self.now).as_nanos();
        self.served += u128::from(self.rate()) * nanos;
        self.now = now;
    }

    pub(super) fn begin(&mut self, id: AttemptId, bytes: u64, weight: u64) {
        let len = u128::from(bytes) * NANO;
        let weight = weight.max(1);
        self.resume(
            id,
            Paused {
                weight,
                len,
                left: len,
            },
        );
    }

    /// When the next flow ends.
    pub(super) fn next_end(&self) -> Option<Instant> {
        let (end, _) = self.ends.first()?;
        let left = end.saturating_sub(self.served);
        let nanos = left.div_ceil(u128::from(self.rate().max(1)));
        Some(self.now + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
    }

    /// Takes out a flow that has ended by now.
    pub(super) fn pop_ended(&mut self) -> Option<AttemptId> {
        let (end, id) = *self.ends.first()?;
        (end <= self.served).then(|| {
            self.remove(id);
            id
        })
    }

    /// The bytes of a flow that have come through; `None` where it does not flow.
    pub(super) fn moved(&self, id: AttemptId) -> Option<u64> {
        let flow = self.flows.get(&id)?;
        Some(flow.stopped(self.served).moved())
    }

    /// Stops a flow that its receiver does not read. What is left goes on with
    /// [`resume`](Self::resume).
    pub(super) fn pause(&mut self, id: AttemptId) -> Option<Paused> {
        let flow = self.remove(id)?;
        Some(flow.stopped(self.served))
    }

    pub(super) fn resume(&mut self, id: AttemptId, Paused { weight, len, left }: Paused) {
        let end = self.served + (left * u128::from(WEIGHT)).div_ceil(weight.into());
        self.ends.insert((end, id));
        self.flows.insert(id, Flow { weight, len, end });
        self.weights += weight;
    }

    pub(super) fn drop(&mut self, id: AttemptId) {
        self.remove(id);
    }

    fn remove(&mut self, id: AttemptId) -> Option<Flow> {
        let flow = self.flows.remove(&id)?;
        self.ends.remove(&(flow.end, id));
        self.weights -= flow.weight;
        Some(flow)
    }

    /// Bytes a second for a body of [`WEIGHT`].
    fn rate(&self) -> u64 {
        let share = u128::from(self.network.total) * u128::from(WEIGHT);
        let share = share / u128::from(self.weights.max(1));
        let share = u64::try_from(share).unwrap_or(u64::MAX);
        self.network.per_connection.min(share)
    }
}

impl Flow {
    fn stopped(&self, served: u128) -> Paused {
        let left = end_to_left(self.end.saturating_sub(served), self.weight);
        Paused {
            weight: self.weight,
            len: self.len,
            left: left.min(self.len),
        }
    }
}

impl Paused {
    /// The bytes that had come through.
    pub(super) fn moved(self) -> u64 {
        u64::try_from((self.len - self.left) / NANO).unwrap_or(u64::MAX)
    }
}

/// What a flow of `weight` still has to move while one of [`WEIGHT`] moves `served`.
fn end_to_left(served: u128, weight: u64) -> u128 {
    (served * u128::from(weight)).div_ceil(WEIGHT.into())
}
