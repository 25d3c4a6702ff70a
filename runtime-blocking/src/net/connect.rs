use std::io::{self, ErrorKind, IoSlice};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use sans3_core::error::TransportErrorKind;
use sans3_platform::address::Race;
use sans3_runtime::net::{Fault, Origin, Progress, Route, Secure, Tunnel};
use sans3_runtime::{Network, promise};
use socket2::{Domain, Protocol, Socket, Type};

use super::Line;
use super::socket::wait;
use super::stream::{Stream, is_block};
use super::wire::Wire;
use crate::course::Course;
use crate::crew::join;
use crate::park::deadline;

/// The longest wait for an address without a look at whether the exchange is to go on: there is no
/// connection yet that could be shut down.
const SLICE: Duration = Duration::from_millis(50);

/// A new connection along `route`, name, proxy and TLS included, within the deadline of `course`.
pub(super) fn connect(network: &Network, route: Route, course: &Course) -> Result<Wire, Fault> {
    let limit = course.deadlines.connect;
    let late = || {
        let detail = format!("{route}, within {limit:?}");
        Fault::new(TransportErrorKind::ConnectTimeout, detail)
    };
    let until = deadline(Instant::now(), limit);
    let addresses = resolve(network, &route, course, until, late)?;
    let socket = first_of(Race::new(addresses), &route, course, until)?.ok_or_else(late)?;
    network.opened.count();
    // Small requests must not wait for the acknowledgement of earlier ones; where this fails they
    // merely do.
    let _ = socket.set_nodelay(true);
    let line = Arc::new(Line::new(socket));
    course.bind(&line);
    let setup = Setup {
        line: &line,
        course,
        until,
    };
    let ready = match route.tunnel() {
        Some(tunnel) => setup.open(tunnel)?,
        None => Some(()),
    };
    ready.ok_or_else(late)?;
    let stream = match setup.encrypt(network, route.origin())? {
        Some(stream) => stream,
        None => return Err(late()),
    };
    Ok(Wire::new(line, stream, route))
}

/// Asks the system for the addresses of a name on a thread of its own: its resolver can't be
/// interrupted. Where the exchange ends first that thread is left behind until the system answers.
fn resolve(
    network: &Network,
    route: &Route,
    course: &Course,
    until: Instant,
    late: impl FnOnce() -> Fault,
) -> Result<Vec<SocketAddr>, Fault> {
    let (host, port) = (route.host().to_owned(), route.port());
    if let Some(known) = network.resolver.known(&host, port) {
        return known;
    }
    let lost = |why: String| Fault::new(TransportErrorKind::Dns, why);
    let (promise, found) = promise();
    let resolver = network.resolver.clone();
    let asking = thread::Builder::new().name("sans3-resolver".into());
    let asking = asking.spawn(move || promise.keep(resolver.resolve(&host, port)));
    let asking = asking.map_err(|error| lost(format!("no thread to resolve on: {error}")))?;
    let found = course.block_on(found, Some(until), late)?;
    join(Some(asking));
    found.unwrap_or_else(|| Err(lost("the thread that resolves was lost".into())))
}

