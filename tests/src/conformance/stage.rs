//! The server that plays a script, and remembers what it heard.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::certificates::{Certificates, Identity};
use super::job::{Cancel, Gate};
use super::log::sum;
use super::socket::Socket;

/// What a connection does next.
#[derive(Clone, Debug)]
pub(super) enum Act {
    /// Reads a request's head.
    Head,
    /// Reads the body that the last head announced, and notes it.
    Body,
    /// Reads so many bytes of the body.
    Read(usize),
    /// Sends 100 Continue, if the last head asks for it.
    Continue,
    /// Waits for the body's first byte, and notes how long that took.
    AwaitBody,
    /// Notes whether anything comes within this time.
    Hold(Duration),
    Send(Bytes),
    /// Sends in pieces, with a pause before each.
    Pieces(Bytes, usize, Duration),
    /// Reads heads and answers them from this object, until the client ends the connection.
    Serve(Bytes),
    /// Goes on under TLS.
    Tls(Identity),
    Sleep(Duration),
    Open(Gate),
    /// Has the client cancel.
    Cancel,
    /// Reads until the client ends the connection, and notes that it did without a word more.
    Quiet,
    /// The same, where some more may come, but fewer bytes than these.
    Fewer(usize),
    /// Reads until the client ends the connection, whatever comes.
    Drain,
    /// Ends with FIN; under TLS without `close_notify`. Every list of acts ends like this.
    Close,
    /// Ends TLS by `close_notify`, then as by `Close`.
    CloseNotified,
    Reset,
}

/// A request that came in.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    pub(super) connection: usize,
    /// The head exactly as sent.
    pub(super) head: Vec<u8>,
    /// What came of it, in words.
    pub(super) notes: Vec<String>,
}

/// What the server heard so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Record {
    pub(super) heard: Vec<Heard>,
    pub(super) connections: usize,
}

/// How long a client is waited for.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a connection that has closed its half goes on reading, so that no reset follows.
const LINGER: Duration = Duration::from_secs(2);
/// How long a client may take to end a connection that is of no use any more.
const ENDING: Duration = Duration::from_secs(8);

/// A running server. It stops when it is dropped.
pub(super) struct Stage {
    addr: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

struct Shared {
    record: Mutex<Record>,
    /// For ending connections from outside. An entry goes with its connection, which it would keep
    /// open otherwise.
    sockets: Mutex<BTreeMap<usize, TcpStream>>,
    stopping: AtomicBool,
    cancel: Cancel,
    certificates: Arc<Certificates>,
}

impl Stage {
    /// Starts a server on a free port of 127.0.0.1. Connections get the lists of acts in the order
    /// in which they come; one too many is closed at once.
    pub(super) fn start(
        connections: Vec<Vec<Act>>,
        cancel: Cancel,
        certificates: Arc<Certificates>,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let addr = listener.local_addr()?;
        let shared = Arc::new(Shared {
            record: Mutex::default(),
            sockets: Mutex::default(),
            stopping: AtomicBool::new(false),
            cancel,
            certificates,
        });
        let for_acceptor = Arc::clone(&shared);
        let acceptor = thread::Builder::new()
            .name("conformance-stage".into())
            .spawn(move || accept(&listener, connections, &for_acceptor))?;
        Ok(Self {
            addr,
            shared,
            acceptor: Some(acceptor),
        })
    }

    pub(super) const fn port(&self) -> u16 {
        self.addr.port()
    }

    pub(super) fn record(&self) -> Record {
        lock(&self.shared.record).clone()
    }

    /// A look at what was heard so far, for others who watch.
    pub(super) fn watch(&self) -> impl Fn() -> Record + Send + Sync + 'static {
        let shared = Arc::clone(&self.shared);
        move || lock(&shared.record).clone()
    }

    /// Ends all connections, and takes no more.
    pub(super) fn stop(&self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        for socket in lock(&self.shared.sockets).values() {
            drop(socket.shutdown(Shutdown::Both));
        }
        drop(TcpStream::connect_timeout(
            &self.addr,
            Duration::from_secs(1),
        ));
    }

