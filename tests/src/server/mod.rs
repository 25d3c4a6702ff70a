//! The model behind a small HTTP/1.1 server on loopback.
//!
//! One thread per connection, a bounded number of them, and nothing but the standard library's
//! sockets: no async runtime that a test of an async runtime could share a mistake with. Bodies
//! are read once into memory of their own size and written from where they lie.
//!
//! ```
//! use std::io::{Read, Write};
//! use sans3_testkit::server::{Config, Server};
//!
//! let server = Server::start(Config::default()).unwrap();
//! server.with_model(|model| model.put("bucket", "key", "hello"));
//! let mut socket = std::net::TcpStream::connect(server.addr()).unwrap();
//! socket.write_all(b"GET /bucket/key HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
//! let mut answer = String::new();
//! socket.read_to_string(&mut answer).unwrap();
//! assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("hello"));
//! ```

mod connection;
pub(crate) mod http1;
pub(crate) mod memory;
mod stats;

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::faults::{Injected, Schedule};
use crate::model::{Model, ModelConfig};

use memory::Pool;
use stats::Counters;
pub use stats::Stats;

/// How a server is set up.
#[derive(Clone, Debug)]
pub struct Config {
    /// The address to listen at. Default: a free port of 127.0.0.1.
    pub listen: SocketAddr,
    /// The model's settings.
    pub model: ModelConfig,
    /// What goes wrong.
    pub faults: Schedule,
    /// Where wall time comes from.
    pub clock: Clock,
    /// Connections at a time; further ones wait to be accepted.
    pub max_connections: usize,
    /// How long a connection may be silent, between requests or within one.
    pub idle: Duration,
    /// How long a stalled answer stays open unless the client gives up before.
    pub stall: Duration,
    /// The most bytes of a request's head.
    pub max_head: usize,
    /// The most bytes of a request's body as sent.
    pub max_body: u64,
    /// How much memory of objects that are gone is kept for the next ones.
    pub keep_memory: u64,
    /// How much memory for objects is made ready at the start, so that a measurement does not
    /// measure the system's page faults.
    pub ready_memory: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            model: ModelConfig::default(),
            faults: Schedule::none(),
            clock: Clock::System { offset: 0 },
            max_connections: 256,
            idle: Duration::from_secs(60),
            stall: Duration::from_secs(60),
            max_head: 64 << 10,
            max_body: 6 << 30,
            keep_memory: 2 << 30,
            ready_memory: 0,
        }
    }
}

impl Config {
    /// Settings for large transfers: see [`ModelConfig::fast`].
    pub fn fast() -> Self {
        Self {
            model: ModelConfig::fast(),
            ..Self::default()
        }
    }
}

/// Where a server takes wall time from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// The system's clock, so many seconds off: how a client's clock skew is tested.
    System {
        /// Seconds that are added.
        offset: i64,
    },
    /// The model's own time, which stands still but for [`Model::set_time`].
    Model,
}

