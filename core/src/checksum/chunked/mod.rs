//! The aws-chunked coding: a payload in chunks, and its checksum in a trailer behind them.
//!
//! ```text
//! 10000\r\n            length of the chunk in hexadecimal
//! …65,536 bytes…\r\n
//! 400\r\n
//! …1,024 bytes…\r\n
//! 0\r\n
//! x-amz-checksum-crc64nvme:pRf+emrnL+A=\r\n
//! \r\n
//! ```
//!
//! It is the chunked coding of RFC 9112, section 7.1, as content under a `Content-Length`. The
//! variant here is `STREAMING-UNSIGNED-PAYLOAD-TRAILER` (S3 API reference, "Transferring payload in
//! multiple chunks"): chunks are not signed, so it belongs on TLS only.

mod decoder;
mod framer;

pub use decoder::{Decoded, Decoder};
pub use framer::{CHUNK_SIZE, Frame, Framer, TrailerDigest, encoded_len};
