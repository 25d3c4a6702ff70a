use super::{Limits, MIB, PartNumber};
use crate::error::SpecError;
use crate::range::ByteRange;

/// The part size where the caller has no wish: large enough that the time between requests does not
/// count, small enough that a lost part costs little.
const DEFAULT_PART: u64 = 8 * MIB;

/// The number of parts that the default keeps to while it can: the length of a page of ListParts,
/// beyond which some servers lose count.
const FEW_PARTS: u64 = 1_000;

/// How far the default part grows for that. A larger one would cost too much to send again.
const LARGEST_DEFAULT: u64 = 64 * MIB;

/// How an object of known length is cut: into parts of one size, of which the last may be smaller.
///
/// A resumed upload makes the same plan by asking for the [`part_size`](Self::part_size) of the
/// first: some servers take only equal parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PartPlan {
    len: u64,
    part_size: u64,
    count: u32,
}

/// One part of an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PartSpec {
    /// Its number, from 1.
    pub number: PartNumber,
    /// Where its bytes begin in the object.
    pub offset: u64,
    /// How many bytes it has. Only the one part of an empty object has none.
    pub len: u64,
}

impl PartPlan {
    /// Cuts `len` bytes. The parts have the `wanted` size in bytes, or 8 to 64 MiB, as keeps them
    /// to 1,000; where that would make more parts than the `limits` allow they grow, to a whole
    /// number of MiB if there is room for it. An empty object is one empty part: a Complete without
    /// parts is refused.
    ///
    /// # Errors
    /// An object larger than the limits, a wanted size outside of them, limits that contradict each
    /// other.
    pub fn new(len: u64, wanted: Option<u64>, limits: &Limits) -> Result<Self, SpecError> {
        limits.check()?;
        if len > limits.max_upload() {
            let expected = format!("at most {} bytes", limits.max_upload());
            return Err(SpecError::new("object size", expected, len.to_string()));
        }
        let sizes = limits.min_part..=limits.max_part;
        let base = match wanted {
            Some(size) if !sizes.contains(&size) => {
                let expected = format!("{} to {} bytes", limits.min_part, limits.max_part);
                return Err(SpecError::new("part size", expected, size.to_string()));
            }
            Some(size) => size,
            None => round_up(len.div_ceil(FEW_PARTS), LARGEST_DEFAULT)
                .clamp(DEFAULT_PART, LARGEST_DEFAULT)
                .clamp(limits.min_part, limits.max_part),
        };
        let needed = len.div_ceil(u64::from(limits.max_parts));
        let part_size = if needed <= base {
            base
        } else {
            round_up(needed, limits.max_part)
        };
        let count = u32::try_from(len.div_ceil(part_size).max(1));
        let count = count.map_err(|_| too_many_parts(limits))?;
        Ok(Self {
            len,
            part_size,
            count,
        })
    }

    /// The length of the object in bytes.
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Whether the object has no bytes; the plan still has one part.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The size in bytes of every part but the last.
    pub const fn part_size(&self) -> u64 {
        self.part_size
    }

    /// The number of parts, at least 1.
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// The part at `index`, counted from 0.
    ///
    /// # Panics
    /// Where `index` is not below [`count`](Self::count). For numbers that come from elsewhere
    /// there is [`get`](Self::get).
    pub fn part(&self, index: u32) -> PartSpec {
        let part = self.get(index);
        part.unwrap_or_else(|| panic!("part {index} of a plan of {} parts", self.count))
    }

    /// The part at `index`, counted from 0; `None` if there is none.
    pub fn get(&self, index: u32) -> Option<PartSpec> {
        if index >= self.count {
            return None;
        }
        let offset = u64::from(index) * self.part_size;
        Some(PartSpec {
            number: PartNumber::from_index(index)?,
            offset,
            len: self.part_size.min(self.len - offset),
        })
    }

    /// All parts in order.
    pub fn parts(&self) -> impl Iterator<Item = PartSpec> {
        let plan = *self;
        (0..plan.count).map(move |index| plan.part(index))
    }
}

impl PartSpec {
    /// Its bytes in the object; `None` for an empty part.
    pub const fn range(&self) -> Option<ByteRange> {
        ByteRange::with_len(self.offset, self.len)
    }
}

/// `size`, rounded up to whole MiB unless that is more than `max`.
pub(super) fn round_up(size: u64, max: u64) -> u64 {
    match size.checked_next_multiple_of(MIB) {
        Some(rounded) if rounded <= max => rounded,
        _ => size,
    }
}

