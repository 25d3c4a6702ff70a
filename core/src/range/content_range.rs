use core::fmt;

use http::HeaderMap;
use http::header::CONTENT_RANGE;

use super::{ByteRange, decimal};
use crate::error::{Rule, Violation};

/// What a `Content-Range` header says: which bytes of an object of which size an answer holds
/// (RFC 9110, section 14.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ContentRange {
    range: ByteRange,
    total: u64,
}

impl ContentRange {
    /// Reads `bytes 0-9/10`.
    ///
    /// # Errors
    /// Anything else: another unit, a size of `*` (S3 knows its objects' sizes, and a download
    /// can't be proved complete without), a range that runs backwards or past the size, signs,
    /// spaces, numbers above 64 bits.
    pub fn parse(text: &str) -> Result<Self, Violation> {
        Self::read(text).ok_or_else(|| violation("`bytes first-last/size`", text))
    }

    /// The range that an answer's head declares; `None` where it declares none, which is right for
    /// a whole object and wrong for a partial one.
    ///
    /// # Errors
    /// As [`parse`](Self::parse), and where the header stands there twice, even with equal values:
    /// something on the way joined two answers.
    pub fn from_headers(headers: &HeaderMap) -> Result<Option<Self>, Violation> {
        single(headers)?.map(Self::parse).transpose()
    }

    /// The bytes that the answer holds.
    pub const fn range(&self) -> ByteRange {
        self.range
    }

    /// The first byte.
    pub const fn start(&self) -> u64 {
        self.range.start()
    }

    /// One past the last byte.
    pub const fn end(&self) -> u64 {
        self.range.end()
    }

    /// The size of the whole object in bytes.
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// Checks that these are the bytes that were `asked` for: the same start, and the same end
    /// unless the object ends before it.
    ///
    /// # Errors
    /// Any other range, shorter ones included: RFC 9110 allows them, S3 never sends them, and a
    /// cache or proxy that does is one whose bytes can't be trusted to be placed right.
    pub fn check(&self, asked: ByteRange) -> Result<(), Violation> {
        if asked.within(self.total) == Some(self.range) {
            return Ok(());
        }
        let expected = format!("the bytes {asked}, or as many of them as the object has");
        Err(Violation::new(
            Rule::ContentRange,
            expected,
            self.to_string(),
        ))
    }

    fn read(text: &str) -> Option<Self> {
        let (range, total) = after_unit(text)?.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let (first, last, total) = (decimal(first)?, decimal(last)?, decimal(total)?);
        let range = ByteRange::new(first, last.checked_add(1)?)?;
        (range.end() <= total).then_some(Self { range, total })
    }
}

/// As in the header.
impl fmt::Display for ContentRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = self.end() - 1;
        write!(f, "bytes {}-{last}/{}", self.start(), self.total)
    }
}

/// What the `Content-Range` of a 416 says: no byte asked for exists, the object has so many
/// (RFC 9110, section 15.5.17).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Unsatisfied {
    /// The size of the object in bytes.
    pub total: u64,
}

impl Unsatisfied {
    /// Reads `bytes */10`. Anything else is `None`: many servers send none with a 416, and then a
    /// HEAD finds the size.
    pub fn parse(text: &str) -> Option<Self> {
        let total = after_unit(text)?.strip_prefix("*/")?;
        Some(Self {
            total: decimal(total)?,
        })
    }

    /// The size that a 416's head declares; `None` where it declares none that can be trusted.
    pub fn from_headers(headers: &HeaderMap) -> Option<Self> {
        Self::parse(single(headers).ok()??)
    }
}

/// Range units are case-insensitive (RFC 9110, section 14.1).
fn after_unit(text: &str) -> Option<&str> {
    let (unit, rest) = text.split_once(' ')?;
    unit.eq_ignore_ascii_case("bytes").then_some(rest)
}

fn single(headers: &HeaderMap) -> Result<Option<&str>, Violation> {
    let mut values = headers.get_all(CONTENT_RANGE).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(violation("one Content-Range header", "several"));
    }
    match value.to_str() {
        Ok(text) => Ok(Some(text)),
        Err(_) => Err(violation("`bytes first-last/size`", value.as_bytes())),
    }
}

