use super::parts::check_echo;
use crate::attempt::{Ending, Failure, Outcome, Payload};
use crate::checksum::Checksum;
use crate::error::{Cause, Rule, Violation};
use crate::etag::ETag;
use crate::operation::{Operation, OperationKind, PutObject};
use crate::transfer::tries::{Tries, Verdict};
use crate::transfer::{Cx, Next, Verified};

/// The whole object by one request.
#[derive(Debug)]
pub(super) struct Put {
    tries: Tries,
    pub(super) len: u64,
    pub(super) checksum: Option<Checksum>,
}

/// What came of a PUT.
#[derive(Debug)]
pub(super) enum Stored {
    /// It will be sent again.
    NotYet,
    /// The server acknowledged it; `verified` where the answer also proves the bytes.
    Yes {
        etag: Option<ETag>,
        verified: Option<Verified>,
    },
    /// An earlier attempt may have written the object, which now stands in the way of this one.
    Perhaps(Cause),
    Fail(Cause),
}

impl Put {
    pub(super) fn new(len: u64, cx: &Cx<'_>) -> Self {
        Self {
            tries: cx.part_tries(OperationKind::PutObject),
            len,
            checksum: None,
        }
    }

    pub(super) fn next(
        &mut self,
        operation: &PutObject,
        algorithm: crate::checksum::Algorithm,
        cx: &Cx<'_>,
    ) -> Result<Next, Next> {
        if let Some(wait) = cx.until(cx.payload_at(self.tries.ready_at())) {
            return Err(wait);
        }
        let payload = Payload {
            offset: 0,
            len: self.len,
            algorithm,
            first: self.checksum,
        };
        Ok(Next::write(operation.clone(), payload, self.tries.start()))
    }

    pub(super) fn on_outcome(&mut self, mut outcome: Outcome, cx: &mut Cx<'_>) -> Stored {
        self.checksum = self
            .checksum
            .or(outcome.payload.map(|(_, _, checksum)| checksum));
        if let Ending::Answered(answer) = &outcome.ending {
            match self.check(PutObject::from_answer(answer.clone())) {
                Ok((etag, verified)) => {
                    self.tries.succeed(cx);
                    return Stored::Yes { etag, verified };
                }
                Err(violation) => outcome.ending = Ending::Failed(Failure::Broken(violation)),
            }
        }
        let before = self.tries.is_ambiguous();
        match self.tries.fail(&outcome, cx) {
            Verdict::Retry => Stored::NotYet,
            Verdict::Fail(cause @ Cause::S3(_)) if before && is_precondition(&cause) => {
                Stored::Perhaps(cause)
            }
            Verdict::Fail(cause) => Stored::Fail(cause),
        }
    }

    fn check(
        &self,
        output: Option<crate::operation::PutObjectOutput>,
    ) -> Result<(Option<ETag>, Option<Verified>), Violation> {
        let Some(output) = output else {
            return Err(Violation::new(
                Rule::Identity,
                "an answer to PutObject",
                "another",
            ));
        };
        // Every server names the tag of what it stored. An answer without one may be an error that
        // came with the wrong status.
        let Some(etag) = &output.etag else {
            return Err(Violation::new(Rule::ETag, "a usable ETag", "none"));
        };
        let Some(sent) = &self.checksum else {
            return Ok((output.etag, None));
        };
        let proved = check_echo(sent, &output.declared.full_object, etag, output.encrypted)?;
        Ok((
            output.etag,
            proved.then_some(Verified::FullObject(sent.algorithm)),
        ))
    }
}

/// Whether a write was refused because of what stands under the key.
pub(super) fn is_precondition(cause: &Cause) -> bool {
    matches!(cause, Cause::S3(error) if error.status == 412)
}
