use core::fmt;
use std::borrow::Cow;

use super::excerpt;

/// The caller asked for something that can't be asked of S3. Nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub struct SpecError {
    subject: Cow<'static, str>,
    expected: Cow<'static, str>,
    seen: String,
}

impl SpecError {
    /// An error about `subject` ("bucket name", "part size"): what was `expected` and, in `seen`,
    /// what came instead. `seen` is escaped and cut short here; it must not be a secret.
    pub fn new(
        subject: &'static str,
        expected: impl Into<Cow<'static, str>>,
        seen: impl AsRef<[u8]>,
    ) -> Self {
        Self {
            subject: subject.into(),
            expected: expected.into(),
            seen: excerpt(seen.as_ref()),
        }
    }

    /// The setting or argument at fault.
    pub fn subject(&self) -> &str {
        &self.subject
    }
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: expected {}, got {}",
            self.subject, self.expected, self.seen
        )
    }
}

impl core::error::Error for SpecError {}
