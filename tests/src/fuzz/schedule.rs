use crate::simulate;

/// Whole transfers in a world that goes wrong as the bytes say.
///
/// Holds: every invariant that [`simulate::fuzz`] checks.
///
/// # Panics
/// Where one of these is broken.
pub fn schedule(bytes: &[u8]) {
    simulate::fuzz(bytes);
}
