//! CRCs by tables: sixteen bytes a step, on any processor.

use super::crc::{Crc, Ring};

/// The state after some more bytes.
pub(super) fn update(crc: Crc, state: u64, bytes: &[u8]) -> u64 {
    match crc {
        Crc::Crc32 => slice(&CRC32, state, bytes),
        Crc::Crc32c => slice(&CRC32C, state, bytes),
        Crc::Crc64Nvme => slice(&CRC64_NVME, state, bytes),
    }
}

static CRC32: Tables = tables(Crc::Crc32.ring());
static CRC32C: Tables = tables(Crc::Crc32c.ring());
static CRC64_NVME: Tables = tables(Crc::Crc64Nvme.ring());

/// Bytes that are looked up at once: two words.
const STEP: usize = 2 * WORD;
const WORD: usize = 8;

/// `[n][byte]`: what `byte` is worth with `n` more bytes behind it.
type Tables = [[u64; 256]; STEP];

const fn tables(ring: &Ring) -> Tables {
    let mut tables = [[0; 256]; STEP];
    let mut byte = 0;
    while byte < 256 {
        let mut state = byte as u64;
        let mut n = 0;
        while n < STEP {
            let mut bit = 0;
            while bit < 8 {
                state = ring.times_x(state);
                bit += 1;
            }
            tables[n][byte] = state;
            n += 1;
        }
        byte += 1;
    }
    tables
}

/// A CRC is linear: what each byte is worth can be looked up by itself, and only the first word
/// of a step has to wait for the state that the step before leaves.
fn slice(tables: &Tables, mut state: u64, bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<WORD>();
    let (steps, odd) = words.as_chunks::<{ STEP / WORD }>();
    for [first, second] in steps {
        let ahead = look_up(tables, WORD, u64::from_le_bytes(*second));
        let first = u64::from_le_bytes(*first) ^ state;
        state = look_up(tables, STEP, first) ^ ahead;
    }
    for byte in odd.as_flattened().iter().chain(rest) {
        let [low, ..] = state.to_le_bytes();
        state = (state >> 8) ^ tables[0][usize::from(low ^ byte)];
    }
    state
}

/// What a word is worth that begins `to_end` bytes before the end of its step.
fn look_up(tables: &Tables, to_end: usize, word: u64) -> u64 {
    let bytes = word.to_le_bytes().into_iter();
    bytes
        .zip(tables[..to_end].iter().rev())
        .fold(0, |sum, (byte, table)| sum ^ table[usize::from(byte)])
}
