use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sans3_core::error::TransportErrorKind;
use sans3_platform::address::Race;
use sans3_runtime::Network;
use sans3_runtime::net::{Fault, Progress, Route, Secure, Tunnel};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, sleep, timeout};

use super::encrypted::Encrypted;
use super::tolerant::{Meter, Tolerant};
use super::wire::Wire;

/// Opens connections.
pub(crate) struct Connector(Network);

impl Connector {
    pub(crate) const fn new(network: Network) -> Self {
        Self(network)
    }

    /// Which way requests to `uri` go.
    pub(crate) fn route(&self, uri: &http::Uri) -> Route {
        self.0.route(uri)
    }

    /// A new connection, name, proxy and TLS included, within `limit`.
    pub(crate) async fn connect(&self, route: &Route, limit: Duration) -> Result<Wire, Fault> {
        let late = |_| {
            let detail = format!("{route}, within {limit:?}");
            Fault::new(TransportErrorKind::ConnectTimeout, detail)
        };
        timeout(limit, self.open(route)).await.map_err(late)?
    }

    async fn open(&self, route: &Route) -> Result<Wire, Fault> {
        let addresses = self.resolve(route).await?;
        let mut stream = first_of(addresses, route).await?;
        self.0.opened.count();
        // Small requests must not wait for the acknowledgement of earlier ones; where this fails
        // they merely do.
        let _ = stream.set_nodelay(true);
        if let Some(tunnel) = route.tunnel() {
            dig(&mut stream, tunnel).await?;
        }
        let meter = Arc::new(Meter::new());
        let stream = Tolerant::new(stream, Arc::clone(&meter));
        let origin = route.origin();
        if !origin.is_secure() {
            return Wire::new(Box::new(stream), meter).await;
        }
        let Some(tls) = &self.0.tls else {
            let text = "no TLS for a plain endpoint";
            return Err(Fault::new(TransportErrorKind::Tls, text));
        };
        let failed = |error| Fault::in_handshake(&error);
        let tls = Secure::new(tls, origin.server_name()?).map_err(failed)?;
        let stream = Encrypted::new(stream, tls).await.map_err(failed)?;
        Wire::new(Box::new(stream), meter).await
    }

    async fn resolve(&self, route: &Route) -> Result<Vec<SocketAddr>, Fault> {
        let (host, port) = (route.host(), route.port());
        if let Some(known) = self.0.resolver.known(host, port) {
            return known;
        }
        let (resolver, host) = (self.0.resolver.clone(), host.to_owned());
        let lost = |_| Fault::new(TransportErrorKind::Dns, "the thread that resolves was lost");
        spawn_blocking(move || resolver.resolve(&host, port))
            .await
            .map_err(lost)?
    }
}

/// Races the addresses. The first that connects is taken.
async fn first_of(addresses: Vec<SocketAddr>, route: &Route) -> Result<TcpStream, Fault> {
    let began = Instant::now();
    let mut race = Race::new(addresses);
    let mut racing = JoinSet::new();
    loop {
        while let Some(address) = race.start(began.elapsed()) {
            racing.spawn(async move { (address, TcpStream::connect(address).await) });
        }
        if let Some(failures) = race.lost(route) {
            return Err(Fault::new(TransportErrorKind::Connect, failures));
        }
        let next = race.next_start();
        let pause = next.unwrap_or_default().saturating_sub(began.elapsed());
        tokio::select! {
            Some(joined) = racing.join_next() => match joined {
                Ok((_, Ok(stream))) => return Ok(stream),
                Ok((address, Err(error))) => race.on_failure(address, error),
                Err(lost) => return Err(Fault::new(TransportErrorKind::Connect, lost.to_string())),
            },
            () = sleep(pause), if next.is_some() => {}
        }
    }
}

/// Has the proxy open a tunnel.
async fn dig(stream: &mut TcpStream, mut tunnel: Tunnel) -> Result<(), Fault> {
    let failed = |error| Fault {
        // Nothing of the request itself has been sent.
        kind: TransportErrorKind::Connect,
        ..Fault::from_io(&error)
    };
    stream.write_all(&tunnel.request()?).await.map_err(failed)?;
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer).await.map_err(failed)?;
        if read == 0 {
            return Err(tunnel.eof());
        }
        if tunnel.read(&buffer[..read])? == Progress::Open {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use sans3_core::error::TransportErrorKind;
    use sans3_platform::ProxyRules;
    use sans3_runtime::net::Origin;
    use tokio::net::TcpListener;

    use super::*;

    fn route() -> Route {
        let origin = Origin::of(&"http://x".parse().unwrap());
        Route::new(origin, &ProxyRules::default())
    }

    async fn refused() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    }

    #[tokio::test]
    async fn adversary_59_a_dead_address_makes_way_for_the_next() {
        let live = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = live.local_addr().unwrap();
        // A listener whose backlog is full drops what comes: an address that is silent.
        let silent = socket_that_is_silent().await;
        let addresses = vec![refused().await, silent.0, address];
        let stream = first_of(addresses, &route()).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), address);
    }

    #[tokio::test]
    async fn without_an_address_that_answers_all_are_named() {
        let refused = refused().await;
        let fault = first_of(vec![refused], &route()).await.unwrap_err();
        assert_eq!(fault.kind, TransportErrorKind::Connect);
        assert!(
            fault.detail.contains(&refused.to_string()),
            "{}",
            fault.detail
        );
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