/// Tries the addresses as `race` says. The first that answers is taken; `None` where none does
/// before `until`.
fn first_of(
    mut race: Race,
    route: &Route,
    course: &Course,
    until: Instant,
) -> Result<Option<TcpStream>, Fault> {
    let began = Instant::now();
    let mut racing: Vec<(SocketAddr, Socket)> = Vec::new();
    loop {
        course.check()?;
        while let Some(address) = race.start(began.elapsed()) {
            match begin(address) {
                Ok(socket) => racing.push((address, socket)),
                Err(error) => race.on_failure(address, error),
            }
        }
        if let Some(detail) = race.lost(route) {
            return Err(Fault::new(TransportErrorKind::Connect, detail));
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        let next = race
            .next_start()
            .map(|next| next.saturating_sub(began.elapsed()));
        let limit = left.min(SLICE).min(next.unwrap_or(SLICE));
        for index in answered(&racing, limit).into_iter().rev() {
            let (address, socket) = racing.swap_remove(index);
            match outcome(&socket) {
                Ok(()) => return Ok(Some(socket.into())),
                Err(error) => race.on_failure(address, error),
            }
        }
    }
}

/// Starts to connect, without waiting for it.
fn begin(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_nonblocking(true)?;
    match socket.connect(&address.into()) {
        Err(error)
            if !is_block(&error) && Errno::from_io_error(&error) != Some(Errno::INPROGRESS) =>
        {
            Err(error)
        }
        _ => Ok(socket),
    }
}

/// Which of the sockets have connected or failed, within `limit`.
fn answered(racing: &[(SocketAddr, Socket)], limit: Duration) -> Vec<usize> {
    let sockets = racing.iter();
    let mut sockets: Vec<PollFd<'_>> = sockets
        .map(|(_, socket)| PollFd::new(socket, PollFlags::OUT))
        .collect();
    if wait(&mut sockets, limit).is_err() {
        // Each of them says why when it is asked.
        return (0..racing.len()).collect();
    }
    let ready =
        |(index, socket): (usize, &PollFd<'_>)| (!socket.revents().is_empty()).then_some(index);
    sockets.iter().enumerate().filter_map(ready).collect()
}

fn outcome(socket: &Socket) -> io::Result<()> {
    match socket.take_error()? {
        Some(error) => Err(error),
        None => socket.peer_addr().map(drop),
    }
}

/// A connection that is being made ready.
struct Setup<'a> {
    line: &'a Arc<Line>,
    course: &'a Course,
    until: Instant,
}

impl Setup<'_> {
    /// Asks the proxy for a tunnel. `None` where it takes too long.
    fn open(&self, mut tunnel: Tunnel) -> Result<Option<()>, Fault> {
        let mut stream = Stream::plain();
        let request = tunnel.request()?;
        let mut unsent = request.as_slice();
        let mut buffer = [0; 4096];
        loop {
            let (moved, interest) = if unsent.is_empty() {
                (stream.read(self.line.socket(), &mut buffer), PollFlags::IN)
            } else {
                let pieces = [IoSlice::new(unsent)];
                (stream.write(self.line.socket(), &pieces), PollFlags::OUT)
            };
            match moved {
                Ok(moved) if !unsent.is_empty() => unsent = &unsent[moved..],
                Ok(0) => return Err(self.aborted_or(tunnel.eof())),
                Ok(read) => {
                    if tunnel.read(&buffer[..read])? == Progress::Open {
                        return Ok(Some(()));
                    }
                }
                Err(error) if is_block(&error) => {
                    if self.line.wait(self.course, interest, self.until)?.is_none() {
                        return Ok(None);
                    }
                }
                Err(error) => return Err(self.aborted_or(failed(&error))),
            }
        }
    }

    /// Sets up TLS, where the origin wants it. `None` where it takes too long.
    fn encrypt(&self, network: &Network, origin: &Origin) -> Result<Option<Stream>, Fault> {
        if !origin.is_secure() {
            return Ok(Some(Stream::plain()));
        }
        let refused = |detail: String| Fault::new(TransportErrorKind::Tls, detail);
        let config = network.tls.as_ref();
        let config = config.ok_or_else(|| refused("no TLS for a plain endpoint".into()))?;
        let session = Secure::new(config, origin.server_name()?);
        let mut stream = Stream::tls(session.map_err(|error| refused(error.to_string()))?);
        loop {
            match stream.shake_hands(self.line.socket()) {
                Ok(()) => return Ok(Some(stream)),
                Err(error) if is_block(&error) => {
                    let interest = if stream.wants_write() {
                        PollFlags::OUT
                    } else {
                        PollFlags::IN
                    };
                    if self.line.wait(self.course, interest, self.until)?.is_none() {
                        return Ok(None);
                    }
                }
                Err(error) => return Err(self.aborted_or(Fault::in_handshake(&error))),
            }
        }
    }

    /// An exchange that is ended shuts its connection down, which looks like another's doing.
    fn aborted_or(&self, fault: Fault) -> Fault {
        self.course.check().err().unwrap_or(fault)
    }
}

