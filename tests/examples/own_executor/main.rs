//! Downloads on an executor of one's own: one thread, non-blocking sockets, `poll(2)`, the core and
//! its HTTP/1.1 codec. This file is the driver of a session; [`exchange`] speaks with the server.
//!
//! `own_executor ENDPOINT BUCKET KEY` writes an object to the standard output. For brevity requests
//! are not signed and go over plain HTTP.

mod exchange;

use std::error::Error;
use std::io::{self, ErrorKind, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use exchange::Object;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use sans3_core::attempt::{Attempt, AttemptId, Outcome, Ready, Sent};
use sans3_core::endpoint::{BucketName, Endpoint, ObjectKey, Region};
use sans3_core::error::TransportErrorKind;
use sans3_core::http1::{self, RequestBody, Target};
use sans3_core::session::{CredentialSource, Input, Machine as _, Session, SessionConfig, Step};
use sans3_core::time::Instant as Tick;
use sans3_core::transfer::{Download, Downloaded};

/// How long to wait at most: the session is to hear that its exchanges live.
const BEAT: Duration = Duration::from_secs(1);

/// An exchange that is under way.
struct Task {
    id: AttemptId,
    socket: Rc<TcpStream>,
    work: Pin<Box<dyn Future<Output = Outcome>>>,
}

pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    let [endpoint, bucket, key] = &std::env::args().skip(1).collect::<Vec<_>>()[..] else {
        return Err("usage: own_executor ENDPOINT BUCKET KEY".into());
    };
    let endpoint = Endpoint::custom(endpoint, Region::new("us-east-1")?)?;
    let download = Download::new(BucketName::new(bucket)?, ObjectKey::new(key.as_str())?);
    let config = SessionConfig::new(endpoint, CredentialSource::Anonymous);
    let (found, bytes) = run(config, download)?;
    io::stdout().write_all(&bytes)?;
    eprintln!("{} bytes, verified by {}", found.size, found.verified);
    Ok(())
}

/// Carries out a download to memory.
pub(crate) fn run(
    config: SessionConfig,
    download: Download,
) -> Result<(Downloaded, Vec<u8>), Box<dyn Error>> {
    let began = Instant::now();
    let now = || Tick::ZERO + began.elapsed();
    let mut session = Session::new(config, 1);
    let handle = session.insert(download, now());
    let object = Object::default();
    let mut tasks: Vec<Task> = Vec::new();
    loop {
        match session.poll(now()) {
            Step::Start(attempt) => match start(attempt, &object) {
                Ok(task) => tasks.push(task),
                Err(outcome) => _ = session.input(Input::Outcome(outcome), now()),
            },
            Step::Abort(id) => {
                tasks.retain(|task| task.id != id);
                session.input(Input::Outcome(id.aborted()), now());
            }
            Step::Wait { until, .. } => {
                wait(&tasks, until.map_or(BEAT, |until| until.since(now())))?;
                tasks.retain_mut(|task| {
                    let ended = poll_once(task);
                    let is_under_way = ended.is_none();
                    let (attempt, bytes) = (task.id, 0);
                    let progress = Input::Progress { attempt, bytes };
                    session.input(ended.map_or(progress, Input::Outcome), now());
                    is_under_way
                });
            }
            Step::Ended(_) | Step::Done => return Ok((session.take(handle)?, object.take())),
            Step::NeedCredentials | Step::Fill { .. } => {
                return Err("an anonymous download needs neither credentials nor bytes".into());
            }
        }
    }
}

/// Begins an exchange. The outcome is an error only in the sense of `?`.
fn start(attempt: Attempt, object: &Object) -> Result<Task, Outcome> {
    let (id, deadlines) = (attempt.id(), attempt.deadlines());
    // Only what is uploaded has to be hashed before it is sent.
    let Ready::Send(sendable) = attempt.prepare() else {
        return Err(id.aborted());
    };
    let head = sendable.request(exchange::wall())?.into_parts().0;
    match send(&head, deadlines.connect) {
        Ok(socket) => {
            let socket = Rc::new(socket);
            let (wire, object) = (Rc::clone(&socket), Rc::clone(object));
            let work = exchange::receive(sendable, head, deadlines.head, wire, object);
            Ok(Task {
                id,
                socket,
                work: Box::pin(work),
            })
        }
        Err(error) => {
            let (kind, why) = (TransportErrorKind::Connect, error.to_string());
            Err(sendable.on_transport_error(kind, Sent::None, why))
        }
    }
}

/// Connects, one exchange after the other, and sends a head, which fits into any socket's buffer.
fn send(head: &http::request::Parts, limit: Duration) -> io::Result<TcpStream> {
    let mut request = Vec::new();
    http1::write_head(head, Target::Origin, RequestBody::None, false, &mut request)
        .map_err(io::Error::other)?;
    let (host, port) = (head.uri.host().unwrap_or_default(), head.uri.port_u16());
    let mut found = format!("{host}:{}", port.unwrap_or(80)).to_socket_addrs()?;
    let address = found.next().ok_or(ErrorKind::NotFound)?;
    let mut socket = TcpStream::connect_timeout(&address, limit)?;
    socket.write_all(&request)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Waits until a socket has something to read, for `limit` or a [`BEAT`] at most.
fn wait(tasks: &[Task], limit: Duration) -> Result<(), Box<dyn Error>> {
    let sockets = tasks.iter().map(|task| &task.socket);
    let sockets = sockets.map(|socket| PollFd::new(socket, PollFlags::IN));
    let limit = Timespec::try_from(limit.min(BEAT))?;
    poll(&mut sockets.collect::<Vec<_>>(), Some(&limit))?;
    Ok(())
}

/// Lets a task have a look at its socket. Nobody has to be woken: all of them look after each wait.
fn poll_once(task: &mut Task) -> Option<Outcome> {
    let mut cx = Context::from_waker(Waker::noop());
    match task.work.as_mut().poll(&mut cx) {
        Poll::Ready(outcome) => Some(outcome),
        Poll::Pending => None,
    }
}
