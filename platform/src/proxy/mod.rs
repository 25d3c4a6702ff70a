//! Which requests go through a proxy, and through which.
//!
//! Nothing does unless it is asked for: [`ProxyRules::default`] knows no proxy. Proxies are spoken
//! to in plain HTTP/1.1: `http` requests in absolute form (RFC 9112, section 3.2.2), `https` ones
//! in a tunnel (RFC 9110, section 9.3.6).

mod error;
mod exempt;
mod rules;

use core::fmt;
use std::net::{IpAddr, Ipv6Addr};

use zeroize::Zeroizing;

use error::Problem;
pub use error::ProxyError;
pub use rules::ProxyRules;

use crate::Secret;

/// The port of a proxy whose URL has none: that of its scheme (RFC 9110, section 4.2.1).
const DEFAULT_PORT: u16 = 80;

/// An HTTP proxy. `Debug` and `Display` show neither user nor password.
#[derive(Clone)]
pub struct Proxy {
    host: String,
    port: u16,
    login: Option<Login>,
}

/// Who a proxy is asked as. The user's name is hidden too: some proxies take a token for it.
#[derive(Clone, Debug)]
pub struct Login {
    /// The name: no colon, no control character.
    pub user: Secret,
    /// The password, possibly empty: no control character.
    pub password: Secret,
}

impl Proxy {
    /// The proxy of a URL `http://[user:password@]host[:port]`. The scheme may be left out, as
    /// curl has it, and the port, which then is 80; what is reserved in user or password is
    /// percent-encoded (RFC 3986, section 3.2.1).
    ///
    /// # Errors
    /// Another scheme (TLS to a proxy and SOCKS are not supported), or another form.
    pub fn parse(url: &str) -> Result<Self, ProxyError> {
        let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
        check_scheme(scheme)?;
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if !matches!(path, "" | "/") {
            let expected =
                "nothing behind it, and each `/`, `?`, `#` of a password as %2F, %3F, %23";
            return Err(Problem::Url(expected).into());
        }
        let (login, place) = match authority.rsplit_once('@') {
            Some((login, place)) => (Some(Login::parse(login)?), place),
            None => (None, authority),
        };
        let (host, port) = split_port(place);
        let port = match port {
            Some(text) => parse_port(text).ok_or(Problem::Url("a port of 1 to 65535"))?,
            None => DEFAULT_PORT,
        };
        let host = parse_host(host).ok_or(Problem::Url(
            "a host name, an IPv4 address or [an IPv6 address]",
        ))?;
        Ok(Self { host, port, login })
    }

    /// Its name or address, in lower case; an IPv6 address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Its port.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Who to ask it as, if its URL says so.
    pub const fn login(&self) -> Option<&Login> {
        self.login.as_ref()
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, .. } = self;
        if host.contains(':') {
            write!(f, "http://[{host}]:{port}")
        } else {
            write!(f, "http://{host}:{port}")
        }
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let login = if self.login.is_some() {
            ", with a login"
        } else {
            ""
        };
        write!(f, "Proxy({self}{login})")
    }
}

impl Login {
    fn parse(text: &str) -> Result<Self, Problem> {
        let (user, password) = text.split_once(':').unwrap_or((text, ""));
        let part = |text| decode(text).filter(|part| !part.expose().contains(char::is_control));
        let expected = "a user and a password of UTF-8 text, percent-encoded, without control \
                        characters, and no colon in the user";
        let user = part(user).filter(|user| !user.expose().contains(':'));
        match (user, part(password)) {
            (Some(user), Some(password)) => Ok(Self { user, password }),
            _ => Err(Problem::Url(expected)),
        }
    }
}

fn check_scheme(scheme: &str) -> Result<(), Problem> {
    let tame = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
    match scheme.to_ascii_lowercase() {
        scheme if scheme == "http" => Ok(()),
        scheme if !scheme.is_empty() && scheme.bytes().all(tame) => Err(Problem::Scheme(scheme)),
        _ => Err(Problem::Url("the scheme http")),
    }
}

/// The last colon starts the port, unless it stands within an IPv6 address.
fn split_port(place: &str) -> (&str, Option<&str>) {
    match place.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (place, None),
    }
}

/// Digits alone: `str::parse` would also take a sign.
fn parse_port(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|&port| digits && port != 0)
}

fn parse_host(text: &str) -> Option<String> {
    if let Some(inner) = unbracketed(text) {
        return inner.parse().ok().map(|ip: Ipv6Addr| ip.to_string());
    }
    let tame = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    let named = !text.is_empty() && text.len() <= 253 && text.bytes().all(tame);
    named.then(|| text.to_ascii_lowercase())
}

fn unbracketed(host: &str) -> Option<&str> {
    host.strip_prefix('[')?.strip_suffix(']')
}

