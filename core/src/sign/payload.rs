use sha2::{Digest, Sha256};

use super::sigv4::hex;

/// What the signature says about the body: the value of `x-amz-content-sha256` ("Authenticating
/// requests: using the Authorization header" of the S3 API reference).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PayloadHash {
    /// Nothing: TLS and a checksum protect the body.
    Unsigned,
    /// The body's SHA-256.
    Sha256([u8; 32]),
    /// Nothing, and the body is aws-chunked with a trailer.
    StreamingUnsignedTrailer,
}

impl PayloadHash {
    /// That there is no body: the SHA-256 of nothing.
    pub const EMPTY: Self = Self::Sha256([
        0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9,
        0x24, 0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52,
        0xb8, 0x55,
    ]);

    /// The hash of a body that is at hand.
    pub fn of(body: &[u8]) -> Self {
        Self::Sha256(Sha256::digest(body).into())
    }

    /// The text that is signed and sent.
    pub fn text(&self) -> String {
        match self {
            Self::Unsigned => "UNSIGNED-PAYLOAD".to_owned(),
            Self::Sha256(digest) => hex(digest),
            Self::StreamingUnsignedTrailer => "STREAMING-UNSIGNED-PAYLOAD-TRAILER".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_nothing_is_the_constant() {
        assert_eq!(PayloadHash::of(b""), PayloadHash::EMPTY);
        assert!(PayloadHash::EMPTY.text().starts_with("e3b0c44298fc1c14"));
    }
}
