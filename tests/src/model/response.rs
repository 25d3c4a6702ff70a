//! Answers whose bodies are slices of stored objects.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::store::StoredChecksum;
use super::{names, xml};

/// An answer of the model.
#[derive(Clone, Debug, Default)]
pub struct Response {
    /// The status.
    pub status: StatusCode,
    /// All headers, `content-length` included; the server adds `connection` alone.
    pub headers: HeaderMap,
    /// The body. Empty in an answer to HEAD, whatever `content-length` says.
    pub body: Body,
}

impl Response {
    /// An answer without headers or body. A number that is no status becomes 500.
    pub fn new(status: u16) -> Self {
        Self {
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            ..Self::default()
        }
    }

    /// Sets a header; a name or value that HTTP does not allow is left out.
    pub fn set(&mut self, name: &str, value: &str) {
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value.as_bytes())) {
            self.headers.insert(name, value);
        }
    }

    /// Sets a header whose name is known; a value that HTTP does not allow is left out.
    pub(crate) fn put(&mut self, name: HeaderName, value: impl TryInto<HeaderValue>) {
        if let Ok(value) = value.try_into() {
            self.headers.insert(name, value);
        }
    }

    /// A header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Says an object's checksum, and what it covers.
    pub(super) fn put_checksum(&mut self, checksum: &StoredChecksum) {
        self.put(checksum.value.algorithm().header_name(), checksum.text());
        let kind = HeaderValue::from_static(checksum.kind.name());
        self.put(names::CHECKSUM_TYPE, kind);
    }

    pub(crate) fn xml(&mut self, document: xml::Writer) {
        let kind = HeaderValue::from_static("application/xml");
        self.put(header::CONTENT_TYPE, kind);
        self.body = Body::from(document.finish().into_bytes());
    }
}

/// A list of slices that share the memory of what they were cut from.
#[derive(Clone, Debug, Default)]
pub struct Body {
    segments: Vec<Bytes>,
    len: u64,
}

impl Body {
    /// The slices, in order; none is empty.
    pub fn segments(&self) -> &[Bytes] {
        &self.segments
    }

    /// Bytes in all.
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All in one piece: a copy, for tests and small bodies.
    pub fn to_vec(&self) -> Vec<u8> {
        self.segments.concat()
    }

    /// The slices.
    pub fn into_segments(self) -> Vec<Bytes> {
        self.segments
    }
}

impl From<Vec<Bytes>> for Body {
    fn from(mut segments: Vec<Bytes>) -> Self {
        segments.retain(|segment| !segment.is_empty());
        let len = segments.iter().map(|segment| segment.len() as u64).sum();
        Self { segments, len }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::from(vec![bytes])
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self::from(Bytes::from(bytes))
    }
}
