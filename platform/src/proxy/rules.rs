use std::net::{IpAddr, Ipv6Addr};

use super::error::{Problem, ProxyError};
use super::exempt::Exempt;
use super::{Proxy, literal};
use crate::{Environment, Secret};

/// Which proxy a host is reached through. The default knows none.
#[derive(Clone, Debug, Default)]
pub struct ProxyRules {
    http: Option<Proxy>,
    https: Option<Proxy>,
    exempt: Exempt,
    /// What is on this machine or at its link is reached directly.
    spares_local: bool,
}

impl ProxyRules {
    /// Everything goes through `proxy`, this machine's own addresses included.
    pub fn all(proxy: Proxy) -> Self {
        Self {
            http: Some(proxy.clone()),
            https: Some(proxy),
            ..Self::default()
        }
    }

    /// The rules of the environment, as curl reads it (curl(1), "ENVIRONMENT"). The first variable
    /// that is set and not empty counts:
    ///
    /// | for | variables |
    /// |---|---|
    /// | `http` | `http_proxy`, `HTTP_PROXY`, `all_proxy`, `ALL_PROXY` |
    /// | `https` | `https_proxy`, `HTTPS_PROXY`, `all_proxy`, `ALL_PROXY` |
    /// | hosts without a proxy | `no_proxy`, `NO_PROXY` |
    ///
    /// `HTTP_PROXY` is passed over where `REQUEST_METHOD` is set: in a CGI program it is a field of
    /// the request, which anybody may send (RFC 3875, section 4.1.18; CVE-2016-5385).
    ///
    /// `no_proxy` is a list between commas or spaces. An entry is `*`, a host or domain (which also
    /// means all below it, with a dot in front or without), an address, a block of addresses such
    /// as `10.0.0.0/8`, or one of them but the block with a port (`host:port`, `[::1]:443`).
    ///
    /// `localhost`, loopback and link-local addresses, and so the services that hand out
    /// credentials on cloud machines, never go through a proxy of the environment: it could not
    /// reach them, but could read what is said.
    ///
    /// # Errors
    /// Names the variable whose value can't be used. The proxy is not looked at where `no_proxy`
    /// is `*`.
    pub fn from_env(env: &Environment) -> Result<Self, ProxyError> {
        let in_cgi = env.var("REQUEST_METHOD").is_some();
        let http = if in_cgi {
            &["http_proxy", "all_proxy", "ALL_PROXY"][..]
        } else {
            &["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"]
        };
        let https = &["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
        let exempt = first_of(env, &["no_proxy", "NO_PROXY"], |list| {
            Exempt::parse(list).map_err(ProxyError::from)
        })?;
        let exempt = exempt.unwrap_or_default();
        if exempt.is_everything() {
            return Ok(Self::default());
        }
        Ok(Self {
            http: first_of(env, http, Proxy::parse)?,
            https: first_of(env, https, Proxy::parse)?,
            exempt,
            spares_local: true,
        })
    }

    /// The proxy for `host` (an IPv6 address with or without brackets) at `port`; `None` where it
    /// is reached directly. `secure` means `https`.
    pub fn for_host(&self, secure: bool, host: &str, port: u16) -> Option<&Proxy> {
        let proxy = if secure { &self.https } else { &self.http };
        let direct = self.exempt.contains(host, port) || (self.spares_local && is_local(host));
        proxy.as_ref().filter(|_| !direct)
    }
}

/// The value of the first variable that is set, parsed.
fn first_of<T>(
    env: &Environment,
    variables: &[&'static str],
    parse: impl FnOnce(&str) -> Result<T, ProxyError>,
) -> Result<Option<T>, ProxyError> {
    let mut variables = variables.iter();
    let found = variables.find_map(|name| Some((*name, env.var(name)?)));
    let Some((variable, value)) = found else {
        return Ok(None);
    };
    // Wiped, since it may hold a password.
    let value = value
        .into_string()
        .map(Secret::new)
        .map_err(|_| ProxyError::from(Problem::Encoding).within(variable))?;
    let parsed = parse(value.expose().trim());
    parsed.map(Some).map_err(|error| error.within(variable))
}

fn is_local(host: &str) -> bool {
    match literal(host).map(|ip| ip.to_canonical()) {
        Some(IpAddr::V4(ip)) => ip.is_loopback() || ip.is_link_local() || ip.is_unspecified(),
        Some(IpAddr::V6(ip)) => {
            let is_cloud_service = ip.segments()[..2] == CLOUD_SERVICES.segments()[..2];
            ip.is_loopback()
                || ip.is_unicast_link_local()
                || ip.is_unspecified()
                || is_cloud_service
        }
        None => {
            // The whole domain is this machine (RFC 6761, section 6.3).
            let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
            host == "localhost" || host.ends_with(".localhost")
        }
    }
}

/// Where EC2 serves instance metadata by IPv6, and EKS its credentials, in the first 32 bits
/// (Amazon EC2 User Guide, "Use instance metadata"; Amazon EKS User Guide, "Pod Identity").
const CLOUD_SERVICES: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0);

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&'static str, &'static str)]) -> Environment {
        let pairs = pairs.to_vec();
        Environment::new(move |name| {
            let found = pairs.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| value.into())
        })
    }

    fn rules(pairs: &[(&'static str, &'static str)]) -> ProxyRules {
        ProxyRules::from_env(&environment(pairs)).unwrap()
    }

    /// The proxies' hosts for http and https.
    fn chosen(rules: &ProxyRules) -> [Option<&str>; 2] {
        [(false, 80), (true, 443)].map(|(secure, port)| {
            let proxy = rules.for_host(secure, "s3.example", port);
            proxy.map(Proxy::host)
        })
    }

    #[test]
    fn by_default_there_is_no_proxy() {
        assert_eq!(chosen(&ProxyRules::default()), [None, None]);
        assert_eq!(chosen(&rules(&[])), [None, None]);
    }

    #[test]
    fn one_proxy_for_all_takes_everything() {
        let rules = ProxyRules::all(Proxy::parse("p").unwrap());
        assert_eq!(chosen(&rules), [Some("p"), Some("p")]);
        assert!(rules.for_host(false, "127.0.0.1", 9000).is_some());
    }

    #[test]
    fn each_scheme_has_its_variables_in_curls_order() {
        let mut set = vec![("ALL_PROXY", "a-upper")];
        assert_eq!(chosen(&rules(&set)), [Some("a-upper"), Some("a-upper")]);
        set.push(("all_proxy", "a-lower"));
        assert_eq!(chosen(&rules(&set)), [Some("a-lower"), Some("a-lower")]);
        set.push(("HTTP_PROXY", "h-upper"));
        assert_eq!(chosen(&rules(&set)), [Some("h-upper"), Some("a-lower")]);
        set.push(("HTTPS_PROXY", "s-upper"));
        assert_eq!(chosen(&rules(&set)), [Some("h-upper"), Some("s-upper")]);
        set.push(("http_proxy", "h-lower"));
        assert_eq!(chosen(&rules(&set)), [Some("h-lower"), Some("s-upper")]);
        set.push(("https_proxy", "s-lower"));
        assert_eq!(chosen(&rules(&set)), [Some("h-lower"), Some("s-lower")]);
    }

    #[test]
    fn an_empty_variable_does_not_count() {
        let set = [("http_proxy", ""), ("HTTP_PROXY", "h"), ("no_proxy", "")];
        assert_eq!(chosen(&rules(&set)), [Some("h"), None]);
    }

    #[test]
    fn a_request_to_a_cgi_program_can_not_set_its_proxy() {
        let set = [("HTTP_PROXY", "evil"), ("REQUEST_METHOD", "GET")];
        assert_eq!(chosen(&rules(&set)), [None, None]);
        let set = [("http_proxy", "own"), ("REQUEST_METHOD", "GET")];
        assert_eq!(chosen(&rules(&set)), [Some("own"), None]);
    }

    #[test]
    fn hosts_that_are_named_go_without() {
        for list in ["no_proxy", "NO_PROXY"] {
            let rules = rules(&[("all_proxy", "p"), (list, "example, 10.0.0.0/8, b:9000")]);
            assert_eq!(chosen(&rules), [None, None]);
            assert!(rules.for_host(true, "10.1.2.3", 443).is_none());
            assert!(rules.for_host(true, "b", 9000).is_none());
            assert!(rules.for_host(true, "b", 443).is_some());
        }
        let set = [
            ("all_proxy", "p"),
            ("no_proxy", "x"),
            ("NO_PROXY", "example"),
        ];
        assert_eq!(chosen(&rules(&set)), [Some("p"), Some("p")]);
    }

    #[test]
    fn where_nothing_may_use_the_proxy_it_is_not_looked_at() {
        let rules = rules(&[("all_proxy", "socks5://p"), ("no_proxy", "*")]);
        assert_eq!(chosen(&rules), [None, None]);
    }

    #[test]
    fn a_fallback_that_is_not_needed_is_not_looked_at() {
        let set = [
            ("http_proxy", "h"),
            ("https_proxy", "s"),
            ("all_proxy", "socks5://p"),
        ];
        assert_eq!(chosen(&rules(&set)), [Some("h"), Some("s")]);
    }

    #[test]
    fn adversary_94_what_is_local_never_goes_through_a_proxy_of_the_environment() {
        let rules = rules(&[("all_proxy", "p")]);
        for host in [
            "localhost",
            "LocalHost.",
            "x.localhost",
            "127.0.0.1",
            "127.9.9.9",
            "::1",
            "[::1]",
            "::ffff:127.0.0.1",
            "169.254.169.254",
            "169.254.170.2",
            "fd00:ec2::254",
            "fd00:ec2::23",
            "fe80::1",
            "0.0.0.0",
            "::",
        ] {
            assert!(rules.for_host(false, host, 80).is_none(), "{host}");
            assert!(rules.for_host(true, host, 443).is_none(), "{host}");
        }
        for host in [
            "notlocalhost",
            "localhost.example",
            "128.0.0.1",
            "fd00:ec3::1",
            "10.0.0.1",
        ] {
            assert!(rules.for_host(false, host, 80).is_some(), "{host}");
        }
    }

    #[test]
    fn an_error_names_the_variable() {
        for (variable, value) in [
            ("http_proxy", "https://p"),
            ("HTTP_PROXY", "http://p:x"),
            ("https_proxy", "socks5://p"),
            ("HTTPS_PROXY", "http:///"),
            ("all_proxy", "http://u:%@p"),
            ("ALL_PROXY", "socks4://p"),
            ("no_proxy", "10.0.0.0/64"),
            ("NO_PROXY", "a:b"),
        ] {
            let error = ProxyRules::from_env(&environment(&[(variable, value)])).unwrap_err();
            assert_eq!(error.variable(), Some(variable));
            assert!(
                error.to_string().starts_with(&format!("{variable}: ")),
                "{error}"
            );
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_value_that_is_not_unicode_is_refused() {
        use std::os::unix::ffi::OsStringExt as _;
        let env = Environment::new(|name| {
            (name == "http_proxy").then(|| std::ffi::OsString::from_vec(vec![0xff]))
        });
        let error = ProxyRules::from_env(&env).unwrap_err();
        assert_eq!(error.to_string(), "http_proxy: expected UTF-8 text");
    }
}
