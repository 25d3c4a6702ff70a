use std::fs::File;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use smol::Unblock;
use smol::io::AsyncWrite;

/// Bytes that are kept on the way to and from threads that may block.
pub(super) const PIPE: usize = 1 << 20;

/// A file, pipe or terminal that is written to on a thread which may block.
///
/// [`Unblock`] says that it takes no more when a write has failed, and why only when it is flushed.
pub(super) struct Outlet(Unblock<File>);

impl Outlet {
    pub(super) fn new(to: File) -> Self {
        Self(Unblock::with_capacity(PIPE, to))
    }
}

impl AsyncWrite for Outlet {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.0).poll_write(cx, bytes))?;
        if written == 0 && !bytes.is_empty() {
            ready!(Pin::new(&mut self.0).poll_flush(cx))?;
        }
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_close(cx)
    }
}
