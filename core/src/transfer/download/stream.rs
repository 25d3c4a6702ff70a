use super::Order;
use super::ranges::{inconsistent, lost};
use super::work::{Event, Known};
use crate::attempt::{Ending, Failure, Outcome, Read, ReadReport, Skip};
use crate::checksum::{Algorithm, Checksum};
use crate::error::{Cause, Rule};
use crate::etag::ETag;
use crate::operation::OperationKind;
use crate::transfer::tries::{Tries, Verdict};
use crate::transfer::{Cx, Next, Verified};

/// The object as one stream from its first byte: for objects that one request can bring, and for
/// servers that leave no other way.
#[derive(Debug)]
pub(super) struct Stream {
    tries: Tries,
    /// Where the server is known to ignore ranges, or no entity tag holds them together: after a
    /// failure the stream begins again.
    only: bool,
    /// What an in-order consumer has had already: a new stream must begin with it.
    skip: Option<Skip>,
    bytes: u64,
    mismatched: bool,
}

/// What the prefix of a broken stream is recognised by. Two independent CRCs, 96 bits together,
/// stand in where no entity tag pins the version.
const PREFIX: [Algorithm; 2] = [Algorithm::Crc64Nvme, Algorithm::Crc32c];

impl Stream {
    /// The first choice, for an object that is known to be small.
    pub(super) fn small(cx: &Cx<'_>) -> Self {
        Self::new(false, None, cx)
    }

    /// The only choice left. `prefix` is what an in-order consumer has had.
    pub(super) fn only(prefix: Option<(u64, Vec<Checksum>)>, cx: &Cx<'_>) -> Self {
        let skip = prefix.map(|(len, checksums)| Skip { len, checksums });
        Self::new(true, skip, cx)
    }

    fn new(only: bool, skip: Option<Skip>, cx: &Cx<'_>) -> Self {
        let tries = cx.part_tries(OperationKind::GetObject);
        Self {
            tries,
            only,
            skip,
            bytes: 0,
            mismatched: false,
        }
    }

    pub(super) fn next(&mut self, known: &Known, cx: &Cx<'_>) -> Result<Next, Next> {
        if let Some(wait) = cx.until(cx.payload_at(self.tries.ready_at())) {
            return Err(wait);
        }
        let mut algorithms: Vec<Algorithm> = known
            .declared
            .iter()
            .map(|declared| declared.algorithm)
            .collect();
        if known.spec.order == Order::InOrder {
            algorithms.extend(PREFIX);
            algorithms.extend(
                self.skip
                    .iter()
                    .flat_map(|skip| skip.checksums.iter().map(|checksum| checksum.algorithm)),
            );
        }
        let read = known.read(None, algorithms);
        // Without a strong tag another version is no error here: the stream is one version anyway.
        let pinned = read
            .pinned
            .filter(|pinned| pinned.etag.as_ref().is_some_and(ETag::is_strong));
        let read = Read {
            pinned,
            skip: self.skip.clone(),
            ..read
        };
        Ok(Next::read(read, self.tries.start()))
    }

    pub(super) fn on_outcome(
        &mut self,
        outcome: Outcome,
        known: &mut Known,
        cx: &mut Cx<'_>,
    ) -> Event {
        match &outcome.ending {
            Ending::Read {
                report,
                end: Ok(()),
            } => {
                self.bytes = report.version.total;
                self.finish(report, &outcome, known, cx)
            }
            Ending::Read {
                report,
                end: Err(failure),
            } => {
                let wrong = matches!(failure, Failure::Broken(v) if v.rule() == Rule::Checksum);
                if wrong && known.spec.order == Order::InOrder {
                    return Event::Fail(failure.clone().into_cause(OperationKind::GetObject));
                }
                self.after_break(report, wrong, &outcome, known, cx)
            }
            Ending::Failed(Failure::Changed { .. }) if self.skip.is_some() => {
                Event::Fail(inconsistent())
            }
            Ending::Lost if known.spec.order == Order::InOrder => Event::Fail(lost()),
            _ => self.retry(&outcome, cx),
        }
    }

    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    fn retry(&mut self, outcome: &Outcome, cx: &mut Cx<'_>) -> Event {
        match self.tries.fail(outcome, cx) {
            Verdict::Retry => Event::Nothing,
            Verdict::Fail(cause) => Event::Fail(cause),
        }
    }

    fn after_break(
        &mut self,
        report: &ReadReport,
        wrong: bool,
        outcome: &Outcome,
        known: &mut Known,
        cx: &mut Cx<'_>,
    ) -> Event {
        let strong = report.version.etag.as_ref().is_some_and(ETag::is_strong);
        let event = self.retry(outcome, cx);
        if !matches!(event, Event::Nothing) || wrong {
            return event;
        }
        if !self.only && strong && report.range.is_some() {
            known.declared = report.version.declared.best();
            return match known.adopt(&report.version) {
                Ok(()) => Event::Resume(report.clone()),
                Err(cause) => Event::Fail(cause),
            };
        }
        if known.spec.order == Order::InOrder
            && let Some(range) = report.range
            && self.skip.as_ref().is_none_or(|skip| skip.len < range.end())
        {
            self.skip = Some(Skip {
                len: range.end(),
                checksums: report.checksums.clone(),
            });
        }
        event
    }

    fn finish(
        &mut self,
        report: &ReadReport,
        outcome: &Outcome,
        known: &mut Known,
        cx: &mut Cx<'_>,
    ) -> Event {
        self.tries.succeed(cx);
        let head = known.declared.filter(|_| known.is_of(&report.version));
        known.replace(&report.version);
        // The answer's own checksum was compared while it came in.
        if let Some(own) = report.version.declared.best() {
            return Event::Finished(Verified::FullObject(own.algorithm));
        }
        let Some(expected) = head else {
            return Event::Finished(Verified::Length);
        };
        let seen = report
            .checksums
            .iter()
            .find(|sum| sum.algorithm == expected.algorithm);
        match seen.copied() {
            Some(seen) if seen == expected => {
                Event::Finished(Verified::FullObject(expected.algorithm))
            }
            Some(seen) => {
                let once = !core::mem::replace(&mut self.mismatched, true);
                if once && known.spec.order == Order::Random {
                    cx.note_reread(outcome.id(), Cause::ChecksumMismatch { expected, seen });
                    self.tries = cx.part_tries(OperationKind::GetObject);
                    return Event::Nothing;
                }
                Event::Fail(Cause::ChecksumMismatch { expected, seen })
            }
            None => Event::Finished(Verified::Length),
        }
    }
}
