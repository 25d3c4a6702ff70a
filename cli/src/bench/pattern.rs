//! The bytes that are uploaded, and a target that knows them again.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use sans3_runtime::WriteAt;

/// Bytes of a word, the unit of a pattern.
const WORD: u64 = 8;
/// In a download a word of so many bytes is looked at.
const STRIDE: u64 = 4096;
/// Bytes that are made at once.
const CHUNK: usize = 1 << 20;

/// The bytes of one object: no run of them comes twice, in this object or in another one, and no
/// program makes them shorter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    key: u64,
}

/// Takes a download, drops it, and finds out whether it was the object.
///
/// The transfer has its checksum compared, where the server has one. This looks at a word in each
/// [`STRIDE`] bytes and at both ends of whatever it is given, and at how much that was: bytes that
/// are right, but are another object's or belong elsewhere, can't pass.
#[derive(Debug)]
pub(super) struct Checked {
    pattern: Pattern,
    size: u64,
    seen: AtomicU64,
}

impl Pattern {
    /// The pattern of the object `number` of those of `size` bytes, under this seed.
    pub(super) fn new(seed: u64, size: u64, number: u32) -> Self {
        Self {
            key: mix(mix(seed ^ mix(size)).wrapping_add(number.into())),
        }
    }

    /// Writes the first `size` bytes to a new file.
    pub(super) fn write(self, path: &Path, size: u64) -> io::Result<()> {
        let mut file = BufWriter::with_capacity(CHUNK, File::create_new(path)?);
        for word in 0..size / WORD {
            file.write_all(&self.word(word))?;
        }
        let rest = usize::try_from(size % WORD).unwrap_or_default();
        file.write_all(&self.word(size / WORD)[..rest])?;
        let written = file.into_inner().map(drop);
        written.map_err(io::IntoInnerError::into_error)
    }

    const fn word(self, index: u64) -> [u8; 8] {
        // An odd factor: no two indexes have the same product.
        mix(self
            .key
            .wrapping_add(index.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
        .to_le_bytes()
    }

    /// Whether the whole words at the beginning, at the end and between, each at a step, are right:
    /// the offset of the first that is not.
    fn check(self, bytes: &[u8], offset: u64) -> Result<(), u64> {
        let len = bytes.len() as u64;
        let Some(last) = (offset + len).checked_sub(WORD).map(|at| at / WORD * WORD) else {
            return self.check_bytes(bytes, offset);
        };
        let first = offset.next_multiple_of(WORD);
        if first > last {
            return self.check_bytes(bytes, offset);
        }
        let between = (first.next_multiple_of(STRIDE)..last).step_by(4096);
        for at in [first, last].into_iter().chain(between) {
            let here = usize::try_from(at - offset).map_err(|_| at)?;
            let seen = bytes.get(here..here + 8);
            if seen != Some(&self.word(at / WORD)[..]) {
                return Err(at);
            }
        }
        Ok(())
    }

    /// The few bytes of something that holds no whole word.
    fn check_bytes(self, bytes: &[u8], offset: u64) -> Result<(), u64> {
        for (byte, at) in bytes.iter().zip(offset..) {
            let within = usize::try_from(at % WORD).unwrap_or_default();
            if self.word(at / WORD)[within] != *byte {
                return Err(at);
            }
        }
        Ok(())
    }
}

impl Checked {
    /// A target for an object of `size` bytes.
    pub(super) const fn new(pattern: Pattern, size: u64) -> Self {
        Self {
            pattern,
            size,
            seen: AtomicU64::new(0),
        }
    }
}

impl WriteAt for Checked {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.seen.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.pattern.check(bytes, offset).map_err(|at| {
            io::Error::other(format!(
                "the server gave other bytes than were uploaded, from byte {at} on"
            ))
        })
    }

    fn is_quick(&self) -> bool {
        true
    }

    fn finish(&self, len: u64) -> io::Result<()> {
        let seen = self.seen.load(Ordering::Relaxed);
        if len == self.size && seen >= len {
            return Ok(());
        }
        let size = self.size;
        Err(io::Error::other(format!(
            "the server gave an object of {len} bytes, {seen} of them, in place of the one of {size} \
             bytes that was uploaded"
        )))
    }
}

/// A bijection in which each bit of the result depends on all bits of the input: the finaliser of
/// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
const fn mix(word: u64) -> u64 {
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::files::Scratch;

    fn bytes(pattern: Pattern, size: u64) -> Vec<u8> {
        let scratch = Scratch::new("test").unwrap();
        let path = scratch.path("file");
        pattern.write(&path, size).unwrap();
        std::fs::read(path).unwrap()
    }

    #[test]
    fn a_target_knows_the_bytes_however_they_are_cut() {
        for size in [1, 7, 8, 9, 4095, 4104, 20_001] {
            let pattern = Pattern::new(3, 1 << 20, 1);
            let all = bytes(pattern, size);
            assert_eq!(all.len() as u64, size);
            for cut in [1, 3, 8, 13, 4096, 5000] {
                let target = Checked::new(pattern, size);
                for (index, piece) in all.chunks(cut).enumerate() {
                    target.write_all_at(piece, (index * cut) as u64).unwrap();
                }
                target.finish(size).unwrap();
            }
        }
    }

    #[test]
    fn other_bytes_are_refused() {
        let pattern = Pattern::new(3, 1 << 20, 1);
        let all = bytes(pattern, 20_000);
        let target = || Checked::new(pattern, 20_000);
        let refused = |bytes: &[u8], offset| target().write_all_at(bytes, offset).is_err();
        assert!(!refused(&all, 0));
        assert!(refused(&all[8..], 0), "bytes from elsewhere");
        assert!(refused(&all[1..], 0));
        assert!(refused(&all[4096..], 8192));
        assert!(
            refused(&bytes(Pattern::new(3, 1 << 20, 2), 20_000), 0),
            "another object's"
        );
        assert!(
            refused(&bytes(Pattern::new(4, 1 << 20, 1), 20_000), 0),
            "another run's"
        );
        assert!(
            refused(&bytes(Pattern::new(3, 1 << 21, 1), 20_000), 0),
            "another size's"
        );
        let mut zeros = all.clone();
        zeros[4096..12_288].fill(0);
        assert!(refused(&zeros, 0), "a hole");
        let mut last = all;
        last[19_999] ^= 1;
        assert!(refused(&last, 0), "the last byte");
    }

    #[test]
    fn less_and_more_than_the_object_is_refused() {
        let pattern = Pattern::new(3, 1 << 20, 1);
        let all = bytes(pattern, 10_000);
        let target = Checked::new(pattern, 10_000);
        target.write_all_at(&all[..9_000], 0).unwrap();
        assert!(target.finish(9_000).is_err());
        assert!(target.finish(10_000).is_err());
        target.write_all_at(&all[9_000..], 9_000).unwrap();
        target.finish(10_000).unwrap();
        assert!(target.finish(10_001).is_err());
    }

    #[test]
    fn no_word_comes_twice() {
        let mut words: Vec<Vec<u8>> = (0..4)
            .flat_map(|number| {
                bytes(Pattern::new(9, 1 << 20, number), 80_000)
                    .chunks(8)
                    .map(<[u8]>::to_vec)
                    .collect::<Vec<_>>()
            })
            .collect();
        let count = words.len();
        words.sort();
        words.dedup();
        assert_eq!(words.len(), count);
    }
}
