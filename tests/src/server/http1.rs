//! HTTP/1.1 on a blocking socket, as far as a test server needs it (RFC 9112).

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::memory::{BLOCK, Pool};
use crate::model::Response;

/// A request's head.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) method: Method,
    pub(crate) target: Bytes,
    pub(crate) headers: HeaderMap,
    pub(crate) framing: Framing,
    pub(crate) keep_alive: bool,
    pub(crate) expects_continue: bool,
}

/// How long a request's body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    Length(u64),
    Chunked,
}

/// Why a request can't be read.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// The connection ended, or was silent for too long.
    Gone,
    /// This is no HTTP that we take: answer with this status, then close.
    Bad(u16, &'static str),
}

impl From<io::Error> for ReadError {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

/// The most headers of a request.
const MAX_HEADERS: usize = 100;
/// Bytes that one read asks for, so that no large body passes through the small buffer.
const READ: usize = 16 << 10;
/// Below this, memory of the right size is taken in place of a block.
const SMALL: usize = BLOCK / 4;
/// The longest line that frames a chunk.
const MAX_LINE: usize = 1_024;
/// Slices that one call of writev takes.
const SLICES: usize = 64;

/// The reading half: a socket and what was read too far.
#[derive(Debug)]
pub(crate) struct Reader {
    stream: TcpStream,
    buffer: Vec<u8>,
    pool: Arc<Pool>,
}

impl Reader {
    pub(crate) const fn new(stream: TcpStream, pool: Arc<Pool>) -> Self {
        Self {
            stream,
            buffer: Vec::new(),
            pool,
        }
    }

    pub(crate) const fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Reads a head of at most `limit` bytes, and its exact bytes.
    pub(crate) fn head(&mut self, limit: usize) -> Result<(Head, Vec<u8>), ReadError> {
        loop {
            // A CRLF before a request is forgiven (RFC 9112, section 2.2).
            while self.buffer.starts_with(b"\r\n") {
                self.buffer.drain(..2);
            }
            if let Some((head, len)) = parse(&self.buffer)? {
                let rest = self.buffer.split_off(len);
                let raw = std::mem::replace(&mut self.buffer, rest);
                return Ok((head, raw));
            }
            if self.buffer.len() >= limit {
                return Err(ReadError::Bad(431, "the head is too long"));
            }
            self.more()?;
        }
    }

    /// Reads a body of at most `limit` bytes.
    pub(crate) fn body(&mut self, framing: Framing, limit: u64) -> Result<Vec<Bytes>, ReadError> {
        match framing {
            Framing::Length(0) => Ok(Vec::new()),
            Framing::Length(len) if len > limit => Err(ReadError::Bad(413, "the body is too long")),
            Framing::Length(len) => {
                let mut pieces = Vec::new();
                self.exactly(len, &mut pieces)?;
                Ok(pieces)
            }
            Framing::Chunked => self.chunked(limit),
        }
    }

    /// Reads and drops what comes until the peer ends or goes silent.
    pub(crate) fn drain(&mut self) {
        let mut sink = vec![0; READ];
        while matches!(self.stream.read(&mut sink), Ok(1..)) {}
    }

    fn more(&mut self) -> Result<(), ReadError> {
        let start = self.buffer.len();
        self.buffer.resize(start + READ, 0);
        let read = retry(|| self.stream.read(&mut self.buffer[start..]));
        self.buffer
            .truncate(start + read.as_ref().map_or(0, |count| *count));
        match read? {
            0 => Err(ReadError::Gone),
            _ => Ok(()),
        }
    }

