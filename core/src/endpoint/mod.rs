//! Where requests go: regions, endpoints, buckets, keys, and the one encoder of paths and queries.

mod address;
mod base_url;
mod bucket;
mod encode;
mod host;
mod key;
mod region;
mod service;
mod uri;

pub use address::{Address, Scheme};
pub use bucket::BucketName;
pub(crate) use encode::push_query;
pub use encode::{decode_query, encode_path, encode_query};
pub use key::ObjectKey;
pub use region::Region;
pub use service::{AddressingStyle, Endpoint};
pub use uri::S3Uri;
