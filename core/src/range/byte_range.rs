use core::fmt;

use http::HeaderValue;

/// Some bytes of an object: from `start` up to, but without, `end`. Never empty: HTTP has no way to
/// ask for no bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteRange {
    start: u64,
    end: u64,
}

impl ByteRange {
    /// The bytes `start..end`; `None` where that is empty or runs backwards.
    pub const fn new(start: u64, end: u64) -> Option<Self> {
        if start < end {
            Some(Self { start, end })
        } else {
            None
        }
    }

    /// The `len` bytes from `start`; `None` where `len` is 0 or the end is past 2^64 - 1.
    pub const fn with_len(start: u64, len: u64) -> Option<Self> {
        match start.checked_add(len) {
            Some(end) => Self::new(start, end),
            None => None,
        }
    }

    /// The first byte.
    pub const fn start(self) -> u64 {
        self.start
    }

    /// One past the last byte.
    pub const fn end(self) -> u64 {
        self.end
    }

    /// The number of bytes, at least 1.
    #[expect(clippy::len_without_is_empty, reason = "a range is never empty")]
    pub const fn len(self) -> u64 {
        self.end - self.start
    }

    /// Whether the byte at `offset` is one of these.
    pub const fn contains(self, offset: u64) -> bool {
        self.start <= offset && offset < self.end
    }

    /// Whether any byte is in both.
    pub const fn overlaps(self, other: Self) -> bool {
        self.start < other.end && other.start < self.end
    }

    /// What is missing after the first `done` bytes have arrived: the range to ask for again after
    /// a failure in mid-body. `None` when nothing is missing.
    pub const fn tail(self, done: u64) -> Option<Self> {
        match self.start.checked_add(done) {
            Some(start) => Self::new(start, self.end),
            None => None,
        }
    }

    /// The part of this range that lies in an object of `total` bytes; `None` if there is none.
    pub const fn within(self, total: u64) -> Option<Self> {
        Self::new(self.start, if self.end < total { self.end } else { total })
    }

    /// The value of a `Range` header, `bytes=0-9`, whose last number is inclusive (RFC 9110,
    /// section 14.1.2). Suffix and open ranges are never asked for.
    pub fn header_value(self) -> HeaderValue {
        let (first, last) = (self.start.to_string(), (self.end - 1).to_string());
        HeaderValue::try_from(["bytes=", &first, "-", &last].concat())
            .expect("digits and ASCII punctuation are a header value")
    }
}

/// `0..10`.
impl fmt::Display for ByteRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.start, self.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: u64, end: u64) -> ByteRange {
        ByteRange::new(start, end).unwrap()
    }

    #[test]
    fn a_range_holds_at_least_one_byte() {
        assert_eq!(ByteRange::new(5, 5), None);
        assert_eq!(ByteRange::new(6, 5), None);
        assert_eq!(ByteRange::with_len(5, 0), None);
        assert_eq!(ByteRange::with_len(u64::MAX, 1), None);
        assert_eq!(ByteRange::with_len(5, 2), Some(range(5, 7)));
        assert_eq!(range(u64::MAX - 1, u64::MAX).len(), 1);
    }

    #[test]
    fn the_header_is_inclusive() {
        assert_eq!(range(0, 1).header_value(), "bytes=0-0");
        assert_eq!(
            range(0, u64::MAX).header_value(),
            "bytes=0-18446744073709551614"
        );
    }

    #[test]
    fn only_the_missing_tail_is_asked_for_again() {
        let whole = range(10, 20);
        assert_eq!(whole.tail(0), Some(whole));
        assert_eq!(whole.tail(9), Some(range(19, 20)));
        assert_eq!(whole.tail(10), None);
        assert_eq!(whole.tail(u64::MAX), None);
    }

    #[test]
    fn ranges_that_only_touch_do_not_overlap() {
        assert!(!range(0, 5).overlaps(range(5, 6)));
        assert!(!range(5, 6).overlaps(range(0, 5)));
        assert!(range(0, 5).overlaps(range(4, 6)));
        assert!(range(4, 6).overlaps(range(0, 5)));
        assert!(range(0, 9).overlaps(range(3, 4)));
        assert!(range(1, 5).contains(1) && !range(1, 5).contains(0));
        assert!(range(0, 5).contains(4) && !range(0, 5).contains(5));
    }

    #[test]
    fn an_object_cuts_a_range() {
        assert_eq!(range(5, 9).within(7), Some(range(5, 7)));
        assert_eq!(range(5, 9).within(100), Some(range(5, 9)));
        assert_eq!(range(5, 9).within(5), None);
    }

    #[test]
    fn a_range_is_shown_half_open() {
        assert_eq!(range(5, 9).to_string(), "5..9");
    }
}
