use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::{Connector, Fault, Origin, Wire};

/// How long an unused connection is kept. Servers close theirs after some seconds; a request that
/// crosses that with its way there is lost.
const MAX_IDLE: Duration = Duration::from_secs(4);

/// Connections that wait for their next request.
pub(crate) struct Pool {
    connector: Connector,
    idle: Mutex<VecDeque<Idle>>,
    kept: usize,
}

struct Idle {
    origin: Origin,
    wire: Wire,
    since: Instant,
}

impl Pool {
    /// A pool that keeps up to `kept` unused connections.
    pub(crate) const fn new(connector: Connector, kept: usize) -> Self {
        Self {
            connector,
            idle: Mutex::new(VecDeque::new()),
            kept,
        }
    }

    /// A connection to `origin`: the one that was used last, or a new one within `limit`.
    pub(crate) async fn take(&self, origin: &Origin, limit: Duration) -> Result<Wire, Fault> {
        while let Some(mut wire) = self.pop(origin) {
            if wire.is_usable().await {
                return Ok(wire);
            }
        }
        self.connector.connect(origin, limit).await
    }

    /// Keeps a connection whose last exchange came to a clean end.
    pub(crate) fn put(&self, origin: Origin, wire: Wire) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() >= self.kept {
            idle.pop_front();
        }
        idle.push_back(Idle {
            origin,
            wire,
            since: Instant::now(),
        });
    }

    /// How many connections were opened.
    pub(crate) fn opened(&self) -> u64 {
        self.connector.opened()
    }

    fn pop(&self, origin: &Origin) -> Option<Wire> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = idle.partition_point(|idle| idle.since.elapsed() > MAX_IDLE);
        idle.drain(..fresh);
        let index = idle.iter().rposition(|idle| idle.origin == *origin)?;
        idle.remove(index).map(|idle| idle.wire)
    }
}
