use core::ops::Range;
use core::time::Duration;
use std::sync::Arc;

use http::{StatusCode, header, response};

use super::outcome::{Ending, Failure, Outcome, Sent};
use super::read::{ObjectBody, Read, broken};
use super::stall::StallClock;
use super::{AttemptId, ErasedOperation, Exchange, Sendable};
use crate::checksum::Checksum;
use crate::error::{Rule, S3Error, SinkError, TransportErrorKind};
use crate::operation::{
    Answer, OperationKind, ResponseError, add_body, content_length, refusal_by_head,
};
use crate::range::Unsatisfied;
use crate::retry::ClockSkew;
use crate::time::UnixTime;

/// The most that is kept of a refusal's body; the status decides where it is longer.
const REFUSAL_LIMIT: usize = 64 * 1024;

/// An attempt whose answer is coming in.
#[derive(Debug)]
#[must_use = "an attempt must end in an outcome"]
pub struct Receiving {
    known: Known,
    clock: StallClock,
    body: Body,
    stopped: Option<Failure>,
}

/// What the outcome says besides how the answer ended.
#[derive(Debug)]
struct Known {
    id: AttemptId,
    generation: u32,
    skew: ClockSkew,
    signed_at: Option<UnixTime>,
    answered_at: UnixTime,
    date: Option<UnixTime>,
    payload: Option<(u64, u64, Checksum)>,
    framed: bool,
    /// Whether the connection is good for more if the body ends well.
    reusable: bool,
}

#[derive(Debug)]
enum Body {
    Object(ObjectBody),
    /// The head has said it all.
    Told(Result<Answer, ResponseError>),
    /// A small body, held whole up to a limit, and the head that it belongs to.
    Answer {
        operation: Arc<dyn ErasedOperation>,
        head: response::Parts,
        bytes: Vec<u8>,
    },
    Refusal(Refusal),
}

/// A refusal whose body is coming in.
#[derive(Debug)]
struct Refusal {
    /// What the head says.
    error: Box<S3Error>,
    /// The request was for one version alone.
    pinned: bool,
    /// The head says that the object has no bytes.
    empty: bool,
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
        let (payload, framed) = (sendable.payload(), sendable.is_framed());
        // Whatever the adapter says: a digest that is not reached was not sent.
        let sent = match sent {
            Sent::All if sendable.is_unfinished() => Sent::Part,
            sent => sent,
        };
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
                known: Known {
                    id,
                    generation: context.generation,
                    skew: context.skew,
                    signed_at,
                    answered_at: wall,
                    date,
                    payload,
                    framed,
                    reusable: sent == Sent::All && is_clean(head.status),
                },
                clock: StallClock::new(context.stall),
                body,
                stopped: None,
            }),
            Err(failure) => Err(Outcome {
                signed_at,
                answered_at: Some(wall),
                date,
                payload,
                framed,
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
            Body::Told(_) if chunk.is_empty() => Ok(Placement::Internal),
            // What follows such a head is not of this answer, nor can the next one be told from it.
            Body::Told(_) => {
                self.known.reusable = false;
                Err(StopReading)
            }
            Body::Answer {
                operation, bytes, ..
            } => {
                let limit = operation.body_limit();
                if take(bytes, chunk, limit) {
                    return Ok(Placement::Internal);
                }
                let expected = format!("an answer of at most {limit} bytes");
                self.stopped = Some(broken(Rule::Size, expected, "more".into()));
                Err(StopReading)
            }
            Body::Refusal(refusal) => {
                if take(&mut refusal.bytes, chunk, REFUSAL_LIMIT) {
                    Ok(Placement::Internal)
                } else {
                    Err(StopReading)
                }
            }
        }
    }

    /// The body has ended, or nothing more of it is wanted.
    pub fn finish(self) -> Outcome {
        let reusable = self.known.reusable && self.stopped.is_none();
        let ending = match (self.body, self.stopped) {
            (Body::Object(body), stopped) => body.finish(stopped),
            (_, Some(failure)) => Ending::Failed(failure),
            (Body::Told(answer), None) => answer.into(),
            (
                Body::Answer {
                    operation,
                    head,
                    bytes,
                },
                None,
            ) => operation.parse(&head, &bytes).into(),
            (Body::Refusal(refusal), None) => Ending::Failed(refusal.into()),
        };
        let reusable = reusable && !matches!(&ending, Ending::Read { end: Err(_), .. });
        self.known.outcome(ending, reusable)
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
        let ending = Ending::Failed(Failure::Sink(error));
        self.known.outcome(ending, false)
    }

    fn fail(self, failure: Failure) -> Outcome {
        let ending = match self.body {
            Body::Object(body) => body.finish(Some(failure)),
            // A refusal whose body broke off is still a refusal: the status has come.
            Body::Refusal(refusal) => Ending::Failed(refusal.into()),
            Body::Told(_) | Body::Answer { .. } => Ending::Failed(failure),
        };
        self.known.outcome(ending, false)
    }
}

