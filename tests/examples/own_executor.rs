//! A download on an executor of one's own: one thread, non-blocking sockets, `poll(2)`.
//!
//! `sans3-runtime` keeps the books, takes the bytes, and has the core's codec speak HTTP/1.1; what
//! is here connects, sends, receives and waits. Exchanges are futures that nobody wakes: all of them
//! have a look at their sockets after each `poll(2)`, once a second at least.
//!
//! `own_executor ADDRESS BUCKET KEY` writes an object to the standard output. For brevity requests
//! are not signed, go over plain HTTP to an IP address with a port, and are sent one by one.

use std::cell::RefCell;
use std::convert::Infallible;
use std::error::Error;
use std::future::poll_fn;
use std::io::ErrorKind::{TimedOut, WouldBlock};
use std::io::{self, Read as _, Write as _};
use std::mem;
use std::net::{SocketAddr, TcpStream};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use sans3_core::attempt::{Attempt, Outcome, Sent};
use sans3_core::endpoint::{BucketName, Endpoint, ObjectKey, Region};
use sans3_core::error::TransportErrorKind;
use sans3_core::session::{CredentialSource, SessionConfig};
use sans3_core::time::Instant as Tick;
use sans3_core::transfer::{Download, Downloaded};
use sans3_runtime::net::Fault;
use sans3_runtime::{ClientConfig, Dialogue, Hub, Standing, Task, Work};

/// How long exchanges that wait for bytes are left alone.
const TURN: Duration = Duration::from_secs(1);

/// The sockets on which exchanges wait for bytes.
type Waits = RefCell<Vec<Rc<TcpStream>>>;

pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().collect();
    let [_, server, bucket, key] = &args[..] else {
        return Err("usage: own_executor ADDRESS BUCKET KEY".into());
    };
    let download = Download::new(BucketName::new(bucket)?, ObjectKey::new(key.as_str())?);
    let (_, bytes) = run(server.parse()?, download)?;
    Ok(io::stdout().write_all(&bytes)?)
}

/// Carries out a download to memory.
pub(crate) fn run(
    server: SocketAddr,
    download: Download,
) -> Result<(Downloaded, bytes::Bytes), Box<dyn Error>> {
    let endpoint = Endpoint::custom(&format!("http://{server}"), Region::new("us-east-1")?)?;
    let config = ClientConfig::new(SessionConfig::new(endpoint, CredentialSource::Anonymous));
    let mut parts = Hub::open(config, |blocking: Box<dyn FnOnce() + Send>| blocking())?;
    let ticket = parts.hub.ticket();
    let mut transfer = pin!(parts.hub.download_to_memory(download, u64::MAX, &ticket));
    let (began, waits, mut exchanges) = (Instant::now(), Waits::default(), Vec::new());
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        let now = Tick::ZERO + began.elapsed();
        let standing = parts.desk.work(now, |task| match task {
            Task::Exchange(todo) => {
                let exchange = exchange(todo.attempt, todo.work, server, &waits);
                let report = async {
                    let Err(outcome) = exchange.await;
                    todo.report.send(outcome);
                };
                exchanges.push(Box::pin(report));
            }
            Task::Credentials(asking) => asking.answer(None),
        });
        if let Poll::Ready(result) = transfer.as_mut().poll(&mut cx) {
            return Ok(result?);
        }
        exchanges.retain_mut(|exchange| exchange.as_mut().poll(&mut cx).is_pending());
        let limit = match standing {
            _ if parts.desk.inbox().poll_arrived(&cx).is_ready() => Duration::ZERO,
            Standing::Waits(Some(until)) => until.since(now).min(TURN),
            _ => TURN,
        };
        wait(&waits.take(), limit)?;
    }
}

/// Waits until a socket has something to read, for `limit` at most.
fn wait(sockets: &[Rc<TcpStream>], limit: Duration) -> Result<(), Box<dyn Error>> {
    let sockets = sockets.iter().map(|it| PollFd::new(it, PollFlags::IN));
    match poll(&mut sockets.collect::<Vec<_>>(), Some(&limit.try_into()?)) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Carries out one exchange, which ends in an outcome and in nothing else.
async fn exchange(
    attempt: Attempt,
    work: Work,
    server: SocketAddr,
    waits: &Waits,
) -> Result<Infallible, Outcome> {
    let limit = attempt.deadlines().connect;
    // The requests of a download have no body.
    let (mut dialogue, request, _) = Dialogue::begin(attempt, work).await?;
    let socket = match connect(server, limit, &request) {
        Ok(socket) => Rc::new(socket),
        Err(fault) => return Err(dialogue.broken(fault).await),
    };
    dialogue.sent(Sent::All);
    let mut bytes = vec![0; 64 * 1024];
    loop {
        let (since, mut is_my_turn) = (Instant::now(), false);
        let received = poll_fn(|_| {
            // One piece a turn, or a fast answer would keep the others waiting.
            if mem::replace(&mut is_my_turn, true) {
                let is_over = since.elapsed() >= dialogue.patience();
                match (&*socket).read(&mut bytes) {
                    Err(error) if error.kind() == WouldBlock && !is_over => {}
                    received => return Poll::Ready(received),
                }
            }
            waits.borrow_mut().push(Rc::clone(&socket));
            Poll::Pending
        });
        dialogue = match received.await {
            Ok(count) => dialogue.hear(&bytes[..count], since.elapsed()).await?,
            Err(error) if error.kind() == WouldBlock => return Err(dialogue.stalled().await),
            Err(error) => return Err(dialogue.broken(Fault::from_io(&error)).await),
        };
    }
}

/// Connects, and sends a request, which fits into any new socket's buffer.
fn connect(server: SocketAddr, limit: Duration, request: &[u8]) -> Result<TcpStream, Fault> {
    let connected = TcpStream::connect_timeout(&server, limit).and_then(|mut socket| {
        socket.write_all(request)?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    });
    connected.map_err(|error| match error.kind() {
        TimedOut => Fault::new(TransportErrorKind::ConnectTimeout, error.to_string()),
        _ => Fault::new(TransportErrorKind::Connect, error.to_string()),
    })
}
