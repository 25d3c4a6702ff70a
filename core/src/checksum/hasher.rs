use md5::Md5;
use sha2::Sha256;
use sha2::digest::Digest as _;

use super::crc::Crc;
use super::value::{Algorithm, Checksum, Digest};

/// Computes a checksum from bytes that come in pieces of any size.
///
/// A clone goes on from the same point by itself.
///
/// ```
/// use sans3_core::checksum::{Algorithm, Hasher, of};
///
/// let mut hasher = Hasher::new(Algorithm::Crc32);
/// hasher.update(b"1234");
/// hasher.update(b"56789");
/// assert_eq!(hasher.finish(), of(Algorithm::Crc32, b"123456789"));
/// ```
#[derive(Clone, Debug)]
pub struct Hasher(State);

/// The checksum of bytes that are all at hand.
pub fn of(algorithm: Algorithm, bytes: &[u8]) -> Checksum {
    let mut hasher = Hasher::new(algorithm);
    hasher.update(bytes);
    hasher.finish()
}

#[derive(Clone, Debug)]
enum State {
    Crc { crc: Crc, state: u64 },
    Sha256(Sha256),
    Md5(Md5),
}

impl Hasher {
    /// A hasher that has seen no bytes.
    pub fn new(algorithm: Algorithm) -> Self {
        let crc = |crc: Crc| State::Crc {
            crc,
            state: crc.start(),
        };
        Self(match algorithm {
            Algorithm::Crc64Nvme => crc(Crc::Crc64Nvme),
            Algorithm::Crc32 => crc(Crc::Crc32),
            Algorithm::Crc32c => crc(Crc::Crc32c),
            Algorithm::Sha256 => State::Sha256(Sha256::new()),
            Algorithm::Md5 => State::Md5(Md5::new()),
        })
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            State::Crc { crc, state } => *state = crc.update(*state, bytes),
            State::Sha256(sha256) => sha256.update(bytes),
            State::Md5(md5) => md5.update(bytes),
        }
    }

    /// The checksum of all bytes taken.
    pub fn finish(self) -> Checksum {
        match self.0 {
            State::Crc { crc, state } => crc.finish(state),
            State::Sha256(sha256) => Checksum {
                algorithm: Algorithm::Sha256,
                digest: Digest::from(<[u8; 32]>::from(sha256.finalize())),
            },
            State::Md5(md5) => Checksum {
                algorithm: Algorithm::Md5,
                digest: Digest::from(<[u8; 16]>::from(md5.finalize())),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checksum::combine;
    use crate::rng::Rng;

    const CRCS: [Algorithm; 3] = [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Crc64Nvme];

    fn hex(checksum: Checksum) -> String {
        format!("{:?}", checksum.digest)
    }

    /// Computed by several independent implementations that agree.
    #[test]
    fn known_answers_of_the_crcs() {
        let a = vec![b'a'; 66_560];
        let mebibyte = vec![0; 1 << 20];
        let cases: [(&[u8], [&str; 3]); 8] = [
            (b"", ["00000000", "00000000", "0000000000000000"]),
            (b"123456789", ["cbf43926", "e3069283", "ae8b14860a799888"]),
            (b"hello world", ["0d4a1185", "c99465aa", "8d29d5c3f6ea8ebe"]),
            (
                b"Welcome to Amazon S3.",
                ["3b1ee70a", "e46d95f9", "b4f7e2f4a89cc7e3"],
            ),
            (&[0; 32], ["190a55ad", "8a9136aa", "cf3473434d4ecf3b"]),
            (&[0xff; 32], ["ff6cab0b", "62a8ab43", "a0a06974c34d63c4"]),
            (&a, ["b0ae18ec", "b0e3bcfd", "a517fe7a6ae72fe0"]),
            (&mebibyte, ["a738ea1c", "14298c12", "bd7696385da31b46"]),
        ];
        for (bytes, digests) in cases {
            for (algorithm, digest) in CRCS.into_iter().zip(digests) {
                let len = bytes.len();
                assert_eq!(
                    hex(of(algorithm, bytes)),
                    digest,
                    "{algorithm}, {len} bytes"
                );
            }
        }
    }

    #[test]
    fn known_answers_in_base64() {
        let a = vec![b'a'; 66_560];
        let cases: [(&[u8], [&str; 3]); 4] = [
            (b"123456789", ["y/Q5Jg==", "4waSgw==", "rosUhgp5mIg="]),
            (b"hello world", ["DUoRhQ==", "yZRlqg==", "jSnVw/bqjr4="]),
            (
                b"Welcome to Amazon S3.",
                ["Ox7nCg==", "5G2V+Q==", "tPfi9Kicx+M="],
            ),
            (&a, ["sK4Y7A==", "sOO8/Q==", "pRf+emrnL+A="]),
        ];
        for (bytes, texts) in cases {
            for (algorithm, text) in CRCS.into_iter().zip(texts) {
                assert_eq!(of(algorithm, bytes).digest.base64(), text, "{algorithm}");
            }
        }
    }

    #[test]
    fn known_answers_of_two_parts() {
        let parts = [
            (Algorithm::Crc32, "9be3e0a3", "131da070", "cbf43926"),
            (Algorithm::Crc32c, "f63af4ee", "83b565d8", "e3069283"),
            (
                Algorithm::Crc64Nvme,
                "29f5dbe7e2ff71d4",
                "f87dc887176ce667",
                "ae8b14860a799888",
            ),
        ];
        for (algorithm, first, second, whole) in parts {
            let (a, b) = (of(algorithm, b"1234"), of(algorithm, b"56789"));
            assert_eq!((hex(a), hex(b)), (first.into(), second.into()));
            assert_eq!(hex(combine(&a, &b, 5).unwrap()), whole);
        }
    }

    /// FIPS 180-4 and RFC 1321, appendix A.5.
    #[test]
    fn known_answers_of_the_hashes() {
        assert_eq!(
            hex(of(Algorithm::Sha256, b"abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(
            hex(of(Algorithm::Md5, b"abc")),
            "900150983cd24fb0d6963f7d28e17f72"
        );
        assert_eq!(
            hex(Checksum::empty(Algorithm::Md5)),
            "d41d8cd98f00b204e9800998ecf8427e"
        );
    }

    #[test]
    fn pieces_of_any_size_give_the_checksum_of_the_whole() {
        for seed in 0..50 {
            let mut rng = Rng::new(seed);
            let bytes: Vec<u8> = (0..5000).map(|_| rng.next_u64().to_le_bytes()[0]).collect();
            for algorithm in Algorithm::ALL {
                let mut hasher = Hasher::new(algorithm);
                let mut rest = &bytes[..];
                while !rest.is_empty() {
                    let most = u64::try_from(rest.len()).unwrap().min(700);
                    let (piece, after) =
                        rest.split_at(usize::try_from(rng.below(most) + 1).unwrap());
                    hasher.update(piece);
                    rest = after;
                    assert_eq!(hasher.clone().finish().algorithm, algorithm);
                }
                assert_eq!(
                    hasher.finish(),
                    of(algorithm, &bytes),
                    "seed {seed}, {algorithm}"
                );
            }
        }
    }
}
