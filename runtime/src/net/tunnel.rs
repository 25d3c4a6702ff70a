use std::fmt;

use http::{HeaderValue, StatusCode};
use sans3_core::error::TransportErrorKind;

use super::{Fault, Origin};

/// The most bytes of a proxy's answer, interim ones included.
const MAX_HEAD: usize = 64 * 1024;

/// The most fields of a proxy's answer.
const MAX_FIELDS: usize = 128;

/// What every answer begins with.
const HTTP: &[u8] = b"HTTP/1.";

/// A tunnel to an origin through a proxy, as it is asked for (RFC 9110, section 9.3.6): no
/// sockets, only what is said on one.
///
/// Send [`request`](Self::request), then give [`read`](Self::read) what comes, until it says
/// [`Progress::Open`]; from then on the connection leads to the origin.
pub struct Tunnel {
    authority: String,
    proxy: String,
    authorization: Option<HeaderValue>,
    /// What came of a head that is not complete.
    head: Vec<u8>,
    /// How many bytes were read of complete heads, all of them interim ones.
    passed: usize,
    open: bool,
}

/// How far a tunnel is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The answer is not complete: read more.
    More,
    /// The connection leads to the origin.
    Open,
}

impl Tunnel {
    /// A tunnel to `origin`; `proxy` is the proxy's name for errors.
    pub(super) fn new(origin: &Origin, proxy: String, authorization: Option<HeaderValue>) -> Self {
        Self {
            authority: origin.authority(),
            proxy,
            authorization,
            head: Vec::new(),
            passed: 0,
            open: false,
        }
    }

    /// The bytes to send first. They may hold a password.
    pub fn request(&self) -> Vec<u8> {
        let authority = &self.authority;
        let head = format!("CONNECT {authority} HTTP/1.1\r\nhost: {authority}\r\n");
        let mut bytes = head.into_bytes();
        if let Some(value) = &self.authorization {
            bytes.extend_from_slice(b"proxy-authorization: ");
            bytes.extend_from_slice(value.as_bytes());
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
        bytes
    }

    /// Takes what the proxy sent, in pieces of any size. 2xx opens the tunnel, whatever the
    /// answer's fields say about a body: it has none.
    ///
    /// # Errors
    /// Any other status, an answer that is not HTTP or too large, and bytes behind it: a TLS server
    /// does not speak first, so they are not the origin's. The connection is of no more use then.
    pub fn read(&mut self, bytes: &[u8]) -> Result<Progress, Fault> {
        for (index, &byte) in bytes.iter().enumerate() {
            if self.open {
                let left = bytes.len() - index;
                let seen = format!("sent {left} bytes behind its answer, where none were expected");
                return Err(self.fault(TransportErrorKind::BadHttp, seen));
            }
            self.take(byte)?;
        }
        Ok(if self.open {
            Progress::Open
        } else {
            Progress::More
        })
    }

    /// The proxy closed the connection before the tunnel was open.
    pub fn eof(&self) -> Fault {
        let seen = "closed the connection before it answered";
        self.fault(TransportErrorKind::Connect, seen)
    }

    /// One byte of a head. What can't become one is refused at once, as its end may never come.
    fn take(&mut self, byte: u8) -> Result<(), Fault> {
        let at = self.head.len();
        if HTTP.get(at).is_some_and(|expected| *expected != byte) {
            return Err(self.no_http());
        }
        if self.passed + at >= MAX_HEAD {
            let seen = format!("sent more than {MAX_HEAD} bytes without an end of its answer");
            return Err(self.fault(TransportErrorKind::HeadTooLarge, seen));
        }
        let after_cr = self.head.last() == Some(&b'\r');
        if after_cr != (byte == b'\n') {
            return Err(self.no_http());
        }
        self.head.push(byte);
        if self.head.ends_with(b"\r\n\r\n") {
            let status = self.status()?;
            self.passed += self.head.len();
            self.head.clear();
            self.judge(status)?;
        }
        Ok(())
    }

    fn status(&self) -> Result<StatusCode, Fault> {
        let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut answer = httparse::Response::new(&mut fields);
        match answer.parse(&self.head) {
            Ok(httparse::Status::Complete(_)) => {}
            Ok(httparse::Status::Partial) => return Err(self.no_http()),
            Err(httparse::Error::TooManyHeaders) => {
                let seen = format!("sent more than {MAX_FIELDS} fields");
                return Err(self.fault(TransportErrorKind::HeadTooLarge, seen));
            }
            Err(_) => return Err(self.no_http()),
        }
        let code = answer.code.map(StatusCode::from_u16);
        code.and_then(Result::ok).ok_or_else(|| self.no_http())
    }

    fn judge(&mut self, status: StatusCode) -> Result<(), Fault> {
        match status {
            StatusCode::SWITCHING_PROTOCOLS => {}
            // More is to come (RFC 9110, section 15.2).
            status if status.is_informational() => return Ok(()),
            status if status.is_success() => {
                self.open = true;
                return Ok(());
            }
            _ => {}
        }
        let hint = match (status, &self.authorization) {
            (StatusCode::PROXY_AUTHENTICATION_REQUIRED, None) => {
                ": it needs credentials; give them as http://user:password@host:port"
            }
            (StatusCode::PROXY_AUTHENTICATION_REQUIRED, Some(_)) => {
                ": it did not take the credentials that its URL holds"
            }
            _ => "",
        };
        // The words are the usual ones for the code: the proxy's own may say anything.
        let (code, words) = (
            status.as_u16(),
            status.canonical_reason().unwrap_or("unknown"),
        );
        let seen = format!("answered {code} ({words}), where 2xx was expected{hint}");
        Err(self.fault(TransportErrorKind::Connect, seen))
    }

    fn no_http(&self) -> Fault {
        let seen = "sent what is not an answer of HTTP/1";
        self.fault(TransportErrorKind::BadHttp, seen)
    }

    fn fault(&self, kind: TransportErrorKind, seen: impl fmt::Display) -> Fault {
        let Self {
            authority, proxy, ..
        } = self;
        let detail = format!("the proxy {proxy}, asked for a tunnel to {authority}, {seen}");
        Fault::new(kind, detail)
    }
}

impl fmt::Debug for Tunnel {
    /// Shows nothing of what was said.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tunnel")
            .field("authority", &self.authority)
            .field("proxy", &self.proxy)
            .field("open", &self.open)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fresh() -> Tunnel {
        let origin = Origin::of(&"https://x.example/k".parse().unwrap());
        Tunnel::new(&origin, "p port 3128".into(), None)
    }

