//! The body of a request, as hyper asks for it.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::{EXPECT, HeaderValue};
use http::{Request, StatusCode};
use hyper::body::{Frame, SizeHint};
use sans3_core::attempt::{Deadlines, Sent};
use sans3_core::error::{SourceError, TransportErrorKind};
use sans3_runtime::Body;
use sans3_runtime::net::Fault;
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep, sleep, timeout};

use crate::net::Meter;

/// A request's body of known length.
pub(crate) struct Payload {
    /// What is waited for before any of it is sent.
    gate: Option<Gate>,
    body: Body,
    sending: Arc<Sending>,
}

/// How far the sending of a request is: what the exchange sees of a body that hyper owns.
#[derive(Debug)]
pub(crate) struct Sending {
    meter: Arc<Meter>,
    /// What the connection had written before this request.
    written_before: u64,
    began: Instant,
    /// How often the connection had been flushed when hyper had taken the last of the request. It
    /// keeps up to half a mebibyte to itself: only the next flush says that all of it has left.
    taken: OnceLock<u64>,
    error: Mutex<Option<SourceError>>,
}

/// Keeps a body back until the server asks for it, or has been silent for long enough.
struct Gate {
    asked: oneshot::Receiver<()>,
    patience: Pin<Box<Sleep>>,
    /// A final answer came first.
    refused: bool,
}

impl Payload {
    /// `body` over a connection with this `meter`.
    pub(crate) fn new(body: Body, meter: &Arc<Meter>) -> (Self, Arc<Sending>) {
        let sending = Arc::new(Sending {
            written_before: meter.written(),
            meter: Arc::clone(meter),
            began: Instant::now(),
            taken: OnceLock::new(),
            error: Mutex::default(),
        });
        let payload = Self {
            gate: None,
            body,
            sending: Arc::clone(&sending),
        };
        payload.note_end();
        (payload, sending)
    }

    /// Sends the body of `request` only when a 100 has come, or when `patience` is over (RFC 9110,
    /// section 10.1.1).
    pub(crate) fn expect_continue(request: &mut Request<Self>, patience: Duration) {
        let (ask, asked) = oneshot::channel();
        let ask = Mutex::new(Some(ask));
        let fields = request.headers_mut();
        fields.insert(EXPECT, HeaderValue::from_static("100-continue"));
        hyper::ext::on_informational(request, move |interim| {
            if interim.status() == StatusCode::CONTINUE {
                let ask = ask.lock().unwrap_or_else(PoisonError::into_inner).take();
                // Where the exchange is over nobody waits.
                let _ = ask.map(|ask| ask.send(()));
            }
        });
        request.body_mut().gate = Some(Gate {
            asked,
            patience: Box::pin(sleep(patience)),
            refused: false,
        });
    }

    fn note_end(&self) {
        if self.body.left() == 0 {
            // Only the first end counts.
            let _ = self.sending.taken.set(self.sending.meter.flushes());
        }
    }
}

impl hyper::body::Body for Payload {
    type Data = Bytes;
    type Error = SourceFailed;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, SourceFailed>>> {
        let this = self.get_mut();
        if let Some(gate) = &mut this.gate {
            ready!(gate.poll_open(cx));
            this.gate = None;
        }
        Poll::Ready(match ready!(this.body.poll_next(cx)) {
            None => None,
            Some(Ok(bytes)) => {
                this.note_end();
                Some(Ok(Frame::data(bytes)))
            }
            Some(Err(error)) => {
                this.sending.fail(error);
                Some(Err(SourceFailed))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.left() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.body.left())
    }
}

impl Gate {
    fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.refused {
            return Poll::Pending;
        }
        match Pin::new(&mut self.asked).poll(cx) {
            Poll::Ready(Ok(())) => Poll::Ready(()),
            // Hyper drops who would ask when the final head is here: nobody wants the body.
            Poll::Ready(Err(_)) => {
                self.refused = true;
                Poll::Pending
            }
            Poll::Pending => self.patience.as_mut().poll(cx),
        }
    }
}

impl Sending {
    /// How much of the request has left.
    pub(crate) fn sent(&self) -> Sent {
        if self.meter.written() == self.written_before {
            Sent::None
        } else if self.has_left() && !self.meter.write_failed() {
            Sent::All
        } else {
            Sent::Part
        }
    }

    /// Returns when the exchange has taken too long: no byte of the request has left for the idle
    /// time, or no answer has come for the head time since the last one left.
    pub(crate) async fn overdue(&self, deadlines: Deadlines) -> Fault {
        loop {
            let (limit, kind) = if self.has_left() {
                (deadlines.head, TransportErrorKind::HeadTimeout)
            } else {
                (deadlines.idle, TransportErrorKind::IdleTimeout)
            };
            let since = self.began.max(self.meter.last_write());
            let left = limit.saturating_sub(since.elapsed());
            if left.is_zero() {
                return Fault::new(kind, format!("nothing moved for {limit:?}"));
            }
            // The limit may change when the last of the request has left.
            let _ = timeout(left, self.meter.flushed()).await;
        }
    }

    /// Whether the last of the request has been written to the connection.
    fn has_left(&self) -> bool {
        let taken = self.taken.get();
        taken.is_some_and(|flushes| self.meter.flushes() > *flushes)
    }

    /// Why the source could not be read, if so.
    pub(crate) fn take_error(&self) -> Option<SourceError> {
        self.error
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    fn fail(&self, error: SourceError) {
        *self.error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }
}

/// Tells hyper to break off; the reason is in [`Sending::take_error`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct SourceFailed;

impl fmt::Display for SourceFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the source could not be read")
    }
}

impl std::error::Error for SourceFailed {}
