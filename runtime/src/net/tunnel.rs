use std::fmt;

use http::header::PROXY_AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use sans3_core::error::TransportErrorKind;
use sans3_core::http1::{self, HeadRead, HeadReader};

use super::{Fault, Origin};

/// A tunnel to an origin through a proxy, as it is asked for (RFC 9110, section 9.3.6): no
/// sockets, only what is said on one.
///
/// Send [`request`](Self::request), then give [`read`](Self::read) what comes, until it says
/// [`Progress::Open`]; from then on the connection leads to the origin.
pub struct Tunnel {
    authority: String,
    proxy: String,
    authorization: Option<HeaderValue>,
    reader: HeadReader,
    /// What came of a head that is not complete.
    head: Vec<u8>,
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
            reader: HeadReader::new(&Method::CONNECT),
            head: Vec::new(),
            open: false,
        }
    }

    /// The bytes to send first. They may hold a password.
    ///
    /// # Errors
    /// [`TransportErrorKind::Other`]: the origin is not one that can be asked for.
    pub fn request(&self) -> Result<Vec<u8>, Fault> {
        let mut fields = HeaderMap::new();
        if let Some(value) = &self.authorization {
            fields.insert(PROXY_AUTHORIZATION, value.clone());
        }
        let mut bytes = Vec::new();
        http1::connect_head(&self.authority, &fields, &mut bytes)
            .map_err(|error| self.misread(&error))?;
        Ok(bytes)
    }

    /// Takes what the proxy sent, in pieces of any size. 2xx opens the tunnel, whatever the
    /// answer's fields say about a body: it has none.
    ///
    /// # Errors
    /// Any other status, an answer that is not HTTP or too large, and bytes behind it: a TLS server
    /// does not speak first, so they are not the origin's. The connection is of no more use then.
    pub fn read(&mut self, bytes: &[u8]) -> Result<Progress, Fault> {
        self.head.extend_from_slice(bytes);
        while !self.open {
            match self.reader.read(&self.head) {
                Ok(HeadRead::Incomplete) => return Ok(Progress::More),
                // More is to come (RFC 9110, section 15.2).
                Ok(HeadRead::Interim { consumed, .. }) => drop(self.head.drain(..consumed)),
                Ok(HeadRead::Final { head, consumed, .. }) => {
                    self.judge(head.status)?;
                    self.head.drain(..consumed);
                    self.open = true;
                }
                Err(error) => return Err(self.misread(&error)),
            }
        }
        match self.head.len() {
            0 => Ok(Progress::Open),
            left => {
                let seen = format!("sent {left} bytes behind its answer, where none were expected");
                Err(self.fault(TransportErrorKind::BadHttp, seen))
            }
        }
    }

    /// The proxy closed the connection before the tunnel was open.
    pub fn eof(&self) -> Fault {
        let seen = "closed the connection before it answered";
        self.fault(TransportErrorKind::Connect, seen)
    }

    /// Anything but success is a refusal.
    fn judge(&self, status: StatusCode) -> Result<(), Fault> {
        if status.is_success() {
            return Ok(());
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

    fn misread(&self, error: &http1::Error) -> Fault {
        self.fault(error.kind(), format_args!("went wrong: {error}"))
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
        assert_eq!(fresh().request().unwrap(), expected);
        let origin = Origin::of(&"https://[::1]:9000".parse().unwrap());
        let login = Some(HeaderValue::from_static("Basic dTpw"));
        let asked = Tunnel::new(&origin, "p".into(), login).request().unwrap();
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
        assert_eq!(tunnel.read(b""), Ok(Progress::Open));
        assert!(tunnel.read(b"h").is_err());
    }

    #[test]
    fn what_is_not_http_is_refused_at_once() {
        for answer in [
            &b"SSH-2.0-x\r\n"[..],
            b"\x15\x03\x01\x00\x02\x02\x46\x00",
            b"\r\nHTTP/1.",
            b"HTTP/2 200\r\n\r\n",
            b"HTTP/1.1 200 OK\n",
            b"HTTP/1.1 200 OK\r\na: b\rc",
            b"HTTP/1.1 20\r\n\r\n",
            b"HTTP/1.1 099 x\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n a: b\r\n\r\n",
            b"HTTP/1.1 200 OK\r\na : b\r\n\r\n",
            b"HTTP/1.1 200 OK\r\na: b\0\r\n\r\n",
            b"HTTP/1.1 100\r\n\r\nno answer",
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
        long.resize(http1::MAX_HEAD - 1, b'x');
        let mut tunnel = fresh();
        assert_eq!(tunnel.read(&long), Ok(Progress::More));
        let fault = tunnel.read(b"x").unwrap_err();
        assert_eq!(fault.kind, TransportErrorKind::HeadTooLarge);

        let endless = b"HTTP/1.1 100 Continue\r\n\r\n".repeat(http1::MAX_INTERIM / 25 + 1);
        assert_eq!(refusal(&endless).kind, TransportErrorKind::HeadTooLarge);

        let fields = |count| format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(count));
        let mut most = fresh();
        assert_eq!(
            most.read(fields(http1::MAX_FIELDS).as_bytes()),
            Ok(Progress::Open)
        );
        let fault = refusal(fields(http1::MAX_FIELDS + 1).as_bytes());
        assert_eq!(fault.kind, TransportErrorKind::HeadTooLarge);
    }

    #[test]
    fn a_proxy_that_closes_is_named() {
        let fault = fresh().eof();
        assert_eq!(fault.kind, TransportErrorKind::Connect);
        assert!(fault.detail.contains("p port 3128"), "{}", fault.detail);
    }
}
