use std::fmt;
use std::net::Ipv6Addr;

use http::Uri;
use rustls::pki_types::ServerName;
use sans3_core::error::TransportErrorKind;

use super::Fault;

/// Where requests are meant for: scheme, host and port (RFC 9110, section 4.3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    secure: bool,
    host: String,
    port: u16,
}

impl Origin {
    /// Where a request for `uri` goes. Without a port in `uri` it is that of the scheme.
    pub fn of(uri: &Uri) -> Self {
        let secure = uri.scheme_str() == Some("https");
        let host = uri.host().unwrap_or_default();
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        Self {
            secure,
            host: bare.unwrap_or(host).to_ascii_lowercase(),
            port,
        }
    }

    /// Whether it is spoken to in TLS: `https`.
    pub const fn is_secure(&self) -> bool {
        self.secure
    }

    /// Its name or address in lower case; an IPv6 address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Its port.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// `host:port`, the port always there, an IPv6 address in brackets: what CONNECT asks for
    /// (RFC 9112, section 3.2.3).
    pub fn authority(&self) -> String {
        let Self { host, port, .. } = self;
        if host.parse::<Ipv6Addr>().is_ok() {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        }
    }

    /// The name that the server's certificate must be for.
    ///
    /// # Errors
    /// The host is no name that a certificate can hold.
    pub fn server_name(&self) -> Result<ServerName<'static>, Fault> {
        ServerName::try_from(self.host.clone()).map_err(|error| {
            let detail = format!("{:?} can't be named by a certificate: {error}", self.host);
            Fault::new(TransportErrorKind::Tls, detail)
        })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} port {}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(uri: &str) -> Origin {
        Origin::of(&uri.parse().unwrap())
    }

    #[test]
    fn origins_have_ports_and_bare_hosts() {
        for (uri, shown, authority) in [
            ("https://x.example/k", "x.example port 443", "x.example:443"),
            ("http://x.example/k?q", "x.example port 80", "x.example:80"),
            ("http://[::1]:9000/k", "::1 port 9000", "[::1]:9000"),
            ("http://127.0.0.1:1", "127.0.0.1 port 1", "127.0.0.1:1"),
        ] {
            assert_eq!(origin(uri).to_string(), shown);
            assert_eq!(origin(uri).authority(), authority);
        }
    }

    #[test]
    fn origins_differ_by_scheme_host_and_port_alone() {
        assert_eq!(
            origin("https://X.example/a"),
            origin("https://x.example:443/b")
        );
        assert_ne!(origin("http://x:443/"), origin("https://x/"));
        assert_ne!(origin("http://x/"), origin("http://y/"));
        assert_ne!(origin("http://x/"), origin("http://x:81/"));
    }

    #[test]
    fn a_certificate_is_asked_for_by_name_or_address() {
        let name = origin("https://X.example").server_name().unwrap();
        assert_eq!(name, ServerName::try_from("x.example").unwrap());
        let address = origin("https://[::1]").server_name().unwrap();
        assert!(matches!(address, ServerName::IpAddress(_)));
        let fault = origin("https://a..b").server_name().unwrap_err();
        assert_eq!(fault.kind, TransportErrorKind::Tls);
        assert!(fault.detail.contains("a..b"), "{}", fault.detail);
    }
}
