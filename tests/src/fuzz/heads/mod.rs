mod session;

use http::header::{CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderMap, TRANSFER_ENCODING};
use http::{HeaderName, HeaderValue};
use sans3_core::endpoint::{BucketName, ObjectKey};
use sans3_core::operation::{GetObject, ResponseError};
use sans3_core::range::{ByteRange, ContentRange, Unsatisfied};

use super::Draw;

/// Heads of answers to a GetObject. The first byte says whether the rest is a `Content-Range`, a
/// head, or the choices of a server that a download is made from.
///
/// Holds: what is taken is what RFC 9110, section 14.4, has a grammar for, and it is written back
/// as it was read; a head is taken exactly if it announces the bytes that were asked for and no
/// two things at once; whatever a server says, bytes are placed only where they were asked for,
/// and a download that succeeds has the object's very bytes.
///
/// # Panics
/// Where one of these is broken.
pub fn heads(bytes: &[u8]) {
    let mut draw = Draw::new(bytes);
    match draw.byte() % 4 {
        0 => content_range(&String::from_utf8_lossy(draw.rest())),
        1 => head(&mut draw),
        _ => session::download(&mut draw),
    }
}

/// First byte, end and size.
type Span = (u64, u64, u64);

fn content_range(text: &str) {
    let seen = ContentRange::parse(text);
    let span = seen
        .as_ref()
        .ok()
        .map(|seen| (seen.start(), seen.end(), seen.total()));
    assert_eq!(span, grammar(text), "{text:?}");
    let total = Unsatisfied::parse(text).map(|seen| seen.total);
    assert_eq!(total, unsatisfied(text), "{text:?}");
    match seen {
        Ok(seen) => {
            assert!(
                seen.start() < seen.end() && seen.end() <= seen.total(),
                "{text}"
            );
            assert!(total.is_none(), "{text} is two things at once");
            let written = seen.to_string();
            assert_eq!(ContentRange::parse(&written), Ok(seen), "{written}");
            assert!(written.len() <= text.len(), "{text}");
            assert_eq!(seen.check(seen.range()), Ok(()));
            let next = ByteRange::with_len(seen.end(), 1);
            assert!(next.is_none_or(|next| seen.check(next).is_err()));
        }
        Err(error) => assert!(!error.to_string().contains('\n'), "{error}"),
    }
}

/// `bytes 0-9/10`, with the end behind the last byte.
fn grammar(text: &str) -> Option<Span> {
    let (unit, rest) = text.split_at_checked(6)?;
    let (range, total) = rest.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last, total) = (number(first)?, number(last)?, number(total)?);
    let sound = unit.eq_ignore_ascii_case("bytes ") && first <= last && last < total;
    sound.then(|| (first, last + 1, total))
}

/// `bytes */10`
fn unsatisfied(text: &str) -> Option<u64> {
    let (unit, total) = text.split_at_checked(8)?;
    unit.eq_ignore_ascii_case("bytes */")
        .then(|| number(total))?
}

/// Digits alone, up to 64 bits.
fn number(text: &str) -> Option<u64> {
    let value = text.bytes().try_fold(0_u64, |value, byte| {
        let digit = char::from(byte).to_digit(10)?;
        value.checked_mul(10)?.checked_add(u64::from(digit))
    })?;
    (!text.is_empty()).then_some(value)
}

/// The rest of the choices are fields, one in each line.
fn head(draw: &mut Draw<'_>) {
    let start = draw.number();
    let asked = match draw.byte() % 3 {
        0 => None,
        _ => ByteRange::with_len(start, draw.number()),
    };
    let status = *draw.pick(&[206, 200, 204, 304, 404, 416, 500, 101]);
    let mut builder = http::Response::builder().status(status);
    let Some(fields) = builder.headers_mut() else {
        panic!("{status} is a status");
    };
    for line in draw.rest().split(|byte| *byte == b'\n') {
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(0);
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(line.get(colon + 1..).unwrap_or_default().trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            fields.append(name, value);
        }
    }
    let (head, ()) = builder
        .body(())
        .unwrap_or_else(|e| panic!("{e}"))
        .into_parts();
    let mut get = GetObject::new(
        BucketName::new("bucket").unwrap_or_else(|error| panic!("{error}")),
        ObjectKey::new("key").unwrap_or_else(|error| panic!("{error}")),
    );
    get.range = asked;

    let seen = get.parse_head(&head);
    let good = judge(asked, status, &head.headers);
    match seen {
        Ok(seen) => {
            let span = seen.content_range.map(|r| (r.start(), r.end(), r.total()));
            assert_eq!(Some((span, seen.content_length)), good, "{head:?}");
            if let Some(tag) = seen.etag {
                let tags: Vec<_> = head.headers.get_all(ETAG).iter().collect();
                assert_eq!(tags, [tag.as_str()]);
            }
        }
        Err(error) => {
            assert_eq!(good, None, "{error} in {head:?}");
            let refused = matches!(error, ResponseError::S3(_));
            assert_eq!(refused, status >= 400, "{error}");
        }
    }
}

/// What a head announces: the range, where it names one, and the length; `None` where it is not
/// one that may be believed.
fn judge(
    asked: Option<ByteRange>,
    status: u16,
    fields: &HeaderMap,
) -> Option<(Option<Span>, Option<u64>)> {
    let only = |name: HeaderName| {
        let all: Vec<_> = fields.get_all(name).iter().collect();
        match &all[..] {
            [] => Some(None),
            [value] => value.to_str().ok().map(Some),
            _ => None,
        }
    };
    let range = match only(CONTENT_RANGE)? {
        Some(text) => Some(grammar(text)?),
        None => None,
    };
    let length = match only(CONTENT_LENGTH)? {
        Some(text) => Some(number(text)?),
        None => None,
    };
    let smuggled = length.is_some() && fields.contains_key(TRANSFER_ENCODING);
    let bare = status == 206 && range.is_none();
    if smuggled || bare || !matches!(status, 200 | 206) {
        return None;
    }
    if let Some((start, end, total)) = range {
        let (from, to) = asked.map_or((0, total), |asked| (asked.start(), asked.end()));
        let same = start == from && end == to.min(total);
        if !same || length.is_some_and(|length| length != end - start) {
            return None;
        }
    }
    Some((range, length))
}
