use core::ops::Range;
use core::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

use http::StatusCode;

use super::outcome::{Ending, Failure, ReadReport, Version};
use crate::checksum::{Algorithm, Checksum, Hasher};
use crate::error::{Rule, Violation};
use crate::etag::ETag;
use crate::operation::{GetObject, GetObjectHead};
use crate::range::ByteRange;

/// What a GetObject asks for, and what its answer must be like.
#[derive(Clone, Debug)]
pub(crate) struct Read {
    /// The request; without a range it asks for the whole object.
    pub(crate) get: GetObject,
    /// The version that the answer must be of, once one is known.
    pub(crate) pinned: Option<Pinned>,
    /// What to compute over the bytes.
    pub(crate) algorithms: Vec<Algorithm>,
    /// Whether the bytes are placed, or only checked.
    pub(crate) place: bool,
    /// Bytes at the front of a whole object that were delivered before.
    pub(crate) skip: Option<Skip>,
    /// What attempts at the same range share.
    pub(crate) claim: Claim,
}

/// Of several attempts at the same range, the one that takes this first places its bytes, and no
/// other one ever does.
#[derive(Clone, Debug, Default)]
pub(crate) struct Claim(Arc<AtomicBool>);

impl Claim {
    /// Whether nobody has taken it before.
    fn take(&self) -> bool {
        !self.0.swap(true, Ordering::AcqRel)
    }
}

/// The version that all answers must be of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pinned {
    pub(crate) etag: Option<ETag>,
    pub(crate) total: u64,
}

/// A prefix that came by an earlier answer and is out of reach: this answer must begin the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Skip {
    pub(crate) len: u64,
    pub(crate) checksums: Vec<Checksum>,
}

impl Read {
    /// Judges an answer by what its head says of the bytes that follow: the object's bytes
    /// `Range`, of that version.
    pub(super) fn judge(&self, head: &GetObjectHead) -> Result<(Range<u64>, Version), Failure> {
        let (span, total) = match (&head.content_range, self.get.range) {
            (Some(range), Some(want)) => {
                range.check(want).map_err(Failure::Broken)?;
                (range.start()..range.end(), range.total())
            }
            (Some(range), None) if range.range().len() == range.total() => {
                (0..range.total(), range.total())
            }
            (Some(range), None) => {
                return Err(broken(
                    Rule::ContentRange,
                    "the whole object".into(),
                    range.to_string(),
                ));
            }
            (None, want) => {
                if head.status == StatusCode::PARTIAL_CONTENT {
                    let expected = "a Content-Range on a partial answer".into();
                    return Err(broken(Rule::ContentRange, expected, "none".into()));
                }
                let total = self.whole_length(head)?;
                // The whole object instead of a range is good only if it is that range. As many
                // bytes as were asked for may also be a range that nobody calls one: some servers
                // answer ranges with 200, and proxies drop fields. That the object has no more is
                // known where it is a version whose size is known.
                let pinned = self.pinned.as_ref().and_then(|pinned| pinned.etag.as_ref());
                let is_known = pinned.is_some_and(ETag::is_strong);
                let fits = |end| total < end || total == end && is_known;
                if want.is_some_and(|want| want.start() != 0 || !fits(want.end())) {
                    return Err(Failure::RangeIgnored);
                }
                (0..total, total)
            }
        };
        if let Some(length) = head
            .content_length
            .filter(|&len| len != span.end - span.start)
        {
            let expected = format!("{} bytes, as Content-Range says", span.end - span.start);
            return Err(broken(Rule::ContentLength, expected, format!("{length}")));
        }
        self.check_version(head.etag.as_ref(), total)?;
        self.check_prefix(total)?;
        let version = Version {
            etag: head.etag.clone(),
            total,
            declared: head.declared.clone(),
            last_modified: head.last_modified,
        };
        Ok((span, version))
    }

    fn whole_length(&self, head: &GetObjectHead) -> Result<u64, Failure> {
        let pinned = self.pinned.as_ref().map(|pinned| pinned.total);
        head.content_length.or(pinned).ok_or_else(|| {
            broken(
                Rule::ContentLength,
                "a Content-Length".into(),
                "none".into(),
            )
        })
    }

    /// Compares what the head says with the version that is wanted: also with the tag that was
    /// sent in `If-Match`, since several servers ignore that.
    fn check_version(&self, etag: Option<&ETag>, total: u64) -> Result<(), Failure> {
        if let Some(wanted) = self.get.if_match.as_ref().filter(|&tag| etag != Some(tag)) {
            return Err(Failure::Changed {
                expected: format!("ETag {wanted}"),
                seen: etag.map_or_else(|| "no ETag".into(), |etag| format!("ETag {etag}")),
            });
        }
        let Some(pinned) = &self.pinned else {
            return Ok(());
        };
        let same_tag = pinned
            .etag
            .as_ref()
            .is_none_or(|expected| etag == Some(expected));
        if same_tag && pinned.total == total {
            return Ok(());
        }
        let describe = |etag: Option<&ETag>, total: u64| match etag {
            Some(etag) => format!("ETag {etag} and {total} bytes"),
            None => format!("no ETag and {total} bytes"),
        };
        Err(Failure::Changed {
            expected: describe(pinned.etag.as_ref(), pinned.total),
            seen: describe(etag, total),
        })
    }

    /// An object that ends within what was delivered of it before is another version.
    fn check_prefix(&self, total: u64) -> Result<(), Failure> {
        match &self.skip {
            Some(skip) if skip.len > total => Err(Failure::Changed {
                expected: format!("at least the {} bytes that came before", skip.len),
                seen: format!("{total} bytes"),
            }),
            _ => Ok(()),
        }
    }
}

