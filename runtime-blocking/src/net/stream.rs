//! A byte stream over a socket that does not block, plain or encrypted.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::ClientConnection;
use rustls::pki_types::ServerName;

/// How much ciphertext is read at once: one call for several records.
const CIPHERTEXT: usize = 64 * 1024;

/// The bytes of a connection. No call waits: [`io::ErrorKind::WouldBlock`] says that the socket
/// must be waited for.
pub(super) enum Stream {
    Plain {
        /// Bytes that were written to the socket.
        written: u64,
    },
    Tls(Box<Tls>),
}

/// Encryption, and the ciphertext that waits for it.
pub(super) struct Tls {
    session: ClientConnection,
    received: Vec<u8>,
    /// Where the ciphertext begins that rustls has not taken yet.
    taken: usize,
    written: u64,
}

impl Stream {
    pub(super) const fn plain() -> Self {
        Self::Plain { written: 0 }
    }

    /// A stream whose handshake [`shake_hands`](Self::shake_hands) carries out.
    pub(super) fn tls(
        config: &Arc<rustls::ClientConfig>,
        name: ServerName<'static>,
    ) -> Result<Self, rustls::Error> {
        let session = ClientConnection::new(Arc::clone(config), name)?;
        Ok(Self::Tls(Box::new(Tls {
            session,
            received: Vec::new(),
            taken: 0,
            written: 0,
        })))
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
            Self::Tls(tls) => tls.session.wants_write(),
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

    /// Takes some of `bytes`. They have left for good once [`flush`](Self::flush) says so.
    pub(super) fn write(&mut self, socket: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain { written } => {
                let taken = again(|| (&*socket).write(bytes))?;
                *written += taken as u64;
                Ok(taken)
            }
            Self::Tls(tls) => {
                let taken = tls.session.writer().write(bytes)?;
                match tls.push(socket) {
                    Err(error) if is_block(&error) && taken > 0 => Ok(taken),
                    pushed => pushed.map(|()| taken),
                }
            }
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
            self.push(socket)?;
            if !self.session.is_handshaking() {
                return Ok(());
            }
            if self.pull(socket)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    fn read(&mut self, socket: &TcpStream, buf: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        loop {
            match self.session.reader().read(&mut buf[filled..]) {
                Ok(0) => return Ok(filled),
                Ok(read) => filled += read,
                Err(error) if is_block(&error) => {
                    // More is decrypted only without a call to the system, so that no error of
                    // the socket is seen, and lost, while there are bytes to return.
                    if filled > 0 && self.taken == self.received.len() {
                        return Ok(filled);
                    }
                    self.pull(socket)?;
                }
                Err(error) if filled == 0 => return Err(error),
                Err(_) => return Ok(filled),
            }
            if filled == buf.len() {
                return Ok(filled);
            }
        }
    }

    /// Gives rustls ciphertext, read from the socket where none waits. 0 at the socket's end.
    fn pull(&mut self, socket: &TcpStream) -> io::Result<usize> {
        if self.taken == self.received.len() {
            self.received.resize(CIPHERTEXT, 0);
            let read = again(|| (&*socket).read(&mut self.received));
            self.taken = 0;
            self.received.truncate(*read.as_ref().unwrap_or(&0));
            read?;
        }
        let taken = self.session.read_tls(&mut &self.received[self.taken..])?;
        self.taken += taken;
        if let Err(error) = self.session.process_new_packets() {
            // The alert tells the server why; nobody learns more where it can't be sent.
            let _ = self.push(socket);
            return Err(io::Error::new(io::ErrorKind::InvalidData, error));
        }
        // An answer of TLS itself, to a change of keys for example: leaves with the next bytes
        // where it can't leave now.
        let _ = self.push(socket);
        Ok(taken)
    }

    fn push(&mut self, socket: &TcpStream) -> io::Result<()> {
        while self.session.wants_write() {
            let written = again(|| self.session.write_tls(&mut &*socket))?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
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
