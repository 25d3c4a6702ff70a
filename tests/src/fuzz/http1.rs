use http::{HeaderMap, Method, StatusCode};
use sans3_core::http1::{BodyRead, Error, HeadRead, HeadReader};

use super::Draw;

/// The codec of HTTP/1.1. The first four bytes say what was asked and how the rest, which is what a
/// server sent, is cut into pieces.
///
/// Holds: the bytes mean the same however they are cut, errors included; nothing behind the answer
/// is consumed; what is taken is what a slow reader of one grammar makes of it; payload that goes
/// around the codec is counted as if it had seen it.
///
/// # Panics
/// Where one of these is broken.
pub fn http1(bytes: &[u8]) {
    let mut draw = Draw::new(bytes);
    let method = draw
        .pick(&[Method::GET, Method::HEAD, Method::PUT, Method::CONNECT])
        .clone();
    let seed = draw.bytes(2);
    let direct = draw.flag();
    let stream = draw.rest();

    let whole = read(&method, stream, &mut std::iter::once(stream.len()), false);
    let each = read(&method, stream, &mut std::iter::repeat(1), false);
    assert_eq!(
        whole,
        each,
        "{method}, byte by byte: {}",
        stream.escape_ascii()
    );
    let cuts = &mut seed.iter().cycle().map(|byte| 1 + usize::from(*byte % 37));
    let cut = read(&method, stream, cuts, direct);
    assert_eq!(whole, cut, "{method}, in pieces: {}", stream.escape_ascii());

    if let Ok(answer) = whole {
        let slow = Slow { rest: stream }.answer(&method);
        assert_eq!(Some(answer), slow, "{method}: {}", stream.escape_ascii());
    }
}

/// A complete answer.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    interim: Vec<StatusCode>,
    status: StatusCode,
    fields: HeaderMap,
    payload: Vec<u8>,
    /// What of the bytes is not the answer's.
    behind: usize,
}

/// Feeds the codec as an adapter does: it keeps what is not consumed, and appends what comes, in
/// pieces of these lengths. The connection is closed behind the last one.
fn read(
    method: &Method,
    stream: &[u8],
    lengths: &mut dyn Iterator<Item = usize>,
    direct: bool,
) -> Result<Answer, Error> {
    let mut reader = HeadReader::new(method);
    let mut interim = Vec::new();
    // What was received and not consumed is `stream[from..to]`.
    let (mut from, mut to) = (0, 0);
    let mut more = |to: &mut usize| {
        let grown = lengths.next().unwrap_or(1).min(stream.len() - *to);
        *to += grown;
        grown > 0
    };
    let (head, mut body) = loop {
        match reader.read(&stream[from..to])? {
            HeadRead::Incomplete if more(&mut to) => {}
            HeadRead::Incomplete => return Err(reader.eof(&stream[from..to])),
            HeadRead::Interim { status, consumed } => {
                interim.push(status);
                from += consumed;
            }
            HeadRead::Final {
                head,
                consumed,
                body,
            } => {
                from += consumed;
                break (head, body);
            }
        }
        assert!(from <= to, "more was consumed than came");
    };
    let mut payload = Vec::new();
    while !body.is_complete() {
        if let (true, Some(most)) = (direct, body.direct()) {
            let len = usize::try_from(most).map_or(to - from, |most| most.min(to - from));
            body.advance(len as u64)?;
            payload.extend_from_slice(&stream[from..from + len]);
            from += len;
            if body.is_complete() {
                break;
            }
        }
        match body.read(&stream[from..to])? {
            BodyRead::Data { consumed, span } => {
                assert!(!span.is_empty() && span.end <= consumed && from + consumed <= to);
                payload.extend_from_slice(&stream[from..to][span]);
                from += consumed;
            }
            BodyRead::Complete { consumed } => from += consumed,
            BodyRead::Incomplete { consumed } => {
                assert_eq!(from + consumed, to, "bytes are left to be shown again");
                from = to;
                if !more(&mut to) {
                    body.eof()?;
                    assert!(body.is_complete(), "an end without error is one");
                }
            }
        }
        assert!(from <= to, "more was consumed than came");
    }
    assert!(
        !body.may_reuse(1),
        "leftovers are taken for the next answer"
    );
    Ok(Answer {
        interim,
        status: head.status,
        fields: head.headers,
        payload,
        behind: stream.len() - from,
    })
}

