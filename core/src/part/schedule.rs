use super::plan::round_up;
use super::{Limits, PartNumber, PartSpec};
use crate::error::SpecError;

/// The parts are doubled this many times on the way to the last one: every 500 parts with S3's
/// 10,000.
const STEPS: u32 = 20;

/// How a stream of unknown length is cut: into parts that grow, since a part size that suits a small
/// stream would run out of part numbers on a large one.
///
/// The first 500 parts have the first size, the next 500 twice that, and so on until a cap, which
/// is what a part's buffer may take. A stream of `n` bytes so meets parts of about `n / 500` bytes.
/// Where a server takes only equal parts, all have the first size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PartSchedule {
    first: u64,
    cap: u64,
    equal: bool,
    limits: Limits,
}

impl PartSchedule {
    /// Parts of `first` bytes that grow to `cap` bytes at most, or with `equal` never grow.
    ///
    /// # Errors
    /// A first size outside of the limits, a cap below it, limits that contradict each other.
    pub fn new(first: u64, cap: u64, equal: bool, limits: &Limits) -> Result<Self, SpecError> {
        limits.check()?;
        if !(limits.min_part..=limits.max_part).contains(&first) {
            let expected = format!("{} to {} bytes", limits.min_part, limits.max_part);
            return Err(SpecError::new("part size", expected, first.to_string()));
        }
        if cap < first {
            let expected = format!("at least the first part's {first} bytes");
            return Err(SpecError::new(
                "largest part size",
                expected,
                cap.to_string(),
            ));
        }
        Ok(Self {
            first,
            cap: if equal {
                first
            } else {
                cap.min(limits.max_part)
            },
            equal,
            limits: *limits,
        })
    }

    /// The part at `index`, counted from 0, at its full size: where the stream ends inside, the
    /// last part is smaller.
    ///
    /// # Panics
    /// Where `index` is not below the limit of parts. [`get`](Self::get) says `None` there.
    pub fn part(&self, index: u32) -> PartSpec {
        let part = self.get(index);
        part.unwrap_or_else(|| panic!("part {index} of at most {}", self.limits.max_parts))
    }

    /// The part at `index`, counted from 0; `None` where no upload has so many.
    pub fn get(&self, index: u32) -> Option<PartSpec> {
        if index >= self.limits.max_parts {
            return None;
        }
        Some(PartSpec {
            number: PartNumber::from_index(index)?,
            offset: self.offset(index),
            len: self.size(index),
        })
    }

    /// The most bytes that fit. A stream that proves to be longer can't be uploaded by this
    /// schedule.
    pub fn capacity(&self) -> u64 {
        self.offset(self.limits.max_parts)
            .min(self.limits.max_object)
    }