/// The bytes of an object as they come in.
#[derive(Debug)]
pub(super) struct ObjectBody {
    version: Version,
    start: u64,
    at: u64,
    end: u64,
    place: bool,
    hashers: Vec<Hasher>,
    skip: Option<Skip>,
    /// Absent once it is taken.
    claim: Option<Claim>,
    /// The checksum that this very body must have.
    due: Option<Checksum>,
}

impl ObjectBody {
    pub(super) fn new(read: &Read, span: Range<u64>, version: Version) -> Self {
        let whole = read.get.range.is_none();
        let due = if whole { version.declared.best() } else { None };
        let mut algorithms = read.algorithms.clone();
        algorithms.extend(due.map(|due| due.algorithm));
        algorithms.sort_unstable();
        algorithms.dedup();
        Self {
            version,
            start: span.start,
            at: span.start,
            end: span.end,
            place: read.place,
            hashers: algorithms.into_iter().map(Hasher::new).collect(),
            skip: read.skip.clone().filter(|skip| skip.len > 0),
            claim: Some(read.claim.clone()),
            due,
        }
    }

    /// Takes a chunk; the result is where it belongs: an offset of the object, and the piece of
    /// the chunk that goes there. `None` where nothing is to be placed.
    pub(super) fn admit(&mut self, chunk: &[u8]) -> Result<Option<(u64, Range<usize>)>, Failure> {
        let len = chunk.len() as u64;
        if len > self.end - self.at {
            let expected = format!("a body of {} bytes", self.end - self.start);
            let seen = "more".into();
            return Err(broken(Rule::BodyLength, expected, seen));
        }
        if len > 0
            && let Some(claim) = self.claim.take()
            && !claim.take()
        {
            return Err(Failure::Outrun);
        }
        let at = self.at;
        let skipped = self.skip_into(chunk)?;
        self.hash(&chunk[skipped..]);
        self.at = at + len;
        let placed = self.place && skipped < chunk.len();
        Ok(placed.then(|| (at + skipped as u64, skipped..chunk.len())))
    }

    /// What came, and whether that is all and what the answer's head declared; `broken` says that
    /// it is not.
    pub(super) fn finish(self, broken: Option<Failure>) -> Ending {
        let checksums = self.checksums();
        let end = broken.map_or_else(|| self.end(&checksums), Err);
        let report = ReadReport {
            version: self.version,
            range: ByteRange::new(self.start, self.at),
            checksums,
        };
        Ending::Read { report, end }
    }

    fn end(&self, checksums: &[Checksum]) -> Result<(), Failure> {
        if self.at != self.end {
            let expected = format!("a body of {} bytes", self.end - self.start);
            return Err(broken(
                Rule::BodyLength,
                expected,
                format!("{}", self.at - self.start),
            ));
        }
        let Some(due) = self.due else { return Ok(()) };
        let mut same = checksums
            .iter()
            .filter(|sum| sum.algorithm == due.algorithm);
        match same.next() {
            Some(seen) if *seen == due => Ok(()),
            Some(seen) => Err(broken(Rule::Checksum, due.to_string(), seen.to_string())),
            None => Err(broken(Rule::Checksum, due.to_string(), "none".into())),
        }
    }

    fn checksums(&self) -> Vec<Checksum> {
        self.hashers
            .iter()
            .map(|hasher| hasher.clone().finish())
            .collect()
    }

    fn hash(&mut self, bytes: &[u8]) {
        self.hashers
            .iter_mut()
            .for_each(|hasher| hasher.update(bytes));
    }

    /// Hashes the piece of `chunk` that was delivered before, and returns its length. At the end
    /// of that prefix its checksums must be those of the earlier answer's.
    fn skip_into(&mut self, chunk: &[u8]) -> Result<usize, Failure> {
        let Some(skip) = self.skip.take() else {
            return Ok(0);
        };
        let left = skip.len.saturating_sub(self.at);
        let Some(piece) = usize::try_from(left)
            .ok()
            .and_then(|left| chunk.get(..left))
        else {
            self.hash(chunk);
            self.skip = Some(skip);
            return Ok(chunk.len());
        };
        self.hash(piece);
        let now = self.checksums();
        if skip.checksums.iter().all(|due| now.contains(due)) {
            return Ok(piece.len());
        }
        Err(Failure::Changed {
            expected: format!("the first {} bytes as they came before", skip.len),
            seen: "other bytes".into(),
        })
    }
}

pub(super) fn broken(rule: Rule, expected: String, seen: String) -> Failure {
    Failure::Broken(Violation::new(rule, expected, seen))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::{BucketName, ObjectKey};

    #[test]
    fn of_two_attempts_at_a_range_only_the_first_to_bring_bytes_places_any() {
        let bucket = BucketName::new("b").unwrap();
        let read = Read {
            get: GetObject {
                range: ByteRange::new(0, 4),
                ..GetObject::new(bucket, ObjectKey::new("k").unwrap())
            },
            pinned: None,
            algorithms: Vec::new(),
            place: true,
            skip: None,
            claim: Claim::default(),
        };
        let version = Version {
            etag: None,
            total: 8,
            declared: crate::checksum::Declared::default(),
            last_modified: None,
        };
        let body = || ObjectBody::new(&read, 0..4, version.clone());
        let (mut slow, mut fast) = (body(), body());
        assert_eq!(slow.admit(b"").ok(), Some(None), "a head is no byte");
        assert_eq!(fast.admit(b"ab").ok(), Some(Some((0, 0..2))));
        assert_eq!(slow.admit(b"abcd").err(), Some(Failure::Outrun));
        assert_eq!(fast.admit(b"cd").ok(), Some(Some((2, 0..2))));
    }
}