    /// Whole blocks come from the pool, which spares the first touch of their pages; the only
    /// copy of a body is the kernel's.
    fn exactly(&mut self, len: u64, pieces: &mut Vec<Bytes>) -> Result<(), ReadError> {
        let mut left = len;
        while left > 0 {
            let here = usize::try_from(left).map_or(BLOCK, |left| left.min(BLOCK));
            if here < SMALL {
                let mut memory = vec![0; here];
                self.fill(&mut memory)?;
                pieces.push(Bytes::from(memory));
            } else {
                let mut block = self.pool.take();
                self.fill(&mut block.as_mut()[..here])?;
                pieces.push(block.freeze(here));
            }
            left -= here as u64;
        }
        Ok(())
    }

    /// First what was read too far, then from the socket.
    fn fill(&mut self, into: &mut [u8]) -> Result<(), ReadError> {
        let known = self.buffer.len().min(into.len());
        into[..known].copy_from_slice(&self.buffer[..known]);
        self.buffer.drain(..known);
        self.stream.read_exact(&mut into[known..])?;
        Ok(())
    }

    fn chunked(&mut self, limit: u64) -> Result<Vec<Bytes>, ReadError> {
        let bad = ReadError::Bad;
        let mut pieces = Vec::new();
        let mut total: u64 = 0;
        loop {
            let line = self.line()?;
            let size = line.split(|byte| *byte == b';').next().unwrap_or_default();
            let digits = std::str::from_utf8(size).unwrap_or_default().trim();
            let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
            let size = u64::from_str_radix(digits, 16).ok().filter(|_| plain);
            let size = size.ok_or(bad(400, "a chunk size is not a hexadecimal number"))?;
            if size == 0 {
                break;
            }
            total = total.saturating_add(size);
            if total > limit {
                return Err(bad(413, "the body is too long"));
            }
            self.exactly(size, &mut pieces)?;
            if !self.line()?.is_empty() {
                return Err(bad(400, "a chunk is longer than its size line says"));
            }
        }
        while !self.line()?.is_empty() {}
        Ok(pieces)
    }

