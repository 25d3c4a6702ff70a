//! The arithmetic of CRCs.
//!
//! All three are reflected: bit 0 of a byte is the highest power of its polynomial over GF(2), so
//! the coefficient of x^0 is the top bit of a number, and multiplying by x is a shift to the right.

use super::value::{Algorithm, Checksum, Digest};

/// The checksum of two byte sequences joined, from that of each and the length of the second.
///
/// Takes time in proportion to the number of bits of `len_b`, and reads no payload. `None` where
/// the algorithms differ or can't be combined (SHA-256, MD5).
///
/// ```
/// use sans3_core::checksum::{Algorithm, combine, of};
///
/// let [a, b] = [&b"1234"[..], b"56789"].map(|part| of(Algorithm::Crc64Nvme, part));
/// assert_eq!(combine(&a, &b, 5), Some(of(Algorithm::Crc64Nvme, b"123456789")));
/// ```
pub fn combine(a: &Checksum, b: &Checksum, len_b: u64) -> Option<Checksum> {
    if a.algorithm != b.algorithm {
        return None;
    }
    let crc = Crc::of(a.algorithm)?;
    let joined = crc
        .ring()
        .combine(value(&a.digest)?, value(&b.digest)?, len_b);
    Some(crc.checksum(joined))
}

/// A CRC, whose state is a number of [`Ring::width`] bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Crc {
    Crc32,
    Crc32c,
    Crc64Nvme,
}

impl Crc {
    #[cfg(test)]
    pub(super) const ALL: [Self; 3] = [Self::Crc32, Self::Crc32c, Self::Crc64Nvme];

    pub(super) const fn of(algorithm: Algorithm) -> Option<Self> {
        match algorithm {
            Algorithm::Crc32 => Some(Self::Crc32),
            Algorithm::Crc32c => Some(Self::Crc32c),
            Algorithm::Crc64Nvme => Some(Self::Crc64Nvme),
            Algorithm::Sha256 | Algorithm::Md5 => None,
        }
    }

    /// The state before the first byte: all ones.
    pub(super) const fn start(self) -> u64 {
        u64::MAX >> (64 - self.ring().width)
    }

    /// The state after some more bytes.
    pub(super) fn update(self, state: u64, bytes: &[u8]) -> u64 {
        #[cfg(feature = "simd")]
        {
            super::simd::update(self, state, bytes)
        }
        #[cfg(not(feature = "simd"))]
        {
            super::portable::update(self, state, bytes)
        }
    }

    /// The checksum in a state: its complement.
    pub(super) fn finish(self, state: u64) -> Checksum {
        self.checksum(state ^ self.start())
    }

    pub(super) const fn ring(self) -> &'static Ring {
        match self {
            Self::Crc32 => &CRC32,
            Self::Crc32c => &CRC32C,
            Self::Crc64Nvme => &CRC64_NVME,
        }
    }

    fn checksum(self, value: u64) -> Checksum {
        let [b0, b1, b2, b3, low @ ..] = value.to_be_bytes();
        let (algorithm, digest) = match self {
            Self::Crc32 => (Algorithm::Crc32, Digest::from(low)),
            Self::Crc32c => (Algorithm::Crc32c, Digest::from(low)),
            Self::Crc64Nvme => {
                let [b4, b5, b6, b7] = low;
                let whole = [b0, b1, b2, b3, b4, b5, b6, b7];
                (Algorithm::Crc64Nvme, Digest::from(whole))
            }
        };
        Checksum { algorithm, digest }
    }
}

/// The number that a CRC's digest is; `None` for one that is longer than any CRC.
fn value(digest: &Digest) -> Option<u64> {
    let bytes = digest.as_bytes();
    let mut wide = [0; 8];
    wide.get_mut(8_usize.checked_sub(bytes.len())?..)?
        .copy_from_slice(bytes);
    Some(u64::from_be_bytes(wide))
}

static CRC32: Ring = Ring::new(32, 0x04c1_1db7);
static CRC32C: Ring = Ring::new(32, 0x1edc_6f41);
static CRC64_NVME: Ring = Ring::new(64, 0xad93_d235_94c9_3659);

/// Polynomials over GF(2) modulo the polynomial of a CRC.
#[derive(Debug)]
pub(super) struct Ring {
    /// The degree of the modulus, in bits.
    width: u32,
    /// The modulus without its highest power.
    modulus: u64,
    /// x^(8 * 2^k): what 2^k bytes behind a polynomial multiply it by.
    shifts: [u64; 64],
}

impl Ring {
    /// The ring of a modulus that is written the usual way round, as the catalogues have it.
    const fn new(width: u32, modulus: u64) -> Self {
        let modulus = modulus.reverse_bits() >> (64 - width);
        let mut ring = Self {
            width,
            modulus,
            shifts: [0; 64],
        };
        let mut power = ring.one() >> 8;
        let mut k = 0;
        while k < ring.shifts.len() {
            ring.shifts[k] = power;
            power = ring.multiply(power, power);
            k += 1;
        }
        ring
    }

    /// `a` times x.
    pub(super) const fn times_x(&self, a: u64) -> u64 {
        // All ones or zero, rather than a branch that no processor can predict.
        (a >> 1) ^ (self.modulus & (a & 1).wrapping_neg())
    }

    /// The polynomial 1.
    const fn one(&self) -> u64 {
        1 << (self.width - 1)
    }

    /// `a` times `b`, one power of `a` after the other.
    const fn multiply(&self, a: u64, mut b: u64) -> u64 {
        let mut product = 0;
        let mut power = self.one();
        while power != 0 {
            if a & power != 0 {
                product ^= b;
            }
            b = self.times_x(b);
            power >>= 1;
        }
        product
    }

