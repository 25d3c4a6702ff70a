//! Spans of time, as people write and read them.

use std::str::FromStr;
use std::time::Duration;

/// A span of time given on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span(pub(crate) Duration);

const UNITS: [(&str, u64); 6] = [
    ("ms", 1),
    ("s", 1_000),
    ("", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let factor = UNITS.iter().find(|(name, _)| *name == unit);
        let millis =
            factor.and_then(|(_, factor)| number.parse::<u64>().ok()?.checked_mul(*factor));
        millis
            .map(|millis| Self(Duration::from_millis(millis)))
            .ok_or_else(|| {
                "expected a time such as 30s, 15m, 24h or 7d (units: ms s m h d; a bare number is \
             seconds)"
                    .to_owned()
            })
    }
}

/// A duration in at most four digits.
pub(crate) fn short(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 if duration.as_millis() < 1 => format!("{} µs", duration.as_micros()),
        0 => format!("{} ms", duration.as_millis()),
        1..60 => format!("{}.{:02} s", seconds, duration.subsec_millis() / 10),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// Bytes a second over `duration`; `None` where that is too short to tell.
pub(crate) fn rate(bytes: u64, duration: Duration) -> Option<u64> {
    let micros = duration.as_micros();
    if micros == 0 {
        return None;
    }
    u64::try_from(u128::from(bytes) * 1_000_000 / micros).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<u128> {
        text.parse::<Span>().ok().map(|span| span.0.as_millis())
    }

    #[test]
    fn spans_are_read_strictly() {
        assert_eq!(parse("24h"), Some(86_400_000));
        assert_eq!(parse("500ms"), Some(500));
        assert_eq!(parse("90"), Some(90_000));
        for text in [
            "",
            "h",
            "-1s",
            "1.5h",
            "1H",
            "1 h",
            "1h30m",
            "99999999999999999999d",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn spans_are_written_short() {
        for (millis, text) in [
            (0, "0 µs"),
            (12, "12 ms"),
            (1_239, "1.23 s"),
            (61_000, "1 min 01 s"),
            (3_661_000, "1 h 01 min"),
        ] {
            assert_eq!(short(Duration::from_millis(millis)), text);
        }
    }

    #[test]
    fn rates_need_some_time() {
        assert_eq!(rate(100, Duration::ZERO), None);
        assert_eq!(rate(100, Duration::from_millis(500)), Some(200));
    }
}
