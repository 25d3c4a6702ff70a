use core::any::Any;
use core::time::Duration;
use std::sync::Arc;

use crate::attempt::{Exchange, Outcome, Payload, Read};
use crate::error::{Cause, TransferError};
use crate::operation::{Operation, OperationKind};
use crate::pace::Gate;
use crate::retry::RetryPolicy;
use crate::session::{Blocked, Shared};
use crate::time::Instant;
use crate::transfer::tries::Tries;

/// Connections that break within so long of each other have broken together.
const TOGETHER: Duration = Duration::from_secs(1);

/// What a machine of a transfer sees of its session while it decides.
pub struct Cx<'a> {
    pub(crate) now: Instant,
    /// The serial number that the next attempt will carry.
    pub(crate) serial: u64,
    pub(crate) shared: &'a mut Shared,
    /// Whether one more exchange may run.
    pub(crate) slot_free: bool,
    /// When the exchange began whose outcome is looked at.
    pub(crate) started: Instant,
    /// When the pace lets an exchange begin.
    pub(crate) gate: Gate,
}

impl Cx<'_> {
    /// Why no request can be sent at all, if so. To be asked before [`Next::Start`].
    pub(crate) fn blocked(&self) -> Option<Next> {
        let why = if self.shared.credentials.is_awaited() {
            Blocked::Credentials
        } else if self.slot_free {
            return None;
        } else {
            Blocked::InFlight
        };
        Some(Next::Wait { until: None, why })
    }

    /// Whether a connection that breaks now has broken together with another one, whose retry was
    /// paid for. If not, this one is to be paid for, and those that break with it are not.
    pub(crate) fn breaks_along(&mut self) -> bool {
        let broken_at = self.shared.broken_at;
        let along =
            broken_at.is_some_and(|at| self.started <= at && self.now.since(at) <= TOGETHER);
        if !along {
            self.shared.broken_at = Some(self.now);
        }
        along
    }

    /// When a call may be sent that is ready at `ready_at`, and what it waits for till then.
    pub(crate) fn call_at(&self, ready_at: Instant) -> Due {
        Due::new(ready_at, self.gate.any)
    }

    /// The same of a request that moves payload.
    pub(crate) fn payload_at(&self, ready_at: Instant) -> Due {
        Due::new(ready_at, self.gate.payload)
    }

    /// The wait for `due`, if that is not over.
    pub(crate) fn until(&self, due: Due) -> Option<Next> {
        (due.at > self.now).then_some(Next::Wait {
            // Of what must come first, an outcome, nobody knows the time.
            until: (due.at < Instant::MAX).then_some(due.at),
            why: due.why,
        })
    }

    /// A new count of attempts at a call.
    pub(crate) fn tries(&self, operation: OperationKind) -> Tries {
        Tries::new(operation, self.shared.config.retry)
    }

    /// A new count of attempts at a range or part.
    pub(crate) fn part_tries(&self, operation: OperationKind) -> Tries {
        let config = &self.shared.config;
        let policy = RetryPolicy {
            max_attempts: config.part_attempts,
            ..config.retry
        };
        Tries::new(operation, policy)
    }
}

/// When a request may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) at: Instant,
    pub(crate) why: Blocked,
}

impl Due {
    fn new(ready_at: Instant, gate: Instant) -> Self {
        let (at, why) = if gate > ready_at {
            (gate, Blocked::Pace)
        } else {
            (ready_at, Blocked::Backoff)
        };
        Self { at, why }
    }

    /// The earlier one.
    pub(crate) fn sooner(first: Option<Self>, second: Self) -> Self {
        first
            .filter(|first| first.at <= second.at)
            .unwrap_or(second)
    }
}

/// What a transfer wants next.
#[derive(Debug)]
pub enum Next {
    /// Send a request; its serial number is [`Cx::serial`].
    Start(Start),
    /// Read bytes of a pull source.
    Fill {
        /// Where they begin.
        offset: u64,
        /// How many.
        len: u64,
    },
    /// End the attempt with this serial number.
    Abort(u64),
    /// Nothing before `until`, or before an input.
    Wait {
        /// When to ask again at the latest.
        until: Option<Instant>,
        /// What for.
        why: Blocked,
    },
    /// Nothing before an input about this very transfer, one of whose exchanges is under way:
    /// nothing that others do makes a difference.
    Rest,
    /// Nothing any more.
    Ended,
}

/// A request that a transfer wants to send.
#[derive(Debug)]
pub struct Start {
    pub(crate) exchange: Exchange,
    /// Which attempt at the same thing this is, from 1.
    pub(crate) number: u32,
}

impl Next {
    /// Nothing to do before an outcome is back.
    pub(crate) const fn in_flight() -> Self {
        Self::Wait {
            until: None,
            why: Blocked::InFlight,
        }
    }

    /// The sooner of two waits; anything else as it is.
    pub(crate) fn or_sooner(self, other: Self) -> Self {
        match (self, other) {
            (
                Self::Wait { until: a, why },
                Self::Wait {
                    until: b,
                    why: second,
                },
            ) => {
                let until = [a, b].into_iter().flatten().min();
                Self::Wait {
                    until,
                    why: if until == a { why } else { second },
                }
            }
            (next, _) => next,
        }
    }

    pub(crate) fn call(operation: impl Operation, number: u32) -> Self {
        Self::Start(Start {
            exchange: Exchange::Call(Arc::new(operation)),
            number,
        })
    }

    pub(crate) fn read(read: Read, number: u32) -> Self {
        Self::Start(Start {
            exchange: Exchange::Read(Arc::new(read)),
            number,
        })
    }

    pub(crate) fn write(operation: impl Operation, payload: Payload, number: u32) -> Self {
        Self::Start(Start {
            exchange: Exchange::Write(Arc::new(operation), payload),
            number,
        })
    }
}

/// The machine of one transfer.
pub trait Work: Send {
    /// What to do next. Called until it says [`Next::Wait`], [`Next::Rest`] or [`Next::Ended`].
    fn next(&mut self, cx: &mut Cx<'_>) -> Next;

    /// The attempt `outcome.id().serial` ended.
    fn on_outcome(&mut self, outcome: Outcome, cx: &mut Cx<'_>);

    /// The attempt with this serial number has moved so many bytes.
    fn on_progress(&mut self, _serial: u64, _bytes: u64) {}

    /// The consumer is done with all bytes below `up_to`.
    fn on_released(&mut self, _up_to: u64) {}

    /// A pull source has `up_to` bytes ready; with `end`, no more will come.
    fn on_supplied(&mut self, _up_to: u64, _end: bool, _cx: &mut Cx<'_>) {}

    /// The caller has lost interest, or the transfer can't go on because of `cause`: wind it down.
    fn fail(&mut self, cause: Cause, cx: &mut Cx<'_>);

    /// How far it is.
    fn counters(&self) -> Counters;

    /// The result, after [`Next::Ended`].
    fn into_result(self: Box<Self>) -> Result<Box<dyn Any + Send>, TransferError>;
}

/// How far a transfer is, in whole requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    pub(crate) bytes: u64,
    pub(crate) total: Option<u64>,
    pub(crate) parts: u32,
    pub(crate) parts_total: Option<u32>,
}
