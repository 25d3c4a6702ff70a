use core::fmt;
use core::num::NonZeroU32;

use super::hasher::Hasher;
use super::value::{Algorithm, Checksum, Digest};
use crate::error::{Rule, Violation};

/// The checksum of the checksums of a multipart upload's parts, written `base64-N` (S3 user guide,
/// "Checking object integrity": composite checksums).
///
/// It depends on where the parts were cut. Bytes that were read in ranges of their own prove
/// nothing against it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct CompositeChecksum {
    /// The checksum over the digests of the parts.
    pub checksum: Checksum,
    /// How many parts there were.
    pub parts: NonZeroU32,
}

/// The composite checksum of parts with these digests, in order: the hash of their bytes, one
/// behind the other.
pub fn composite(parts: &[Digest], algorithm: Algorithm) -> Checksum {
    let mut hasher = Hasher::new(algorithm);
    for part in parts {
        hasher.update(part.as_bytes());
    }
    hasher.finish()
}

impl CompositeChecksum {
    /// Reads `base64-N`.
    ///
    /// # Errors
    /// Text that is not strict base64 of the algorithm's length, a hyphen, and a decimal number
    /// of parts from 1 without leading zeros.
    pub fn parse(algorithm: Algorithm, text: &str) -> Result<Self, Violation> {
        Self::from_header(algorithm, text.as_bytes())
    }

    /// As [`parse`](Self::parse), from a header that may hold anything.
    pub(super) fn from_header(algorithm: Algorithm, text: &[u8]) -> Result<Self, Violation> {
        let (digest, parts) = split(text)
            .and_then(|(digest, parts)| Some((digest, count(parts)?)))
            .ok_or_else(|| {
                let expected = format!("a {algorithm} checksum in base64, a hyphen and the parts");
                Violation::new(Rule::ChecksumFormat, expected, text)
            })?;
        let checksum = Checksum::from_header(algorithm, digest)?;
        Ok(Self { checksum, parts })
    }
}

/// The text before and after the hyphen of a composite checksum. The base64 of S3 has no hyphens,
/// so that one is enough to tell a composite checksum.
pub(super) fn split(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let hyphen = text.iter().position(|byte| *byte == b'-')?;
    Some((&text[..hyphen], &text[hyphen + 1..]))
}

fn count(digits: &[u8]) -> Option<NonZeroU32> {
    let plain = digits.iter().all(u8::is_ascii_digit) && !digits.starts_with(b"0");
    let text = core::str::from_utf8(digits).ok()?;
    plain.then(|| text.parse().ok()).flatten()
}

impl fmt::Display for CompositeChecksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.checksum, self.parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checksum::of;

    /// The answers are those of other implementations (hashlib, zlib).
    #[test]
    fn a_composite_is_the_hash_of_the_digests() {
        let parts = [&b"1234"[..], b"56789"].map(|part| of(Algorithm::Sha256, part).digest);
        let whole = composite(&parts, Algorithm::Sha256);
        assert_eq!(
            whole.digest.base64(),
            "bnRBBTileCDVQlLT/6fZJGrqcf3O3X6G8kD8V7zZqxQ="
        );
        let parts = [&b"1234"[..], b"56789"].map(|part| of(Algorithm::Crc32, part).digest);
        let whole = composite(&parts, Algorithm::Crc32);
        assert_eq!(whole.digest.base64(), "rBMwBw==");
    }

    #[test]
    fn the_text_form_is_read_strictly() {
        let read = |text| CompositeChecksum::parse(Algorithm::Crc32, text);
        let two = read("y/Q5Jg==-2").unwrap();
        assert_eq!(two.checksum, of(Algorithm::Crc32, b"123456789"));
        assert_eq!(two.parts.get(), 2);
        assert_eq!(two.to_string(), "CRC32 y/Q5Jg==-2");
        for bad in [
            "y/Q5Jg==",
            "y/Q5Jg==-",
            "y/Q5Jg==-0",
            "y/Q5Jg==-02",
            "y/Q5Jg==-+2",
            "y/Q5Jg==-2-2",
            "y/Q5Jg==--2",
            "y/Q5Jg==-4294967296",
            "y/Q5Jg-2",
            "-2",
            "",
        ] {
            let error = read(bad).unwrap_err();
            assert_eq!(error.rule(), Rule::ChecksumFormat, "{bad}");
        }
    }
}
