use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::Uri;
use rustls::pki_types::ServerName;
use sans3_core::error::TransportErrorKind;
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;

use super::Fault;
use super::tolerant::{Meter, Tolerant};
use super::wire::Wire;

/// How long an address may try alone before the next one joins in: one that is dead is often
/// silent (RFC 8305, section 5, "Connection Attempt Delay").
const HEAD_START: Duration = Duration::from_millis(250);

/// Where a connection leads. Connections to equal origins can stand in for each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    secure: bool,
    host: String,
    port: u16,
}

/// Opens connections.
pub(crate) struct Connector {
    tls: Option<TlsConnector>,
    opened: AtomicU64,
}

impl Origin {
    /// Where a request for `uri` goes.
    pub(crate) fn of(uri: &Uri) -> Self {
        let secure = uri.scheme_str() == Some("https");
        let host = uri.host().unwrap_or_default();
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        Self {
            secure,
            host: bare.unwrap_or(host).to_owned(),
            port,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} port {}", self.host, self.port)
    }
}

impl Connector {
    /// A connector; without `tls` it opens plain connections alone.
    pub(crate) fn new(tls: Option<Arc<rustls::ClientConfig>>) -> Self {
        Self {
            tls: tls.map(TlsConnector::from),
            opened: AtomicU64::new(0),
        }
    }

    /// A new connection to `origin`, TLS included, within `limit`.
    pub(crate) async fn connect(&self, origin: &Origin, limit: Duration) -> Result<Wire, Fault> {
        let late = |_| {
            let detail = format!("{origin}, within {limit:?}");
            Fault::new(TransportErrorKind::ConnectTimeout, detail)
        };
        timeout(limit, self.open(origin)).await.map_err(late)?
    }

    /// How many connections were opened.
    pub(crate) fn opened(&self) -> u64 {
        self.opened.load(Ordering::Relaxed)
    }

    async fn open(&self, origin: &Origin) -> Result<Wire, Fault> {
        let found = lookup_host((origin.host.as_str(), origin.port)).await;
        let addresses: Vec<SocketAddr> = match found {
            Ok(found) => found.collect(),
            Err(error) => {
                let detail = format!("{}: {error}", origin.host);
                return Err(Fault::new(TransportErrorKind::Dns, detail));
            }
        };
        let stream = first_of(addresses, origin).await?;
        self.opened.fetch_add(1, Ordering::Relaxed);
        // Small requests must not wait for the acknowledgement of earlier ones; where this fails
        // they merely do.
        let _ = stream.set_nodelay(true);
        let meter = Arc::new(Meter::new());
        let stream = Tolerant::new(stream, Arc::clone(&meter));
        if !origin.secure {
            return Wire::new(Box::new(stream), meter).await;
        }
        let Some(tls) = &self.tls else {
            return Err(Fault::new(
                TransportErrorKind::Tls,
                "no TLS for a plain endpoint",
            ));
        };
        let name = ServerName::try_from(origin.host.clone())
            .map_err(|error| Fault::new(TransportErrorKind::Tls, error.to_string()))?;
        let stream = tls.connect(name, stream).await;
        let stream = stream.map_err(|error| Fault::in_handshake(&error))?;
        Wire::new(Box::new(stream), meter).await
    }
}

/// Tries the addresses in turn, the next one as soon as all before it have failed or have had
/// their head start. The first that answers is taken.
async fn first_of(addresses: Vec<SocketAddr>, origin: &Origin) -> Result<TcpStream, Fault> {
    let mut waiting = addresses.into_iter();
    let mut racing = JoinSet::new();
    let mut failures = Vec::new();
    loop {
        if let Some(address) = waiting.next() {
            racing.spawn(async move { (address, TcpStream::connect(address).await) });
        }
        tokio::select! {
            joined = racing.join_next() => match joined {
                Some(Ok((_, Ok(stream)))) => return Ok(stream),
                Some(Ok((address, Err(error)))) => failures.push(format!("{address}: {error}")),
                Some(Err(_)) => {}
                None if waiting.len() == 0 => {
                    let detail = match failures.as_slice() {
                        [] => format!("{origin} has no address"),
                        failures => failures.join("; "),
                    };
                    return Err(Fault::new(TransportErrorKind::Connect, detail));
                }
                None => {}
            },
            () = sleep(HEAD_START), if waiting.len() > 0 => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    fn origin(text: &str) -> Origin {
        Origin::of(&text.parse().unwrap())
    }

    #[test]
    fn origins_have_ports_and_bare_hosts() {
        assert_eq!(
            origin("https://x.example/k").to_string(),
            "x.example port 443"
        );
        assert_eq!(
            origin("http://x.example/k?q").to_string(),
            "x.example port 80"
        );
        assert_eq!(origin("http://[::1]:9000/k").to_string(), "::1 port 9000");
        assert_ne!(origin("http://x:443/"), origin("https://x/"));
    }

    #[tokio::test]
    async fn adversary_59_a_dead_address_makes_way_for_the_next() {
        let refused = TcpListener::bind("127.0.0.1:0")
            .await
            .unwrap()
            .local_addr()
            .unwrap();
        let live = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = live.local_addr().unwrap();
        // A listener whose backlog is full drops what comes: an address that is silent.
        let silent = socket_that_is_silent().await;
        let addresses = vec![refused, silent.0, address];
        let stream = first_of(addresses, &origin("http://x")).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), address);
    }

    #[tokio::test]
    async fn without_an_address_that_answers_all_are_named() {
        let refused = TcpListener::bind("127.0.0.1:0")
            .await
            .unwrap()
            .local_addr()
            .unwrap();
        let fault = first_of(vec![refused], &origin("http://x"))
            .await
            .unwrap_err();
        assert_eq!(fault.kind, TransportErrorKind::Connect);
        assert!(
            fault.detail.contains(&refused.to_string()),
            "{}",
            fault.detail
        );
        let fault = first_of(Vec::new(), &origin("http://x")).await.unwrap_err();
        assert_eq!(fault.detail, "x port 80 has no address");
    }

    async fn socket_that_is_silent() -> (SocketAddr, TcpListener, Vec<JoinSet<()>>) {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut fillers = JoinSet::new();
        for _ in 0..8 {
            fillers.spawn(async move {
                let held = TcpStream::connect(address).await;
                std::future::pending::<()>().await;
                drop(held);
            });
        }
        sleep(Duration::from_millis(50)).await;
        (address, listener, vec![fillers])
    }
}
