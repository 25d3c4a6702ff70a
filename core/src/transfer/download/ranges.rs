use std::collections::BTreeMap;

use super::Order;
use super::work::{Event, Known, Task};
use crate::attempt::{Claim, Ending, Failure, Outcome, Read, ReadReport};
use crate::checksum::{Algorithm, Checksum, combine};
use crate::error::{Cause, Rule, TransportErrorKind, Unreachable, Violation};
use crate::etag::ETag;
use crate::operation::OperationKind;
use crate::range::{ByteRange, Segments};
use crate::session::Blocked;
use crate::time::Instant;
use crate::transfer::tries::{Tries, Verdict};
use crate::transfer::{Cx, Due, Next};

/// The object by ranges: which were cut, which wait for a retry, which are done.
#[derive(Debug)]
pub(super) struct Ranges {
    /// Pieces that are to be sent, by offset: retries, and the first one.
    pending: BTreeMap<u64, Piece>,
    /// The first byte that no piece covers yet.
    uncut: u64,
    done: Segments,
    /// Pieces that came before it was known which checksum the object has, with all of theirs.
    early: Vec<(ByteRange, Vec<Checksum>)>,
    /// How the first piece failed, until the HEAD tells whether the object is empty: servers
    /// refuse a range of nothing in many ways.
    held: Option<(Piece, Outcome)>,
    /// The bytes that came before any gap, with every candidate's checksum, as far as the first
    /// range reaches: what a stream that takes over must begin with.
    prefix: (u64, Vec<Checksum>),
    pieces: u32,
    finished: u32,
}

/// A range that is fetched as one, or what is left of it.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub(super) range: ByteRange,
    pub(super) tries: Tries,
    /// What attempts at it share that are under way together.
    pub(super) claim: Claim,
    /// When the first of them began.
    pub(super) began: Instant,
    /// Whether bytes of it are known to have come.
    pub(super) moves: bool,
    /// The other one of them.
    pub(super) twin: Option<u64>,
}

impl Piece {
    const fn new(range: ByteRange, tries: Tries, claim: Claim) -> Self {
        Self {
            range,
            tries,
            claim,
            began: Instant::ZERO,
            moves: false,
            twin: None,
        }
    }
}

/// The CRCs that can stand for a whole object. All are computed over the first range, which comes
/// before it is known which of them the object has.
const CANDIDATES: [Algorithm; 3] = [Algorithm::Crc64Nvme, Algorithm::Crc32, Algorithm::Crc32c];

impl Ranges {
    /// From the first byte.
    pub(super) fn new(part_size: u64, cx: &Cx<'_>) -> Self {
        let mut ranges = Self::empty();
        if let Some(first) = ByteRange::new(0, part_size) {
            ranges.add(first, cx);
        }
        ranges
    }

    /// After a stream broke off: `report` has what came of it.
    pub(super) fn resume(report: &ReadReport, known: &Known) -> Result<Self, Cause> {
        let mut ranges = Self::empty();
        if let Some(range) = report.range {
            ranges.uncut = range.end();
            ranges.pieces = 1;
            ranges.finished = 1;
            ranges.record(range, &report.checksums, known)?;
            // The server may ignore the ranges that follow: then another stream begins with this.
            ranges.prefix = (range.end(), report.checksums.clone());
        }
        Ok(ranges)
    }

    fn empty() -> Self {
        Self {
            pending: BTreeMap::new(),
            uncut: 0,
            done: Segments::new(),
            early: Vec::new(),
            held: None,
            prefix: (0, CANDIDATES.map(Checksum::empty).to_vec()),
            pieces: 0,
            finished: 0,
        }
    }

    pub(super) fn next(&mut self, known: &Known, cx: &mut Cx<'_>) -> (Next, Option<Task>) {
        if let Some(total) = known.total_if_settled() {
            self.cut(total, known, cx);
        }
        // A consumer in order can't give bytes back, so none may be of a version that the HEAD
        // then disagrees with: the first range waits for it.
        if known.spec.order == Order::InOrder && !known.settled {
            return (Next::in_flight(), None);
        }
        let front = self.front();
        let horizon = known.released.saturating_add(known.window);
        let mut wake: Option<Due> = None;
        let mut why = Blocked::InFlight;
        let mut chosen = None;
        for (start, piece) in &self.pending {
            // The lowest unfinished range always goes: its bytes pass through to the consumer.
            let within = known.spec.order == Order::Random
                || *start == front
                || piece.range.end() <= horizon;
            if !within {
                why = Blocked::Window;
                break;
            }
            let due = cx.payload_at(piece.tries.ready_at());
            if due.at <= cx.now {
                chosen = Some(*start);
                break;
            }
            wake = Some(Due::sooner(wake, due));
        }
        match chosen.and_then(|start| self.pending.remove(&start)) {
            Some(mut piece) => {
                let number = piece.tries.start();
                // Nobody else is at it now: those that were can't place any more.
                piece = Piece {
                    began: cx.now,
                    ..Piece::new(piece.range, piece.tries, Claim::default())
                };
                let read = read(&piece, known);
                (Next::read(read, number), Some(Task::Piece(piece)))
            }
            None => {
                let wait = wake.and_then(|due| cx.until(due));
                (wait.unwrap_or(Next::Wait { until: None, why }), None)
            }
        }
    }

