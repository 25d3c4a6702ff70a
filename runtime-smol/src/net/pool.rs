use std::future::poll_fn;
use std::ops::{Deref, DerefMut};
use std::task::Poll;
use std::time::Duration;

use http::{Request, Uri, request, response};
use sans3_core::attempt::Sent;
use sans3_core::http1::{BodyReader, Target};
use sans3_runtime::net::{Fault, Idle, Route};
use sans3_runtime::{Body, Network, Stop};

use super::connect::Connector;
use super::send::{Broken, Limits, Sending};
use super::wire::Wire;
use crate::time::Alarm;

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
            if poll_fn(|cx| Poll::Ready(wire.is_usable(cx))).await {
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
    /// Sends a request with its body, and waits for the head of the answer. Also tells how much of
    /// the request has left.
    pub(crate) async fn send(
        &mut self,
        head: request::Parts,
        body: Body,
        limits: Limits,
        stop: &Stop,
    ) -> (Result<(response::Parts, BodyReader), Broken>, Sent) {
        let mut request = Request::from_parts(head, ());
        self.route.address(&mut request);
        let target = if self.route.is_absolute() {
            Target::Absolute
        } else {
            Target::Origin
        };
        let (head, ()) = request.into_parts();
        let mut sending = match Sending::new(&mut self.wire, &head, target, body, limits) {
            Ok(sending) => sending,
            Err(fault) => return (Err(Broken::Fault(fault)), Sent::None),
        };
        let answer = poll_fn(|cx| match stop.poll_stopped(cx) {
            Poll::Ready(()) => Poll::Ready(Err(Broken::Fault(Fault::aborted()))),
            Poll::Pending => sending.poll_answer(cx),
        });
        (answer.await, sending.sent())
    }

    /// Keeps the connection, where both sides and the end of the answer's body allow it.
    pub(crate) fn keep(self, body: &BodyReader) {
        let Self {
            pool,
            route,
            mut wire,
        } = self;
        if body.may_reuse(wire.input.unread().len()) {
            wire.alarm = Alarm::default();
            pool.idle.keep(route, wire);
        }
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
