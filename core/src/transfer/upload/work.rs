use core::any::Any;

use super::discard::{Discard, Discarded};
use super::finish::{Complete, Completed, Look, Reason, Seen};
use super::identity::{Identity, TOKEN};
use super::parts::{PartTask, Parts};
use super::put::{Put, Stored};
use super::{Confirm, Length, Upload, Uploaded};
use crate::attempt::{Ending, Outcome};
use crate::checksum::{Algorithm, Checksum};
use crate::error::{Cause, SpecError, TransferError, Unreachable};
use crate::etag::ETag;
use crate::operation::{
    AbortMultipartUpload, CompleteMultipartUpload, CreateMultipartUpload, HeadObject, Operation,
    OperationKind, PutObject, UploadId, UploadPart,
};
use crate::part::{PartPlan, PartSchedule};
use crate::session::Blocked;
use crate::transfer::flights::Flights;
use crate::transfer::tries::{Tries, Verdict};
use crate::transfer::{Counters, Cx, Next, Verified, Work};

/// The size of parts where the caller does not say.
const DEFAULT_PART_SIZE: u64 = 8 << 20;

/// How often an upload is done again because another write came between.
const RESTARTS: u32 = 1;

/// What an attempt of an upload is for.
#[derive(Debug)]
enum Task {
    Part(PartTask),
    /// The one request of any other phase.
    Step,
}

#[derive(Debug)]
enum Phase {
    /// A pull source fills the first part: whether it is all decides how the object is sent.
    Gather,
    Put(Put),
    Create(Tries),
    Parts,
    Complete(Complete),
    Look(Look),
    /// Whatever is on the server goes.
    Discard(Discard, Then),
    Ended,
}

/// What follows when an upload is discarded.
#[derive(Debug)]
enum Then {
    Fail,
    /// It begins again, because of a conflicting write.
    Again(Cause),
    /// The object is there: this upload made it, or another one with the same bytes did.
    Succeed {
        etag: Option<ETag>,
        verified: Verified,
    },
}

pub(super) struct UploadWork {
    spec: Upload,
    phase: Phase,
    /// Absent before the first step, and where the specification can't be planned.
    parts: Option<Parts>,
    flights: Flights<Task>,
    upload_id: Option<UploadId>,
    /// Whether some of it went with its checksum in a trailer.
    framed: bool,
    /// What marks a conditional write as ours.
    token: Option<String>,
    /// Why the upload is being wound down.
    cause: Option<Cause>,
    /// There are no credentials any more: nothing can be done on the server.
    helpless: bool,
    /// What the source's checksum was, where it went by one PUT.
    put: Option<(u64, Option<Checksum>)>,
    restarts: u32,
    lost_creates: u32,
    result: Option<Result<Uploaded, TransferError>>,
}

impl UploadWork {
    pub(super) const fn new(spec: Upload) -> Self {
        Self {
            spec,
            phase: Phase::Gather,
            parts: None,
            flights: Flights::new(),
            upload_id: None,
            framed: false,
            token: None,
            cause: None,
            helpless: false,
            put: None,
            restarts: 0,
            lost_creates: 0,
            result: None,
        }
    }

    fn begin(&mut self, cx: &mut Cx<'_>) -> Result<(), SpecError> {
        let options = &mut self.spec.options;
        if options.if_none_match || options.if_match.is_some() {
            let token = format!(
                "{:016x}{:016x}",
                cx.shared.rng.next_u64(),
                cx.shared.rng.next_u64()
            );
            options.metadata.insert(TOKEN, &token)?;
            self.token = Some(token);
        }
        let config = &cx.shared.config;
        let (limits, wanted) = (&config.limits, self.spec.part_size);
        let algorithm = self.spec.checksum;
        match self.spec.length {
            Length::Known(len) => {
                let plan = PartPlan::new(len, wanted.map(|size| size.get()), limits)?;
                let single = plan.count() <= 1;
                self.parts = Some(Parts::known(plan, algorithm));
                self.phase = if single && len <= limits.max_put {
                    Phase::Put(Put::new(len, cx))
                } else {
                    Phase::Create(cx.tries(OperationKind::CreateMultipartUpload))
                };
            }
            Length::Unknown { equal_parts } => {
                let largest = config.largest_buffered_part();
                let first = wanted.map_or(DEFAULT_PART_SIZE.min(largest), |size| size.get());
                let schedule = PartSchedule::new(first, largest, equal_parts, limits)?;
                self.parts = Some(Parts::stream(schedule, algorithm));
            }
        }
        Ok(())
    }

