use core::fmt;

use crate::checksum::Algorithm;

/// How the result of a transfer was proved. Never claims more than was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Verified {
    /// The checksum over the whole object, computed here, is the one that the server has.
    FullObject(Algorithm),
    /// The length is right and all answers were of one version, but the server has no checksum of
    /// the whole object that could be compared.
    Length,
    /// The checksum over the checksums of all parts is the one that the server has: every byte
    /// was compared, part by part.
    Composite(Algorithm),
    /// An upload that the server acknowledged, each request with its checksum; nothing could be
    /// read back, for example because the credentials may only write.
    Acknowledged,
}

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FullObject(algorithm) => write!(f, "full-object {}", algorithm.name()),
            Self::Composite(algorithm) => write!(f, "composite {}", algorithm.name()),
            Self::Length => f.write_str("length"),
            Self::Acknowledged => f.write_str("acknowledged"),
        }
    }
}
