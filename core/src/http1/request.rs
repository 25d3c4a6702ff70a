use http::header::{CONTENT_LENGTH, EXPECT, HOST, HeaderMap, TRANSFER_ENCODING};
use http::uri::Authority;
use http::{Method, Version, request};

use super::Error;

/// The form of the request target (RFC 9112, section 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Path and query: to the server itself, also through a tunnel.
    Origin,
    /// Scheme, authority, path and query: to a proxy that passes plain HTTP on.
    Absolute,
}

/// The body that follows a request head (RFC 9112, section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestBody {
    /// None, and no field that says so.
    None,
    /// So many bytes, as `Content-Length`. Zero is said too, as methods that have bodies need it.
    Length(u64),
    /// Chunks, which the caller frames itself.
    Chunked,
}

/// Appends a request head to `out`: request line, `Host`, the fields as they are, and those that
/// frame the body.
///
/// - `head.uri` may be absolute; `target` picks the form that is sent, whose bytes are those of
///   the URI.
/// - `Host` is the URI's authority, unless `head.headers` has one.
/// - `Content-Length` and `Transfer-Encoding` follow from `body`. A `Content-Length` among the
///   fields must say the same, and is then sent once.
/// - `expect_continue` adds `Expect: 100-continue`: the body is held back until an interim answer
///   comes, or none came for a while (RFC 9110, section 10.1.1).
///
/// # Errors
///
/// [`Error::Request`], with `out` as it was, where the head would not mean to every recipient what
/// it means here: a URI without the needed parts, with user information or with bytes other than
/// visible ASCII; `CONNECT` (see [`connect_head`]); another version than HTTP/1.1; more than one
/// `Host`; a length that contradicts the body; a `Transfer-Encoding` among the fields; an
/// expectation without a body. That no name or value breaks its line is guaranteed by
/// [`HeaderMap`].
pub fn write_head(
    head: &request::Parts,
    target: Target,
    body: RequestBody,
    expect_continue: bool,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    if head.version != Version::HTTP_11 {
        return Err(Error::request(
            "version HTTP/1.1",
            format!("{:?}", head.version),
        ));
    }
    let line = request_line(head, target)?;
    let host = host(head)?;
    check_framing(&head.headers, body)?;
    let has_body = !matches!(body, RequestBody::None | RequestBody::Length(0));
    let expects = expect_continue || head.headers.contains_key(EXPECT);
    if expects && !has_body {
        return Err(Error::request(
            "a body to hold back",
            "an expectation and no body",
        ));
    }

    out.extend_from_slice(line.as_bytes());
    if let Some(host) = host {
        field(out, HOST.as_str(), host.as_bytes());
    }
    fields(out, &head.headers);
    match body {
        RequestBody::Length(length) if !head.headers.contains_key(CONTENT_LENGTH) => {
            field(out, CONTENT_LENGTH.as_str(), length.to_string().as_bytes());
        }
        RequestBody::Chunked => field(out, TRANSFER_ENCODING.as_str(), b"chunked"),
        RequestBody::Length(_) | RequestBody::None => {}
    }
    if expect_continue && !head.headers.contains_key(EXPECT) {
        field(out, EXPECT.as_str(), b"100-continue");
    }
    out.extend_from_slice(b"\r\n");
    Ok(())
}

