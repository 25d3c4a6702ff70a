//! Identifiers that follow from a seed.

use super::digest::push_hex;

/// SplitMix64 (Steele, Lea and Flood, 2014): one step.
pub(crate) const fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mix(*state)
}

/// The finaliser of SplitMix64: a good hash of one number.
pub(crate) const fn mix(value: u64) -> u64 {
    let mut z = value;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[derive(Clone, Debug)]
pub(crate) struct Ids {
    state: u64,
    issued: u64,
}

impl Ids {
    pub(crate) const fn new(seed: u64) -> Self {
        Self {
            state: seed,
            issued: 0,
        }
    }

    /// Sixteen characters, as `x-amz-request-id` has them.
    pub(crate) fn request(&mut self) -> String {
        let mut id = String::with_capacity(16);
        push_hex(&mut id, split_mix(&mut self.state), 16);
        id.make_ascii_uppercase();
        id
    }

    /// An identifier that sorts by the order of issue, as uploads of one key are listed.
    pub(crate) fn ordered(&mut self) -> String {
        self.issued += 1;
        let mut id = String::with_capacity(25);
        push_hex(&mut id, self.issued, 8);
        id.push('.');
        push_hex(&mut id, split_mix(&mut self.state), 16);
        id
    }
}
