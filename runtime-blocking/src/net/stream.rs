//! A byte stream over a socket that does not block, plain or encrypted.

use std::fmt;
use std::io::{self, IoSlice, Read, Write};
use std::net::TcpStream;

use sans3_runtime::net::Secure;

/// The bytes of a connection. No call waits: [`io::ErrorKind::WouldBlock`] says that the socket
/// must be waited for.
pub(super) enum Stream {
    Plain {
        /// Bytes that were written to the socket.
        written: u64,
    },
    Tls(Box<Tls>),
}

/// Encryption, and how much ciphertext was written to the socket.
pub(super) struct Tls {
    session: Secure,
    written: u64,
}

impl Stream {
    pub(super) const fn plain() -> Self {
        Self::Plain { written: 0 }
    }

    /// A stream whose handshake [`shake_hands`](Self::shake_hands) carries out.
    pub(super) fn tls(session: Secure) -> Self {
        let written = 0;
        Self::Tls(Box::new(Tls { session, written }))
    }

    pub(super) const fn is_tls(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    /// Bytes that were written to the socket so far.
    pub(super) const fn written(&self) -> u64 {
        match self {
            Self::Plain { written } => *written,
            Self::Tls(tls) => tls.written,
        }
    }

    /// Takes the handshake as far as it goes without waiting. `Ok` once it is complete.
    pub(super) fn shake_hands(&mut self, socket: &TcpStream) -> io::Result<()> {
        match self {
            Self::Plain { .. } => Ok(()),
            Self::Tls(tls) => tls.shake_hands(socket),
        }
    }

    /// Whether the handshake waits for the socket to take bytes, and not for it to bring some.
    pub(super) fn wants_write(&self) -> bool {
        match self {
            Self::Plain { .. } => false,
            Self::Tls(tls) => !tls.session.unsent().is_empty(),
        }
    }

    /// Reads; 0 at the end of the stream, which TLS must have announced: where it did not, the end
    /// may be an attacker's, and is [`io::ErrorKind::UnexpectedEof`].
    pub(super) fn read(&mut self, socket: &TcpStream, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain { .. } => again(|| (&*socket).read(buf)),
            Self::Tls(tls) => tls.read(socket, buf),
        }
    }

    /// Takes some of `pieces`, which follow each other and are not all empty. They have left for good
    /// once [`flush`](Self::flush) says so.
    pub(super) fn write(
        &mut self,
        socket: &TcpStream,
        pieces: &[IoSlice<'_>],
    ) -> io::Result<usize> {
        match self {
            Self::Plain { written } => {
                let taken = again(|| (&*socket).write_vectored(pieces))?;
                if taken == 0 {
                    return Err(io::ErrorKind::WriteZero.into());
                }
                *written += taken as u64;
                Ok(taken)
            }
            Self::Tls(tls) => tls.write(socket, pieces),
        }
    }

    /// `Ok` once all that was written is with the system.
    pub(super) fn flush(&mut self, socket: &TcpStream) -> io::Result<()> {
        match self {
            Self::Plain { .. } => Ok(()),
            Self::Tls(tls) => tls.push(socket),
        }
    }
}

impl Tls {
    fn shake_hands(&mut self, socket: &TcpStream) -> io::Result<()> {
        loop {
            let shaken = self.session.shake_hands();
            // An alert leaves too, but says nothing that the error does not say better.
            let pushed = self.push(socket);
            if shaken? {
                return pushed;
            }
            pushed?;
            self.pull(socket)?;
        }
    }

    fn read(&mut self, socket: &TcpStream, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.session.read(buf) {
                Ok(Some(read)) => return Ok(read),
                Ok(None) => self.pull(socket)?,
                Err(error) => {
                    // The alert tells the server why; nobody learns more where it can't be sent.
                    let _ = self.push(socket);
                    return Err(error);
                }
            }
        }
    }

    fn write(&mut self, socket: &TcpStream, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        self.push(socket)?;
        let taken = self.session.write(pieces)?;
        match self.push(socket) {
            // The rest leaves before anything else is taken.
            Err(error) if is_block(&error) => Ok(taken),
            Err(error) => Err(error),
            Ok(()) if taken == 0 => Err(io::ErrorKind::WriteZero.into()),
            Ok(()) => Ok(taken),
        }
    }

    fn pull(&mut self, socket: &TcpStream) -> io::Result<()> {
        let received = again(|| (&*socket).read(self.session.room()))?;
        self.session.received(received);
        Ok(())
    }

    fn push(&mut self, socket: &TcpStream) -> io::Result<()> {
        while !self.session.unsent().is_empty() {
            let written = again(|| (&*socket).write(self.session.unsent()))?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.session.sent(written);
            self.written += written as u64;
        }
        Ok(())
    }
}

pub(super) fn is_block(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}

/// A signal is no error.
fn again<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_tls() { "Tls" } else { "Plain" })
    }
}
