use std::fmt;
use std::io::{self, IoSlice};
use std::net::TcpStream;
use std::pin::Pin;
use std::task::{Context, Poll};

use async_io::Async;
use futures_io::{AsyncRead as _, AsyncWrite as _};
use futures_rustls::client::TlsStream;

use super::ahead::Ahead;

/// A byte stream, plain or encrypted.
pub(crate) enum Stream {
    Plain(Async<TcpStream>),
    Secure(Box<TlsStream<Ahead<Async<TcpStream>>>>),
    #[cfg(test)]
    Scripted(Scripted),
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
            Self::Secure(stream) => Pin::new(stream).poll_read(cx, into),
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
            Self::Secure(stream) => Pin::new(stream).poll_write_vectored(cx, from),
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
            Self::Secure(stream) => Pin::new(stream).poll_flush(cx),
            #[cfg(test)]
            Self::Scripted(_) => Poll::Ready(Ok(())),
        }
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
