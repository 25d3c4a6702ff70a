use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::uri::PathAndQuery;
use http::{HeaderValue, Uri};
use sans3_platform::{Proxy, ProxyRules};

use super::{Origin, Tunnel};

/// The way to an origin: straight, or through a proxy.
///
/// Connections of equal routes can stand in for each other, and no others: not those to two
/// origins through one proxy either, since a proxy may tie a connection to one of them.
///
/// `Debug` does not show what a proxy is told about its user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    origin: Origin,
    way: Way,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Way {
    Direct,
    /// Requests go to the proxy, and name the origin.
    Absolute(Hop),
    /// Requests go to the origin, over a connection that the proxy makes.
    Tunnel(Hop),
}

/// A proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Hop {
    host: String,
    port: u16,
    authorization: Option<HeaderValue>,
}

impl Route {
    /// The way to `origin` that `rules` ask for: `http` goes to a proxy in absolute form (RFC 9112,
    /// section 3.2.2), `https` in a tunnel through it (RFC 9110, section 9.3.6).
    pub fn new(origin: Origin, rules: &ProxyRules) -> Self {
        let proxy = rules.for_host(origin.is_secure(), origin.host(), origin.port());
        let way = match proxy.map(Hop::of) {
            None => Way::Direct,
            Some(hop) if origin.is_secure() => Way::Tunnel(hop),
            Some(hop) => Way::Absolute(hop),
        };
        Self { origin, way }
    }

    /// Where the requests are meant for.
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The host to connect to; an IPv6 address without brackets.
    pub fn host(&self) -> &str {
        self.hop().map_or(self.origin.host(), |hop| &hop.host)
    }

    /// The port to connect to.
    pub fn port(&self) -> u16 {
        self.hop().map_or(self.origin.port(), |hop| hop.port)
    }

    /// Whether a request's target is in absolute form rather than in origin form.
    pub const fn is_absolute(&self) -> bool {
        matches!(self.way, Way::Absolute(_))
    }

    /// The `proxy-authorization` of each request in absolute form (RFC 9110, section 11.7.2). There
    /// is none where the proxy is told in another way, or not asked: the origin must not see it.
    pub const fn proxy_authorization(&self) -> Option<&HeaderValue> {
        match &self.way {
            Way::Absolute(hop) => hop.authorization.as_ref(),
            Way::Direct | Way::Tunnel(_) => None,
        }
    }

    /// The tunnel to ask the proxy for before anything else is said.
    pub fn tunnel(&self) -> Option<Tunnel> {
        match &self.way {
            Way::Tunnel(hop) => {
                let authorization = hop.authorization.clone();
                Some(Tunnel::new(&self.origin, hop.to_string(), authorization))
            }
            Way::Direct | Way::Absolute(_) => None,
        }
    }

    /// Gives `request` the target that this way asks for, byte for byte as it was signed: in origin
    /// form for the origin itself, in absolute form for a proxy (RFC 9112, section 3.2).
    pub fn address<B>(&self, request: &mut http::Request<B>) {
        if self.is_absolute() {
            if let Some(value) = self.proxy_authorization() {
                let fields = request.headers_mut();
                fields.insert(http::header::PROXY_AUTHORIZATION, value.clone());
            }
            return;
        }
        let target = request.uri().path_and_query().cloned();
        let target = target.unwrap_or_else(|| PathAndQuery::from_static("/"));
        *request.uri_mut() = Uri::from(target);
    }

    const fn hop(&self) -> Option<&Hop> {
        match &self.way {
            Way::Direct => None,
            Way::Absolute(hop) | Way::Tunnel(hop) => Some(hop),
        }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.origin.fmt(f)?;
        match self.hop() {
            Some(hop) => write!(f, " through the proxy {hop}"),
            None => Ok(()),
        }
    }
}

impl Hop {
    fn of(proxy: &Proxy) -> Self {
        Self {
            host: proxy.host().to_owned(),
            port: proxy.port(),
            authorization: basic(proxy),
        }
    }
}

