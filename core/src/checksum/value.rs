use core::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue};

use crate::error::{Rule, Violation};

/// The longest digest: SHA-256's.
const MAX_DIGEST: usize = 32;

/// A checksum algorithm that this crate can compute.
///
/// S3 keeps adding algorithms: one that is not listed here is carried by name and never taken for
/// a verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// CRC-64/NVME, the default: combinable, and always over the full object.
    Crc64Nvme,
    /// CRC-32 (ISO-HDLC).
    Crc32,
    /// CRC-32C (iSCSI).
    Crc32c,
    /// SHA-256: over a multipart upload only as a composite.
    Sha256,
    /// MD5, in `Content-MD5`: only on request.
    Md5,
}

/// The result of an algorithm: 1 to 32 bytes, most significant first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest {
    /// Zero from `len` on, so that comparing the whole compares the digest.
    bytes: [u8; MAX_DIGEST],
    len: u8,
}

/// A digest and the algorithm that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Checksum {
    /// The algorithm.
    pub algorithm: Algorithm,
    /// Its result.
    pub digest: Digest,
}

impl Algorithm {
    /// All algorithms, the default first.
    pub const ALL: [Self; 5] = [
        Self::Crc64Nvme,
        Self::Crc32,
        Self::Crc32c,
        Self::Sha256,
        Self::Md5,
    ];

    /// The name as S3 spells it in `x-amz-checksum-algorithm` and in XML (`CRC64NVME`).
    pub const fn name(self) -> &'static str {
        match self {
            Self::Crc64Nvme => "CRC64NVME",
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Sha256 => "SHA256",
            Self::Md5 => "MD5",
        }
    }

    /// The algorithm of this name; letter case does not matter, since servers and people differ
    /// in it.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }

    /// Whether it costs about as much as copying the bytes: the CRCs do. The others take ten times as
    /// long, and more.
    pub const fn is_light(self) -> bool {
        matches!(self, Self::Crc64Nvme | Self::Crc32 | Self::Crc32c)
    }

    /// The header that carries the checksum of a body or object: `x-amz-checksum-*` (S3 user
    /// guide, "Checking object integrity"), for MD5 `Content-MD5` (RFC 1864).
    pub const fn header(self) -> HeaderName {
        // Parsed when this is compiled, not at each call.
        match self {
            Self::Crc64Nvme => const { HeaderName::from_static(Self::Crc64Nvme.header_text()) },
            Self::Crc32 => const { HeaderName::from_static(Self::Crc32.header_text()) },
            Self::Crc32c => const { HeaderName::from_static(Self::Crc32c.header_text()) },
            Self::Sha256 => const { HeaderName::from_static(Self::Sha256.header_text()) },
            Self::Md5 => const { HeaderName::from_static(Self::Md5.header_text()) },
        }
    }

    /// The name of the [`header`](Self::header).
    pub(super) const fn header_text(self) -> &'static str {
        match self {
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Sha256 => "x-amz-checksum-sha256",
            Self::Md5 => "content-md5",
        }
    }

    /// The length of its digest in bytes.
    pub const fn digest_len(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme => 8,
            Self::Md5 => 16,
            Self::Sha256 => 32,
        }
    }

    /// The length of its digest in base64.
    pub(super) const fn base64_len(self) -> usize {
        self.digest_len().div_ceil(3) * 4
    }

    /// Whether the checksum of a whole follows from those of its parts: see
    /// [`combine`](super::combine).
    pub const fn is_combinable(self) -> bool {
        matches!(self, Self::Crc64Nvme | Self::Crc32 | Self::Crc32c)
    }
}

impl Digest {
    /// A digest of these bytes; `None` where there are none, or more than 32.
    pub fn from_bytes(digest: &[u8]) -> Option<Self> {
        let mut bytes = [0; MAX_DIGEST];
        bytes.get_mut(..digest.len())?.copy_from_slice(digest);
        let len = u8::try_from(digest.len()).ok()?;
        (len > 0).then_some(Self { bytes, len })
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// The bytes in base64 with padding (RFC 4648, section 4), as every S3 header has them.
    pub fn base64(&self) -> String {
        STANDARD.encode(self.as_bytes())
    }
}

impl Checksum {
    /// A digest that `algorithm` can have made; `None` where its length says otherwise.
    pub fn new(algorithm: Algorithm, digest: Digest) -> Option<Self> {
        let fits = digest.as_bytes().len() == algorithm.digest_len();
        fits.then_some(Self { algorithm, digest })
    }

    /// The checksum of no bytes: what combining starts from, and changes nothing when combined
    /// on either side.
    pub fn empty(algorithm: Algorithm) -> Self {
        super::of(algorithm, b"")
    }

    /// Reads the base64 of a header or XML element.
    ///
    /// # Errors
    /// Text that is not canonical base64 with padding of exactly the algorithm's length (RFC 4648,
    /// sections 3.5 and 4). Two texts never stand for one digest.
    pub fn from_base64(algorithm: Algorithm, text: &str) -> Result<Self, Violation> {
        Self::from_header(algorithm, text.as_bytes())
    }

