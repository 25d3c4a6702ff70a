use crate::time::UnixTime;

/// How far the clocks must be apart, in seconds, before a doubtful failure is blamed on them. S3
/// takes 15 minutes; the AWS SDKs act from 4.
const THRESHOLD: i64 = 4 * 60;

/// How often in a session's life the offset may change. More would mean that the server's dates
/// make no sense.
const MAX_CORRECTIONS: u8 = 3;

/// 2015-01-01 and 2101-01-01: a date outside is a broken clock or a hostile server, never a
/// measure of ours.
const PLAUSIBLE: core::ops::Range<i64> = 1_420_070_400..4_133_980_800;

/// How far the server's clock is ahead of ours, as far as it was learnt from refused requests.
///
/// A signature carries the time, and a server refuses one that is too old or too new. Our wall
/// clock is then corrected by what the server's `Date` says, for signing and nothing else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub struct ClockSkew {
    offset: i64,
    corrections: u8,
}

impl ClockSkew {
    /// No correction.
    pub const fn new() -> Self {
        Self {
            offset: 0,
            corrections: 0,
        }
    }

    /// The seconds to add to the wall clock before signing.
    pub const fn offset_seconds(&self) -> i64 {
        self.offset
    }

    /// The time to sign with, by a wall clock that says `wall`.
    pub const fn correct(&self, wall: UnixTime) -> UnixTime {
        wall.offset(self.offset)
    }

    /// Learns from a refused request: our wall clock said `signed_at`, uncorrected, and the
    /// server's `Date` said `server_date`. `definite` tells that the server named the time as the
    /// reason. Whether the offset changed, so that a new signature may do better.
    ///
    /// It changes only where the corrected clock is still 4 minutes off, or where the server
    /// is definite and it is off at all; never to a date outside of 2015 to 2100, and three times
    /// at most, so that no server can keep us trying. Where the answer came long after the
    /// signature, after a slow upload say, pass the wall time of the answer: the age of the
    /// request must not be taken for an offset.
    pub fn learn(&mut self, signed_at: UnixTime, server_date: UnixTime, definite: bool) -> bool {
        let server = server_date.as_seconds();
        if !PLAUSIBLE.contains(&server) || self.corrections >= MAX_CORRECTIONS {
            return false;
        }
        let off = (server - self.correct(signed_at).as_seconds()).abs();
        if off < if definite { 1 } else { THRESHOLD } {
            return false;
        }
        // Both lie within the years 1970 to 9999.
        self.offset = server - signed_at.as_seconds();
        self.corrections += 1;
        true
    }

    /// Whether the offset was corrected since a request was `signed_with` the earlier value: such a
    /// request is worth a new signature, though nothing more is learnt from it. All parts that were
    /// in flight at the time of a correction are in this case.
    pub const fn is_newer_than(&self, signed_with: &Self) -> bool {
        self.corrections > signed_with.corrections
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: UnixTime = UnixTime::from_seconds(1_790_000_000);

    #[test]
    fn adversary_53_a_clock_20_minutes_off_is_corrected_once() {
        for ahead in [-1_200, 1_200] {
            let wall = NOON.offset(-ahead);
            let mut skew = ClockSkew::new();
            assert!(skew.learn(wall, NOON, true));
            assert_eq!(skew.offset_seconds(), ahead);
            assert_eq!(skew.correct(wall), NOON);
            for definite in [false, true] {
                assert!(
                    !skew.learn(wall, NOON, definite),
                    "there is nothing more to learn"
                );
            }
            let later = wall.offset(10);
            assert!(!skew.learn(later, NOON.offset(10), true));
        }
    }

    #[test]
    fn adversary_53_hostile_dates_are_ignored() {
        let mut skew = ClockSkew::new();
        for date in [
            "Thu, 01 Jan 1970 00:00:00 GMT",
            "Wed, 31 Dec 2014 23:59:59 GMT",
            "Sat, 01 Jan 2101 00:00:00 GMT",
            "Fri, 31 Dec 9999 23:59:59 GMT",
            "yesterday",
            "",
        ] {
            let learnt =
                UnixTime::parse_http_date(date).is_some_and(|date| skew.learn(NOON, date, true));
            assert!(!learnt, "{date}");
        }
        assert_eq!(skew, ClockSkew::new());
        let edges = [
            "Thu, 01 Jan 2015 00:00:00 GMT",
            "Fri, 31 Dec 2100 23:59:59 GMT",
        ];
        for date in edges {
            let date = UnixTime::parse_http_date(date).unwrap();
            assert!(ClockSkew::new().learn(NOON, date, true));
        }
    }

    #[test]
    fn adversary_53_dates_that_jump_about_make_no_loop() {
        let mut skew = ClockSkew::new();
        let corrections = (0..1_000_i64)
            .filter(|turn| skew.learn(NOON, NOON.offset(turn * 86_400 * (1 - turn % 2 * 2)), true))
            .count();
        assert_eq!(corrections, 3);
    }

    #[test]
    fn a_doubtful_failure_needs_4_minutes() {
        for (off, expected) in [
            (0, false),
            (239, false),
            (-239, false),
            (240, true),
            (-240, true),
        ] {
            let mut skew = ClockSkew::new();
            assert_eq!(skew.learn(NOON, NOON.offset(off), false), expected, "{off}");
            assert_eq!(skew.offset_seconds(), if expected { off } else { 0 });
        }
        assert!(ClockSkew::new().learn(NOON, NOON.offset(60), true));
        assert!(!ClockSkew::new().learn(NOON, NOON, true));
    }

    #[test]
    fn adversary_52_a_wall_clock_that_jumps_is_followed() {
        let mut skew = ClockSkew::new();
        for jump in [3_600, -3_600] {
            let wall = NOON.offset(jump);
            assert!(skew.learn(wall, NOON, true));
            assert_eq!(skew.correct(wall), NOON);
        }
        let edge = UnixTime::from_seconds(i64::MAX);
        assert!(ClockSkew::new().learn(edge, NOON, true));
        assert!(ClockSkew::new().learn(UnixTime::from_seconds(i64::MIN), NOON, true));
    }

    #[test]
    fn parts_in_flight_during_a_correction_are_signed_again() {
        let before = ClockSkew::new();
        let mut skew = before;
        let wall = NOON.offset(-1_200);
        let again = (0..64)
            .filter(|_| skew.is_newer_than(&before) || skew.learn(wall, NOON, true))
            .count();
        assert_eq!(again, 64);
        assert_eq!(skew.corrections, 1);
        assert!(!skew.is_newer_than(&skew));
    }
}
