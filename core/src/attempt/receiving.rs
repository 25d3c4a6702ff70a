use core::ops::Range;
use core::time::Duration;
use std::sync::Arc;

use http::{StatusCode, header, response};

use super::outcome::{Ending, Failure, Outcome, Sent};
use super::read::{ObjectBody, Read, broken};
use super::stall::StallClock;
use super::{AttemptId, ErasedOperation, Exchange, Sendable};
use crate::checksum::Checksum;
use crate::error::{Rule, SinkError, TransportErrorKind};
use crate::operation::{OperationKind, refusal};
use crate::range::Unsatisfied;
use crate::retry::ClockSkew;
use crate::time::UnixTime;

/// The most that is kept of a refusal's body; the status decides where it is longer.
const REFUSAL_LIMIT: usize = 64 * 1024;

/// An attempt whose answer is coming in.
#[derive(Debug)]
#[must_use = "an attempt must end in an outcome"]
pub struct Receiving {
    id: AttemptId,
    generation: u32,
    skew: ClockSkew,
    signed_at: Option<UnixTime>,
    answered_at: UnixTime,
    date: Option<UnixTime>,
    payload: Option<(u64, u64, Checksum)>,
    reusable: bool,
    clock: StallClock,
    body: Body,
    stopped: Option<Failure>,
}

#[derive(Debug)]
enum Body {
    Object(ObjectBody),
    Answer {
        operation: Arc<dyn ErasedOperation>,
        held: Held,
    },
    Refusal {
        kind: OperationKind,
        pinned: bool,
        held: Held,
    },
}

/// A small body, held whole up to a limit.
#[derive(Debug)]
struct Held {
    head: response::Parts,
    bytes: Vec<u8>,
}

/// Where the bytes of a chunk belong. An adapter has put them there before it asks for the
/// outcome: success must follow the last completed write.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "bytes that are not placed are missing from the object"]
pub enum Placement {
    /// Nowhere: they were only looked at.
    Internal,
    /// Into the object.
    Object {
        /// The offset in the object.
        at: u64,
        /// The piece of the chunk that belongs there.
        span: Range<usize>,
    },
}

/// The rest of the answer is of no use: read no more, close the connection, and ask
/// [`Receiving::finish`] for the outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StopReading;

impl Receiving {
    pub(super) fn new(
        sendable: Sendable,
        head: &response::Parts,
        sent: Sent,
        wall: UnixTime,
    ) -> Result<Self, Outcome> {
        let payload = sendable.payload();
        let kind = sendable.kind();
        let Sendable {
            id,
            context,
            exchange,
            signed_at,
            ..
        } = sendable;
        let signed_at = signed_at.into_inner();
        let date = head
            .headers
            .get(header::DATE)
            .and_then(|value| value.to_str().ok())
            .and_then(UnixTime::parse_http_date);
        let body = match exchange {
            _ if sent != Sent::All && head.status.is_success() => Err(broken(
                Rule::Status,
                "no success before all of the request was sent".into(),
                format!("status {}", head.status.as_u16()),
            )),
            Exchange::Read(read) => read_body(&read, head),
            Exchange::Call(operation) | Exchange::Write(operation, _) => {
                answer_body(operation, head, kind)
            }
        };
        match body {
            Ok(body) => Ok(Self {
                id,
                generation: context.generation,
                skew: context.skew,
                signed_at,
                answered_at: wall,
                date,
                payload,
                reusable: sent == Sent::All && is_clean(head.status),
                clock: StallClock::new(context.stall),
                body,
                stopped: None,
            }),
            Err(failure) => Err(Outcome {
                signed_at,
                answered_at: Some(wall),
                date,
                payload,
                ..Outcome::failed(id, &context, failure)
            }),
        }
    }

    /// How long the adapter may wait for the next chunk before it reports
    /// [`TransportErrorKind::IdleTimeout`].
    pub fn patience(&self) -> Duration {
        self.clock.patience()
    }

    /// Takes the next chunk of the body, after `waited` was spent on waiting for it (the time that
    /// the consumer took for the one before does not count). Checks it, keeps no reference, and
    /// says where it belongs.
    ///
    /// # Errors
    /// [`StopReading`], where nothing that follows can be of use.
    pub fn admit(&mut self, chunk: &[u8], waited: Duration) -> Result<Placement, StopReading> {
        if self.stopped.is_some() {
            return Err(StopReading);
        }
        self.clock.on_read(waited, chunk.len());
        match &mut self.body {
            Body::Object(body) => match body.admit(chunk) {
                Ok(Some((at, span))) => Ok(Placement::Object { at, span }),
                Ok(None) => Ok(Placement::Internal),
                Err(failure) => {
                    self.stopped = Some(failure);
                    Err(StopReading)
                }
            },
            Body::Answer { operation, held } => {
                let limit = operation.body_limit();
                if held.take(chunk, limit) {
                    return Ok(Placement::Internal);
                }
                let expected = format!("an answer of at most {limit} bytes");
                self.stopped = Some(broken(Rule::Size, expected, "more".into()));
                Err(StopReading)
            }
            Body::Refusal { held, .. } => {
                if held.take(chunk, REFUSAL_LIMIT) {
                    Ok(Placement::Internal)
                } else {
                    Err(StopReading)
                }
            }
        }
    }