fn failed(error: &io::Error) -> Fault {
    let detail = match error.kind() {
        ErrorKind::UnexpectedEof => "the proxy closed the connection".into(),
        _ => error.to_string(),
    };
    Fault::new(TransportErrorKind::Connect, detail)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use sans3_core::attempt::Deadlines;
    use sans3_runtime::Stop;

    use super::*;

    fn course(stop: &Stop) -> Arc<Course> {
        let limit = Duration::from_secs(20);
        let deadlines = Deadlines {
            connect: limit,
            head: limit,
            idle: limit,
        };
        Course::new(stop.clone(), deadlines)
    }

    fn route() -> Route {
        Route::new(
            Origin::of(&"http://x".parse().unwrap()),
            &Default::default(),
        )
    }

    fn first(addresses: &[SocketAddr], limit: Duration) -> Result<Option<TcpStream>, Fault> {
        let race = Race::new(addresses.iter().copied());
        let stop = Stop::default();
        first_of(race, &route(), &course(&stop), Instant::now() + limit)
    }

    fn refusing() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    }

    /// A listener whose queue is full: an address that is silent.
    fn silent() -> (SocketAddr, TcpListener, Vec<TcpStream>) {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        socket.bind(&any.into()).unwrap();
        socket.listen(0).unwrap();
        let listener: TcpListener = socket.into();
        let address = listener.local_addr().unwrap();
        let wait = Duration::from_millis(100);
        let queue = (0..8).map_while(|_| TcpStream::connect_timeout(&address, wait).ok());
        let queue = queue.collect();
        (address, listener, queue)
    }

    #[test]
    fn adversary_59_a_dead_address_makes_way_for_the_next() {
        let live = TcpListener::bind("127.0.0.1:0").unwrap();
        let (silent, live) = (silent(), live.local_addr().unwrap());
        let began = Instant::now();
        let stream = first(&[refusing(), silent.0, live], Duration::from_secs(5));
        assert_eq!(stream.unwrap().unwrap().peer_addr().unwrap(), live);
        assert!(
            began.elapsed() < Duration::from_millis(700),
            "{:?}",
            began.elapsed()
        );
    }

    #[test]
    fn without_an_address_that_answers_all_are_named() {
        let refused = [refusing(), refusing()];
        let fault = first(&refused, Duration::from_secs(5)).unwrap_err();
        assert_eq!(fault.kind, TransportErrorKind::Connect);
        for address in refused {
            assert!(
                fault.detail.contains(&address.to_string()),
                "{}",
                fault.detail
            );
        }
    }

    #[test]
    fn an_address_that_is_silent_is_waited_for_until_the_deadline() {
        let silent = silent();
        let began = Instant::now();
        assert!(
            first(&[silent.0], Duration::from_millis(120))
                .unwrap()
                .is_none()
        );
        let took = began.elapsed();
        assert!(
            took >= Duration::from_millis(120) && took < Duration::from_millis(600),
            "{took:?}"
        );
    }

    #[test]
    fn an_end_that_is_asked_for_is_seen_while_connecting() {
        let silent = silent();
        let stop = Stop::default();
        let ending = stop.clone();
        let began = Instant::now();
        let ended = thread::spawn(move || {
            thread::sleep(Duration::from_millis(100));
            ending.stop();
        });
        let race = Race::new([silent.0]);
        let until = began + Duration::from_secs(20);
        let fault = first_of(race, &route(), &course(&stop), until).unwrap_err();
        assert_eq!(fault, Fault::aborted());
        assert!(
            began.elapsed() < Duration::from_millis(400),
            "{:?}",
            began.elapsed()
        );
        ended.join().unwrap();
    }
}
