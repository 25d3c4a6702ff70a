use super::Draw;
use crate::soak;

/// Whole transfers under faults, in an order of events that the bytes choose.
///
/// Holds: all that [`soak::run`] checks.
///
/// # Panics
/// Where one of these is broken.
pub fn schedule(bytes: &[u8]) {
    let mut draw = Draw::new(bytes);
    let seed = u64::from_be_bytes(std::array::from_fn(|_| draw.byte()));
    soak::run(seed);
}
