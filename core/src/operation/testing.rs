//! What the tests of the operations share.

use http::response::{Parts, Response};

use super::ResponseError;
use crate::endpoint::{BucketName, Endpoint, ObjectKey, Region};
use crate::error::{Rule, S3Error};
use crate::request::Unsigned;

/// AWS in eu-west-1, where buckets are host names: paths are keys alone.
pub(super) fn aws() -> Endpoint {
    Endpoint::aws(Region::new("eu-west-1").unwrap())
}

pub(super) fn bucket() -> BucketName {
    BucketName::new("bucket").unwrap()
}

pub(super) fn key() -> ObjectKey {
    ObjectKey::new("a/../b c+d").unwrap()
}

/// A response head.
pub(super) fn head(status: u16, headers: &[(&str, &str)]) -> Parts {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(()).unwrap().into_parts().0
}

/// The request line without the version, the query in its canonical order.
pub(super) fn line(request: &Unsigned) -> String {
    let mark = if request.query.is_empty() { "" } else { "?" };
    let (method, path) = (&request.method, request.address.path());
    format!("{method} {path}{mark}{}", request.query.canonical())
}

/// The header fields, sorted.
pub(super) fn fields(request: &Unsigned) -> Vec<String> {
    let field = |(name, value): (_, &http::HeaderValue)| -> String {
        let name: &http::HeaderName = name;
        format!("{name}: {}", value.to_str().unwrap())
    };
    let mut fields: Vec<String> = request.headers.iter().map(field).collect();
    fields.sort();
    fields
}

/// The rule of an error that must be a violation.
pub(super) fn rule(error: ResponseError) -> Rule {
    match error {
        ResponseError::Violation(violation) => violation.rule(),
        ResponseError::S3(error) => panic!("not a violation: {error}"),
    }
}

/// The server's refusal that an error must be.
pub(super) fn refused(error: ResponseError) -> S3Error {
    match error {
        ResponseError::S3(error) => *error,
        ResponseError::Violation(violation) => panic!("not a refusal: {violation}"),
    }
}