    /// The end of a pull source, or of its first part, decides how the object is sent.
    fn leave_gathering(&mut self, cx: &Cx<'_>) {
        let Some(parts) = &self.parts else { return };
        if let Some(len) = parts.whole() {
            self.phase = Phase::Put(Put::new(len, cx));
        } else if parts.is_first_full() {
            self.phase = Phase::Create(cx.tries(OperationKind::CreateMultipartUpload));
        }
    }

    /// The next step towards the object.
    fn advance(&mut self, cx: &mut Cx<'_>) -> Next {
        if let (Phase::Gather, None) = (&self.phase, &self.cause) {
            self.leave_gathering(cx);
        }
        if let Some(fill) = self
            .parts
            .as_mut()
            .filter(|_| self.cause.is_none())
            .and_then(|parts| parts.fill(cx))
        {
            return fill;
        }
        if matches!(self.phase, Phase::Gather) {
            return Next::Wait {
                until: None,
                why: Blocked::Supply,
            };
        }
        if !matches!(self.phase, Phase::Parts) && !self.flights.is_empty() {
            return match self.phase {
                // Meanwhile memory may become free for more of the source.
                Phase::Create(_) => Next::in_flight(),
                _ => Next::Rest,
            };
        }
        if let Some(wait) = cx.blocked() {
            return wait;
        }
        let (next, task) = self.request(cx);
        if let Some(task) = task {
            self.flights.insert(cx.serial, task);
        }
        next
    }

    /// The next request of the phase, or what it waits for.
    fn request(&mut self, cx: &mut Cx<'_>) -> (Next, Option<Task>) {
        let next = match &mut self.phase {
            Phase::Put(put) => {
                let operation = PutObject {
                    options: self.spec.options.clone(),
                    ..PutObject::new(self.spec.bucket.clone(), self.spec.key.clone())
                };
                put.next(&operation, self.spec.checksum, cx)
            }
            Phase::Create(tries) => {
                if let Some(wait) = cx.until(cx.call_at(tries.ready_at())) {
                    return (wait, None);
                }
                let algorithm = self.spec.checksum;
                let create = CreateMultipartUpload {
                    options: self.spec.options.clone(),
                    checksum: (algorithm != Algorithm::Md5).then_some(algorithm),
                    ..CreateMultipartUpload::new(self.spec.bucket.clone(), self.spec.key.clone())
                };
                Ok(Next::call(create, tries.start()))
            }
            Phase::Parts => return self.part(cx),
            Phase::Complete(complete) => complete.next(cx),
            Phase::Look(look) => {
                let head = HeadObject::new(self.spec.bucket.clone(), self.spec.key.clone());
                look.next(head, cx)
            }
            Phase::Discard(discard, _) => match &self.upload_id {
                Some(id) => {
                    let (bucket, key) = (self.spec.bucket.clone(), self.spec.key.clone());
                    discard.next(AbortMultipartUpload::new(bucket, key, id.clone()), cx)
                }
                None => Err(Next::Ended),
            },
            Phase::Gather | Phase::Ended => Err(Next::Ended),
        };
        match next {
            Ok(start) => (start, Some(Task::Step)),
            Err(wait) => (wait, None),
        }
    }

    fn part(&mut self, cx: &mut Cx<'_>) -> (Next, Option<Task>) {
        let (Some(parts), Some(id)) = (&mut self.parts, &self.upload_id) else {
            return (Next::in_flight(), None);
        };
        let mut task = match parts.next(cx) {
            Ok(task) => task,
            Err(wait) => return (wait, None),
        };
        let Some((part, payload)) = parts.payload(&task) else {
            return (Next::in_flight(), None);
        };
        let (bucket, key) = (self.spec.bucket.clone(), self.spec.key.clone());
        let operation = UploadPart::new(bucket, key, id.clone(), part.number);
        let number = task.tries.start();
        (
            Next::write(operation, payload, number),
            Some(Task::Part(task)),
        )
    }

