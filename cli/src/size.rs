//! Sizes in bytes, as people write and read them.

use std::fmt;
use std::str::FromStr;

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Size(pub(crate) u64);

/// Units by name. A bare `K`, `M` or `G` is not among them: half of the world's programs mean
/// 1,000 by it, and half 1,024.
const UNITS: [(&str, u64); 10] = [
    ("", 1),
    ("B", 1),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let unit = unit.strip_prefix(' ').unwrap_or(unit);
        let factor = UNITS
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(unit));
        let (Ok(number), Some((_, factor))) = (number.parse::<u64>(), factor) else {
            return Err("expected a number of bytes such as 8388608, 8MiB or 8MB \
                        (units: KiB MiB GiB TiB, and KB MB GB TB for powers of 1,000)"
                .to_owned());
        };
        number
            .checked_mul(*factor)
            .map(Self)
            .ok_or_else(|| "expected fewer than 2^64 bytes".to_owned())
    }
}

impl fmt::Display for Size {
    /// Three or four digits in the largest binary unit that fits; whole numbers without a point.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const BINARY: [(&str, u64); 4] = [
            ("TiB", 1 << 40),
            ("GiB", 1 << 30),
            ("MiB", 1 << 20),
            ("KiB", 1 << 10),
        ];
        let Some((name, unit)) = BINARY.into_iter().find(|(_, unit)| self.0 >= *unit) else {
            return write!(f, "{} B", self.0);
        };
        let (whole, rest) = (self.0 / unit, self.0 % unit);
        if rest == 0 {
            return write!(f, "{whole} {name}");
        }
        // One digit behind the point, cut and not rounded: what is shown is there.
        let tenths = u128::from(rest) * 10 / u128::from(unit);
        write!(f, "{whole}.{tenths} {name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<u64> {
        text.parse::<Size>().ok().map(|size| size.0)
    }

    #[test]
    fn sizes_are_read_with_and_without_units() {
        assert_eq!(parse("8388608"), Some(8 << 20));
        assert_eq!(parse("8MiB"), Some(8 << 20));
        assert_eq!(parse("8 mib"), Some(8 << 20));
        assert_eq!(parse("8MB"), Some(8_000_000));
        assert_eq!(parse("50TB"), Some(50_000_000_000_000));
        assert_eq!(parse("0"), Some(0));
    }

    #[test]
    fn what_could_mean_two_things_is_refused() {
        for text in [
            "", "8M", "8K", "MiB", "-8", "+8", "8.5MiB", "0x10", "8  MiB", "8MiBs", " 8", "١",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
        assert_eq!(parse("18446744073709551615"), Some(u64::MAX));
        assert_eq!(parse("18446744073709551616"), None);
        assert_eq!(parse("17000000TiB"), None);
    }

    #[test]
    fn sizes_are_written_short() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1 KiB"),
            (1536, "1.5 KiB"),
            (8 << 20, "8 MiB"),
            ((1 << 30) + 1, "1.0 GiB"),
            (u64::MAX, "16777215.9 TiB"),
        ] {
            assert_eq!(Size(bytes).to_string(), text);
        }
    }
}
