use std::fmt;

use super::{MAX_FIELDS, MAX_HEAD, MAX_INTERIM};
use crate::error::{TransportErrorKind, excerpt};

/// Why an exchange can't go on. After any of these the connection is of no more use, but for
/// [`Request`](Self::Request), after which nothing was written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The response head has more than [`MAX_HEAD`] bytes.
    HeadTooLong,
    /// The response head has more than [`MAX_FIELDS`] fields.
    TooManyFields,
    /// The interim answers have more than [`MAX_INTERIM`] bytes together.
    TooManyInterim,
    /// What came is not HTTP/1.1, or could be read in two ways.
    Malformed {
        /// What should have stood there.
        expected: &'static str,
        /// What stood there, cut short and escaped.
        seen: String,
    },
    /// The peer closed the connection too early.
    Closed {
        /// What should have come.
        expected: &'static str,
    },
    /// The request can't be written as HTTP/1.1 without breaking its framing. Nothing was written.
    Request {
        /// What is needed.
        expected: &'static str,
        /// What the request has.
        seen: String,
    },
    /// [`BodyReader::advance`](super::BodyReader::advance) was told of more bytes than
    /// [`BodyReader::direct`](super::BodyReader::direct) allowed: a bug of the adapter.
    Overrun {
        /// How many were allowed.
        allowed: u64,
        /// How many were told.
        told: u64,
    },
}

impl Error {
    /// How an adapter reports it.
    pub const fn kind(&self) -> TransportErrorKind {
        match self {
            Self::HeadTooLong | Self::TooManyFields | Self::TooManyInterim => {
                TransportErrorKind::HeadTooLarge
            }
            Self::Malformed { .. } => TransportErrorKind::BadHttp,
            Self::Closed { .. } => TransportErrorKind::Closed,
            Self::Request { .. } | Self::Overrun { .. } => TransportErrorKind::Other,
        }
    }

    pub(super) fn malformed(expected: &'static str, seen: &[u8]) -> Self {
        let cut = &seen[..seen.len().min(MAX_SEEN)];
        let mut text = excerpt(cut);
        if seen.len() > cut.len() {
            text.push('…');
        }
        Self::Malformed {
            expected,
            seen: text,
        }
    }

    pub(super) fn request(expected: &'static str, seen: impl Into<String>) -> Self {
        Self::Request {
            expected,
            seen: seen.into(),
        }
    }
}

/// The most foreign bytes that a message repeats.
const MAX_SEEN: usize = 80;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HeadTooLong => write!(f, "the response head has more than {MAX_HEAD} bytes"),
            Self::TooManyFields => write!(f, "the response head has more than {MAX_FIELDS} fields"),
            Self::TooManyInterim => write!(
                f,
                "the interim answers before the response have more than {MAX_INTERIM} bytes"
            ),
            Self::Malformed { expected, seen } => write!(f, "expected {expected}, saw \"{seen}\""),
            Self::Closed { expected } => {
                write!(f, "expected {expected}, but the connection was closed")
            }
            Self::Request { expected, seen } => {
                write!(
                    f,
                    "the request can't be sent: it needs {expected}, but has {seen}"
                )
            }
            Self::Overrun { allowed, told } => write!(
                f,
                "{told} bytes of payload were read where {allowed} could be: a bug of the adapter"
            ),
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_is_reported_as_its_kind() {
        let closed = Error::Closed { expected: "more" };
        let overrun = Error::Overrun {
            allowed: 1,
            told: 2,
        };
        for (error, kind) in [
            (Error::HeadTooLong, TransportErrorKind::HeadTooLarge),
            (Error::TooManyFields, TransportErrorKind::HeadTooLarge),
            (Error::TooManyInterim, TransportErrorKind::HeadTooLarge),
            (Error::malformed("x", b"y"), TransportErrorKind::BadHttp),
            (closed, TransportErrorKind::Closed),
            (Error::request("x", "y"), TransportErrorKind::Other),
            (overrun, TransportErrorKind::Other),
        ] {
            assert_eq!(error.kind(), kind, "{error}");
        }
    }

    #[test]
    fn messages_repeat_little_and_nothing_that_drives_a_terminal() {
        let error = Error::malformed("a status line", b"\x1b[2J\r\n");
        let text = "expected a status line, saw \"\\u{1b}[2J\\r\\n\"";
        assert_eq!(error.to_string(), text);
        let long = Error::malformed("a status line", &[b'x'; 1000]).to_string();
        assert!(long.ends_with("xxx…\"") && long.len() < 130, "{long}");
    }
}
