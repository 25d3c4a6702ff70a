//! A download from a server that says anything about the bytes, and keeps to the truth in a HEAD.

use std::num::NonZeroU64;
use std::ops::Range;

use bytes::Bytes;
use http::Method;
use http::header::{CONTENT_LENGTH, CONTENT_RANGE, HeaderValue};
use sans3_core::attempt::Attempt;
use sans3_core::endpoint::{BucketName, ObjectKey};
use sans3_core::error::TransportErrorKind;
use sans3_core::operation::OperationKind;
use sans3_core::session::{Input, Machine, Session, Step};
use sans3_core::time::Instant;
use sans3_core::transfer::{Download, Verified};

use crate::drive::{self, EPOCH, Reply, Sent, Sink};
use crate::fuzz::Draw;
use crate::model::digest::Algorithm;

/// More steps than any of these downloads needs.
const MAX_STEPS: u32 = 20_000;

const TAG: &str = "\"tag\"";

struct Server<'d, 'b> {
    draw: &'d mut Draw<'b>,
    object: Bytes,
    /// Whether the checksum of the object is told. Only then may bytes be wrong.
    has_checksum: bool,
    /// What the last GET asked for.
    asked: Option<Range<u64>>,
}

pub(super) fn download(draw: &mut Draw<'_>) {
    let len = draw.below(200);
    let object: Vec<u8> = (0..len)
        .map(|at| b"0123456789abcdefghijklm"[at % 23])
        .collect();
    let mut download = Download::new(
        BucketName::new("bucket").unwrap_or_else(|error| panic!("{error}")),
        ObjectKey::new("key").unwrap_or_else(|error| panic!("{error}")),
    );
    download.part_size = NonZeroU64::new(1 + draw.below(80) as u64);
    let has_checksum = draw.flag();
    // With a hint there may be no HEAD, and then only a checksum tells the truth.
    if has_checksum && draw.flag() {
        download.size_hint = Some(draw.number());
    }
    let is_hinted = download.size_hint.is_some();
    let mut server = Server {
        draw,
        object: object.into(),
        has_checksum,
        asked: None,
    };
    let mut session = Session::new(drive::config(), 1);
    let mut now = Instant::ZERO;
    let handle = session.insert(download, now);
    let mut file = File::default();
    for _ in 0..MAX_STEPS {
        match session.poll(now) {
            Step::Start(attempt) => {
                let outcome = exchange(attempt, &mut server, &mut file);
                session.input(Input::Outcome(outcome), now);
            }
            Step::Wait { until, why } => {
                let next = until.unwrap_or_else(|| panic!("waits for nothing: {why:?}"));
                assert!(next > now, "a wait that has passed spins");
                now = next;
            }
            Step::Ended(_) => break,
            step => panic!("nothing is under way, so nothing is to be done: {step:?}"),
        }
    }
    let Ok(downloaded) = session.take(handle) else {
        return;
    };
    assert_eq!(downloaded.size, server.object.len() as u64);
    // As the caller of a download to random access must.
    file.bytes.truncate(server.object.len());
    file.placed.truncate(server.object.len());
    assert!(file.placed.iter().all(|placed| *placed), "a hole");
    assert_eq!(file.bytes, server.object, "other bytes");
    // An only answer may call the version anything.
    let tag = downloaded.etag.as_ref().map(|tag| tag.as_str());
    assert!(is_hinted || tag == Some(TAG), "another version: {tag:?}");
    if let Verified::FullObject(_) = downloaded.verified {
        assert!(server.has_checksum, "verified by nothing");
    }
}

/// What was placed so far.
#[derive(Default)]
struct File {
    bytes: Vec<u8>,
    placed: Vec<bool>,
}

fn exchange(
    attempt: Attempt,
    server: &mut Server<'_, '_>,
    file: &mut File,
) -> sans3_core::attempt::Outcome {
    let kind = attempt.operation();
    let mut sink = Sink::random();
    let mut peer = |request| server.answer(&request);
    let outcome = drive::run(attempt, EPOCH, &mut peer, None, &mut sink, &mut Vec::new());
    if kind != OperationKind::GetObject {
        assert_eq!(sink.writes, [], "{kind} has no bytes of an object");
        return outcome;
    }
    let asked = server.asked.take().unwrap_or(0..u64::MAX);
    for (start, end) in &sink.writes {
        assert!(
            asked.start <= *start && *end <= asked.end,
            "{start}..{end} of {asked:?}"
        );
    }
    let tiled = sink.writes.windows(2).all(|pair| pair[0].1 == pair[1].0);
    assert!(tiled, "placed here and there: {:?}", sink.writes);
    let starts_there = sink.writes.first().is_none_or(|(at, _)| *at == asked.start);
    assert!(starts_there, "{:?} of {asked:?}", sink.writes);
    for (start, end) in sink.writes {
        let at = |offset| usize::try_from(offset).unwrap_or(usize::MAX);
        let (start, end) = (at(start), at(end));
        file.bytes.resize(file.bytes.len().max(end), 0);
        file.placed.resize(file.bytes.len(), false);
        file.bytes[start..end].copy_from_slice(&sink.bytes[start..end]);
        file.placed[start..end].fill(true);
    }
    outcome
}

