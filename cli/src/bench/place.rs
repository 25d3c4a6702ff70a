//! Where in the bucket everything happens.

use sans3_core::endpoint::{BucketName, ObjectKey, S3Uri};

use super::plan::Batch;
use crate::exit::Failure;
use crate::operand::{Object, s3_uri};

/// A folder that nobody else has, beneath the one that the user named.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) bucket: BucketName,
    /// What the keys of all objects begin with; ends in a slash.
    pub(super) prefix: Vec<u8>,
}

impl Place {
    /// A folder beneath `uri`, named by `random`.
    pub(super) fn beneath(uri: &S3Uri, random: u64) -> Self {
        let mut prefix = uri.key.clone();
        if !prefix.is_empty() && !prefix.ends_with(b"/") {
            prefix.push(b'/');
        }
        prefix.extend(format!("sans3-bench-{random:016x}/").bytes());
        Self {
            bucket: uri.bucket.clone(),
            prefix,
        }
    }

    /// `s3://bucket/prefix/`, safe to print.
    pub(super) fn uri(&self) -> String {
        s3_uri(&self.bucket, &self.prefix)
    }

    /// The object that shows whether objects can be written and removed at all.
    ///
    /// # Errors
    /// Usage: the prefix is too long for keys beneath it.
    pub(super) fn probe(&self) -> Result<Object, Failure> {
        self.object("probe")
    }

    /// An object of a batch.
    ///
    /// # Errors
    /// As [`probe`](Self::probe).
    pub(super) fn member(&self, batch: Batch, number: u32) -> Result<Object, Failure> {
        self.object(&format!("{}/{number:06}", batch.size))
    }

    fn object(&self, name: &str) -> Result<Object, Failure> {
        let mut key = self.prefix.clone();
        key.extend(name.bytes());
        let key = ObjectKey::new(key).map_err(|error| Failure::usage(error.to_string()))?;
        Ok(Object {
            bucket: self.bucket.clone(),
            key,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_beneath_the_users() {
        for (uri, expected) in [
            ("s3://bucket", "s3://bucket/sans3-bench-00000000000000ff/"),
            ("s3://bucket/", "s3://bucket/sans3-bench-00000000000000ff/"),
            (
                "s3://bucket/a",
                "s3://bucket/a/sans3-bench-00000000000000ff/",
            ),
            (
                "s3://bucket/a/",
                "s3://bucket/a/sans3-bench-00000000000000ff/",
            ),
        ] {
            let place = Place::beneath(&S3Uri::parse(uri).unwrap(), 255);
            assert_eq!(place.uri(), expected);
        }
    }

    #[test]
    fn a_prefix_that_leaves_no_room_is_refused() {
        let uri = S3Uri::parse(format!("s3://bucket/{}", "a".repeat(1_010))).unwrap();
        let failure = Place::beneath(&uri, 0).probe().unwrap_err();
        assert_eq!(failure.kind.code(), 2);
    }
}
