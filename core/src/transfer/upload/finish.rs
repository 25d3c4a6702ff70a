use super::identity::{Identity, Likeness};
use super::put::is_precondition;
use crate::attempt::{Ending, Outcome};
use crate::error::{Cause, Rule, S3Error, Unreachable, Violation};
use crate::etag::ETag;
use crate::operation::{
    CompleteMultipartUpload, CompleteMultipartUploadOutput, HeadObject, HeadObjectOutput,
    Operation, OperationKind,
};
use crate::retry::FailureClass;
use crate::transfer::tries::{Tries, Verdict};
use crate::transfer::{Cx, Next, Verified};

/// CompleteMultipartUpload, whose answer can be lost after it took effect.
#[derive(Debug)]
pub(super) struct Complete {
    tries: Tries,
    operation: CompleteMultipartUpload,
}

/// What came of a Complete.
#[derive(Debug)]
pub(super) enum Completed {
    /// It will be sent again.
    NotYet,
    /// The object is there; `verified` where the answer also proves its bytes.
    Yes {
        etag: Option<ETag>,
        verified: Option<Verified>,
    },
    /// The answer leaves open whether the object was made: look at it. `gone` where the server no
    /// longer has the upload.
    Unclear { cause: Cause, gone: bool },
    /// A conflicting write came between: the whole upload must be done again
    /// (API_CompleteMultipartUpload, ConditionalRequestConflict).
    Again(Cause),
    /// It was refused; the upload is still there.
    Fail(Cause),
}

impl Complete {
    pub(super) fn new(operation: CompleteMultipartUpload, cx: &Cx<'_>) -> Self {
        Self {
            tries: cx.tries(OperationKind::CompleteMultipartUpload),
            operation,
        }
    }

    pub(super) fn next(&mut self, cx: &Cx<'_>) -> Result<Next, Next> {
        if let Some(wait) = cx.until(cx.call_at(self.tries.ready_at())) {
            return Err(wait);
        }
        Ok(Next::call(self.operation.clone(), self.tries.start()))
    }

    pub(super) fn on_outcome(&mut self, outcome: &Outcome, cx: &mut Cx<'_>) -> Completed {
        if let Ending::Answered(answer) = &outcome.ending {
            self.tries.succeed(cx);
            return match CompleteMultipartUpload::from_answer(answer.clone()) {
                Some(output) => self.check(output),
                None => Completed::Fail(Unreachable("an answer to another operation").into()),
            };
        }
        let before = self.tries.is_ambiguous();
        match self.tries.fail(outcome, cx) {
            Verdict::Retry => Completed::NotYet,
            Verdict::Fail(cause) => {
                let refusal = match cause.root() {
                    Cause::S3(error) => Some(error),
                    _ => None,
                };
                let gone = refusal.is_some_and(|error| is_gone(error));
                let conflict = refusal.is_some_and(|error| error.is("ConditionalRequestConflict"));
                if conflict && !before {
                    Completed::Again(cause)
                } else if gone || self.tries.is_ambiguous() {
                    Completed::Unclear { cause, gone }
                } else {
                    Completed::Fail(cause)
                }
            }
        }
    }

    /// Whether an attempt may have taken effect without an answer.
    pub(super) const fn is_ambiguous(&self) -> bool {
        self.tries.is_ambiguous()
    }

    fn check(&self, output: CompleteMultipartUploadOutput) -> Completed {
        let etag = output.etag;
        let Some(full) = self.operation.checksum else {
            return Completed::Yes {
                etag,
                verified: None,
            };
        };
        let mut seen = output.declared.full_object.iter();
        match seen.find(|sum| sum.algorithm == full.algorithm) {
            Some(seen) if *seen == full => {
                let verified = Some(Verified::FullObject(full.algorithm));
                Completed::Yes { etag, verified }
            }
            // The server made something else, or says so: only the object can tell.
            Some(seen) => Completed::Unclear {
                cause: Violation::new(Rule::Checksum, full.to_string(), seen.to_string()).into(),
                gone: true,
            },
            None => Completed::Yes {
                etag,
                verified: None,
            },
        }
    }
}

/// A HEAD after an upload, to see what is under the key.
#[derive(Debug)]
pub(super) struct Look {
    tries: Tries,
    reason: Reason,
}

/// Why an uploaded object is looked at.
#[derive(Debug)]
pub(super) enum Reason {
    /// The server said that it has the object, and nothing of how it looks.
    Confirm { etag: Option<ETag> },
    /// It is open whether the write took effect. `gone` where the server no longer has the upload.
    Reconcile { cause: Cause, gone: bool },
}

