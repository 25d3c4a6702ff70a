//! A network as a fluid: every body that is under way gets the same share of the link.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sans3_core::attempt::AttemptId;
use sans3_core::time::Instant;

/// A billionth of a byte: what one byte a second brings in a nanosecond.
pub(super) const NANO: u128 = 1_000_000_000;

/// What lies between client and server.
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

/// The bodies under way. They all move at the same rate, so that one number, what each would have
/// got if it had been there from the start, says how far every one of them is.
#[derive(Debug)]
pub(super) struct Link {
    network: Network,
    now: Instant,
    /// In billionths of a byte.
    served: u128,
    /// By the value of `served` at which each is through.
    ends: BTreeSet<(u128, AttemptId)>,
    flows: BTreeMap<AttemptId, Flow>,
}

#[derive(Clone, Copy, Debug)]
struct Flow {
    len: u128,
    end: u128,
}

impl Link {
    pub(super) const fn new(network: Network) -> Self {
        Self {
            network,
            now: Instant::ZERO,
            served: 0,
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

    pub(super) fn begin(&mut self, id: AttemptId, bytes: u64) {
        let len = u128::from(bytes) * NANO;
        self.resume(id, Paused { len, left: len });
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
        let left = flow.end.saturating_sub(self.served).min(flow.len);
        u64::try_from((flow.len - left) / NANO).ok()
    }

    /// Stops a flow that its receiver does not read. What is left goes on with
    /// [`resume`](Self::resume).
    pub(super) fn pause(&mut self, id: AttemptId) -> Option<Paused> {
        let Flow { len, end } = self.remove(id)?;
        let left = end.saturating_sub(self.served);
        Some(Paused { len, left })
    }

    pub(super) fn resume(&mut self, id: AttemptId, Paused { len, left }: Paused) {
        let end = self.served + left;
        self.ends.insert((end, id));
        self.flows.insert(id, Flow { len, end });
    }

    pub(super) fn drop(&mut self, id: AttemptId) {
        self.remove(id);
    }

    fn remove(&mut self, id: AttemptId) -> Option<Flow> {
        let flow = self.flows.remove(&id)?;
        self.ends.remove(&(flow.end, id));
        Some(flow)
    }

    /// Bytes a second for each.
    fn rate(&self) -> u64 {
        let flows = u64::try_from(self.flows.len()).unwrap_or(u64::MAX).max(1);
        self.network.per_connection.min(self.network.total / flows)
    }
}

/// A flow that stands still.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paused {
    len: u128,
    left: u128,
}

impl Paused {
    /// The bytes that had come through.
    pub(super) fn moved(self) -> u64 {
        u64::try_from((self.len - self.left) / NANO).unwrap_or(u64::MAX)
    }
}
