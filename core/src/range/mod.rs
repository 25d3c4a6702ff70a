//! Ranges of bytes: what is asked for, what an answer says it holds, and what is done.
//!
//! All ranges are half open in memory. The inclusive form of HTTP exists only in header texts,
//! which are written and read here.

mod byte_range;
mod content_range;
mod segments;

pub use byte_range::ByteRange;
pub use content_range::{ContentRange, Unsatisfied};
pub use segments::{Rejected, Segment, Segments};

/// A decimal number as HTTP writes it (RFC 9110, section 8.6): digits alone, no sign, no space, and
/// no more than 64 bits. `str::parse` would also take a plus.
fn decimal(text: &str) -> Option<u64> {
    if text.bytes().all(|b| b.is_ascii_digit()) {
        text.parse().ok()
    } else {
        None
    }
}