fn violation(expected: &'static str, seen: impl AsRef<[u8]>) -> Violation {
    Violation::new(Rule::ContentRange, expected, seen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(values: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(CONTENT_RANGE, HeaderValue::from_static(value));
        }
        headers
    }

    fn range(start: u64, end: u64) -> ByteRange {
        ByteRange::new(start, end).unwrap()
    }

    #[test]
    fn a_good_range_is_read_and_written_back() {
        let seen = ContentRange::parse("bytes 0-9/10").unwrap();
        assert_eq!((seen.start(), seen.end(), seen.total()), (0, 10, 10));
        assert_eq!(seen.to_string(), "bytes 0-9/10");
        assert_eq!(ContentRange::parse("Bytes 0-9/10"), Ok(seen));
        assert_eq!(
            ContentRange::from_headers(&headers(&["bytes 0-9/10"])),
            Ok(Some(seen))
        );
        assert_eq!(ContentRange::from_headers(&HeaderMap::new()), Ok(None));
    }

    #[test]
    fn adversary_03_a_shifted_start_is_refused() {
        for shifted in ["bytes 9-19/100", "bytes 11-19/100", "bytes 0-9/100"] {
            let seen = ContentRange::parse(shifted).unwrap();
            let error = seen.check(range(10, 20)).unwrap_err();
            assert_eq!(error.rule(), Rule::ContentRange);
            assert!(error.to_string().contains(shifted), "{error}");
        }
    }

    #[test]
    fn adversary_04_an_end_before_or_beyond_the_request_is_refused() {
        let asked = range(10, 20);
        let check = |text| ContentRange::parse(text).unwrap().check(asked);
        assert_eq!(check("bytes 10-19/100"), Ok(()));
        assert_eq!(check("bytes 10-14/15"), Ok(()), "the object ends there");
        for text in [
            "bytes 10-18/100",
            "bytes 10-20/100",
            "bytes 10-10/20",
            "bytes 10-13/15",
            "bytes 10-99/100",
        ] {
            assert!(check(text).is_err(), "{text}");
        }
    }

    #[test]
    fn adversary_06_malformed_ranges_are_violations() {
        for text in [
            "",
            "bytes",
            "bytes ",
            "bytes 0-9",
            "bytes 0-9/",
            "bytes 0-9/*",
            "bytes */*",
            "bytes */10",
            "bytes=0-9/10",
            "items 0-9/10",
            "bytes 9-0/10",
            "bytes 5-4/10",
            "bytes 0-10/10",
            "bytes -9/10",
            "bytes 0-/10",
            "bytes -1-9/10",
            "bytes +0-9/10",
            "bytes 0x0-9/10",
            "bytes  0-9/10",
            "bytes 0 - 9/10",
            "bytes 0-9 /10",
            "bytes 0-9/ 10",
            "bytes 0-9/10 ",
            " bytes 0-9/10",
            "bytes 0-9/10/11",
            "bytes 0-9-10/20",
            "bytes 0-9/10, bytes 0-9/10",
            "bytes ٠-٩/10",
        ] {
            let error = ContentRange::parse(text).unwrap_err();
            assert_eq!(error.rule(), Rule::ContentRange, "{text}");
        }
        let twice = headers(&["bytes 0-9/10", "bytes 0-9/10"]);
        assert!(ContentRange::from_headers(&twice).is_err());
        assert_eq!(Unsatisfied::from_headers(&twice), None);
    }

    #[test]
    fn adversary_28_numbers_at_the_edge_of_64_bits_are_checked() {
        let top = ContentRange::parse("bytes 0-18446744073709551614/18446744073709551615").unwrap();
        assert_eq!(top.total(), u64::MAX);
        assert_eq!(top.range().len(), u64::MAX);
        let half = ContentRange::parse(
            "bytes 9223372036854775807-9223372036854775807/9223372036854775808",
        );
        assert_eq!(half.unwrap().total(), 1 << 63);
        for text in [
            "bytes 0-18446744073709551615/18446744073709551615",
            "bytes 0-9/18446744073709551616",
            "bytes 0-9/99999999999999999999",
            "bytes 18446744073709551616-18446744073709551617/18446744073709551618",
        ] {
            assert!(ContentRange::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn bytes_that_are_not_text_are_a_violation() {
        let mut headers = HeaderMap::new();
        let value = HeaderValue::from_bytes(b"bytes 0-9/1\xff").unwrap();
        headers.insert(CONTENT_RANGE, value);
        assert!(ContentRange::from_headers(&headers).is_err());
    }

    #[test]
    fn a_416_tells_the_size() {
        let parse = |text| Unsatisfied::parse(text).map(|u| u.total);
        assert_eq!(parse("bytes */0"), Some(0));
        assert_eq!(parse("bytes */18446744073709551615"), Some(u64::MAX));
        for text in ["bytes */", "bytes */*", "bytes 0-0/0", "*/0", "bytes */-1"] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(
            Unsatisfied::from_headers(&headers(&["bytes */7"])),
            Some(Unsatisfied { total: 7 })
        );
    }
}
