use http::response::Parts;
use http::{HeaderMap, Method};

use super::answer::answers_as;
use super::response::expect_status;
use super::{Operation, OperationKind, ResponseError, SMALL_BODY, header};
use crate::endpoint::{BucketName, Endpoint, Region};
use crate::request::{Query, Unsigned};

/// Asks whether a bucket exists and may be used (API_HeadBucket). The region of a refusal is in
/// its error.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub struct HeadBucket {
    /// The bucket.
    pub bucket: BucketName,
}

/// A bucket that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub struct HeadBucketOutput {
    /// The region that it is in, where the server says so.
    pub region: Option<Region>,
}

impl HeadBucket {
    /// Asks about `bucket`.
    pub const fn new(bucket: BucketName) -> Self {
        Self { bucket }
    }
}

impl Operation for HeadBucket {
    const KIND: OperationKind = OperationKind::HeadBucket;
    const BODY_LIMIT: usize = SMALL_BODY;
    type Output = HeadBucketOutput;

    fn request(&self, endpoint: &Endpoint) -> Unsigned {
        Unsigned {
            method: Method::HEAD,
            address: endpoint.address(&self.bucket, None),
            query: Query::new(),
            headers: HeaderMap::new(),
        }
    }

    fn parse(&self, head: &Parts, body: &[u8]) -> Result<Self::Output, ResponseError> {
        expect_status(&[200], Self::KIND, head, body)?;
        let region = header::text(&head.headers, header::BUCKET_REGION);
        Ok(HeadBucketOutput {
            region: region.and_then(|text| Region::new(&text).ok()),
        })
    }

    answers_as!(HeadBucket);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::S3Error;
    use crate::operation::testing::{aws, bucket, fields, head, line, refused};

    #[test]
    fn the_request_is_bare() {
        let request = HeadBucket::new(bucket()).request(&aws());
        assert_eq!(line(&request), "HEAD /");
        assert!(fields(&request).is_empty());
    }

    #[test]
    fn the_region_is_a_label_or_nothing() {
        let parse = |region| {
            let head = head(200, &[("x-amz-bucket-region", region)]);
            HeadBucket::new(bucket()).parse(&head, b"").unwrap().region
        };
        assert_eq!(parse("eu-west-3"), Region::new("eu-west-3").ok());
        assert_eq!(parse("eu.evil.com/#"), None);
    }

    #[test]
    fn a_refusal_has_a_status_and_a_region() {
        let head = head(301, &[("x-amz-bucket-region", "us-west-2")]);
        let error = HeadBucket::new(bucket()).parse(&head, b"").unwrap_err();
        let expected = S3Error {
            region: Some("us-west-2".to_owned()),
            ..S3Error::from_status(OperationKind::HeadBucket, 301)
        };
        assert_eq!(refused(error), expected);
    }
}
