use std::io::{self, IoSlice, Read as _};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_io::{AsyncRead, AsyncWrite};

/// How much is read ahead: four records of TLS.
const SIZE: usize = 64 * 1024;

/// Reads ahead of rustls, which asks for 4 KiB at a time: a system call for each of them costs more
/// than the copy that is made here instead.
#[derive(Debug)]
pub(crate) struct Ahead<S> {
    stream: S,
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
}

impl<S> Ahead<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            bytes: vec![0; SIZE].into(),
            start: 0,
            end: 0,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Ahead<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.start == this.end {
            this.start = 0;
            this.end = 0;
            this.end = ready!(Pin::new(&mut this.stream).poll_read(cx, &mut this.bytes))?;
        }
        let mut unread = &this.bytes[this.start..this.end];
        let read = unread.read(into)?;
        this.start += read;
        Poll::Ready(Ok(read))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Ahead<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, from)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, from)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}

#[cfg(test)]
mod tests {
    use futures_lite::AsyncReadExt as _;
    use futures_lite::future::block_on;

    use super::*;

    /// Counts how often it is read.
    struct Counting(futures_lite::io::Cursor<Vec<u8>>, usize);

    impl AsyncRead for Counting {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            into: &mut [u8],
        ) -> Poll<io::Result<usize>> {
            self.1 += 1;
            Pin::new(&mut self.0).poll_read(cx, into)
        }
    }

    #[test]
    fn small_reads_cost_few_large_ones_and_lose_nothing() {
        let content: Vec<u8> = (0..=250).cycle().take(2 * SIZE + 1).collect();
        let cursor = futures_lite::io::Cursor::new(content.clone());
        let mut ahead = Ahead::new(Counting(cursor, 0));
        let mut seen = Vec::new();
        loop {
            let mut piece = [0; 4096];
            match block_on(ahead.read(&mut piece)).unwrap() {
                0 => break,
                read => seen.extend_from_slice(&piece[..read]),
            }
        }
        assert!(seen == content);
        assert_eq!(ahead.stream.1, 4, "two full ones, the rest, and the end");
    }
}
