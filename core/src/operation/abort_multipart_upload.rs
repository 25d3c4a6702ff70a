use http::response::Parts;
use http::{HeaderMap, Method};

use super::answer::answers_as;
use super::response::expect_head;
use super::{Operation, OperationKind, ResponseError, SMALL_BODY, UploadId};
use crate::endpoint::{BucketName, Endpoint, ObjectKey};
use crate::request::{Query, Unsigned};

/// Discards an upload and its parts (API_AbortMultipartUpload).
///
/// A part that is on its way may be stored after the abort: S3's advice is to abort again until
/// ListParts finds no upload.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub struct AbortMultipartUpload {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: ObjectKey,
    /// The upload.
    pub upload_id: UploadId,
}

/// An upload that is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub struct AbortMultipartUploadOutput {
    /// Whether there was no such upload: an earlier abort or a Complete has ended it, and on some
    /// servers so has a Complete that was refused.
    pub already_gone: bool,
}

impl AbortMultipartUpload {
    /// Discards `upload_id`.
    pub const fn new(bucket: BucketName, key: ObjectKey, upload_id: UploadId) -> Self {
        Self {
            bucket,
            key,
            upload_id,
        }
    }
}

impl Operation for AbortMultipartUpload {
    const KIND: OperationKind = OperationKind::AbortMultipartUpload;
    const BODY_LIMIT: usize = SMALL_BODY;
    type Output = AbortMultipartUploadOutput;

    fn request(&self, endpoint: &Endpoint) -> Unsigned {
        Unsigned {
            method: Method::DELETE,
            address: endpoint.address(&self.bucket, Some(&self.key)),
            query: Query::new().with("uploadId", self.upload_id.as_str()),
            headers: HeaderMap::new(),
        }
    }

    fn parse(&self, head: &Parts, body: &[u8]) -> Result<Self::Output, ResponseError> {
        match expect_head(&[200, 204], Self::KIND, head, body) {
            Ok(()) => Ok(AbortMultipartUploadOutput {
                already_gone: false,
            }),
            // A bucket that is not there rather says that the request went to the wrong place.
            Err(ResponseError::S3(e)) if e.status == 404 && !e.is("NoSuchBucket") => {
                Ok(AbortMultipartUploadOutput { already_gone: true })
            }
            Err(error) => Err(error),
        }
    }

    answers_as!(AbortMultipartUpload);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::testing::{aws, bucket, fields, head, key, line, refused};

    fn abort() -> AbortMultipartUpload {
        AbortMultipartUpload::new(bucket(), key(), UploadId::new("u&1").unwrap())
    }

    #[test]
    fn the_request_names_the_upload() {
        let request = abort().request(&aws());
        assert_eq!(line(&request), "DELETE /a/../b%20c%2Bd?uploadId=u%261");
        assert!(fields(&request).is_empty());
    }

    #[test]
    fn adversary_45_an_upload_that_is_gone_is_gone() {
        let gone = |status, body: &str| {
            let output = abort().parse(&head(status, &[]), body.as_bytes());
            output.unwrap().already_gone
        };
        assert!(!gone(204, ""));
        assert!(!gone(200, ""));
        assert!(gone(404, "<Error><Code>NoSuchUpload</Code></Error>"));
        assert!(gone(404, ""));
    }

    #[test]
    fn other_refusals_are_refusals() {
        for (status, code) in [
            (404, "NoSuchBucket"),
            (403, "AccessDenied"),
            (500, "InternalError"),
        ] {
            let body = format!("<Error><Code>{code}</Code></Error>");
            let error = abort().parse(&head(status, &[]), body.as_bytes());
            assert!(refused(error.unwrap_err()).is(code));
        }
    }
}
