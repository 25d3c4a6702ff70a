use core::fmt;
use std::borrow::Cow;

use super::excerpt;

/// The rule of the protocol that an answer broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Rule {
    /// A status that this request can't be answered with (RFC 9110, section 15).
    Status,
    /// `Content-Range` must be present on a partial answer, well formed, and name the range that
    /// was asked for (RFC 9110, section 14.4).
    ContentRange,
    /// The body's length must be the one that the head declares (RFC 9112, section 6.3).
    BodyLength,
    /// `Content-Length` must be one decimal number (RFC 9110, section 8.6).
    ContentLength,
    /// An answer that pins or names a version needs a usable `ETag` (RFC 9110, section 8.8.3).
    ETag,
    /// A checksum header must be base64 of the algorithm's length.
    ChecksumFormat,
    /// The bytes must have the checksum that the server declares for them.
    Checksum,
    /// The body must be the XML document of this operation, closed, within limits.
    Xml,
    /// A number must be a decimal number within the range of its type.
    Number,
    /// Pages must make progress: a marker must be present, and must move.
    Paging,
    /// The answer names a bucket, key, part or upload that was not asked about.
    Identity,
    /// A head or body beyond the limit that protects memory.
    Size,
    /// Text that should be encoded is not, or not in UTF-8.
    Encoding,
}

/// The server broke the protocol. Nothing of the answer is used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub struct Violation {
    rule: Rule,
    expected: Cow<'static, str>,
    seen: String,
}

impl Violation {
    /// A broken `rule`: what was `expected`, and in `seen` what came instead (escaped and cut
    /// short here).
    pub fn new(rule: Rule, expected: impl Into<Cow<'static, str>>, seen: impl AsRef<[u8]>) -> Self {
        Self {
            rule,
            expected: expected.into(),
            seen: excerpt(seen.as_ref()),
        }
    }

    /// The rule that was broken.
    pub const fn rule(&self) -> Rule {
        self.rule
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the server broke the protocol: expected {}, got {}",
            self.expected, self.seen
        )
    }
}

impl core::error::Error for Violation {}
