use core::fmt;

use super::excerpt;
use crate::operation::OperationKind;

/// The server refused a request.
///
/// Texts that came from the server are kept as sent, up to a limit; `Display` escapes them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct S3Error {
    /// The operation that was refused.
    pub operation: OperationKind,
    /// The HTTP status. A `200` here means that the error stood in the body of a success.
    pub status: u16,
    /// S3's error code, `NoSuchKey` for example. Absent where the answer had no readable body, as
    /// every answer to HEAD has none.
    pub code: Option<String>,
    /// The server's words.
    pub message: Option<String>,
    /// `x-amz-request-id`, or the element of the body: what the server's operators ask for.
    pub request_id: Option<String>,
    /// The region that the bucket is in, from `x-amz-bucket-region` or the body's `Region`.
    pub region: Option<String>,
    /// `x-amz-retry-after` exactly as sent, in milliseconds by its definition.
    pub retry_after: Option<String>,
    /// Whether the request had its checksum in a trailer, which not every server takes.
    #[cfg_attr(feature = "trace", serde(default))]
    pub in_trailer: bool,
}

impl S3Error {
    /// An error that is known by its status alone.
    pub const fn from_status(operation: OperationKind, status: u16) -> Self {
        Self {
            operation,
            status,
            code: None,
            message: None,
            request_id: None,
            region: None,
            retry_after: None,
            in_trailer: false,
        }
    }

    /// Whether the refusal may be of the trailer that the request had its checksum in: the statuses
    /// of servers that do not know the framing.
    pub const fn is_of_trailer(&self) -> bool {
        self.in_trailer && matches!(self.status, 400 | 411 | 415 | 501)
    }

    /// Whether the error has this code.
    pub fn is(&self, code: &str) -> bool {
        self.code.as_deref() == Some(code)
    }
}

impl fmt::Display for S3Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} was refused with status {}",
            self.operation, self.status
        )?;
        if let Some(code) = &self.code {
            write!(f, " {}", excerpt(code.as_bytes()))?;
        }
        if let Some(message) = &self.message {
            write!(f, ": {}", excerpt(message.as_bytes()))?;
        }
        if let Some(id) = &self.request_id {
            write!(f, " (request id {})", excerpt(id.as_bytes()))?;
        }
        if self.is_of_trailer() {
            f.write_str(
                "; the request had its checksum in a trailer: if the server takes none there, set \
                 the checksum placement to `header`",
            )?;
        }
        Ok(())
    }
}

impl core::error::Error for S3Error {}
