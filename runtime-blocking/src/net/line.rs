use std::fmt;
use std::io;
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use sans3_runtime::net::Fault;

use super::socket::wait_for;
use crate::course::Course;

/// The longest wait without a look at whether the exchange is to go on. Shutting a socket down ends
/// a wait for it at once; this is for systems where it might not.
const SLICE: Duration = Duration::from_millis(500);

/// A connection, as all see it who deal with it: the transport, the exchange, and
/// whoever ends the exchange.
pub(crate) struct Line {
    socket: TcpStream,
}

impl Line {
    /// A connection over a socket that does not block.
    pub(super) const fn new(socket: TcpStream) -> Self {
        Self { socket }
    }

    pub(super) const fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Ends the connection, from any thread: every wait for it returns.
    pub(crate) fn shut(&self) {
        // A peer that has ended it already is as good.
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    /// Whether the connection can take another request. What a server sends without being asked is
    /// either the connection's end or would be taken for the next answer.
    pub(super) fn is_usable(&self) -> bool {
        let silent = |error: io::Error| error.kind() == io::ErrorKind::WouldBlock;
        self.socket.peek(&mut [0]).is_err_and(silent)
    }

    /// Waits until the socket is ready; `None` where it was not at `until`.
    ///
    /// # Errors
    /// The end of the exchange was asked for.
    pub(super) fn wait(
        &self,
        course: &Course,
        interest: PollFlags,
        until: Instant,
    ) -> Result<Option<PollFlags>, Fault> {
        loop {
            course.check()?;
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            let ready = wait_for(&self.socket, interest, left.min(SLICE));
            let ready = ready.map_err(|error| Fault::from_io(&error))?;
            if !ready.is_empty() {
                return Ok(Some(ready));
            }
        }
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line")
            .field("socket", &self.socket)
            .finish_non_exhaustive()
    }
}
