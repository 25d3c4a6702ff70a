//! One exchange between a client and the server, in stages that take virtual time.

use bytes::Bytes;
use sans3_core::attempt::{
    Attempt, BodySource, Outcome, Placement, Ready, Receiving, Sendable, Sent as Left,
};
use sans3_core::error::TransportErrorKind;
use sans3_core::operation::OperationKind;
use sans3_core::time::UnixTime;
use std::time::Duration;

use crate::drive::{Reply, Sent, framed};
use crate::model::synthetic;

/// The parts of a body in which a broken exchange can end.
pub(super) const FRACTIONS: u64 = 1 << 16;

/// An exchange that is under way. Lengths are in simulated bytes.
pub(super) struct Exchange {
    pub(super) operation: OperationKind,
    pub(super) stage: Stage,
    /// What the network has in store for it.
    pub(super) fate: Fate,
    /// How much of the body will flow.
    pub(super) goal: u64,
}

/// What the network does with an exchange.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fate {
    /// From its request to the first byte of its answer.
    pub(super) latency: Duration,
    /// Its speed beside that of others.
    pub(super) weight: u64,
    /// After which fraction of its body, in 65,536ths, it breaks off, if it does.
    pub(super) breaks_after: Option<u64>,
}

pub(super) enum Stage {
    /// The request is on its way, the body of an upload with it.
    Asking { sendable: Sendable, request: Sent },
    /// The answer is on its way.
    Answered { sendable: Sendable, reply: Reply },
    /// The answer's body is coming in.
    Receiving(Incoming),
}

/// The body of an answer, and how much of it has been handed over.
pub(super) struct Incoming {
    receiving: Receiving,
    body: Vec<u8>,
    admitted: usize,
    outrun: bool,
    end: Result<(), TransportErrorKind>,
}

/// What the arrival of an answer's head leads to.
pub(super) enum Next {
    /// An object's bytes follow.
    Body(Incoming),
    End(Outcome),
}

impl Exchange {
    /// Prepares the request, whose payload is the pattern.
    pub(super) fn new(attempt: Attempt, wall: UnixTime, fate: Fate) -> Result<Self, Outcome> {
        let operation = attempt.operation();
        let sendable = match attempt.prepare() {
            Ready::Send(sendable) => sendable,
            Ready::Hash(mut hashing) => {
                let from = hashing.offset();
                for piece in synthetic::segments(from..from.saturating_add(hashing.len())) {
                    hashing.update(&piece);
                }
                hashing.finish()?
            }
        };
        let (head, body) = sendable.request(wall)?.into_parts();
        let body = match body {
            BodySource::Empty => Bytes::new(),
            BodySource::Inline(bytes) => bytes,
            BodySource::Source { offset, len, .. } => {
                synthetic::segments(offset..offset.saturating_add(len))
                    .concat()
                    .into()
            }
            BodySource::Framed(framing) => {
                let (from, len) = (framing.offset(), framing.len());
                let payload = synthetic::segments(from..from.saturating_add(len));
                match framed(framing, payload) {
                    Ok(body) => body.concat().into(),
                    Err(error) => return Err(sendable.on_source_error(error)),
                }
            }
        };
        let target = head
            .uri
            .path_and_query()
            .map_or("/", |target| target.as_str());
        let request = Sent {
            target: target.to_owned(),
            method: head.method,
            headers: head.headers,
            body,
        };
        Ok(Self {
            operation,
            stage: Stage::Asking { sendable, request },
            fate,
            goal: 0,
        })
    }

    /// Whether the request carries the bytes of an object.
    pub(super) const fn is_upload(&self) -> bool {
        matches!(
            self.operation,
            OperationKind::PutObject | OperationKind::UploadPart
        )
    }

    pub(super) const fn is_download(&self) -> bool {
        matches!(self.operation, OperationKind::GetObject)
    }

    pub(super) const fn breaks(&self) -> bool {
        self.fate.breaks_after.is_some()
    }

    /// A refusal always comes through.
    pub(super) const fn hold_together(&mut self) {
        self.fate.breaks_after = None;
    }

    /// Sets how much of a body of `len` bytes will flow, and says it.
    pub(super) fn flow(&mut self, len: u64) -> u64 {
        let broken = self
            .fate
            .breaks_after
            .map(|fraction| len * fraction / FRACTIONS);
        self.goal = broken.unwrap_or(len);
        self.goal
    }

    /// The connection breaks.
    pub(super) fn broken(self, kind: TransportErrorKind) -> Outcome {
        match self.stage {
            Stage::Asking { sendable, .. } => sendable.on_transport_error(kind, Left::Part, ""),
            Stage::Answered { sendable, .. } => sendable.on_transport_error(kind, Left::All, ""),
            Stage::Receiving(incoming) => incoming.receiving.on_transport_error(kind, ""),
        }
    }
}

impl Incoming {
    /// The head has come. The bodies of all but objects come with it.
    pub(super) fn begin(sendable: Sendable, reply: Reply, wall: UnixTime) -> Next {
        let body = reply.bytes();
        let (status, headers) = match reply.head {
            Ok(head) => head,
            Err(kind) => return Next::End(sendable.on_transport_error(kind, Left::All, "")),
        };
        let (mut head, ()) = http::Response::new(()).into_parts();
        head.status = http::StatusCode::from_u16(status).unwrap_or_default();
        head.headers = headers;
        let left = if reply.early { Left::Part } else { Left::All };
        match sendable.on_head(&head, left, wall) {
            Ok(receiving) => Next::Body(Self {
                receiving,
                body,
                admitted: 0,
                outrun: false,
                end: reply.end,
            }),
            Err(outcome) => Next::End(outcome),
        }
    }

    pub(super) fn len(&self) -> u64 {
        self.body.len() as u64
    }

    /// Hands over all up to `moved` bytes, and says where they belong in the object.
    pub(super) fn admit(&mut self, moved: u64) -> Option<(u64, u64)> {
        let moved = usize::try_from(moved)
            .unwrap_or(usize::MAX)
            .min(self.body.len());
        if moved <= self.admitted {
            return None;
        }
        let chunk = &self.body[self.admitted..moved];
        // The link never stalls, so no wait is long enough to tell of it.
        let placement = self.receiving.admit(chunk, Duration::ZERO);
        let first = self.admitted == 0;
        self.admitted = moved;
        match placement {
            Ok(Placement::Object { at, span }) => {
                let bytes = &chunk[span];
                assert!(synthetic::matches(at, bytes), "wrong bytes at {at}");
                Some((at, bytes.len() as u64))
            }
            Ok(Placement::Internal) => None,
            // Another attempt at the same range was faster, and this one is about to be ended.
            Err(_) if first || self.outrun => {
                self.outrun = true;
                None
            }
            Err(stop) => panic!("an honest body was refused: {stop:?}"),
        }
    }

    /// The end of the body.
    pub(super) fn finish(self) -> Outcome {
        match self.end {
            Ok(()) => self.receiving.finish(),
            Err(kind) => self.receiving.on_transport_error(kind, ""),
        }
    }
}
