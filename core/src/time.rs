//! Two kinds of time, neither of which the core can read by itself.
//!
//! [`Instant`] is monotonic and drives every timer; [`UnixTime`] is wall time and is used for
//! signing and for reading `Date` headers alone. Both come from the embedder, so that a simulator,
//! a fuzzer or a device without an operating system can make them.

use core::fmt;
use core::ops::{Add, Sub};
use core::time::Duration;

/// A monotonic point in time: nanoseconds since an epoch that the embedder picks.
///
/// Arithmetic saturates, so that no input can make a timer overflow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The embedder's epoch.
    pub const ZERO: Self = Self(0);
    /// The end of time: a timer at this point never fires.
    pub const MAX: Self = Self(u64::MAX);

    /// The point `nanos` nanoseconds after the epoch.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the epoch.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The time that passed since `earlier`; zero if `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, rhs: Duration) -> Self {
        Self(
            self.0
                .saturating_add(u64::try_from(rhs.as_nanos()).unwrap_or(u64::MAX)),
        )
    }
}

impl Sub<Instant> for Instant {
    type Output = Duration;

    fn sub(self, rhs: Instant) -> Duration {
        self.since(rhs)
    }
}

/// Wall time: whole seconds since 1970-01-01T00:00:00Z, without leap seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(i64);

/// 9999-12-31T23:59:59Z, the last second that the four-digit years of both date formats can say.
const MAX_SECONDS: i64 = 253_402_300_799;

impl UnixTime {
    /// The time `seconds` after 1970-01-01T00:00:00Z, clamped to the years 1970 to 9999, the only
    /// ones that the formats used here can express.
    pub const fn from_seconds(seconds: i64) -> Self {
        if seconds < 0 {
            Self(0)
        } else if seconds > MAX_SECONDS {
            Self(MAX_SECONDS)
        } else {
            Self(seconds)
        }
    }

    /// Seconds since 1970-01-01T00:00:00Z.
    pub const fn as_seconds(self) -> i64 {
        self.0
    }

    /// This time moved by `seconds`, which may be negative.
    #[must_use]
    pub const fn offset(self, seconds: i64) -> Self {
        Self::from_seconds(self.0.saturating_add(seconds))
    }

    /// Reads the preferred form of an HTTP date, `Sun, 06 Nov 1994 08:49:37 GMT`
    /// (RFC 9110, section 5.6.7). Anything else is `None`: a date is only ever a hint here.
    pub fn parse_http_date(text: &str) -> Option<Self> {
        let rest = text.get(5..)?;
        if text.len() != 29 || text.get(3..5)? != ", " || !text.ends_with(" GMT") {
            return None;
        }
        let month = MONTHS
            .iter()
            .position(|name| rest.get(3..6) == Some(name))?;
        let time = rest.get(12..20)?;
        if time.get(2..3)? != ":" || time.get(5..6)? != ":" {
            return None;
        }
        Self::from_civil(Civil {
            year: digits(rest.get(7..11)?)?,
            month: i64::try_from(month).ok()? + 1,
            day: digits(rest.get(0..2)?)?,
            hour: digits(time.get(0..2)?)?,
            minute: digits(time.get(3..5)?)?,
            second: digits(time.get(6..8)?)?,
        })
    }

