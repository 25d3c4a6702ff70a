use core::fmt;
use std::borrow::Cow;

use super::{S3Error, SpecError, TransportErrorKind, Violation, excerpt};
use crate::checksum::Checksum;
use crate::etag::ETag;
use crate::operation::{OperationKind, UploadId};

/// Why a transfer failed, and what it left behind on the server.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TransferError {
    /// What went wrong.
    pub cause: Cause,
    /// A multipart upload that could not be aborted, and that goes on costing storage until
    /// somebody aborts it.
    pub leftover: Option<UploadId>,
    /// How often the answer to CreateMultipartUpload was lost: each time an empty upload may have
    /// been left behind, whose id nobody knows. Listing the unfinished uploads finds it.
    pub lost_creates: u32,
    /// How many requests the transfer had sent.
    pub attempts: u32,
}

/// What went wrong with a transfer.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Cause {
    /// What was asked for can't be done.
    Spec(SpecError),
    /// The server refused.
    S3(Box<S3Error>),
    /// The server broke the protocol.
    Violation(Violation),
    /// The connection broke.
    Transport {
        /// The operation under way.
        operation: OperationKind,
        /// How it broke.
        kind: TransportErrorKind,
        /// The adapter's words.
        detail: String,
    },
    /// The object was replaced while it was read: the answers belong to different versions.
    ObjectChanged {
        /// What the first answer said.
        expected: String,
        /// What a later one said.
        seen: String,
    },
    /// The bytes received are not those that the server says the object has.
    ChecksumMismatch {
        /// The whole object's checksum, from the server.
        expected: Checksum,
        /// That of the bytes received.
        seen: Checksum,
    },
    /// After the upload the object under the key is provably another: somebody else wrote it.
    Conflict {
        /// The entity tag of the object that is there.
        found: Option<ETag>,
        /// How it is known not to be ours.
        detail: String,
    },
    /// The answer to the request that writes the object was lost, and whether it took effect can't
    /// be proved.
    Ambiguous {
        /// The upload in question; `None` for one by a single PUT.
        upload: Option<UploadId>,
    },
    /// The source could not be read, or changed.
    Source(SourceError),
    /// The sink could not be written.
    Sink(SinkError),
    /// No usable credentials.
    Credentials(CredentialsError),
    /// The retries are used up: the attempts of one request, or the budget that all share.
    GaveUp {
        /// How often the last request was sent.
        attempts: u32,
        /// Whether the shared retry budget was empty, rather than this request's own attempts.
        budget_empty: bool,
        /// What the last attempt met.
        last: Box<Cause>,
    },
    /// All requests of all transfers failed for too long: nothing was sent any more but one at a
    /// time, and none of those succeeded either.
    Outage {
        /// The server.
        endpoint: String,
        /// How many requests failed in a row.
        failures: u32,
    },
    /// The caller cancelled.
    Cancelled,
    /// The adapter broke the contract.
    Misuse(ApiMisuse),
    /// A bug in this crate.
    Bug(Unreachable),
}

impl TransferError {
    /// An error that left nothing behind.
    pub fn new(cause: impl Into<Cause>) -> Self {
        Self {
            cause: cause.into(),
            leftover: None,
            lost_creates: 0,
            attempts: 0,
        }
    }

    /// The cause beneath any number of retries: what a program should decide by.
    pub fn root(&self) -> &Cause {
        self.cause.root()
    }
}

impl Cause {
    /// The cause beneath any number of retries.
    pub fn root(&self) -> &Self {
        match self {
            Self::GaveUp { last, .. } => last.root(),
            other => other,
        }
    }
}

impl fmt::Display for TransferError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause.fmt(f)?;
        if let Some(upload) = &self.leftover {
            write!(
                f,
                "; the multipart upload {upload} could not be aborted and is left behind"
            )?;
        }
        if self.lost_creates > 0 {
            write!(
                f,
                "; the answer to {} CreateMultipartUpload was lost, and each may have left an \
                 upload behind that only a list of the unfinished uploads shows",
                self.lost_creates
            )?;
        }
        Ok(())
    }
}

