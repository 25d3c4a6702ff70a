//! Connections: sockets, TLS, HTTP/1.1, and the pool of those that are unused.

mod connect;
mod input;
mod pool;
mod race;
mod send;
mod stream;
mod wire;

pub(crate) use pool::{Pool, Pooled};
use sans3_core::http1;
use sans3_runtime::net::Fault;
pub(crate) use send::{Broken, Limits};

/// How many bytes an exchange moves at most before others get their turn on its thread: a fast
/// peer never lets it wait, and executors don't interrupt.
const TURN: usize = 1 << 20;

/// What the codec says of bytes that it can't read.
fn misread(error: http1::Error) -> Fault {
    Fault::new(error.kind(), error.to_string())
}
