//! A request before it is signed: parts that are already in their sent form.

use http::{HeaderMap, Method};

use crate::endpoint::Address;

/// A request without a signature. [`sign`](crate::sign) turns it into what is sent.
///
/// Path and query are kept in the one encoded form that is both signed and sent; the rest of a
/// target (scheme, host) comes from the [`Address`].
#[derive(Clone, Debug)]
pub struct Unsigned {
    /// The method.
    pub method: Method,
    /// Scheme, authority and encoded path.
    pub address: Address,
    /// The query.
    pub query: Query,
    /// All headers but `host` and those that signing adds.
    pub headers: HeaderMap,
}

/// Query parameters, encoded when they are added and sorted when they are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// No parameters.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds a parameter whose name and value are raw bytes. A name without value (`?uploads`) is
    /// one with an empty value: the canonical form has `uploads=`, and servers take both.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.push(name, value);
        self
    }

    /// As [`with`](Self::with), in place.
    pub fn push(&mut self, name: &str, value: impl AsRef<[u8]>) {
        let encode = crate::endpoint::encode_query;
        self.0
            .push((encode(name.as_bytes()), encode(value.as_ref())));
    }

    /// Whether there are no parameters.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a parameter of this name is present.
    pub fn contains(&self, name: &str) -> bool {
        let name = crate::endpoint::encode_query(name.as_bytes());
        self.0.iter().any(|(present, _)| *present == name)
    }

    /// The encoded names, in the order in which they were added.
    pub(crate) fn encoded_names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// The canonical query string (SigV4: sorted by encoded name, then by encoded value), which is
    /// also what is sent.
    pub fn canonical(&self) -> String {
        let mut pairs: Vec<&(String, String)> = self.0.iter().collect();
        pairs.sort();
        let len = |(name, value): &(String, String)| name.len() + value.len() + 2;
        let mut text = String::with_capacity(self.0.iter().map(len).sum());
        for (name, value) in pairs {
            if !text.is_empty() {
                text.push('&');
            }
            text.push_str(name);
            text.push('=');
            text.push_str(value);
        }
        text
    }
}
