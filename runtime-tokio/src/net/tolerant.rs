use std::io::{self, IoSlice};
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
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
    /// Bytes were written since a flush was last counted.
    unflushed: bool,
}

/// What has moved over a connection.
#[derive(Debug)]
pub(crate) struct Meter {
    epoch: Instant,
    written: AtomicU64,
    /// When bytes were last written, in nanoseconds since `epoch`.
    last_write: AtomicU64,
    write_failed: AtomicBool,
    /// How often bytes had been written, and all that there were.
    flushes: AtomicU64,
    flushed: Notify,
    /// Bytes that may still be read before the head is complete.
    allowance: AtomicU64,
}

impl<S> Tolerant<S> {
    pub(super) fn new(stream: S, meter: Arc<Meter>) -> Self {
        Self {
            stream,
            meter,
            unflushed: false,
        }
    }

    /// Counts what was written; where writing failed, makes it wait for ever.
    fn poll_write_with(
        &mut self,
        cx: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>>
    where
        S: Unpin,
    {
        if self.meter.write_failed() {
            return Poll::Pending;
        }
        match ready!(write(Pin::new(&mut self.stream), cx)) {
            Ok(written) => {
                self.meter.on_written(written);
                self.unflushed = true;
                Poll::Ready(Ok(written))
            }
            Err(_) => {
                self.meter.write_failed.store(true, Ordering::Relaxed);
                // Nobody may be waiting for the answer yet: has it looked for.
                cx.waker().wake_by_ref();
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
            flushes: AtomicU64::new(0),
            flushed: Notify::new(),
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

    /// How often bytes had been written, and all that there were.
    pub(crate) fn flushes(&self) -> u64 {
        self.flushes.load(Ordering::Relaxed)
    }

    /// Waits for the next flush. One that came since the last call counts.
    pub(crate) async fn flushed(&self) {
        self.flushed.notified().await;
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
        self.get_mut()
            .poll_write_with(cx, |stream, cx| stream.poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut()
            .poll_write_with(cx, |stream, cx| stream.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let _ = ready!(Pin::new(&mut this.stream).poll_flush(cx));
        // Whoever writes flushes when nothing is left to write. Hyper does so whenever it is polled:
        // were each of these flushes told, whoever waits for an answer would be woken by having been
        // woken.
        if mem::take(&mut this.unflushed) {
            this.meter.flushes.fetch_add(1, Ordering::Relaxed);
            this.meter.flushed.notify_one();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let _ = ready!(Pin::new(&mut self.get_mut().stream).poll_shutdown(cx));
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;

    use bytes::Bytes;
    use sans3_core::attempt::{Deadlines, Sent};
    use sans3_runtime::Body;
    use tokio::select;

    use super::*;
    use crate::body::Payload;
    use crate::net::wire::Wire;

    /// A peer that takes the head, then resets; its answer is seen only after a write has failed.
    struct Refusing {
        taken: usize,
        failed: bool,
        answer: &'static [u8],
        reader: Option<std::task::Waker>,
    }

    impl AsyncRead for Refusing {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            if !self.failed {
                self.reader = Some(cx.waker().clone());
                return Poll::Pending;
            }
            buf.put_slice(mem::take(&mut self.answer));
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Refusing {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &[u8],
        ) -> Poll<io::Result<usize>> {
            if self.taken < 100 {
                self.taken += buf.len().min(100);
                return Poll::Ready(Ok(buf.len().min(100)));
            }
            self.failed = true;
            self.reader
                .take()
                .into_iter()
                .for_each(std::task::Waker::wake);
            Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn an_answer_outlives_the_failure_of_writing() {
        let meter = Arc::new(Meter::new());
        let stream = Refusing {
            taken: 0,
            failed: false,
            answer: b"HTTP/1.1 403 Forbidden\r\ncontent-length: 3\r\n\r\nno!",
            reader: None,
        };
        let stream = Tolerant::new(stream, Arc::clone(&meter));
        let mut wire = Wire::new(Box::new(stream), Arc::clone(&meter))
            .await
            .unwrap();
        let body = Body::inline(Bytes::from(vec![0; 1 << 20]));
        let (body, sending) = Payload::new(body, &meter);
        let request = http::Request::put("/b/k").body(body).unwrap();
        let (head, mut body) = wire.send(request).await.unwrap().into_parts();
        assert_eq!(head.status, 403);
        assert_eq!(wire.chunk(&mut body).await.unwrap().unwrap(), "no!");
        assert_eq!(wire.chunk(&mut body).await.unwrap(), None);
        assert_eq!(sending.sent(), Sent::Part);
    }

    /// A peer that takes some bytes, and then no more for now.
    struct Stuck(usize);

    impl AsyncRead for Stuck {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    impl AsyncWrite for Stuck {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &[u8],
        ) -> Poll<io::Result<usize>> {
            let taken = buf.len().min(self.0);
            self.0 -= taken;
            if taken == 0 {
                return Poll::Pending;
            }
            Poll::Ready(Ok(taken))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn whoever_waits_for_an_answer_sleeps() {
        let meter = Arc::new(Meter::new());
        let stream = Tolerant::new(Stuck(usize::MAX), Arc::clone(&meter));
        let mut wire = Wire::new(Box::new(stream), Arc::clone(&meter))
            .await
            .unwrap();
        let (body, sending) = Payload::new(Body::inline(vec![0; 200_000].into()), &meter);
        let request = http::Request::put("/b/k").body(body).unwrap();
        let long = Duration::from_secs(60);
        let deadlines = Deadlines {
            connect: long,
            head: long,
            idle: long,
        };
        let mut exchange = pin!(async {
            select! {
                biased;
                answer = wire.send(request) => drop(answer),
                fault = sending.overdue(deadlines) => drop(fault),
            }
        });
        let mut polls = 0_u32;
        let counted = poll_fn(|cx| {
            polls += 1;
            if polls == 1 {
                // As a socket does that takes more.
                cx.waker().wake_by_ref();
            }
            exchange.as_mut().poll(cx)
        });
        let moment = Duration::from_millis(50);
        assert!(tokio::time::timeout(moment, counted).await.is_err());
        assert!(polls < 20, "polled {polls} times");
    }

    #[tokio::test]
    async fn adversary_25_what_hyper_still_holds_was_not_sent() {
        for (taken, expected) in [(100_000, Sent::Part), (300_000, Sent::All)] {
            let meter = Arc::new(Meter::new());
            let stream = Tolerant::new(Stuck(taken), Arc::clone(&meter));
            let mut wire = Wire::new(Box::new(stream), Arc::clone(&meter))
                .await
                .unwrap();
            // Less than hyper takes at once.
            let body = Body::inline(Bytes::from(vec![0; 200_000]));
            let (body, sending) = Payload::new(body, &meter);
            let request = http::Request::put("/b/k").body(body).unwrap();
            let moment = Duration::from_millis(20);
            let answer = tokio::time::timeout(moment, wire.send(request)).await;
            assert!(answer.is_err(), "nobody answers");
            assert_eq!(sending.sent(), expected);
        }
    }
}
