use std::net::IpAddr;

use super::error::Problem;
use super::{literal, parse_port, split_port, unbracketed};

/// The hosts that go without a proxy: `no_proxy`.
#[derive(Clone, Debug, Default)]
pub(super) struct Exempt {
    entries: Vec<Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Entry {
    /// `*`
    Everything,
    /// A domain and all below it; no dot on either end, in lower case.
    Domain { name: String, port: Option<u16> },
    /// Addresses whose first `prefix` bits are those of `base`; all of them for a single address.
    Network {
        base: IpAddr,
        prefix: u8,
        port: Option<u16>,
    },
}

impl Exempt {
    /// A list of entries between commas or spaces.
    pub(super) fn parse(list: &str) -> Result<Self, Problem> {
        let separator = |c: char| c == ',' || c.is_whitespace();
        let entries = list.split(separator).filter(|entry| !entry.is_empty());
        let entries = entries.map(Entry::parse).collect::<Result<_, _>>()?;
        Ok(Self { entries })
    }

    /// Whether nothing goes through a proxy at all.
    pub(super) fn is_everything(&self) -> bool {
        self.entries.contains(&Entry::Everything)
    }

    pub(super) fn contains(&self, host: &str, port: u16) -> bool {
        let ip = literal(host);
        let host = without_end_dot(host);
        let mut entries = self.entries.iter();
        entries.any(|entry| entry.matches(host, ip, port))
    }
}

impl Entry {
    fn parse(text: &str) -> Result<Self, Problem> {
        if text == "*" {
            return Ok(Self::Everything);
        }
        if let Some((base, prefix)) = text.split_once('/') {
            let network = Self::network(base, prefix);
            let expected = "a block of addresses such as 10.0.0.0/8 or fd00::/8";
            return network.ok_or_else(|| Problem::Entry(text.into(), expected));
        }
        if let Some(base) = literal(text) {
            return Ok(Self::single(base, None));
        }
        let (host, port) = split_port(text);
        let port = match port {
            None => None,
            Some(digits) => Some(parse_port(digits).ok_or_else(|| {
                Problem::Entry(text.into(), "a port of 1 to 65535 behind the colon")
            })?),
        };
        if let Some(base) = literal(host) {
            return Ok(Self::single(base, port));
        }
        let name = without_end_dot(host);
        let name = name
            .strip_prefix('*')
            .filter(|rest| rest.starts_with('.'))
            .unwrap_or(name);
        let name = name.strip_prefix('.').unwrap_or(name);
        // Anything that can stand in a name, so that a pattern is not taken for one.
        let tame = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.' | '_');
        if name.is_empty() || !name.chars().all(tame) {
            let expected = "`*`, a host, a domain, an address or a block of addresses";
            return Err(Problem::Entry(text.into(), expected));
        }
        let name = name.to_lowercase();
        Ok(Self::Domain { name, port })
    }

    fn network(base: &str, prefix: &str) -> Option<Self> {
        let base = literal(base)?;
        let digits = !prefix.is_empty() && prefix.bytes().all(|b| b.is_ascii_digit());
        let prefix: u8 = prefix.parse().ok().filter(|_| digits)?;
        let port = None;
        (prefix <= width(base)).then_some(Self::Network { base, prefix, port })
    }

    fn single(base: IpAddr, port: Option<u16>) -> Self {
        let base = base.to_canonical();
        let prefix = width(base);
        Self::Network { base, prefix, port }
    }