    /// The body has ended, or nothing more of it is wanted.
    pub fn finish(self) -> Outcome {
        let reusable = self.reusable && self.stopped.is_none();
        let ending = match (&self.body, &self.stopped) {
            (Body::Object(body), stopped) => {
                let end = stopped.clone().map_or_else(|| body.end(), Err);
                Ending::Read {
                    report: body.report(),
                    end,
                }
            }
            (_, Some(failure)) => Ending::Failed(failure.clone()),
            (Body::Answer { operation, held }, None) => {
                match operation.parse(&held.head, &held.bytes) {
                    Ok(answer) => Ending::Answered(answer),
                    Err(error) => Ending::Failed(error.into()),
                }
            }
            (Body::Refusal { kind, pinned, held }, None) => {
                Ending::Failed(held.refusal(*kind, *pinned))
            }
        };
        let reusable = reusable && !matches!(&ending, Ending::Read { end: Err(_), .. });
        self.outcome(ending, reusable)
    }

    /// The exchange broke before the body's end. What came and was placed is kept; `detail` is for
    /// people.
    pub fn on_transport_error(
        self,
        kind: TransportErrorKind,
        detail: impl Into<String>,
    ) -> Outcome {
        let failure = Failure::Transport {
            kind,
            detail: detail.into(),
            sent: Sent::All,
        };
        self.fail(failure)
    }

    /// The bytes could not be placed. Nothing that came counts: which of it is in place is unknown.
    pub fn on_sink_error(self, error: SinkError) -> Outcome {
        self.outcome(Ending::Failed(Failure::Sink(error)), false)
    }

    fn fail(self, failure: Failure) -> Outcome {
        let ending = match &self.body {
            Body::Object(body) => Ending::Read {
                report: body.report(),
                end: Err(failure),
            },
            // A refusal whose body broke off is still a refusal: the status has come.
            Body::Refusal { kind, pinned, held } => Ending::Failed(held.refusal(*kind, *pinned)),
            Body::Answer { .. } => Ending::Failed(failure),
        };
        self.outcome(ending, false)
    }

    fn outcome(self, ending: Ending, reusable: bool) -> Outcome {
        Outcome {
            id: self.id,
            ending,
            signed_at: self.signed_at,
            answered_at: Some(self.answered_at),
            date: self.date,
            generation: self.generation,
            skew: self.skew,
            payload: self.payload,
            reusable,
        }
    }
}

impl Held {
    fn new(head: &response::Parts) -> Self {
        Self {
            head: head.clone(),
            bytes: Vec::new(),
        }
    }

    /// Appends what fits; false where something did not.
    fn take(&mut self, chunk: &[u8], limit: usize) -> bool {
        let room = limit.saturating_sub(self.bytes.len()).min(chunk.len());
        self.bytes.extend_from_slice(&chunk[..room]);
        room == chunk.len()
    }

    fn refusal(&self, kind: OperationKind, pinned: bool) -> Failure {
        let refusal = Failure::from(refusal(kind, &self.head, &self.bytes));
        if pinned && self.head.status == StatusCode::PRECONDITION_FAILED {
            let expected = "the version that the first answer was of".into();
            return Failure::Changed {
                expected,
                seen: "412 Precondition Failed".into(),
            };
        }
        let size = Unsatisfied::from_headers(&self.head.headers).map(|seen| seen.total);
        match refusal {
            Failure::Refused(error) if error.status == 416 && size == Some(0) => {
                Failure::NoBytes(error)
            }
            refusal => refusal,
        }
    }
}

fn read_body(read: &Read, head: &response::Parts) -> Result<Body, Failure> {
    if head.status == StatusCode::OK || head.status == StatusCode::PARTIAL_CONTENT {
        let head = read.get.parse_head(head)?;
        let (span, version) = read.judge(&head)?;
        return Ok(Body::Object(ObjectBody::new(read, span, version)));
    }
    let pinned = read.get.if_match.is_some();
    refusal_body(head, OperationKind::GetObject, pinned)
}

fn answer_body(
    operation: Arc<dyn ErasedOperation>,
    head: &response::Parts,
    kind: OperationKind,
) -> Result<Body, Failure> {
    if head.status.is_success() {
        return Ok(Body::Answer {
            operation,
            held: Held::new(head),
        });
    }
    refusal_body(head, kind, false)
}

fn refusal_body(
    head: &response::Parts,
    kind: OperationKind,
    pinned: bool,
) -> Result<Body, Failure> {
    if head.status.as_u16() < 300 || head.status == StatusCode::NOT_MODIFIED {
        let expected = format!("an answer to {kind}");
        return Err(broken(
            Rule::Status,
            expected,
            format!("status {}", head.status.as_u16()),
        ));
    }
    Ok(Body::Refusal {
        kind,
        pinned,
        held: Held::new(head),
    })
}

/// Whether the connection is good for more after an answer with this status. What a server does
/// to a connection after it refused a request, or while it is overloaded, is its own affair.
fn is_clean(status: StatusCode) -> bool {
    status.is_success()
        || matches!(
            status,
            StatusCode::NOT_FOUND
                | StatusCode::PRECONDITION_FAILED
                | StatusCode::RANGE_NOT_SATISFIABLE
        )
}
