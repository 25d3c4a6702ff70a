use crate::simulate;

/// Whole transfers in a world that goes wrong as the bytes say.
///
/// Holds: what [`simulate::fuzz`] checks after every event.
///
/// # Panics
/// Where one of these is broken.
pub fn schedule(bytes: &[u8]) {
    simulate::fuzz(bytes);
}