    pub(super) fn on_outcome(
        &mut self,
        piece: Piece,
        outcome: Outcome,
        known: &mut Known,
        cx: &mut Cx<'_>,
    ) -> Event {
        match &outcome.ending {
            Ending::Read { report, end } => {
                if let Err(cause) = known.adopt(&report.version) {
                    return Event::Fail(cause);
                }
                if let Some(range) = report.range
                    && let Err(cause) = self.record(range, &report.checksums, known)
                {
                    return Event::Fail(cause);
                }
                let complete = end.is_ok();
                self.after_read(piece, report.range, complete, &outcome, known, cx)
            }
            Ending::Failed(Failure::RangeIgnored) => Event::Stream,
            Ending::Failed(Failure::Refused(_) | Failure::Broken(_) | Failure::NoBytes(_))
                if !known.settled =>
            {
                self.held = Some((piece, outcome));
                Event::Nothing
            }
            Ending::Failed(_) if known.is_empty() => Event::Nothing,
            Ending::Failed(Failure::NoBytes(_)) if known.version.is_none() => found_empty(known),
            Ending::Failed(Failure::Refused(error) | Failure::NoBytes(error))
                if error.status == 416 && known.version.is_some() =>
            {
                let expected = format!("an object that has the bytes {}", piece.range);
                Event::Fail(Cause::ObjectChanged {
                    expected,
                    seen: error.to_string(),
                })
            }
            Ending::Lost if known.spec.order == Order::InOrder => Event::Fail(lost()),
            _ => self.retry(piece, &outcome, cx),
        }
    }

    /// The HEAD is settled: the checksum to prove the object by is known, or that there is none.
    pub(super) fn on_settled(&mut self, known: &mut Known, cx: &mut Cx<'_>) -> Event {
        for (range, checksums) in core::mem::take(&mut self.early) {
            if let Err(cause) = self.record(range, &checksums, known) {
                return Event::Fail(cause);
            }
        }
        match self.held.take() {
            Some(_) if known.is_empty() => Event::Nothing,
            // The HEAD was refused; the range was too, with the size of the object.
            Some((_, outcome))
                if known.version.is_none()
                    && matches!(outcome.ending, Ending::Failed(Failure::NoBytes(_))) =>
            {
                found_empty(known)
            }
            Some((piece, outcome)) => self.retry(piece, &outcome, cx),
            None => Event::Nothing,
        }
    }

    /// Whether all bytes have come.
    pub(super) fn is_complete(&self, known: &Known) -> bool {
        known
            .total_if_settled()
            .is_some_and(|total| self.done.is_complete(total))
    }

    /// The checksum of all bytes, if every piece has one.
    pub(super) fn combined(&self, total: u64) -> Option<Checksum> {
        self.done.combined(total, combine)
    }

    pub(super) const fn segments(&self) -> &Segments {
        &self.done
    }

    /// How many ranges were cut so far.
    pub(super) const fn pieces(&self) -> u32 {
        self.pieces
    }

    /// How many of them have come.
    pub(super) const fn finished(&self) -> u32 {
        self.finished
    }

    /// Bytes that have come.
    pub(super) fn bytes(&self) -> u64 {
        self.done.covered() + self.early.iter().map(|(range, _)| range.len()).sum::<u64>()
    }

    /// All bytes below have come: the offset that an in-order consumer is waiting for.
    fn front(&self) -> u64 {
        let early = self
            .early
            .iter()
            .map(|(range, _)| range.end())
            .max()
            .unwrap_or(0);
        self.done.contiguous_until().max(early)
    }

    /// What came so far, if it has no gap: what a stream must begin with.
    pub(super) fn prefix(&self) -> Option<(u64, Vec<Checksum>)> {
        (self.prefix.0 == self.bytes()).then(|| self.prefix.clone())
    }

    /// A range that a stream is about to replace has ended. What it delivered still counts.
    pub(super) fn on_replaced(&mut self, outcome: Outcome, known: &Known) -> Event {
        let report = match outcome.ending {
            Ending::Read { report, .. } => report,
            Ending::Lost if known.spec.order == Order::InOrder => return Event::Fail(lost()),
            Ending::Failed(failure @ Failure::Sink(_)) => {
                return Event::Fail(failure.into_cause(OperationKind::GetObject));
            }
            _ => return Event::Nothing,
        };
        let Some(range) = report.range else {
            return Event::Nothing;
        };
        self.record(range, &report.checksums, known)
            .map_or_else(Event::Fail, |()| Event::Nothing)
    }

