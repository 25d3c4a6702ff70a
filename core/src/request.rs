//! A request before it is signed: parts that are already in their sent form.

use http::{HeaderMap, Method};

use crate::endpoint::{Address, encode_query, push_query};

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

/// Query parameters, encoded and sorted when they are added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query(Vec<Parameter>);

/// An encoded parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Parameter {
    /// `name=value`.
    text: String,
    /// The length of the name.
    name: usize,
}

impl Parameter {
    fn name(&self) -> &str {
        &self.text[..self.name]
    }

    /// Name and value: what parameters are sorted by.
    fn parts(&self) -> (&str, &str) {
        (self.name(), &self.text[self.name + 1..])
    }
}

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
        let value = value.as_ref();
        let mut text = String::with_capacity(name.len() + 1 + value.len());
        push_query(&mut text, name.as_bytes());
        let name = text.len();
        text.push('=');
        push_query(&mut text, value);
        let added = Parameter { text, name };
        let at = self
            .0
            .partition_point(|other| other.parts() <= added.parts());
        self.0.insert(at, added);
    }

    /// Whether there are no parameters.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a parameter of this name is present.
    pub fn contains(&self, name: &str) -> bool {
        let name = encode_query(name.as_bytes());
        self.encoded_names().any(|present| present == name)
    }

    /// The encoded names.
    pub(crate) fn encoded_names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(Parameter::name)
    }

    /// The canonical query string (SigV4: sorted by encoded name, then by encoded value), which is
    /// also what is sent.
    pub fn canonical(&self) -> String {
        let len = |parameter: &Parameter| parameter.text.len() + 1;
        let mut text = String::with_capacity(self.0.iter().map(len).sum());
        for parameter in &self.0 {
            if !text.is_empty() {
                text.push('&');
            }
            text.push_str(&parameter.text);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_sorted_by_name_and_then_by_value() {
        // A hyphen comes before the equals sign, which therefore must not be compared.
        let query = Query::new()
            .with("a-b", "1")
            .with("a", "2")
            .with("b", "")
            .with("a", "10");
        assert_eq!(query.canonical(), "a=10&a=2&a-b=1&b=");
        assert!(query.contains("a") && !query.contains("a="));
        let names: Vec<&str> = query.encoded_names().collect();
        assert_eq!(names, ["a", "a", "a-b", "b"]);
    }
}
