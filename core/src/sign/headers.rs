use http::header::GetAll;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::error::SpecError;

/// A request's headers as they are both signed and sent: every name once, values trimmed and with
/// single spaces, as the canonical form has them. (Headers that are [never
/// signed](Self::is_never_signed) are kept as they are.)
#[derive(Clone, Debug, Default)]
pub struct RequestHeaders(HeaderMap);

impl RequestHeaders {
    /// Brings headers into their canonical form: a name that repeats gets one value with commas
    /// between the parts, in their order (RFC 9110, section 5.2).
    ///
    /// # Errors
    /// A value with anything but visible ASCII and spaces, which servers canonicalise in different
    /// ways. The error names the header but doesn't repeat its value.
    pub fn new(headers: &HeaderMap) -> Result<Self, SpecError> {
        let mut canonical = HeaderMap::with_capacity(headers.len() + 6);
        for name in headers.keys() {
            let values = headers.get_all(name);
            if Self::is_never_signed(name) {
                for value in values {
                    canonical.append(name, value.clone());
                }
            } else {
                canonical.insert(name, joined(name, &values)?);
            }
        }
        Ok(Self(canonical))
    }

    /// As [`new`](Self::new), of headers that nobody else has use for. Ours are canonical by their
    /// making, so that nearly all are taken as they are.
    pub(super) fn from_map(headers: HeaderMap) -> Result<Self, SpecError> {
        let is_canonical = headers.len() == headers.keys_len()
            && headers.iter().all(|(name, value)| {
                Self::is_never_signed(name) || first_odd(value.as_bytes()).is_none()
            });
        if is_canonical {
            Ok(Self(headers))
        } else {
            Self::new(&headers)
        }
    }

    /// Whether a header is left out of every signature: those that belong to a connection, or that
    /// proxies change on the way.
    pub fn is_never_signed(name: &HeaderName) -> bool {
        match name.as_str() {
            "connection" | "expect" | "keep-alive" | "te" | "trailer" | "transfer-encoding"
            | "upgrade" | "user-agent" | "x-amzn-trace-id" => true,
            name => name.starts_with("proxy-"),
        }
    }

    /// Adds a header whose value is of ours, and canonical by its making.
    pub(super) fn insert(&mut self, name: HeaderName, value: HeaderValue) {
        self.0.insert(name, value);
    }

    /// Names and values of the headers that a signature covers, sorted by name. All values are
    /// text: `new` refuses others.
    pub(super) fn signed(&self) -> Vec<(&str, &str)> {
        let mut signed: Vec<(&str, &str)> = self
            .0
            .iter()
            .filter(|(name, _)| !Self::is_never_signed(name))
            .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
            .collect();
        signed.sort_unstable();
        signed
    }

    /// What is sent.
    pub(super) fn into_map(self) -> HeaderMap {
        self.0
    }
}

/// A header's value out of a caller's text, which must be canonical already: visible ASCII with
/// single spaces inside. Text that would have to be changed to be signed is refused instead.
/// `subject` names it in an error ("content type", "metadata value").
///
/// # Errors
/// Control characters, characters beyond ASCII, and spaces at either end or in a row. The error
/// doesn't repeat the text.
pub fn header_value(subject: &'static str, text: &str) -> Result<HeaderValue, SpecError> {
    let bytes = text.as_bytes();
    let refused = |at: usize| {
        SpecError::new(
            subject,
            "visible ASCII characters with single spaces inside",
            format!("0x{:02x} at byte {at} of {}", bytes[at], bytes.len()),
        )
    };
    match first_odd(bytes) {
        Some(at) => Err(refused(at)),
        None => HeaderValue::from_str(text).map_err(|_| refused(0)),
    }
}

/// The first byte that a canonical value can't have where it stands: canonical are visible ASCII
/// and single spaces inside.
fn first_odd(value: &[u8]) -> Option<usize> {
    let edge = |at: usize| at == 0 || at + 1 == value.len() || value[at - 1] == b' ';
    value.iter().enumerate().position(|(at, &byte)| match byte {
        b' ' => edge(at),
        _ => !byte.is_ascii_graphic(),
    })
}

