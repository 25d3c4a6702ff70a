use core::fmt;
use std::sync::Arc;

use crate::error::{SpecError, excerpt};

/// The longest key that S3 takes, in bytes ("Naming Amazon S3 objects" of the S3 user guide).
pub(super) const MAX_KEY: usize = 1024;

/// An object's key: opaque bytes that address exactly themselves.
///
/// Nothing is normalised: `a/../b`, `//x`, `/x` and `.` are four different objects. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey(Arc<[u8]>);

impl ObjectKey {
    /// Takes a key of 1 to 1,024 bytes. S3 wants UTF-8; other servers take anything.
    ///
    /// # Errors
    /// An empty or longer key.
    pub fn new(key: impl Into<Vec<u8>>) -> Result<Self, SpecError> {
        let key = key.into();
        if key.is_empty() || key.len() > MAX_KEY {
            let seen = format!("{} bytes: {}", key.len(), excerpt(&key));
            return Err(SpecError::new("object key", "1 to 1,024 bytes", seen));
        }
        Ok(Self(key.into()))
    }

    /// The raw bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// For messages: control characters are escaped, and a long key is cut short.
impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&excerpt(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_is_counted_in_bytes() {
        assert!(ObjectKey::new("").is_err());
        assert!(ObjectKey::new("é".repeat(512)).is_ok());
        assert!(ObjectKey::new("é".repeat(512) + "x").is_err());
    }

    #[test]
    fn any_bytes_are_a_key() {
        let key = ObjectKey::new([0, 0xff, b'\n']).unwrap();
        assert_eq!(key.as_bytes(), [0, 0xff, b'\n']);
        assert!(!key.to_string().contains('\n'));
    }
}