/// A reader that has all bytes, takes one line after the other, and knows nothing but RFC 9112.
struct Slow<'a> {
    rest: &'a [u8],
}

impl<'a> Slow<'a> {
    fn answer(mut self, method: &Method) -> Option<Answer> {
        let mut interim = Vec::new();
        let (status, fields) = loop {
            let (status, fields) = self.head()?;
            if !status.is_informational() || status == StatusCode::SWITCHING_PROTOCOLS {
                break (status, fields);
            }
            interim.push(status);
        };
        let is_tunnel = method == Method::CONNECT && status.is_success();
        let bare =
            is_tunnel || method == Method::HEAD || matches!(status.as_u16(), 101 | 204 | 304);
        let lengths: Vec<_> = fields.get_all("content-length").iter().collect();
        let coded = fields.contains_key("transfer-encoding");
        let payload = match &lengths[..] {
            _ if bare => Vec::new(),
            [_, ..] if coded => return None,
            _ if coded => self.chunks()?,
            [] => std::mem::take(&mut self.rest).to_vec(),
            [length] => {
                let digits = length.to_str().ok()?;
                let digits = digits
                    .bytes()
                    .all(|b| b.is_ascii_digit())
                    .then_some(digits)?;
                self.take(digits.parse().ok()?)?.to_vec()
            }
            _ => return None,
        };
        Some(Answer {
            interim,
            status,
            fields,
            payload,
            behind: self.rest.len(),
        })
    }

    fn head(&mut self) -> Option<(StatusCode, HeaderMap)> {
        let line = self.line()?;
        let rest = line.strip_prefix(b"HTTP/1.")?;
        let (version, rest) = rest.split_first()?;
        let (code, reason) = rest.strip_prefix(b" ")?.split_at_checked(3)?;
        let status = StatusCode::from_bytes(code).ok()?;
        let plain = reason.is_empty() || reason.starts_with(b" ");
        if !plain || !matches!(version, b'0' | b'1') {
            return None;
        }
        Some((status, self.fields()?))
    }

    fn fields(&mut self) -> Option<HeaderMap> {
        let mut fields = HeaderMap::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Some(fields);
            }
            let colon = line.iter().position(|byte| *byte == b':')?;
            let name = http::HeaderName::from_bytes(&line[..colon]).ok()?;
            let value = http::HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?;
            fields.append(name, value);
        }
    }

    fn chunks(&mut self) -> Option<Vec<u8>> {
        let mut payload = Vec::new();
        loop {
            let line = self.line()?;
            let end = line
                .iter()
                .position(|byte| *byte == b';')
                .unwrap_or(line.len());
            let digits = std::str::from_utf8(line[..end].trim_ascii_end()).ok()?;
            let plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
            let size = u64::from_str_radix(digits, 16).ok().filter(|_| plain)?;
            if size == 0 {
                self.fields()?;
                return Some(payload);
            }
            payload.extend_from_slice(self.take(size)?);
            self.take(2).filter(|end| end == b"\r\n")?;
        }
    }

    fn line(&mut self) -> Option<&'a [u8]> {
        let end = self.rest.windows(2).position(|pair| pair == b"\r\n")?;
        let line = &self.rest[..end];
        self.rest = &self.rest[end + 2..];
        let bare = line.iter().any(|byte| matches!(byte, b'\r' | b'\n'));
        (!bare).then_some(line)
    }

    fn take(&mut self, len: u64) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(usize::try_from(len).ok()?)?;
        self.rest = rest;
        Some(taken)
    }
}
