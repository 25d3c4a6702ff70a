//! The body of a request, as hyper asks for it.

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use sans3_core::attempt::{BodySource, Deadlines, Sent};
use sans3_core::error::{SourceError, TransportErrorKind};
use tokio::time::{Instant, sleep};

use crate::net::{Fault, Meter};
use crate::source::{Slices, Source};

/// A request's body of known length.
pub(crate) struct Payload {
    content: Content,
    left: u64,
    sending: Arc<Sending>,
}

enum Content {
    Inline(Bytes),
    Slices(Slices),
}

/// How far the sending of a request is: what the exchange sees of a body that hyper owns.
#[derive(Debug)]
pub(crate) struct Sending {
    meter: Arc<Meter>,
    /// What the connection had written before this request.
    written_before: u64,
    began: Instant,
    /// When the body was taken in full.
    taken: OnceLock<Instant>,
    /// Bytes of the transfer's source that were taken.
    moved: Arc<AtomicU64>,
    error: Mutex<Option<SourceError>>,
}

impl Payload {
    /// The body that `content` describes, over a connection with this `meter`. Bytes of `source`
    /// are added to `moved` as they leave.
    pub(crate) fn new(
        content: BodySource,
        source: &Source,
        meter: &Arc<Meter>,
        moved: &Arc<AtomicU64>,
    ) -> (Self, Arc<Sending>) {
        let sending = Arc::new(Sending {
            written_before: meter.written(),
            meter: Arc::clone(meter),
            began: Instant::now(),
            taken: OnceLock::new(),
            moved: Arc::clone(moved),
            error: Mutex::default(),
        });
        let (content, left) = match content {
            BodySource::Empty => (Content::Inline(Bytes::new()), 0),
            BodySource::Inline(bytes) => {
                let len = bytes.len() as u64;
                (Content::Inline(bytes), len)
            }
            BodySource::Source { offset, len, check } => {
                (Content::Slices(source.slices(offset, len, check)), len)
            }
        };
        let payload = Self {
            content,
            left,
            sending: Arc::clone(&sending),
        };
        payload.note_end();
        (payload, sending)
    }

    fn note_end(&self) {
        if self.left == 0 {
            // Only the first end counts.
            let _ = self.sending.taken.set(Instant::now());
        }
    }

    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, SourceError>> {
        match &mut self.content {
            Content::Inline(bytes) => Poll::Ready(Ok(std::mem::take(bytes))),
            Content::Slices(slices) => {
                let bytes = ready!(slices.poll_next(cx));
                if let Ok(bytes) = &bytes {
                    self.sending
                        .moved
                        .fetch_add(bytes.len() as u64, Ordering::Relaxed);
                }
                Poll::Ready(bytes)
            }
        }
    }
}

impl Body for Payload {
    type Data = Bytes;
    type Error = SourceFailed;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, SourceFailed>>> {
        let this = self.get_mut();
        if this.left == 0 {
            return Poll::Ready(None);
        }
        let bytes = match ready!(this.poll_bytes(cx)) {
            Ok(bytes) => bytes,
            Err(error) => {
                this.sending.fail(error);
                return Poll::Ready(Some(Err(SourceFailed)));
            }
        };
        this.left = this.left.saturating_sub(bytes.len() as u64);
        this.note_end();
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

impl Sending {
    /// How much of the request has left.
    pub(crate) fn sent(&self) -> Sent {
        if self.meter.written() == self.written_before {
            Sent::None
        } else if self.taken.get().is_some() && !self.meter.write_failed() {
            Sent::All
        } else {
            Sent::Part
        }
    }

    /// Returns when the exchange has taken too long: no byte of the request has left for the idle
    /// time, or no answer has come for the head time since the last one was taken.
    pub(crate) async fn overdue(&self, deadlines: Deadlines) -> Fault {
        loop {
            let (since, limit, kind) = match self.taken.get() {
                Some(taken) => (*taken, deadlines.head, TransportErrorKind::HeadTimeout),
                None => {
                    let since = self.began.max(self.meter.last_write());
                    (since, deadlines.idle, TransportErrorKind::IdleTimeout)
                }
            };
            let left = limit.saturating_sub(since.elapsed());
            if left.is_zero() {
                return Fault::new(kind, format!("nothing moved for {limit:?}"));
            }
            sleep(left).await;
        }
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
