//! A server that plays a script: raw bytes for each connection, for tests that break HTTP itself.
//!
//! ```
//! use std::io::{Read, Write};
//! use sans3_testkit::script::{ScriptServer, Step};
//!
//! let server = ScriptServer::start(vec![vec![
//!     Step::Head,
//!     Step::send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc"),
//!     Step::Close,
//! ]])
//! .unwrap();
//! let mut socket = std::net::TcpStream::connect(server.addr()).unwrap();
//! socket.write_all(b"GET /b/k HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
//! let mut answer = String::new();
//! socket.read_to_string(&mut answer).unwrap();
//! assert!(answer.ends_with("abc"));
//! assert_eq!(server.seen()[0].target, "/b/k");
//! ```

use std::io::{self, ErrorKind, Read};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::server::http1::{Framing, Reader, write_all};
use crate::server::memory::Pool;

/// What a connection does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Reads a request's head and records it.
    Head,
    /// Reads the body that the last head announced and records it.
    Body,
    /// Sends these bytes.
    Send(Bytes),
    /// Sends these bytes in pieces.
    SendIn {
        /// The bytes.
        bytes: Bytes,
        /// Bytes in a piece.
        piece: usize,
        /// The pause before each piece.
        pause: Duration,
    },
    /// Does nothing for a while.
    Sleep(Duration),
    /// Ends the connection with FIN, and reads on for a while so that no RST follows.
    Close,
    /// Ends the connection with RST.
    Reset,
    /// Keeps the connection open and silent until the client ends it.
    Stall,
}

impl Step {
    /// [`Step::Send`] of a text or of bytes.
    pub fn send(bytes: impl Into<Bytes>) -> Self {
        Self::Send(bytes.into())
    }

    /// [`Step::SendIn`] without pauses.
    pub fn send_in(piece: usize, bytes: impl Into<Bytes>) -> Self {
        Self::SendIn {
            bytes: bytes.into(),
            piece,
            pause: Duration::ZERO,
        }
    }
}

/// A request that came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Which connection: 0 is the first that was accepted.
    pub connection: usize,
    /// The method.
    pub method: String,
    /// The target as sent.
    pub target: String,
    /// The head exactly as sent, empty line included.
    pub head: Vec<u8>,
    /// The body, if the script read it.
    pub body: Vec<u8>,
}

impl Seen {
    /// The value of a header, if the head has it exactly once.
    pub fn header(&self, name: &str) -> Option<String> {
        let head = String::from_utf8_lossy(&self.head).into_owned();
        let mut values = head.lines().skip(1).filter_map(|line| {
            let (present, value) = line.split_once(':')?;
            present
                .eq_ignore_ascii_case(name)
                .then(|| value.trim().to_owned())
        });
        let value = values.next()?;
        values.next().is_none().then_some(value)
    }
}

/// How long a connection that has closed its half goes on reading.
const LINGER: Duration = Duration::from_secs(2);
/// How long a script waits for a client.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest head and body that are recorded.
const MAX_HEAD: usize = 1 << 20;
const MAX_BODY: u64 = 256 << 20;

/// A running script. It stops when it is dropped.
#[derive(Debug)]
pub struct ScriptServer {
    addr: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

impl ScriptServer {
    /// Starts a server on a free port of 127.0.0.1. Connections get the lists of steps in the
    /// order in which they are accepted; a connection beyond the last list is closed at once. A
    /// list that ends without [`Step::Reset`] ends as by [`Step::Close`].
    ///
    /// # Errors
    /// The port can't be listened at.
    pub fn start(connections: Vec<Vec<Step>>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let addr = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let for_acceptor = Arc::clone(&shared);
        let acceptor = thread::Builder::new()
            .name("testkit-script".into())
            .spawn(move || accept(&listener, &connections, &for_acceptor))?;
        Ok(Self {
            addr,
            shared,
            acceptor: Some(acceptor),
        })
    }

