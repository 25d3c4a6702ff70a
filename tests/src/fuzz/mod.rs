//! What must hold whatever bytes come, for the targets of cargo-fuzz and for their corpus.
//!
//! Each body takes the bytes that a fuzzer made up, and panics where a promise is broken. None of
//! them only looks for panics: what the client reads is compared with what an independent and
//! slower reader makes of the same bytes, what it writes is read back by one, and what it accepts
//! must not have another meaning.
//!
//! The targets themselves are in `fuzz/`; `tests/tests/fuzz_corpus.rs` runs the bodies over the
//! committed corpus, and over mutations of it, without a fuzzer.

mod draw;

use draw::Draw;
pub use xml::xml;

mod xml;

/// A body.
pub type Target = fn(&[u8]);

/// All bodies by the names of their targets.
pub const TARGETS: &[(&str, Target)] = &[("xml", xml)];
