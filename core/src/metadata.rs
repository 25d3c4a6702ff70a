//! An object's own metadata: the `x-amz-meta-` headers.

use std::collections::BTreeMap;

use http::{HeaderName, HeaderValue};

use crate::error::SpecError;
use crate::sign::header_value;

/// Names and values that S3 keeps with an object and gives back with it.
///
/// Names are in lower case, since headers have no case; each is there once. S3 takes 2 KiB in all
/// ("Working with object metadata" of the S3 user guide).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Metadata(BTreeMap<String, String>);

impl Metadata {
    /// The most bytes that all names (without `x-amz-meta-`) and values may have together.
    pub const MAX_BYTES: usize = 2048;

    /// No metadata.
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Adds a name, without `x-amz-meta-`, and its value. The name is taken in lower case.
    ///
    /// # Errors
    /// A name that is no token (RFC 9110, section 5.6.2) or is there already; a value with anything
    /// but visible ASCII and single spaces inside; more than [2 KiB](Self::MAX_BYTES) in all.
    pub fn insert(&mut self, name: &str, value: &str) -> Result<(), SpecError> {
        let name = header_name(name)?.as_str()[PREFIX.len()..].to_owned();
        header_value("metadata value", value)?;
        if self.0.contains_key(&name) {
            let expected = "every name once, whatever its case";
            return Err(SpecError::new("metadata name", expected, name));
        }
        let size = self.size() + name.len() + value.len();
        if size > Self::MAX_BYTES {
            let seen = format!("{size} bytes");
            return Err(SpecError::new(
                "metadata",
                "at most 2,048 bytes in all",
                seen,
            ));
        }
        self.0.insert(name, value.to_owned());
        Ok(())
    }

    /// As [`insert`](Self::insert), by value.
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub fn with(mut self, name: &str, value: &str) -> Result<Self, SpecError> {
        self.insert(name, value)?;
        Ok(self)
    }

    /// The value of a name, in whatever case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(&name.to_ascii_lowercase()).map(String::as_str)
    }

    /// Names and values, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The headers that carry it, sorted by name.
    pub fn headers(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        self.iter().filter_map(|(name, value)| {
            let value = header_value("metadata value", value);
            // `insert` has taken both.
            Some((header_name(name).ok()?, value.ok()?))
        })
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The bytes of all names and values, as S3 counts them.
    fn size(&self) -> usize {
        self.iter()
            .map(|(name, value)| name.len() + value.len())
            .sum()
    }
}

const PREFIX: &str = "x-amz-meta-";

fn header_name(name: &str) -> Result<HeaderName, SpecError> {
    // `http` takes longer names, and an empty one behind the prefix.
    let fits = (1..=Metadata::MAX_BYTES).contains(&name.len());
    let header = HeaderName::try_from(format!("{PREFIX}{name}"));
    header.ok().filter(|_| fits).ok_or_else(|| {
        SpecError::new(
            "metadata name",
            "letters, digits and the marks of a header's name, such as `-`",
            name,
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_becomes_sorted_headers() {
        let metadata = Metadata::new().with("Zoo", "a b").unwrap();
        let metadata = metadata.with("colour", "").unwrap();
        let headers: Vec<_> = metadata.headers().collect();
        assert_eq!(headers.len(), 2);
        assert_eq!(headers[0].0, "x-amz-meta-colour");
        assert_eq!(headers[1].0, "x-amz-meta-zoo");
        assert_eq!(headers[1].1, "a b");
        assert_eq!(metadata.get("ZOO"), Some("a b"));
    }

    #[test]
    fn two_kibibytes_are_the_limit() {
        let full = Metadata::new().with("ab", &"x".repeat(1022)).unwrap();
        let full = full.with("cd", &"x".repeat(1022)).unwrap();
        assert_eq!(full.size(), Metadata::MAX_BYTES);
        assert!(full.with("e", "").is_err());
        assert!(Metadata::new().with("a", &"x".repeat(2048)).is_err());
        assert!(Metadata::new().with(&"a".repeat(70_000), "").is_err());
    }
}
