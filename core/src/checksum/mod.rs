//! Checksums of payloads: the algorithms, their combination, and the aws-chunked framing.

mod value;

pub use value::{Algorithm, Checksum, Digest};