    fn line(&mut self) -> Result<Vec<u8>, ReadError> {
        loop {
            if let Some(at) = self.buffer.windows(2).position(|pair| pair == b"\r\n") {
                let rest = self.buffer.split_off(at + 2);
                let mut line = std::mem::replace(&mut self.buffer, rest);
                line.truncate(at);
                return Ok(line);
            }
            if self.buffer.len() > MAX_LINE {
                return Err(ReadError::Bad(
                    400,
                    "a line that frames a chunk is too long",
                ));
            }
            self.more()?;
        }
    }
}

/// The bytes of an answer's head.
pub(crate) fn encode_head(response: &Response, keep_alive: bool) -> Vec<u8> {
    let reason = response.status.canonical_reason().unwrap_or_default();
    let mut head = format!("HTTP/1.1 {} {reason}\r\n", response.status.as_u16()).into_bytes();
    for (name, value) in &response.headers {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    if !keep_alive {
        head.extend_from_slice(b"connection: close\r\n");
    }
    head.extend_from_slice(b"\r\n");
    head
}

/// Writes all slices, many with one call.
pub(crate) fn write_all(mut stream: &TcpStream, slices: &[&[u8]]) -> io::Result<()> {
    let mut pending: Vec<IoSlice<'_>> = slices
        .iter()
        .filter(|slice| !slice.is_empty())
        .map(|slice| IoSlice::new(slice))
        .collect();
    let mut pending = pending.as_mut_slice();
    while !pending.is_empty() {
        let batch = pending.len().min(SLICES);
        let written = retry(|| stream.write_vectored(&pending[..batch]))?;
        if written == 0 {
            return Err(ErrorKind::WriteZero.into());
        }
        IoSlice::advance_slices(&mut pending, written);
    }
    Ok(())
}

fn retry<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// A head, if all of it is there, and its length.
fn parse(buffer: &[u8]) -> Result<Option<(Head, usize)>, ReadError> {
    let mut slots = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut slots);
    let len = match parsed.parse(buffer) {
        Ok(httparse::Status::Complete(len)) => len,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => {
            return Err(ReadError::Bad(431, "there are too many headers"));
        }
        Err(_) => return Err(ReadError::Bad(400, "the head is not HTTP/1.1")),
    };
    let bad = |why| ReadError::Bad(400, why);
    let method = parsed.method.and_then(|name| name.parse().ok());
    let target = parsed.path.unwrap_or_default();
    let mut headers = HeaderMap::with_capacity(parsed.headers.len());
    for header in parsed.headers.iter() {
        let name = HeaderName::from_bytes(header.name.as_bytes());
        let value = HeaderValue::from_bytes(header.value);
        let (Ok(name), Ok(value)) = (name, value) else {
            return Err(bad("a header is malformed"));
        };
        headers.append(name, value);
    }
    let modern = parsed.version == Some(1);
    if modern && headers.get_all(http::header::HOST).iter().count() != 1 {
        return Err(bad("there must be one Host header"));
    }
    let has = |name: &str, word: &str| {
        headers.get_all(name).iter().any(|value| {
            let text = value.to_str().unwrap_or_default();
            text.split(',')
                .any(|item| item.trim().eq_ignore_ascii_case(word))
        })
    };
    let head = Head {
        method: method.ok_or(bad("the method is malformed"))?,
        target: origin_form(target),
        framing: framing(&headers)?,
        keep_alive: if modern {
            !has("connection", "close")
        } else {
            has("connection", "keep-alive")
        },
        expects_continue: modern && has("expect", "100-continue"),
        headers,
    };
    Ok(Some((head, len)))
}

/// `http://host/path` is sent to proxies: the rest is looked at.
fn origin_form(target: &str) -> Bytes {
    let after_scheme = target.strip_prefix("http://");
    let path = after_scheme.map(|rest| rest.find('/').map_or("/", |at| &rest[at..]));
    Bytes::copy_from_slice(path.unwrap_or(target).as_bytes())
}

/// RFC 9112, section 6.3, without the leniency.
fn framing(headers: &HeaderMap) -> Result<Framing, ReadError> {
    let bad = |why| ReadError::Bad(400, why);
    let lengths: Vec<&HeaderValue> = headers.get_all("content-length").iter().collect();
    let codings: Vec<&HeaderValue> = headers.get_all("transfer-encoding").iter().collect();
    match (lengths.as_slice(), codings.as_slice()) {
        ([], []) => Ok(Framing::Length(0)),
        ([], [coding]) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => {
            Ok(Framing::Chunked)
        }
        ([], _) => Err(ReadError::Bad(501, "the transfer coding is not chunked")),
        ([length], []) => {
            let digits = length.to_str().unwrap_or_default();
            let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            let length = digits.parse().ok().filter(|_| plain);
            Ok(Framing::Length(
                length.ok_or(bad("Content-Length is not a number"))?,
            ))
        }
        _ => Err(bad("the length of the body is ambiguous")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framing_of(headers: &str) -> Option<Framing> {
        let head = format!("PUT /b/k HTTP/1.1\r\nhost: x\r\n{headers}\r\n");
        let parsed = parse(head.as_bytes()).ok()?;
        parsed.map(|(head, _)| head.framing)
    }

    #[test]
    fn only_an_unambiguous_length_is_taken() {
        assert_eq!(framing_of(""), Some(Framing::Length(0)));
        assert_eq!(
            framing_of("content-length: 5\r\n"),
            Some(Framing::Length(5))
        );
        let chunked = framing_of("transfer-encoding: chunked\r\n");
        assert_eq!(chunked, Some(Framing::Chunked));
        for bad in [
            "content-length: +5\r\n",
            "content-length: 5, 5\r\n",
            "content-length: 5\r\ncontent-length: 5\r\n",
            "content-length: 5\r\ntransfer-encoding: chunked\r\n",
            "transfer-encoding: gzip\r\n",
            "host: y\r\n",
        ] {
            assert_eq!(framing_of(bad), None, "{bad}");
        }
    }
}