/// An address that a host is, in brackets or not.
fn literal(host: &str) -> Option<IpAddr> {
    unbracketed(host).unwrap_or(host).parse().ok()
}

/// Percent-decoded text (RFC 3986, section 2.1); leaves no copy of it behind.
fn decode(text: &str) -> Option<Secret> {
    // As long as it can become, so that it never moves.
    let mut decoded = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text.bytes();
    let digit = |b: u8| {
        char::from(b)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    while let Some(byte) = rest.next() {
        decoded.push(match byte {
            b'%' => digit(rest.next()?)? << 4 | digit(rest.next()?)?,
            plain => plain,
        });
    }
    match String::from_utf8(std::mem::take(&mut *decoded)) {
        Ok(text) => Some(Secret::new(text)),
        Err(error) => {
            drop(Zeroizing::new(error.into_bytes()));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(url: &str) -> Proxy {
        Proxy::parse(url).unwrap()
    }

    fn refusal(url: &str) -> String {
        Proxy::parse(url).unwrap_err().to_string()
    }

    #[test]
    fn host_and_port_come_from_the_url() {
        for (url, shown) in [
            ("http://proxy.example:3128", "http://proxy.example:3128"),
            ("HTTP://Proxy.Example:3128/", "http://proxy.example:3128"),
            ("proxy.example:3128", "http://proxy.example:3128"),
            ("http://proxy", "http://proxy:80"),
            ("http://[2001:DB8::1]:8080", "http://[2001:db8::1]:8080"),
            ("http://[::1]", "http://[::1]:80"),
            ("http://127.0.0.1:1", "http://127.0.0.1:1"),
        ] {
            let proxy = proxy(url);
            assert_eq!(proxy.to_string(), shown, "{url}");
            assert!(proxy.login().is_none(), "{url}");
        }
        assert_eq!(proxy("http://[::1]:7").host(), "::1");
        assert_eq!(proxy("http://[::1]:7").port(), 7);
    }

    #[test]
    fn user_and_password_are_percent_decoded() {
        for (url, user, password) in [
            ("http://me:secret@p", "me", "secret"),
            ("me:s:e@p:1", "me", "s:e"),
            ("http://m%40e:%70%2f%C3%A9@p", "m@e", "p/é"),
            ("http://me:at@home@p", "me", "at@home"),
            ("http://token@p", "token", ""),
        ] {
            let proxy = proxy(url);
            let login = proxy.login().unwrap();
            let seen = (login.user.expose(), login.password.expose());
            assert_eq!(seen, (user, password), "{url}");
            assert_eq!(proxy.host(), "p", "{url}");
        }
    }

    #[test]
    fn adversary_94_neither_user_nor_password_is_shown() {
        let proxy = proxy("http://canary:canary@p:1");
        let shown = format!("{proxy} {proxy:?} {proxy:#?} {:?}", proxy.login());
        assert!(!shown.contains("canary"), "{shown}");
        assert!(shown.contains("http://p:1, with a login"), "{shown}");
        for url in [
            "https://canary:canary@p",
            "http://canary:canary@p:x",
            "http://canary:can/ary@p",
            "http://ca%6nary:canary@p",
            "canary:canary@p://x",
            "://canary@p",
        ] {
            assert!(!refusal(url).contains("canary"), "{url}: {}", refusal(url));
        }
    }

    #[test]
    fn other_kinds_of_proxies_are_refused_by_name() {
        for scheme in ["https", "socks4", "socks4a", "socks5", "socks5h", "ftp"] {
            let text = refusal(&format!("{scheme}://proxy.example:1080"));
            assert!(
                text.contains(&format!("by {scheme} is not supported")),
                "{text}"
            );
            assert!(text.contains("http://host:port"), "{text}");
        }
    }

    #[test]
    fn what_is_no_proxy_is_refused() {
        for (url, expected) in [
            ("", "a host name"),
            ("http://", "a host name"),
            ("http://@", "a host name"),
            ("http://a b", "a host name"),
            ("http://::1", "a host name"),
            ("http://[::1", "a host name"),
            ("http://[1.2.3.4]", "a host name"),
            ("http://[fe80::1%25eth0]", "a host name"),
            ("http://p\r\nx", "a host name"),
            ("http://p:", "a port"),
            ("http://p:0", "a port"),
            ("http://p:+80", "a port"),
            ("http://p:65536", "a port"),
            ("http://p/path", "nothing behind it"),
            ("http://p?x", "nothing behind it"),
            ("http://u:%@p", "percent-encoded"),
            ("http://u:%+1@p", "percent-encoded"),
            ("http://u:%ff@p", "UTF-8"),
            ("http://u:%0d%0a@p", "control"),
            ("http://a%3ab:c@p", "no colon"),
        ] {
            assert!(refusal(url).contains(expected), "{url}: {}", refusal(url));
        }
    }
}