/// A running server. It stops when it is dropped.
#[derive(Debug)]
pub struct Server {
    addr: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts a server.
    ///
    /// # Errors
    /// The address can't be listened at.
    pub fn start(config: Config) -> io::Result<Self> {
        let listener = TcpListener::bind(config.listen)?;
        let addr = listener.local_addr()?;
        let shared = Arc::new(Shared {
            model: Mutex::new(Model::new(config.model.clone())),
            faults: Mutex::new(config.faults.clone()),
            counters: Mutex::new(Counters::default()),
            open: Mutex::new(Open::default()),
            closed: Condvar::new(),
            stopping: AtomicBool::new(false),
            pool: Pool::new(config.keep_memory, config.ready_memory),
            config,
        });
        let for_acceptor = Arc::clone(&shared);
        let acceptor = thread::Builder::new()
            .name("testkit-accept".into())
            .spawn(move || accept(&listener, &for_acceptor))?;
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

    /// `http://127.0.0.1:port`, as clients want it.
    pub fn endpoint_url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Works on the model between two requests.
    pub fn with_model<R>(&self, work: impl FnOnce(&mut Model) -> R) -> R {
        work(&mut lock(&self.shared.model))
    }

    /// Works on the schedule of faults between two requests.
    pub fn with_faults<R>(&self, work: impl FnOnce(&mut Schedule) -> R) -> R {
        work(&mut lock(&self.shared.faults))
    }

    /// The faults that were injected so far.
    pub fn injected(&self) -> Vec<Injected> {
        lock(&self.shared.faults).injected().to_vec()
    }

    /// What the server has done so far.
    pub fn stats(&self) -> Stats {
        let uploads = lock(&self.shared.model).uploads().count();
        lock(&self.shared.counters).stats(uploads)
    }

    /// Ends all connections that are open now, and goes on serving.
    pub fn disconnect_all(&self) {
        for stream in lock(&self.shared.open).streams.values() {
            end(stream);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        self.disconnect_all();
        self.shared.closed.notify_all();
        // The acceptor is blocked in accept until somebody comes.
        drop(TcpStream::connect_timeout(
            &self.addr,
            Duration::from_secs(1),
        ));
        if let Some(acceptor) = self.acceptor.take() {
            drop(acceptor.join());
        }
        let mut open = lock(&self.shared.open);
        while !open.streams.is_empty() {
            // A connection that was accepted in between has not seen the first round.
            open.streams.values().for_each(end);
            let waited = self
                .shared
                .closed
                .wait_timeout(open, Duration::from_millis(20));
            open = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// What all connections share.
#[derive(Debug)]
struct Shared {
    config: Config,
    pool: Arc<Pool>,
    model: Mutex<Model>,
    faults: Mutex<Schedule>,
    counters: Mutex<Counters>,
    open: Mutex<Open>,
    /// Signalled when a connection ends.
    closed: Condvar,
    stopping: AtomicBool,
}

impl Shared {
    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }
}

/// The connections that are open, so that they can be ended from outside.
#[derive(Debug, Default)]
struct Open {
    next: u64,
    streams: BTreeMap<u64, TcpStream>,
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    loop {
        wait_for_room(shared);
        let accepted = listener.accept();
        if shared.is_stopping() {
            return;
        }
        let Ok((stream, _)) = accepted else {
            // Out of descriptors, most likely: connections that end will help.
            thread::sleep(Duration::from_millis(10));
            continue;
        };
        let Some(id) = register(shared, &stream) else {
            continue;
        };
        let for_thread = Arc::clone(shared);
        let spawned = thread::Builder::new()
            .name(format!("testkit-{id}"))
            .spawn(move || {
                connection::serve(stream, &for_thread);
                unregister(&for_thread, id);
            });
        if spawned.is_err() {
            unregister(shared, id);
        }
    }
}

fn wait_for_room(shared: &Shared) {
    let mut open = lock(&shared.open);
    while open.streams.len() >= shared.config.max_connections.max(1) && !shared.is_stopping() {
        let woken = shared.closed.wait(open);
        open = woken.unwrap_or_else(PoisonError::into_inner);
    }
}

fn register(shared: &Shared, stream: &TcpStream) -> Option<u64> {
    let copy = stream.try_clone().ok()?;
    let mut open = lock(&shared.open);
    let id = open.next;
    open.next += 1;
    open.streams.insert(id, copy);
    lock(&shared.counters).connected(open.streams.len());
    Some(id)
}

fn unregister(shared: &Shared, id: u64) {
    lock(&shared.open).streams.remove(&id);
    shared.closed.notify_all();
}

fn end(stream: &TcpStream) {
    // Already ended by the client, or by its own thread: then there is nothing to do.
    drop(stream.shutdown(Shutdown::Both));
}

/// A panic of a test inside `with_model` must not hide behind a poisoned lock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