/// Refuses headers that signing makes itself: a caller's own would be signed over, or be sent
/// beside ours.
pub(super) fn refuse_reserved(headers: &HeaderMap) -> Result<(), SpecError> {
    let is_reserved = |name: &&HeaderName| {
        matches!(
            name.as_str(),
            "authorization"
                | "host"
                | "x-amz-content-sha256"
                | "x-amz-date"
                | "x-amz-security-token"
        )
    };
    match headers.keys().find(is_reserved) {
        Some(name) => Err(SpecError::new(
            "header",
            "none of those that signing adds",
            name.as_str(),
        )),
        None => Ok(()),
    }
}

pub(super) const X_AMZ_CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");
pub(super) const X_AMZ_DATE: HeaderName = HeaderName::from_static("x-amz-date");
pub(super) const X_AMZ_SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

/// All values of one header as the one that is signed and sent.
fn joined(name: &HeaderName, values: &GetAll<'_, HeaderValue>) -> Result<HeaderValue, SpecError> {
    let error = || {
        SpecError::new(
            "header",
            "a value of visible ASCII characters and spaces",
            format!("another in {name}"),
        )
    };
    let mut text = String::new();
    let mut is_sensitive = false;
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        is_sensitive |= value.is_sensitive();
        // `to_str` takes tabs too.
        let value = value.to_str().ok().filter(|value| !value.contains('\t'));
        let value = value.ok_or_else(error)?;
        let mut words = value.split(' ').filter(|word| !word.is_empty());
        text.extend(words.next());
        for word in words {
            text.push(' ');
            text.push_str(word);
        }
    }
    let mut value = HeaderValue::try_from(text).map_err(|_| error())?;
    value.set_sensitive(is_sensitive);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(values: &[&'static str]) -> Result<String, SpecError> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("x-a", HeaderValue::from_static(value));
        }
        let headers = RequestHeaders::new(&headers)?;
        Ok(headers.signed()[0].1.to_owned())
    }

    #[test]
    fn values_are_trimmed_collapsed_and_joined() {
        assert_eq!(canonical(&["  a   b  "]).unwrap(), "a b");
        assert_eq!(canonical(&["\"a   b\""]).unwrap(), "\"a b\"");
        assert_eq!(canonical(&["b", " a ", "b"]).unwrap(), "b,a,b");
        assert_eq!(canonical(&["", " "]).unwrap(), ",");
        assert_eq!(canonical(&[""]).unwrap(), "");
    }

    #[test]
    fn values_that_servers_read_differently_are_refused() {
        assert!(canonical(&["a\tb"]).is_err());
        let mut headers = HeaderMap::new();
        headers.insert("x-a", HeaderValue::from_bytes(b"s\xe9cret").unwrap());
        let error = RequestHeaders::new(&headers).unwrap_err().to_string();
        assert!(error.contains("x-a") && !error.contains("cret"), "{error}");
    }

    #[test]
    fn headers_of_the_connection_are_sent_but_not_signed() {
        let mut headers = HeaderMap::new();
        headers.insert("user-agent", HeaderValue::from_static("a  b"));
        headers.insert("proxy-authorization", HeaderValue::from_static("x"));
        headers.append("te", HeaderValue::from_static("a"));
        headers.append("te", HeaderValue::from_static("b"));
        let canonical = RequestHeaders::new(&headers).unwrap();
        assert!(canonical.signed().is_empty());
        assert_eq!(canonical.into_map(), headers);
    }

    #[test]
    fn a_callers_value_is_taken_as_it_is_or_not_at_all() {
        for good in ["", "a", "a b", "text/plain; charset=utf-8"] {
            assert_eq!(header_value("x", good).unwrap(), good);
        }
        for bad in [
            " ", " a", "a ", "a  b", "a\tb", "a\r\nb", "a\0", "é", "\u{7f}",
        ] {
            assert!(header_value("x", bad).is_err(), "{bad:?}");
        }
        let error = header_value("x", "a  b").unwrap_err().to_string();
        assert!(error.contains("byte 2 of 4"), "{error}");
    }

    #[test]
    fn what_a_caller_hides_stays_hidden() {
        let mut secret = HeaderValue::from_static("c2VjcmV0");
        secret.set_sensitive(true);
        let mut headers = HeaderMap::new();
        headers.append("x-a", secret);
        headers.append("x-a", HeaderValue::from_static("b"));
        headers.append("x-b", HeaderValue::from_static("b"));
        let sent = RequestHeaders::new(&headers).unwrap().into_map();
        assert!(sent["x-a"].is_sensitive());
        assert!(!sent["x-b"].is_sensitive());
    }
}
