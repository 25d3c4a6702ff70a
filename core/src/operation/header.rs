//! What answers' heads have in common.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::number::decimal;
use crate::error::{Rule, Violation};
use crate::etag::ETag;
use crate::time::UnixTime;

pub(super) const BUCKET_REGION: HeaderName = HeaderName::from_static("x-amz-bucket-region");
pub(super) const CHECKSUM_ALGORITHM: HeaderName =
    HeaderName::from_static("x-amz-checksum-algorithm");
pub(super) const CHECKSUM_MODE: HeaderName = HeaderName::from_static("x-amz-checksum-mode");
pub(super) const CHECKSUM_TYPE: HeaderName = HeaderName::from_static("x-amz-checksum-type");
pub(super) const DELETE_MARKER: HeaderName = HeaderName::from_static("x-amz-delete-marker");
pub(super) const OBJECT_SIZE: HeaderName = HeaderName::from_static("x-amz-mp-object-size");
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-request-id");
pub(super) const RETRY_AFTER: HeaderName = HeaderName::from_static("x-amz-retry-after");
pub(super) const STORAGE_CLASS: HeaderName = HeaderName::from_static("x-amz-storage-class");
pub(super) const VERSION_ID: HeaderName = HeaderName::from_static("x-amz-version-id");
const ENCRYPTION: HeaderName = HeaderName::from_static("x-amz-server-side-encryption");
const CUSTOMER_KEY: HeaderName =
    HeaderName::from_static("x-amz-server-side-encryption-customer-algorithm");

/// The longest version id or other opaque text of a head that is kept.
const MAX_TEXT: usize = 1024;

/// The length that a head declares for its body, or that the answer to a HEAD declares for the
/// object; `None` where it declares none.
///
/// # Errors
/// Anything but one decimal number: RFC 9110, section 8.6, lets a recipient take a repeated equal
/// value, and refusing it is the safe reading. So is a length beside a transfer coding, which
/// RFC 9112, section 6.3, calls an attempt at smuggling.
pub(crate) fn content_length(headers: &HeaderMap) -> Result<Option<u64>, Violation> {
    let mut values = headers.get_all(header::CONTENT_LENGTH).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let wrong = |seen: &[u8]| {
        let expected = "one decimal number as Content-Length";
        Violation::new(Rule::ContentLength, expected, seen)
    };
    if values.next().is_some() {
        return Err(wrong(b"several"));
    }
    if headers.contains_key(header::TRANSFER_ENCODING) {
        return Err(wrong(b"one beside a Transfer-Encoding"));
    }
    let number = value.to_str().ok().and_then(decimal);
    number.map(Some).ok_or_else(|| wrong(value.as_bytes()))
}

/// The entity tag of an answer; `None` where there is none or none that could be sent back, since
/// such an answer names no version, which is not in itself an error.
pub(super) fn etag(headers: &HeaderMap) -> Option<ETag> {
    ETag::new(field(headers, header::ETAG)?).ok()
}

/// `Last-Modified`, where it is a date.
pub(super) fn last_modified(headers: &HeaderMap) -> Option<UnixTime> {
    UnixTime::parse_http_date(field(headers, header::LAST_MODIFIED)?)
}

/// A field that is there once, in visible ASCII and of sensible length; otherwise `None`.
pub(super) fn text(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    field(headers, name).map(str::to_owned)
}

/// As [`text`], where it stands.
fn field(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    let usable = values.next().is_none() && !value.is_empty() && value.len() <= MAX_TEXT;
    usable.then_some(value)
}

/// Whether an object or part is encrypted with a key of KMS or of the customer: then its entity tag
/// is not an MD5 (API_Object, ETag).
pub(super) fn is_encrypted(headers: &HeaderMap) -> bool {
    let kind = headers.get(ENCRYPTION);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"aws:kms"))
        || headers.contains_key(CUSTOMER_KEY)
}

/// The conditions of a write (API_PutObject, API_CompleteMultipartUpload): replace only the
/// version with this tag, write only where there is no object.
pub(super) fn set_conditions(
    headers: &mut HeaderMap,
    if_match: Option<&ETag>,
    if_none_match: bool,
) {
    if let Some(tag) = if_match {
        headers.insert(header::IF_MATCH, etag_value(tag));
    }
    if if_none_match {
        headers.insert(header::IF_NONE_MATCH, HeaderValue::from_static("*"));
    }
}

/// A tag as the value of a condition.
pub(super) fn etag_value(tag: &ETag) -> HeaderValue {
    HeaderValue::from_str(tag.as_str()).expect("a tag holds visible ASCII alone")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::testing::head;

    #[test]
    fn adversary_11_a_content_length_is_one_decimal_number() {
        let length = |values: &[&str]| {
            let fields: Vec<_> = values.iter().map(|v| ("content-length", *v)).collect();
            content_length(&head(200, &fields).headers)
        };
        assert_eq!(length(&[]), Ok(None));
        assert_eq!(length(&["0"]), Ok(Some(0)));
        assert_eq!(length(&["9223372036854775808"]), Ok(Some(1 << 63)));
        for bad in [
            "",
            "+5",
            "-1",
            "0x10",
            "5, 5",
            "5.0",
            "18446744073709551616",
        ] {
            let rule = length(&[bad]).unwrap_err().rule();
            assert_eq!(rule, Rule::ContentLength, "{bad}");
        }
        assert!(length(&["5", "6"]).is_err());
        assert!(length(&["5", "5"]).is_err());
        let both = [("content-length", "5"), ("transfer-encoding", "chunked")];
        assert!(content_length(&head(200, &both).headers).is_err());
    }

    #[test]
    fn adversary_14_an_unusable_tag_is_no_tag() {
        let tag = |value: &str| etag(&head(200, &[("etag", value)]).headers);
        assert_eq!(tag("\"a\"").unwrap().as_str(), "\"a\"");
        assert_eq!(tag("W/\"a\"").unwrap().as_str(), "W/\"a\"");
        assert_eq!(tag("bare").unwrap().as_str(), "bare");
        assert_eq!(tag(""), None);
        assert_eq!(tag(&"x".repeat(10_000)), None);
        let twice = head(200, &[("etag", "\"a\""), ("etag", "\"b\"")]);
        assert_eq!(etag(&twice.headers), None);
    }
}
