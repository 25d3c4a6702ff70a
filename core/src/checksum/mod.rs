//! Checksums of payloads: the algorithms, their combination, and the aws-chunked framing.
//!
//! | file | what it holds |
//! |---|---|
//! | `value` | [`Algorithm`], [`Digest`] and [`Checksum`]: names, lengths, base64 |
//! | `hasher` | [`Hasher`]: bytes to a checksum |
//! | `crc`, `portable`, `simd` | the arithmetic of CRCs, [`combine`], and the two kernels |
//! | `composite` | [`CompositeChecksum`]: a checksum of checksums, `base64-N` |
//! | `declared` | [`Declared`]: what the head of an answer says about the object |
//! | [`chunked`] | a payload with its checksum behind it |
//!
//! What proves an object is a checksum of its full content ([`Declared::best`]). Everything else
//! that a server may send (a composite, an algorithm that is not known here, malformed text) is
//! kept apart from it, and proves nothing.

pub mod chunked;
mod composite;
mod crc;
mod declared;
mod hasher;
#[cfg(any(test, not(feature = "simd")))]
mod portable;
#[cfg(feature = "simd")]
mod simd;
mod value;

pub use composite::{CompositeChecksum, composite};
pub use crc::combine;
pub use declared::Declared;
pub use hasher::{Hasher, of};
pub use value::{Algorithm, Checksum, Digest};
