use std::fmt;
use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice};
use std::net::TcpStream;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use async_io::Async;
use futures_io::{AsyncRead as _, AsyncWrite as _};
use sans3_runtime::net::Secure;

/// A byte stream, plain or encrypted.
pub(crate) enum Stream {
    Plain(Async<TcpStream>),
    Secure(Box<Encrypted>),
    #[cfg(test)]
    Scripted(Scripted),
}

/// A socket that carries TLS.
pub(crate) struct Encrypted {
    socket: Async<TcpStream>,
    tls: Secure,
}

/// A peer that a test plays: what reading into a place brings, and what becomes of so many bytes
/// that are written.
#[cfg(test)]
pub(super) struct Scripted {
    #[expect(clippy::type_complexity, reason = "poll_read, as a closure")]
    pub(super) read: Box<dyn FnMut(&mut [u8]) -> Poll<io::Result<usize>> + Send>,
    pub(super) write: Box<dyn FnMut(usize) -> io::Result<usize> + Send>,
}

impl Stream {
    /// Reads into `into`; 0 where the peer has ended the stream. Over TLS an end without the
    /// peer's word (RFC 8446, section 6.1) is an error instead.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, into),
            Self::Secure(stream) => stream.poll_read(cx, into),
            #[cfg(test)]
            Self::Scripted(peer) => (peer.read)(into),
        }
    }

    /// Writes some of `from`, piece after piece.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        from: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, from),
            Self::Secure(stream) => stream.poll_write(cx, from),
            #[cfg(test)]
            Self::Scripted(peer) => {
                Poll::Ready((peer.write)(from.iter().map(|piece| piece.len()).sum()))
            }
        }
    }

    /// Sees to it that what was written leaves: records of TLS may wait for room in the socket.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Secure(stream) => stream.poll_flush(cx),
            #[cfg(test)]
            Self::Scripted(_) => Poll::Ready(Ok(())),
        }
    }
}

impl Encrypted {
    /// TLS over `socket`, once the handshake is complete.
    pub(super) async fn new(socket: Async<TcpStream>, tls: Secure) -> io::Result<Self> {
        let mut stream = Self { socket, tls };
        poll_fn(|cx| stream.poll_shake_hands(cx)).await?;
        Ok(stream)
    }

    fn poll_shake_hands(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let shaken = self.tls.shake_hands();
            // An alert leaves too, but says nothing that the error does not say better.
            let sent = self.poll_flush(cx);
            if shaken? {
                return sent;
            }
            if let Poll::Ready(Err(error)) = sent {
                return Poll::Ready(Err(error));
            }
            ready!(self.poll_receive(cx))?;
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        self.poll_with(cx, |tls| tls.read(into))
    }

    /// Has `put` take up to `most` bytes from where they are deciphered; 0 as by reading.
    pub(super) fn poll_take(
        &mut self,
        cx: &mut Context<'_>,
        most: u64,
        mut put: impl FnMut(&[u8]),
    ) -> Poll<io::Result<usize>> {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        self.poll_with(cx, |tls| tls.read_with(most, &mut put))
    }

    fn poll_with(
        &mut self,
        cx: &mut Context<'_>,
        mut read: impl FnMut(&mut Secure) -> io::Result<Option<usize>>,
    ) -> Poll<io::Result<usize>> {
        loop {
            match read(&mut self.tls) {
                Ok(Some(count)) => return Poll::Ready(Ok(count)),
                Ok(None) => ready!(self.poll_receive(cx))?,
                Err(error) => {
                    // The alert tells the server why, if it can leave.
                    let _ = self.poll_flush(cx);
                    return Poll::Ready(Err(error));
                }
            }
        }
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        from: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_flush(cx))?;
        let taken = self.tls.write(from)?;
        // What can't leave now does so before anything else is taken.
        if let Poll::Ready(Err(error)) = self.poll_flush(cx) {
            return Poll::Ready(Err(error));
        }
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.tls.unsent().is_empty() {
            let sent = ready!(Pin::new(&mut self.socket).poll_write(cx, self.tls.unsent()))?;
            if sent == 0 {
                return Poll::Ready(Err(ErrorKind::WriteZero.into()));
            }
            self.tls.sent(sent);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let received = ready!(Pin::new(&mut self.socket).poll_read(cx, self.tls.room()))?;
        self.tls.received(received);
        Poll::Ready(Ok(()))
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain(_) => "Plain",
            Self::Secure(_) => "Secure",
            #[cfg(test)]
            Self::Scripted(_) => "Scripted",
        })
    }
}
