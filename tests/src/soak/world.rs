//! The server of a soak: the model, and all that goes wrong on the way to it and back.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use sans3_core::error::TransportErrorKind;
use sans3_core::rng::Rng;

use super::plan::{Plan, Server, Tags, bucket, index, noise, one_in};
use crate::drive::{EPOCH, Peer, Reply, Sent, ask};
use crate::faults::Fault;
use crate::model::{Access, AccessKey, Anonymous, Etags, Model, Operation, Request, Route};

/// Why an exchange is broken off in the middle by the client: after so many of 1,000 bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut(pub(super) u64);

pub(super) struct World {
    pub(super) model: Model,
    rng: Rng,
    server: Server,
    faults: u64,
    /// Benign faults that may still come; `None`: any, and without limit.
    benign: Option<u64>,
    unrest: bool,
    /// The keys of downloads, which others may write to.
    targets: Vec<String>,
    /// Keys with an answer whose bytes were wrong although nothing said so.
    pub(super) flipped: Vec<String>,
    /// Keys whose stored bytes were damaged on their way up.
    pub(super) damaged: Vec<String>,
    /// How often keys have expired so far.
    pub(super) generation: u32,
    /// The client ends the exchange that is asked for next.
    pub(super) cut: Option<Cut>,
    /// What was injected, for people.
    pub(super) story: Vec<String>,
}

