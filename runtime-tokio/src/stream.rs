use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;
use sans3_core::progress::Progress;
use sans3_core::transfer::Downloaded;
use sans3_runtime::{Deliveries, InOrder};
use tokio::io::{AsyncBufRead, AsyncRead, ReadBuf};

use crate::{Error, Running};

/// The bytes of an object from first to last, as a stream or as a reader.
///
/// The last item is an error where the download failed or the bytes could not be proved to be the
/// object's; a reader fails then, instead of coming to its end. Dropping the stream cancels the
/// download.
pub struct DownloadStream(Deliveries<Running<Downloaded>>);

impl DownloadStream {
    pub(crate) const fn new(running: Running<Downloaded>, bytes: InOrder) -> Self {
        Self(Deliveries::new(running, bytes))
    }

    /// How far the download is.
    pub fn progress(&self) -> Progress {
        self.0.download().progress()
    }

    /// What was downloaded: present once the stream has ended without an error.
    pub fn summary(&self) -> Option<&Downloaded> {
        self.0.summary()
    }

    /// The next bytes; `None` at the end and after an error.
    pub async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        poll_fn(|cx| self.0.poll_next(cx)).await
    }
}

impl Stream for DownloadStream {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next(cx)
    }
}

impl AsyncBufRead for DownloadStream {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let filled = ready!(self.get_mut().0.poll_fill(cx));
        Poll::Ready(filled.map_err(io::Error::other))
    }

    fn consume(mut self: Pin<&mut Self>, amount: usize) {
        self.0.consume(amount);
    }
}

impl AsyncRead for DownloadStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let bytes = ready!(self.as_mut().poll_fill_buf(cx))?;
        let read = bytes.len().min(into.remaining());
        into.put_slice(&bytes[..read]);
        self.consume(read);
        Poll::Ready(Ok(()))
    }
}

impl fmt::Debug for DownloadStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DownloadStream").field(&self.0).finish()
    }
}
