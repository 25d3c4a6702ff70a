use core::fmt;

use crate::error::{Rule, Violation, excerpt};

/// The longest upload id that is kept; S3's are about 130 bytes.
const MAX_LEN: usize = 2048;

/// The server's name for a multipart upload: opaque text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UploadId(Box<str>);

impl UploadId {
    /// Takes an id as the server sent it.
    ///
    /// # Errors
    /// An id that is empty or longer than 2,048 bytes.
    pub fn new(text: &str) -> Result<Self, Violation> {
        if text.is_empty() || text.len() > MAX_LEN {
            let seen = format!("{} bytes", text.len());
            return Err(Violation::new(
                Rule::Xml,
                "an UploadId of 1 to 2,048 bytes",
                seen,
            ));
        }
        Ok(Self(text.into()))
    }

    /// The id as sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&excerpt(self.0.as_bytes()))
    }
}