/// Appends the head of a `CONNECT` request, which asks a proxy for a tunnel (RFC 9110, section
/// 9.3.6). `authority` is the server's host and port; `fields` are for the proxy alone, such as
/// `Proxy-Authorization`.
///
/// # Errors
///
/// [`Error::Request`], with `out` as it was: `authority` is not a host with a port, or `fields`
/// have a `Host` or frame a body, which such a request doesn't have.
pub fn connect_head(authority: &str, fields: &HeaderMap, out: &mut Vec<u8>) -> Result<(), Error> {
    let parsed = authority.parse::<Authority>().ok();
    let parsed = parsed.filter(|parsed| parsed.port().is_some() && !parsed.host().is_empty());
    // What is refused is not repeated: it may hold a password.
    let Some(parsed) = parsed.filter(|parsed| !parsed.as_str().contains('@')) else {
        let expected = "a host and a port to connect to";
        return Err(Error::request(expected, "something else"));
    };
    for name in [HOST, CONTENT_LENGTH, TRANSFER_ENCODING] {
        if fields.contains_key(&name) {
            let expected = "no Host and no body beside CONNECT";
            return Err(Error::request(expected, format!("a field {name}")));
        }
    }
    out.extend_from_slice(format!("CONNECT {parsed} HTTP/1.1\r\n").as_bytes());
    field(out, HOST.as_str(), parsed.as_str().as_bytes());
    self::fields(out, fields);
    out.extend_from_slice(b"\r\n");
    Ok(())
}

fn request_line(head: &request::Parts, target: Target) -> Result<String, Error> {
    let uri = &head.uri;
    if head.method == Method::CONNECT {
        return Err(Error::request("a method with a path", "CONNECT"));
    }
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    // "http://host?query" has an empty path, which is sent as "/" (RFC 9112, section 3.2.1).
    let slash = if path.starts_with('/') { "" } else { "/" };
    let target = match target {
        Target::Origin if path == "*" && head.method == Method::OPTIONS => path.to_owned(),
        Target::Origin => format!("{slash}{path}"),
        Target::Absolute => {
            let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
                return Err(Error::request("an absolute URI", "a path alone"));
            };
            no_user_information(authority)?;
            format!("{scheme}://{authority}{slash}{path}")
        }
    };
    if let Some(byte) = target.bytes().find(|byte| !byte.is_ascii_graphic()) {
        let expected = "a percent-encoded target";
        return Err(Error::request(
            expected,
            format!("the byte 0x{byte:02x} in it"),
        ));
    }
    Ok(format!("{} {target} HTTP/1.1\r\n", head.method))
}

/// The `Host` to add; `None` where the fields have it.
fn host(head: &request::Parts) -> Result<Option<&str>, Error> {
    match head.headers.get_all(HOST).iter().count() {
        0 => {
            let Some(authority) = head.uri.authority() else {
                return Err(Error::request("a Host field or an absolute URI", "neither"));
            };
            no_user_information(authority)?;
            Ok(Some(authority.as_str()))
        }
        1 => Ok(None),
        many => Err(Error::request("one Host field", many.to_string())),
    }
}

/// RFC 9110, section 4.2.4: user information must not be sent.
fn no_user_information(authority: &Authority) -> Result<(), Error> {
    if authority.as_str().contains('@') {
        // Not repeated: it may be a password.
        return Err(Error::request(
            "a host and a port",
            "user information before the host",
        ));
    }
    Ok(())
}

fn check_framing(fields: &HeaderMap, body: RequestBody) -> Result<(), Error> {
    if fields.contains_key(TRANSFER_ENCODING) {
        let expected = "framing as the body's kind says";
        return Err(Error::request(expected, "a field transfer-encoding"));
    }
    let mut declared = fields.get_all(CONTENT_LENGTH).iter();
    let Some(length) = declared.next() else {
        return Ok(());
    };
    let agrees = match body {
        RequestBody::None => length == "0",
        RequestBody::Length(expected) => *length == expected.to_string(),
        RequestBody::Chunked => false,
    };
    if !agrees || declared.next().is_some() {
        let expected = "at most one content-length, equal to the body's";
        return Err(Error::request(expected, format!("{length:?} for {body:?}")));
    }
    Ok(())
}

fn fields(out: &mut Vec<u8>, fields: &HeaderMap) {
    for (name, value) in fields {
        field(out, name.as_str(), value.as_bytes());
    }
}