    /// Waits until all connections have come to the end of their acts.
    pub(super) fn finish(&mut self) -> Record {
        self.shared.stopping.store(true, Ordering::SeqCst);
        drop(TcpStream::connect_timeout(
            &self.addr,
            Duration::from_secs(1),
        ));
        if let Some(acceptor) = self.acceptor.take() {
            drop(acceptor.join());
        }
        self.record()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.stop();
        drop(self.finish());
    }
}

fn accept(listener: &TcpListener, connections: Vec<Vec<Act>>, shared: &Arc<Shared>) {
    let mut scripts = connections.into_iter();
    let mut threads = Vec::new();
    while let Ok((stream, _)) = listener.accept() {
        if shared.stopping.load(Ordering::SeqCst) {
            break;
        }
        let index = {
            let mut record = lock(&shared.record);
            record.connections += 1;
            record.connections - 1
        };
        let Some(acts) = scripts.next() else {
            continue;
        };
        lock(&shared.sockets).extend(stream.try_clone().map(|clone| (index, clone)));
        let shared = Arc::clone(shared);
        let spawned = thread::Builder::new()
            .name(format!("conformance-{index}"))
            .spawn(move || {
                if let Ok(socket) = Socket::new(stream, PATIENCE) {
                    let mut player = Player {
                        socket: Some(socket),
                        index,
                        request: None,
                        body: Vec::new(),
                        shared: &shared,
                    };
                    // A client that goes away early is seen in the log.
                    drop(player.play(acts));
                }
                lock(&shared.sockets).remove(&index);
            });
        threads.extend(spawned);
    }
    for thread in threads {
        drop(thread.join());
    }
}

struct Player<'a> {
    socket: Option<Socket>,
    index: usize,
    /// The last request in the record, and its head's lines.
    request: Option<(usize, Head)>,
    /// What was read of its body.
    body: Vec<u8>,
    shared: &'a Shared,
}

