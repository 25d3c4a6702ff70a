use std::collections::BTreeMap;

use crate::attempt::{Ending, Failure, Outcome, Payload};
use crate::checksum::{Algorithm, Checksum, combine};
use crate::error::{ApiMisuse, Cause, Rule, SpecError, Violation};
use crate::etag::ETag;
use crate::operation::{CompletedPart, Operation, OperationKind, UploadPart, UploadPartOutput};
use crate::part::{PartNumber, PartPlan, PartSchedule, PartSpec};
use crate::session::Blocked;
use crate::time::Instant;
use crate::transfer::tries::{Tries, Verdict};
use crate::transfer::{Cx, Due, Next};

/// The parts of a multipart upload: which are stored, which wait for a retry, which the source has
/// ready.
#[derive(Debug)]
pub(super) struct Parts {
    plan: Plan,
    algorithm: Algorithm,
    /// Parts that failed and are to be sent again, by index.
    pending: BTreeMap<u32, PartTask>,
    /// The first part that was never sent.
    next: u32,
    stored: BTreeMap<u32, Stored>,
    stored_bytes: u64,
    /// The digests of parts that were stored before the upload began again.
    digests: BTreeMap<u32, Checksum>,
    supply: Supply,
}

#[derive(Debug)]
enum Plan {
    Known(PartPlan),
    Stream(PartSchedule),
}

/// What a pull source has ready, and the memory that it may fill.
#[derive(Debug, Default)]
struct Supply {
    /// Parts that the driver was asked to fill.
    asked: u32,
    /// Bytes that it was asked for.
    granted: u64,
    ready: u64,
    end: Option<u64>,
    /// Memory reserved for each part in hand.
    reserved: BTreeMap<u32, u64>,
}

/// An attempt at a part.
#[derive(Clone, Debug)]
pub(super) struct PartTask {
    pub(super) index: u32,
    pub(super) tries: Tries,
    /// The digest of the first attempt: the bytes of a part never change.
    first: Option<Checksum>,
}

/// A part that the server acknowledged.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) etag: ETag,
    pub(super) checksum: Option<Checksum>,
    pub(super) len: u64,
}

impl Parts {
    pub(super) fn known(plan: PartPlan, algorithm: Algorithm) -> Self {
        Self::new(Plan::Known(plan), algorithm)
    }

    pub(super) fn stream(schedule: PartSchedule, algorithm: Algorithm) -> Self {
        Self::new(Plan::Stream(schedule), algorithm)
    }

    fn new(plan: Plan, algorithm: Algorithm) -> Self {
        Self {
            plan,
            algorithm,
            pending: BTreeMap::new(),
            next: 0,
            stored: BTreeMap::new(),
            stored_bytes: 0,
            digests: BTreeMap::new(),
            supply: Supply::default(),
        }
    }

    /// Nothing stored and nothing sent, with the same plan: for an upload that begins again. Its
    /// parts must have the bytes that they had.
    pub(super) fn restart(&mut self) {
        self.pending.clear();
        self.next = 0;
        for (index, part) in core::mem::take(&mut self.stored) {
            if let Some(checksum) = part.checksum {
                self.digests.insert(index, checksum);
            }
        }
        self.stored_bytes = 0;
    }

    /// What a Complete lists: all parts or none.
    pub(super) fn completed(&self) -> Vec<CompletedPart> {
        let entry = |(index, part): (&u32, &Stored)| {
            Some(CompletedPart {
                number: PartNumber::from_index(*index)?,
                etag: part.etag.clone(),
                // MD5 has no place in the list.
                checksum: part.checksum.filter(|sum| sum.algorithm != Algorithm::Md5),
            })
        };
        let all: Option<Vec<CompletedPart>> = self.stored.iter().map(entry).collect();
        all.unwrap_or_default()
    }

    /// The size of the source, once it is known.
    pub(super) fn total(&self) -> Option<u64> {
        match &self.plan {
            Plan::Known(plan) => Some(plan.len()),
            Plan::Stream(_) => self.supply.end,
        }
    }