fn field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, Request};

    use super::*;

    fn written(
        request: request::Builder,
        target: Target,
        body: RequestBody,
        expect_continue: bool,
    ) -> Result<String, Error> {
        let head = request.body(()).unwrap().into_parts().0;
        let mut out = b"before".to_vec();
        let result = write_head(&head, target, body, expect_continue, &mut out);
        let text = String::from_utf8(out).unwrap();
        let text = text.strip_prefix("before").unwrap().to_owned();
        assert!(result.is_ok() || text.is_empty(), "{text}");
        result.map(|()| text)
    }

    fn get(uri: &str, target: Target) -> Result<String, Error> {
        written(Request::get(uri), target, RequestBody::None, false)
    }

    fn request_line(uri: &str, target: Target) -> String {
        let head = get(uri, target).unwrap();
        head.lines().next().unwrap().to_owned()
    }

    #[test]
    fn a_head_is_the_request_line_the_host_and_the_fields() {
        let request = Request::put("https://data.example:8443/b/a%2Fb?x=1&y")
            .header("X-Amz-Date", "now")
            .header("accept", "a")
            .header("accept", "b");
        let head = written(request, Target::Origin, RequestBody::Length(5), true).unwrap();
        let expected = "PUT /b/a%2Fb?x=1&y HTTP/1.1\r\nhost: data.example:8443\r\n\
            x-amz-date: now\r\naccept: a\r\naccept: b\r\ncontent-length: 5\r\n\
            expect: 100-continue\r\n\r\n";
        assert_eq!(head, expected);
    }

    #[test]
    fn targets_are_sent_as_they_are() {
        for (uri, origin, absolute) in [
            ("http://h", "/", "http://h/"),
            ("http://h?q=1", "/?q=1", "http://h/?q=1"),
            ("http://h//a/../b?", "//a/../b?", "http://h//a/../b?"),
            ("http://[::1]:80/%7e~", "/%7e~", "http://[::1]:80/%7e~"),
        ] {
            let line = request_line(uri, Target::Origin);
            assert_eq!(line, format!("GET {origin} HTTP/1.1"));
            let line = request_line(uri, Target::Absolute);
            assert_eq!(line, format!("GET {absolute} HTTP/1.1"));
        }
        let all = Request::options("*").header(HOST, "h");
        let head = written(all, Target::Origin, RequestBody::None, false).unwrap();
        assert_eq!(head, "OPTIONS * HTTP/1.1\r\nhost: h\r\n\r\n");
    }

    #[test]
    fn a_host_among_the_fields_is_the_only_one() {
        let request = Request::get("http://here/").header(HOST, "there");
        let head = written(request, Target::Origin, RequestBody::None, false).unwrap();
        assert_eq!(head, "GET / HTTP/1.1\r\nhost: there\r\n\r\n");
    }

    #[test]
    fn a_body_is_framed_once() {
        let framed = |body, declared: Option<&str>| {
            let request = Request::put("http://h/");
            let request = match declared {
                Some(length) => request.header(CONTENT_LENGTH, length),
                None => request,
            };
            let head = written(request, Target::Origin, body, false)?;
            Ok(head["PUT / HTTP/1.1\r\nhost: h\r\n".len()..].to_owned())
        };
        let length = |text| Ok::<_, Error>(format!("content-length: {text}\r\n\r\n"));
        assert_eq!(framed(RequestBody::None, None).unwrap(), "\r\n");
        assert_eq!(framed(RequestBody::None, Some("0")), length("0"));
        assert_eq!(framed(RequestBody::Length(0), None), length("0"));
        assert_eq!(framed(RequestBody::Length(7), Some("7")), length("7"));
        let chunked = "transfer-encoding: chunked\r\n\r\n";
        assert_eq!(framed(RequestBody::Chunked, None).unwrap(), chunked);
        for (body, declared) in [
            (RequestBody::None, "1"),
            (RequestBody::Length(7), "8"),
            (RequestBody::Length(7), "07"),
            (RequestBody::Chunked, "7"),
            (RequestBody::Chunked, ""),
        ] {
            let error = framed(body, Some(declared)).unwrap_err();
            assert!(matches!(error, Error::Request { .. }), "{error}");
        }
    }

    #[test]
    fn an_expectation_is_said_once() {
        let request = Request::put("http://h/").header(EXPECT, "100-continue");
        let head = written(request, Target::Origin, RequestBody::Length(1), true).unwrap();
        assert_eq!(head.matches("expect").count(), 1, "{head}");
    }

    #[test]
    fn what_would_break_the_framing_is_refused() {
        let get = || Request::get("http://h/");
        let one = RequestBody::Length(1);
        for (request, target, body, expect_continue) in [
            (Request::get("/a"), Target::Origin, one, false),
            (
                Request::get("/a").header(HOST, "h"),
                Target::Absolute,
                one,
                false,
            ),
            (
                Request::get("http://me:secret@h/"),
                Target::Origin,
                one,
                false,
            ),
            (
                Request::get("http://me:secret@h/"),
                Target::Absolute,
                one,
                false,
            ),
            (Request::get("http://h/\u{e9}"), Target::Origin, one, false),
            (Request::connect("h:1"), Target::Origin, one, false),
            (get().version(Version::HTTP_10), Target::Origin, one, false),
            (
                get().header(HOST, "a").header(HOST, "a"),
                Target::Origin,
                one,
                false,
            ),
            (
                get().header(TRANSFER_ENCODING, "chunked"),
                Target::Origin,
                one,
                false,
            ),
            (get(), Target::Origin, RequestBody::None, true),
            (
                get().header(EXPECT, "100-continue"),
                Target::Origin,
                RequestBody::None,
                false,
            ),
            (get(), Target::Origin, RequestBody::Length(0), true),
        ] {
            let name = format!("{request:?}");
            let error = written(request, target, body, expect_continue).expect_err(&name);
            assert!(matches!(error, Error::Request { .. }), "{error}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        let twice = get()
            .header(CONTENT_LENGTH, "1")
            .header(CONTENT_LENGTH, "1");
        assert!(written(twice, Target::Origin, one, false).is_err());
    }

    /// The promise of another crate that lines are built upon.
    #[test]
    fn fields_and_targets_cannot_hold_line_ends() {
        for bytes in ["a\rb", "a\nb", "a\0b", "a\x7fb"] {
            assert!(HeaderValue::from_str(bytes).is_err());
            assert!(http::HeaderName::from_bytes(bytes.as_bytes()).is_err());
            assert!(Method::from_bytes(bytes.as_bytes()).is_err());
            assert!(http::Uri::try_from(format!("http://h/{bytes}")).is_err());
            assert!(http::Uri::try_from(format!("http://h{bytes}/")).is_err());
        }
        assert!(http::Uri::try_from("http://h/a b").is_err());
    }

    #[test]
    fn a_tunnel_is_asked_for_by_host_and_port() {
        let mut fields = HeaderMap::new();
        fields.insert("proxy-authorization", HeaderValue::from_static("Basic x"));
        for authority in ["h:443", "[::1]:8443"] {
            let mut out = Vec::new();
            connect_head(authority, &fields, &mut out).unwrap();
            let expected = format!(
                "CONNECT {authority} HTTP/1.1\r\nhost: {authority}\r\n\
                 proxy-authorization: Basic x\r\n\r\n"
            );
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
        let mut out = Vec::new();
        for authority in [
            "",
            "h",
            "h:",
            ":443",
            "h:99999",
            "me:secret@h:443",
            "h:443/",
            "h :443",
            "h:443\r\nx: y",
        ] {
            let error = connect_head(authority, &fields, &mut out).expect_err(authority);
            assert!(matches!(error, Error::Request { .. }), "{error}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        for name in [HOST, CONTENT_LENGTH, TRANSFER_ENCODING] {
            let fields = HeaderMap::from_iter([(name, HeaderValue::from_static("1"))]);
            assert!(connect_head("h:443", &fields, &mut out).is_err());
        }
        assert!(out.is_empty());
    }
}
