//! How fast a session goes: what the caller allows, what the server allows, what the network has.
//!
//! Everything here is a matter of *when a new exchange may begin*. Bytes that are under way are
//! never held up: a server that is not read from breaks the connection, and a buffer that fills in
//! the kernel is nobody's memory account.
//!
//! | part | says |
//! |---|---|
//! | [`SessionConfig::max_bandwidth`], [`SessionConfig::max_requests`] | what the caller allows a second |
//!
//! [`SessionConfig::max_bandwidth`]: crate::session::SessionConfig::max_bandwidth
//! [`SessionConfig::max_requests`]: crate::session::SessionConfig::max_requests

mod bucket;

use core::num::{NonZeroU32, NonZeroU64};

use bucket::Bucket;

use crate::time::Instant;

/// The pace of a session.
#[derive(Debug)]
pub(crate) struct Pace {
    bytes: Option<Bucket>,
    requests: Option<Bucket>,
}

/// When exchanges may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gate {
    /// Any at all.
    pub(crate) any: Instant,
    /// Those that move payload.
    pub(crate) payload: Instant,
}

/// What an exchange costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Freight {
    /// A request and an answer that are nothing beside payload.
    Nothing,
    /// Bytes of objects, as many as are known beforehand.
    Payload(u64),
}

impl Pace {
    /// A pace of at most so many bytes and requests a second.
    pub(crate) fn new(bandwidth: Option<NonZeroU64>, requests: Option<NonZeroU32>) -> Self {
        Self {
            bytes: bandwidth.map(Bucket::new),
            requests: requests.map(|requests| Bucket::new(requests.into())),
        }
    }

    /// When the next exchange may begin; now, or in the past, where one may.
    pub(crate) fn gate(&self) -> Gate {
        let ready =
            |bucket: &Option<Bucket>| bucket.as_ref().map_or(Instant::ZERO, Bucket::ready_at);
        let any = ready(&self.requests);
        Gate {
            any,
            payload: any.max(ready(&self.bytes)),
        }
    }

    /// An exchange begins.
    pub(crate) fn started(&mut self, freight: Freight, now: Instant) {
        if let Some(requests) = &mut self.requests {
            requests.take(1, now);
        }
        if let (Some(bytes), Freight::Payload(len)) = (&mut self.bytes, freight) {
            bytes.take(len, now);
        }
    }

    /// An exchange has ended, for which `charged` bytes were taken, and has moved `moved`.
    pub(crate) fn settled(&mut self, charged: u64, moved: u64, now: Instant) {
        let Some(bytes) = &mut self.bytes else { return };
        match moved.checked_sub(charged) {
            Some(more) => bytes.take(more, now),
            None => bytes.give_back(charged - moved),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    fn at(millis: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(millis)
    }

    #[test]
    fn without_limits_nothing_waits() {
        let mut pace = Pace::new(None, None);
        for _ in 0..1_000 {
            assert!(pace.gate().payload <= at(0));
            pace.started(Freight::Payload(u64::MAX), at(0));
        }
    }

    #[test]
    fn calls_wait_for_requests_alone() {
        let mut pace = Pace::new(NonZeroU64::new(1_000), NonZeroU32::new(10));
        pace.started(Freight::Payload(5_000), at(0));
        assert_eq!(pace.gate().any, at(100));
        assert_eq!(pace.gate().payload, at(5_000));
        pace.started(Freight::Nothing, at(100));
        assert_eq!(pace.gate().any, at(200));
        assert_eq!(pace.gate().payload, at(5_000));
    }

    #[test]
    fn what_did_not_move_is_given_back_and_what_moved_beyond_is_owed() {
        let mut pace = Pace::new(NonZeroU64::new(1_000), None);
        pace.started(Freight::Payload(5_000), at(0));
        pace.settled(5_000, 1_000, at(0));
        assert_eq!(pace.gate().payload, at(1_000));
        pace.started(Freight::Payload(0), at(1_000));
        pace.settled(0, 3_000, at(1_000));
        assert_eq!(pace.gate().payload, at(4_000));
    }
}
