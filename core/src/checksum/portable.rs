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

/// Bytes that are looked up at once.
const STEP: usize = 16;

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

/// A CRC is linear, so the bytes of a step can be looked up independently of each other; only the
/// state, which is added to the first eight, has to wait for the step before.
fn slice(tables: &Tables, mut state: u64, bytes: &[u8]) -> u64 {
    let (steps, rest) = bytes.as_chunks::<STEP>();
    for step in steps {
        let mut step = *step;
        for (byte, old) in step.iter_mut().zip(state.to_le_bytes()) {
            *byte ^= old;
        }
        state = step
            .iter()
            .zip(tables.iter().rev())
            .fold(0, |sum, (byte, table)| sum ^ table[usize::from(*byte)]);
    }
    for byte in rest {
        let [low, ..] = state.to_le_bytes();
        state = (state >> 8) ^ tables[0][usize::from(low ^ byte)];
    }
    state
}
