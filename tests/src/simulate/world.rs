//! The server of a run: the model, and all that goes wrong on the way to it and back.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use sans3_core::error::TransportErrorKind;

use super::choices::{Choices, index, noise};
use super::job::bucket;
use super::scenario::{Faults, Scenario, Server, Tags};
use super::story::Story;
use crate::drive::{EPOCH, Reply, Sent, ask, give};
use crate::faults::Fault;
use crate::model::{
    Access, AccessKey, Algorithm, Anonymous, Etags, Model, Operation, Request, Route,
};

pub(super) struct World {
    pub(super) model: Model,
    server: Server,
    faults: Faults,
    unrest: bool,
    /// Whether faults are enumerated instead of drawn.
    enumerated: bool,
    /// The keys of downloads, which others may write to.
    targets: Vec<String>,
    /// Time since the start.
    now: Duration,
    /// Keys with an answer whose bytes were wrong although nothing said so.
    pub(super) flipped: Vec<String>,
    /// Keys whose stored bytes were damaged on their way up.
    pub(super) damaged: Vec<String>,
    /// How often keys have expired so far.
    pub(super) generation: u32,
    /// Requests whose answer is lost before they take effect.
    pub(super) late: Vec<Sent>,
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
    /// The client gives up on the answer, and the request takes effect later.
    Late(TransportErrorKind),
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
    pub(super) fn new(scenario: &Scenario, targets: Vec<String>) -> Self {
        let mut model = Model::new(scenario.server.model());
        model.create_bucket(bucket().as_str());
        let mut world = Self {
            model,
            server: scenario.server,
            faults: scenario.faults,
            unrest: scenario.unrest,
            enumerated: scenario.any_order,
            targets,
            now: Duration::ZERO,
            flipped: Vec::new(),
            damaged: Vec::new(),
            generation: 0,
            late: Vec::new(),
        };
        world.let_in();
        world
    }

    pub(super) fn set_time(&mut self, since: Duration) {
        self.now = since;
        let seconds = EPOCH.as_seconds() + i64::try_from(since.as_secs()).unwrap_or(0);
        self.model.set_time(seconds);
    }

    /// Whether faults and unrest are over for good.
    pub(super) fn is_quiet(&self) -> bool {
        self.now >= self.faults.until
    }

    /// The credentials that are good now.
    pub(super) fn key_id(&self) -> String {
        format!("AKID{}", self.generation)
    }

    /// Answers a request, or does with it what else may happen to one.
    pub(super) fn answer(
        &mut self,
        request: Sent,
        choices: &mut Choices,
        story: &mut Story,
    ) -> Reply {
        self.live(choices, story);
        let route = Route::parse(&request.method, request.target.as_bytes(), None, None);
        let (operation, key) = route.as_ref().map_or((Operation::Other, ""), |route| {
            (route.operation, route.key.as_str())
        });
        let reply = match self.trouble(operation, choices) {
            None => give(&mut self.model, request, route.as_ref()),
            Some(trouble) => {
                story.tell(|| format!("{operation} {key}: {trouble:?}"));
                self.inflict(&trouble, key, request, choices)
            }
        };
        story.tell(|| {
            let status = reply.head.as_ref().map(|(status, _)| *status);
            format!("{operation} {key} -> {status:?}")
        });
        self.dress(operation, reply, choices)
    }

    /// A request takes effect, and nobody gets its answer.
    pub(super) fn apply(&mut self, request: &Sent) {
        ask(&mut self.model, request);
    }

