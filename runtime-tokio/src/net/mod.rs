//! Connections: names, addresses, TLS, HTTP/1.1, and the pool of those that are unused.

mod connect;
mod fault;
mod pool;
mod tls;
mod tolerant;
mod wire;

pub(crate) use connect::{Connector, Origin};
pub(crate) use fault::Fault;
pub(crate) use pool::Pool;
pub(crate) use tls::client_config;
pub(crate) use tolerant::Meter;
pub(crate) use wire::Wire;