    /// Turns to the Complete where every part is stored.
    fn complete_if_stored(&mut self, cx: &mut Cx<'_>) {
        let (Phase::Parts, Some(parts), Some(id)) = (&self.phase, &self.parts, &self.upload_id)
        else {
            return;
        };
        if self.cause.is_some() || !parts.is_complete() || !self.flights.is_empty() {
            return;
        }
        let (bucket, key) = (self.spec.bucket.clone(), self.spec.key.clone());
        match CompleteMultipartUpload::new(bucket, key, id.clone(), parts.completed()) {
            Ok(mut operation) => {
                operation.checksum = parts.full_checksum();
                operation.object_size = Some(parts.stored_bytes());
                operation.if_match.clone_from(&self.spec.options.if_match);
                operation.if_none_match = self.spec.options.if_none_match;
                self.phase = Phase::Complete(Complete::new(operation, cx));
            }
            Err(error) => self.wind_down(error.into(), cx),
        }
    }

    fn on_create(&mut self, outcome: &Outcome, cx: &mut Cx<'_>) {
        let Phase::Create(tries) = &mut self.phase else {
            return;
        };
        if let Ending::Answered(answer) = &outcome.ending {
            tries.succeed(cx);
            match CreateMultipartUpload::from_answer(answer.clone()) {
                Some(created) => {
                    self.upload_id = Some(created.upload_id);
                    self.phase = Phase::Parts;
                }
                None => self.wind_down(Unreachable("an answer to another operation").into(), cx),
            }
            return;
        }
        let verdict = tries.fail(outcome, cx);
        self.lost_creates += u32::from(outcome.is_ambiguous());
        if let Verdict::Fail(cause) = verdict {
            self.wind_down(cause, cx);
        } else if self.cause.is_some() {
            self.turn_to_discard(cx);
        }
    }

    fn on_complete(&mut self, outcome: &Outcome, cx: &mut Cx<'_>) {
        let Phase::Complete(complete) = &mut self.phase else {
            return;
        };
        match complete.on_outcome(outcome, cx) {
            Completed::NotYet if self.cause.is_some() => self.abandon_complete(cx),
            Completed::NotYet => {}
            Completed::Yes { etag, verified } => {
                // It has become the object.
                self.upload_id = None;
                self.conclude_with(etag, verified, cx);
            }
            Completed::Unclear { cause, gone } => {
                self.phase = Phase::Look(Look::new(Reason::Reconcile { cause, gone }, cx));
            }
            Completed::Again(cause) => {
                // Only a source that can be read again can be sent again.
                let again = matches!(self.spec.length, Length::Known(_));
                if again && self.restarts < RESTARTS && self.cause.is_none() {
                    self.restarts += 1;
                    self.phase = Phase::Discard(Discard::new(cx), Then::Again(cause));
                } else {
                    self.wind_down(cause, cx);
                }
            }
            Completed::Fail(cause) => self.wind_down(cause, cx),
        }
    }

    /// The server has acknowledged the object, and perhaps proved it.
    fn conclude_with(&mut self, etag: Option<ETag>, verified: Option<Verified>, cx: &Cx<'_>) {
        let unseen = self.spec.confirm == Confirm::Never && !self.framed;
        match verified.or(unseen.then_some(Verified::Acknowledged)) {
            Some(verified) => self.succeed(etag, verified),
            None => self.phase = Phase::Look(Look::new(Reason::Confirm { etag }, cx)),
        }
    }

    fn on_put(&mut self, outcome: Outcome, cx: &mut Cx<'_>) {
        let Phase::Put(put) = &mut self.phase else {
            return;
        };
        let stored = put.on_outcome(outcome, cx);
        self.put = Some((put.len, put.checksum));
        match stored {
            Stored::NotYet if self.cause.is_some() => self.fail_now(),
            Stored::NotYet => {}
            Stored::Yes { etag, verified } => self.conclude_with(etag, verified, cx),
            Stored::Perhaps(cause) => {
                let reason = Reason::Reconcile { cause, gone: false };
                self.phase = Phase::Look(Look::new(reason, cx));
            }
            Stored::Fail(cause) => self.wind_down(cause, cx),
        }
    }

