use http::Uri;
use sans3_runtime::Network;
use sans3_runtime::net::{Fault, Idle};

use super::connect::connect;
use super::wire::Wire;
use crate::course::Course;

/// Opens connections, and keeps those that wait for their next request.
#[derive(Debug)]
pub(crate) struct Pool {
    network: Network,
    idle: Idle<Wire>,
}

impl Pool {
    /// A pool that opens its connections by `network`.
    pub(crate) const fn new(network: Network) -> Self {
        Self {
            idle: Idle::new(network.kept),
            network,
        }
    }

    /// A pool that opens its connections the same way, and has none yet.
    pub(crate) fn renewed(&self) -> Self {
        Self::new(self.network.clone())
    }

    /// A connection for requests to `uri`: the one that was used last, or a new one. It ends when
    /// the exchange is ended, until the course [releases](Course::release) it.
    pub(crate) fn take(&self, uri: &Uri, course: &Course) -> Result<Wire, Fault> {
        let route = self.network.route(uri);
        while let Some(wire) = self.idle.take(&route) {
            if wire.is_usable() {
                course.bind(wire.line());
                return Ok(wire);
            }
        }
        connect(&self.network, route, course)
    }

    /// Keeps a connection whose last exchange came to a clean end.
    pub(crate) fn keep(&self, wire: Wire) {
        self.idle.keep(wire.route().clone(), wire);
    }
}
