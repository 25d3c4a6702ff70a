//! What must hold whatever bytes come, for the targets of cargo-fuzz and for their corpus.
//!
//! Each body takes the bytes that a fuzzer made up, and panics where a promise is broken. None of
//! them only looks for panics: what the client reads is compared with what an independent and
//! slower reader makes of the same bytes, what it writes is read back by one, and what it accepts
//! must not have another meaning.
//!
//! The targets themselves are in `fuzz/`; `tests/tests/fuzz_corpus.rs` runs the bodies over the
//! committed corpus, and over mutations of it, without a fuzzer.

mod chunked;
mod draw;
mod encode;
mod heads;
mod http1;
mod profile;
mod schedule;
mod sign;
mod uri;
mod xml;

pub use chunked::chunked;
use draw::Draw;
pub use encode::encode;
pub use heads::heads;
pub use http1::http1;
pub use profile::profile;
pub use schedule::schedule;
pub use sign::sign;
pub use uri::uri;
pub use xml::xml;

/// What a target does with the bytes that a fuzzer made up.
pub type Target = fn(&[u8]);

/// All of them, by the names of their targets.
pub const TARGETS: [(&str, Target); 9] = [
    ("chunked", chunked),
    ("encode", encode),
    ("heads", heads),
    ("http1", http1),
    ("profile", profile),
    ("schedule", schedule),
    ("sign", sign),
    ("uri", uri),
    ("xml", xml),
];
