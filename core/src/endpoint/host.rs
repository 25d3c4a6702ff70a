use core::net::{Ipv4Addr, Ipv6Addr};

/// The host of an endpoint, in lower case, as it stands in a URL.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Host {
    Name(Box<str>),
    V4(Ipv4Addr),
    V6(Ipv6Addr),
}

impl Host {
    /// Reads a host name, an IPv4 address or a bracketed IPv6 address (RFC 3986, section 3.2.2).
    /// Underscores are taken, since container networks make such names; zone identifiers are not.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if let Some(rest) = text.strip_prefix('[') {
            return rest.strip_suffix(']')?.parse().ok().map(Self::V6);
        }
        if is_ipv4_like(text) {
            return text.parse().ok().map(Self::V4);
        }
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(plain)
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        let sound = text.len() <= 253 && text.split('.').all(label);
        sound.then(|| Self::Name(text.to_ascii_lowercase().into()))
    }

    pub(super) const fn is_ip(&self) -> bool {
        matches!(self, Self::V4(_) | Self::V6(_))
    }
}

impl core::fmt::Display for Host {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::V4(ip) => write!(f, "{ip}"),
            Self::V6(ip) => write!(f, "[{ip}]"),
        }
    }
}

/// Whether a resolver might take the text for an IPv4 address, well formed or not: its last label
/// is a number (the WHATWG URL standard's "ends in a number"). `10.1` and `0x7f000001` are such.
fn is_ipv4_like(text: &str) -> bool {
    let last = text.rsplit('.').next().unwrap_or_default();
    let hex = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    match hex {
        Some(digits) => digits.bytes().all(|b| b.is_ascii_hexdigit()),
        None => !last.is_empty() && last.bytes().all(|b| b.is_ascii_digit()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_or_well_formed_addresses() {
        let shown = |text: &str| Host::parse(text).map(|host| host.to_string());
        assert_eq!(shown("S3.Example.com").as_deref(), Some("s3.example.com"));
        assert_eq!(shown("minio_1").as_deref(), Some("minio_1"));
        assert_eq!(shown("10.0.0.1").as_deref(), Some("10.0.0.1"));
        assert_eq!(shown("[0:0::1]").as_deref(), Some("[::1]"));
        let long = "a".repeat(64);
        let bad = [
            "",
            ".",
            "a..b",
            "a.",
            "-a",
            "a-",
            "10.1",
            "0x7f000001",
            "256.1.1.1",
            "::1",
            "[::1",
            "[fe80::1%25eth0]",
            "a b",
            "é",
            "a\r\nb",
            "a%2eb",
            long.as_str(),
        ];
        for text in bad {
            assert_eq!(shown(text), None, "{text}");
        }
    }
}
