use super::work::{Event, Known, Task};
use crate::attempt::{Ending, Outcome, Read};
use crate::checksum::{Checksum, combine};
use crate::error::Cause;
use crate::operation::OperationKind;
use crate::range::{ByteRange, Segment, Segments};
use crate::transfer::tries::{Tries, Verdict};
use crate::transfer::{Cx, Due, Next, Verified};

/// All bytes came, and are not the object's: some answer was wrong. Each piece is read a second
/// time without being placed; those whose checksum differs are fetched a third time and replaced.
#[derive(Debug)]
pub(super) struct Recheck {
    expected: Checksum,
    seen: Checksum,
    pieces: Vec<Suspect>,
}

#[derive(Debug)]
struct Suspect {
    range: ByteRange,
    placed: Checksum,
    again: Option<Checksum>,
    replaced: bool,
    in_flight: bool,
    tries: Tries,
}

impl Recheck {
    pub(super) fn new(
        expected: Checksum,
        seen: Checksum,
        segments: &Segments,
        cx: &Cx<'_>,
    ) -> Self {
        let suspect = |segment: &Segment| {
            Some(Suspect {
                range: segment.range,
                placed: segment.checksum?,
                again: None,
                replaced: false,
                in_flight: false,
                tries: cx.part_tries(OperationKind::GetObject),
            })
        };
        Self {
            expected,
            seen,
            pieces: segments.iter().filter_map(suspect).collect(),
        }
    }

    pub(super) fn next(&mut self, known: &Known, cx: &Cx<'_>) -> (Next, Option<Task>) {
        let algorithms = vec![self.expected.algorithm];
        let replacing = self.pieces.iter().all(|piece| piece.again.is_some());
        let mut wake = None;
        for (index, piece) in self.pieces.iter_mut().enumerate() {
            if piece.in_flight || !piece.is_open(replacing) {
                continue;
            }
            let due = cx.payload_at(piece.tries.ready_at());
            if due.at > cx.now {
                wake = Some(Due::sooner(wake, due));
                continue;
            }
            piece.in_flight = true;
            let read = Read {
                place: replacing,
                ..known.read(Some(piece.range), algorithms)
            };
            return (
                Next::read(read, piece.tries.start()),
                Some(Task::Recheck(index)),
            );
        }
        let wait = wake.and_then(|due| cx.until(due));
        (wait.unwrap_or_else(Next::in_flight), None)
    }

    pub(super) fn on_outcome(&mut self, index: usize, outcome: &Outcome, cx: &mut Cx<'_>) -> Event {
        let replacing = self.pieces.iter().all(|piece| piece.again.is_some());
        let Some(piece) = self.pieces.get_mut(index) else {
            return Event::Nothing;
        };
        piece.in_flight = false;
        let algorithm = self.expected.algorithm;
        let came = match &outcome.ending {
            Ending::Read {
                report,
                end: Ok(()),
            } => report
                .checksums
                .iter()
                .find(|sum| sum.algorithm == algorithm),
            _ => None,
        };
        let Some(checksum) = came else {
            return match piece.tries.fail(outcome, cx) {
                Verdict::Retry => Event::Nothing,
                Verdict::Fail(cause) => Event::Fail(cause),
            };
        };
        piece.tries.succeed(cx);
        if replacing {
            piece.placed = *checksum;
            piece.replaced = true;
        } else {
            piece.again = Some(*checksum);
            // To replace it is another request, with attempts of its own.
            piece.tries = cx.part_tries(OperationKind::GetObject);
        }
        self.verdict()
    }

    fn verdict(&self) -> Event {
        if self.pieces.iter().any(|piece| piece.again.is_none()) {
            return Event::Nothing;
        }
        if self.pieces.iter().any(|piece| piece.is_open(true)) {
            return Event::Nothing;
        }
        let whole = self
            .pieces
            .iter()
            .try_fold(Checksum::empty(self.expected.algorithm), |sum, piece| {
                combine(&sum, &piece.placed, piece.range.len())
            });
        match whole {
            Some(sum) if sum == self.expected => {
                Event::Finished(Verified::FullObject(sum.algorithm))
            }
            sum => Event::Fail(Cause::ChecksumMismatch {
                expected: self.expected,
                seen: sum.unwrap_or(self.seen),
            }),
        }
    }
}

impl Suspect {
    /// Whether it is still to be read, in the second pass or (`replacing`) in the third.
    fn is_open(&self, replacing: bool) -> bool {
        if replacing {
            self.again != Some(self.placed) && !self.replaced
        } else {
            self.again.is_none()
        }
    }
}
