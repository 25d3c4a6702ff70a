//! A network as a fluid: every body that is under way gets a share of the link by its weight.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

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

/// The bodies under way, by the names of their exchanges. Each moves at a common rate times its weight, so that one number, what a
/// body of `WEIGHT` would have got if it had been there from the start, says how far all are.
#[derive(Debug)]
pub(super) struct Link<K> {
    network: Network,
    now: Instant,
    /// In billionths of a byte, for a body of [`WEIGHT`].
    served: u128,
    /// The sum of all weights.
    weights: u64,
    /// By the value of `served` at which each is through.
    ends: BTreeSet<(u128, K)>,
    flows: BTreeMap<K, Flow>,
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

impl<K: Copy + Ord> Link<K> {
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

    pub(super) fn begin(&mut self, id: K, bytes: u64, weight: u64) {
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
    pub(super) fn pop_ended(&mut self) -> Option<K> {
        let (end, id) = *self.ends.first()?;
        (end <= self.served).then(|| {
            self.remove(id);
            id
        })
    }

    /// The bytes of a flow that have come through; `None` where it does not flow.
    pub(super) fn moved(&self, id: K) -> Option<u64> {
        let flow = self.flows.get(&id)?;
        Some(flow.stopped(self.served).moved())
    }

    /// Stops a flow that its receiver does not read. What is left goes on with
    /// [`resume`](Self::resume).
    pub(super) fn pause(&mut self, id: K) -> Option<Paused> {
        let flow = self.remove(id)?;
        Some(flow.stopped(self.served))
    }

    pub(super) fn resume(&mut self, id: K, Paused { weight, len, left }: Paused) {
        let end = self.served + (left * u128::from(WEIGHT)).div_ceil(weight.into());
        self.ends.insert((end, id));
        self.flows.insert(id, Flow { weight, len, end });
        self.weights += weight;
    }

    pub(super) fn drop(&mut self, id: K) {
        self.remove(id);
    }

    fn remove(&mut self, id: K) -> Option<Flow> {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// 100 bytes a second for one, 150 for all.
    fn narrow() -> Link<u8> {
        Link::new(Network {
            latency: Duration::ZERO,
            per_connection: 100,
            total: 150,
        })
    }

    fn ends(link: &mut Link<u8>) -> Vec<(u64, u8)> {
        let mut seen = Vec::new();
        while let Some(at) = link.next_end() {
            link.advance(at);
            let id = link.pop_ended().unwrap();
            seen.push((at.as_nanos() / 1_000_000, id));
        }
        seen
    }

    #[test]
    fn one_has_its_connection_and_two_share_the_link() {
        let mut link = narrow();
        link.begin(1, 100, WEIGHT);
        assert_eq!(ends(&mut link), [(1_000, 1)]);
        // 75 each until the first is through after a second, then 100 for what is left of the other.
        link.begin(1, 75, WEIGHT);
        link.begin(2, 125, WEIGHT);
        assert_eq!(ends(&mut link), [(2_000, 1), (2_500, 2)]);
    }

    #[test]
    fn weights_divide_the_link() {
        let mut link = narrow();
        link.begin(1, 50, WEIGHT);
        link.begin(2, 100, 2 * WEIGHT);
        assert_eq!(ends(&mut link), [(1_000, 1), (1_000, 2)]);
    }

    #[test]
    fn a_flow_that_stands_still_leaves_its_share_to_others() {
        let mut link = narrow();
        link.begin(1, 75, WEIGHT);
        link.begin(2, 100, WEIGHT);
        let paused = link.pause(1).unwrap();
        link.advance(Instant::from_nanos(500_000_000));
        assert_eq!((link.moved(1), link.moved(2)), (None, Some(50)));
        assert_eq!(paused.moved(), 0);
        link.resume(1, paused);
        assert_eq!(link.moved(1), Some(0));
        assert_eq!(ends(&mut link), [(1_166, 2), (1_416, 1)]);
    }
}