    /// Moves `a` past `len_b` bytes and adds `b`. That both checksums start from all ones and end
    /// complemented cancels out: the checksum of `b` holds the shift of exactly those ones.
    fn combine(&self, a: u64, b: u64, len_b: u64) -> u64 {
        // No bytes have the checksum zero, which stays zero wherever it is moved.
        if a == 0 {
            return b;
        }
        let shifted = self
            .shifts
            .iter()
            .enumerate()
            .filter(|(k, _)| len_b >> k & 1 == 1)
            .fold(a, |a, (_, shift)| self.multiply(a, *shift));
        shifted ^ b
    }
}

#[cfg(test)]
mod tests {
    use super::super::of;
    use super::*;
    use crate::rng::Rng;

    /// The definition, one bit at a time.
    fn bitwise(crc: Crc, state: u64, bytes: &[u8]) -> u64 {
        bytes.iter().fold(state, |state, byte| {
            (0..8).fold(state ^ u64::from(*byte), |s, _| crc.ring().times_x(s))
        })
    }

    #[test]
    fn any_split_combines_to_the_whole() {
        for seed in 0..200 {
            let mut rng = Rng::new(seed);
            let len = rng.below(3000);
            let bytes: Vec<u8> = (0..len).map(|_| rng.next_u64().to_le_bytes()[0]).collect();
            let cut = usize::try_from(rng.below(len + 1)).unwrap();
            let (a, b) = bytes.split_at(cut);
            for algorithm in Algorithm::ALL {
                let joined = combine(
                    &of(algorithm, a),
                    &of(algorithm, b),
                    u64::try_from(b.len()).unwrap(),
                );
                let whole = algorithm.is_combinable().then(|| of(algorithm, &bytes));
                assert_eq!(joined, whole, "seed {seed}, {algorithm}, cut at {cut}");
            }
        }
    }

    #[test]
    fn combining_is_associative_over_lengths_that_no_memory_holds() {
        for seed in 0..50 {
            let mut rng = Rng::new(seed);
            for crc in Crc::ALL {
                let mut checksum = || crc.finish(rng.next_u64() & crc.start());
                let (a, b, c) = (checksum(), checksum(), checksum());
                let (len_b, len_c) = (rng.next_u64() >> 1, rng.next_u64() >> 1);
                let left = combine(&combine(&a, &b, len_b).unwrap(), &c, len_c);
                let right = combine(&a, &combine(&b, &c, len_c).unwrap(), len_b + len_c);
                assert_eq!(left, right, "seed {seed}, {crc:?}");
            }
        }
    }

    #[test]
    fn no_bytes_change_nothing() {
        for algorithm in [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Crc64Nvme] {
            let some = of(algorithm, b"hello world");
            let none = Checksum::empty(algorithm);
            assert_eq!(combine(&some, &none, 0), Some(some));
            assert_eq!(combine(&none, &some, 11), Some(some));
        }
    }

    #[test]
    fn different_algorithms_do_not_combine() {
        let a = of(Algorithm::Crc32, b"a");
        let b = of(Algorithm::Crc32c, b"b");
        assert_eq!(combine(&a, &b, 1), None);
    }

    /// Parts of zeros, doubled and joined: `of` zeros without a zero in memory.
    fn zeros(algorithm: Algorithm, len: u64) -> Checksum {
        let mut total = Checksum::empty(algorithm);
        let mut power = of(algorithm, &[0]);
        for k in 0..u64::BITS {
            if len >> k & 1 == 1 {
                total = combine(&total, &power, 1 << k).unwrap();
            }
            if k < 63 {
                power = combine(&power, &power, 1 << k).unwrap();
            }
        }
        total
    }

    #[test]
    fn five_gibibytes_and_a_tebibyte_of_zeros() {
        let cases = [
            (Algorithm::Crc32, 5 << 30, "193838c3"),
            (Algorithm::Crc32c, 5 << 30, "2cc5f6d6"),
            (Algorithm::Crc64Nvme, 5 << 30, "ce36fe0285569d20"),
            (Algorithm::Crc32, 1 << 40, "0d968558"),
            (Algorithm::Crc32c, 1 << 40, "30fcedc0"),
            (Algorithm::Crc64Nvme, 1 << 40, "19cc5eed910cc0a6"),
        ];
        for (algorithm, len, digest) in cases {
            let seen = zeros(algorithm, len).digest;
            assert_eq!(
                format!("{seen:?}"),
                digest,
                "{algorithm} of {len} zero bytes"
            );
        }
        let all = zeros(Algorithm::Crc64Nvme, 5 << 30);
        assert_eq!(all.digest.base64(), "zjb+AoVWnSA=");
    }

    #[test]
    fn both_kernels_do_what_the_definition_says() {
        let kernels = [Crc::update, super::super::portable::update];
        for seed in 0..200 {
            let mut rng = Rng::new(seed);
            // Up to 8 KiB, half of them below 64 bytes: kernels have a path for each order of size.
            let len = rng.below([64, 8192][usize::from(seed % 2 == 0)]);
            let bytes: Vec<u8> = (0..len).map(|_| rng.next_u64().to_le_bytes()[0]).collect();
            // Any start, so that unaligned addresses come up too.
            let from = usize::try_from(rng.below(len.min(64) + 1)).unwrap();
            for crc in Crc::ALL {
                let state = rng.next_u64() & crc.start();
                let expected = bitwise(crc, state, &bytes[from..]);
                for kernel in kernels {
                    let seen = kernel(crc, state, &bytes[from..]);
                    assert_eq!(seen, expected, "seed {seed}, {crc:?}");
                }
            }
        }
    }
}