fn too_many_parts(limits: &Limits) -> SpecError {
    let expected = format!("at most {} parts", limits.max_parts);
    SpecError::new("part size", expected, "more")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    fn plan(len: u64) -> PartPlan {
        PartPlan::new(len, None, &Limits::default()).unwrap()
    }

    /// What every plan must obey.
    fn verify(plan: &PartPlan, limits: &Limits) {
        let mut end = 0;
        for (index, part) in plan.parts().enumerate() {
            assert_eq!(part.number.index() as usize, index);
            assert_eq!(part.offset, end);
            end += part.len;
        }
        assert_eq!(end, plan.len());
        let sizes = plan.parts().map(|part| (part.number, part.len));
        assert_eq!(limits.check_parts(sizes), Ok(plan.len()));
        let last = plan.part(plan.count() - 1);
        assert!(last.len > 0 || plan.is_empty());
        assert_eq!(plan.get(plan.count()), None);
        assert_eq!(last.range().is_none(), plan.is_empty());
    }

    #[test]
    fn parts_grow_from_8_to_64_mib_to_stay_within_a_thousand_and_beyond_to_stay_within_10_000() {
        let limits = Limits::default();
        for (len, size, count) in [
            (0, 8 * MIB, 1),
            (1, 8 * MIB, 1),
            (8 * MIB, 8 * MIB, 1),
            (8 * MIB + 1, 8 * MIB, 2),
            (8_000 * MIB, 8 * MIB, 1_000),
            (8_000 * MIB + 1, 9 * MIB, 889),
            (64_000 * MIB, 64 * MIB, 1_000),
            (640_000 * MIB, 64 * MIB, 10_000),
            (640_000 * MIB + 1, 65 * MIB, 9_847),
        ] {
            let plan = plan(len);
            assert_eq!((plan.part_size(), plan.count()), (size, count), "{len}");
            verify(&plan, &limits);
        }
    }

    #[test]
    fn adversary_39_the_largest_objects_fit_10_000_parts() {
        let limits = Limits::default();
        for len in [
            50_000_000_000_000,
            limits.max_object,
            limits.max_object - 1,
            limits.max_object - 10_000,
            5 << 40,
        ] {
            let plan = plan(len);
            assert!(plan.count() <= 10_000 && plan.part_size() <= 5 << 30);
            verify(&plan, &limits);
        }
        let error = PartPlan::new(limits.max_object + 1, None, &limits).unwrap_err();
        assert!(error.to_string().contains("53687091200000"), "{error}");
    }

    #[test]
    fn adversary_28_absurd_lengths_are_refused() {
        for len in [1 << 63, u64::MAX] {
            assert!(PartPlan::new(len, None, &Limits::default()).is_err());
        }
    }

    #[test]
    fn a_wish_is_kept_within_the_limits() {
        let limits = Limits::default();
        let wish = |len, size| PartPlan::new(len, Some(size), &limits);
        assert_eq!(wish(100 * MIB, 5 * MIB).unwrap().count(), 20);
        assert_eq!(wish(1, 5 << 30).unwrap().count(), 1);
        let grown = wish(100_000 * MIB, 5 * MIB).unwrap();
        assert_eq!(grown.part_size(), 10 * MIB);
        for bad in [0, 1, 5 * MIB - 1, (5 << 30) + 1, u64::MAX] {
            assert!(wish(1, bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_size_is_not_rounded_past_the_largest_part() {
        let limits = Limits {
            min_part: 1,
            max_part: MIB + 9,
            max_parts: 2,
            ..Limits::default()
        };
        let plan = PartPlan::new(2 * MIB + 10, Some(1), &limits).unwrap();
        assert_eq!((plan.part_size(), plan.count()), (MIB + 5, 2));
        verify(&plan, &limits);
    }

    #[test]
    fn random_plans_under_random_limits_obey_them() {
        let mut rng = Rng::new(39);
        for _ in 0..2_000 {
            let min_part = 1 + rng.below(20);
            let limits = Limits {
                min_part,
                max_part: min_part + rng.below(20),
                max_parts: 1 + u32::try_from(rng.below(30)).unwrap(),
                max_object: rng.below(1_000),
                max_put: 10,
            };
            let len = rng.below(1_000);
            match PartPlan::new(len, None, &limits) {
                Ok(plan) => verify(&plan, &limits),
                Err(_) => assert!(len > limits.max_upload()),
            }
        }
    }
}
