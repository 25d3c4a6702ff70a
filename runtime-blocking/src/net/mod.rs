//! Connections: addresses, proxies, TLS, ureq, and the pool of those that are unused.

mod buffers;
mod connect;
mod line;
mod pipe;
mod pool;
mod socket;
mod stream;
mod wire;

pub(crate) use line::Line;
pub(crate) use pool::Pool;
pub(crate) use wire::Answer;
