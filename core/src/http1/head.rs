use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, Response, StatusCode, Version, request, response};

use super::framing::{Asked, Framing, persists};
use super::{BodyReader, Error, MAX_FIELDS, MAX_HEAD, MAX_INTERIM};

/// Reads the head of an answer, and the interim answers before it. One per exchange.
#[derive(Debug)]
pub struct HeadReader {
    asked: Asked,
    /// Whether the request leaves the connection open.
    persists: bool,
    /// Bytes of interim answers so far.
    interim: usize,
    lines: Lines,
}

/// What a [`HeadReader`] found.
#[derive(Debug)]
#[must_use]
pub enum HeadRead {
    /// No head is complete: show the same bytes again, with more behind them.
    Incomplete,
    /// An interim (1xx) answer. Another follows, or the final one. Never 101, which no request
    /// asks for: it is a final answer, and its connection can't be used again.
    Interim {
        /// 100 asks for the body that was held back; others tell nothing of use.
        status: StatusCode,
        /// How many bytes it had.
        consumed: usize,
    },
    /// The final answer.
    Final {
        /// Status, version and fields. Fields keep the order of equal names; values have no space
        /// around them.
        head: response::Parts,
        /// How many bytes it had; the body follows.
        consumed: usize,
        /// For the body, also where there is none.
        body: BodyReader,
    },
}

impl HeadReader {
    /// For the answer to a request of this method that has no `Connection` field.
    pub fn new(method: &Method) -> Self {
        Self {
            asked: match *method {
                Method::HEAD => Asked::Head,
                Method::CONNECT => Asked::Connect,
                _ => Asked::Other,
            },
            persists: true,
            interim: 0,
            lines: Lines::default(),
        }
    }

    /// For the answer to this request, whose `Connection: close` counts too.
    pub fn for_request(head: &request::Parts) -> Self {
        Self {
            persists: persists(head.version, &head.headers),
            ..Self::new(&head.method)
        }
    }

    /// Looks for a head at the beginning of `input`, which is all that was received and is not yet
    /// consumed.
    ///
    /// # Errors
    ///
    /// [`Error::HeadTooLong`], [`Error::TooManyFields`], [`Error::TooManyInterim`], or
    /// [`Error::Malformed`]: also where the fields contradict each other about the body's length.
    pub fn read(&mut self, input: &[u8]) -> Result<HeadRead, Error> {
        let window = &input[..input.len().min(MAX_HEAD)];
        let Some(head) = self.lines.head(window)? else {
            if window.len() == MAX_HEAD {
                return Err(Error::HeadTooLong);
            }
            return Ok(HeadRead::Incomplete);
        };
        self.lines = Lines::default();
        let Head { parts, len } = head;
        let framing = Framing::of(self.asked, parts.version, parts.status, &parts.headers)?;
        if parts.status.is_informational() && parts.status != StatusCode::SWITCHING_PROTOCOLS {
            self.interim = self.interim.saturating_add(len);
            if self.interim > MAX_INTERIM {
                return Err(Error::TooManyInterim);
            }
            return Ok(HeadRead::Interim {
                status: parts.status,
                consumed: len,
            });
        }
        let persists = self.persists && persists(parts.version, &parts.headers);
        Ok(HeadRead::Final {
            head: parts,
            consumed: len,
            body: BodyReader::new(framing, persists),
        })
    }

    /// What it means that the peer closed the connection now; `leftover` is what was received and
    /// not consumed.
    pub fn eof(&self, leftover: &[u8]) -> Error {
        if !looks_like_http(leftover) {
            return not_http(leftover);
        }
        Error::Closed {
            expected: match (leftover, self.interim) {
                ([], 0) => "an answer",
                ([], _) => "the final answer",
                _ => "the rest of the response head",
            },
        }
    }
}

/// A complete head, whatever its status.
#[derive(Debug)]
struct Head {
    parts: response::Parts,
    len: usize,
}

/// Where the lines of a head are, as far as they were looked for.
#[derive(Debug, Default)]
struct Lines {
    /// Where the first incomplete line begins.
    line: usize,
    /// Where to look on.
    scanned: usize,
}

const VERSION: &[u8] = b"HTTP/1.";

impl Lines {
    /// The head that `input` begins with. `input` is what it was last time, and more.
    ///
    /// Errors are looked for line by line, since which one is found must not depend on how many
    /// bytes came at once.
    fn head(&mut self, input: &[u8]) -> Result<Option<Head>, Error> {
        if !begins_as_http(input)? {
            return Ok(None);
        }
        let known = self.line;
        let end = match self.scan(input) {
            Ok(end) => end,
            Err(error) => {
                // Lines before the broken one may be wrong in other ways.
                parse(&input[..self.line.min(input.len())])?;
                return Err(error);
            }
        };
        match end {
            None if self.line == known => Ok(None),
            None => parse(&input[..self.line]).map(|_incomplete| None),
            Some(end) => parse(&input[..end]),
        }
    }

