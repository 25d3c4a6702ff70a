use core::fmt;
use core::num::NonZeroU16;

/// The number of a part, 1 to 10,000 (Amazon S3 user guide, "Multipart upload limits").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartNumber(NonZeroU16);

impl PartNumber {
    /// Part 1.
    pub const FIRST: Self = Self(NonZeroU16::MIN);
    /// The highest number that S3 takes.
    pub const MAX: u16 = 10_000;

    /// The part of this `number`; `None` outside of 1 to 10,000.
    pub const fn new(number: u16) -> Option<Self> {
        match NonZeroU16::new(number) {
            Some(number) if number.get() <= Self::MAX => Some(Self(number)),
            _ => None,
        }
    }

    /// The number of the part at an `index` that counts from 0; `None` from 10,000 on.
    pub fn from_index(index: u32) -> Option<Self> {
        Self::new(u16::try_from(index.checked_add(1)?).ok()?)
    }

    /// The number.
    pub const fn get(self) -> u16 {
        self.0.get()
    }

    /// The index, counted from 0.
    pub fn index(self) -> u32 {
        u32::from(self.get()) - 1
    }
}

impl fmt::Display for PartNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_run_from_1_to_10_000() {
        assert_eq!(PartNumber::new(0), None);
        assert_eq!(PartNumber::new(10_001), None);
        assert_eq!(PartNumber::new(10_000).map(PartNumber::index), Some(9_999));
        assert_eq!(PartNumber::from_index(0), Some(PartNumber::FIRST));
        assert_eq!(PartNumber::from_index(10_000), None);
        assert_eq!(PartNumber::from_index(u32::MAX), None);
    }
}
