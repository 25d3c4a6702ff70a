//! The attempts at one thing: a call, a range, a part.

use crate::attempt::{Ending, Failure, Outcome};
use crate::error::{Cause, S3Error, TransportErrorKind};
use crate::operation::OperationKind;
use crate::retry::{Cost, FailureClass, classify, classify_transport};
use crate::session::{Notice, Reaction};
use crate::time::Instant;

use super::Cx;

/// Counts the attempts at one request and decides, after a failure, whether there is another.
#[derive(Clone, Debug)]
pub(crate) struct Tries {
    operation: OperationKind,
    limit: u32,
    sent: u32,
    retries: u32,
    not_before: Instant,
    held: Option<Cost>,
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
    pub(crate) fn new(operation: OperationKind, limit: u32) -> Self {
        Self {
            operation,
            limit,
            sent: 0,
            retries: 0,
            not_before: Instant::ZERO,
            held: None,
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

    /// Counts an attempt and returns its number, from 1.
    pub(crate) const fn start(&mut self) -> u32 {
        self.sent = self.sent.saturating_add(1);
        self.sent
    }

    /// How many attempts were sent.
    pub(crate) const fn sent(&self) -> u32 {
        self.sent
    }

    /// Whether an earlier attempt may have taken effect.
    pub(crate) const fn is_ambiguous(&self) -> bool {
        self.ambiguous
    }

    /// The attempt succeeded: gives back to the budget what retrying took from it.
    pub(crate) fn succeed(&mut self, cx: &mut Cx<'_>) {
        cx.shared.budget.refund(self.held.take());
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
        let failure = match &outcome.ending {
            Ending::Failed(failure)
            | Ending::Read {
                end: Err(failure), ..
            } => failure.clone(),
            _ => Failure::Transport {
                kind: TransportErrorKind::Other,
                detail: "the exchange was lost".into(),
                sent: crate::attempt::Sent::All,
            },
        };
        self.ambiguous |= failure.is_ambiguous();
        let cause = failure.clone().into_cause(self.operation);
        let verdict = match class {
            Some(class) => self.back_off(class, cause.clone(), None, cx),
            None => self.judge(&failure, outcome, cx),
        };
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

    fn judge(&mut self, failure: &Failure, outcome: &Outcome, cx: &mut Cx<'_>) -> Verdict {
        let class = match failure {
            Failure::Refused(error) => {
                if let Some(verdict) = self.remedy(error, outcome, cx) {
                    return verdict;
                }
                if is_transient_refusal(error) {
                    FailureClass::Transient
                } else {
                    classify(error)
                }
            }
            Failure::Broken(_) => FailureClass::Transient,
            Failure::Transport {
                kind: TransportErrorKind::Aborted,
                ..
            } => FailureClass::Timeout,
            Failure::Transport { kind, .. } => classify_transport(*kind),
            Failure::Changed { .. }
            | Failure::RangeIgnored
            | Failure::Source(_)
            | Failure::Sink(_)
            | Failure::Spec(_) => FailureClass::Permanent,
        };
        let cause = failure.clone().into_cause(self.operation);
        let retry_after = match failure {
            Failure::Refused(error) => error.retry_after.as_deref(),
            _ => None,
        };
        self.back_off(class, cause, retry_after, cx)
    }

    /// A wrong clock and expired credentials have a remedy that costs no backoff. Each is tried
    /// once: then the refusal stands.
    fn remedy(&mut self, error: &S3Error, outcome: &Outcome, cx: &mut Cx<'_>) -> Option<Verdict> {
        let cured = match classify(error) {
            FailureClass::ClockSkew { definite } => {
                let learnt = match (outcome.signed_at, outcome.date) {
                    (Some(signed), Some(date)) => cx.shared.skew.learn(signed, date, definite),
                    _ => false,
                };
                // Another attempt may have learnt it while this one was under way.
                learnt || outcome.skew != cx.shared.skew.offset_seconds()
            }
            FailureClass::ExpiredCredentials => {
                let credentials = &mut cx.shared.credentials;
                let newer = outcome.generation < credentials.generation();
                let cured = newer || (!self.refreshed && credentials.refresh());
                self.refreshed = true;
                cured
            }
            _ => return None,
        };
        let fail = || Verdict::Fail(Cause::S3(error.clone()));
        if !cured || self.sent >= self.limit {
            return Some(fail());
        }
        self.not_before = cx.now;
        Some(Verdict::Retry)
    }

    fn back_off(
        &mut self,
        class: FailureClass,
        cause: Cause,
        retry_after: Option<&str>,
        cx: &mut Cx<'_>,
    ) -> Verdict {
        if !class.is_retryable() {
            return Verdict::Fail(cause);
        }
        let give_up = |attempts, budget_empty| {
            Verdict::Fail(Cause::GaveUp {
                attempts,
                budget_empty,
                last: Box::new(cause),
            })
        };
        if self.sent >= self.limit {
            return give_up(self.sent, false);
        }
        let shared = &mut *cx.shared;
        let Some(cost) = shared.budget.try_spend(&shared.config.retry, class) else {
            return give_up(self.sent, true);
        };
        let delay = shared
            .config
            .retry
            .delay(class, self.retries, retry_after, &mut shared.rng);
        self.held = Some(cost);
        self.retries = self.retries.saturating_add(1);
        self.not_before = cx.now + delay;
        shared.retries = shared.retries.saturating_add(1);
        Verdict::Retry
    }
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
    let conflict = ["ConditionalRequestConflict", "OperationAborted"];
    DAMAGED.iter().any(|code| error.is(code))
        || (error.operation != OperationKind::CompleteMultipartUpload
            && conflict.iter().any(|code| error.is(code)))
}

impl Failure {
    pub(crate) fn into_cause(self, operation: OperationKind) -> Cause {
        match self {
            Self::Refused(error) => Cause::S3(error),
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
            Self::Source(error) => Cause::Source(error),
            Self::Sink(error) => Cause::Sink(error),
            Self::Spec(error) => Cause::Spec(error),
        }
    }
}
