use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_io::AsyncWrite;
use sans3_core::progress::Progress;
use sans3_core::transfer::Uploaded;
use sans3_runtime::PushWriter;

use crate::{Error, Running};

/// An upload of what is written.
///
/// The object exists after [`finish`](Self::finish) alone. Dropped without it, or
/// [aborted](Self::abort), the upload leaves nothing on the server. A write that fails says little:
/// `finish` has the reason. Bytes are kept in memory, part by part, until the server has them.
pub struct UploadWriter {
    bytes: PushWriter,
    running: Running<Uploaded>,
}

impl UploadWriter {
    /// The most bytes that can be [reserved](Self::reserve) at once: 256 KiB.
    pub const MAX_RESERVE: usize = PushWriter::MAX_RESERVE;

    pub(crate) const fn new(bytes: PushWriter, running: Running<Uploaded>) -> Self {
        Self { bytes, running }
    }

    /// How far the upload is.
    pub fn progress(&self) -> Progress {
        self.running.progress()
    }

    /// Writes all of `bytes`, which are sent from where they are, without a copy.
    ///
    /// # Errors
    /// The upload has failed; [`finish`](Self::finish) has the reason.
    pub async fn write_owned(&mut self, bytes: Bytes) -> Result<(), Error> {
        self.bytes.room().await?;
        self.bytes.write_owned(bytes);
        Ok(())
    }

    /// A place to write the next `len` bytes to, at most [`MAX_RESERVE`](Self::MAX_RESERVE), from
    /// which they are sent without a copy. [`commit`](Self::commit) says how many were written.
    ///
    /// # Errors
    /// As [`write_owned`](Self::write_owned); [`Error::Config`] for more than that.
    pub async fn reserve(&mut self, len: usize) -> Result<&mut [u8], Error> {
        self.bytes.room().await?;
        self.bytes.reserve(len)
    }

    /// The first `len` bytes of the place that was reserved are written.
    ///
    /// # Panics
    /// Where that is more than was reserved since the last write.
    pub fn commit(&mut self, len: usize) {
        self.bytes.commit(len);
    }

    /// All was written: stores the object. The result has its ETag, size and number of parts.
    ///
    /// # Errors
    /// Why the upload failed, also where a write has failed before.
    pub async fn finish(self) -> Result<Uploaded, Error> {
        // Fails where the upload has failed already, which is what it says itself.
        let _ = self.bytes.finish().await;
        self.running.await
    }

    /// Gives the upload up, and waits until nothing is left of it on the server.
    ///
    /// # Errors
    /// Why something is left behind.
    pub async fn abort(self) -> Result<(), Error> {
        let Self { bytes, running } = self;
        running.cancel();
        drop(bytes);
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
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let failed = |error| io::Error::new(io::ErrorKind::BrokenPipe, error);
        ready!(self.bytes.poll_room(cx)).map_err(failed)?;
        Poll::Ready(Ok(self.bytes.write(buf)))
    }

    /// Does nothing: bytes are on the server when [`UploadWriter::finish`] says so.
    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Does nothing: only [`UploadWriter::finish`] knows that all was written.
    fn poll_close(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
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