impl Server<'_, '_> {
    fn answer(&mut self, request: &Sent) -> Reply {
        if request.method == Method::HEAD {
            return self.honest_head();
        }
        let range = request.headers.get("range").and_then(asked);
        self.asked = range.clone();
        let mut reply = self.honest(range);
        for _ in 0..self.draw.byte() % 3 {
            reply = self.changed(reply);
        }
        self.sliced(reply)
    }

    fn honest_head(&self) -> Reply {
        let length = self.object.len().to_string();
        self.vouched(Reply::new(
            200,
            &[("content-length", &length), ("etag", TAG)],
            "",
        ))
    }

    /// The same answer, with the object's checksum.
    fn vouched(&self, reply: Reply) -> Reply {
        if !self.has_checksum {
            return reply;
        }
        let value = Algorithm::Crc64Nvme.digest(std::slice::from_ref(&self.object));
        reply
            .with("x-amz-checksum-crc64nvme", &value.base64())
            .with("x-amz-checksum-type", "FULL_OBJECT")
    }

    fn honest(&self, range: Option<Range<u64>>) -> Reply {
        let total = self.object.len();
        let at = |offset: u64| usize::try_from(offset).map_or(total, |at| at.min(total));
        let Some(range) = range else {
            let fields = [("content-length", &*total.to_string()), ("etag", TAG)];
            return self.vouched(Reply::new(200, &fields, self.object.clone()));
        };
        let (start, end) = (at(range.start), at(range.end));
        if start >= end {
            let size = format!("bytes */{total}");
            return Reply::new(416, &[("content-range", &size)], "<Error/>");
        }
        let held = format!("bytes {start}-{}/{total}", end - 1);
        let length = (end - start).to_string();
        let fields = [
            ("content-range", &*held),
            ("content-length", &length),
            ("etag", TAG),
        ];
        Reply::new(206, &fields, self.object.slice(start..end))
    }

    /// The same answer with something wrong.
    fn changed(&mut self, reply: Reply) -> Reply {
        let draw = &mut *self.draw;
        let len = reply.bytes().len();
        match draw.byte() % 12 {
            0 => self.honest(None),
            1 => with_status(
                reply,
                *draw.pick(&[200, 206, 204, 304, 404, 412, 416, 500, 503]),
            ),
            2 => {
                let (first, last, total) = (draw.number(), draw.number(), draw.number());
                reply.with("content-range", &format!("bytes {first}-{last}/{total}"))
            }
            3 => reply.without("content-range"),
            4 => reply.with("content-length", &draw.number().to_string()),
            5 => reply.without("content-length"),
            6 => reply.with("etag", &format!("\"{}\"", draw.word(4, b"tagx"))),
            7 => reply.without("etag"),
            8 => twice(reply, draw.flag()),
            9 => {
                let end = *draw.pick(&[Ok(()), Err(TransportErrorKind::Closed)]);
                let at = draw.below(len + 1);
                reply.cut(at, end)
            }
            10 if self.has_checksum => {
                let more = draw.bytes(20).to_vec();
                let body = [reply.bytes(), more].concat();
                Reply {
                    body: vec![body.into()],
                    ..reply
                }
            }
            _ if self.has_checksum => {
                let at = self.draw.below(len.max(1));
                reply.flipped(at)
            }
            _ => Reply::broken(TransportErrorKind::Closed),
        }
    }

    /// The same answer, its body in pieces.
    fn sliced(&mut self, reply: Reply) -> Reply {
        let body = Bytes::from(reply.bytes());
        let cut = self.draw.below(body.len().max(1));
        Reply {
            body: vec![body.slice(..cut), body.slice(cut..)],
            ..reply
        }
    }
}

/// `bytes=0-9`
fn asked(value: &HeaderValue) -> Option<Range<u64>> {
    let (first, last) = value
        .to_str()
        .ok()?
        .strip_prefix("bytes=")?
        .split_once('-')?;
    Some(first.parse().ok()?..last.parse::<u64>().ok()?.checked_add(1)?)
}

fn with_status(reply: Reply, status: u16) -> Reply {
    let head = reply.head.map(|(_, fields)| (status, fields));
    Reply { head, ..reply }
}

/// The same answer with a field that repeats.
fn twice(mut reply: Reply, is_length: bool) -> Reply {
    if let Ok((_, fields)) = &mut reply.head {
        let name = if is_length {
            CONTENT_LENGTH
        } else {
            CONTENT_RANGE
        };
        if let Some(value) = fields.get(&name).cloned() {
            fields.append(name, value);
        }
    }
    reply
}
