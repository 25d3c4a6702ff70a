use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};

use sans3_core::error::TransportErrorKind;
use sans3_platform::address::in_order;

use super::Fault;

/// Finds the addresses of hosts: from a table first, then from the system's resolver.
///
/// Nothing is kept: whoever changes a name's addresses is heeded at the next connection.
#[derive(Clone, Debug, Default)]
pub struct Resolver {
    overrides: BTreeMap<String, Vec<IpAddr>>,
}

impl Resolver {
    /// A resolver that takes the addresses of these hosts from the table, and never asks the system
    /// for them. Case and a dot at a name's end make no difference.
    pub fn new(overrides: BTreeMap<String, Vec<IpAddr>>) -> Self {
        let mut merged: BTreeMap<String, Vec<IpAddr>> = BTreeMap::new();
        for (host, addresses) in overrides {
            merged.entry(key(&host)).or_default().extend(addresses);
        }
        Self { overrides: merged }
    }

    /// The addresses of a host that is an IP address itself or stands in the table, found without
    /// any waiting; `None` where the system would have to be asked.
    ///
    /// # Errors
    /// As for [`resolve`](Self::resolve).
    pub fn known(&self, host: &str, port: u16) -> Option<Result<Vec<SocketAddr>, Fault>> {
        if let Ok(ip) = host.parse() {
            return Some(Ok(vec![SocketAddr::new(ip, port)]));
        }
        let addresses = self.overrides.get(&key(host))?.iter();
        let addresses = addresses.map(|ip| SocketAddr::new(*ip, port));
        Some(ordered(host, addresses))
    }

    /// The addresses of `host` (an IPv6 address without brackets) with `port`, in the order in
    /// which to try them, at least one. Blocks while the system's resolver does, which may be for
    /// many seconds and can't be cut short: call it on a thread that may be left behind.
    ///
    /// # Errors
    /// [`TransportErrorKind::Dns`]: the name has no address, or the resolver failed.
    pub fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Fault> {
        self.resolve_by(|host, port| (host, port).to_socket_addrs(), host, port)
    }

    fn resolve_by<A: Iterator<Item = SocketAddr>>(
        &self,
        ask: impl FnOnce(&str, u16) -> io::Result<A>,
        host: &str,
        port: u16,
    ) -> Result<Vec<SocketAddr>, Fault> {
        if let Some(known) = self.known(host, port) {
            return known;
        }
        match ask(host, port) {
            Ok(addresses) => ordered(host, addresses),
            Err(error) => {
                let detail = format!("{host}: {error}");
                Err(Fault::new(TransportErrorKind::Dns, detail))
            }
        }
    }
}

fn key(host: &str) -> String {
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

fn ordered(
    host: &str,
    addresses: impl Iterator<Item = SocketAddr>,
) -> Result<Vec<SocketAddr>, Fault> {
    let ordered = in_order(addresses);
    if ordered.is_empty() {
        let detail = format!("{host} has no address");
        return Err(Fault::new(TransportErrorKind::Dns, detail));
    }
    Ok(ordered)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Found = std::vec::IntoIter<SocketAddr>;

    fn resolver(host: &str, addresses: &[&str]) -> Resolver {
        let addresses = addresses.iter().map(|ip| ip.parse().unwrap()).collect();
        Resolver::new(BTreeMap::from([(host.to_owned(), addresses)]))
    }

    fn sockets(addresses: &[&str]) -> Vec<SocketAddr> {
        addresses.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn never(host: &str, _: u16) -> io::Result<Found> {
        panic!("the system was asked for {host}")
    }

    #[test]
    fn an_address_is_not_asked_for() {
        let resolver = resolver("127.0.0.1", &["192.0.2.1"]);
        for (host, socket) in [("127.0.0.1", "127.0.0.1:9"), ("::1", "[::1]:9")] {
            let found = resolver.resolve_by(never, host, 9).unwrap();
            assert_eq!(found, sockets(&[socket]));
        }
    }

    #[test]
    fn the_table_goes_before_the_system() {
        let resolver = resolver("S3.Example", &["192.0.2.1", "192.0.2.2", "2001:db8::1"]);
        for host in ["s3.example", "S3.EXAMPLE."] {
            let found = resolver.resolve_by(never, host, 1).unwrap();
            let expected = ["192.0.2.1:1", "[2001:db8::1]:1", "192.0.2.2:1"];
            assert_eq!(found, sockets(&expected));
        }
        assert!(resolver.known("x.s3.example", 1).is_none());
    }

    #[test]
    fn what_the_system_says_is_put_in_order() {
        let ask = |host: &str, port: u16| {
            assert_eq!((host, port), ("x", 1));
            let said = ["[::2]:1", "[::2]:1", "[::3]:1", "192.0.2.1:1"];
            io::Result::Ok(sockets(&said).into_iter())
        };
        let found = Resolver::default().resolve_by(ask, "x", 1).unwrap();
        assert_eq!(found, sockets(&["[::2]:1", "192.0.2.1:1", "[::3]:1"]));
    }

    #[test]
    fn the_systems_resolver_knows_this_machine() {
        let found = Resolver::default().resolve("localhost", 80).unwrap();
        assert!(found.iter().all(|address| address.ip().is_loopback()));
    }

    #[test]
    fn a_name_without_an_address_is_a_fault_of_dns() {
        let failing = |_: &str, _: u16| io::Result::<Found>::Err(io::Error::other("no such name"));
        let fault = Resolver::default().resolve_by(failing, "x", 1).unwrap_err();
        assert_eq!(
            fault,
            Fault::new(TransportErrorKind::Dns, "x: no such name")
        );
        let empty = |_: &str, _: u16| io::Result::Ok(Vec::new().into_iter());
        let fault = Resolver::default().resolve_by(empty, "x", 1).unwrap_err();
        assert_eq!(
            fault,
            Fault::new(TransportErrorKind::Dns, "x has no address")
        );
        let fault = resolver("x", &[]).resolve_by(never, "x", 1).unwrap_err();
        assert_eq!(fault.kind, TransportErrorKind::Dns);
    }
}
