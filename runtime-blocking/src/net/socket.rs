//! Sockets that never block by themselves: whoever waits says for what, and how long.

use std::io;
use std::net::TcpStream;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// Waits until one of `sockets` is ready, for `limit` at most; a signal may end it earlier. What
/// is ready stands in each [`PollFd::revents`].
pub(super) fn wait(sockets: &mut [PollFd<'_>], limit: Duration) -> io::Result<()> {
    // A whole millisecond more: systems that count in them would wake just before the time, and
    // spin until it has come.
    let limit = limit.saturating_add(Duration::from_millis(1));
    let limit = Timespec::try_from(limit).unwrap_or(Timespec {
        tv_sec: 1,
        tv_nsec: 0,
    });
    match poll(sockets, Some(&limit)) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Waits for one socket, and returns what it is ready for: nothing where the time was over.
pub(super) fn wait_for(
    socket: &TcpStream,
    interest: PollFlags,
    limit: Duration,
) -> io::Result<PollFlags> {
    let mut sockets = [PollFd::new(socket, interest)];
    wait(&mut sockets, limit)?;
    Ok(sockets[0].revents())
}
