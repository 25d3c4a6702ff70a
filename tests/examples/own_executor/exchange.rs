//! The answering half of an exchange.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{ErrorKind, Read as _};
use std::net::TcpStream;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant, SystemTime};

use http::{request, response};
use sans3_core::attempt::{Outcome, Placement, Receiving, Sendable, Sent, StopReading};
use sans3_core::error::TransportErrorKind;
use sans3_core::http1::{self, BodyRead, BodyReader, HeadRead, HeadReader};
use sans3_core::time::UnixTime;

/// Where the bytes go.
pub(crate) type Object = Rc<RefCell<Vec<u8>>>;

/// Why an exchange can't go on.
struct Lost(TransportErrorKind, String);

/// What has come in and was not used yet.
struct Received {
    socket: Rc<TcpStream>,
    bytes: Vec<u8>,
}

/// Receives the answer, of which an object's bytes go to `object`.
pub(crate) async fn receive(
    sendable: Sendable,
    request: request::Parts,
    limit: Duration,
    socket: Rc<TcpStream>,
    object: Object,
) -> Outcome {
    let bytes = Vec::new();
    let mut input = Received { socket, bytes };
    let (head, body) = match input.head(&request, limit).await {
        Ok(answer) => answer,
        Err(Lost(kind, why)) => return sendable.on_transport_error(kind, Sent::All, why),
    };
    let mut receiving = match sendable.on_head(&head, Sent::All, wall()) {
        Ok(receiving) => receiving,
        Err(outcome) => return outcome,
    };
    match input.body(body, &mut receiving, &object).await {
        Ok(()) => receiving.finish(),
        Err(Lost(kind, why)) => receiving.on_transport_error(kind, why),
    }
}

/// The time that signatures and answers are dated by.
pub(crate) fn wall() -> UnixTime {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let seconds = since.unwrap_or_default().as_secs();
    UnixTime::from_seconds(i64::try_from(seconds).unwrap_or(i64::MAX))
}

impl Received {
    async fn head(
        &mut self,
        request: &request::Parts,
        limit: Duration,
    ) -> Result<(response::Parts, BodyReader), Lost> {
        let mut reader = HeadReader::for_request(request);
        loop {
            match reader.read(&self.bytes)? {
                HeadRead::Final {
                    head,
                    consumed,
                    body,
                } => {
                    self.bytes.drain(..consumed);
                    return Ok((head, body));
                }
                HeadRead::Interim { consumed, .. } => drop(self.bytes.drain(..consumed)),
                HeadRead::Incomplete if self.more(limit).await?.is_some() => {}
                HeadRead::Incomplete => return Err(reader.eof(&self.bytes).into()),
            }
        }
    }

    async fn body(
        &mut self,
        mut body: BodyReader,
        receiving: &mut Receiving,
        object: &Object,
    ) -> Result<(), Lost> {
        let mut waited = Duration::ZERO;
        loop {
            match body.read(&self.bytes)? {
                BodyRead::Complete { .. } => return Ok(()),
                BodyRead::Data { consumed, span } => {
                    let chunk = &self.bytes[span];
                    match receiving.admit(chunk, waited) {
                        Ok(Placement::Object { at, span }) => put(object, at, &chunk[span]),
                        Ok(Placement::Internal) => {}
                        Err(StopReading) => return Ok(()),
                    }
                    self.bytes.drain(..consumed);
                }
                BodyRead::Incomplete { consumed } => {
                    self.bytes.drain(..consumed);
                    match self.more(receiving.patience()).await? {
                        Some(time) => waited = time,
                        None => return Ok(body.eof()?),
                    }
                }
            }
        }
    }

    /// Waits for more bytes, for `limit` at most. How long it took; `None` at their end.
    async fn more(&mut self, limit: Duration) -> Result<Option<Duration>, Lost> {
        let (mut bytes, began) = ([0; 64 * 1024], Instant::now());
        let count = poll_fn(|_| match (&*self.socket).read(&mut bytes) {
            Ok(count) => Poll::Ready(Ok(count)),
            Err(error) if error.kind() != ErrorKind::WouldBlock => {
                Poll::Ready(Err(Lost(TransportErrorKind::Closed, error.to_string())))
            }
            Err(_) if began.elapsed() < limit => Poll::Pending,
            Err(_) => {
                let why = format!("nothing came for {limit:?}");
                Poll::Ready(Err(Lost(TransportErrorKind::IdleTimeout, why)))
            }
        })
        .await?;
        self.bytes.extend_from_slice(&bytes[..count]);
        Ok((count > 0).then(|| began.elapsed()))
    }
}

impl From<http1::Error> for Lost {
    fn from(error: http1::Error) -> Self {
        Self(error.kind(), error.to_string())
    }
}

fn put(object: &Object, at: u64, bytes: &[u8]) {
    let mut object = object.borrow_mut();
    let at = usize::try_from(at).expect("the object fits into memory");
    let len = object.len().max(at + bytes.len());
    object.resize(len, 0);
    object[at..][..bytes.len()].copy_from_slice(bytes);
}