impl fmt::Display for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} port {}", self.host, self.port)
    }
}

/// User and password in UTF-8 (RFC 7617, section 2). `Debug` of the value shows neither.
fn basic(proxy: &Proxy) -> Option<HeaderValue> {
    let login = proxy.login()?;
    let pair = format!("{}:{}", login.user.expose(), login.password.expose());
    let text = format!("Basic {}", BASE64.encode(pair));
    // Base64 has no character that a field could not.
    let mut value = HeaderValue::try_from(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(uri: &str, proxy: Option<&str>) -> Route {
        let proxy = proxy.map(|url| Proxy::parse(url).unwrap());
        let rules = proxy.map_or_else(ProxyRules::default, ProxyRules::all);
        Route::new(Origin::of(&uri.parse().unwrap()), &rules)
    }

    #[test]
    fn without_a_proxy_the_origin_is_connected_to() {
        for uri in ["http://x:9000", "https://x:9000"] {
            let route = route(uri, None);
            assert_eq!((route.host(), route.port()), ("x", 9000));
            assert!(!route.is_absolute() && route.tunnel().is_none());
            assert_eq!(route.proxy_authorization(), None);
            assert_eq!(route.to_string(), "x port 9000");
        }
    }

    #[test]
    fn plain_requests_go_to_the_proxy_in_absolute_form() {
        let route = route("http://x/k", Some("http://[::1]:3128"));
        assert_eq!((route.host(), route.port()), ("::1", 3128));
        assert!(route.is_absolute() && route.tunnel().is_none());
        assert_eq!(route.proxy_authorization(), None);
        assert_eq!(
            route.to_string(),
            "x port 80 through the proxy ::1 port 3128"
        );
    }

    #[test]
    fn secure_requests_go_through_a_tunnel() {
        let route = route("https://x/k", Some("http://p:3128"));
        assert_eq!((route.host(), route.port()), ("p", 3128));
        assert!(!route.is_absolute());
        let asked = route.tunnel().unwrap().request().unwrap();
        assert!(asked.starts_with(b"CONNECT x:443 HTTP/1.1\r\n"));
    }

    /// The value is that of RFC 7617, section 2.
    #[test]
    fn the_proxy_alone_is_told_user_and_password() {
        let proxy = Some("http://Aladdin:open%20sesame@p");
        let value = "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==";
        assert_eq!(
            route("http://x", proxy).proxy_authorization().unwrap(),
            value
        );
        let tunnelled = route("https://x", proxy);
        assert_eq!(tunnelled.proxy_authorization(), None);
        let asked = String::from_utf8(tunnelled.tunnel().unwrap().request().unwrap()).unwrap();
        assert!(
            asked.contains(&format!("\r\nproxy-authorization: {value}\r\n")),
            "{asked}"
        );
    }

    #[test]
    fn user_and_password_of_any_script_are_sent_in_utf_8() {
        let route = route("http://x", Some("http://test:123%C2%A3@p"));
        // RFC 7617, section 2.1.
        assert_eq!(
            route.proxy_authorization().unwrap(),
            "Basic dGVzdDoxMjPCow=="
        );
    }

    #[test]
    fn adversary_94_no_text_shows_what_the_proxy_is_told() {
        let route = route("https://x", Some("http://u:p@proxy"));
        let shown = format!("{route} {route:?} {:?}", route.tunnel());
        assert!(
            !shown.contains("Basic") && !shown.contains("dTpw"),
            "{shown}"
        );
    }

    #[test]
    fn routes_are_equal_only_where_all_of_them_is() {
        let plain = route("http://x/a", Some("p"));
        assert_eq!(plain, route("http://X/b", Some("http://P:80")));
        for other in [
            route("http://y/a", Some("p")),
            route("https://x/a", Some("p")),
            route("http://x/a", None),
            route("http://x/a", Some("q")),
            route("http://x/a", Some("p:81")),
            route("http://x/a", Some("u:p@p")),
        ] {
            assert_ne!(plain, other);
        }
    }
}
