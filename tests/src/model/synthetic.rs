//! Objects of any size that cost no memory: a fixed pattern repeated with a prime period.

use std::ops::Range;
use std::sync::LazyLock;

use bytes::Bytes;

use super::digest::{Algorithm, Value};

/// The period of the pattern in bytes: the largest prime below 1 MiB, so that a range that is
/// placed a power of two, a part or a page too far never looks right.
pub const PERIOD: u64 = 1_048_573;

static BLOCK: LazyLock<Bytes> = LazyLock::new(|| {
    let mut state = 0x5341_4e53_3321_u64;
    let mut block = Vec::new();
    while block.len() < usize::try_from(PERIOD).unwrap_or(usize::MAX) {
        block.extend_from_slice(&super::ids::split_mix(&mut state).to_le_bytes());
    }
    block.truncate(usize::try_from(PERIOD).unwrap_or(usize::MAX));
    Bytes::from(block)
});

/// The bytes of `range` of the pattern, as slices of one shared block.
pub fn segments(range: Range<u64>) -> Vec<Bytes> {
    let mut at = range.start;
    let mut segments = Vec::new();
    while at < range.end {
        let start = at % PERIOD;
        let len = (PERIOD - start).min(range.end - at);
        segments.push(BLOCK.slice(index(start)..index(start + len)));
        at += len;
    }
    segments
}

/// Writes the pattern from offset `at` on into `buffer`.
pub fn fill(at: u64, buffer: &mut [u8]) {
    let mut rest = buffer;
    for segment in segments(at..at.saturating_add(rest.len() as u64)) {
        let (head, tail) = rest.split_at_mut(segment.len());
        head.copy_from_slice(&segment);
        rest = tail;
    }
}

/// Whether `bytes` are the pattern from offset `at` on.
pub fn matches(at: u64, bytes: &[u8]) -> bool {
    let mut rest = bytes;
    segments(at..at.saturating_add(rest.len() as u64))
        .iter()
        .all(|segment| {
            let (head, tail) = rest.split_at(segment.len());
            rest = tail;
            head == segment
        })
}

/// The checksum of the first `len` bytes of the pattern. CRCs take logarithmic time; SHA-256 has
/// to read all of it.
pub fn checksum(algorithm: Algorithm, len: u64) -> Value {
    if algorithm == Algorithm::Sha256 {
        return algorithm.digest(&segments(0..len));
    }
    let tail = len % PERIOD;
    let mut total = algorithm.empty();
    let mut run = algorithm.digest(std::slice::from_ref(&*BLOCK));
    let mut run_len = PERIOD;
    let mut periods = len / PERIOD;
    // Every run has the same content, so that the order of the powers of two does not matter.
    while periods > 0 {
        if periods % 2 == 1 {
            total = total.combine(&run, run_len).unwrap_or(total);
        }
        periods /= 2;
        if periods > 0 {
            run = run.combine(&run, run_len).unwrap_or(run);
            run_len *= 2;
        }
    }
    let rest = algorithm.digest(&segments(0..tail));
    total.combine(&rest, tail).unwrap_or(total)
}

fn index(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortcut_equals_the_whole_reading() {
        for len in [0, 1, PERIOD - 1, PERIOD, PERIOD + 1, 7 * PERIOD + 12_345] {
            for algorithm in [Algorithm::Crc64Nvme, Algorithm::Crc32, Algorithm::Crc32c] {
                let slow = algorithm.digest(&segments(0..len));
                assert_eq!(checksum(algorithm, len), slow, "{algorithm:?} of {len}");
            }
        }
    }

    #[test]
    fn a_misplaced_range_is_seen() {
        let mut buffer = vec![0; 100_000];
        fill(PERIOD - 50_000, &mut buffer);
        assert!(matches(PERIOD - 50_000, &buffer));
        assert!(!matches(PERIOD - 50_000 + 8 * 1024 * 1024, &buffer));
        buffer[99_999] ^= 1;
        assert!(!matches(PERIOD - 50_000, &buffer));
        assert_eq!(segments(0..PERIOD)[0], segments(PERIOD..2 * PERIOD)[0]);
    }
}
