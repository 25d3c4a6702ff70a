use core::fmt;
use std::sync::Arc;

use crate::error::SpecError;

/// A bucket's name, safe to put into a path as it is.
///
/// AWS takes 3 to 63 lower-case letters, digits, hyphens and dots ("Bucket naming rules" of the S3
/// user guide). Its oldest buckets and other servers also have capitals, underscores and up to 255
/// characters; those are addressed in the path. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BucketName(Arc<str>);

impl BucketName {
    /// Takes a name of 1 to 255 letters, digits, hyphens, dots and underscores.
    ///
    /// # Errors
    /// Any other name, and the names `.` and `..`, which servers and proxies take for directories.
    pub fn new(name: &str) -> Result<Self, SpecError> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
        let sound = (1..=255).contains(&name.len()) && name.bytes().all(plain);
        if !sound || matches!(name, "." | "..") {
            return Err(SpecError::new(
                "bucket name",
                "1 to 255 letters, digits, hyphens, dots or underscores (other than `.` and `..`)",
                name,
            ));
        }
        Ok(Self(name.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the name can be the first part of a host name: what AWS calls virtual-hostable.
    /// Under TLS a name [with dots](Self::has_dots) still doesn't match AWS's certificates.
    pub fn is_dns_compatible(&self) -> bool {
        let label = |label: &str| {
            let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            !label.is_empty()
                && label.bytes().all(inner)
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        (3..=63).contains(&self.0.len()) && self.0.split('.').all(label) && !self.looks_like_ipv4()
    }

    /// Whether the name has dots.
    pub fn has_dots(&self) -> bool {
        self.0.contains('.')
    }

    /// Four numbers with dots between them, whatever the numbers.
    fn looks_like_ipv4(&self) -> bool {
        let dots = self.0.bytes().filter(|&b| b == b'.').count();
        dots == 3 && self.0.bytes().all(|b| b == b'.' || b.is_ascii_digit())
    }
}

impl fmt::Display for BucketName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_aws_takes_can_be_hosts() {
        let longest = "x".repeat(63);
        for name in ["abc", "my-bucket.2", "1bucket", "a--b", longest.as_str()] {
            assert!(BucketName::new(name).unwrap().is_dns_compatible(), "{name}");
        }
    }

    #[test]
    fn other_names_stay_in_the_path() {
        let long = "x".repeat(64);
        let odd = [
            "aa",
            "Bucket",
            "a_b",
            "-abc",
            "abc-",
            "a..b",
            "a.-b",
            ".abc",
            "abc.",
            "192.168.0.1",
            "...",
            long.as_str(),
        ];
        for name in odd {
            assert!(
                !BucketName::new(name).unwrap().is_dns_compatible(),
                "{name}"
            );
        }
    }
}
