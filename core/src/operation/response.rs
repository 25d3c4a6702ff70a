use core::fmt;

use http::response::Parts;

use super::OperationKind;
use super::document::ErrorDocument;
use super::header;
use crate::endpoint::Region;
use crate::error::{Cause, Rule, S3Error, Violation};
use crate::xml::Reader;

/// The most bytes of an error's body that are looked at.
pub const MAX_ERROR_BODY: usize = 64 << 10;

/// Why an answer is not a success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResponseError {
    /// The server refused. Boxed, as it is several times the size of most answers.
    S3(Box<S3Error>),
    /// The server broke the protocol.
    Violation(Violation),
}

/// Reads an answer that is not the success of `operation`.
///
/// The status decides; the body adds a code where it is an `<Error>` document of at most 64 KiB.
/// Anything else that a proxy, a load balancer or a broken connection makes of a body is ignored,
/// and none of it is ever a violation. So `body` may be cut short at [`MAX_ERROR_BODY`].
pub fn refusal(operation: OperationKind, head: &Parts, body: &[u8]) -> ResponseError {
    let status = head.status.as_u16();
    // 304 answers a condition that is never sent (RFC 9110, section 15.4.5).
    if status < 300 || status == 304 {
        let expected = format!("a status that answers {operation}");
        let seen = status.to_string();
        return Violation::new(Rule::Status, expected, seen).into();
    }
    let mut error = refusal_by_head(operation, head);
    add_body(&mut error, body);
    error.into()
}

/// What the head of a refusal says, so that it need not be kept until the body has come.
pub(crate) fn refusal_by_head(operation: OperationKind, head: &Parts) -> S3Error {
    let headers = &head.headers;
    S3Error {
        request_id: header::text(headers, header::REQUEST_ID),
        region: header::text(headers, header::BUCKET_REGION).and_then(region),
        retry_after: header::text(headers, header::RETRY_AFTER),
        ..S3Error::from_status(operation, head.status.as_u16())
    }
}

/// Adds what the body of a refusal says, if anything.
pub(crate) fn add_body(error: &mut S3Error, body: &[u8]) {
    if let Some(document) = read_error_document(body) {
        add_document(error, document);
    }
}

/// An error with all that head and body say.
pub(super) fn s3_error(operation: OperationKind, head: &Parts, document: ErrorDocument) -> S3Error {
    let mut error = refusal_by_head(operation, head);
    add_document(&mut error, document);
    error
}

fn add_document(error: &mut S3Error, document: ErrorDocument) {
    error.code = document.code;
    error.message = document.message;
    error.request_id = error.request_id.take().or(document.request_id);
    error.region = error.region.take().or(document.region.and_then(region));
}

/// A region goes into the host name of the next request: nothing but a label may pass.
fn region(text: String) -> Option<String> {
    Region::new(&text).is_ok().then_some(text)
}

/// Lets an answer with one of these statuses pass.
pub(super) fn expect_status(
    expected: &[u16],
    operation: OperationKind,
    head: &Parts,
    body: &[u8],
) -> Result<(), ResponseError> {
    if expected.contains(&head.status.as_u16()) {
        return Ok(());
    }
    Err(refusal(operation, head, body))
}

/// As [`expect_status`], for an operation whose success is told by the head alone: an `<Error>` is
/// one all the same.
pub(super) fn expect_head(
    expected: &[u16],
    operation: OperationKind,
    head: &Parts,
    body: &[u8],
) -> Result<(), ResponseError> {
    expect_status(expected, operation, head, body)?;
    match read_error_document(body) {
        Some(document) => Err(s3_error(operation, head, document).into()),
        None => Ok(()),
    }
}

fn read_error_document(body: &[u8]) -> Option<ErrorDocument> {
    if body.is_empty() {
        return None;
    }
    let mut xml = Reader::new(body, MAX_ERROR_BODY).ok()?;
    if xml.root().ok()? != "Error" {
        return None;
    }
    let document = ErrorDocument::read(&mut xml).ok()?;
    xml.end().ok()?;
    Some(document)
}