    fn on_look(&mut self, outcome: &Outcome, cx: &mut Cx<'_>) {
        let (Phase::Look(look), Some(parts)) = (&mut self.phase, &self.parts) else {
            return;
        };
        let (size, full) = match self.put {
            Some((len, checksum)) => (len, checksum),
            None => (parts.stored_bytes(), parts.full_checksum()),
        };
        let identity = Identity {
            size,
            full,
            algorithm: self.spec.checksum,
            parts,
            token: self.token.as_deref(),
        };
        match look.on_outcome(outcome, &identity, cx) {
            Seen::NotYet => {}
            // Without a token the object may be another upload's, of the same bytes.
            Seen::Ours { etag, verified } if self.upload_id.is_some() && self.token.is_none() => {
                let then = Then::Succeed { etag, verified };
                self.phase = Phase::Discard(Discard::new(cx), then);
            }
            Seen::Ours { etag, verified } => {
                self.upload_id = None;
                self.succeed(etag, verified);
            }
            Seen::NotOurs(cause) => self.wind_down(cause, cx),
            Seen::Ambiguous => {
                let upload = self.upload_id.clone();
                self.cause = Some(Cause::Ambiguous { upload });
                self.fail_now();
            }
        }
    }

    fn on_discard(&mut self, outcome: &Outcome, cx: &mut Cx<'_>) {
        let Phase::Discard(discard, _) = &mut self.phase else {
            return;
        };
        match discard.on_outcome(outcome, cx) {
            Discarded::NotYet => return,
            Discarded::Gone => self.upload_id = None,
            Discarded::Left => {}
        }
        self.conclude(cx);
    }

    /// Nothing more is to be done on the server, or can be.
    fn conclude(&mut self, cx: &Cx<'_>) {
        let Phase::Discard(_, then) = core::mem::replace(&mut self.phase, Phase::Ended) else {
            return self.fail_now();
        };
        match then {
            Then::Succeed { etag, verified } => self.succeed(etag, verified),
            // What could not be discarded has to be told, and only a failure can.
            Then::Again(cause) if self.upload_id.is_some() => {
                self.cause.get_or_insert(cause);
                self.fail_now();
            }
            Then::Again(_) if self.cause.is_none() => {
                if let Some(parts) = &mut self.parts {
                    parts.restart();
                }
                self.phase = Phase::Create(cx.tries(OperationKind::CreateMultipartUpload));
            }
            Then::Again(_) | Then::Fail => self.fail_now(),
        }
    }

    fn succeed(&mut self, etag: Option<ETag>, verified: Verified) {
        let parts = self.parts.as_ref();
        let (size, parts) = match self.put {
            Some((len, _)) => (len, 0),
            None => (
                parts.map_or(0, Parts::stored_bytes),
                parts.map_or(0, Parts::count),
            ),
        };
        let made = Uploaded {
            size,
            etag,
            parts,
            verified,
            leftover: self.upload_id.take(),
            lost_creates: self.lost_creates,
        };
        self.end(Ok(made));
    }

    /// Begins to wind down because of `cause`: requests under way are ended, then what is on the
    /// server goes.
    fn wind_down(&mut self, cause: Cause, cx: &mut Cx<'_>) {
        self.cause.get_or_insert(cause);
        self.turn_to_discard(cx);
    }

    fn turn_to_discard(&mut self, cx: &Cx<'_>) {
        if self.upload_id.is_none() {
            return self.fail_now();
        }
        self.phase = Phase::Discard(Discard::new(cx), Then::Fail);
    }

    /// A Complete whose answer is not awaited any longer: if it may have taken effect, the object
    /// tells.
    fn abandon_complete(&mut self, cx: &Cx<'_>) {
        let Phase::Complete(complete) = &self.phase else {
            return;
        };
        if complete.is_ambiguous() {
            let cause = self.cause.clone().unwrap_or(Cause::Cancelled);
            let reason = Reason::Reconcile { cause, gone: false };
            self.phase = Phase::Look(Look::new(reason, cx));
        } else {
            self.turn_to_discard(cx);
        }
    }

    fn fail_now(&mut self) {
        let cause = self.cause.take().unwrap_or(Cause::Cancelled);
        let error = TransferError {
            leftover: self.upload_id.take(),
            lost_creates: self.lost_creates,
            ..TransferError::new(cause)
        };
        self.end(Err(error));
    }

    fn end(&mut self, result: Result<Uploaded, TransferError>) {
        self.phase = Phase::Ended;
        self.result.get_or_insert(result);
    }

    /// Without credentials nothing more can be done on the server. What is under way there is still
    /// waited for: an upload that it makes has to be told.
    fn give_up_if_helpless(&mut self, cx: &Cx<'_>) {
        let awaited = self.flights.tasks().any(|task| !task.is_part());
        if self.helpless && self.result.is_none() && !awaited {
            self.conclude(cx);
        }
    }

