//! What a session tells its pace, and what follows from it.

use core::num::NonZeroU16;

use super::flight::Flight;
use super::{Session, SessionConfig, Shared};
use crate::attempt::{Ending, Failure, Outcome};
use crate::error::{Cause, TransportErrorKind};
use crate::pace::{Ended, Pace, Sign};
use crate::retry::{FailureClass, classify};
use crate::time::Instant;

impl Session {
    /// An exchange has ended, and its transfer knows.
    pub(super) fn after_exchange(&mut self, ended: &Ended, now: Instant) {
        let hopeless = self.shared.pace.ended(ended, now);
        self.shared.turn(now);
        if let Some(failures) = hopeless {
            let endpoint = self.shared.config.endpoint.to_string();
            self.fail_all(&Cause::Outage { endpoint, failures }, now);
        }
    }
}

impl Shared {
    /// How many exchanges may run at once now.
    pub(super) fn slots(&self) -> u16 {
        self.pace.slots().unwrap_or_else(|| self.config.slots())
    }

    /// Lets the pace change how many exchanges run at once. Their buffers come out of the memory that
    /// payload has not taken.
    pub(super) fn turn(&mut self, now: Instant) {
        let Some(before) = self.pace.slots() else {
            return;
        };
        let free = self.config.memory.saturating_sub(self.memory.used());
        let room = self.config.slots().min(self.config.slots_in(free));
        self.pace.turn(room, now);
        if self.pace.slots() != Some(before) {
            self.share_memory();
        }
    }

    /// The caller fixes how many exchanges run at once.
    pub(super) fn fix_slots(&mut self, slots: NonZeroU16) {
        self.config.concurrency = slots.into();
        self.pace.fix_slots();
        self.share_memory();
    }

    /// Leaves to payload what buffers don't take.
    fn share_memory(&mut self) {
        let limit = self.config.payload_memory(self.slots());
        self.memory.set_limit(limit);
    }
}

impl Pace {
    pub(super) fn of(config: &SessionConfig) -> Self {
        let auto = config.concurrency.is_auto();
        let slots = auto.then(|| config.first_slots());
        Self::new(config.max_bandwidth, config.max_requests, slots)
    }
}

impl Flight {
    /// What its outcome tells the pace.
    pub(super) fn ended(&self, outcome: &Outcome) -> Ended {
        Ended {
            serial: self.id.serial,
            freight: self.freight,
            started: self.started,
            moved: self.moved(outcome),
            told: self.bytes,
            sign: sign(&outcome.ending),
        }
    }
}

/// What an ending says about the server, whatever it means to the request.
fn sign(ending: &Ending) -> Sign {
    match ending {
        Ending::Answered(_) | Ending::Read { end: Ok(()), .. } => Sign::Good,
        // Bytes of the object came.
        Ending::Read { report, .. } if report.range.is_some() => Sign::Good,
        Ending::Read {
            end: Err(failure), ..
        }
        | Ending::Failed(failure) => match failure {
            Failure::Refused(error) | Failure::NoBytes(error) => match classify(error) {
                FailureClass::Throttling => Sign::Throttled,
                FailureClass::Transient if error.status >= 500 => Sign::Bad,
                _ => Sign::Good,
            },
            Failure::Transport {
                kind: TransportErrorKind::Aborted,
                ..
            } => Sign::None,
            Failure::Transport { .. } => Sign::Bad,
            _ => Sign::None,
        },
        Ending::Lost => Sign::None,
    }
}
