use http::header::{self as http_header, HeaderMap, HeaderValue};
use http::response::Parts;
use http::{Method, StatusCode};

use super::{OperationKind, ResponseError, header, refusal};
use crate::checksum::Declared;
use crate::endpoint::{BucketName, Endpoint, ObjectKey};
use crate::error::{Rule, Violation};
use crate::etag::ETag;
use crate::range::{ByteRange, ContentRange};
use crate::request::{Query, Unsigned};
use crate::time::UnixTime;

/// Asks for an object's bytes (API_GetObject). Its body never passes through here, so it is not an
/// [`Operation`](super::Operation).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetObject {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: ObjectKey,
    /// The bytes wanted; `None` for all.
    pub range: Option<ByteRange>,
    /// Answer only for the version with this tag (`If-Match`); another is refused with 412. Some
    /// servers ignore it.
    pub if_match: Option<ETag>,
    /// Whether the answer should name the checksums (`x-amz-checksum-mode`). It does so only for
    /// the whole object.
    pub checksum_mode: bool,
}

/// A head that announces bytes of an object: all of them, or those of `content_range`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetObjectHead {
    /// 200 or 206. It decides nothing: one real server sends a range with 200.
    pub status: u16,
    /// Which bytes follow, out of how many. `None` means the whole object, be it that a range was
    /// asked for: such a body must be read from its first byte on.
    pub content_range: Option<ContentRange>,
    /// How many bytes follow; `None` where only their end will tell. Where there is a
    /// `content_range` as well, the two agree.
    pub content_length: Option<u64>,
    /// The version's tag, where there is a usable one.
    pub etag: Option<ETag>,
    /// The checksums that the server keeps of the object.
    pub declared: Declared,
    /// When the version was written.
    pub last_modified: Option<UnixTime>,
}

impl GetObject {
    /// Which operation it is.
    pub const KIND: OperationKind = OperationKind::GetObject;

    /// Asks for all of `key`, whatever its version, without checksums.
    pub const fn new(bucket: BucketName, key: ObjectKey) -> Self {
        Self {
            bucket,
            key,
            range: None,
            if_match: None,
            checksum_mode: false,
        }
    }

    /// The request, but for what signing adds.
    pub fn request(&self, endpoint: &Endpoint) -> Unsigned {
        let mut headers = HeaderMap::new();
        header::set_conditions(&mut headers, self.if_match.as_ref(), false);
        if let Some(range) = &self.range {
            headers.insert(http_header::RANGE, range.header_value());
        }
        if self.checksum_mode {
            let enabled = HeaderValue::from_static("ENABLED");
            headers.insert(header::CHECKSUM_MODE, enabled);
        }
        Unsigned {
            method: Method::GET,
            address: endpoint.address(&self.bucket, Some(&self.key)),
            query: Query::new(),
            headers,
        }
    }

    /// Whether an answer with this status has object bytes in its body. Any other body goes to
    /// [`refusal`].
    pub fn has_object(status: StatusCode) -> bool {
        matches!(status, StatusCode::OK | StatusCode::PARTIAL_CONTENT)
    }

    /// Judges a head before the first byte of its body is used.
    ///
    /// The bytes announced are then those asked for: from the same first byte to the same end, or
    /// to the object's end where that comes first; or they are the whole object.
    ///
    /// # Errors
    /// [`ResponseError::Violation`] for a `Content-Range` or `Content-Length` that is malformed,
    /// names other bytes, or contradicts the other; for a 206 without range. Any status but 200
    /// and 206 as by [`refusal`] without a body.
    pub fn parse_head(&self, head: &Parts) -> Result<GetObjectHead, ResponseError> {
        if !Self::has_object(head.status) {
            return Err(refusal(Self::KIND, head, b""));
        }
        let headers = &head.headers;
        let content_range = ContentRange::from_headers(headers)?;
        let content_length = header::content_length(headers)?;
        match &content_range {
            Some(range) => self.check_range(range, content_length)?,
            None if head.status == StatusCode::PARTIAL_CONTENT => {
                let expected = "a Content-Range in a partial answer";
                return Err(Violation::new(Rule::ContentRange, expected, "none").into());
            }
            None => {}
        }
        Ok(GetObjectHead {
            status: head.status.as_u16(),
            content_range,
            content_length,
            etag: header::etag(headers),
            declared: Declared::from_headers(headers),
            last_modified: header::last_modified(headers),
        })
    }