    fn refusal(answer: &[u8]) -> Fault {
        let whole = fresh().read(answer).unwrap_err();
        let mut tunnel = fresh();
        let mut pieces = answer.chunks(1).map(|piece| tunnel.read(piece));
        let byte_by_byte = pieces.find_map(Result::err).unwrap();
        assert_eq!(whole.kind, byte_by_byte.kind);
        whole
    }

    #[test]
    fn the_request_names_the_origin_and_nothing_else() {
        let expected = b"CONNECT x.example:443 HTTP/1.1\r\nhost: x.example:443\r\n\r\n";
        assert_eq!(fresh().request(), expected);
        let origin = Origin::of(&"https://[::1]:9000".parse().unwrap());
        let login = Some(HeaderValue::from_static("Basic dTpw"));
        let asked = Tunnel::new(&origin, "p".into(), login).request();
        let expected = b"CONNECT [::1]:9000 HTTP/1.1\r\nhost: [::1]:9000\r\n\
                         proxy-authorization: Basic dTpw\r\n\r\n";
        assert_eq!(asked, expected);
    }

    #[test]
    fn success_opens_it_in_pieces_of_any_size() {
        for answer in [
            &b"HTTP/1.1 200 Connection established\r\n\r\n"[..],
            b"HTTP/1.0 200 OK\r\nVia: p\r\n\r\n",
            b"HTTP/1.1 299\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"HTTP/1.1 103 Early Hints\r\na: b\r\n\r\nHTTP/1.1 100\r\n\r\nHTTP/1.1 200 \r\n\r\n",
        ] {
            assert_eq!(fresh().read(answer), Ok(Progress::Open));
            for size in [1, 3, 17] {
                let mut tunnel = fresh();
                let mut pieces = answer.chunks(size).peekable();
                while let Some(piece) = pieces.next() {
                    let expected = match pieces.peek() {
                        Some(_) => Progress::More,
                        None => Progress::Open,
                    };
                    assert_eq!(tunnel.read(piece), Ok(expected));
                }
            }
        }
        assert_eq!(fresh().read(b""), Ok(Progress::More));
    }

