use http::response::Parts;
use http::{HeaderMap, Method};

use super::answer::answers_as;
use super::response::expect_head;
use super::{Operation, OperationKind, PutOptions, ResponseError, SMALL_BODY, header};
use crate::checksum::Declared;
use crate::endpoint::{BucketName, Endpoint, ObjectKey};
use crate::etag::ETag;
use crate::request::{Query, Unsigned};

/// Writes an object in one request (API_PutObject). Its bytes come from a source: they, their
/// length and their checksum are added by the attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub struct PutObject {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: ObjectKey,
    /// What is written besides the bytes, and on what condition.
    pub options: PutOptions,
}

/// An object that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub struct PutObjectOutput {
    /// Its tag, where the server tells a usable one.
    pub etag: Option<ETag>,
    /// The checksums that the server took of it.
    pub declared: Declared,
    /// Whether it is encrypted so that its tag can't be an MD5.
    pub encrypted: bool,
    /// Its version, where the bucket has versions.
    pub version_id: Option<String>,
}

impl PutObject {
    /// Writes `key` with nothing besides and unconditionally.
    pub fn new(bucket: BucketName, key: ObjectKey) -> Self {
        Self {
            bucket,
            key,
            options: PutOptions::default(),
        }
    }
}

impl Operation for PutObject {
    const KIND: OperationKind = OperationKind::PutObject;
    const BODY_LIMIT: usize = SMALL_BODY;
    type Output = PutObjectOutput;

    fn request(&self, endpoint: &Endpoint) -> Unsigned {
        let mut headers = HeaderMap::new();
        let options = &self.options;
        options.describe(&mut headers);
        header::set_conditions(
            &mut headers,
            options.if_match.as_ref(),
            options.if_none_match,
        );
        Unsigned {
            method: Method::PUT,
            address: endpoint.address(&self.bucket, Some(&self.key)),
            query: Query::new(),
            headers,
        }
    }

    fn parse(&self, head: &Parts, body: &[u8]) -> Result<Self::Output, ResponseError> {
        expect_head(&[200], Self::KIND, head, body)?;
        Ok(PutObjectOutput {
            etag: header::etag(&head.headers),
            declared: Declared::from_headers(&head.headers),
            encrypted: header::is_encrypted(&head.headers),
            version_id: header::text(&head.headers, header::VERSION_ID),
        })
    }

    answers_as!(PutObject);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Rule;
    use crate::operation::testing::{aws, bucket, fields, head, key, line, refused, rule};

    #[test]
    fn the_request_carries_options_and_conditions() {
        let mut operation = PutObject::new(bucket(), key());
        assert_eq!(line(&operation.request(&aws())), "PUT /a/../b%20c%2Bd");
        assert!(fields(&operation.request(&aws())).is_empty());

        let options = PutOptions::default().with_content_type("text/plain");
        operation.options = options.unwrap();
        operation.options.if_none_match = true;
        let expected = ["content-type: text/plain", "if-none-match: *"];
        assert_eq!(fields(&operation.request(&aws())), expected);

        operation.options = PutOptions {
            if_match: ETag::new("\"t\"").ok(),
            ..PutOptions::default()
        };
        assert_eq!(fields(&operation.request(&aws())), ["if-match: \"t\""]);
    }

    #[test]
    fn the_answer_is_its_head() {
        let head = head(
            200,
            &[
                ("etag", "\"t\""),
                ("x-amz-version-id", "v1"),
                ("x-amz-checksum-crc64nvme", "rosUhgp5mIg="),
            ],
        );
        let output = PutObject::new(bucket(), key()).parse(&head, b"").unwrap();
        assert_eq!(output.etag, ETag::new("\"t\"").ok());
        assert_eq!(output.version_id.as_deref(), Some("v1"));
        let checksum = output.declared.best().unwrap();
        assert_eq!(checksum.digest.base64(), "rosUhgp5mIg=");
    }

    #[test]
    fn a_condition_refused_without_a_body_is_its_status() {
        let error = PutObject::new(bucket(), key()).parse(&head(412, &[]), b"");
        let error = refused(error.unwrap_err());
        assert_eq!((error.status, error.code), (412, None));
    }

    #[test]
    fn only_200_means_that_the_object_is_written() {
        for status in [202, 203, 206] {
            let error = PutObject::new(bucket(), key()).parse(&head(status, &[]), b"");
            assert_eq!(rule(error.unwrap_err()), Rule::Status);
        }
    }
}