impl fmt::Display for ResponseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::S3(error) => error.fmt(f),
            Self::Violation(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for ResponseError {}

impl From<S3Error> for ResponseError {
    fn from(error: S3Error) -> Self {
        Self::S3(Box::new(error))
    }
}

impl From<Violation> for ResponseError {
    fn from(error: Violation) -> Self {
        Self::Violation(error)
    }
}

impl From<ResponseError> for Cause {
    fn from(error: ResponseError) -> Self {
        match error {
            ResponseError::S3(error) => Self::S3(error),
            ResponseError::Violation(error) => Self::Violation(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::testing::{head, refused, rule};

    const KIND: OperationKind = OperationKind::PutObject;

    const NO_SUCH_BUCKET: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>\
        <Code>NoSuchBucket</Code><Message>It &lt;is&gt; gone</Message>\
        <BucketName>b</BucketName><RequestId>R1</RequestId><HostId>H</HostId></Error>";

    fn read(status: u16, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> S3Error {
        refused(refusal(KIND, &head(status, headers), body.as_ref()))
    }

    #[test]
    fn an_error_document_is_read() {
        let error = read(404, &[], NO_SUCH_BUCKET);
        assert_eq!(error.status, 404);
        assert!(error.is("NoSuchBucket"));
        assert_eq!(error.message.as_deref(), Some("It <is> gone"));
        assert_eq!(error.request_id.as_deref(), Some("R1"));
    }

    #[test]
    fn headers_are_read_and_win_over_the_body() {
        let headers = [
            ("x-amz-request-id", "R2"),
            ("x-amz-retry-after", "1500"),
            ("x-amz-bucket-region", "eu-west-3"),
        ];
        let error = read(503, &headers, NO_SUCH_BUCKET);
        assert_eq!(error.request_id.as_deref(), Some("R2"));
        assert_eq!(error.retry_after.as_deref(), Some("1500"));
        assert_eq!(error.region.as_deref(), Some("eu-west-3"));
    }

    #[test]
    fn adversary_60_whatever_else_a_body_is_the_status_decides() {
        let utf16: Vec<u8> = format!("\u{feff}{NO_SUCH_BUCKET}")
            .encode_utf16()
            .flat_map(u16::to_be_bytes)
            .collect();
        let long = format!(
            "<Error><Code>A</Code>{}</Error>",
            " ".repeat(MAX_ERROR_BODY)
        );
        let bodies: [&[u8]; 9] = [
            b"",
            b"Service Unavailable",
            b"<html><head><title>503</title></head><body><hr></body></html>",
            b"<!DOCTYPE html><html></html>",
            b"{\"Code\":\"SlowDown\"}",
            b"<Result><Code>SlowDown</Code></Result>",
            &NO_SUCH_BUCKET.as_bytes()[..NO_SUCH_BUCKET.len() - 1],
            &utf16,
            long.as_bytes(),
        ];
        for body in bodies {
            let expected = S3Error::from_status(KIND, 503);
            assert_eq!(read(503, &[], body), expected, "{}", body.escape_ascii());
        }
        let marked = format!("\u{feff}{NO_SUCH_BUCKET}");
        assert!(read(404, &[], marked).is("NoSuchBucket"));
    }

    #[test]
    fn adversary_29_an_error_after_a_successful_head_is_an_error() {
        let read = |body: &str| expect_head(&[200], KIND, &head(200, &[]), body.as_bytes());
        let error = refused(read(NO_SUCH_BUCKET).unwrap_err());
        assert_eq!((error.status, error.is("NoSuchBucket")), (200, true));
        for body in [
            "",
            "OK",
            "<Result><Key>&lt;Error&gt;</Key></Result>",
            "<Error>",
        ] {
            assert_eq!(read(body), Ok(()), "{body}");
        }
    }

    #[test]
    fn texts_are_limited() {
        let body = format!(
            "<Error><Code>{}</Code><Message>{}</Message></Error>",
            "C".repeat(60_000),
            "é".repeat(1000),
        );
        let error = read(400, &[], body);
        assert_eq!(error.code.unwrap().len(), 128);
        assert_eq!(error.message.unwrap().len(), 1024);
    }

    #[test]
    fn adversary_88_a_region_is_a_host_label() {
        let long = "r".repeat(200);
        for bad in ["us-east-1.evil.com/#", "a b", "", "-a", "a@b", "a:1", &long] {
            let header = read(301, &[("x-amz-bucket-region", bad)], "");
            assert_eq!(header.region, None, "{bad}");
            let body = format!("<Error><Code>A</Code><Region>{bad}</Region></Error>");
            assert_eq!(read(400, &[], body).region, None, "{bad}");
        }
        let body = "<Error><Code>AuthorizationHeaderMalformed</Code>\
                    <Region>ap-south-1</Region></Error>";
        assert_eq!(read(400, &[], body).region.as_deref(), Some("ap-south-1"));
    }

    #[test]
    fn adversary_21_a_success_that_answers_something_else_is_a_violation() {
        for status in [101, 202, 203, 204, 206, 299, 304] {
            let error = refusal(KIND, &head(status, &[]), b"");
            assert_eq!(rule(error), Rule::Status, "{status}");
        }
    }

    #[test]
    fn adversary_57_the_answers_that_end_a_request_are_told_apart() {
        for (status, code) in [
            (403, "SignatureDoesNotMatch"),
            (404, "NoSuchKey"),
            (400, "InvalidArgument"),
            (405, "MethodNotAllowed"),
            (501, "NotImplemented"),
        ] {
            let body = format!("<Error><Code>{code}</Code></Error>");
            let error = read(status, &[], body);
            assert_eq!((error.status, error.code.as_deref()), (status, Some(code)));
        }
    }
}