    #[test]
    fn any_other_status_is_told_with_the_proxys_name() {
        for code in ["101", "301", "403", "407", "500", "502", "999"] {
            let fault = refusal(format!("HTTP/1.1 {code} trust me\r\n\r\n").as_bytes());
            assert_eq!(fault.kind, TransportErrorKind::Connect, "{code}");
            for part in ["p port 3128", "x.example:443", code] {
                assert!(fault.detail.contains(part), "{}", fault.detail);
            }
            assert!(!fault.detail.contains("trust me"), "{}", fault.detail);
        }
    }

    #[test]
    fn a_proxy_that_wants_credentials_says_so() {
        let answer = b"HTTP/1.1 407 x\r\nProxy-Authenticate: Basic\r\n\r\n";
        let without = fresh().read(answer).unwrap_err();
        assert!(
            without.detail.contains("needs credentials"),
            "{}",
            without.detail
        );
        let mut tunnel = fresh();
        tunnel.authorization = Some(HeaderValue::from_static("Basic dTpw"));
        let with = tunnel.read(answer).unwrap_err();
        assert!(
            with.detail.contains("did not take the credentials"),
            "{}",
            with.detail
        );
        assert!(!with.detail.contains("dTpw"), "{}", with.detail);
    }

    #[test]
    fn bytes_behind_the_answer_are_refused() {
        let fault = fresh().read(b"HTTP/1.1 200 OK\r\n\r\nhello").unwrap_err();
        assert_eq!(fault.kind, TransportErrorKind::BadHttp);
        assert!(fault.detail.contains("5 bytes behind"), "{}", fault.detail);
        let mut tunnel = fresh();
        tunnel.read(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        assert!(tunnel.read(b"h").is_err());
        assert_eq!(tunnel.read(b""), Ok(Progress::Open));
    }

    #[test]
    fn what_is_not_http_is_refused_at_once() {
        for answer in [
            &b"SSH-2.0-x\r\n"[..],
            b"\x15\x03\x01\x00\x02",
            b"\r\n",
            b"HTTP/2 200\r\n\r\n",
            b"HTTP/1.1 200 OK\n",
            b"HTTP/1.1 200 OK\r\na: b\rc",
            b"HTTP/1.1 20\r\n\r\n",
            b"HTTP/1.1 099 x\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n a: b\r\n\r\n",
            b"HTTP/1.1 200 OK\r\na : b\r\n\r\n",
            b"HTTP/1.1 200 OK\r\na: b\0\r\n\r\n",
            b"HTTP/1.1 100\r\n\r\nX",
        ] {
            let fault = refusal(answer);
            assert_eq!(
                fault.kind,
                TransportErrorKind::BadHttp,
                "{}",
                answer.escape_ascii()
            );
        }
    }

    #[test]
    fn an_answer_is_bounded_in_bytes_and_fields() {
        let mut long = b"HTTP/1.1 200 OK\r\na: ".to_vec();
        long.resize(MAX_HEAD, b'x');
        let mut tunnel = fresh();
        assert_eq!(tunnel.read(&long), Ok(Progress::More));
        let fault = tunnel.read(b"x").unwrap_err();
        assert_eq!(fault.kind, TransportErrorKind::HeadTooLarge);

        let endless = b"HTTP/1.1 100 Continue\r\n\r\n".repeat(MAX_HEAD / 25 + 1);
        assert_eq!(refusal(&endless).kind, TransportErrorKind::HeadTooLarge);

        let fields = |count| format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(count));
        let mut most = fresh();
        assert_eq!(most.read(fields(MAX_FIELDS).as_bytes()), Ok(Progress::Open));
        let fault = refusal(fields(MAX_FIELDS + 1).as_bytes());
        assert_eq!(fault.kind, TransportErrorKind::HeadTooLarge);
    }

    #[test]
    fn a_proxy_that_closes_is_named() {
        let fault = fresh().eof();
        assert_eq!(fault.kind, TransportErrorKind::Connect);
        assert!(fault.detail.contains("p port 3128"), "{}", fault.detail);
    }
}