    /// The range sent must be the one asked for, and as long as the body.
    fn check_range(&self, sent: &ContentRange, length: Option<u64>) -> Result<(), Violation> {
        let whole = ByteRange::new(0, sent.total());
        if let Some(asked) = self.range.or(whole) {
            sent.check(asked)?;
        }
        let len = sent.range().len();
        match length {
            Some(length) if length != len => {
                let expected = format!("the Content-Length of the range, {len}");
                let seen = length.to_string();
                Err(Violation::new(Rule::ContentLength, expected, seen))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::testing::{aws, bucket, fields, head, key, line, refused, rule};

    fn ranged(start: u64, end: u64) -> GetObject {
        GetObject {
            range: ByteRange::new(start, end),
            ..GetObject::new(bucket(), key())
        }
    }

    fn partial(range: &str) -> Parts {
        head(206, &[("content-range", range)])
    }

    #[test]
    fn the_request_carries_what_was_asked_for() {
        let request = GetObject::new(bucket(), key()).request(&aws());
        assert_eq!(line(&request), "GET /a/../b%20c%2Bd");
        assert!(fields(&request).is_empty(), "not even a content-length");

        let operation = GetObject {
            if_match: ETag::new("\"t\"").ok(),
            checksum_mode: true,
            ..ranged(5, 10)
        };
        assert_eq!(
            fields(&operation.request(&aws())),
            [
                "if-match: \"t\"",
                "range: bytes=5-9",
                "x-amz-checksum-mode: ENABLED"
            ]
        );
    }

    #[test]
    fn a_range_is_judged_by_its_content_range() {
        for status in [200, 206] {
            let fields = [
                ("content-range", "bytes 5-9/20"),
                ("content-length", "5"),
                ("etag", "\"t\""),
                ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
            ];
            let head = ranged(5, 10).parse_head(&head(status, &fields)).unwrap();
            let range = head.content_range.unwrap();
            assert_eq!((range.start(), range.end(), range.total()), (5, 10, 20));
            assert_eq!((head.status, head.content_length), (status, Some(5)));
            assert_eq!(head.etag, ETag::new("\"t\"").ok());
            assert_eq!(
                head.last_modified,
                Some(UnixTime::from_seconds(784_111_777))
            );
        }
        let last = ranged(5, 10).parse_head(&partial("bytes 5-6/7")).unwrap();
        assert_eq!(last.content_range.unwrap().end(), 7);
        assert_eq!(last.content_length, None);
    }

    #[test]
    fn adversary_1_a_whole_object_instead_of_a_range_is_told() {
        let whole = head(200, &[("content-length", "20")]);
        let head = ranged(5, 10).parse_head(&whole).unwrap();
        assert_eq!((head.content_range, head.content_length), (None, Some(20)));
    }

    #[test]
    fn adversary_2_a_partial_answer_needs_a_content_range() {
        let error = ranged(5, 10).parse_head(&head(206, &[])).unwrap_err();
        assert_eq!(rule(error), Rule::ContentRange);
    }

    #[test]
    fn adversaries_3_and_4_other_bytes_are_refused() {
        for range in [
            "bytes 6-9/20",
            "bytes 4-9/20",
            "bytes 5-10/20",
            "bytes 5-8/20",
        ] {
            let error = ranged(5, 10).parse_head(&partial(range)).unwrap_err();
            assert_eq!(rule(error), Rule::ContentRange, "{range}");
        }
        let all = GetObject::new(bucket(), key());
        assert!(all.parse_head(&partial("bytes 0-19/20")).is_ok());
        let error = all.parse_head(&partial("bytes 0-18/20")).unwrap_err();
        assert_eq!(rule(error), Rule::ContentRange);
    }

    #[test]
    fn adversary_6_a_malformed_content_range_is_refused() {
        for range in [
            "bytes 5-9/*",
            "items 5-9/20",
            "bytes 9-5/20",
            "bytes 0--1/0",
            "bytes 0-18446744073709551615/0",
            "bytes 5-9/99999999999999999999",
        ] {
            for status in [200, 206] {
                let head = head(status, &[("content-range", range)]);
                let error = ranged(5, 10).parse_head(&head).unwrap_err();
                assert_eq!(rule(error), Rule::ContentRange, "{range}");
            }
        }
    }

    #[test]
    fn adversary_8_length_and_range_must_agree() {
        let fields = [("content-range", "bytes 5-9/20"), ("content-length", "4")];
        let error = ranged(5, 10).parse_head(&head(206, &fields)).unwrap_err();
        assert_eq!(rule(error), Rule::ContentLength);
    }

    #[test]
    fn adversary_21_other_successes_are_refused() {
        for status in [203, 204, 299, 304] {
            let error = ranged(5, 10).parse_head(&head(status, &[])).unwrap_err();
            assert_eq!(rule(error), Rule::Status, "{status}");
        }
        let error = ranged(5, 10).parse_head(&head(416, &[])).unwrap_err();
        assert_eq!(refused(error).status, 416);
    }
}
