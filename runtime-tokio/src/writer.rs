use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use sans3_core::progress::Progress;
use sans3_core::transfer::{Upload, Uploaded};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, DuplexStream, ReadBuf, duplex};

use crate::{Client, Error, Running};

/// What may be written before the upload has to read.
const PIPE: usize = 256 * 1024;

/// An upload of what is written.
///
/// The object exists after [`finish`](Self::finish) alone. Dropped without it, or
/// [aborted](Self::abort), the upload leaves nothing on the server. A write that fails says little:
/// `finish` has the reason.
pub struct UploadWriter {
    pipe: DuplexStream,
    finished: Arc<AtomicBool>,
    running: Running<Uploaded>,
}

impl UploadWriter {
    pub(crate) fn begin(client: &Client, upload: Upload) -> Self {
        let (pipe, reader) = duplex(PIPE);
        let finished = Arc::new(AtomicBool::new(false));
        let reader = PipeReader {
            pipe: reader,
            finished: Arc::clone(&finished),
        };
        Self {
            pipe,
            finished,
            running: client.upload_reader(upload, reader),
        }
    }

    /// How far the upload is.
    pub fn progress(&self) -> Progress {
        self.running.progress()
    }

    /// All was written: stores the object.
    ///
    /// # Errors
    /// Why the upload failed, also where a write has failed before.
    pub async fn finish(self) -> Result<Uploaded, Error> {
        let Self {
            mut pipe,
            finished,
            running,
        } = self;
        finished.store(true, Ordering::Release);
        // Fails where the upload has failed already, which is what it says itself.
        let _ = pipe.shutdown().await;
        running.await
    }

    /// Gives the upload up, and waits until nothing is left of it on the server.
    ///
    /// # Errors
    /// Why something is left behind.
    pub async fn abort(self) -> Result<(), Error> {
        let Self { pipe, running, .. } = self;
        running.cancel();
        drop(pipe);
        match running.await {
            Err(Error::Transfer(error)) if error.leftover.is_some() => Err(error.into()),
            _ => Ok(()),
        }
    }
}

impl AsyncWrite for UploadWriter {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.pipe).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.pipe).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.pipe.is_write_vectored()
    }

    /// Does nothing: bytes are on the server when [`UploadWriter::finish`] says so.
    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Does nothing: only [`UploadWriter::finish`] knows that all was written.
    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl fmt::Debug for UploadWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UploadWriter")
            .field("progress", &self.progress())
            .finish_non_exhaustive()
    }
}

/// The upload's end of the pipe. A writer that is dropped ends the pipe too, and half of what was
/// meant must not become an object.
struct PipeReader {
    pipe: DuplexStream,
    finished: Arc<AtomicBool>,
}

impl AsyncRead for PipeReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let room = buf.remaining();
        ready!(Pin::new(&mut self.pipe).poll_read(cx, buf))?;
        let ended = buf.filled().len() == before && room > 0;
        if ended && !self.finished.load(Ordering::Acquire) {
            return Poll::Ready(Err(io::Error::other("the writer was dropped unfinished")));
        }
        Poll::Ready(Ok(()))
    }
}