    /// The end of the head, behind its empty line. Checks that lines end with CRLF, and that no
    /// CR or LF is elsewhere: a parser that takes one for the end of a line would see other fields.
    fn scan(&mut self, input: &[u8]) -> Result<Option<usize>, Error> {
        while let Some(rest) = input.get(self.scanned..) {
            let Some(at) = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')) else {
                self.scanned = input.len();
                return Ok(None);
            };
            let at = self.scanned + at;
            match (input[at], input.get(at + 1)) {
                (b'\r', Some(b'\n')) => {}
                (b'\r', None) => {
                    self.scanned = at;
                    return Ok(None);
                }
                (found, _) => {
                    // The byte behind a bare CR is shown too: it is what should be LF.
                    let to = at + usize::from(found == b'\r');
                    let from = self.line.max(at.saturating_sub(40));
                    let seen = &input[from..=to];
                    return Err(Error::malformed("lines that end with CRLF", seen));
                }
            }
            let empty = at == self.line;
            self.line = at + 2;
            self.scanned = self.line;
            if empty {
                return Ok(Some(self.line));
            }
        }
        Ok(None)
    }
}

/// Looks at the first bytes, so that what is not HTTP is told at once and not at a deadline;
/// `false` where there are too few to tell.
fn begins_as_http(input: &[u8]) -> Result<bool, Error> {
    let start = &input[..input.len().min(VERSION.len() + 1)];
    let line = start.iter().position(|byte| *byte == b'\n');
    let start = line.map_or(start, |end| &start[..=end]);
    if line.is_none() && start.len() <= VERSION.len() {
        return Ok(false);
    }
    if looks_like_http(start) {
        Ok(true)
    } else {
        Err(not_http(start))
    }
}

fn looks_like_http(input: &[u8]) -> bool {
    let len = input.len().min(VERSION.len());
    input[..len] == VERSION[..len]
}

fn not_http(seen: &[u8]) -> Error {
    Error::malformed("a status line that begins with HTTP/1.1 or HTTP/1.0", seen)
}

/// Parses whole lines; `None` where the empty one is missing.
fn parse(lines: &[u8]) -> Result<Option<Head>, Error> {
    let mut slots = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut parsed = httparse::Response::new(&mut slots);
    match parsed.parse(lines) {
        Ok(httparse::Status::Partial) => Ok(None),
        Ok(httparse::Status::Complete(len)) => convert(&parsed, len).map(Some),
        Err(httparse::Error::TooManyHeaders) => Err(Error::TooManyFields),
        Err(error) => Err(Error::malformed(expectation(error), first_bad_line(lines))),
    }
}

fn convert(parsed: &httparse::Response<'_, '_>, len: usize) -> Result<Head, Error> {
    let version = match parsed.version {
        Some(0) => Version::HTTP_10,
        _ => Version::HTTP_11,
    };
    let code = parsed.code.unwrap_or_default();
    let status = StatusCode::from_u16(code).map_err(|_| {
        Error::malformed("a status code of at least 100", code.to_string().as_bytes())
    })?;
    let mut fields = HeaderMap::with_capacity(parsed.headers.len());
    for field in parsed.headers.iter() {
        let name = HeaderName::from_bytes(field.name.as_bytes())
            .map_err(|_| Error::malformed("a field name", field.name.as_bytes()))?;
        let value = HeaderValue::from_bytes(field.value)
            .map_err(|_| Error::malformed("a field value", field.value))?;
        fields.append(name, value);
    }
    let (mut parts, ()) = Response::new(()).into_parts();
    parts.version = version;
    parts.status = status;
    parts.headers = fields;
    Ok(Head { parts, len })
}

/// The first line that can't be parsed behind those before it.
fn first_bad_line(lines: &[u8]) -> &[u8] {
    let mut start = 0;
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        let mut slots = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let end = start + line.len();
        if httparse::Response::new(&mut slots)
            .parse(&lines[..end])
            .is_err()
        {
            return line;
        }
        start = end;
    }
    lines
}

