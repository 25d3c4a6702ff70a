use super::finish::is_gone;
use crate::attempt::{Ending, Failure, Outcome};
use crate::error::Cause;
use crate::operation::{AbortMultipartUpload, ListParts, Operation, OperationKind};
use crate::transfer::tries::{Tries, Verdict};
use crate::transfer::{Cx, Next};

/// How often an upload is aborted at most while it is still listed.
const ROUNDS: u32 = 3;

/// Aborts an upload, and makes sure that nothing of it is left: a part that was under way when the
/// upload was aborted can be stored after it (API_AbortMultipartUpload).
#[derive(Debug)]
pub(super) struct Discard {
    tries: Tries,
    step: Step,
    rounds: u32,
    /// An abort was acknowledged, and no part was listed after it.
    bare: bool,
    /// An abort was forbidden. It may be of what is gone, as some servers answer it after a
    /// Complete that they refused; the list tells.
    forbidden: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Abort,
    List,
}

/// How far discarding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Discarded {
    NotYet,
    /// Nothing is left.
    Gone,
    /// It can't be done, or can't be proved: the id is to be reported.
    Left,
}

impl Discard {
    pub(super) fn new(cx: &Cx<'_>) -> Self {
        let tries = cx.part_tries(OperationKind::AbortMultipartUpload);
        Self {
            tries,
            step: Step::Abort,
            rounds: 0,
            bare: false,
            forbidden: false,
        }
    }

    pub(super) fn next(&mut self, abort: AbortMultipartUpload, cx: &Cx<'_>) -> Result<Next, Next> {
        if let Some(wait) = cx.until(cx.call_at(self.tries.ready_at())) {
            return Err(wait);
        }
        let number = self.tries.start();
        Ok(match self.step {
            Step::Abort => Next::call(abort, number),
            Step::List => {
                let AbortMultipartUpload {
                    bucket,
                    key,
                    upload_id,
                } = abort;
                Next::call(ListParts::new(bucket, key, upload_id), number)
            }
        })
    }

    pub(super) fn on_outcome(&mut self, outcome: &Outcome, cx: &mut Cx<'_>) -> Discarded {
        let gone = matches!(&outcome.ending,
            Ending::Failed(Failure::Refused(error)) if is_gone(error));
        if gone {
            return Discarded::Gone;
        }
        match (&outcome.ending, self.step) {
            (Ending::Answered(_), Step::Abort) => {
                self.tries.succeed(cx);
                self.turn_to(Step::List, OperationKind::ListParts, cx);
                Discarded::NotYet
            }
            (Ending::Answered(answer), Step::List) => {
                self.tries.succeed(cx);
                let parts = ListParts::from_answer(answer.clone()).map(|list| list.parts.len());
                self.rounds += 1;
                self.bare = parts == Some(0);
                match parts {
                    _ if self.forbidden => Discarded::Left,
                    // Some servers list nothing where S3 says that there is no such upload.
                    Some(0) if self.rounds >= ROUNDS => Discarded::Gone,
                    _ if self.rounds >= ROUNDS => Discarded::Left,
                    _ => {
                        self.turn_to(Step::Abort, OperationKind::AbortMultipartUpload, cx);
                        Discarded::NotYet
                    }
                }
            }
            _ => self.on_failure(outcome, cx),
        }
    }

    fn on_failure(&mut self, outcome: &Outcome, cx: &mut Cx<'_>) -> Discarded {
        match (self.tries.fail(outcome, cx), self.step) {
            (Verdict::Retry, _) => Discarded::NotYet,
            // The abort was acknowledged; who may not list has to take that for an answer. So has
            // who may not abort again what has no parts.
            (Verdict::Fail(Cause::S3(_)), Step::List) if !self.forbidden => Discarded::Gone,
            (Verdict::Fail(Cause::S3(_)), Step::Abort) if self.bare => Discarded::Gone,
            (Verdict::Fail(Cause::S3(_)), Step::Abort) => {
                self.forbidden = true;
                self.turn_to(Step::List, OperationKind::ListParts, cx);
                Discarded::NotYet
            }
            (Verdict::Fail(_), _) => Discarded::Left,
        }
    }

    fn turn_to(&mut self, step: Step, operation: OperationKind, cx: &Cx<'_>) {
        self.step = step;
        self.tries = cx.part_tries(operation);
    }
}