/// What looking showed.
#[derive(Debug)]
pub(super) enum Seen {
    /// Look again.
    NotYet,
    /// The object is there.
    Ours {
        etag: Option<ETag>,
        verified: Verified,
    },
    /// What is there, if anything, is not what was uploaded; the upload, if it was one, may still
    /// be there.
    NotOurs(Cause),
    /// Neither provable.
    Ambiguous,
}

impl Look {
    pub(super) fn new(reason: Reason, cx: &Cx<'_>) -> Self {
        Self {
            tries: cx.part_tries(OperationKind::HeadObject),
            reason,
        }
    }

    pub(super) fn next(&mut self, head: HeadObject, cx: &Cx<'_>) -> Result<Next, Next> {
        if let Some(wait) = cx.until(cx.call_at(self.tries.ready_at())) {
            return Err(wait);
        }
        Ok(Next::call(
            HeadObject {
                checksum_mode: true,
                ..head
            },
            self.tries.start(),
        ))
    }

    pub(super) fn on_outcome(
        &mut self,
        outcome: &Outcome,
        identity: &Identity<'_>,
        cx: &mut Cx<'_>,
    ) -> Seen {
        if let Ending::Answered(answer) = &outcome.ending {
            self.tries.succeed(cx);
            return match HeadObject::from_answer(answer.clone()) {
                Some(head) => self.judge(&head, identity),
                None => Seen::NotOurs(Unreachable("an answer to another operation").into()),
            };
        }
        // What was just written may take a moment to be seen.
        let class = outcome.refused_with(404).then_some(FailureClass::Transient);
        match self.tries.fail_as(class, outcome, cx) {
            Verdict::Retry => Seen::NotYet,
            Verdict::Fail(cause) => self.without_head(cause, outcome.refused_with(404)),
        }
    }

    fn judge(&self, head: &HeadObjectOutput, identity: &Identity<'_>) -> Seen {
        let found = head.etag.clone();
        match (&self.reason, identity.compare(head)) {
            (Reason::Confirm { etag }, Likeness::Ours(verified)) => Seen::Ours {
                etag: found.or_else(|| etag.clone()),
                verified,
            },
            (Reason::Reconcile { .. }, Likeness::Ours(verified)) => Seen::Ours {
                etag: found,
                verified,
            },
            (Reason::Confirm { etag }, Likeness::Possible) => {
                let etag = found.or_else(|| etag.clone());
                Seen::Ours {
                    etag,
                    verified: Verified::Length,
                }
            }
            (Reason::Confirm { .. }, Likeness::Other(detail)) => {
                Seen::NotOurs(Cause::Conflict { found, detail })
            }
            (Reason::Reconcile { .. }, Likeness::Possible) => Seen::Ambiguous,
            // A 412 is the honest answer: what stands there is somebody else's.
            (Reason::Reconcile { cause, .. }, Likeness::Other(_)) if is_precondition(cause) => {
                Seen::NotOurs(cause.clone())
            }
            (Reason::Reconcile { gone: true, .. }, Likeness::Other(detail)) => {
                Seen::NotOurs(Cause::Conflict { found, detail })
            }
            (Reason::Reconcile { cause, .. }, Likeness::Other(_)) => Seen::NotOurs(cause.clone()),
        }
    }

    /// The object can't be looked at.
    fn without_head(&self, cause: Cause, absent: bool) -> Seen {
        match &self.reason {
            Reason::Confirm { .. } if absent => Seen::NotOurs(Cause::Conflict {
                found: None,
                detail: "the server said that it is stored, and now it is not there".into(),
            }),
            // Credentials that may only write are no reason to fail.
            Reason::Confirm { etag } if matches!(cause, Cause::S3(_)) => Seen::Ours {
                etag: etag.clone(),
                verified: Verified::Acknowledged,
            },
            Reason::Confirm { .. } => Seen::NotOurs(cause),
            Reason::Reconcile { cause, .. } if absent => Seen::NotOurs(cause.clone()),
            Reason::Reconcile { .. } => Seen::Ambiguous,
        }
    }
}

/// Whether a refusal says that the server does not have the upload (any more). Several servers say
/// so with other codes than NoSuchUpload, or with none.
pub(super) fn is_gone(error: &S3Error) -> bool {
    error.is("NoSuchUpload") || (error.status == 404 && !error.is("NoSuchBucket"))
}
