use super::Scheme;
use super::host::Host;
use crate::error::SpecError;

/// A custom endpoint's URL, taken apart.
pub(super) struct BaseUrl {
    pub(super) scheme: Scheme,
    pub(super) host: Host,
    /// Other than the scheme's own.
    pub(super) port: Option<u16>,
    /// Empty, or `/` and segments without a slash at the end.
    pub(super) path: Box<str>,
}

impl BaseUrl {
    pub(super) fn parse(url: &str) -> Result<Self, SpecError> {
        let error = |expected: &'static str| SpecError::new("endpoint", expected, shown(url));
        let Some((scheme, rest)) = url.split_once("://") else {
            return Err(error("a URL such as https://s3.example.com"));
        };
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return Err(error("the scheme http or https")),
        };
        if rest.contains(['?', '#']) {
            return Err(error("a URL without query or fragment"));
        }
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(error(
                "a URL without user name or password (give credentials apart)",
            ));
        }
        let (host, port) = split_port(authority);
        let port = match port {
            None => None,
            Some(text) => Some(parse_port(text).ok_or_else(|| error("a port of 1 to 65535"))?),
        };
        let host = Host::parse(host)
            .ok_or_else(|| error("a host name, an IPv4 address or a bracketed IPv6 address"))?;
        let path = path.trim_end_matches('/');
        if !path.split('/').skip(1).all(is_plain_segment) {
            return Err(error(
                "a path of segments of letters, digits, `-`, `.`, `_` or `~` (other than `.`, `..`)",
            ));
        }
        Ok(Self {
            scheme,
            host,
            port: port.filter(|&port| port != scheme.default_port()),
            path: path.into(),
        })
    }
}

/// The last colon starts the port, unless it stands within an IPv6 address.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

/// Digits alone: `str::parse` would also take a sign.
fn parse_port(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    let port = text.parse().ok().filter(|_| digits)?;
    (port != 0).then_some(port)
}

/// A segment that has only one spelling: it encodes to itself, and no proxy resolves it away.
fn is_plain_segment(segment: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    !matches!(segment, "" | "." | "..") && segment.bytes().all(plain)
}

/// The URL for an error: without what may be a password or a signature.
fn shown(url: &str) -> &str {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    if url.contains('@') {
        "a URL with an @"
    } else {
        &url[..end]
    }
}
