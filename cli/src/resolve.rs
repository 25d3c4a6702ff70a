//! Addresses of hosts, as people write them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::str::FromStr;

/// A host, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Resolve {
    host: String,
    addresses: Vec<IpAddr>,
}

impl FromStr for Resolve {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || {
            "expected a host and its addresses, such as s3.example.com:192.0.2.1,2001:db8::1"
                .to_owned()
        };
        let (host, list) = text.split_once(':').ok_or_else(wrong)?;
        if host.is_empty() {
            return Err(wrong());
        }
        let addresses: Option<Vec<IpAddr>> = list.split(',').map(address).collect();
        Ok(Self {
            host: host.to_ascii_lowercase(),
            addresses: addresses.ok_or_else(wrong)?,
        })
    }
}

/// The addresses of each host, in the order in which they were given.
pub(crate) fn merge(all: &[Resolve]) -> BTreeMap<String, Vec<IpAddr>> {
    let mut merged: BTreeMap<String, Vec<IpAddr>> = BTreeMap::new();
    for Resolve { host, addresses } in all {
        merged.entry(host.clone()).or_default().extend(addresses);
    }
    merged
}

/// An address; one of IPv6 with or without brackets.
fn address(text: &str) -> Option<IpAddr> {
    let inner = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    match inner {
        Some(inner) => inner.parse().ok().map(IpAddr::V6),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_have_addresses_of_both_kinds() {
        let parse = |text: &str| text.parse::<Resolve>().unwrap();
        let all = [
            parse("S3.example:192.0.2.1,[2001:db8::1]"),
            parse("other:::1"),
            parse("s3.example:2001:db8::2"),
        ];
        let merged = merge(&all);
        let of =
            |host: &str| -> Vec<String> { merged[host].iter().map(IpAddr::to_string).collect() };
        assert_eq!(
            of("s3.example"),
            ["192.0.2.1", "2001:db8::1", "2001:db8::2"]
        );
        assert_eq!(of("other"), ["::1"]);
    }

    #[test]
    fn what_names_no_address_is_refused() {
        for text in [
            "",
            "host",
            "host:",
            ":192.0.2.1",
            "host:192.0.2.1,",
            "host:443:192.0.2.1",
            "host:name",
        ] {
            assert!(text.parse::<Resolve>().is_err(), "{text}");
        }
    }
}
