//! One connection of the scripted server, plain or under TLS.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// The longest head that is read.
const MAX_HEAD: usize = 1 << 20;

pub(super) struct Socket {
    stream: Stream,
    /// What was read too far.
    buffer: Vec<u8>,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Socket {
    pub(super) fn new(tcp: TcpStream, patience: Duration) -> io::Result<Self> {
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(patience))?;
        tcp.set_write_timeout(Some(patience))?;
        Ok(Self {
            stream: Stream::Plain(tcp),
            buffer: Vec::new(),
        })
    }

    /// Goes on under TLS.
    pub(super) fn secure(self, config: Arc<ServerConfig>) -> io::Result<Self> {
        let Stream::Plain(mut tcp) = self.stream else {
            return Err(io::Error::other("TLS inside of TLS"));
        };
        let mut tls = ServerConnection::new(config).map_err(io::Error::other)?;
        while tls.is_handshaking() {
            tls.complete_io(&mut tcp)?;
        }
        Ok(Self {
            stream: Stream::Tls(Box::new(StreamOwned::new(tls, tcp))),
            buffer: self.buffer,
        })
    }

    /// Reads a head, empty line included.
    pub(super) fn head(&mut self) -> io::Result<Vec<u8>> {
        loop {
            let end = self.buffer.windows(4).position(|four| four == b"\r\n\r\n");
            if let Some(at) = end {
                let rest = self.buffer.split_off(at + 4);
                return Ok(std::mem::replace(&mut self.buffer, rest));
            }
            if self.buffer.len() > MAX_HEAD || self.more()? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Reads exactly so many bytes.
    pub(super) fn exactly(&mut self, len: usize) -> io::Result<Vec<u8>> {
        while self.buffer.len() < len {
            if self.more()? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        let rest = self.buffer.split_off(len);
        Ok(std::mem::replace(&mut self.buffer, rest))
    }

    /// Waits for a byte to come, at most so long.
    pub(super) fn wait_for_byte(&mut self, limit: Duration) -> io::Result<bool> {
        if !self.buffer.is_empty() {
            return Ok(true);
        }
        let before = self.tcp().read_timeout()?;
        self.tcp().set_read_timeout(Some(limit))?;
        let came = self.more();
        self.tcp().set_read_timeout(before)?;
        match came {
            Ok(bytes) => Ok(bytes > 0),
            Err(error) if is_timeout(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Reads until the client ends the connection; says how many bytes came. `None` where it is
    /// still open after `limit`.
    pub(super) fn rest(&mut self, limit: Duration) -> Option<usize> {
        let until = Instant::now() + limit;
        let mut total = self.buffer.len();
        self.buffer.clear();
        let mut sink = vec![0; 1 << 16];
        drop(self.tcp().set_read_timeout(Some(Duration::from_millis(50))));
        while Instant::now() < until {
            match self.read(&mut sink) {
                Ok(0) => return Some(total),
                Ok(read) => total += read,
                Err(error) if is_timeout(&error) => {}
                Err(_) => return Some(total),
            }
        }
        None
    }

    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.stream {
            Stream::Plain(tcp) => tcp.write_all(bytes),
            Stream::Tls(tls) => tls.write_all(bytes).and_then(|()| tls.flush()),
        }
    }

    /// Ends this half of the connection with FIN alone. Under TLS that is an end without
    /// `close_notify`.
    pub(super) fn close(&self) {
        drop(self.tcp().shutdown(Shutdown::Write));
    }

    /// Ends this half of the connection as TLS wants it.
    pub(super) fn close_notified(&mut self) {
        if let Stream::Tls(tls) = &mut self.stream {
            tls.conn.send_close_notify();
            drop(tls.flush());
        }
        self.close();
    }

    /// Ends the connection with RST.
    pub(super) fn reset(self) {
        let socket = socket2::SockRef::from(self.tcp());
        drop(socket.set_linger(Some(Duration::ZERO)));
    }

    const fn tcp(&self) -> &TcpStream {
        match &self.stream {
            Stream::Plain(tcp) => tcp,
            Stream::Tls(tls) => &tls.sock,
        }
    }

    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match &mut self.stream {
            Stream::Plain(tcp) => tcp.read(into),
            Stream::Tls(tls) => tls.read(into),
        }
    }

    fn more(&mut self) -> io::Result<usize> {
        let mut piece = vec![0; 1 << 16];
        let read = loop {
            match self.read(&mut piece) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        self.buffer.extend_from_slice(&piece[..read]);
        Ok(read)
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
