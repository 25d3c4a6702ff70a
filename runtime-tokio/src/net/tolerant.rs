use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// The most that is read while a response head is awaited. The head itself is limited to 64 KiB;
/// the rest is for interim answers, which a server may send any number of, and for what comes
/// behind the head in the same reads.
const HEAD_ALLOWANCE: u64 = 512 * 1024;

/// A connection that goes on reading when writing has failed.
///
/// A server that refuses an upload early answers and closes; the rest of the body then fails to be
/// written. Were that an error, the answer would never be read, and "403 Forbidden" would become
/// a broken pipe that is retried. So a write that fails is never done instead: the reading side
/// still tells how it ends.
#[derive(Debug)]
pub(super) struct Tolerant<S> {
    stream: S,
    meter: Arc<Meter>,
}

/// What has moved over a connection.
#[derive(Debug)]
pub(crate) struct Meter {
    epoch: Instant,
    written: AtomicU64,
    /// When bytes were last written, in nanoseconds since `epoch`.
    last_write: AtomicU64,
    write_failed: AtomicBool,
    /// Bytes that may still be read before the head is complete.
    allowance: AtomicU64,
}

impl<S> Tolerant<S> {
    pub(super) fn new(stream: S, meter: Arc<Meter>) -> Self {
        Self { stream, meter }
    }

    /// Counts what was written; where writing failed, makes it wait for ever.
    fn after_write(&self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match ready!(result) {
            Ok(written) => {
                self.meter.on_written(written);
                Poll::Ready(Ok(written))
            }
            Err(_) => {
                self.meter.write_failed.store(true, Ordering::Relaxed);
                Poll::Pending
            }
        }
    }
}

impl Meter {
    pub(super) fn new() -> Self {
        Self {
            epoch: Instant::now(),
            written: AtomicU64::new(0),
            last_write: AtomicU64::new(0),
            write_failed: AtomicBool::new(false),
            allowance: AtomicU64::new(HEAD_ALLOWANCE),
        }
    }

    /// Bytes written so far, TLS included.
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// When bytes were last written; the connection's beginning where none were.
    pub(crate) fn last_write(&self) -> Instant {
        self.epoch + Duration::from_nanos(self.last_write.load(Ordering::Relaxed))
    }

    /// Whether the peer has stopped to take bytes.
    pub(crate) fn write_failed(&self) -> bool {
        self.write_failed.load(Ordering::Relaxed)
    }

    /// A response head is awaited from now on.
    pub(super) fn expect_head(&self) {
        self.allowance.store(HEAD_ALLOWANCE, Ordering::Relaxed);
    }

    /// The head is here: a body may have any length.
    pub(super) fn head_came(&self) {
        self.allowance.store(u64::MAX, Ordering::Relaxed);
    }

    fn on_written(&self, bytes: usize) {
        let since = u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.last_write.store(since, Ordering::Relaxed);
        self.written.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn on_read(&self, bytes: usize) -> io::Result<()> {
        let allowance = self.allowance.load(Ordering::Relaxed);
        if allowance == u64::MAX {
            return Ok(());
        }
        let text = "no response head within the first 512 KiB of the answer";
        let left = allowance
            .checked_sub(bytes as u64)
            .ok_or_else(|| io::Error::new(io::ErrorKind::FileTooLarge, text))?;
        self.allowance.store(left, Ordering::Relaxed);
        Ok(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Tolerant<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
        Poll::Ready(this.meter.on_read(buf.filled().len() - before))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tolerant<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_write(cx, buf);
        this.after_write(result)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_write_vectored(cx, bufs);
        this.after_write(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let _ = ready!(Pin::new(&mut self.get_mut().stream).poll_flush(cx));
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let _ = ready!(Pin::new(&mut self.get_mut().stream).poll_shutdown(cx));
        Poll::Ready(Ok(()))
    }
}
