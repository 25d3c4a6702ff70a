use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::response::Parts;
use http::{HeaderMap, Version};
use sans3_core::error::TransportErrorKind;
use sans3_core::http1::{MAX_FIELDS, MAX_HEAD};

use super::Fault;

/// Refuses a head beyond the limits that all adapters keep, and one that says in two ways how long
/// its body is: that may mean to smuggle another answer (RFC 9112, section 6.3). For HTTP libraries
/// that are more lenient than the core's own codec.
///
/// # Errors
/// [`TransportErrorKind::BadHttp`] or [`TransportErrorKind::HeadTooLarge`].
pub fn check_head(head: &Parts) -> Result<(), Fault> {
    let bad = |seen: &str| Err(Fault::new(TransportErrorKind::BadHttp, seen));
    let fields = &head.headers;
    if fields.len() > MAX_FIELDS {
        let seen = format!("more than {MAX_FIELDS} fields");
        return Err(Fault::new(TransportErrorKind::HeadTooLarge, seen));
    }
    if len(fields) > MAX_HEAD {
        let seen = format!("more than {MAX_HEAD} bytes");
        return Err(Fault::new(TransportErrorKind::HeadTooLarge, seen));
    }
    let mut codings = fields.get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => {}
        (Some(_), _) if fields.contains_key(CONTENT_LENGTH) => {
            return bad("both a Content-Length and a Transfer-Encoding");
        }
        (Some(_), _) if head.version == Version::HTTP_10 => {
            return bad("a Transfer-Encoding in HTTP/1.0");
        }
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => {}
        _ => return bad("a Transfer-Encoding other than `chunked`"),
    }
    let mut lengths = fields.get_all(CONTENT_LENGTH).iter();
    match (lengths.next(), lengths.next()) {
        (Some(_), Some(_)) => bad("more than one Content-Length"),
        (Some(length), None) if !is_digits(length.as_bytes()) => {
            bad("a Content-Length that is no decimal number")
        }
        _ => Ok(()),
    }
}

fn is_digits(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(u8::is_ascii_digit)
}

/// The length of the fields, about as they were sent.
fn len(fields: &HeaderMap) -> usize {
    const SEPARATORS: usize = ": \r\n".len();
    let fields = fields.iter();
    fields
        .map(|(name, value)| name.as_str().len() + value.len() + SEPARATORS)
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(fields: &[(&'static str, &str)]) -> Result<(), TransportErrorKind> {
        let mut answer = http::Response::builder();
        for (name, value) in fields {
            answer = answer.header(*name, *value);
        }
        let (head, ()) = answer.body(()).unwrap().into_parts();
        check_head(&head).map_err(|fault| fault.kind)
    }

    #[test]
    fn a_length_is_told_once_and_in_one_way() {
        let bad = Err(TransportErrorKind::BadHttp);
        assert_eq!(check(&[("content-length", "5")]), Ok(()));
        assert_eq!(check(&[("transfer-encoding", "Chunked")]), Ok(()));
        for lengths in [["5", "5"], ["5", "6"]] {
            let fields = lengths.map(|length| ("content-length", length));
            assert_eq!(check(&fields), bad);
        }
        for length in ["5, 5", "+5", "0x5", "", "5 5"] {
            assert_eq!(check(&[("content-length", length)]), bad, "{length}");
        }
        for coding in ["gzip, chunked", "identity", "chunked, chunked"] {
            assert_eq!(check(&[("transfer-encoding", coding)]), bad, "{coding}");
        }
        let both = [("content-length", "5"), ("transfer-encoding", "chunked")];
        assert_eq!(check(&both), bad);
    }

    #[test]
    fn transfer_codings_are_unknown_to_http_1_0() {
        let answer = http::Response::builder().version(Version::HTTP_10);
        let answer = answer
            .header(TRANSFER_ENCODING, "chunked")
            .body(())
            .unwrap();
        assert!(check_head(&answer.into_parts().0).is_err());
    }

    #[test]
    fn a_head_has_limits() {
        let large = Err(TransportErrorKind::HeadTooLarge);
        assert_eq!(check(&[("x", "y"); 128]), Ok(()));
        assert_eq!(check(&[("x", "y"); 129]), large);
        assert_eq!(check(&[("x", &"y".repeat(60_000))]), Ok(()));
        assert_eq!(check(&[("x", &"y".repeat(66_000))]), large);
    }
}
