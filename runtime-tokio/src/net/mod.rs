//! Connections: sockets, TLS, HTTP/1.1, and the pool of those that are unused.

mod connect;
mod encrypted;
mod fault;
mod pool;
mod tolerant;
mod wire;

pub(crate) use pool::{Pool, Pooled};
pub(crate) use tolerant::Meter;
