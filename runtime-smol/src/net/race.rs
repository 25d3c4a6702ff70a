use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use async_io::{Async, Timer};
use futures_lite::FutureExt as _;
use sans3_core::error::TransportErrorKind;
use sans3_platform::Race;

use sans3_runtime::net::Fault;

/// A connection to the first of `addresses` that answers. Where none does, all are named.
pub(super) async fn connect(
    addresses: Vec<SocketAddr>,
    target: &impl fmt::Display,
) -> Result<Async<TcpStream>, Fault> {
    let mut racers = Racers {
        race: Race::new(addresses),
        began: Instant::now(),
        trying: Vec::new(),
        head_start: Timer::never(),
    };
    poll_fn(|cx| racers.poll(cx, target)).await
}

struct Racers {
    race: Race,
    began: Instant,
    trying: Vec<(SocketAddr, Connecting)>,
    /// The end of the latest one's head start.
    head_start: Timer,
}

type Connecting = Pin<Box<dyn Future<Output = io::Result<Async<TcpStream>>> + Send>>;

impl Racers {
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        target: &impl fmt::Display,
    ) -> Poll<Result<Async<TcpStream>, Fault>> {
        loop {
            while let Some(address) = self.race.start(self.began.elapsed()) {
                let connecting = Box::pin(Async::<TcpStream>::connect(address));
                self.trying.push((address, connecting));
            }
            if let Some(stream) = self.poll_connected(cx) {
                return Poll::Ready(Ok(stream));
            }
            if let Some(detail) = self.race.lost(target) {
                return Poll::Ready(Err(Fault::new(TransportErrorKind::Connect, detail)));
            }
            // After a failure that is at once; without anybody who waits it is never.
            let Some(next) = self.race.next_start() else {
                return Poll::Pending;
            };
            self.head_start.set_at(self.began + next);
            ready!(self.head_start.poll(cx));
        }
    }

    fn poll_connected(&mut self, cx: &mut Context<'_>) -> Option<Async<TcpStream>> {
        let mut connected = None;
        let race = &mut self.race;
        self.trying
            .retain_mut(|(address, connecting)| match connecting.poll(cx) {
                Poll::Pending => true,
                Poll::Ready(Ok(stream)) => {
                    connected.get_or_insert(stream);
                    false
                }
                Poll::Ready(Err(error)) => {
                    race.on_failure(*address, error);
                    false
                }
            });
        connected
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::time::Duration;

    use futures_lite::future::block_on;

    use super::*;

    fn refused() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    }

    #[test]
    fn adversary_59_a_dead_address_makes_way_for_the_next() {
        let (refused, silent) = (refused(), Silent::new());
        let live = TcpListener::bind("127.0.0.1:0").unwrap();
        let live = live.local_addr().map(|address| (address, live)).unwrap();
        let addresses = vec![refused, silent.address, live.0];
        let began = Instant::now();
        let stream = block_on(connect(addresses, &"x")).unwrap();
        assert_eq!(stream.get_ref().peer_addr().unwrap(), live.0);
        // The silent one had its head start, the refused one had none.
        assert!(began.elapsed() >= Duration::from_millis(250));
    }

    #[test]
    fn without_an_address_that_answers_all_are_named() {
        let address = refused();
        let fault = block_on(connect(vec![address], &"x")).unwrap_err();
        assert_eq!(fault.kind, TransportErrorKind::Connect);
        assert!(
            fault.detail.contains(&address.to_string()),
            "{}",
            fault.detail
        );
        let fault = block_on(connect(Vec::new(), &"x port 80")).unwrap_err();
        assert_eq!(fault.detail, "x port 80 has no address");
    }

    /// A listener whose backlog is full drops what comes.
    struct Silent {
        address: SocketAddr,
        _held: (TcpListener, Vec<TcpStream>),
    }

    impl Silent {
        fn new() -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            // Shrinks the backlog: the standard library's is too long to fill.
            socket2::SockRef::from(&listener).listen(1).unwrap();
            let address = listener.local_addr().unwrap();
            let timeout = Duration::from_millis(50);
            let held = std::iter::from_fn(|| TcpStream::connect_timeout(&address, timeout).ok());
            let held = held.take(64).collect();
            Self {
                address,
                _held: (listener, held),
            }
        }
    }
}
