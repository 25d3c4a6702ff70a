use bytes::Bytes;
use http::Method;
use http::header::{self, HeaderMap, HeaderValue};
use http::response::Parts;

use super::answer::answers_as;
use super::response::expect_head;
use super::{Operation, OperationKind, ResponseError, SMALL_BODY};
use crate::endpoint::{BucketName, Endpoint, Region};
use crate::request::{Query, Unsigned};
use crate::xml::Writer;

/// Makes a bucket (API_CreateBucket).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub struct CreateBucket {
    /// The bucket.
    pub bucket: BucketName,
    /// The region to make it in, sent as `LocationConstraint`; `None` sends no body.
    pub location: Option<Region>,
}

impl CreateBucket {
    /// Makes `bucket` in the region of `endpoint`.
    ///
    /// AWS wants the region named, except that us-east-1 is refused as a name for itself. A custom
    /// endpoint gets none: such servers have one region, whatever it is called, and some refuse
    /// any name.
    pub fn new(bucket: BucketName, endpoint: &Endpoint) -> Self {
        let region = endpoint.region();
        let named = !endpoint.is_custom() && region.as_str() != "us-east-1";
        Self {
            bucket,
            location: named.then(|| region.clone()),
        }
    }
}

impl Operation for CreateBucket {
    const KIND: OperationKind = OperationKind::CreateBucket;
    const BODY_LIMIT: usize = SMALL_BODY;
    type Output = ();

    fn request(&self, endpoint: &Endpoint) -> Unsigned {
        let mut headers = HeaderMap::new();
        if self.location.is_some() {
            let xml = HeaderValue::from_static("application/xml");
            headers.insert(header::CONTENT_TYPE, xml);
        }
        Unsigned {
            method: Method::PUT,
            address: endpoint.address(&self.bucket, None),
            query: Query::new(),
            headers,
        }
    }

    fn payload(&self) -> Bytes {
        let Some(region) = &self.location else {
            return Bytes::new();
        };
        let mut xml = Writer::new("CreateBucketConfiguration");
        xml.element("LocationConstraint", region.as_str());
        xml.finish().into()
    }

    fn parse(&self, head: &Parts, body: &[u8]) -> Result<(), ResponseError> {
        expect_head(&[200, 204], Self::KIND, head, body)
    }

    answers_as!(CreateBucket);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::testing::{aws, bucket, fields, head, line, refused};

    #[test]
    fn the_region_is_named_where_aws_wants_it() {
        let operation = CreateBucket::new(bucket(), &aws());
        let request = operation.request(&aws());
        assert_eq!(line(&request), "PUT /");
        assert_eq!(fields(&request), ["content-type: application/xml"]);
        assert_eq!(
            operation.payload(),
            "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
             <LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>"
        );
    }

    #[test]
    fn no_region_is_named_in_us_east_1_and_elsewhere() {
        let us = Endpoint::aws(Region::new("us-east-1").unwrap());
        let region = Region::new("eu-west-1").unwrap();
        let custom = Endpoint::custom("http://localhost:9000", region).unwrap();
        for endpoint in [us, custom] {
            let operation = CreateBucket::new(bucket(), &endpoint);
            assert!(operation.payload().is_empty());
            assert!(fields(&operation.request(&endpoint)).is_empty());
        }
    }

    #[test]
    fn a_bucket_that_exists_is_a_refusal() {
        let operation = CreateBucket::new(bucket(), &aws());
        operation.parse(&head(200, &[]), b"").unwrap();
        let body = b"<Error><Code>BucketAlreadyOwnedByYou</Code></Error>";
        let error = operation.parse(&head(409, &[]), body).unwrap_err();
        assert!(refused(error).is("BucketAlreadyOwnedByYou"));
    }
}
