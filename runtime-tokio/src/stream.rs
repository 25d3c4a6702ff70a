use std::fmt;
use std::future::poll_fn;
use std::num::NonZeroU64;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;
use sans3_core::error::{TransferError, Unreachable};
use sans3_core::progress::Progress;
use sans3_core::transfer::Downloaded;

use crate::sink::OrderedSink;
use crate::{Error, Running};

/// The most bytes that are taken before the session is told: it need not hear of every piece.
const MAX_UNTOLD: u64 = 1 << 20;

/// The bytes of an object from first to last.
///
/// The last item is an error where the download failed or the bytes could not be proved to be the
/// object's. Dropping the stream cancels the download.
pub struct DownloadStream {
    running: Running<Downloaded>,
    sink: Arc<OrderedSink>,
    end: Option<Result<Downloaded, Error>>,
    /// The last item was handed out.
    over: bool,
    told: u64,
    most_untold: u64,
}

impl DownloadStream {
    pub(crate) fn new(
        running: Running<Downloaded>,
        sink: Arc<OrderedSink>,
        part_size: Option<NonZeroU64>,
    ) -> Self {
        // A fraction of a range, so that the session can ask for the next ones in time.
        let most_untold = part_size.map_or(MAX_UNTOLD, |size| (size.get() / 4).min(MAX_UNTOLD));
        Self {
            running,
            sink,
            end: None,
            over: false,
            told: 0,
            most_untold,
        }
    }

    /// How far the download is.
    pub fn progress(&self) -> Progress {
        self.running.progress()
    }

    /// What was downloaded: present once the stream has ended without an error.
    pub fn summary(&self) -> Option<&Downloaded> {
        self.end
            .as_ref()
            .filter(|_| self.over)
            .and_then(|end| end.as_ref().ok())
    }

    /// The next bytes; `None` at the end and after an error.
    pub async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    pub(crate) fn into_summary(mut self) -> Option<Downloaded> {
        self.end.take().and_then(Result::ok)
    }

    fn take(&mut self, cx: &mut Context<'_>) -> Option<Bytes> {
        let Poll::Ready((bytes, up_to)) = self.sink.poll_next(cx) else {
            return None;
        };
        if up_to - self.told > self.most_untold {
            self.told = up_to;
            self.running.ticket().release(up_to);
        }
        Some(bytes)
    }
}

impl fmt::Debug for DownloadStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DownloadStream")
            .field("progress", &self.progress())
            .finish_non_exhaustive()
    }
}

impl Stream for DownloadStream {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if this.over {
            return Poll::Ready(None);
        }
        if this.end.is_none()
            && let Poll::Ready(end) = Pin::new(&mut this.running).poll(cx)
        {
            this.end = Some(end);
        }
        // Looked at after the end, so that bytes which came before it are not missed.
        if let Some(bytes) = this.take(cx) {
            return Poll::Ready(Some(Ok(bytes)));
        }
        let item = match &this.end {
            None => return Poll::Pending,
            Some(Ok(found)) if found.size != this.sink.front() => {
                let bug = Unreachable("a download ended before all bytes were delivered");
                this.end = Some(Err(TransferError::new(bug).into()));
                return self.poll_next(cx);
            }
            Some(end) => end.as_ref().err().cloned().map(Err),
        };
        this.over = true;
        Poll::Ready(item)
    }
}
