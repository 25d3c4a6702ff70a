//! Signature Version 4 as S3 wants it: who asks, and that nobody changed the question.
//!
//! [`Signer`] turns an [`Unsigned`](crate::request::Unsigned) request into what is sent, or into a
//! presigned URL. [`sigv4`] is the algorithm beneath it, one stage at a time.
//!
//! What is signed is what is sent: path and query have one encoded form, and the value of every
//! signed header is brought into its canonical form before it goes into the request.

mod credentials;
mod headers;
mod payload;
mod signer;
pub mod sigv4;

pub use credentials::Credentials;
pub use headers::{RequestHeaders, header_value};
pub use payload::PayloadHash;
pub use signer::Signer;