const fn expectation(error: httparse::Error) -> &'static str {
    match error {
        httparse::Error::HeaderName => "a field name, and a colon right behind it",
        httparse::Error::HeaderValue => "a field value without control characters",
        httparse::Error::Status => "a status of three digits and a reason",
        httparse::Error::Version => "HTTP/1.1 or HTTP/1.0",
        httparse::Error::NewLine | httparse::Error::Token | httparse::Error::TooManyHeaders => {
            "a line of a response head"
        }
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;
    use crate::http1::BodyRead;

    fn get() -> HeadReader {
        HeadReader::new(&Method::GET)
    }

    fn head_of(len: usize) -> Vec<u8> {
        let mut head = b"HTTP/1.1 200 OK\r\nx: ".to_vec();
        head.resize(len - b"\r\n\r\n".len(), b'x');
        head.extend_from_slice(b"\r\n\r\n");
        head
    }

    #[test]
    fn adversary_24_a_head_may_have_64_kib() {
        let head = head_of(MAX_HEAD);
        let Ok(HeadRead::Final { consumed, .. }) = get().read(&head) else {
            panic!("a head of the largest length is good");
        };
        assert_eq!(consumed, MAX_HEAD);
        let more = [&head[..], &[b'!'; 1000]].concat();
        assert!(matches!(get().read(&more), Ok(HeadRead::Final { .. })));

        let head = head_of(MAX_HEAD + 1);
        assert_eq!(get().read(&head).unwrap_err(), Error::HeadTooLong);
        let mut reader = get();
        for len in 0..MAX_HEAD {
            assert!(
                matches!(reader.read(&head[..len]), Ok(HeadRead::Incomplete)),
                "{len}"
            );
        }
        assert_eq!(
            reader.read(&head[..MAX_HEAD]).unwrap_err(),
            Error::HeadTooLong
        );
    }

    #[test]
    fn adversary_24_a_head_may_have_128_fields() {
        let head = |fields: usize| format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(fields));
        let Ok(HeadRead::Final { head: parts, .. }) = get().read(head(128).as_bytes()) else {
            panic!("as many fields as may be are good");
        };
        assert_eq!(parts.headers.get_all("x").iter().count(), 128);
        let head = head(129);
        assert_eq!(
            get().read(head.as_bytes()).unwrap_err(),
            Error::TooManyFields
        );
        // Without the empty line too: nobody needs to wait for it.
        let head = &head.as_bytes()[..head.len() - 2];
        assert_eq!(get().read(head).unwrap_err(), Error::TooManyFields);
    }

    #[test]
    fn adversary_25_interim_answers_are_bounded_together() {
        let mut reader = get();
        let interim = head_of(4096);
        let interim = [b"HTTP/1.1 103", &interim["HTTP/1.1 200".len()..]].concat();
        for _ in 0..MAX_INTERIM / interim.len() {
            let Ok(HeadRead::Interim { status, consumed }) = reader.read(&interim) else {
                panic!("so many interim answers are good");
            };
            assert_eq!((status.as_u16(), consumed), (103, interim.len()));
        }
        let last = b"HTTP/1.1 200 OK\r\n\r\n";
        assert!(matches!(reader.read(last), Ok(HeadRead::Final { .. })));
        let one_more = b"HTTP/1.1 100\r\n\r\n";
        assert_eq!(reader.read(one_more).unwrap_err(), Error::TooManyInterim);
    }

    #[test]
    fn bytes_that_are_not_http_are_refused_at_once() {
        let mut reader = get();
        assert!(matches!(reader.read(b"SSH-2.0"), Ok(HeadRead::Incomplete)));
        assert!(matches!(
            reader.read(b"SSH-2.0-"),
            Err(Error::Malformed { .. })
        ));
        assert!(matches!(get().eof(b"\x15\x03"), Error::Malformed { .. }));
        assert!(matches!(get().eof(b"HTT"), Error::Closed { .. }));
    }

    #[test]
    fn a_bad_line_is_refused_before_the_head_is_complete() {
        let start = b"HTTP/1.1 200 OK\r\nx y: 1";
        let mut reader = get();
        assert!(matches!(reader.read(start), Ok(HeadRead::Incomplete)));
        let line = [start, &b"\r\n"[..]].concat();
        let error = reader.read(&line).unwrap_err();
        let expected = "expected a field name, and a colon right behind it, saw \"x y: 1\\r\\n\"";
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn a_request_that_closes_is_heeded() {
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
        for (connection, expected) in [("close", false), ("keep-alive", true)] {
            let request = Request::get("/").header("connection", connection);
            let (request, ()) = request.body(()).unwrap().into_parts();
            let mut reader = HeadReader::for_request(&request);
            let Ok(HeadRead::Final { mut body, .. }) = reader.read(answer) else {
                panic!("the head is whole");
            };
            assert_eq!(body.read(b""), Ok(BodyRead::Complete { consumed: 0 }));
            assert_eq!(body.keep_alive(), expected);
        }
    }
}