    /// Stores an object, with a checksum of this algorithm where the server knows any.
    pub(super) fn store(&mut self, key: &str, bytes: Bytes, algorithm: Algorithm) {
        self.model.put_hashed("b", key, bytes, algorithm);
        if !self.server.checksums
            && let Some(object) = self.model.object_mut("b", key)
        {
            object.checksum = None;
        }
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
    fn live(&mut self, choices: &mut Choices, story: &mut Story) {
        if !self.unrest || self.is_quiet() {
            return;
        }
        if self.server.signed && self.generation < 3 && choices.one_in(40) {
            self.generation += 1;
            self.let_in();
            story.tell(|| "credentials expire".into());
        }
        // More often where nothing but the client's own care holds the answers together.
        let rarity = if self.server.tags == Tags::Strong {
            50
        } else {
            5
        };
        if !self.targets.is_empty() && choices.one_in(rarity) {
            let at = index(choices.below(self.targets.len() as u64));
            let key = self.targets[at].clone();
            let old = self.model.object("b", &key).map_or(0, |o| o.data.len());
            let len = if choices.one_in(2) {
                choices.below(2 * old + 100)
            } else {
                old
            };
            let old = self.model.object("b", &key);
            let checksum = old.and_then(|object| object.checksum.as_ref());
            let algorithm = checksum.map_or(Algorithm::Crc64Nvme, |sum| sum.value.algorithm());
            let bytes = noise(len, choices.below(1 << 32));
            self.store(&key, bytes, algorithm);
            story.tell(|| format!("{key} is replaced, {len} bytes"));
        }
    }

    fn trouble(&mut self, operation: Operation, choices: &mut Choices) -> Option<Trouble> {
        if self.enumerated {
            return self.enumerated_trouble(choices);
        }
        if self.is_quiet() || !choices.per_mille(self.faults.rate) {
            return None;
        }
        if let Some(left) = &mut self.faults.benign {
            *left = left.checked_sub(1)?;
            return Some(benign_trouble(choices));
        }
        let get = operation == Operation::GetObject;
        // Who says of an upload that is there that it is not can't be told from one who is right.
        let discarding = matches!(
            operation,
            Operation::AbortMultipartUpload | Operation::ListParts
        );
        Some(match choices.below(22) {
            3 | 4 if !discarding => refuse(choices.pick(&REFUSALS)),
            0..5 => refuse(choices.pick(&TRANSIENT)),
            5 | 6 => Trouble::LostBefore(choices.pick(&BEFORE)),
            7..10 => Trouble::LostAfter(choices.pick(&AFTER)),
            10 if discarding => Trouble::ErrorIn200("InternalError"),
            // Without a code it is of a proxy that says 200 to everything.
            10 => Trouble::ErrorIn200(choices.pick(&["InternalError", "AccessDenied", "", ""])),
            11 => Trouble::Broken(choices.pick(&AFTER)),
            12 => Trouble::CutClean,
            13 if get => Trouble::Flip,
            13 => Trouble::FlipRequest,
            14 if get => Trouble::WrongRange,
            15 if get => Trouble::IgnoreRange,
            14..17 => Trouble::Extra,
            17 => Trouble::Stall,
            18 => Trouble::Drop(choices.pick(&HEADERS)),
            19 | 20 => Trouble::Late(choices.pick(&AFTER)),
            _ => {
                let (header, value) = choices.pick(&VALUES);
                Trouble::Set(header, value)
            }
        })
    }

    /// One of a few faults, each with its own effect on a client, as long as some are left.
    fn enumerated_trouble(&mut self, choices: &mut Choices) -> Option<Trouble> {
        let left = self.faults.benign.unwrap_or(0).checked_sub(1)?;
        let trouble = match choices.below(6) {
            0 => return None,
            1 => Trouble::Refuse(503, "SlowDown"),
            2 => Trouble::LostBefore(TransportErrorKind::Connect),
            3 => Trouble::LostAfter(TransportErrorKind::Closed),
            4 => Trouble::Broken(TransportErrorKind::Closed),
            _ => Trouble::CutClean,
        };
        self.faults.benign = Some(left);
        Some(trouble)
    }

    fn inflict(
        &mut self,
        trouble: &Trouble,
        key: &str,
        mut request: Sent,
        choices: &mut Choices,
    ) -> Reply {
        let head = request.method == Method::HEAD;
        let mut share = |len: u64| {
            // Half of it, where a share is all the same.
            let dice = if self.enumerated {
                500
            } else {
                choices.below(1_001)
            };
            index(len * dice / 1_000)
        };
        match *trouble {
            Trouble::Refuse(status, code) => refusal(status, code, head),
            Trouble::ErrorIn200(code) => refusal(200, code, head),
            Trouble::LostBefore(kind) => Reply::broken(kind),
            Trouble::LostAfter(kind) => {
                ask(&mut self.model, &request);
                Reply::broken(kind)
            }
            Trouble::Late(kind) => {
                self.late.push(request);
                Reply::broken(kind)
            }
            Trouble::Broken(kind) => {
                let reply = ask(&mut self.model, &request);
                let len = share(reply.bytes().len() as u64);
                reply.cut(len, Err(kind))
            }
            Trouble::CutClean => {
                let reply = ask(&mut self.model, &request);
                let len = share(reply.bytes().len() as u64);
                reply.cut(len, Ok(()))
            }
            Trouble::Flip => {
                let reply = ask(&mut self.model, &request);
                let len = reply.bytes().len() as u64;
                if len > 0 {
                    self.flipped.push(key.to_owned());
                }
                let at = share(len.saturating_sub(1));
                reply.flipped(at)
            }
            Trouble::FlipRequest => {
                let mut body = request.body.to_vec();
                let at = share((body.len() as u64).saturating_sub(1));
                if let Some(byte) = body.get_mut(at) {
                    *byte ^= 1;
                    self.damaged.push(key.to_owned());
                }
                request.body = body.into();
                ask(&mut self.model, &request)
            }
            Trouble::WrongRange => {
                let shift = 1 + share(1_000) as u64;
                self.rewritten(&Fault::WrongRange { shift }, key, &request)
            }
            Trouble::IgnoreRange => self.rewritten(&Fault::IgnoreRange, key, &request),
            Trouble::Extra => {
                let mut reply = ask(&mut self.model, &request);
                reply.body.push(vec![b' '; 1 + share(50)].into());
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
    fn dress(&self, operation: Operation, mut reply: Reply, choices: &mut Choices) -> Reply {
        let read = matches!(operation, Operation::GetObject | Operation::HeadObject);
        if read && let Ok((_, headers)) = &reply.head {
            let etag = headers.get("etag").and_then(|tag| tag.to_str().ok());
            match self.server.tags {
                Tags::Weak => {
                    if let Some(etag) = etag.filter(|etag| !etag.starts_with("W/")) {
                        let weak = format!("W/{etag}");
                        reply = reply.with("etag", &weak);
                    }
                }
                // Nor does the time of the last change tell versions apart.
                Tags::Vague if etag.is_some() => {
                    reply = reply.with("etag", "W/\"any\"").without("last-modified");
                }
                Tags::Absent => reply = reply.without("etag"),
                Tags::Strong | Tags::Vague => {}
            }
        }
        if self.server.etags == Etags::LikeMd5 {
            reply = reply.with("x-amz-server-side-encryption", "aws:kms");
        }
        if self.enumerated {
            return reply;
        }
        if choices.below(4) == 0 {
            return reply;
        }
        let mut rest = Bytes::from(reply.bytes());
        let piece = 1 + index(choices.below(rest.len() as u64 + 1));
        reply.body = Vec::new();
        while !rest.is_empty() {
            reply.body.push(rest.split_to(piece.min(rest.len())));
        }
        reply
    }
}

/// What every transfer must survive.
fn benign_trouble(choices: &mut Choices) -> Trouble {
    match choices.below(6) {
        0 | 1 => refuse(choices.pick(&TRANSIENT)),
        2 => Trouble::LostBefore(choices.pick(&BEFORE)),
        3 => Trouble::LostAfter(choices.pick(&AFTER)),
        4 => Trouble::Broken(choices.pick(&AFTER)),
        _ => Trouble::CutClean,
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
