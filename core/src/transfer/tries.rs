//! The attempts at one thing: a call, a range, a part.

use crate::attempt::{Ending, Failure, Outcome};
use crate::error::{Cause, S3Error, TransportErrorKind};
use crate::operation::OperationKind;
use crate::retry::{
    self, FailureClass, GiveUp, Retries, RetryPolicy, classify, classify_transport,
};
use crate::session::{Notice, Reaction};
use crate::time::Instant;

use super::Cx;

/// Counts the attempts at one request and decides, after a failure, whether there is another.
#[derive(Clone, Debug)]
pub(crate) struct Tries {
    operation: OperationKind,
    policy: RetryPolicy,
    retries: Retries,
    sent: u32,
    not_before: Instant,
    refreshed: bool,
    /// An attempt may have taken effect although no answer said so.
    ambiguous: bool,
}

/// What becomes of a request that failed.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// Send it again, not before [`Tries::ready_at`].
    Retry,
    /// It failed for good.
    Fail(Cause),
}

impl Tries {
    pub(crate) const fn new(operation: OperationKind, policy: RetryPolicy) -> Self {
        Self {
            operation,
            policy,
            retries: Retries::new(),
            sent: 0,
            not_before: Instant::ZERO,
            refreshed: false,
            ambiguous: false,
        }
    }

    /// When it may be sent.
    pub(crate) const fn ready_at(&self) -> Instant {
        self.not_before
    }

    /// Whether nothing was sent yet.
    pub(crate) const fn is_fresh(&self) -> bool {
        self.sent == 0
    }

    /// Whether one more attempt is within the policy.
    pub(crate) const fn has_more(&self) -> bool {
        self.sent < self.policy.max_attempts.get()
    }

    /// Counts an attempt and returns its number, from 1.
    pub(crate) const fn start(&mut self) -> u32 {
        self.sent = self.sent.saturating_add(1);
        self.sent
    }

    /// Whether an earlier attempt may have taken effect.
    pub(crate) const fn is_ambiguous(&self) -> bool {
        self.ambiguous
    }

    /// The attempt succeeded: gives back to the budget what retrying took from it.
    pub(crate) fn succeed(&mut self, cx: &mut Cx<'_>) {
        core::mem::take(&mut self.retries).succeeded(&mut cx.shared.budget);
    }

    /// The attempt failed.
    pub(crate) fn fail(&mut self, outcome: &Outcome, cx: &mut Cx<'_>) -> Verdict {
        self.fail_as(None, outcome, cx)
    }

    /// The attempt failed; `class`, if given, says how to take that.
    pub(crate) fn fail_as(
        &mut self,
        class: Option<FailureClass>,
        outcome: &Outcome,
        cx: &mut Cx<'_>,
    ) -> Verdict {
        let lost;
        let failure = match &outcome.ending {
            Ending::Failed(failure)
            | Ending::Read {
                end: Err(failure), ..
            } => failure,
            _ => {
                lost = Failure::Transport {
                    kind: TransportErrorKind::Other,
                    detail: "the exchange was lost".into(),
                    sent: crate::attempt::Sent::All,
                };
                &lost
            }
        };
        self.ambiguous |= failure.is_ambiguous();
        let cause = failure.clone().into_cause(self.operation);
        let (class, retry_after) = match (class, failure) {
            (Some(class), _) => (class, None),
            (None, Failure::Refused(error)) => {
                let class = self.remedy(error, outcome, cx);
                (class, error.retry_after.as_deref())
            }
            (None, failure) => (classify_unrefused(failure), None),
        };
        // The learnt rate bounds how often a server that asks for less is asked; and what breaks
        // together is one failure of the network.
        let free = match failure {
            Failure::Transport { .. } => cx.breaks_along(),
            _ => class == FailureClass::Throttling,
        };
        let verdict = self.back_off(class, free, &cause, retry_after, cx);
        let reaction = match &verdict {
            Verdict::Retry => Reaction::Retry {
                after: self.not_before.since(cx.now),
            },
            Verdict::Fail(_) => Reaction::GiveUp,
        };
        cx.shared.notices.push(Notice {
            attempt: outcome.id(),
            operation: self.operation,
            number: self.sent,
            cause,
            reaction,
        });
        verdict
    }

    /// A wrong clock and expired credentials have a remedy: a new signature. Where it would be the
    /// same, the refusal stands.
    fn remedy(&mut self, error: &S3Error, outcome: &Outcome, cx: &mut Cx<'_>) -> FailureClass {
        let class = if is_transient_refusal(error) {
            FailureClass::Transient
        } else {
            classify(error)
        };
        if class == FailureClass::Permanent && error.code.is_none() {
            return self.remedy_unnamed(error.status, outcome, cx);
        }
        let cured = match class {
            FailureClass::ClockSkew { .. } => learn_time(class, outcome, cx),
            FailureClass::ExpiredCredentials => {
                let credentials = &mut cx.shared.credentials;
                let newer = outcome.generation < credentials.generation();
                let cured = newer || (!self.refreshed && credentials.refresh());
                self.refreshed = true;
                cured
            }
            _ => true,
        };
        if cured {
            class
        } else {
            FailureClass::Permanent
        }
    }

