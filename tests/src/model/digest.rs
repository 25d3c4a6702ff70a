//! Checksums, computed by other code than the core's so that both have to be right.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use crc_fast::CrcAlgorithm;
use http::HeaderName;
use sha2::Digest as _;

use super::names;

/// A checksum algorithm of the `x-amz-checksum-*` family that the model knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// CRC-64/NVME, S3's default: always over the full object.
    Crc64Nvme,
    /// CRC-32 (ISO-HDLC).
    Crc32,
    /// CRC-32C (iSCSI).
    Crc32c,
    /// SHA-256: composite for multipart uploads.
    Sha256,
}

impl Algorithm {
    /// All of them, in the order in which headers are looked for.
    pub const ALL: [Self; 4] = [Self::Crc64Nvme, Self::Crc32, Self::Crc32c, Self::Sha256];

    /// S3's spelling in `x-amz-checksum-algorithm`: `CRC64NVME`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Crc64Nvme => "CRC64NVME",
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Sha256 => "SHA256",
        }
    }

    /// The header that carries a value: `x-amz-checksum-crc64nvme`.
    pub const fn header(self) -> &'static str {
        match self {
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Sha256 => "x-amz-checksum-sha256",
        }
    }

    /// As [`header`](Self::header), for a map of headers.
    pub(super) const fn header_name(self) -> HeaderName {
        match self {
            Self::Crc64Nvme => names::CHECKSUM_CRC64NVME,
            Self::Crc32 => names::CHECKSUM_CRC32,
            Self::Crc32c => names::CHECKSUM_CRC32C,
            Self::Sha256 => names::CHECKSUM_SHA256,
        }
    }

    /// The element of XML documents that carries a value: `ChecksumCRC64NVME`.
    pub const fn element(self) -> &'static str {
        match self {
            Self::Crc64Nvme => "ChecksumCRC64NVME",
            Self::Crc32 => "ChecksumCRC32",
            Self::Crc32c => "ChecksumCRC32C",
            Self::Sha256 => "ChecksumSHA256",
        }
    }

    /// The algorithm of this name, in any case.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }

    /// Bytes in a value.
    pub const fn digest_len(self) -> usize {
        match self {
            Self::Crc64Nvme => 8,
            Self::Crc32 | Self::Crc32c => 4,
            Self::Sha256 => 32,
        }
    }

    /// The checksum of the concatenation of `segments`.
    pub fn digest(self, segments: &[Bytes]) -> Value {
        match self.crc() {
            Some(crc) => {
                let mut digest = crc_fast::Digest::new(crc);
                segments.iter().for_each(|segment| digest.update(segment));
                self.value_of(digest.finalize())
            }
            None => {
                let mut digest = sha2::Sha256::new();
                segments.iter().for_each(|segment| digest.update(segment));
                Value::new(self, &digest.finalize())
            }
        }
    }

    /// The checksum of no bytes.
    pub fn empty(self) -> Value {
        self.digest(&[])
    }

    pub(crate) fn value_of(self, crc: u64) -> Value {
        let bytes = crc.to_be_bytes();
        let skip = bytes.len().saturating_sub(self.digest_len());
        Value::new(self, &bytes[skip..])
    }

    const fn crc(self) -> Option<CrcAlgorithm> {
        match self {
            Self::Crc64Nvme => Some(CrcAlgorithm::Crc64Nvme),
            Self::Crc32 => Some(CrcAlgorithm::Crc32IsoHdlc),
            Self::Crc32c => Some(CrcAlgorithm::Crc32Iscsi),
            Self::Sha256 => None,
        }
    }
}

/// The value of a checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Value {
    algorithm: Algorithm,
    /// As many as the algorithm makes, then zeros.
    bytes: [u8; MAX_LEN],
}

/// Bytes in the longest value.
const MAX_LEN: usize = 32;

impl Value {
    fn new(algorithm: Algorithm, digest: &[u8]) -> Self {
        let mut bytes = [0; MAX_LEN];
        bytes[..digest.len()].copy_from_slice(digest);
        Self { algorithm, bytes }
    }