impl Known {
    fn outcome(self, mut ending: Ending, reusable: bool) -> Outcome {
        if let Ending::Failed(Failure::Refused(error)) = &mut ending {
            error.in_trailer = self.framed;
        }
        Outcome {
            id: self.id,
            ending,
            signed_at: self.signed_at,
            answered_at: Some(self.answered_at),
            date: self.date,
            generation: self.generation,
            skew: self.skew,
            payload: self.payload,
            framed: self.framed,
            reusable,
        }
    }
}

impl From<Result<Answer, ResponseError>> for Ending {
    fn from(answer: Result<Answer, ResponseError>) -> Self {
        match answer {
            Ok(answer) => Self::Answered(answer),
            Err(error) => Self::Failed(error.into()),
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let Refusal {
            mut error,
            pinned,
            empty,
            bytes,
        } = refusal;
        if pinned && error.status == StatusCode::PRECONDITION_FAILED {
            let expected = "the version that the first answer was of".into();
            return Self::Changed {
                expected,
                seen: "412 Precondition Failed".into(),
            };
        }
        add_body(&mut error, &bytes);
        if empty {
            Self::NoBytes(error)
        } else {
            Self::Refused(error)
        }
    }
}

/// Appends what fits; false where something did not.
fn take(bytes: &mut Vec<u8>, chunk: &[u8], limit: usize) -> bool {
    let room = limit.saturating_sub(bytes.len()).min(chunk.len());
    bytes.extend_from_slice(&chunk[..room]);
    room == chunk.len()
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
    if !head.status.is_success() {
        return refusal_body(head, kind, false);
    }
    Ok(if is_bodiless(kind, head) {
        Body::Told(operation.parse(head, b""))
    } else {
        Body::Answer {
            operation,
            head: head.clone(),
            bytes: Vec::new(),
        }
    })
}

/// Whether no body can follow a head (RFC 9112, section 6.3): then it need not be kept.
fn is_bodiless(kind: OperationKind, head: &response::Parts) -> bool {
    matches!(kind, OperationKind::HeadObject | OperationKind::HeadBucket)
        || head.status == StatusCode::NO_CONTENT
        || content_length(&head.headers) == Ok(Some(0))
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
    let size = || Unsatisfied::from_headers(&head.headers).map(|seen| seen.total);
    Ok(Body::Refusal(Refusal {
        error: Box::new(refusal_by_head(kind, head)),
        pinned,
        empty: head.status == StatusCode::RANGE_NOT_SATISFIABLE && size() == Some(0),
        bytes: Vec::new(),
    }))
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

#[cfg(test)]
mod tests {
    use std::sync::OnceLock;

    use super::*;
    use crate::attempt::{Context, Proof};
    use crate::endpoint::{BucketName, Endpoint, ObjectKey, Region};
    use crate::operation::DeleteObject;

    /// What comes of a DeleteObject that is answered by this.
    fn outcome(status: u16, length: Option<u64>, body: &[u8]) -> Outcome {
        let context = Context::for_tests(Endpoint::aws(Region::new("us-east-1").unwrap()));
        let (bucket, key) = (BucketName::new("bucket"), ObjectKey::new("key"));
        let operation = DeleteObject::new(bucket.unwrap(), key.unwrap());
        let sendable = Sendable {
            id: AttemptId {
                transfer: crate::attempt::TransferId(0),
                serial: 0,
            },
            context,
            exchange: Exchange::Call(Arc::new(operation)),
            proof: Proof::None,
            signed_at: OnceLock::new(),
        };
        let mut head = http::Response::builder().status(status);
        if let Some(length) = length {
            head = head.header(header::CONTENT_LENGTH, length);
        }
        let (head, ()) = head.body(()).unwrap().into_parts();
        let wall = UnixTime::from_seconds(0);
        let mut receiving = sendable.on_head(&head, Sent::All, wall).unwrap();
        for chunk in [b"", body] {
            let admitted = receiving.admit(chunk, Duration::ZERO);
            assert!(admitted.is_ok() || !chunk.is_empty());
        }
        receiving.finish()
    }

    #[test]
    fn what_follows_a_head_without_a_body_is_not_of_the_answer() {
        let error = b"<Error><Code>InternalError</Code></Error>";
        for (status, length) in [(200, Some(0)), (204, None)] {
            let [clean, followed] = [b"", &error[..]].map(|body| outcome(status, length, body));
            for outcome in [&clean, &followed] {
                assert!(matches!(outcome.ending, Ending::Answered(_)), "{outcome:?}");
            }
            assert!(clean.reusable && !followed.reusable);
        }
        for length in [None, Some(41)] {
            let ending = outcome(200, length, error).ending;
            let Ending::Failed(Failure::Refused(error)) = ending else {
                panic!("{ending:?}");
            };
            assert!(error.is("InternalError"));
        }
    }

    #[test]
    fn a_refusal_is_told_by_head_and_body() {
        let body = b"<Error><Code>AccessDenied</Code></Error>";
        let Ending::Failed(Failure::Refused(error)) = outcome(403, None, body).ending else {
            panic!("no refusal");
        };
        assert_eq!((error.status, error.is("AccessDenied")), (403, true));
    }
}
