use http::header::{CONNECTION, CONTENT_LENGTH, GetAll, HeaderMap, TRANSFER_ENCODING};
use http::{HeaderValue, StatusCode, Version};

use super::{Error, MAX_LENGTH};

/// What of a request decides how its answer is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Head,
    Connect,
    Other,
}

/// How a body ends (RFC 9112, section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// There is none.
    None,
    /// There is none, but fields that promise one: what follows may be taken for it.
    Doubtful,
    /// What follows is not HTTP any more.
    Tunnel,
    Length(u64),
    Chunked,
    UntilClose,
}

impl Framing {
    pub(super) fn of(
        asked: Asked,
        version: Version,
        status: StatusCode,
        fields: &HeaderMap,
    ) -> Result<Self, Error> {
        if asked == Asked::Connect && status.is_success() {
            // RFC 9110, section 9.3.6: lengths in such an answer are ignored.
            return Ok(Self::Tunnel);
        }
        if status == StatusCode::SWITCHING_PROTOCOLS {
            return Ok(Self::Tunnel);
        }
        let length = content_length(fields)?;
        let chunked = is_chunked(version, fields)?;
        if chunked && length.is_some() {
            let expected = "either a Content-Length or a Transfer-Encoding";
            return Err(Error::malformed(expected, b"both"));
        }
        let promised = chunked || length.is_some_and(|length| length > 0);
        Ok(match (asked, status) {
            (Asked::Head, _) | (_, StatusCode::NOT_MODIFIED) => Self::None,
            (_, StatusCode::NO_CONTENT) if promised => Self::Doubtful,
            (_, StatusCode::NO_CONTENT) => Self::None,
            _ if status.is_informational() && promised => {
                let expected = "no body in an interim answer";
                return Err(Error::malformed(expected, status.as_str().as_bytes()));
            }
            _ if status.is_informational() => Self::None,
            _ if chunked => Self::Chunked,
            _ => length.map_or(Self::UntilClose, Self::Length),
        })
    }
}

/// Whether a message leaves the connection open behind it (RFC 9112, section 9.3).
pub(super) fn persists(version: Version, fields: &HeaderMap) -> bool {
    let has = |option: &str| {
        let values = fields.get_all(CONNECTION).into_iter();
        let mut options = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
        options.any(|found| found.trim_ascii().eq_ignore_ascii_case(option.as_bytes()))
    };
    !has("close") && (version == Version::HTTP_11 || has("keep-alive"))
}

/// The declared length. A list of equal lengths might be taken for one (RFC 9112, section 6.3),
/// but nothing honest sends it.
fn content_length(fields: &HeaderMap) -> Result<Option<u64>, Error> {
    let Some(value) = single(fields.get_all(CONTENT_LENGTH), "one Content-Length")? else {
        return Ok(None);
    };
    let digits = value.as_bytes();
    let number = match std::str::from_utf8(digits) {
        Ok(text) if !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) => {
            text.parse().ok().filter(|length| *length <= MAX_LENGTH)
        }
        _ => None,
    };
    let expected = "a Content-Length of digits, at most 2^63-1";
    number
        .map(Some)
        .ok_or_else(|| Error::malformed(expected, digits))
}

fn is_chunked(version: Version, fields: &HeaderMap) -> Result<bool, Error> {
    let all = fields.get_all(TRANSFER_ENCODING);
    let Some(value) = single(all, "one Transfer-Encoding")? else {
        return Ok(false);
    };
    if version != Version::HTTP_11 {
        let expected = "no Transfer-Encoding in HTTP/1.0";
        return Err(Error::malformed(expected, value.as_bytes()));
    }
    if !value.as_bytes().eq_ignore_ascii_case(b"chunked") {
        let expected = "the Transfer-Encoding chunked and no other";
        return Err(Error::malformed(expected, value.as_bytes()));
    }
    Ok(true)
}

/// The only value of a field.
fn single<'a>(
    values: GetAll<'a, HeaderValue>,
    expected: &'static str,
) -> Result<Option<&'a HeaderValue>, Error> {
    let mut values = values.into_iter();
    let first = values.next();
    if let (Some(first), Some(second)) = (first, values.next()) {
        let seen = [first.as_bytes(), b" and ", second.as_bytes()].concat();
        return Err(Error::malformed(expected, &seen));
    }
    Ok(first)
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    fn fields(lines: &str) -> HeaderMap {
        let mut map = HeaderMap::new();
        for line in lines.lines() {
            let (name, value) = line.split_once(':').unwrap();
            let name: HeaderName = name.parse().unwrap();
            map.append(name, value.parse().unwrap());
        }
        map
    }

    fn of(asked: Asked, status: u16, lines: &str) -> Result<Framing, Error> {
        let status = StatusCode::from_u16(status).unwrap();
        Framing::of(asked, Version::HTTP_11, status, &fields(lines))
    }

    #[test]
    fn answers_to_head_have_no_body_whatever_they_declare() {
        for lines in ["", "content-length:7", "transfer-encoding:chunked"] {
            assert_eq!(of(Asked::Head, 200, lines), Ok(Framing::None), "{lines}");
            assert_eq!(of(Asked::Head, 404, lines), Ok(Framing::None), "{lines}");
        }
        let both = "content-length:7\ntransfer-encoding:chunked";
        assert!(of(Asked::Head, 200, both).is_err());
        assert!(of(Asked::Head, 200, "content-length:7\ncontent-length:8").is_err());
    }

    #[test]
    fn a_tunnel_begins_behind_a_success_alone() {
        let both = "content-length:7\ntransfer-encoding:chunked";
        assert_eq!(of(Asked::Connect, 200, both), Ok(Framing::Tunnel));
        assert_eq!(of(Asked::Connect, 299, ""), Ok(Framing::Tunnel));
        let refused = of(Asked::Connect, 407, "content-length:7");
        assert_eq!(refused, Ok(Framing::Length(7)));
        assert!(of(Asked::Connect, 407, both).is_err());
    }

    #[test]
    fn either_side_can_close() {
        let (one, zero) = (Version::HTTP_11, Version::HTTP_10);
        for (version, lines, expected) in [
            (one, "", true),
            (one, "connection:keep-alive", true),
            (one, "connection: Close ", false),
            (one, "connection:upgrade,\tclose", false),
            (one, "connection:keep-alive\nconnection:close", false),
            (one, "connection:not-close", true),
            (zero, "", false),
            (zero, "connection:keep-alive", true),
            (zero, "connection:keep-alive,close", false),
        ] {
            assert_eq!(
                persists(version, &fields(lines)),
                expected,
                "{version:?} {lines}"
            );
        }
    }
}
