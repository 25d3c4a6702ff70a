use super::work::Known;
use crate::attempt::{Ending, Outcome};
use crate::error::{Cause, Unreachable};
use crate::operation::{HeadObject, HeadObjectOutput, Operation, OperationKind};
use crate::transfer::tries::{Tries, Verdict};
use crate::transfer::{Cx, Next};

/// The HEAD beside the first range: size, entity tag and whole-object checksum.
#[derive(Debug)]
pub(super) enum Probe {
    /// The plain GET of a small object tells all that a HEAD would.
    Unneeded,
    /// Not yet answered.
    Open {
        /// Absent before the first attempt.
        tries: Option<Tries>,
        in_flight: bool,
    },
    /// Answered: the object is there.
    Found(HeadObjectOutput),
    /// Refused for good, for example because the credentials don't allow it. The download goes
    /// on without what it would have told.
    Refused,
}

/// Where a probe stands after an outcome.
#[derive(Debug)]
pub(super) enum Probed {
    /// It will be sent again.
    Open,
    /// It is settled.
    Settled,
    /// Whether the object has a checksum can't be found out: the server does not answer. To go on
    /// would be to deliver bytes unproved that could be proved.
    Fail(Cause),
}

impl Probe {
    pub(super) const fn new() -> Self {
        Self::Open {
            tries: None,
            in_flight: false,
        }
    }

    /// The next request, or what it waits for; `None` where there is nothing to do.
    pub(super) fn next(&mut self, known: &Known, cx: &mut Cx<'_>) -> Option<Next> {
        let Self::Open {
            tries,
            in_flight: in_flight @ false,
        } = self
        else {
            return None;
        };
        let tries = tries.get_or_insert_with(|| cx.tries(OperationKind::HeadObject));
        if let Some(wait) = cx.until(cx.call_at(tries.ready_at())) {
            return Some(wait);
        }
        *in_flight = true;
        let head = HeadObject {
            if_match: known.pin().cloned(),
            checksum_mode: true,
            ..HeadObject::new(known.spec.bucket.clone(), known.spec.key.clone())
        };
        Some(Next::call(head, tries.start()))
    }

    pub(super) fn on_outcome(&mut self, outcome: &Outcome, cx: &mut Cx<'_>) -> Probed {
        let Self::Open {
            tries: Some(tries),
            in_flight,
        } = self
        else {
            return Probed::Settled;
        };
        *in_flight = false;
        if let Ending::Answered(answer) = &outcome.ending {
            tries.succeed(cx);
            let Some(found) = HeadObject::from_answer(answer.clone()) else {
                return Probed::Fail(Unreachable("an answer to another operation").into());
            };
            *self = Self::Found(found);
            return Probed::Settled;
        }
        match tries.fail(outcome, cx) {
            Verdict::Retry => Probed::Open,
            // The first range meets the same refusal, and its answer has words.
            Verdict::Fail(Cause::S3(_)) => {
                *self = Self::Refused;
                Probed::Settled
            }
            Verdict::Fail(cause) => Probed::Fail(cause),
        }
    }
}
