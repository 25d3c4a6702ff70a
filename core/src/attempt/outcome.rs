use super::{AttemptId, Context};
use crate::checksum::{Checksum, Declared};
use crate::error::{S3Error, SinkError, SourceError, SpecError, TransportErrorKind, Violation};
use crate::etag::ETag;
use crate::operation::{Answer, ResponseError};
use crate::range::ByteRange;
use crate::retry::ClockSkew;
use crate::time::UnixTime;

/// How much of a request had left when its exchange broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub enum Sent {
    /// Nothing: the server can't have acted on it.
    None,
    /// A part of it, or the adapter can't tell.
    Part,
    /// All of it: the server may have acted on it.
    All,
}

/// How an attempt ended. Holds parsed values, never payload.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
#[must_use = "the session must be told how each attempt ended"]
pub struct Outcome {
    pub(crate) id: AttemptId,
    pub(crate) ending: Ending,
    /// For which wall time the request was signed, where it was.
    pub(crate) signed_at: Option<UnixTime>,
    /// When the answer's head came, by the adapter's clock.
    pub(crate) answered_at: Option<UnixTime>,
    /// The answer's `Date`.
    pub(crate) date: Option<UnixTime>,
    /// Which credentials signed it.
    pub(crate) generation: u32,
    /// The correction of the clock that it was signed with.
    pub(crate) skew: ClockSkew,
    /// The part of the source that the request carried, and its digest. Absent where a digest that
    /// follows the bytes was not reached.
    pub(crate) payload: Option<(u64, u64, Checksum)>,
    /// Whether its digest went, or was to go, into a trailer.
    #[cfg_attr(feature = "trace", serde(default))]
    pub(crate) framed: bool,
    pub(crate) reusable: bool,
}

#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub(crate) enum Ending {
    /// The answer to a call, or to a body that was sent.
    Answered(Answer),
    /// Bytes of an object; `end` tells whether all that were asked for came.
    Read {
        report: ReadReport,
        end: Result<(), Failure>,
    },
    /// No answer that is of use.
    Failed(Failure),
    /// The adapter lost the attempt: what it did is unknown.
    Lost,
}

/// What is known of an object's bytes after an attempt, be it cut short or not.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct ReadReport {
    /// What the answer's head said of the object.
    pub(crate) version: Version,
    /// The bytes that came, checked and placed (or only checked).
    pub(crate) range: Option<ByteRange>,
    /// Checksums of exactly these bytes.
    pub(crate) checksums: Vec<Checksum>,
}

/// What an answer says about the version that it is of.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Version {
    pub(crate) etag: Option<ETag>,
    pub(crate) total: u64,
    pub(crate) declared: Declared,
    pub(crate) last_modified: Option<UnixTime>,
}

/// Why an attempt brought no answer, or not all of it.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub(crate) enum Failure {
    Refused(Box<S3Error>),
    Broken(Violation),
    Transport {
        kind: TransportErrorKind,
        detail: String,
        sent: Sent,
    },
    /// The answer is of another version than the first one.
    Changed {
        expected: String,
        seen: String,
    },
    /// A range was refused because the object has no bytes at all (RFC 9110, section 15.5.17).
    NoBytes(Box<S3Error>),
    /// The server sent the whole object where a range was asked for.
    RangeIgnored,
    /// Another attempt at the same range was first to bring bytes.
    Outrun,
    Source(SourceError),
    Sink(SinkError),
    Spec(SpecError),
}

impl Failure {
    /// The adapter ended the exchange because it was asked to.
    pub(crate) const fn ended() -> Self {
        Self::Transport {
            kind: TransportErrorKind::Aborted,
            detail: String::new(),
            sent: Sent::Part,
        }
    }

    /// Whether the request may have taken effect on the server although no answer says so.
    pub(crate) fn is_ambiguous(&self) -> bool {
        match self {
            Self::Refused(error) => error.status >= 500 || error.status == 200,
            Self::Broken(_) | Self::Changed { .. } | Self::RangeIgnored => true,
            Self::Transport { sent, .. } => *sent != Sent::None,
            Self::NoBytes(_) | Self::Outrun | Self::Source(_) | Self::Sink(_) | Self::Spec(_) => {
                false
            }
        }
    }
}

impl From<ResponseError> for Failure {
    fn from(error: ResponseError) -> Self {
        match error {
            ResponseError::S3(error) => Self::Refused(error),
            ResponseError::Violation(violation) => Self::Broken(violation),
        }
    }
}

impl Outcome {
    /// The attempt that ended.
    pub const fn id(&self) -> AttemptId {
        self.id
    }

    /// For which wall time the request was signed; `None` where there was none, or the attempt was
    /// [lost](AttemptId::aborted).
    pub const fn signed_at(&self) -> Option<UnixTime> {
        self.signed_at
    }

    /// Whether the connection may serve another request. It may not after an error, a timeout, a
    /// refusal that came before the request was sent in full, or an overloaded server's answer
    /// (<https://github.com/awslabs/aws-sdk-rust/issues/827>).
    pub const fn may_reuse_connection(&self) -> bool {
        self.reusable
    }

    /// The bytes of the source (offset and length) that the server now has: an adapter that kept
    /// them for a retry can let them go.
    pub fn stored(&self) -> Option<(u64, u64)> {
        let answered = matches!(self.ending, Ending::Answered(_));
        self.payload
            .filter(|_| answered)
            .map(|(offset, len, _)| (offset, len))
    }

    /// Whether the exchange brought what was asked for.
    pub const fn is_success(&self) -> bool {
        matches!(
            self.ending,
            Ending::Answered(_) | Ending::Read { end: Ok(()), .. }
        )
    }

    /// Whether the server refused with this status.
    pub(crate) fn refused_with(&self, status: u16) -> bool {
        matches!(&self.ending, Ending::Failed(Failure::Refused(error)) if error.status == status)
    }

    /// Whether the request may have taken effect although no answer says so.
    pub(crate) fn is_ambiguous(&self) -> bool {
        match &self.ending {
            Ending::Failed(failure) => failure.is_ambiguous(),
            Ending::Lost => true,
            Ending::Answered(_) | Ending::Read { .. } => false,
        }
    }

    pub(super) const fn lost(id: AttemptId) -> Self {
        Self {
            id,
            ending: Ending::Lost,
            signed_at: None,
            answered_at: None,
            date: None,
            generation: 0,
            skew: ClockSkew::new(),
            payload: None,
            framed: false,
            reusable: false,
        }
    }

    pub(super) fn failed(id: AttemptId, context: &Context, failure: Failure) -> Self {
        Self {
            ending: Ending::Failed(failure),
            generation: context.generation,
            skew: context.skew,
            ..Self::lost(id)
        }
    }
}
