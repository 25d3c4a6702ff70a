use core::any::Any;

use super::hedge::{Hedge, hedge, leaves_it_to_twin};
use super::probe::{Probe, Probed};
use super::ranges::{Piece, Ranges, inconsistent};
use super::recheck::Recheck;
use super::stream::Stream;
use super::{DEFAULT_PART_SIZE, Download, Downloaded, Order};
use crate::attempt::{AttemptId, Claim, Outcome, Pinned, Read, ReadReport, Version};
use crate::checksum::{Algorithm, Checksum};
use crate::error::{Cause, TransferError, Unreachable};
use crate::etag::ETag;
use crate::operation::{GetObject, HeadObjectOutput, OperationKind};
use crate::range::ByteRange;
use crate::session::{Notice, Reaction};
use crate::time::UnixTime;
use crate::transfer::flights::Flights;
use crate::transfer::{Counters, Cx, Next, Verified, Work};

/// What an attempt of a download is for.
#[derive(Debug)]
pub(super) enum Task {
    Head,
    Piece(Piece),
    Stream,
    Recheck(usize),
    /// Another attempt at the same range was faster: nothing of this one counts.
    Outrun,
}

/// What a step of a part of the machine comes to.
#[derive(Debug)]
pub(super) enum Event {
    Nothing,
    Fail(Cause),
    /// Ranges lead nowhere: read the object as one stream.
    Stream,
    /// The stream broke off where ranges can take over.
    Resume(ReadReport),
    Finished(Verified),
}

/// What is asked for, and what is known of the object so far.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) spec: Download,
    pub(super) part_size: u64,
    /// How far beyond what the consumer took ranges may reach.
    pub(super) window: u64,
    /// All bytes below were taken by the consumer.
    pub(super) released: u64,
    /// The version that all answers must be of.
    pub(super) version: Option<Pinned>,
    /// The whole object's checksum.
    pub(super) declared: Option<Checksum>,
    /// Whether `declared` is final.
    pub(super) settled: bool,
    last_modified: Option<UnixTime>,
}

pub(super) struct DownloadWork {
    known: Known,
    probe: Probe,
    mode: Option<Mode>,
    flights: Flights<Task>,
    /// A stream is to take over from ranges as soon as those under way have ended.
    to_stream: bool,
    /// There were two attempts at a range.
    raced: bool,
    parts: u32,
    result: Option<Result<Downloaded, TransferError>>,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one for each download")]
enum Mode {
    Ranges(Ranges),
    Stream(Stream),
    Recheck(Recheck),
}

impl Known {
    /// The tag that requests carry in `If-Match`. Weak ones never match (RFC 9110, section
    /// 13.1.1), so they are not sent.
    pub(super) fn pin(&self) -> Option<&ETag> {
        let seen = self
            .version
            .as_ref()
            .and_then(|version| version.etag.as_ref());
        seen.filter(|etag| etag.is_strong())
            .or(self.spec.if_match.as_ref())
    }

    /// The request for `range`, or for the whole object with its checksum.
    pub(super) fn read(&self, range: Option<ByteRange>, algorithms: Vec<Algorithm>) -> Read {
        let get = GetObject {
            range,
            if_match: self.pin().cloned(),
            checksum_mode: range.is_none(),
            ..GetObject::new(self.spec.bucket.clone(), self.spec.key.clone())
        };
        Read {
            get,
            pinned: self.version.clone(),
            algorithms,
            place: true,
            skip: None,
            claim: Claim::default(),
        }
    }