    /// How many parts are stored.
    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.stored.len()).unwrap_or(u32::MAX)
    }

    /// How many parts there will be, once that is known.
    pub(super) fn count_total(&self) -> Option<u32> {
        match &self.plan {
            Plan::Known(plan) => Some(plan.count()),
            Plan::Stream(_) => None,
        }
    }

    /// The parts that are stored, in order.
    pub(super) fn stored(&self) -> impl Iterator<Item = &Stored> {
        self.stored.values()
    }

    pub(super) const fn stored_bytes(&self) -> u64 {
        self.stored_bytes
    }

    /// The checksum of the whole, where the algorithm can combine those of the parts.
    pub(super) fn full_checksum(&self) -> Option<Checksum> {
        if !self.algorithm.is_combinable() {
            return None;
        }
        self.stored
            .values()
            .try_fold(Checksum::empty(self.algorithm), |sum, part| {
                combine(&sum, part.checksum.as_ref()?, part.len)
            })
    }

    /// Whether every byte of the source is stored.
    pub(super) fn is_complete(&self) -> bool {
        self.total() == Some(self.stored_bytes)
    }

    /// Asks for the next part of a pull source, if there is room for it.
    pub(super) fn fill(&mut self, cx: &mut Cx<'_>) -> Option<Next> {
        let Plan::Stream(schedule) = &self.plan else {
            return None;
        };
        let supply = &mut self.supply;
        if supply.end.is_some() || supply.ready < supply.granted {
            return None;
        }
        let offset = supply.granted;
        let Some(part) = schedule.get(supply.asked) else {
            // All parts are used up. One byte more proves that the source does not fit.
            supply.granted = offset.saturating_add(1);
            return Some(Next::Fill { offset, len: 1 });
        };
        // One part is always let in, so that transfers can't wait for each other's memory.
        let exempt = supply.reserved.is_empty();
        let reserved = if cx.shared.memory.try_reserve(part.len) {
            part.len
        } else if exempt {
            0
        } else {
            return None;
        };
        supply.reserved.insert(supply.asked, reserved);
        supply.asked += 1;
        supply.granted = offset.saturating_add(part.len);
        Some(Next::Fill {
            offset,
            len: part.len,
        })
    }

    pub(super) fn on_supplied(&mut self, up_to: u64, end: bool) -> Result<(), Cause> {
        let supply = &mut self.supply;
        if up_to < supply.ready || supply.end.is_some() {
            return Ok(());
        }
        if up_to > supply.granted {
            let text = "more bytes were supplied than were asked for";
            return Err(ApiMisuse(text.into()).into());
        }
        supply.ready = up_to;
        if end {
            supply.end = Some(up_to);
        }
        let Plan::Stream(schedule) = &self.plan else {
            return Ok(());
        };
        let capacity = schedule.capacity();
        if up_to > capacity {
            return Err(too_long(schedule, capacity));
        }
        Ok(())
    }

    /// The first part, where it is the whole source.
    pub(super) fn whole(&self) -> Option<u64> {
        let first = self.part(0)?;
        self.supply
            .end
            .filter(|end| *end <= first.len || first.len == 0)
    }

    /// Whether the first part is full and the source may go on.
    pub(super) fn is_first_full(&self) -> bool {
        matches!(&self.plan, Plan::Stream(schedule)
            if schedule.get(0).is_some_and(|first| self.supply.ready >= first.len))
    }

    /// The next part to send, or what it waits for.
    pub(super) fn next(&mut self, cx: &Cx<'_>) -> Result<PartTask, Next> {
        let mut wake: Option<Due> = None;
        for (index, task) in &self.pending {
            let due = cx.payload_at(task.tries.ready_at());
            if due.at <= cx.now {
                let index = *index;
                return self.pending.remove(&index).ok_or_else(Next::in_flight);
            }
            wake = Some(Due::sooner(wake, due));
        }
        if self.is_ready(self.next) {
            if let Some(wait) = cx.until(cx.payload_at(Instant::ZERO)) {
                return Err(wait);
            }
            let index = self.next;
            self.next += 1;
            let tries = cx.part_tries(OperationKind::UploadPart);
            return Ok(PartTask {
                index,
                tries,
                first: self.digests.get(&index).copied(),
            });
        }
        if let Some(wait) = wake.and_then(|due| cx.until(due)) {
            return Err(wait);
        }
        let why = match &self.plan {
            Plan::Stream(_) if self.supply.ready < self.supply.granted => Blocked::Supply,
            _ => Blocked::InFlight,
        };
        Err(Next::Wait { until: None, why })
    }

    /// The payload of an attempt at a part.
    pub(super) fn payload(&self, task: &PartTask) -> Option<(PartSpec, Payload)> {
        let part = self.part(task.index)?;
        let payload = Payload {
            offset: part.offset,
            len: part.len,
            algorithm: self.algorithm,
            first: task.first,
        };
        Some((part, payload))
    }

    pub(super) fn on_outcome(
        &mut self,
        mut task: PartTask,
        mut outcome: Outcome,
        cx: &mut Cx<'_>,
    ) -> Result<(), Cause> {
        let checksum = outcome.payload.map(|(_, _, checksum)| checksum);
        if let Ending::Answered(answer) = outcome.ending {
            match self.check(answer, checksum) {
                Ok(etag) => {
                    task.tries.succeed(cx);
                    self.store(task.index, etag, checksum, cx);
                    return Ok(());
                }
                Err(violation) => outcome.ending = Ending::Failed(Failure::Broken(violation)),
            }
        }
        task.first = task.first.or(checksum);
        match task.tries.fail(&outcome, cx) {
            Verdict::Retry => {
                self.pending.insert(task.index, task);
                Ok(())
            }
            Verdict::Fail(cause) => Err(cause),
        }
    }

    /// Gives back the memory of all parts in hand.
    pub(super) fn release(&mut self, cx: &mut Cx<'_>) {
        for (_, bytes) in core::mem::take(&mut self.supply.reserved) {
            cx.shared.memory.release(bytes);
        }
    }

    fn part(&self, index: u32) -> Option<PartSpec> {
        match &self.plan {
            Plan::Known(plan) => plan.get(index),
            Plan::Stream(schedule) => {
                let part = schedule.get(index)?;
                let end = self.supply.end.unwrap_or(u64::MAX);
                Some(PartSpec {
                    len: part.len.min(end.saturating_sub(part.offset)),
                    ..part
                })
            }
        }
    }

    /// Whether a part exists, and its bytes are at hand.
    fn is_ready(&self, index: u32) -> bool {
        match (&self.plan, self.part(index)) {
            (_, None) => false,
            (Plan::Known(_), Some(_)) => true,
            (Plan::Stream(_), Some(part)) => {
                part.len > 0 && part.offset.saturating_add(part.len) <= self.supply.ready
            }
        }
    }

    /// What the server says of a part must be what was sent.
    fn check(
        &self,
        answer: crate::operation::Answer,
        sent: Option<Checksum>,
    ) -> Result<ETag, Violation> {
        let Some(UploadPartOutput {
            etag,
            declared,
            encrypted,
            ..
        }) = UploadPart::from_answer(answer)
        else {
            return Err(Violation::new(
                Rule::Identity,
                "an answer to UploadPart",
                "another",
            ));
        };
        if let Some(sent) = sent {
            check_echo(&sent, &declared.full_object, &etag, encrypted)?;
        }
        Ok(etag)
    }

    fn store(&mut self, index: u32, etag: ETag, checksum: Option<Checksum>, cx: &mut Cx<'_>) {
        let len = self.part(index).map_or(0, |part| part.len);
        if self
            .stored
            .insert(
                index,
                Stored {
                    etag,
                    checksum,
                    len,
                },
            )
            .is_none()
        {
            self.stored_bytes = self.stored_bytes.saturating_add(len);
        }
        if let Some(bytes) = self.supply.reserved.remove(&index) {
            cx.shared.memory.release(bytes);
        }
    }
}