    /// Whether ranges won't do. Without a strong entity tag nothing holds two answers together, so
    /// only an object that comes by one is read this way; and a checksum that can't be combined,
    /// a SHA-256, proves nothing but all bytes in a row.
    pub(super) fn must_stream(&self, known: &Known) -> bool {
        let Some(version) = &known.version else {
            return false;
        };
        let pinned = version.etag.as_ref().is_some_and(ETag::is_strong);
        let broken_off = self.bytes() > 0 && self.bytes() < version.total;
        let unpinned = !pinned && (version.total > known.part_size || broken_off);
        let whole_proof = known
            .declared
            .is_some_and(|declared| !declared.algorithm.is_combinable());
        unpinned || (whole_proof && version.total > 0)
    }

    /// Keeps one uncut piece at hand, so that a plan takes no memory for what lies ahead.
    fn cut(&mut self, total: u64, known: &Known, cx: &Cx<'_>) {
        if self.uncut >= total || self.pending.values().any(|piece| piece.tries.is_fresh()) {
            return;
        }
        let end = self.uncut.saturating_add(known.part_size).min(total);
        if let Some(range) = ByteRange::new(self.uncut, end) {
            self.add(range, cx);
        }
    }

    fn add(&mut self, range: ByteRange, cx: &Cx<'_>) {
        let tries = cx.part_tries(OperationKind::GetObject);
        let piece = Piece::new(range, tries, Claim::default());
        self.pending.insert(range.start(), piece);
        self.uncut = self.uncut.max(range.end());
        self.pieces = self.pieces.saturating_add(1);
    }

    fn after_read(
        &mut self,
        mut piece: Piece,
        came: Option<ByteRange>,
        complete: bool,
        outcome: &Outcome,
        known: &Known,
        cx: &mut Cx<'_>,
    ) -> Event {
        if complete {
            piece.tries.succeed(cx);
            self.finished = self.finished.saturating_add(1);
            return Event::Nothing;
        }
        // Only what is missing is asked for again.
        let start = came.map_or(piece.range.start(), |range| range.end());
        let end = known.version.as_ref().map_or(piece.range.end(), |version| {
            piece.range.end().min(version.total)
        });
        match ByteRange::new(start, end) {
            Some(rest) => self.retry(
                Piece {
                    range: rest,
                    ..piece
                },
                outcome,
                cx,
            ),
            // All bytes are there; what came after them is the server's mistake.
            None => {
                self.finished = self.finished.saturating_add(1);
                Event::Nothing
            }
        }
    }

    fn retry(&mut self, mut piece: Piece, outcome: &Outcome, cx: &mut Cx<'_>) -> Event {
        match piece.tries.fail(outcome, cx) {
            Verdict::Retry => {
                self.pending.insert(piece.range.start(), piece);
                Event::Nothing
            }
            Verdict::Fail(cause) => Event::Fail(cause),
        }
    }

    fn record(
        &mut self,
        range: ByteRange,
        checksums: &[Checksum],
        known: &Known,
    ) -> Result<(), Cause> {
        if range.start() == self.prefix.0 && checksums.len() == CANDIDATES.len() {
            let joined = self.prefix.1.iter().filter_map(|sum| {
                let next = checksums
                    .iter()
                    .find(|next| next.algorithm == sum.algorithm)?;
                combine(sum, next, range.len())
            });
            self.prefix = (range.end(), joined.collect());
        }
        let Some(algorithm) = known.algorithm() else {
            self.early.push((range, checksums.to_vec()));
            return Ok(());
        };
        let checksum = algorithm
            .and_then(|algorithm| checksums.iter().find(|sum| sum.algorithm == algorithm))
            .copied();
        self.done
            .insert(range, checksum, combine)
            .map_err(|_| Unreachable("a range of the object came twice").into())
    }
}

/// The request for a piece.
pub(super) fn read(piece: &Piece, known: &Known) -> Read {
    // What a consumer in order has had of the first part may have to be recognised in a stream: it
    // is not known yet whether the server answers further ranges.
    let begins = known.spec.order == Order::InOrder && piece.range.start() < known.part_size;
    let algorithms = match (known.algorithm(), &known.version) {
        (Some(algorithm), Some(_)) if !begins => algorithm.into_iter().collect(),
        // The first answer: what it must be proved by, or continued with, is open.
        _ => CANDIDATES.to_vec(),
    };
    Read {
        claim: piece.claim.clone(),
        ..known.read(Some(piece.range), algorithms)
    }
}

/// What follows from a refusal that says that there are no bytes.
fn found_empty(known: &mut Known) -> Event {
    known
        .adopt_empty()
        .map_or_else(Event::Fail, |()| Event::Nothing)
}

/// The error of an in-order download that lost an exchange: it may have delivered bytes that nobody
/// can take back or check.
pub(super) fn lost() -> Cause {
    Cause::Transport {
        operation: OperationKind::GetObject,
        kind: TransportErrorKind::Aborted,
        detail: "the adapter lost the exchange".into(),
    }
}

/// The error of a server that answers some ranges and ignores others after bytes were delivered.
pub(super) fn inconsistent() -> Cause {
    Cause::Violation(Violation::new(
        Rule::Status,
        "every range to be answered as the first one was",
        "the whole object",
    ))
}