/// Faults that are no faults of [`Fault`]: of the answer's head, or of the request's body.
#[derive(Clone, Debug)]
enum Trouble {
    Refuse(u16, &'static str),
    LostBefore(TransportErrorKind),
    LostAfter(TransportErrorKind),
    ErrorIn200(&'static str),
    Broken(TransportErrorKind),
    CutClean,
    Flip,
    FlipRequest,
    WrongRange,
    IgnoreRange,
    Extra,
    Stall,
    Drop(&'static str),
    Set(&'static str, &'static str),
}

const AFTER: [TransportErrorKind; 5] = [
    TransportErrorKind::Closed,
    TransportErrorKind::HeadTimeout,
    TransportErrorKind::IdleTimeout,
    TransportErrorKind::BadHttp,
    TransportErrorKind::Other,
];

const BEFORE: [TransportErrorKind; 6] = [
    TransportErrorKind::Dns,
    TransportErrorKind::Connect,
    TransportErrorKind::ConnectTimeout,
    TransportErrorKind::Closed,
    TransportErrorKind::HeadTimeout,
    TransportErrorKind::Other,
];

const TRANSIENT: [(u16, &str); 6] = [
    (500, "InternalError"),
    (503, "SlowDown"),
    (503, ""),
    (502, ""),
    (504, ""),
    (429, ""),
];

const REFUSALS: [(u16, &str); 8] = [
    (403, "AccessDenied"),
    (404, "NoSuchKey"),
    (404, "NoSuchUpload"),
    (412, "PreconditionFailed"),
    (416, "InvalidRange"),
    (409, "ConditionalRequestConflict"),
    (400, "InvalidRequest"),
    (501, "NotImplemented"),
];

const HEADERS: [&str; 6] = [
    "etag",
    "content-length",
    "content-range",
    "x-amz-checksum-crc64nvme",
    "date",
    "last-modified",
];

const VALUES: [(&str, &str); 12] = [
    ("etag", "\"00000000000000000000000000000bad\""),
    ("etag", "W/\"weak\""),
    ("etag", "bad"),
    ("content-length", "-1"),
    ("content-length", "18446744073709551616"),
    ("content-range", "bytes 9-0/10"),
    ("content-range", "bytes 0-9/*"),
    (
        "content-range",
        "bytes 0-18446744073709551615/18446744073709551615",
    ),
    ("x-amz-checksum-crc64nvme", "rosUhgp5mIg="),
    ("x-amz-checksum-crc64nvme", "?"),
    ("x-amz-checksum-type", "COMPOSITE"),
    ("date", "Fri, 31 Dec 9999 23:59:59 GMT"),
];

impl World {
    pub(super) fn new(plan: &Plan, seed: u64, targets: Vec<String>) -> Self {
        let mut model = Model::new(plan.server.model());
        model.create_bucket(bucket().as_str());
        let mut world = Self {
            model,
            rng: Rng::new(seed ^ 0x5eed),
            server: plan.server,
            faults: plan.faults,
            benign: plan.benign,
            unrest: plan.unrest,
            targets,
            flipped: Vec::new(),
            damaged: Vec::new(),
            generation: 0,
            cut: None,
            story: Vec::new(),
        };
        world.let_in();
        world
    }

    pub(super) fn set_time(&mut self, since: Duration) {
        let seconds = EPOCH.as_seconds() + i64::try_from(since.as_secs()).unwrap_or(0);
        self.model.set_time(seconds);
    }

    /// The credentials that are good now.
    pub(super) fn key_id(&self) -> String {
        format!("AKID{}", self.generation)
    }

    fn let_in(&mut self) {
        if !self.server.signed {
            return;
        }
        let keys = (0..=self.generation).map(|generation| AccessKey {
            expired: generation < self.generation,
            ..AccessKey::new(&format!("AKID{generation}"), "secret")
        });
        self.model.config_mut().access = Access::Checked {
            keys: keys.collect(),
            anonymous: Anonymous::Nothing,
        };
    }

    /// What others do in the meantime.
    fn live(&mut self) {
        if !self.unrest {
            return;
        }
        if self.server.signed && self.generation < 3 && one_in(40, &mut self.rng) {
            self.generation += 1;
            self.let_in();
            self.story.push("credentials expire".into());
        }
        // More often where nothing but the client's own care holds the answers together.
        let rarity = if self.server.tags == Tags::Strong {
            50
        } else {
            5
        };
        if !self.targets.is_empty() && one_in(rarity, &mut self.rng) {
            let at = index(self.rng.below(self.targets.len() as u64));
            let key = self.targets[at].clone();
            let old = self.model.object("b", &key).map_or(0, |o| o.data.len());
            let len = if one_in(2, &mut self.rng) {
                old
            } else {
                self.rng.below(2 * old + 100)
            };
            let bytes = noise(len, self.rng.next_u64());
            self.model.put("b", &key, bytes);
            self.story.push(format!("{key} is replaced, {len} bytes"));
        }
    }

    fn trouble(&mut self, operation: Operation) -> Option<Trouble> {
        if self.rng.below(1_000) >= self.faults {
            return None;
        }
        if let Some(left) = &mut self.benign {
            *left = left.checked_sub(1)?;
            return Some(self.benign_trouble());
        }
        let rng = &mut self.rng;
        let get = operation == Operation::GetObject;
        // Who says of an upload that is there that it is not can't be told from one who is right.
        let discarding = matches!(
            operation,
            Operation::AbortMultipartUpload | Operation::ListParts
        );
        Some(match rng.below(20) {
            3 | 4 if !discarding => refuse(pick(&REFUSALS, rng)),
            0..5 => refuse(pick(&TRANSIENT, rng)),
            5 | 6 => Trouble::LostBefore(pick(&BEFORE, rng)),
            7..10 => Trouble::LostAfter(pick(&AFTER, rng)),
            10 => Trouble::ErrorIn200(["InternalError", "AccessDenied"][index(rng.below(2))]),
            11 => Trouble::Broken(pick(&AFTER, rng)),
            12 => Trouble::CutClean,
            13 if get => Trouble::Flip,
            13 => Trouble::FlipRequest,
            14 if get => Trouble::WrongRange,
            15 if get => Trouble::IgnoreRange,
            14..17 => Trouble::Extra,
            17 => Trouble::Stall,
            18 => Trouble::Drop(pick(&HEADERS, rng)),
            _ => {
                let (header, value) = pick(&VALUES, rng);
                Trouble::Set(header, value)
            }
        })
    }

    /// What every transfer must survive.
    fn benign_trouble(&mut self) -> Trouble {
        let rng = &mut self.rng;
        match rng.below(6) {
            0 | 1 => refuse(pick(&TRANSIENT, rng)),
            2 => Trouble::LostBefore(pick(&BEFORE, rng)),
            3 => Trouble::LostAfter(pick(&AFTER, rng)),
            4 => Trouble::Broken(pick(&AFTER, rng)),
            _ => Trouble::CutClean,
        }
    }

    fn inflict(&mut self, trouble: &Trouble, key: &str, mut request: Sent) -> Reply {
        let head = request.method == Method::HEAD;
        let dice = self.rng.next_u64();
        match *trouble {
            Trouble::Refuse(status, code) => refusal(status, code, head),
            Trouble::ErrorIn200(code) => refusal(200, code, head),
            Trouble::LostBefore(kind) => Reply::broken(kind),
            Trouble::LostAfter(kind) => {
                ask(&mut self.model, &request);
                Reply::broken(kind)
            }
            Trouble::Broken(kind) => part_of(ask(&mut self.model, &request), dice, Err(kind)),
            Trouble::CutClean => part_of(ask(&mut self.model, &request), dice, Ok(())),
            Trouble::Flip => {
                let reply = ask(&mut self.model, &request);
                let len = reply.bytes().len() as u64;
                if len > 0 {
                    self.flipped.push(key.to_owned());
                }
                reply.flipped(index(dice % len.max(1)))
            }
            Trouble::FlipRequest => {
                let mut body = request.body.to_vec();
                let at = index(dice % (body.len() as u64).max(1));
                if let Some(byte) = body.get_mut(at) {
                    *byte ^= 1;
                    self.damaged.push(key.to_owned());
                }
                request.body = body.into();
                ask(&mut self.model, &request)
            }
            Trouble::WrongRange => {
                let fault = Fault::WrongRange {
                    shift: 1 + dice % 1_000,
                };
                self.rewritten(&fault, key, &request)
            }
            Trouble::IgnoreRange => self.rewritten(&Fault::IgnoreRange, key, &request),
            Trouble::Extra => {
                let mut reply = ask(&mut self.model, &request);
                let more = vec![b' '; index(1 + dice % 50)];
                reply.body.push(more.into());
                reply
            }
            Trouble::Stall => {
                let mut reply = ask(&mut self.model, &request);
                reply.pace = Duration::from_secs(3_600);
                reply
            }
            Trouble::Drop(header) => ask(&mut self.model, &request).without(header),
            Trouble::Set(header, value) => ask(&mut self.model, &request).with(header, value),
        }
    }

    fn rewritten(&mut self, fault: &Fault, key: &str, request: &Sent) -> Reply {
        let size = self.model.object("b", key).map(|o| o.data.len());
        let mut asked = Request::new(request.method.clone(), request.target.clone());
        asked.headers.clone_from(&request.headers);
        fault.rewrite_request(&mut asked, size);
        let mut request = request.clone();
        request.headers = asked.headers;
        ask(&mut self.model, &request)
    }

    /// What this server makes of entity tags, and how the network cuts the body.
    fn dress(&mut self, operation: Operation, mut reply: Reply) -> Reply {
        let read = matches!(operation, Operation::GetObject | Operation::HeadObject);
        if read && let Ok((_, headers)) = &mut reply.head {
            let etag = headers.get("etag").and_then(|tag| tag.to_str().ok());
            let weak = etag.map(|tag| format!("W/{tag}"));
            match (self.server.tags, weak) {
                (Tags::Weak, Some(weak)) if !weak.starts_with("W/W/") => {
                    reply = reply.with("etag", &weak);
                }
                (Tags::Absent, _) => reply = reply.without("etag"),
                _ => {}
            }
        }
        if self.server.etags == Etags::LikeMd5 {
            reply = reply.with("x-amz-server-side-encryption", "aws:kms");
        }
        if let Some(Cut(share)) = self.cut.take() {
            let len = reply.bytes().len() as u64;
            reply = reply.cut(index(len * share / 1_000), Err(TransportErrorKind::Aborted));
        }
        let whole = Bytes::from(reply.bytes());
        reply.body = Vec::new();
        let piece = 1 + index(self.rng.below(whole.len() as u64 + 1));
        let mut rest = whole;
        while !rest.is_empty() {
            reply.body.push(rest.split_to(piece.min(rest.len())));
        }
        reply
    }
}

impl Peer for World {
    fn answer(&mut self, request: Sent) -> Reply {
        self.live();
        let route = Route::parse(&request.method, request.target.as_bytes(), None, None);
        let (operation, key) = route.map_or((Operation::Other, String::new()), |route| {
            (route.operation, route.key)
        });
        let line = format!("{operation} {key}");
        let reply = match self.trouble(operation) {
            None => ask(&mut self.model, &request),
            Some(trouble) => {
                self.story.push(format!("{line}: {trouble:?}"));
                self.inflict(&trouble, &key, request)
            }
        };
        let status = reply.head.as_ref().map(|(status, _)| *status);
        self.story.push(format!("{line} -> {status:?}"));
        self.dress(operation, reply)
    }
}

fn refuse((status, code): (u16, &'static str)) -> Trouble {
    Trouble::Refuse(status, code)
}

fn refusal(status: u16, code: &str, head: bool) -> Reply {
    if head || code.is_empty() {
        return Reply::new(status, &[], "");
    }
    let document = format!("<Error><Code>{code}</Code><Message>m</Message></Error>");
    Reply::new(status, &[], document)
}

fn part_of(reply: Reply, dice: u64, end: Result<(), TransportErrorKind>) -> Reply {
    let len = reply.bytes().len() as u64;
    reply.cut(index(dice % (len + 1)), end)
}

fn pick<T: Copy, const N: usize>(from: &[T; N], rng: &mut Rng) -> T {
    from[index(rng.below(N as u64))]
}