    /// The algorithm that ranges are proved by, or that there is none; `None` while unknown.
    #[expect(
        clippy::option_option,
        reason = "unknown and known to be absent are two things"
    )]
    pub(super) fn algorithm(&self) -> Option<Option<Algorithm>> {
        let combinable = self
            .declared
            .filter(|declared| declared.algorithm.is_combinable());
        self.settled
            .then(|| combinable.map(|declared| declared.algorithm))
    }

    /// The size, once nothing can change what is known of it.
    pub(super) fn total_if_settled(&self) -> Option<u64> {
        self.version
            .as_ref()
            .filter(|_| self.settled)
            .map(|version| version.total)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.total_if_settled() == Some(0)
    }

    /// Whether `version` is the one that is known.
    pub(super) fn is_of(&self, version: &Version) -> bool {
        self.version
            .as_ref()
            .is_some_and(|known| known.total == version.total && known.etag == version.etag)
    }

    /// Takes what an answer says of its version; an error where it is not the known one.
    pub(super) fn adopt(&mut self, version: &Version) -> Result<(), Cause> {
        let describe = |etag: Option<&ETag>, total: u64| {
            let etag = etag.map_or("no ETag", ETag::as_str);
            format!("{etag}, {total} bytes")
        };
        // Several servers ignore If-Match.
        let wanted = self.spec.if_match.as_ref();
        if let Some(wanted) = wanted.filter(|&wanted| version.etag.as_ref() != Some(wanted)) {
            return Err(Cause::ObjectChanged {
                expected: wanted.to_string(),
                seen: describe(version.etag.as_ref(), version.total),
            });
        }
        if self.version.is_none() {
            self.replace(version);
        }
        if self.is_of(version) {
            return Ok(());
        }
        let known = self.version.as_ref();
        Err(Cause::ObjectChanged {
            expected: known.map_or_else(String::new, |v| describe(v.etag.as_ref(), v.total)),
            seen: describe(version.etag.as_ref(), version.total),
        })
    }

    /// Takes what an answer says of its version, whatever was known before.
    pub(super) fn replace(&mut self, version: &Version) {
        self.version = Some(Pinned {
            etag: version.etag.clone(),
            total: version.total,
        });
        self.last_modified = version.last_modified;
    }

    /// The object has no bytes: a range of it was refused with its size. That refusal has no entity
    /// tag, so it can't prove a version that the caller wants.
    pub(super) fn adopt_empty(&mut self) -> Result<(), Cause> {
        if let Some(wanted) = &self.spec.if_match {
            return Err(Cause::ObjectChanged {
                expected: wanted.to_string(),
                seen: "an empty object, and nothing that tells its ETag".into(),
            });
        }
        self.version = Some(Pinned {
            etag: None,
            total: 0,
        });
        Ok(())
    }

    fn adopt_head(&mut self, head: &HeadObjectOutput) -> Result<(), Cause> {
        let version = Version {
            etag: head.etag.clone(),
            total: head.size,
            declared: head.declared.clone(),
            last_modified: head.last_modified,
        };
        self.declared = head.declared.best();
        self.adopt(&version)
    }
}

impl DownloadWork {
    pub(super) fn new(spec: Download) -> Self {
        let part_size = spec.part_size.unwrap_or(DEFAULT_PART_SIZE).get();
        Self {
            known: Known {
                spec,
                part_size,
                window: 0,
                released: 0,
                version: None,
                declared: None,
                settled: false,
                last_modified: None,
            },
            probe: Probe::new(),
            mode: None,
            flights: Flights::new(),
            to_stream: false,
            raced: false,
            parts: 0,
            result: None,
        }
    }

    /// The first request depends on what the caller knows: a small object takes one plain GET.
    fn begin(&mut self, cx: &mut Cx<'_>) {
        let known = &mut self.known;
        if known.spec.order == Order::InOrder {
            let wanted = cx.shared.config.window(known.part_size);
            known.window = cx.shared.memory.reserve_up_to(wanted);
        }
        let small = known
            .spec
            .size_hint
            .is_some_and(|size| size <= known.part_size);
        self.mode = Some(if small {
            self.probe = Probe::Unneeded;
            known.settled = true;
            Mode::Stream(Stream::small(cx))
        } else {
            Mode::Ranges(Ranges::new(known.part_size, cx))
        });
    }

    fn end(&mut self, result: Result<Verified, Cause>) {
        if self.result.is_some() {
            return;
        }
        let version = self.known.version.clone();
        self.result = Some(match result {
            Ok(verified) => Ok(Downloaded {
                size: version.as_ref().map_or(0, |version| version.total),
                etag: version.and_then(|version| version.etag),
                last_modified: self.known.last_modified,
                verified,
                parts: self.parts.max(1),
            }),
            Err(cause) => Err(TransferError::new(cause)),
        });
    }

    fn react(&mut self, event: Event, attempt: AttemptId, cx: &mut Cx<'_>) {
        match event {
            Event::Nothing => {}
            Event::Fail(cause) => self.end(Err(cause)),
            Event::Finished(verified) => self.end(Ok(verified)),
            Event::Stream => self.to_stream = true,
            Event::Resume(report) => match Ranges::resume(&report, &self.known) {
                Ok(ranges) => self.mode = Some(Mode::Ranges(ranges)),
                Err(cause) => self.end(Err(cause)),
            },
        }
        if let Some(Mode::Ranges(ranges)) = &self.mode {
            self.to_stream |= ranges.must_stream(&self.known);
            // An object that a HEAD found empty may have been replaced before its first range was
            // read: what that one brings decides.
            let reading = || {
                let mut tasks = self.flights.tasks();
                tasks.any(|task| matches!(task, Task::Piece(_)))
            };
            if !self.to_stream && ranges.is_complete(&self.known) && !reading() {
                self.prove(attempt, cx);
            }
        }
    }

