use http::response::Parts;
use http::{HeaderMap, Method};

use super::answer::answers_as;
use super::response::expect_head;
use super::{Operation, OperationKind, ResponseError, SMALL_BODY, header};
use crate::endpoint::{BucketName, Endpoint, ObjectKey};
use crate::request::{Query, Unsigned};

/// Removes an object (API_DeleteObject). Removing one that is not there is a success.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub struct DeleteObject {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: ObjectKey,
}

/// An object that is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub struct DeleteObjectOutput {
    /// Whether only a delete marker was put on top: the bucket has versions, and keeps the bytes.
    pub delete_marker: bool,
    /// The marker's version.
    pub version_id: Option<String>,
}

impl DeleteObject {
    /// Removes `key`.
    pub const fn new(bucket: BucketName, key: ObjectKey) -> Self {
        Self { bucket, key }
    }
}

impl Operation for DeleteObject {
    const KIND: OperationKind = OperationKind::DeleteObject;
    const BODY_LIMIT: usize = SMALL_BODY;
    type Output = DeleteObjectOutput;

    fn request(&self, endpoint: &Endpoint) -> Unsigned {
        Unsigned {
            method: Method::DELETE,
            address: endpoint.address(&self.bucket, Some(&self.key)),
            query: Query::new(),
            headers: HeaderMap::new(),
        }
    }

    fn parse(&self, head: &Parts, body: &[u8]) -> Result<Self::Output, ResponseError> {
        expect_head(&[200, 204], Self::KIND, head, body)?;
        let marker = header::text(&head.headers, header::DELETE_MARKER);
        Ok(DeleteObjectOutput {
            delete_marker: marker.as_deref() == Some("true"),
            version_id: header::text(&head.headers, header::VERSION_ID),
        })
    }

    answers_as!(DeleteObject);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::testing::{aws, bucket, fields, head, key, line, refused};

    #[test]
    fn the_request_is_bare() {
        let request = DeleteObject::new(bucket(), key()).request(&aws());
        assert_eq!(line(&request), "DELETE /a/../b%20c%2Bd");
        assert!(fields(&request).is_empty());
    }

    #[test]
    fn both_successes_and_a_marker_are_understood() {
        let operation = DeleteObject::new(bucket(), key());
        let plain = operation.parse(&head(200, &[]), b"").unwrap();
        assert!(!plain.delete_marker);
        let fields = [("x-amz-delete-marker", "true"), ("x-amz-version-id", "m1")];
        let marked = operation.parse(&head(204, &fields), b"").unwrap();
        assert!(marked.delete_marker);
        assert_eq!(marked.version_id.as_deref(), Some("m1"));
    }

    #[test]
    fn a_refusal_is_read() {
        let body = b"<Error><Code>AccessDenied</Code></Error>";
        let error = DeleteObject::new(bucket(), key()).parse(&head(403, &[]), body);
        assert!(refused(error.unwrap_err()).is("AccessDenied"));
    }
}
