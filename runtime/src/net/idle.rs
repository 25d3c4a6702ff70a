use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Route;

/// How long an unused connection is kept. Servers close theirs after some seconds; a request that
/// crosses that with its way there is lost.
const MAX_IDLE: Duration = Duration::from_secs(4);

/// Connections that wait for their next request. `C` is a runtime's connection.
pub struct Idle<C> {
    waiting: Mutex<VecDeque<Waiting<C>>>,
    kept: usize,
}

struct Waiting<C> {
    route: Route,
    connection: C,
    since: Instant,
}

impl<C> Idle<C> {
    /// Room for up to `kept` connections; the oldest ones make way.
    pub const fn new(kept: usize) -> Self {
        Self {
            waiting: Mutex::new(VecDeque::new()),
            kept,
        }
    }

    /// The connection that was used last of those that go this way. Whether it still stands is for
    /// the caller to see.
    pub fn take(&self, route: &Route) -> Option<C> {
        let mut waiting = self.waiting();
        let stale = waiting.partition_point(|waiting| waiting.since.elapsed() > MAX_IDLE);
        waiting.drain(..stale);
        let index = waiting
            .iter()
            .rposition(|waiting| waiting.route == *route)?;
        waiting.remove(index).map(|waiting| waiting.connection)
    }

    /// Keeps a connection whose last exchange came to a clean end.
    pub fn keep(&self, route: Route, connection: C) {
        let mut waiting = self.waiting();
        waiting.push_back(Waiting {
            route,
            connection,
            since: Instant::now(),
        });
        if waiting.len() > self.kept {
            waiting.pop_front();
        }
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Waiting<C>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C> fmt::Debug for Idle<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Idle")
            .field("waiting", &self.waiting().len())
            .field("kept", &self.kept)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use sans3_platform::ProxyRules;

    use super::super::Origin;
    use super::*;

    fn route(uri: &str) -> Route {
        Route::new(Origin::of(&uri.parse().unwrap()), &ProxyRules::default())
    }

    #[test]
    fn the_one_that_was_used_last_goes_first_and_the_oldest_makes_way() {
        let idle = Idle::new(2);
        for connection in 0..3 {
            idle.keep(route("http://x"), connection);
        }
        assert_eq!(idle.take(&route("http://x")), Some(2));
        assert_eq!(idle.take(&route("http://x")), Some(1));
        assert_eq!(idle.take(&route("http://x")), None);
    }

    #[test]
    fn no_connection_goes_another_way() {
        let idle = Idle::new(2);
        idle.keep(route("http://x"), ());
        assert_eq!(idle.take(&route("http://y")), None);
        assert_eq!(idle.take(&route("https://x")), None);
        assert_eq!(idle.take(&route("http://x:80/k")), Some(()));
    }
}