    /// All ranges are there: compares their combined checksum with the object's.
    fn prove(&mut self, attempt: AttemptId, cx: &mut Cx<'_>) {
        let Some(Mode::Ranges(ranges)) = &self.mode else {
            return;
        };
        self.parts = ranges.pieces();
        let expected = self
            .known
            .declared
            .filter(|sum| sum.algorithm.is_combinable());
        let Some(expected) = expected else {
            return self.end(Ok(Verified::Length));
        };
        let empty = Checksum::empty(expected.algorithm);
        let seen = if self.known.is_empty() {
            Some(empty)
        } else {
            ranges.combined(self.total().unwrap_or(0))
        };
        match seen {
            Some(seen) if seen == expected => {
                self.end(Ok(Verified::FullObject(expected.algorithm)));
            }
            Some(seen) if self.known.spec.order == Order::Random && !self.known.is_empty() => {
                cx.note_reread(attempt, Cause::ChecksumMismatch { expected, seen });
                let recheck = Recheck::new(expected, seen, ranges.segments(), cx);
                self.mode = Some(Mode::Recheck(recheck));
            }
            Some(seen) => self.end(Err(Cause::ChecksumMismatch { expected, seen })),
            None => self.end(Err(Unreachable("a range without its checksum").into())),
        }
    }

    /// Lets the ranges under way end, then begins a stream.
    fn switch_to_stream(&mut self, cx: &mut Cx<'_>) -> Option<Next> {
        if let Some(wait) = self
            .flights
            .wind_down(|task| matches!(task, Task::Piece(_)))
        {
            return Some(wait);
        }
        self.to_stream = false;
        let Some(Mode::Ranges(ranges)) = &self.mode else {
            return None;
        };
        let delivered = self.known.spec.order == Order::InOrder && ranges.bytes() > 0;
        let prefix = if delivered { ranges.prefix() } else { None };
        if delivered && prefix.is_none() {
            self.end(Err(inconsistent()));
            return Some(Next::Ended);
        }
        self.mode = Some(Mode::Stream(Stream::only(prefix, cx)));
        None
    }

    fn on_probe(&mut self, outcome: &Outcome, cx: &mut Cx<'_>) -> Event {
        match self.probe.on_outcome(outcome, cx) {
            Probed::Open => return Event::Nothing,
            Probed::Fail(cause) => return Event::Fail(cause),
            Probed::Settled => self.known.settled = true,
        }
        let adopted = match &self.probe {
            Probe::Found(head) => self.known.adopt_head(head),
            Probe::Refused | Probe::Unneeded | Probe::Open { .. } => Ok(()),
        };
        match (adopted, &mut self.mode) {
            (Err(cause), _) => Event::Fail(cause),
            (Ok(()), Some(Mode::Ranges(ranges))) => ranges.on_settled(&mut self.known, cx),
            (Ok(()), _) => Event::Nothing,
        }
    }
}

impl Work for DownloadWork {
    fn next(&mut self, cx: &mut Cx<'_>) -> Next {
        if self.mode.is_none() && self.result.is_none() {
            self.begin(cx);
        }
        if self.result.is_none()
            && self.to_stream
            && self.known.settled
            && let Some(wait) = self.switch_to_stream(cx)
            && self.result.is_none()
        {
            return wait;
        }
        if self.result.is_some() {
            return self.flights.wind_down(|_| true).unwrap_or_else(|| {
                let window = core::mem::take(&mut self.known.window);
                cx.shared.memory.release(window);
                Next::Ended
            });
        }
        if self.raced
            && let Some(serial) = self.flights.end_one(|task| matches!(task, Task::Outrun))
        {
            return Next::Abort(serial);
        }
        if matches!(self.mode, Some(Mode::Stream(_)))
            && !matches!(self.probe, Probe::Open { .. })
            && !self.flights.is_empty()
        {
            return Next::Rest;
        }
        if let Some(wait) = cx.blocked() {
            return wait;
        }
        let mut late = None;
        if let (Some(Mode::Ranges(_)), false) = (&self.mode, self.to_stream) {
            match hedge(&mut self.flights, &self.known, cx) {
                Hedge::Now(start) => return start,
                Hedge::Later(wait) => late = Some(wait),
                Hedge::Never => {}
            }
        }
        let (next, task) = match &mut self.mode {
            // A stream is one request at a time; ranges may be many.
            Some(Mode::Stream(stream)) if self.flights.is_empty() => {
                match stream.next(&self.known, cx) {
                    Ok(start) => (start, Some(Task::Stream)),
                    Err(wait) => (wait, None),
                }
            }
            Some(Mode::Ranges(ranges)) if !self.to_stream => ranges.next(&self.known, cx),
            Some(Mode::Recheck(recheck)) => recheck.next(&self.known, cx),
            _ => (Next::in_flight(), None),
        };
        if let Some(task) = task {
            self.flights.insert(cx.serial, task);
            return next;
        }
        let waits = match self.probe.next(&self.known, cx) {
            Some(start @ Next::Start(_)) => {
                self.flights.insert(cx.serial, Task::Head);
                return start;
            }
            Some(wait) => next.or_sooner(wait),
            None => next,
        };
        match late {
            Some(wait) => waits.or_sooner(wait),
            None => waits,
        }
    }