    /// Reads an XML timestamp, `2009-10-12T17:50:30.000Z`, as S3 writes `LastModified`
    /// (RFC 3339 in UTC; a fraction of a second is dropped).
    pub fn parse_iso8601(text: &str) -> Option<Self> {
        let (seconds, rest) = text.split_at_checked(19)?;
        let tail = rest.strip_suffix('Z')?;
        let fraction_ok = match tail.strip_prefix('.') {
            Some(digits) => !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()),
            None => tail.is_empty(),
        };
        let separators = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
        let shape_ok = separators
            .iter()
            .all(|&(at, mark)| seconds.as_bytes().get(at) == Some(&mark));
        if !fraction_ok || !seconds.is_ascii() || !shape_ok {
            return None;
        }
        Self::from_civil(Civil {
            year: digits(seconds.get(0..4)?)?,
            month: digits(seconds.get(5..7)?)?,
            day: digits(seconds.get(8..10)?)?,
            hour: digits(seconds.get(11..13)?)?,
            minute: digits(seconds.get(14..16)?)?,
            second: digits(seconds.get(17..19)?)?,
        })
    }

    /// The form that SigV4 signs: `20130524T000000Z`. Its first eight characters are the date of
    /// the credential scope.
    pub fn amz_date(self) -> String {
        let c = self.civil();
        format!(
            "{:04}{:02}{:02}T{:02}{:02}{:02}Z",
            c.year, c.month, c.day, c.hour, c.minute, c.second
        )
    }

    /// Days and seconds to the Gregorian calendar (the usual era arithmetic: 400 years are always
    /// 146,097 days, and a year that starts in March ends in its leap day).
    fn civil(self) -> Civil {
        let days = self.0.div_euclid(86_400);
        let second_of_day = self.0.rem_euclid(86_400);
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * day_of_year + 2) / 153;
        let month = if march_month < 10 {
            march_month + 3
        } else {
            march_month - 9
        };
        Civil {
            year: year_of_era + era * 400 + i64::from(month <= 2),
            month,
            day: day_of_year - (153 * march_month + 2) / 5 + 1,
            hour: second_of_day / 3_600,
            minute: second_of_day / 60 % 60,
            second: second_of_day % 60,
        }
    }

    fn from_civil(c: Civil) -> Option<Self> {
        let in_range = (1970..=9999).contains(&c.year)
            && (1..=12).contains(&c.month)
            && (1..=days_of_month(c.year, c.month)).contains(&c.day)
            && (0..24).contains(&c.hour)
            && (0..60).contains(&c.minute)
            && (0..=60).contains(&c.second);
        if !in_range {
            return None;
        }
        let year = if c.month <= 2 { c.year - 1 } else { c.year };
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let march_month = (c.month + 9) % 12;
        let day_of_year = (153 * march_month + 2) / 5 + c.day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        let days = era * 146_097 + day_of_era - 719_468;
        Some(Self::from_seconds(
            days * 86_400 + c.hour * 3_600 + c.minute * 60 + c.second,
        ))
    }
}

impl fmt::Display for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let c = self.civil();
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
            c.year, c.month, c.day, c.hour, c.minute, c.second
        )
    }
}

struct Civil {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
}

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

fn days_of_month(year: i64, month: i64) -> i64 {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => 28 + i64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Two or four digits and nothing else: `str::parse` would also take a sign.
fn digits(text: &str) -> Option<i64> {
    text.bytes().try_fold(0, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| i64::from(byte - b'0'))?;
        Some(number * 10 + digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_agree_in_all_three_formats() {
        let time = UnixTime::from_seconds(784_111_777);
        assert_eq!(
            UnixTime::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT"),
            Some(time)
        );
        assert_eq!(
            UnixTime::parse_iso8601("1994-11-06T08:49:37.000Z"),
            Some(time)
        );
        assert_eq!(UnixTime::parse_iso8601("1994-11-06T08:49:37Z"), Some(time));
        assert_eq!(time.amz_date(), "19941106T084937Z");
        assert_eq!(time.to_string(), "1994-11-06T08:49:37Z");
    }

    #[test]
    fn every_day_survives_the_round_trip() {
        for day in 0..=(MAX_SECONDS / 86_400) {
            let time = UnixTime::from_seconds(day * 86_400 + 86_399);
            assert_eq!(UnixTime::from_civil(time.civil()), Some(time));
        }
    }

    #[test]
    fn malformed_dates_are_none() {
        for text in [
            "",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "Sun, +6 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 25:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "1994",
            "é",
            "Sun, 06 Nov 19é4 08:49:37 GM",
        ] {
            assert_eq!(UnixTime::parse_http_date(text), None, "{text}");
            assert_eq!(UnixTime::parse_iso8601(text), None, "{text}");
        }
        for text in [
            "1994-11-06T08:49:37.Z",
            "199é-11-06T08:49:3Z",
            "1994-1é-06T08:49:3Z",
            "1994-11-06é08:49:3Z",
            "1994-11-06T08:49:é1Z",
        ] {
            assert_eq!(UnixTime::parse_iso8601(text), None, "{text}");
        }
        assert_eq!(UnixTime::parse_iso8601("1994-11-06T08:49:37+01:00"), None);
    }

    #[test]
    fn days_that_no_month_has_are_none() {
        let day = |text: &str| UnixTime::parse_iso8601(&format!("{text}T00:00:00Z"));
        for text in ["2023-02-29", "2024-02-30", "1994-04-31", "1994-11-31"] {
            assert_eq!(day(text), None, "{text}");
        }
        assert!(day("2024-02-29").is_some() && day("1994-12-31").is_some());
        let leap = UnixTime::parse_iso8601("2016-12-31T23:59:60Z");
        assert_eq!(leap, day("2017-01-01"));
    }

    #[test]
    fn instants_saturate() {
        assert_eq!(Instant::MAX + Duration::from_secs(1), Instant::MAX);
        assert_eq!(Instant::ZERO.since(Instant::MAX), Duration::ZERO);
    }
}