    /// As [`from_base64`](Self::from_base64), from a header that may hold anything.
    pub(super) fn from_header(algorithm: Algorithm, text: &[u8]) -> Result<Self, Violation> {
        // The decoder wants room for whole quanta of three bytes.
        let mut room = [0; MAX_DIGEST.div_ceil(3) * 3];
        let decoded = if text.len() == algorithm.base64_len() {
            STANDARD.decode_slice(text, &mut room).ok()
        } else {
            None
        };
        decoded
            .and_then(|len| Digest::from_bytes(room.get(..len)?))
            .and_then(|digest| Self::new(algorithm, digest))
            .ok_or_else(|| {
                let expected = format!(
                    "a {} checksum of {} bytes in base64",
                    algorithm.name(),
                    algorithm.digest_len()
                );
                Violation::new(Rule::ChecksumFormat, expected, text)
            })
    }

    /// The value of the [`header`](Algorithm::header): the digest in base64.
    pub fn header_value(&self) -> HeaderValue {
        let mut room = [0; MAX_DIGEST.div_ceil(3) * 4];
        let text = STANDARD
            .encode_slice(self.digest.as_bytes(), &mut room)
            .ok()
            .and_then(|len| room.get(..len))
            .and_then(|text| HeaderValue::from_bytes(text).ok());
        text.expect("base64 is visible ASCII, and has room")
    }
}

impl<const N: usize> From<[u8; N]> for Digest {
    fn from(digest: [u8; N]) -> Self {
        const { assert!(N > 0 && N <= MAX_DIGEST, "a digest has 1 to 32 bytes") };
        let mut bytes = [0; MAX_DIGEST];
        bytes[..N].copy_from_slice(&digest);
        let len = u8::try_from(N).expect("32 fits a byte");
        Self { bytes, len }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes()
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// As S3 and its tools show it: `CRC32 y/Q5Jg==`.
impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.algorithm, self.digest.base64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_lengths_agree_with_what_the_algorithms_give() {
        for algorithm in Algorithm::ALL {
            let checksum = Checksum::empty(algorithm);
            assert_eq!(checksum.digest.as_bytes().len(), algorithm.digest_len());
            assert_eq!(checksum.digest.base64().len(), algorithm.base64_len());
            assert_eq!(Algorithm::parse(algorithm.name()), Some(algorithm));
            let lower = algorithm.name().to_ascii_lowercase();
            assert_eq!(Algorithm::parse(&lower), Some(algorithm));
            assert!(algorithm.header().as_str().ends_with(&lower));
        }
        assert_eq!(Algorithm::parse("SHA1"), None);
        assert_eq!(Algorithm::parse("CRC32 "), None);
    }

    #[test]
    fn base64_makes_the_round_trip() {
        for algorithm in Algorithm::ALL {
            let checksum = super::super::of(algorithm, b"123456789");
            let value = checksum.header_value();
            let again = Checksum::from_base64(algorithm, value.to_str().unwrap());
            assert_eq!(again, Ok(checksum));
        }
    }

    #[test]
    fn adversary_18_malformed_checksums_are_errors() {
        let crc32 = |text| Checksum::from_base64(Algorithm::Crc32, text);
        assert_eq!(
            crc32("y/Q5Jg==").unwrap().to_string(),
            "CRC32 y/Q5Jg==",
            "the canonical form"
        );
        for bad in [
            "",
            "y/Q5Jg",
            "y/Q5Jg=",
            "y/Q5Jh==", // bits set behind the last byte
            "y_Q5Jg==",
            " y/Q5Jg==",
            "y/Q5Jg==\n",
            "y/Q5J g==",
            "y/Q5JgAA",
            "y/Q5JgAAAAA=",
            "cbf43926",
            "========",
            "é/Q5Jg=",
        ] {
            assert_eq!(crc32(bad).unwrap_err().rule(), Rule::ChecksumFormat);
        }
        let error = crc32("rosUhgp5mIg=").unwrap_err().to_string();
        assert!(error.contains("CRC32 checksum of 4 bytes"), "{error}");
        assert!(Checksum::from_base64(Algorithm::Crc64Nvme, "y/Q5Jg==").is_err());
    }

    #[test]
    fn a_digest_has_1_to_32_bytes_and_fits_its_algorithm() {
        assert_eq!(Digest::from_bytes(b""), None);
        assert_eq!(Digest::from_bytes(&[0; 33]), None);
        let short = Digest::from_bytes(&[0; 4]).unwrap();
        assert_ne!(short, Digest::from_bytes(&[0; 5]).unwrap());
        assert_eq!(short, Digest::from([0; 4]));
        assert!(Checksum::new(Algorithm::Crc32c, short).is_some());
        assert!(Checksum::new(Algorithm::Crc64Nvme, short).is_none());
    }
}
