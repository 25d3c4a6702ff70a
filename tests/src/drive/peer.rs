use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};
use sans3_core::error::TransportErrorKind;

use crate::model::{Model, Request, Response, Route};

/// A request as a peer sees it.
#[derive(Clone, Debug)]
pub struct Sent {
    /// The method.
    pub method: Method,
    /// Path and query, as sent.
    pub target: String,
    /// All headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

/// An answer, or what came instead.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status and headers; or how the exchange broke before a head came.
    pub head: Result<(u16, HeaderMap), TransportErrorKind>,
    /// The body, in the pieces in which it comes.
    pub body: Vec<Bytes>,
    /// How long the client waits for each piece.
    pub pace: Duration,
    /// How the body ends.
    pub end: Result<(), TransportErrorKind>,
    /// Whether the answer came before the request was sent in full.
    pub early: bool,
}

impl Reply {
    /// An answer with a body, and no headers but these.
    pub fn new(status: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Self {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name = name
                .parse::<http::HeaderName>()
                .unwrap_or_else(|e| panic!("{name}: {e}"));
            let value = value.parse().unwrap_or_else(|e| panic!("{value}: {e}"));
            map.append(name, value);
        }
        Self {
            head: Ok((status, map)),
            body: vec![body.into()],
            pace: Duration::ZERO,
            end: Ok(()),
            early: false,
        }
    }

    /// No answer.
    pub fn broken(kind: TransportErrorKind) -> Self {
        Self {
            head: Err(kind),
            body: Vec::new(),
            pace: Duration::ZERO,
            end: Ok(()),
            early: false,
        }
    }

    /// The same answer, with another header.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        if let Ok((_, headers)) = &mut self.head {
            headers.insert(
                name,
                value.parse().unwrap_or_else(|e| panic!("{value}: {e}")),
            );
        }
        self
    }

    /// The same answer, without a header.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        if let Ok((_, headers)) = &mut self.head {
            headers.remove(name);
        }
        self
    }

    /// The same answer, broken off in this way after `len` bytes of its body.
    #[must_use]
    pub fn cut(mut self, len: usize, end: Result<(), TransportErrorKind>) -> Self {
        let mut whole = self.bytes();
        whole.truncate(len);
        self.body = vec![whole.into()];
        self.end = end;
        self
    }

    /// The same answer, with a bit of its body flipped.
    #[must_use]
    pub fn flipped(mut self, at: usize) -> Self {
        let mut whole = self.bytes();
        if let Some(byte) = whole.get_mut(at) {
            *byte ^= 1;
        }
        self.body = vec![whole.into()];
        self
    }

    /// The whole body.
    pub fn bytes(&self) -> Vec<u8> {
        self.body.concat()
    }
}

/// What answers the requests of a rig.
pub trait Peer {
    /// Answers one request.
    fn answer(&mut self, request: Sent) -> Reply;
}

impl<F: FnMut(Sent) -> Reply> Peer for F {
    fn answer(&mut self, request: Sent) -> Reply {
        self(request)
    }
}

/// The model as a peer, with a hook that may change each answer, or answer in its place.
pub struct ModelPeer<F> {
    /// The model.
    pub model: Model,
    /// Called with the number of the request (from 0), the request, and a way to the model's
    /// answer.
    pub hook: F,
    count: usize,
}

impl<F> ModelPeer<F>
where
    F: FnMut(usize, &Sent, &mut dyn FnMut() -> Reply) -> Reply,
{
    /// A peer that lets `hook` change what `model` answers.
    pub fn new(model: Model, hook: F) -> Self {
        Self {
            model,
            hook,
            count: 0,
        }
    }
}

impl<F> Peer for ModelPeer<F>
where
    F: FnMut(usize, &Sent, &mut dyn FnMut() -> Reply) -> Reply,
{
    fn answer(&mut self, request: Sent) -> Reply {
        let number = self.count;
        self.count += 1;
        let model = &mut self.model;
        let mut ask = || ask(model, &request);
        (self.hook)(number, &request, &mut ask)
    }
}

/// What `model` answers to a request.
pub(crate) fn ask(model: &mut Model, request: &Sent) -> Reply {
    Reply::from(model.handle(request.clone().into()))
}

/// As [`ask`], for the last time that the request is needed, where its target has been taken apart.
pub(crate) fn give(model: &mut Model, request: Sent, route: Option<&Route>) -> Reply {
    let prepared = Request::from(request).prepare(model.config().hashes());
    Reply::from(model.handle_routed(prepared, route))
}

impl From<Sent> for Request {
    fn from(sent: Sent) -> Self {
        let mut request = Self::new(sent.method, sent.target);
        request.headers = sent.headers;
        request.body(sent.body)
    }
}

impl From<Response> for Reply {
    fn from(response: Response) -> Self {
        Self {
            head: Ok((response.status.as_u16(), response.headers)),
            body: response.body.into_segments(),
            pace: Duration::ZERO,
            end: Ok(()),
            early: false,
        }
    }
}
