use std::ops::{Deref, DerefMut};
use std::time::Duration;

use http::Uri;
use sans3_core::attempt::BodySource;
use sans3_runtime::Network;
use sans3_runtime::net::{Fault, Idle, Route};

use super::connect::Connector;
use super::wire::Wire;

/// Opens connections, and keeps those that wait for their next request.
pub(crate) struct Pool {
    connector: Connector,
    idle: Idle<Wire>,
}

/// A connection that knows where it may go back to.
pub(crate) struct Pooled<'a> {
    pool: &'a Pool,
    route: Route,
    wire: Wire,
}

impl Pool {
    /// A pool that opens its connections by `network`.
    pub(crate) const fn new(network: Network) -> Self {
        Self {
            idle: Idle::new(network.kept),
            connector: Connector::new(network),
        }
    }

    /// A connection for requests to `uri`: the one that was used last, or a new one within `limit`.
    pub(crate) async fn take(&self, uri: &Uri, limit: Duration) -> Result<Pooled<'_>, Fault> {
        let route = self.connector.route(uri);
        while let Some(mut wire) = self.idle.take(&route) {
            if wire.is_usable().await {
                return Ok(self.pooled(route, wire));
            }
        }
        // Rare, and large: without the box all exchanges would carry room for it.
        let wire = Box::pin(self.connector.connect(&route, limit)).await?;
        Ok(self.pooled(route, wire))
    }

    const fn pooled(&self, route: Route, wire: Wire) -> Pooled<'_> {
        Pooled {
            pool: self,
            route,
            wire,
        }
    }
}

impl Pooled<'_> {
    /// `request` as it is to be written to this connection.
    pub(crate) fn address(
        &self,
        mut request: http::Request<BodySource>,
    ) -> http::Request<BodySource> {
        self.route.address(&mut request);
        request
    }

    /// Keeps the connection, whose exchange came to a clean end.
    pub(crate) fn keep(self) {
        let Self { pool, route, wire } = self;
        pool.idle.keep(route, wire);
    }
}

impl Deref for Pooled<'_> {
    type Target = Wire;

    fn deref(&self) -> &Wire {
        &self.wire
    }
}

impl DerefMut for Pooled<'_> {
    fn deref_mut(&mut self) -> &mut Wire {
        &mut self.wire
    }
}
