use std::fmt;
use std::future::Future;
use std::mem;
use std::num::NonZeroU64;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use sans3_core::error::{TransferError, Unreachable};
use sans3_core::transfer::Downloaded;

use crate::Error;
use crate::sink::OrderedSink;
use crate::ticket::Ticket;

/// The most bytes that are taken before the session is told: it need not hear of every piece.
const MAX_UNTOLD: u64 = 1 << 20;

/// The consumer's side of a download in order.
pub struct InOrder {
    sink: Arc<OrderedSink>,
    ticket: Arc<Ticket>,
    told: u64,
    most_untold: u64,
}

/// The bytes of an object from first to last, and the result at their end. `F` is the download.
pub struct Deliveries<F> {
    download: F,
    bytes: InOrder,
    end: Option<Result<Downloaded, Error>>,
    /// The last item was handed out.
    over: bool,
    /// What a reader has not taken of the last piece.
    rest: Bytes,
}

impl InOrder {
    pub(crate) fn new(
        sink: Arc<OrderedSink>,
        ticket: &Arc<Ticket>,
        part_size: Option<NonZeroU64>,
    ) -> Self {
        // A fraction of a range, so that the session can ask for the next ones in time.
        let most_untold = part_size.map_or(MAX_UNTOLD, |size| (size.get() / 4).min(MAX_UNTOLD));
        Self {
            sink,
            ticket: Arc::clone(ticket),
            told: 0,
            most_untold,
        }
    }

    fn take(&mut self, cx: &Context<'_>) -> Option<Bytes> {
        let Poll::Ready((bytes, up_to)) = self.sink.poll_next(cx) else {
            return None;
        };
        if up_to - self.told > self.most_untold {
            self.told = up_to;
            self.ticket.release(up_to);
        }
        Some(bytes)
    }
}

impl<F: Future<Output = Result<Downloaded, Error>> + Unpin> Deliveries<F> {
    /// The bytes that `download` brings.
    pub const fn new(download: F, bytes: InOrder) -> Self {
        Self {
            download,
            bytes,
            end: None,
            over: false,
            rest: Bytes::new(),
        }
    }

    /// The next bytes; `None` at the end and after an error. The last item is an error where the
    /// download failed, or the bytes could not be proved to be the object's.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        if !self.rest.is_empty() {
            return Poll::Ready(Some(Ok(mem::take(&mut self.rest))));
        }
        if self.over {
            return Poll::Ready(None);
        }
        if self.end.is_none()
            && let Poll::Ready(end) = Pin::new(&mut self.download).poll(cx)
        {
            self.end = Some(end);
        }
        // Looked at after the end, so that bytes which came before it are not missed.
        if let Some(bytes) = self.bytes.take(cx) {
            return Poll::Ready(Some(Ok(bytes)));
        }
        let item = match &self.end {
            None => return Poll::Pending,
            Some(Ok(found)) if found.size != self.bytes.sink.front() => {
                let bug = Unreachable("a download ended before all bytes were delivered");
                self.end = Some(Err(TransferError::new(bug).into()));
                return self.poll_next(cx);
            }
            Some(end) => end.as_ref().err().cloned().map(Err),
        };
        self.over = true;
        Poll::Ready(item)
    }

    /// The same for readers: the bytes that come next, until they are [consumed](Self::consume);
    /// none at the end. Unlike a stream of items, a reader that has failed fails again: half an
    /// object must never look like a whole one.
    ///
    /// # Errors
    /// Why the download failed, each time.
    pub fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<&[u8], Error>> {
        while self.rest.is_empty() {
            match (ready!(self.poll_next(cx)), &self.end) {
                (Some(piece), _) => self.rest = piece?,
                (None, Some(Err(error))) => return Poll::Ready(Err(error.clone())),
                (None, _) => break,
            }
        }
        Poll::Ready(Ok(&self.rest))
    }

    /// So many of the bytes of [`poll_fill`](Self::poll_fill) were read.
    pub fn consume(&mut self, amount: usize) {
        self.rest.advance(amount.min(self.rest.len()));
    }
}

impl<F> Deliveries<F> {
    /// What was downloaded: present once the bytes have ended without an error.
    pub fn summary(&self) -> Option<&Downloaded> {
        let end = self.end.as_ref().filter(|_| self.over);
        end.and_then(|end| end.as_ref().ok())
    }

    /// The bytes of the last [`poll_fill`](Self::poll_fill) that were not consumed.
    pub fn filled(&self) -> &[u8] {
        &self.rest
    }

    /// The download.
    pub const fn download(&self) -> &F {
        &self.download
    }
}

impl<F> fmt::Debug for Deliveries<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deliveries")
            .field("progress", &self.bytes.ticket.progress())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for InOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InOrder").finish_non_exhaustive()
    }
}