    /// The address that the server listens at.
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `http://127.0.0.1:port`.
    pub fn endpoint_url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The requests so far, in the order in which their heads were read.
    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.shared.record).seen.clone()
    }

    /// Connections so far, those beyond the script included.
    pub fn connections(&self) -> usize {
        lock(&self.shared.record).accepted
    }

    /// Waits until so many connections have played their steps to the end, and says whether they
    /// did within `timeout`. A connection whose client went away too early never does.
    pub fn wait_played(&self, connections: usize, timeout: Duration) -> bool {
        let until = Instant::now() + timeout;
        let mut record = lock(&self.shared.record);
        while record.played < connections {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let woken = self.shared.changed.wait_timeout(record, left);
            record = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}

impl Drop for ScriptServer {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        drop(TcpStream::connect_timeout(
            &self.addr,
            Duration::from_secs(1),
        ));
        if let Some(acceptor) = self.acceptor.take() {
            drop(acceptor.join());
        }
    }
}

#[derive(Debug, Default)]
struct Shared {
    record: Mutex<Record>,
    changed: Condvar,
    stopping: AtomicBool,
}

#[derive(Debug, Default)]
struct Record {
    seen: Vec<Seen>,
    accepted: usize,
    played: usize,
}

fn accept(listener: &TcpListener, connections: &[Vec<Step>], shared: &Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept() {
        if shared.stopping.load(Ordering::SeqCst) {
            return;
        }
        let index = {
            let mut record = lock(&shared.record);
            record.accepted += 1;
            record.accepted - 1
        };
        let Some(steps) = connections.get(index).cloned() else {
            continue;
        };
        let for_thread = Arc::clone(shared);
        let spawned = thread::Builder::new()
            .name(format!("testkit-script-{index}"))
            .spawn(move || {
                if play(stream, index, &steps, &for_thread).is_some() {
                    lock(&for_thread.record).played += 1;
                    for_thread.changed.notify_all();
                }
            });
        if spawned.is_err() {
            return;
        }
    }
}

/// `None` if the client went away before the end.
fn play(stream: TcpStream, connection: usize, steps: &[Step], shared: &Shared) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.set_write_timeout(Some(PATIENCE)).ok()?;
    let mut reader = Reader::new(stream, Pool::new(0, 0));
    let mut request = None;
    for step in steps {
        match step {
            Step::Head => {
                let (head, raw) = reader.head(MAX_HEAD).ok()?;
                let mut record = lock(&shared.record);
                request = Some((record.seen.len(), head.framing));
                record.seen.push(Seen {
                    connection,
                    method: head.method.to_string(),
                    target: String::from_utf8_lossy(&head.target).into_owned(),
                    head: raw,
                    body: Vec::new(),
                });
            }
            Step::Body => {
                let (index, framing) = request.unwrap_or((usize::MAX, Framing::Length(0)));
                let body = reader.body(framing, MAX_BODY).ok()?.concat();
                if let Some(seen) = lock(&shared.record).seen.get_mut(index) {
                    seen.body = body;
                }
            }
            Step::Send(bytes) => write_all(reader.stream(), &[bytes]).ok()?,
            Step::SendIn {
                bytes,
                piece,
                pause,
            } => {
                for piece in bytes.chunks((*piece).max(1)) {
                    thread::sleep(*pause);
                    write_all(reader.stream(), &[piece]).ok()?;
                }
            }
            Step::Sleep(time) => thread::sleep(*time),
            Step::Close => break,
            Step::Reset => {
                let socket = socket2::SockRef::from(reader.stream());
                return socket.set_linger(Some(Duration::ZERO)).ok();
            }
            Step::Stall => stall(reader.stream(), shared),
        }
    }
    drop(reader.stream().shutdown(Shutdown::Write));
    drop(reader.stream().set_read_timeout(Some(LINGER)));
    reader.drain();
    Some(())
}

fn stall(mut stream: &TcpStream, shared: &Shared) {
    let until = Instant::now() + PATIENCE;
    drop(stream.set_read_timeout(Some(Duration::from_millis(50))));
    let mut sink = [0; 1_024];
    while Instant::now() < until && !shared.stopping.load(Ordering::SeqCst) {
        match stream.read(&mut sink) {
            Ok(1..) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Ok(0) | Err(_) => return,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