    /// Ends the attempts that are of no use any more, and waits for their outcomes. What was asked
    /// of an upload as a whole is not ended: only its answer tells what is on the server.
    fn wind_down_flights(&mut self) -> Option<Next> {
        match &self.phase {
            Phase::Put(_) if self.cause.is_some() => self.flights.wind_down(|_| true),
            Phase::Discard(..) if self.flights.tasks().any(Task::is_part) => {
                self.flights.wind_down(Task::is_part)
            }
            Phase::Ended => self.flights.wind_down(|_| true),
            _ => None,
        }
    }
}

impl Task {
    const fn is_part(&self) -> bool {
        matches!(self, Self::Part(_))
    }
}

impl Work for UploadWork {
    fn next(&mut self, cx: &mut Cx<'_>) -> Next {
        if self.parts.is_none()
            && self.result.is_none()
            && let Err(error) = self.begin(cx)
        {
            self.end(Err(TransferError::new(error)));
        }
        if let Some(wait) = self.wind_down_flights() {
            return wait;
        }
        if matches!(self.phase, Phase::Ended) {
            if let Some(parts) = &mut self.parts {
                parts.release(cx);
            }
            return Next::Ended;
        }
        self.advance(cx)
    }

    fn on_outcome(&mut self, outcome: Outcome, cx: &mut Cx<'_>) {
        let Some(task) = self.flights.remove(outcome.id().serial) else {
            return;
        };
        self.framed |= outcome.framed;
        match (task, &self.phase) {
            (Task::Part(task), Phase::Parts) => {
                let Some(parts) = &mut self.parts else { return };
                if let Err(cause) = parts.on_outcome(task, outcome, cx) {
                    self.wind_down(cause, cx);
                }
            }
            (Task::Step, Phase::Put(_)) => self.on_put(outcome, cx),
            (Task::Step, Phase::Create(_)) => self.on_create(&outcome, cx),
            (Task::Step, Phase::Complete(_)) => self.on_complete(&outcome, cx),
            (Task::Step, Phase::Look(_)) => self.on_look(&outcome, cx),
            (Task::Step, Phase::Discard(..)) => self.on_discard(&outcome, cx),
            _ => {}
        }
        if matches!(self.phase, Phase::Parts) && self.cause.is_some() {
            self.turn_to_discard(cx);
        }
        self.complete_if_stored(cx);
        self.give_up_if_helpless(cx);
    }

    fn on_supplied(&mut self, up_to: u64, end: bool, cx: &mut Cx<'_>) {
        let Some(parts) = &mut self.parts else { return };
        match parts.on_supplied(up_to, end) {
            Ok(()) => self.complete_if_stored(cx),
            Err(cause) => self.fail(cause, cx),
        }
    }

    fn fail(&mut self, cause: Cause, cx: &mut Cx<'_>) {
        if self.result.is_some() {
            return;
        }
        self.helpless |= matches!(cause, Cause::Credentials(_));
        self.cause.get_or_insert(cause);
        match &self.phase {
            Phase::Gather => self.fail_now(),
            Phase::Parts => self.turn_to_discard(cx),
            // The answer that is under way decides.
            _ if !self.flights.is_empty() => {}
            Phase::Put(_) => self.fail_now(),
            Phase::Create(_) => self.turn_to_discard(cx),
            Phase::Complete(_) => self.abandon_complete(cx),
            Phase::Look(_) | Phase::Discard(..) | Phase::Ended => {}
        }
        self.give_up_if_helpless(cx);
    }

    fn counters(&self) -> Counters {
        let Some(parts) = &self.parts else {
            return Counters::default();
        };
        let done = matches!(&self.result, Some(Ok(_)));
        let bytes = match self.put {
            Some((len, _)) if done => len,
            _ => parts.stored_bytes(),
        };
        let single = matches!(self.phase, Phase::Put(_));
        Counters {
            bytes,
            total: parts.total(),
            parts: if self.put.is_some() { 1 } else { parts.count() },
            parts_total: if single { Some(1) } else { parts.count_total() },
        }
    }

    fn into_result(self: Box<Self>) -> Result<Box<dyn Any + Send>, TransferError> {
        let unended = || {
            Err(TransferError::new(Unreachable(
                "an upload that has not ended",
            )))
        };
        self.result
            .unwrap_or_else(unended)
            .map(|made| Box::new(made) as Box<dyn Any + Send>)
    }
}
