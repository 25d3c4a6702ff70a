use http::Method;
use http::header::{ETAG, HeaderMap};
use http::response::Parts;

use super::answer::answers_as;
use super::response::expect_head;
use super::{Operation, OperationKind, ResponseError, SMALL_BODY, UploadId, header};
use crate::checksum::Declared;
use crate::endpoint::{BucketName, Endpoint, ObjectKey};
use crate::error::{Rule, Violation};
use crate::etag::ETag;
use crate::part::PartNumber;
use crate::request::{Query, Unsigned};

/// Sends one part of a multipart upload (API_UploadPart). Its bytes come from a source: they,
/// their length and their checksum are added by the attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub struct UploadPart {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: ObjectKey,
    /// The upload.
    pub upload_id: UploadId,
    /// The part. Sent again, it replaces what the server has of it.
    pub part_number: PartNumber,
}

/// A part that was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub struct UploadPartOutput {
    /// Its tag, which the Complete must repeat.
    pub etag: ETag,
    /// The checksums that the server took of it.
    pub declared: Declared,
    /// Whether it is encrypted so that its tag can't be an MD5.
    pub encrypted: bool,
}

impl UploadPart {
    /// Sends part `part_number`.
    pub const fn new(
        bucket: BucketName,
        key: ObjectKey,
        upload_id: UploadId,
        part_number: PartNumber,
    ) -> Self {
        Self {
            bucket,
            key,
            upload_id,
            part_number,
        }
    }
}

impl Operation for UploadPart {
    const KIND: OperationKind = OperationKind::UploadPart;
    const BODY_LIMIT: usize = SMALL_BODY;
    type Output = UploadPartOutput;

    fn request(&self, endpoint: &Endpoint) -> Unsigned {
        Unsigned {
            method: Method::PUT,
            address: endpoint.address(&self.bucket, Some(&self.key)),
            query: Query::new()
                .with("partNumber", self.part_number.get().to_string())
                .with("uploadId", self.upload_id.as_str()),
            headers: HeaderMap::new(),
        }
    }

    fn parse(&self, head: &Parts, body: &[u8]) -> Result<Self::Output, ResponseError> {
        expect_head(&[200], Self::KIND, head, body)?;
        let etag = header::etag(&head.headers).ok_or_else(|| {
            let seen = head
                .headers
                .get(ETAG)
                .map_or(&b"none"[..], |v| v.as_bytes());
            Violation::new(Rule::ETag, "a usable ETag for the part", seen)
        })?;
        Ok(UploadPartOutput {
            etag,
            declared: Declared::from_headers(&head.headers),
            encrypted: header::is_encrypted(&head.headers),
        })
    }

    answers_as!(UploadPart);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::testing::{aws, bucket, fields, head, key, line, refused, rule};

    fn part() -> UploadPart {
        let upload = UploadId::new("u+1/=").unwrap();
        UploadPart::new(bucket(), key(), upload, PartNumber::new(7).unwrap())
    }

    #[test]
    fn the_request_names_upload_and_part() {
        let request = part().request(&aws());
        let expected = "PUT /a/../b%20c%2Bd?partNumber=7&uploadId=u%2B1%2F%3D";
        assert_eq!(line(&request), expected);
        assert!(fields(&request).is_empty());
        assert!(part().payload().is_empty());
    }

    #[test]
    fn the_tag_is_kept_as_sent() {
        for tag in ["\"900150983cd24fb0d6963f7d28e17f72\"", "bare", "W/\"x\""] {
            let head = head(200, &[("etag", tag)]);
            assert_eq!(part().parse(&head, b"").unwrap().etag.as_str(), tag);
        }
        let fields = [("etag", "\"t\""), ("x-amz-checksum-crc32c", "4waSgw==")];
        let output = part().parse(&head(200, &fields), b"").unwrap();
        assert_eq!(output.declared.best().unwrap().digest.base64(), "4waSgw==");
    }

    #[test]
    fn adversary_36_a_part_without_a_tag_has_failed() {
        let long = "x".repeat(2000);
        for fields in [
            &[][..],
            &[("etag", "")],
            &[("etag", " ")],
            &[("etag", &long)],
        ] {
            let error = part().parse(&head(200, fields), b"").unwrap_err();
            assert_eq!(rule(error), Rule::ETag);
        }
        let copied = head(204, &[("etag", "\"t\"")]);
        assert_eq!(rule(part().parse(&copied, b"").unwrap_err()), Rule::Status);
    }

    #[test]
    fn a_refusal_is_read() {
        let body = b"<Error><Code>NoSuchUpload</Code></Error>";
        let error = part().parse(&head(404, &[]), body).unwrap_err();
        assert!(refused(error).is("NoSuchUpload"));
    }
}
