use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::EXPECT;
use http::{HeaderValue, Request, Response, Uri, request};
use sans3_core::error::TransportErrorKind;
use sans3_core::http1::{HeadReader, MAX_HEAD};
use sans3_runtime::net::{Fault, Route, chain};
use ureq::config::{AutoHeaderValue, Config};
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{ConnectionDetails, Connector, NextTimeout};
use ureq::{Agent, Body, SendBody};

use super::Line;
use super::line::Order;
use super::pipe::Pipe;
use super::stream::Stream;
use crate::body::Payload;
use crate::course::Course;

/// An HTTP/1.1 connection: a ureq agent that has no other.
///
/// With an agent of its own, each connection's transport, bytes and end are known; which one takes
/// a request is decided by our pool.
pub(crate) struct Wire {
    agent: Agent,
    line: Arc<Line>,
    route: Route,
}

impl Wire {
    pub(super) fn new(line: Arc<Line>, stream: Stream, route: Route) -> Self {
        let pipe = Pipe::new(Arc::clone(&line), stream);
        let agent = Agent::with_parts(config(), Only(Mutex::new(Some(pipe))), Nowhere);
        Self { agent, line, route }
    }

    /// What its requests have in common.
    pub(super) const fn route(&self) -> &Route {
        &self.route
    }

    /// The connection beneath.
    pub(super) const fn line(&self) -> &Arc<Line> {
        &self.line
    }

    /// Whether the connection can take another request.
    pub(super) fn is_usable(&self) -> bool {
        self.line.is_usable()
    }

    /// Sends a request whose URI is absolute, and `body` behind it, and waits for the head of its
    /// answer. With `patience`, the body waits so long for the server's permission.
    ///
    /// # Errors
    /// The exchange broke; where `body` failed, it knows why.
    pub(crate) fn send(
        &self,
        course: &Arc<Course>,
        head: request::Parts,
        patience: Option<Duration>,
        body: &mut Payload<'_>,
    ) -> Result<Response<Body>, Fault> {
        let mut request = Request::from_parts(head, ());
        let before_target = self.route.is_absolute().then(|| {
            self.route.address(&mut request);
            before_target(request.uri())
        });
        let (mut head, ()) = request.into_parts();
        if patience.is_some() {
            head.headers
                .insert(EXPECT, HeaderValue::from_static("100-continue"));
        }
        let length = body.left();
        self.line.set_order(Some(Order {
            course: Arc::clone(course),
            answer: HeadReader::for_request(&head),
            before_target,
            patience,
            length,
        }));
        let answer = if length == 0 {
            self.agent.run(Request::from_parts(head, SendBody::none()))
        } else {
            let body = SendBody::from_reader(body);
            self.agent.run(Request::from_parts(head, body))
        };
        self.line.set_order(None);
        answer.map_err(|error| course.fault().cloned().unwrap_or_else(|| fault(&error)))
    }
}

/// Everything off that ureq would add, follow, undo, repeat or limit.
fn config() -> Config {
    Agent::config_builder()
        .http_status_as_error(false)
        .proxy(None)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .user_agent(AutoHeaderValue::None)
        .accept(AutoHeaderValue::None)
        .accept_encoding(AutoHeaderValue::None)
        .max_response_header_size(MAX_HEAD)
        .max_idle_connections(1)
        .max_idle_connections_per_host(1)
        .max_idle_age(Duration::from_secs(3600))
        // The longest that is asked for; the transport knows how long it is.
        .timeout_await_100(Some(Duration::from_secs(1)))
        .build()
}

/// Scheme and authority, as they stand.
fn before_target(uri: &Uri) -> String {
    let scheme = uri.scheme_str().unwrap_or("http");
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    format!("{scheme}://{authority}")
}

/// What ureq objects to by itself: the transport's objections are in the course.
fn fault(error: &ureq::Error) -> Fault {
    let kind = match error {
        ureq::Error::Protocol(_) => TransportErrorKind::BadHttp,
        ureq::Error::LargeResponseHeader(..) => TransportErrorKind::HeadTooLarge,
        ureq::Error::Io(error) => return Fault::from_io(error),
        _ => TransportErrorKind::Other,
    };
    Fault::new(kind, chain(error))
}

/// Gives ureq the one connection that its agent has.
#[derive(Debug)]
struct Only(Mutex<Option<Pipe>>);

impl Connector for Only {
    type Out = Pipe;

    fn connect(
        &self,
        _: &ConnectionDetails<'_>,
        _: Option<()>,
    ) -> Result<Option<Pipe>, ureq::Error> {
        let pipe = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let closed = std::io::Error::new(
            std::io::ErrorKind::NotConnected,
            "the connection was closed before the request was sent",
        );
        pipe.map(Some).ok_or(ureq::Error::Io(closed))
    }
}

/// Resolves no name: there is a connection already.
#[derive(Debug)]
struct Nowhere;

impl Resolver for Nowhere {
    fn resolve(
        &self,
        _: &Uri,
        _: &Config,
        _: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        Ok(self.empty())
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Wire").field(&self.line).finish()
    }
}
