use super::PartNumber;
use crate::error::SpecError;

/// What a server takes. The default is Amazon's (S3 user guide, "Multipart upload limits"); a
/// simulator scales them down to try the edges with a few bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub struct Limits {
    /// The smallest part in bytes, but for the last one, which may be smaller: 5 MiB.
    pub min_part: u64,
    /// The largest part in bytes: 5 GiB.
    pub max_part: u64,
    /// The most parts of one upload: 10,000, which no other value may exceed.
    pub max_parts: u32,
    /// The largest object in bytes: 48.8 TiB, which is 10,000 parts of 5 GiB and what Amazon
    /// announces as 50 TB.
    pub max_object: u64,
    /// The largest object in bytes that one PUT can write: 5 GiB.
    pub max_put: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            min_part: 5 << 20,
            max_part: 5 << 30,
            max_parts: u32::from(PartNumber::MAX),
            max_object: 10_000 * (5 << 30),
            max_put: 5 << 30,
        }
    }
}

impl Limits {
    /// The most bytes that fit an upload: a server's largest object, or all its parts at their
    /// largest if that is less.
    pub fn max_upload(&self) -> u64 {
        let parts = u64::from(self.max_parts).saturating_mul(self.max_part);
        self.max_object.min(parts)
    }

    /// Checks the parts of a Complete before it is sent, number and length in bytes of each: they
    /// run from 1 without a gap, none but the last is too small, and none too large. Gives the
    /// length of the object.
    ///
    /// # Errors
    /// Which part breaks which limit. S3 would refuse the same, but some servers make an object
    /// with a hole.
    pub fn check_parts(
        &self,
        parts: impl IntoIterator<Item = (PartNumber, u64)>,
    ) -> Result<u64, SpecError> {
        let mut total = 0_u64;
        let mut count = 0_u32;
        let mut last = self.min_part;
        for (number, len) in parts {
            if number.index() != count {
                let expected = format!("part {} next", count + 1);
                return Err(SpecError::new("part list", expected, number.to_string()));
            }
            if last < self.min_part {
                let expected = format!("at least {} bytes in all but the last", self.min_part);
                let seen = format!("{last} bytes in part {count}");
                return Err(SpecError::new("part list", expected, seen));
            }
            if len > self.max_part {
                let expected = format!("at most {} bytes in a part", self.max_part);
                let seen = format!("{len} bytes in part {number}");
                return Err(SpecError::new("part list", expected, seen));
            }
            (last, count, total) = (len, count + 1, total.saturating_add(len));
        }
        if count == 0 || count > self.max_parts {
            let expected = format!("1 to {} parts", self.max_parts);
            return Err(SpecError::new("part list", expected, count.to_string()));
        }
        if total > self.max_object {
            let expected = format!("at most {} bytes in all", self.max_object);
            return Err(SpecError::new("part list", expected, total.to_string()));
        }
        Ok(total)
    }

    /// Refuses limits that contradict each other, so that planning can count on them.
    pub(super) fn check(&self) -> Result<(), SpecError> {
        let parts_ok = (1..=u32::from(PartNumber::MAX)).contains(&self.max_parts);
        let sizes_ok = 1 <= self.min_part && self.min_part <= self.max_part;
        // No sum of parts can overflow then.
        let sum_ok = self.max_part <= u64::MAX / u64::from(PartNumber::MAX);
        if parts_ok && sizes_ok && sum_ok {
            return Ok(());
        }
        Err(SpecError::new(
            "limits",
            "1 to 10,000 parts, and 1 <= min_part <= max_part <= 2^64 / 10,000",
            format!("{self:?}"),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parts of at least 5 and at most 10 bytes, four at most.
    const SMALL: Limits = Limits {
        min_part: 5,
        max_part: 10,
        max_parts: 4,
        max_object: 35,
        max_put: 10,
    };

    fn check(parts: &[(u16, u64)]) -> Result<u64, SpecError> {
        let numbered = |&(number, len)| (PartNumber::new(number).unwrap(), len);
        SMALL.check_parts(parts.iter().map(numbered))
    }

    #[test]
    fn a_good_list_has_its_length() {
        assert_eq!(check(&[(1, 0)]), Ok(0));
        assert_eq!(check(&[(1, 5), (2, 10), (3, 1)]), Ok(16));
        assert_eq!(check(&[(1, 10), (2, 10), (3, 10), (4, 5)]), Ok(35));
    }

    #[test]
    fn adversary_38_a_bad_part_list_is_refused_before_it_is_sent() {
        let cases: [(&[(u16, u64)], &str); 8] = [
            (&[], "1 to 4 parts"),
            (&[(2, 9), (1, 9)], "part 1 next, got 2"),
            (&[(1, 9), (1, 9)], "part 2 next, got 1"),
            (&[(1, 9), (3, 9)], "part 2 next, got 3"),
            (&[(1, 4), (2, 9)], "got 4 bytes in part 1"),
            (&[(1, 11)], "got 11 bytes in part 1"),
            (
                &[(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)],
                "1 to 4 parts, got 5",
            ),
            (
                &[(1, 10), (2, 10), (3, 10), (4, 6)],
                "at most 35 bytes in all, got 36",
            ),
        ];
        for (parts, wanted) in cases {
            let error = check(parts).unwrap_err().to_string();
            assert!(error.contains(wanted), "{error}");
        }
        assert_eq!(PartNumber::new(10_001), None);
    }

    #[test]
    fn the_default_is_amazons() {
        let s3 = Limits::default();
        assert_eq!(s3.check(), Ok(()));
        assert_eq!(s3.max_upload(), 53_687_091_200_000);
        assert_eq!(s3.max_upload(), s3.max_object);
    }

    #[test]
    fn contradictions_are_refused() {
        let s3 = Limits::default();
        for bad in [
            Limits { max_parts: 0, ..s3 },
            Limits {
                max_parts: 10_001,
                ..s3
            },
            Limits { min_part: 0, ..s3 },
            Limits { max_part: 1, ..s3 },
            Limits {
                max_part: u64::MAX,
                ..s3
            },
        ] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
        let max_part = u64::MAX / 10_000;
        assert_eq!(Limits { max_part, ..s3 }.check(), Ok(()));
        let max_part = max_part + 1;
        assert!(Limits { max_part, ..s3 }.check().is_err());
    }
}
