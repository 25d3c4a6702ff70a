use std::collections::BTreeMap;

use http::Method;
use http::header::{self as http_header, HeaderMap, HeaderValue};
use http::response::Parts;

use super::answer::answers_as;
use super::response::expect_status;
use super::{Operation, OperationKind, ResponseError, SMALL_BODY, header};
use crate::checksum::Declared;
use crate::endpoint::{BucketName, Endpoint, ObjectKey};
use crate::error::{Rule, Violation};
use crate::etag::ETag;
use crate::request::{Query, Unsigned};
use crate::time::UnixTime;

/// Asks for an object's size, tag, checksums and metadata (API_HeadObject).
///
/// An answer to HEAD has no body: a refusal has a status and no code.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub struct HeadObject {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: ObjectKey,
    /// Answer only for the version with this tag (`If-Match`); another is refused with 412. Some
    /// servers ignore it.
    pub if_match: Option<ETag>,
    /// Whether the answer should name the checksums (`x-amz-checksum-mode`), which costs a
    /// permission where the object is encrypted by KMS.
    pub checksum_mode: bool,
}

/// An object that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub struct HeadObjectOutput {
    /// Its size in bytes.
    pub size: u64,
    /// Its tag, where there is a usable one.
    pub etag: Option<ETag>,
    /// When it was written.
    pub last_modified: Option<UnixTime>,
    /// The checksums that the server keeps of it.
    pub declared: Declared,
    /// Its `Content-Type`.
    pub content_type: Option<String>,
    /// Its version, where the bucket has versions.
    pub version_id: Option<String>,
    /// Its user metadata by lower-case name, without `x-amz-meta-`. A value that is not in UTF-8
    /// has replacement characters.
    pub metadata: BTreeMap<String, String>,
}

impl HeadObject {
    /// Asks about `key`, whatever its version, without checksums.
    pub const fn new(bucket: BucketName, key: ObjectKey) -> Self {
        Self {
            bucket,
            key,
            if_match: None,
            checksum_mode: false,
        }
    }
}

impl Operation for HeadObject {
    const KIND: OperationKind = OperationKind::HeadObject;
    const BODY_LIMIT: usize = SMALL_BODY;
    type Output = HeadObjectOutput;

    fn request(&self, endpoint: &Endpoint) -> Unsigned {
        let mut headers = HeaderMap::new();
        header::set_conditions(&mut headers, self.if_match.as_ref(), false);
        if self.checksum_mode {
            let enabled = HeaderValue::from_static("ENABLED");
            headers.insert(header::CHECKSUM_MODE, enabled);
        }
        Unsigned {
            method: Method::HEAD,
            address: endpoint.address(&self.bucket, Some(&self.key)),
            query: Query::new(),
            headers,
        }
    }

    fn parse(&self, head: &Parts, body: &[u8]) -> Result<Self::Output, ResponseError> {
        expect_status(&[200], Self::KIND, head, body)?;
        let headers = &head.headers;
        let size = header::content_length(headers)?.ok_or_else(|| {
            let expected = "the object's size as Content-Length";
            Violation::new(Rule::ContentLength, expected, "none")
        })?;
        Ok(HeadObjectOutput {
            size,
            etag: header::etag(headers),
            last_modified: header::last_modified(headers),
            declared: Declared::from_headers(headers),
            content_type: header::text(headers, http_header::CONTENT_TYPE),
            version_id: header::text(headers, header::VERSION_ID),
            metadata: metadata(headers),
        })
    }

    answers_as!(HeadObject);
}

/// The user metadata of an answer. Of a name that is there twice the first value is kept.
fn metadata(headers: &HeaderMap) -> BTreeMap<String, String> {
    let mut metadata = BTreeMap::new();
    for (name, value) in headers {
        if let Some(name) = name.as_str().strip_prefix("x-amz-meta-") {
            let value = || String::from_utf8_lossy(value.as_bytes()).into_owned();
            metadata.entry(name.to_owned()).or_insert_with(value);
        }
    }
    metadata
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::S3Error;
    use crate::operation::testing::{aws, bucket, fields, head, key, line, refused, rule};

    #[test]
    fn the_request_carries_what_was_asked_for() {
        let mut operation = HeadObject::new(bucket(), key());
        let request = operation.request(&aws());
        assert_eq!(line(&request), "HEAD /a/../b%20c%2Bd");
        assert!(fields(&request).is_empty());

        operation.if_match = Some(ETag::new("\"t\"").unwrap());
        operation.checksum_mode = true;
        let expected = ["if-match: \"t\"", "x-amz-checksum-mode: ENABLED"];
        assert_eq!(fields(&operation.request(&aws())), expected);
    }

    #[test]
    fn all_of_the_head_is_read() {
        let head = head(
            200,
            &[
                ("content-length", "9"),
                ("etag", "\"t\""),
                ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
                ("content-type", "text/plain"),
                ("x-amz-version-id", "v1"),
                ("x-amz-checksum-crc32", "y/Q5Jg=="),
                ("X-Amz-Meta-Token", "abc"),
                ("x-amz-meta-token", "second"),
            ],
        );
        let output = HeadObject::new(bucket(), key()).parse(&head, b"").unwrap();
        assert_eq!(output.size, 9);
        assert_eq!(output.etag, ETag::new("\"t\"").ok());
        assert_eq!(
            output.last_modified,
            Some(UnixTime::from_seconds(784_111_777))
        );
        assert_eq!(output.content_type.as_deref(), Some("text/plain"));
        assert_eq!(output.version_id.as_deref(), Some("v1"));
        assert_eq!(output.declared.best().unwrap().digest.base64(), "y/Q5Jg==");
        assert_eq!(output.metadata["token"], "abc");
    }

    #[test]
    fn a_size_is_needed() {
        let operation = HeadObject::new(bucket(), key());
        let error = operation.parse(&head(200, &[]), b"").unwrap_err();
        assert_eq!(rule(error), Rule::ContentLength);
        let least = head(200, &[("content-length", "0")]);
        let output = operation.parse(&least, b"").unwrap();
        assert_eq!((output.size, output.etag), (0, None));
    }

    #[test]
    fn a_refusal_has_no_code() {
        for status in [403, 404, 412] {
            let error = HeadObject::new(bucket(), key()).parse(&head(status, &[]), b"");
            let expected = S3Error::from_status(OperationKind::HeadObject, status);
            assert_eq!(refused(error.unwrap_err()), expected);
        }
    }
}