/// The error of a stream that goes on where its parts end, with the memory that one of twice the
/// length would need.
fn too_long(schedule: &PartSchedule, capacity: u64) -> Cause {
    let needed = schedule.needed_cap(capacity.saturating_mul(2));
    let advice = match needed.and_then(|part| part.checked_mul(2)) {
        Some(memory) => format!(
            "; about {} MiB of memory would do for twice that",
            memory >> 20
        ),
        None => String::new(),
    };
    let expected = format!("a stream of at most {capacity} bytes with parts of this size{advice}");
    Cause::Spec(SpecError::new(
        "length of the stream",
        expected,
        "a longer one",
    ))
}

/// Compares what was sent with what an answer says was stored. A checksum of the algorithm that
/// was sent must be the same; where an MD5 was asked for, so must an entity tag that can be one (it
/// is none where the object is encrypted with a key of KMS or of the customer).
pub(super) fn check_echo(
    sent: &Checksum,
    echoed: &[Checksum],
    etag: &ETag,
    encrypted: bool,
) -> Result<bool, Violation> {
    if let Some(echo) = echoed.iter().find(|echo| echo.algorithm == sent.algorithm) {
        return if echo == sent {
            Ok(true)
        } else {
            Err(Violation::new(
                Rule::Checksum,
                sent.to_string(),
                echo.to_string(),
            ))
        };
    }
    let tag = etag
        .as_md5()
        .filter(|_| sent.algorithm == Algorithm::Md5 && !encrypted);
    match tag {
        Some(md5) if md5 == *sent.digest.as_bytes() => Ok(true),
        Some(_) => {
            let expected = format!("an ETag that is the body's MD5, {:?}", sent.digest);
            Err(Violation::new(Rule::Checksum, expected, etag.as_str()))
        }
        None => Ok(false),
    }
}