    fn on_outcome(&mut self, outcome: Outcome, cx: &mut Cx<'_>) {
        let Some(task) = self.flights.remove(outcome.id().serial) else {
            return;
        };
        if self.result.is_some() {
            return;
        }
        self.raced |= matches!(&task, Task::Piece(piece) if piece.twin.is_some());
        if let (Task::Piece(piece), Some(Mode::Ranges(_))) = (&task, &self.mode)
            && leaves_it_to_twin(piece, &outcome, &mut self.flights, &self.known, cx)
        {
            return;
        }
        let attempt = outcome.id();
        let event = match (task, &mut self.mode) {
            (Task::Head, _) => self.on_probe(&outcome, cx),
            (Task::Piece(_), Some(Mode::Ranges(ranges))) if self.to_stream => {
                ranges.on_replaced(outcome, &self.known)
            }
            (Task::Piece(piece), Some(Mode::Ranges(ranges))) => {
                ranges.on_outcome(piece, outcome, &mut self.known, cx)
            }
            (Task::Stream, Some(Mode::Stream(stream))) => {
                stream.on_outcome(outcome, &mut self.known, cx)
            }
            (Task::Recheck(index), Some(Mode::Recheck(recheck))) => {
                recheck.on_outcome(index, &outcome, cx)
            }
            _ => Event::Nothing,
        };
        self.react(event, attempt, cx);
    }

    fn on_progress(&mut self, serial: u64, bytes: u64) {
        if let Some(Task::Piece(piece)) = self.flights.get_mut(serial) {
            piece.moves |= bytes > 0;
        }
    }

    fn on_released(&mut self, up_to: u64) {
        self.known.released = self.known.released.max(up_to);
    }

    fn fail(&mut self, cause: Cause, _cx: &mut Cx<'_>) {
        self.end(Err(cause));
    }

    fn counters(&self) -> Counters {
        let (bytes, parts) = match &self.mode {
            Some(Mode::Ranges(ranges)) => (ranges.bytes(), ranges.finished()),
            Some(Mode::Stream(stream)) => (stream.bytes(), 1),
            Some(Mode::Recheck(_)) => (self.total().unwrap_or(0), self.parts),
            None => (0, 0),
        };
        let parts_total = self
            .total()
            .map(|total| total.div_ceil(self.known.part_size).max(1))
            .and_then(|parts| u32::try_from(parts).ok());
        Counters {
            bytes,
            total: self.total(),
            parts: parts.min(parts_total.unwrap_or(parts)),
            parts_total,
        }
    }

    fn into_result(self: Box<Self>) -> Result<Box<dyn Any + Send>, TransferError> {
        let unended = || {
            Err(TransferError::new(Unreachable(
                "a download that has not ended",
            )))
        };
        self.result
            .unwrap_or_else(unended)
            .map(|found| Box::new(found) as Box<dyn Any + Send>)
    }
}

impl DownloadWork {
    fn total(&self) -> Option<u64> {
        self.known.version.as_ref().map(|version| version.total)
    }
}

impl Cx<'_> {
    /// Notes that bytes are read again because the whole has the wrong checksum.
    pub(super) fn note_reread(&mut self, attempt: AttemptId, cause: Cause) {
        self.shared.notices.push(Notice {
            attempt,
            operation: OperationKind::GetObject,
            number: 1,
            cause,
            reaction: Reaction::Reread,
        });
    }
}