impl core::error::Error for TransferError {}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spec(error) => error.fmt(f),
            Self::S3(error) => error.fmt(f),
            Self::Violation(error) => error.fmt(f),
            Self::Transport {
                operation,
                kind,
                detail,
            } if detail.is_empty() => {
                write!(f, "{operation}: {kind}")
            }
            Self::Transport {
                operation,
                kind,
                detail,
            } => {
                write!(f, "{operation}: {kind} ({})", excerpt(detail.as_bytes()))
            }
            Self::ObjectChanged { expected, seen } => write!(
                f,
                "the object changed while it was read: expected {}, got {}; start again",
                excerpt(expected.as_bytes()),
                excerpt(seen.as_bytes())
            ),
            Self::ChecksumMismatch { expected, seen } => write!(
                f,
                "the bytes received are not the object's: expected {expected}, got {seen}"
            ),
            Self::Conflict { found, detail } => {
                write!(f, "another object was written under the key: {detail}")?;
                found
                    .as_ref()
                    .map_or(Ok(()), |etag| write!(f, " (its ETag is {etag})"))
            }
            Self::Ambiguous {
                upload: Some(upload),
            } => write!(
                f,
                "the answer to CompleteMultipartUpload was lost and it can't be proved whether \
                 upload {upload} was completed; look at the object before you upload again"
            ),
            Self::Ambiguous { upload: None } => f.write_str(
                "the answer to PutObject was lost and it can't be proved whether the object was \
                 written; look at it before you upload again",
            ),
            Self::Source(error) => error.fmt(f),
            Self::Sink(error) => error.fmt(f),
            Self::Credentials(error) => error.fmt(f),
            Self::GaveUp {
                attempts,
                budget_empty: false,
                last,
            } => {
                write!(f, "gave up after {attempts} attempts: {last}")
            }
            Self::GaveUp {
                attempts,
                budget_empty: true,
                last,
            } => write!(
                f,
                "gave up after {} because the retry budget is empty: {last}",
                Attempts(*attempts)
            ),
            Self::Outage { endpoint, failures } => write!(
                f,
                "gave up after {} in a row that failed: the server at {endpoint} refuses everything",
                Attempts(*failures)
            ),
            Self::Cancelled => f.write_str("cancelled"),
            Self::Misuse(error) => error.fmt(f),
            Self::Bug(error) => error.fmt(f),
        }
    }
}

/// A number of attempts, as people write it.
struct Attempts(u32);

impl fmt::Display for Attempts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1 => f.write_str("1 attempt"),
            more => write!(f, "{more} attempts"),
        }
    }
}

impl From<S3Error> for Cause {
    fn from(error: S3Error) -> Self {
        Self::S3(Box::new(error))
    }
}

macro_rules! cause_from {
    ($($error:ident => $variant:ident),* $(,)?) => {$(
        impl From<$error> for Cause {
            fn from(error: $error) -> Self {
                Self::$variant(error)
            }
        }
    )*};
}

cause_from! {
    SpecError => Spec, Violation => Violation, SourceError => Source,
    SinkError => Sink, CredentialsError => Credentials, ApiMisuse => Misuse, Unreachable => Bug,
}

/// The place that an upload reads from failed. Never retried: what was read may not be readable
/// the same way again.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum SourceError {
    /// It could not be read; the text is the system's.
    Read(String),
    /// It ended before the length that was announced, or at another one.
    Length {
        /// Bytes announced.
        expected: u64,
        /// Bytes there.
        seen: u64,
    },
    /// It changed while it was read; the text says how that is known.
    Changed(String),
    /// It can be read only once, and a request would have to be sent again.
    NotReplayable,
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(text) => write!(f, "the source could not be read: {text}"),
            Self::Length { expected, seen } => {
                write!(
                    f,
                    "the source has {seen} bytes where {expected} were expected"
                )
            }
            Self::Changed(text) => write!(f, "the source changed while it was read: {text}"),
            Self::NotReplayable => {
                f.write_str("the source can be read only once, and would have to be sent again")
            }
        }
    }
}

/// The place that a download writes to failed; the text is the system's. Never retried.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub struct SinkError(pub String);

impl fmt::Display for SinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the target could not be written: {}", self.0)
    }
}

/// No usable credentials; the text says where they were looked for. Holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub struct CredentialsError(pub String);

impl fmt::Display for CredentialsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no usable credentials: {}", self.0)
    }
}

/// The adapter did what the contract forbids; the text says what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiMisuse(pub Cow<'static, str>);

impl fmt::Display for ApiMisuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the adapter broke its contract: {}", self.0)
    }
}

/// A state that can't be reached unless this crate has a bug; the text says which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreachable(pub &'static str);

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a bug in sans3, please report it: {}", self.0)
    }
}

impl core::error::Error for SourceError {}
impl core::error::Error for SinkError {}
impl core::error::Error for CredentialsError {}
impl core::error::Error for ApiMisuse {}
impl core::error::Error for Unreachable {}
