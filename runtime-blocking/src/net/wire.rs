use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::EXPECT;
use http::{HeaderValue, Request, Uri, request, response};
use sans3_core::error::TransportErrorKind;
use sans3_core::http1::{HeadReader, MAX_HEAD};
use sans3_runtime::net::{Fault, Route, chain};
use ureq::config::{AutoHeaderValue, Config};
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};
use ureq::{Agent, SendBody};

use super::Line;
use super::pipe::{Order, Pipe};
use super::stream::Stream;
use crate::body::Payload;
use crate::course::Course;

/// An HTTP/1.1 connection, and a ureq agent that writes and reads heads on it.
///
/// The connection is lent to the agent for each request: which one takes a request, and whether it
/// can take another one, is decided by us.
pub(crate) struct Wire {
    agent: Agent,
    slot: Arc<Slot>,
    line: Arc<Line>,
    route: Route,
}

/// The answer to a request, whose body is coming in.
pub(crate) struct Answer {
    wire: Wire,
    pipe: Box<Pipe>,
}

impl Wire {
    pub(super) fn new(line: Arc<Line>, stream: Stream, route: Route) -> Self {
        let slot = Arc::<Slot>::default();
        slot.put(Box::new(Pipe::new(Arc::clone(&line), stream)));
        let agent = Agent::with_parts(config(), Only(Arc::clone(&slot)), Nowhere);
        Self {
            agent,
            slot,
            line,
            route,
        }
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
        self,
        course: &Arc<Course>,
        head: request::Parts,
        patience: Option<Duration>,
        body: &mut Payload<'_>,
    ) -> Result<(response::Parts, Answer), Fault> {
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
        let mut pipe = self.slot.take()?;
        pipe.begin(Order {
            course: Arc::clone(course),
            answer: HeadReader::for_request(&head),
            before_target,
            patience,
            length,
        });
        self.slot.put(pipe);
        let answer = if length == 0 {
            self.agent.run(Request::from_parts(head, SendBody::none()))
        } else {
            let body = SendBody::from_reader(body);
            self.agent.run(Request::from_parts(head, body))
        };
        let answer =
            answer.map_err(|error| course.fault().cloned().unwrap_or_else(|| fault(&error)))?;
        // Its body, which is not read by it, is all that keeps the connection from coming back.
        let (head, _) = answer.into_parts();
        let pipe = self.slot.take()?;
        Ok((head, Answer { wire: self, pipe }))
    }
}

impl Answer {
    /// The next bytes of the body; none at its end.
    ///
    /// # Errors
    /// The exchange broke.
    pub(crate) fn read(&mut self) -> Result<&[u8], Fault> {
        self.pipe.read()
    }

    /// The connection, where HTTP allows that it takes another request.
    pub(crate) fn into_wire(mut self) -> Option<Wire> {
        self.pipe.end().then(|| {
            self.wire.slot.put(self.pipe);
            self.wire
        })
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
        .max_idle_connections(0)
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

/// Where a connection is while ureq does not have it.
#[derive(Debug, Default)]
struct Slot(Mutex<Option<Box<Pipe>>>);

impl Slot {
    fn put(&self, pipe: Box<Pipe>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(pipe);
    }

    fn take(&self) -> Result<Box<Pipe>, Fault> {
        let pipe = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let missing = || Fault::new(TransportErrorKind::Other, "ureq holds on to the connection");
        pipe.ok_or_else(missing)
    }
}

/// Lends ureq the one connection that its agent has.
#[derive(Debug)]
struct Only(Arc<Slot>);

impl Connector for Only {
    type Out = Lent;

    fn connect(
        &self,
        _: &ConnectionDetails<'_>,
        _: Option<()>,
    ) -> Result<Option<Lent>, ureq::Error> {
        let lent = |pipe| Lent {
            pipe: Some(pipe),
            slot: Arc::clone(&self.0),
        };
        Ok(self.0.take().ok().map(lent))
    }
}

/// A connection that ureq has, until it drops it.
#[derive(Debug)]
struct Lent {
    pipe: Option<Box<Pipe>>,
    slot: Arc<Slot>,
}

impl Lent {
    fn pipe(&mut self) -> &mut Pipe {
        self.pipe.as_mut().expect("here until the drop")
    }
}

impl Transport for Lent {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.pipe().buffers()
    }

    fn transmit_output(&mut self, amount: usize, _: NextTimeout) -> Result<(), ureq::Error> {
        self.pipe().transmit(amount)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.pipe().await_input(timeout)
    }

    /// It is not ureq's to keep.
    fn is_open(&mut self) -> bool {
        false
    }

    fn is_tls(&self) -> bool {
        self.pipe.as_ref().is_some_and(|pipe| pipe.is_tls())
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(mut pipe) = self.pipe.take() {
            pipe.give_back();
            self.slot.put(pipe);
        }
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
