use core::time::Duration;

use crate::attempt::{AttemptId, Ending, Exchange, Failure, Outcome, Sent};
use crate::operation::OperationKind;
use crate::pace::Freight;
use crate::time::Instant;

/// An exchange that is under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flight {
    pub(super) id: AttemptId,
    pub(super) lease: Duration,
    pub(super) expires: Instant,
    pub(super) aborting: bool,
    /// Bytes of its body so far, as far as was told.
    pub(super) bytes: u64,
    pub(super) freight: Freight,
    pub(super) started: Instant,
    /// Whether it reads an object.
    pub(super) reads: bool,
}

impl Flight {
    /// It is to end, and its lease is of no interest any more.
    pub(super) fn abort(&mut self, first_lease: &mut Instant) {
        self.aborting = true;
        self.end_lease(first_lease);
    }

    /// Its lease ends. Where that was the first one to do so it has to be looked up which is now.
    pub(super) fn end_lease(&self, first_lease: &mut Instant) {
        if self.expires <= *first_lease {
            *first_lease = Instant::ZERO;
        }
    }

    /// Bytes of payload that its outcome shows to have moved, at most.
    pub(super) fn moved(&self, outcome: &Outcome) -> u64 {
        let Freight::Payload(charged) = self.freight else {
            return 0;
        };
        match &outcome.ending {
            Ending::Read { report, .. } => report.range.map_or(0, |range| range.len()),
            // How much of an upload had left nobody says.
            Ending::Failed(Failure::Transport { sent, .. }) if *sent != Sent::None => charged,
            Ending::Answered(_) | Ending::Lost => charged.max(self.bytes),
            Ending::Failed(_) => self.bytes,
        }
    }
}

impl Exchange {
    pub(super) fn kind(&self) -> OperationKind {
        match self {
            Self::Call(operation) | Self::Write(operation, _) => operation.kind(),
            Self::Read(_) => OperationKind::GetObject,
        }
    }

    /// The payload that it moves, as far as that is known beforehand.
    pub(super) fn freight(&self) -> Freight {
        match self {
            Self::Call(_) => Freight::Nothing,
            Self::Write(_, payload) => Freight::Payload(payload.len),
            Self::Read(read) => {
                let total = read.pinned.as_ref().map(|pinned| pinned.total);
                let len = match (read.get.range, total) {
                    (Some(range), total) => {
                        let end = total.map_or(range.end(), |total| range.end().min(total));
                        end.saturating_sub(range.start())
                    }
                    // What is not known is settled at the end.
                    (None, total) => total.unwrap_or(0),
                };
                Freight::Payload(len)
            }
        }
    }
}