    /// The smallest cap in bytes, whole MiB where possible, under which `len` bytes fit; with equal
    /// parts the size that they would need. `None` where no cap is enough: then only a larger first
    /// part helps, or nothing does.
    pub fn needed_cap(&self, len: u64) -> Option<u64> {
        let max = self.limits.max_part;
        let with_cap = |cap| {
            let first = if self.equal { cap } else { self.first };
            let schedule = Self {
                first,
                cap,
                ..*self
            };
            schedule.capacity() >= len
        };
        if !with_cap(max) {
            return None;
        }
        // Capacity grows with the cap, so halving the interval finds the edge.
        let (mut low, mut high) = (self.first, max);
        while low < high {
            let middle = low + (high - low) / 2;
            if with_cap(middle) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        Some(round_up(low, max))
    }

    /// How many parts share a size.
    fn step(&self) -> u32 {
        (self.limits.max_parts / STEPS).max(1)
    }

    /// How often the size doubles before the cap cuts it.
    fn doublings(&self) -> u32 {
        self.cap.div_ceil(self.first).next_power_of_two().ilog2()
    }

    fn size(&self, index: u32) -> u64 {
        let doubled = (index / self.step()).min(self.doublings());
        // The last doubling may pass the cap, but not twice the cap, which fits.
        (self.first << doubled).min(self.cap)
    }

    /// The sum of all sizes before `index`: a geometric series up to the cap, then a straight line.
    fn offset(&self, index: u32) -> u64 {
        let step = self.step();
        let doubled = (index / step).min(self.doublings());
        let below = u64::from(step) * self.first * ((1 << doubled) - 1);
        below + u64::from(index - doubled * step) * (self.first << doubled).min(self.cap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::part::MIB;
    use crate::rng::Rng;

    fn s3(first: u64, cap: u64) -> PartSchedule {
        PartSchedule::new(first, cap, false, &Limits::default()).unwrap()
    }

    /// The closed form against adding up.
    fn verify(schedule: &PartSchedule) {
        let limits = schedule.limits;
        let mut end = 0;
        let mut before = schedule.first;
        for index in 0..limits.max_parts {
            let part = schedule.part(index);
            assert_eq!((part.number.index(), part.offset), (index, end));
            assert!(part.len >= before && part.len <= schedule.cap);
            (before, end) = (part.len, end + part.len);
        }
        assert_eq!(schedule.capacity(), end.min(limits.max_object));
        assert_eq!(schedule.get(limits.max_parts), None);
    }

    #[test]
    fn sizes_double_every_500_parts_up_to_the_cap() {
        let schedule = s3(8 * MIB, 100 * MIB);
        let sizes = [0, 499, 500, 999, 1_000, 1_500, 2_000, 9_999]
            .map(|index| schedule.part(index).len / MIB);
        assert_eq!(sizes, [8, 8, 16, 16, 32, 64, 100, 100]);
        assert_eq!(schedule.capacity(), (500 * 120 + 8_000 * 100) * MIB);
        verify(&schedule);
    }

    #[test]
    fn schedules_of_all_shapes_add_up() {
        for (first, cap) in [
            (5 * MIB, 5 * MIB),
            (5 * MIB, 5 << 30),
            (8 * MIB, u64::MAX),
            (5 << 30, 5 << 30),
            (5 * MIB + 1, 5 * MIB + 2),
            (5 * MIB, 10 * MIB),
            (5 * MIB, 10 * MIB + 1),
        ] {
            verify(&s3(first, cap));
        }
        let mut rng = Rng::new(1);
        for _ in 0..500 {
            let first = 1 + rng.below(9);
            let limits = Limits {
                min_part: 1,
                max_part: first + rng.below(1_000),
                max_parts: 1 + u32::try_from(rng.below(100)).unwrap(),
                max_object: rng.below(100_000),
                max_put: 10,
            };
            let cap = first + rng.below(2_000);
            verify(&PartSchedule::new(first, cap, rng.below(2) == 0, &limits).unwrap());
        }
    }

    #[test]
    fn equal_parts_never_grow() {
        let equal = PartSchedule::new(8 * MIB, 1 << 30, true, &Limits::default()).unwrap();
        assert_eq!(equal.part(9_999).len, 8 * MIB);
        assert_eq!(equal.capacity(), 80_000 * MIB);
        assert_eq!(equal.needed_cap(80_000 * MIB + 1), Some(9 * MIB));
        assert_eq!(equal.needed_cap(50_000_000_000_000), Some(4_769 * MIB));
        assert_eq!(equal.needed_cap(u64::MAX), None);
    }

    #[test]
    fn the_needed_cap_is_enough_and_a_little_less_is_not() {
        let schedule = s3(8 * MIB, 64 * MIB);
        let len = 1 << 40;
        assert!(schedule.capacity() < len);
        let cap = schedule.needed_cap(len).unwrap();
        assert_eq!(cap % MIB, 0);
        assert!(s3(8 * MIB, cap).capacity() >= len);
        assert!(s3(8 * MIB, cap - MIB).capacity() < len);
        assert_eq!(schedule.needed_cap(0), Some(8 * MIB));
        assert_eq!(s3(8 * MIB, 8 * MIB).needed_cap(len), Some(cap));
    }

    #[test]
    fn adversary_39_a_stream_of_50_tb_fits_where_the_first_part_is_large_enough() {
        let whole = s3(5 << 30, 5 << 30);
        assert_eq!(whole.capacity(), Limits::default().max_object);
        assert_eq!(s3(8 * MIB, 5 << 30).needed_cap(50_000_000_000_000), None);
        assert!(s3(8 * MIB, 5 << 30).capacity() > 28 << 40);
    }

    #[test]
    fn sizes_outside_of_the_limits_are_refused() {
        for (first, cap) in [
            (5 * MIB - 1, 1 << 30),
            (8 * MIB, 7 * MIB),
            (6 << 30, 6 << 30),
        ] {
            let made = PartSchedule::new(first, cap, false, &Limits::default());
            assert!(made.is_err(), "{first} {cap}");
        }
    }
}