impl Player<'_> {
    fn play(&mut self, acts: Vec<Act>) -> io::Result<()> {
        for act in acts {
            match act {
                Act::Close => self.socket()?.close(),
                Act::CloseNotified => self.socket()?.close_notified(),
                Act::Reset => {
                    lock(&self.shared.sockets).remove(&self.index);
                    if let Some(socket) = self.socket.take() {
                        socket.reset();
                    }
                }
                Act::Tls(identity) => {
                    let config = self.shared.certificates.server(identity);
                    if let Some(socket) = self.socket.take() {
                        self.socket = Some(socket.secure(config)?);
                    }
                }
                Act::Serve(object) => self.serve(&object)?,
                Act::Sleep(time) => thread::sleep(time),
                Act::Open(gate) => gate.open(),
                Act::Cancel => self.shared.cancel.fire(),
                other => self.exchange(other)?,
            }
        }
        if let Some(socket) = &mut self.socket {
            socket.close();
            let _ = socket.rest(LINGER);
        }
        Ok(())
    }

    fn exchange(&mut self, act: Act) -> io::Result<()> {
        match act {
            Act::Head => drop(self.head()?),
            Act::Body => {
                let len = self.request.as_ref().map_or(0, |(_, head)| head.length());
                let mut body = std::mem::take(&mut self.body);
                let rest = len.saturating_sub(body.len());
                body.append(&mut self.socket()?.exactly(rest)?);
                self.note(format!("its body: {}", sum(&body)));
            }
            Act::Read(len) => {
                let mut bytes = self.socket()?.exactly(len)?;
                self.body.append(&mut bytes);
            }
            Act::Hold(time) => {
                let came = self.socket()?.wait_for_byte(time)?;
                self.note(if came {
                    "bytes came too soon"
                } else {
                    "nothing came meanwhile"
                });
            }
            Act::Continue => {
                let asked = self
                    .request
                    .as_ref()
                    .and_then(|(_, head)| head.field("expect"));
                if asked.is_some() {
                    self.socket()?.send(b"HTTP/1.1 100 Continue\r\n\r\n")?;
                }
            }
            Act::AwaitBody => {
                let since = Instant::now();
                let came = self.socket()?.wait_for_byte(Duration::from_secs(4))?;
                self.note(format!("its body came {}", how_late(came, since.elapsed())));
            }
            Act::Send(bytes) => self.socket()?.send(&bytes)?,
            Act::Pieces(bytes, piece, pause) => {
                for piece in bytes.chunks(piece.max(1)) {
                    thread::sleep(pause);
                    self.socket()?.send(piece)?;
                }
            }
            Act::Quiet => {
                let rest = self.socket()?.rest(ENDING);
                self.note(match rest {
                    Some(0) => "then the client ended the connection".to_owned(),
                    Some(more) => format!("then {more} bytes more came, and the end"),
                    None => "then the client left the connection open".into(),
                });
            }
            Act::Fewer(than) => {
                let rest = self.socket()?.rest(ENDING);
                self.note(match rest {
                    Some(rest) if rest < than => "the rest of the body was not sent",
                    Some(_) => "all of the body was sent",
                    None => "the client left the connection open",
                });
            }
            _ => drop(self.socket()?.rest(PATIENCE)),
        }
        Ok(())
    }

    fn head(&mut self) -> io::Result<Head> {
        let raw = self.socket()?.head()?;
        let head = Head(String::from_utf8_lossy(&raw).into_owned());
        let mut record = lock(&self.shared.record);
        self.body.clear();
        self.request = Some((record.heard.len(), Head(head.0.clone())));
        record.heard.push(Heard {
            connection: self.index,
            head: raw,
            notes: Vec::new(),
        });
        Ok(head)
    }

    fn serve(&mut self, object: &Bytes) -> io::Result<()> {
        loop {
            let head = self.head()?;
            let total = object.len();
            let range = head.range(total);
            let (status, first, end) = match range {
                Some((first, end)) => ("206 Partial Content", first, end),
                None => ("200 OK", 0, total),
            };
            let mut answer = format!(
                "HTTP/1.1 {status}\r\ncontent-length: {}\r\netag: \"e\"\r\n",
                end - first
            );
            if range.is_some() {
                answer += &format!("content-range: bytes {first}-{}/{total}\r\n", end - 1);
            }
            let mut answer = (answer + "\r\n").into_bytes();
            if !head.0.starts_with("HEAD") {
                answer.extend_from_slice(&object[first..end]);
            }
            self.socket()?.send(&answer)?;
        }
    }

    fn socket(&mut self) -> io::Result<&mut Socket> {
        self.socket
            .as_mut()
            .ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    fn note(&self, note: impl Into<String>) {
        let index = self
            .request
            .as_ref()
            .map_or(usize::MAX, |(index, _)| *index);
        if let Some(heard) = lock(&self.shared.record).heard.get_mut(index) {
            heard.notes.push(note.into());
        }
    }
}

fn how_late(came: bool, waited: Duration) -> String {
    match waited.as_millis() {
        _ if !came => "never".into(),
        0..500 => "at once".into(),
        500..900 => format!("too soon, after {waited:?}"),
        900..2500 => "after about a second".into(),
        _ => format!("late, after {waited:?}"),
    }
}

/// A head as text.
pub(super) struct Head(pub(super) String);

impl Head {
    /// Names, in lower case, and values.
    pub(super) fn fields(&self) -> impl Iterator<Item = (String, &str)> {
        self.0.lines().skip(1).filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_ascii_lowercase(), value.trim()))
        })
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.fields()
            .find(|(present, _)| present == name)
            .map(|(_, value)| value)
    }

    fn length(&self) -> usize {
        let length = self.field("content-length");
        length.and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    /// The first byte that is asked for, and the one behind the last.
    pub(super) fn range(&self, total: usize) -> Option<(usize, usize)> {
        let range = self.field("range")?.strip_prefix("bytes=")?;
        let (first, last) = range.split_once('-')?;
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        (first < total).then(|| (first, total.min(last + 1)))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
