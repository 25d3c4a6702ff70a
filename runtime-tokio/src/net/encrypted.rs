use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use sans3_runtime::net::Secure;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// TLS over a stream.
#[derive(Debug)]
pub(super) struct Encrypted<S> {
    stream: S,
    tls: Secure,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Encrypted<S> {
    /// TLS over `stream`, once the handshake is complete.
    pub(super) async fn new(stream: S, tls: Secure) -> io::Result<Self> {
        let mut this = Self { stream, tls };
        poll_fn(|cx| this.poll_shake_hands(cx)).await?;
        Ok(this)
    }

    fn poll_shake_hands(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let shaken = self.tls.shake_hands();
            // An alert leaves too, but says nothing that the error does not say better.
            let sent = self.poll_send(cx);
            if shaken? {
                return sent;
            }
            if let Poll::Ready(Err(error)) = sent {
                return Poll::Ready(Err(error));
            }
            ready!(self.poll_receive(cx))?;
        }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.tls.unsent().is_empty() {
            let sent = ready!(Pin::new(&mut self.stream).poll_write(cx, self.tls.unsent()))?;
            if sent == 0 {
                return Poll::Ready(Err(ErrorKind::WriteZero.into()));
            }
            self.tls.sent(sent);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut room = ReadBuf::new(self.tls.room());
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut room))?;
        let received = room.filled().len();
        self.tls.received(received);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Encrypted<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            match this
                .tls
                .read_with(buf.remaining(), |piece| buf.put_slice(piece))
            {
                Ok(Some(_)) => return Poll::Ready(Ok(())),
                Ok(None) => ready!(this.poll_receive(cx))?,
                Err(error) => {
                    // The alert tells the server why, if it can leave.
                    let _ = this.poll_send(cx);
                    return Poll::Ready(Err(error));
                }
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Encrypted<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_send(cx))?;
        let taken = this.tls.write(bufs)?;
        // What can't leave now does so before anything else is taken.
        if let Poll::Ready(Err(error)) = this.poll_send(cx) {
            return Poll::Ready(Err(error));
        }
        Poll::Ready(Ok(taken))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_send(cx))?;
        Pin::new(&mut this.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_send(cx))?;
        Pin::new(&mut this.stream).poll_shutdown(cx)
    }
}