    /// A refusal without a code, as all are that answer a HEAD: what has a remedy where it is named
    /// has it here too, if there is a sign of it.
    fn remedy_unnamed(&mut self, status: u16, outcome: &Outcome, cx: &mut Cx<'_>) -> FailureClass {
        let credentials = &cx.shared.credentials;
        let renewed = outcome.generation < credentials.generation();
        let renewing = credentials.is_awaited() && !self.refreshed;
        if matches!(status, 400 | 401 | 403) && (renewed || renewing) {
            self.refreshed = true;
            return FailureClass::ExpiredCredentials;
        }
        let class = FailureClass::ClockSkew { definite: false };
        if status == 403 && learn_time(class, outcome, cx) {
            return class;
        }
        FailureClass::Permanent
    }

    fn back_off(
        &mut self,
        class: FailureClass,
        free: bool,
        cause: &Cause,
        retry_after: Option<&str>,
        cx: &mut Cx<'_>,
    ) -> Verdict {
        let shared = &mut *cx.shared;
        let budget = (!free).then_some(&mut shared.budget);
        let mut policy = self.policy;
        if class == FailureClass::Throttling {
            // A server that is busy is waited for with as much patience by a call as by a range.
            policy.max_attempts = policy.max_attempts.max(shared.config.part_attempts);
        }
        let reason = match self
            .retries
            .failed(class, retry_after, &policy, budget, &mut shared.rng)
        {
            retry::Verdict::After(delay) => {
                self.not_before = cx.now + delay;
                return Verdict::Retry;
            }
            retry::Verdict::GiveUp(reason) => reason,
        };
        let budget_empty = reason == GiveUp::Budget;
        Verdict::Fail(match reason {
            GiveUp::Permanent => cause.clone(),
            _ => Cause::GaveUp {
                attempts: self.sent,
                budget_empty,
                last: Box::new(cause.clone()),
            },
        })
    }
}

/// How a failure that is no refusal is taken.
const fn classify_unrefused(failure: &Failure) -> FailureClass {
    match failure {
        Failure::Broken(_) | Failure::Outrun => FailureClass::Transient,
        Failure::Transport {
            kind: TransportErrorKind::Aborted,
            ..
        } => FailureClass::Timeout,
        Failure::Transport { kind, .. } => classify_transport(*kind),
        Failure::Refused(_)
        | Failure::Changed { .. }
        | Failure::NoBytes(_)
        | Failure::RangeIgnored
        | Failure::Source(_)
        | Failure::Sink(_)
        | Failure::Spec(_) => FailureClass::Permanent,
    }
}

/// Whether the clock was set right since the request was signed, by this answer or by another one
/// that came while it was under way.
fn learn_time(class: FailureClass, outcome: &Outcome, cx: &mut Cx<'_>) -> bool {
    let definite = class == FailureClass::ClockSkew { definite: true };
    let learnt = match (outcome.answered_at, outcome.date) {
        (Some(ours), Some(theirs)) => cx.shared.skew.learn(ours, theirs, definite),
        _ => false,
    };
    learnt || cx.shared.skew.is_newer_than(&outcome.skew)
}

/// Refusals that a body can meet although nothing is wrong with it: it was damaged on the way, or
/// another write to the same key was under way (API_PutObject).
fn is_transient_refusal(error: &S3Error) -> bool {
    const DAMAGED: [&str; 4] = [
        "BadDigest",
        "XAmzContentChecksumMismatch",
        "XAmzContentSHA256Mismatch",
        "IncompleteBody",
    ];
    // The server has hashed a framing that it does not know.
    if error.in_trailer && error.is("XAmzContentSHA256Mismatch") {
        return false;
    }
    let conflict = ["ConditionalRequestConflict", "OperationAborted"];
    DAMAGED.iter().any(|code| error.is(code))
        || (error.operation != OperationKind::CompleteMultipartUpload
            && conflict.iter().any(|code| error.is(code)))
}

impl Failure {
    pub(crate) fn into_cause(self, operation: OperationKind) -> Cause {
        match self {
            Self::Refused(error) | Self::NoBytes(error) => Cause::S3(error),
            Self::Broken(violation) => Cause::Violation(violation),
            Self::Transport { kind, detail, .. } => Cause::Transport {
                operation,
                kind,
                detail,
            },
            Self::Changed { expected, seen } => Cause::ObjectChanged { expected, seen },
            Self::RangeIgnored => Cause::ObjectChanged {
                expected: "the range that was asked for".into(),
                seen: "the whole object".into(),
            },
            Self::Outrun => Cause::Transport {
                operation,
                kind: TransportErrorKind::Aborted,
                detail: "another attempt at the same range was faster, and was lost".into(),
            },
            Self::Source(error) => Cause::Source(error),
            Self::Sink(error) => Cause::Sink(error),
            Self::Spec(error) => Cause::Spec(error),
        }
    }
}