    /// Which algorithm made it.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The raw value, big endian for CRCs.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.algorithm.digest_len()]
    }

    /// The value as headers carry it.
    pub fn base64(&self) -> String {
        STANDARD.encode(self.as_bytes())
    }

    /// Reads a header's value: canonical base64 of exactly the right length.
    pub fn from_base64(algorithm: Algorithm, text: &str) -> Option<Self> {
        // Room for what the longest value may come to before its padding is known.
        let mut bytes = [0; MAX_LEN + 4];
        let len = STANDARD.decode_slice(text, &mut bytes).ok()?;
        (len == algorithm.digest_len()).then(|| Self::new(algorithm, &bytes[..len]))
    }

    /// The CRC of the bytes of `self` followed by `len` bytes whose CRC is `next`. `None` for
    /// algorithms that can't be combined, and for two different ones.
    pub fn combine(&self, next: &Self, len: u64) -> Option<Self> {
        let crc = self.algorithm.crc()?;
        if self.algorithm != next.algorithm {
            return None;
        }
        let combined = crc_fast::checksum_combine(crc, self.as_u64(), next.as_u64(), len);
        Some(self.algorithm.value_of(combined))
    }

    fn as_u64(&self) -> u64 {
        self.as_bytes()
            .iter()
            .fold(0, |value, byte| value << 8 | u64::from(*byte))
    }
}

/// The MD5 of the concatenation of `segments`.
pub fn md5(segments: &[Bytes]) -> [u8; 16] {
    let mut digest = md5::Md5::new();
    segments.iter().for_each(|segment| digest.update(segment));
    digest.finalize().into()
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    push_hex_bytes(&mut text, bytes);
    text
}

/// Appends bytes in lower-case hexadecimal digits.
pub(crate) fn push_hex_bytes(text: &mut String, bytes: &[u8]) {
    for bytes in bytes.chunks(8) {
        let number = bytes
            .iter()
            .fold(0, |number, byte| number << 8 | u64::from(*byte));
        push_hex(text, number, 2 * bytes.len());
    }
}

/// Appends a number in lower-case hexadecimal digits, with zeros in front where these are fewer
/// than `width`, which is at most 16.
pub(crate) fn push_hex(text: &mut String, number: u64, width: usize) {
    let mut digits = [0; 16];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(number.to_be_bytes()) {
        pair[0] = HEX[usize::from(byte >> 4)];
        pair[1] = HEX[usize::from(byte & 15)];
    }
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    let kept = &digits[zeros.min(digits.len().saturating_sub(width))..];
    text.push_str(std::str::from_utf8(kept).unwrap_or_default());
}

const HEX: &[u8; 16] = b"0123456789abcdef";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers() {
        let digits = [Bytes::from_static(b"1234"), Bytes::from_static(b"56789")];
        for (algorithm, base64) in [
            (Algorithm::Crc64Nvme, "rosUhgp5mIg="),
            (Algorithm::Crc32, "y/Q5Jg=="),
            (Algorithm::Crc32c, "4waSgw=="),
        ] {
            let whole = algorithm.digest(&digits);
            assert_eq!(whole.base64(), base64);
            let first = algorithm.digest(&digits[..1]);
            let second = algorithm.digest(&digits[1..]);
            assert_eq!(first.combine(&second, 5), Some(whole));
            assert_eq!(Value::from_base64(algorithm, base64), Some(whole));
        }
        assert_eq!(hex(&md5(&[])), "d41d8cd98f00b204e9800998ecf8427e");
        assert_eq!(
            Algorithm::Sha256.empty().base64(),
            "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
        );
    }

    #[test]
    fn numbers_in_hexadecimal_are_as_wide_as_they_must_be() {
        for (number, width, expected) in [
            (0, 1, "0"),
            (0x1f, 1, "1f"),
            (0x1f, 4, "001f"),
            (u64::MAX, 16, "ffffffffffffffff"),
        ] {
            let mut text = String::new();
            push_hex(&mut text, number, width);
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn only_canonical_values_are_read() {
        for bad in ["", "y/Q5Jg=", "y/Q5Jg", "y/Q5Jh==", "y/Q5JgAA", " y/Q5Jg=="] {
            assert_eq!(Value::from_base64(Algorithm::Crc32, bad), None, "{bad}");
        }
    }
}
