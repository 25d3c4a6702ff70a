use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use async_io::{Async, Timer};
use futures_lite::{AsyncReadExt as _, AsyncWriteExt as _, future};
use sans3_core::error::TransportErrorKind;
use sans3_runtime::Network;
use sans3_runtime::net::{Fault, Progress, Route, Secure, Tunnel};

use super::race;
use super::stream::{Encrypted, Stream};
use super::wire::Wire;

/// Opens connections.
pub(super) struct Connector(Network);

impl Connector {
    pub(super) const fn new(network: Network) -> Self {
        Self(network)
    }

    /// Which way requests to `uri` go.
    pub(super) fn route(&self, uri: &http::Uri) -> Route {
        self.0.route(uri)
    }

    /// A new connection, name, proxy and TLS included, within `limit`.
    pub(super) async fn connect(&self, route: &Route, limit: Duration) -> Result<Wire, Fault> {
        let late = async {
            Timer::after(limit).await;
            let detail = format!("{route}, within {limit:?}");
            Err(Fault::new(TransportErrorKind::ConnectTimeout, detail))
        };
        future::or(self.open(route), late).await
    }

    async fn open(&self, route: &Route) -> Result<Wire, Fault> {
        let addresses = self.resolve(route).await?;
        let mut stream = race::connect(addresses, route).await?;
        self.0.opened.count();
        // Small requests must not wait for the acknowledgement of earlier ones; where this fails
        // they merely do.
        let _ = stream.get_ref().set_nodelay(true);
        if let Some(tunnel) = route.tunnel() {
            dig(&mut stream, tunnel).await?;
        }
        let origin = route.origin();
        if !origin.is_secure() {
            return Ok(Wire::new(Stream::Plain(stream)));
        }
        let Some(tls) = &self.0.tls else {
            let text = "no TLS for a plain endpoint";
            return Err(Fault::new(TransportErrorKind::Tls, text));
        };
        let failed = |error| Fault::in_handshake(&error);
        let tls = Secure::new(tls, origin.server_name()?).map_err(failed)?;
        let stream = Encrypted::new(stream, tls).await.map_err(failed)?;
        Ok(Wire::new(Stream::Secure(Box::new(stream))))
    }

    async fn resolve(&self, route: &Route) -> Result<Vec<SocketAddr>, Fault> {
        let (host, port) = (route.host(), route.port());
        if let Some(known) = self.0.resolver.known(host, port) {
            return known;
        }
        let (resolver, host) = (self.0.resolver.clone(), host.to_owned());
        blocking::unblock(move || resolver.resolve(&host, port)).await
    }
}

/// Has the proxy open a tunnel.
async fn dig(stream: &mut Async<TcpStream>, mut tunnel: Tunnel) -> Result<(), Fault> {
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
