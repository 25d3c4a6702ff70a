use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::Uri;
use sans3_core::attempt::BodySource;
use sans3_runtime::Network;
use sans3_runtime::net::{Fault, Route};
use tokio::time::Instant;

use super::connect::Connector;
use super::wire::Wire;

/// How long an unused connection is kept. Servers close theirs after some seconds; a request that
/// crosses that with its way there is lost.
const MAX_IDLE: Duration = Duration::from_secs(4);

/// Connections that wait for their next request.
pub(crate) struct Pool {
    connector: Connector,
    idle: Mutex<VecDeque<Idle>>,
}

struct Idle {
    route: Route,
    wire: Wire,
    since: Instant,
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
            connector: Connector::new(network),
            idle: Mutex::new(VecDeque::new()),
        }
    }

    /// A connection for requests to `uri`: the one that was used last, or a new one within `limit`.
    pub(crate) async fn take(&self, uri: &Uri, limit: Duration) -> Result<Pooled<'_>, Fault> {
        let route = self.connector.route(uri);
        while let Some(mut wire) = self.pop(&route) {
            if wire.is_usable().await {
                return Ok(self.pooled(route, wire));
            }
        }
        let wire = self.connector.connect(&route, limit).await?;
        Ok(self.pooled(route, wire))
    }

    const fn pooled(&self, route: Route, wire: Wire) -> Pooled<'_> {
        Pooled {
            pool: self,
            route,
            wire,
        }
    }

    fn pop(&self, route: &Route) -> Option<Wire> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = idle.partition_point(|idle| idle.since.elapsed() > MAX_IDLE);
        idle.drain(..fresh);
        let index = idle.iter().rposition(|idle| idle.route == *route)?;
        idle.remove(index).map(|idle| idle.wire)
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
        let mut idle = pool.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() >= pool.connector.kept() {
            idle.pop_front();
        }
        idle.push_back(Idle {
            route,
            wire,
            since: Instant::now(),
        });
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
