use core::fmt;

use super::key::MAX_KEY;
use super::{BucketName, ObjectKey};
use crate::error::{SpecError, excerpt};

/// An `s3://bucket/key` address as people type it.
///
/// All that follows the bucket's slash is the key, as it stands: `?`, `#`, `%` and further slashes
/// are part of it, and nothing is decoded.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct S3Uri {
    /// The bucket.
    pub bucket: BucketName,
    /// The key or prefix, raw, at most 1,024 bytes; empty where the address is the bucket itself.
    pub key: Vec<u8>,
}

impl S3Uri {
    /// Reads `s3://bucket`, `s3://bucket/` or `s3://bucket/key`; the key may be any bytes.
    ///
    /// # Errors
    /// Another scheme, a bad bucket name, or a key of more than 1,024 bytes.
    pub fn parse(uri: impl AsRef<[u8]>) -> Result<Self, SpecError> {
        let uri = uri.as_ref();
        let Some(rest) = uri.strip_prefix(b"s3://") else {
            return Err(SpecError::new("S3 address", "s3://bucket/key", uri));
        };
        let slash = rest.iter().position(|&b| b == b'/');
        let (bucket, key) = match slash {
            Some(at) => (&rest[..at], &rest[at + 1..]),
            None => (rest, &[][..]),
        };
        // A name that is not UTF-8 is refused for the replacement character.
        let bucket = BucketName::new(&String::from_utf8_lossy(bucket))?;
        if key.len() > MAX_KEY {
            let seen = format!("{} bytes: {}", key.len(), excerpt(key));
            return Err(SpecError::new(
                "S3 address",
                "a key of at most 1,024 bytes",
                seen,
            ));
        }
        Ok(Self {
            bucket,
            key: key.to_vec(),
        })
    }

    /// The object that the address names; `None` where it names the bucket.
    pub fn object(&self) -> Option<ObjectKey> {
        ObjectKey::new(self.key.as_slice()).ok()
    }
}

/// For messages, as [`ObjectKey`]'s.
impl fmt::Display for S3Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, excerpt(&self.key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_taken_as_it_stands() {
        for key in ["", "k?x#y", "/x", "//", "a/../b", "%25+ ", "@:", "é"] {
            let uri = S3Uri::parse(format!("s3://bucket/{key}")).unwrap();
            assert_eq!(uri.key, key.as_bytes());
            assert_eq!(uri.object().is_some(), !key.is_empty());
            assert_eq!(uri.to_string(), format!("s3://bucket/{key}"));
        }
        assert_eq!(S3Uri::parse(b"s3://b/\xff\0").unwrap().key, [0xff, 0]);
        assert_eq!(S3Uri::parse("s3://b").unwrap().key, b"");
    }

    #[test]
    fn what_is_not_an_s3_address_is_refused() {
        let long = format!("s3://b/{}", "x".repeat(1025));
        let bad = [
            "",
            "b/k",
            "S3://b/k",
            "s3:/b",
            "s3://",
            "s3:///k",
            "s3://a@b/k",
            "s3://b?x",
            &long,
        ];
        for uri in bad {
            assert!(S3Uri::parse(uri).is_err(), "{uri}");
        }
        assert!(S3Uri::parse(b"s3://b\xff/k").is_err());
    }
}