    /// `host` is without a dot at its end; `ip` is what it is, if it is an address: no domain
    /// holds one then, for `0.1` would be the end of `10.0.0.1`.
    fn matches(&self, host: &str, ip: Option<IpAddr>, port: u16) -> bool {
        match (self, ip) {
            (Self::Everything, _) => true,
            (Self::Domain { name, port: only }, None) => {
                only.is_none_or(|only| only == port) && is_within(host, name)
            }
            (
                Self::Network {
                    base,
                    prefix,
                    port: only,
                },
                Some(ip),
            ) => {
                // An IPv4 address may come in the clothes of IPv6 (RFC 4291, section 2.5.5.2).
                only.is_none_or(|only| only == port)
                    && (shares(*base, ip, *prefix) || shares(*base, ip.to_canonical(), *prefix))
            }
            _ => false,
        }
    }
}

/// Whether `host` is `domain`, or ends with it behind a dot.
fn is_within(host: &str, domain: &str) -> bool {
    let host = host.to_lowercase();
    let above = host.strip_suffix(domain);
    above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
}

/// Whether the first `prefix` bits of two addresses of one family are the same (RFC 4632,
/// section 3.1).
fn shares(base: IpAddr, ip: IpAddr, prefix: u8) -> bool {
    let different = match (base, ip) {
        (IpAddr::V4(base), IpAddr::V4(ip)) => (base.to_bits() ^ ip.to_bits()).leading_zeros(),
        (IpAddr::V6(base), IpAddr::V6(ip)) => (base.to_bits() ^ ip.to_bits()).leading_zeros(),
        _ => return false,
    };
    different >= u32::from(prefix)
}

const fn width(ip: IpAddr) -> u8 {
    match ip {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

fn without_end_dot(host: &str) -> &str {
    let host = unbracketed(host).unwrap_or(host);
    host.strip_suffix('.').unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_matches(list: &str, inside: &[(&str, u16)], outside: &[(&str, u16)]) {
        let exempt = Exempt::parse(list).unwrap();
        for (host, port) in inside {
            assert!(exempt.contains(host, *port), "{list} holds {host}:{port}");
        }
        for (host, port) in outside {
            assert!(
                !exempt.contains(host, *port),
                "{list} holds no {host}:{port}"
            );
        }
    }

    #[test]
    fn a_star_is_everything() {
        assert_matches("*", &[("a", 1), ("10.0.0.1", 1), ("::1", 1)], &[]);
        assert!(Exempt::parse("a, *").unwrap().is_everything());
        assert!(!Exempt::parse("a").unwrap().is_everything());
    }

    #[test]
    fn a_name_holds_itself_and_what_is_below_it() {
        let inside = [
            ("example.com", 1),
            ("a.b.example.com", 2),
            ("EXAMPLE.com.", 3),
        ];
        let outside = [("notexample.com", 1), ("example.com.org", 1), ("com", 1)];
        for list in [
            "example.com",
            ".example.com",
            "Example.COM.",
            "*.example.com",
        ] {
            assert_matches(list, &inside, &outside);
        }
    }

    #[test]
    fn a_port_narrows_an_entry() {
        let inside = [
            ("a", 90),
            ("x.a", 90),
            ("10.0.0.1", 91),
            ("::1", 92),
            ("[::1]", 92),
        ];
        let outside = [("a", 91), ("10.0.0.1", 90), ("::1", 90)];
        assert_matches("a:90 10.0.0.1:91 [::1]:92", &inside, &outside);
    }

    #[test]
    fn an_address_is_compared_as_one() {
        let inside = [("10.0.0.1", 1), ("::ffff:10.0.0.1", 1), ("2001:db8::1", 1)];
        let outside = [
            ("10.0.0.10", 1),
            ("2001:db8::2", 1),
            ("x.10.0.0.1.example", 1),
        ];
        assert_matches("10.0.0.1,2001:0DB8:0::1", &inside, &outside);
        assert_matches(
            "[2001:db8::1]",
            &[("[2001:db8:0::1]", 1)],
            &[("[2001:db8::2]", 1)],
        );
        assert_matches("0.0.1", &[("x.0.0.1", 1)], &[("10.0.0.1", 1)]);
    }

    #[test]
    fn a_block_holds_its_addresses() {
        let inside = [("10.1.2.3", 1), ("10.255.0.0", 1), ("::ffff:10.0.0.1", 1)];
        let outside = [("11.0.0.0", 1), ("::a00:1", 1), ("10.example", 1)];
        assert_matches("10.9.9.9/8", &inside, &outside);
        let inside = [("fd12::1", 1), ("[fdff::]", 1)];
        assert_matches("fd00::/8", &inside, &[("fe00::1", 1), ("253.0.0.1", 1)]);
        assert_matches("192.0.2.4/31", &[("192.0.2.5", 1)], &[("192.0.2.6", 1)]);
        assert_matches(
            "0.0.0.0/0",
            &[("8.8.8.8", 1)],
            &[("2001:db8::1", 1), ("a", 1)],
        );
        assert_matches("::/0", &[("2001:db8::1", 1)], &[("8.8.8.8", 1)]);
        assert_matches("::1/128", &[("::1", 1)], &[("::2", 1)]);
        assert_matches(
            "::ffff:10.0.0.0/104",
            &[("::ffff:10.0.0.1", 1)],
            &[("::1", 1)],
        );
    }

    #[test]
    fn entries_stand_between_commas_and_spaces() {
        let inside = [("a", 1), ("b", 1), ("c", 1)];
        assert_matches(" a ,b\tc,, ", &inside, &[("d", 1), ("", 1)]);
        assert_matches("", &[], &[("a", 1), ("", 1)]);
    }

    #[test]
    fn what_would_never_match_is_refused() {
        for entry in [
            "10.0.0.0/33",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "::/129",
            "a/8",
            "10.0.0.0/8:80",
            "a:b",
            "a:0",
            ":80",
            ".",
            "192.168.*",
            "a*",
            "<local>",
            "http://a",
        ] {
            let error = Exempt::parse(entry).unwrap_err();
            assert!(
                matches!(error, Problem::Entry(ref seen, _) if seen == entry),
                "{error:?}"
            );
        }
    }
}
