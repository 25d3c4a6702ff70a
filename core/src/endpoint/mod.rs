//! Where requests go: regions, endpoints, buckets, keys, and the one encoder of paths and queries.

mod address;
mod encode;

pub use address::{Address, Scheme};
pub use encode::{encode_path, encode_query};
