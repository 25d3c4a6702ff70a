use core::num::NonZeroU32;
use core::time::Duration;

use super::{Cost, FailureClass};
use crate::rng::Rng;

/// How much later than our own wait the server may ask us to come back (2026 numbers).
const MAX_SERVER_WAIT: Duration = Duration::from_secs(5);

/// Which of the AWS SDKs' sets of numbers is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub enum RetryMode {
    /// Those of 2026: waits from 50 ms, or 1 s when throttled; a retry costs 14, or 5 when
    /// throttled. Mostly harmless faults are retried quickly, and an outage empties the budget soon.
    #[default]
    Standard2026,
    /// Those of 2020: waits from 1 s; a retry costs 5, or 10 after a timeout.
    Standard2020,
}

/// The rules of retries for a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub struct RetryPolicy {
    /// Which numbers.
    pub mode: RetryMode,
    /// The most attempts of one request, the first included. 3 by default.
    pub max_attempts: NonZeroU32,
    /// The longest wait that is computed here, before jitter. 20 s by default.
    pub max_backoff: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self::new(RetryMode::default())
    }
}

impl RetryPolicy {
    /// The AWS SDKs' policy: three attempts, and waits of up to 20 s.
    pub const fn new(mode: RetryMode) -> Self {
        Self {
            mode,
            max_attempts: NonZeroU32::MIN.saturating_add(2),
            max_backoff: Duration::from_secs(20),
        }
    }

    /// Whether a request that was sent `attempts` times may be sent once more.
    pub const fn allows(&self, attempts: u32) -> bool {
        attempts < self.max_attempts.get()
    }

    /// What a retry takes from the budget; `None` if there must be none.
    ///
    /// After a correction of the clock or a refresh of the credentials it is free: these happen a
    /// few times in a session's life, but then to all its requests at once, which would empty the
    /// budget although nothing is overloaded.
    pub const fn cost(&self, class: FailureClass) -> Option<Cost> {
        let units = match (self.mode, class) {
            (_, FailureClass::Permanent) => return None,
            (_, FailureClass::ClockSkew { .. } | FailureClass::ExpiredCredentials) => 0,
            (_, FailureClass::Throttling) => 5,
            (RetryMode::Standard2026, FailureClass::Transient | FailureClass::Timeout) => 14,
            (RetryMode::Standard2020, FailureClass::Transient) => 5,
            (RetryMode::Standard2020, FailureClass::Timeout) => 10,
        };
        Some(Cost::new(units))
    }

    /// How long to wait before a retry.
    ///
    /// That is a random fraction of `base * 2^retry_index`, of which the power is capped at
    /// [`max_backoff`](Self::max_backoff) before the fraction is taken; `retry_index` is 0 for the
    /// first retry. `retry_after` is the value of `x-amz-retry-after`, a whole number of
    /// milliseconds: the 2026 numbers follow it from the computed wait up to 5 s above it, the
    /// older ones up to the cap; anything that is not such a number is ignored. A request that is
    /// only signed anew does not wait.
    pub fn delay(
        &self,
        class: FailureClass,
        retry_index: u32,
        retry_after: Option<&str>,
        rng: &mut Rng,
    ) -> Duration {
        self.delay_at(class, retry_index, retry_after, rng.next_f64())
    }

    /// The value of `amz-sdk-request` for an attempt, counted from 1: servers' logs tell retries
    /// from new load by it.
    pub fn sdk_request(&self, attempt: u32) -> String {
        format!("attempt={attempt}; max={}", self.max_attempts)
    }

    /// The wait for a jitter of `fraction`, 0 to 1.
    pub(super) fn delay_at(
        &self,
        class: FailureClass,
        retry_index: u32,
        retry_after: Option<&str>,
        fraction: f64,
    ) -> Duration {
        if matches!(
            class,
            FailureClass::ClockSkew { .. } | FailureClass::ExpiredCredentials
        ) {
            return Duration::ZERO;
        }
        let own = self.ceiling(class, retry_index).mul_f64(fraction);
        match (retry_after.and_then(milliseconds), self.mode) {
            (None, _) => own,
            (Some(asked), RetryMode::Standard2026) => {
                asked.clamp(own, own.saturating_add(MAX_SERVER_WAIT))
            }
            (Some(asked), RetryMode::Standard2020) => asked.min(self.max_backoff),
        }
    }

    /// The longest wait before the retry, without what the server asks for.
    fn ceiling(&self, class: FailureClass, retry_index: u32) -> Duration {
        let base: u64 = match (self.mode, class) {
            (RetryMode::Standard2020, _) | (_, FailureClass::Throttling) => 1_000_000_000,
            (RetryMode::Standard2026, _) => 50_000_000,
        };
        let factor = 1_u64.checked_shl(retry_index).unwrap_or(u64::MAX);
        Duration::from_nanos(base.saturating_mul(factor)).min(self.max_backoff)
    }
}

/// Reads digits alone, however many: a number beyond 64 bits is a very long wait, which is clamped
/// like any other.
fn milliseconds(text: &str) -> Option<Duration> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(Duration::from_millis(text.parse().unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: RetryPolicy = RetryPolicy::new(RetryMode::Standard2026);
    const OLD: RetryPolicy = RetryPolicy::new(RetryMode::Standard2020);

    fn millis(policy: &RetryPolicy, class: FailureClass, index: u32, after: Option<&str>) -> u128 {
        policy.delay_at(class, index, after, 1.0).as_millis()
    }

    #[test]
    fn waits_without_jitter_double_up_to_the_cap() {
        let waits: Vec<u128> = (0..11)
            .map(|index| millis(&NEW, FailureClass::Transient, index, None))
            .collect();
        assert_eq!(
            waits,
            [
                50, 100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 20_000, 20_000
            ]
        );
        let throttled =
            |policy| [0, 1, 4, 5].map(|i| millis(policy, FailureClass::Throttling, i, None));
        assert_eq!(throttled(&NEW), [1_000, 2_000, 16_000, 20_000]);
        assert_eq!(throttled(&OLD), [1_000, 2_000, 16_000, 20_000]);
        assert_eq!(millis(&OLD, FailureClass::Transient, 0, None), 1_000);
        assert_eq!(millis(&OLD, FailureClass::Timeout, 1, None), 2_000);
    }

    #[test]
    fn powers_saturate() {
        let endless = RetryPolicy {
            max_backoff: Duration::MAX,
            ..NEW
        };
        for index in [30, 31, 32, 63, 64, 65, 100_000, u32::MAX] {
            assert_eq!(millis(&NEW, FailureClass::Transient, index, None), 20_000);
            let wait = endless.delay(FailureClass::Throttling, index, None, &mut Rng::new(1));
            assert!(wait <= Duration::from_nanos(u64::MAX));
        }
    }

    #[test]
    fn the_cap_comes_before_the_jitter() {
        let wait = NEW.delay_at(FailureClass::Transient, 20, None, 0.25);
        assert_eq!(wait, Duration::from_secs(5));
    }

    #[test]
    fn adversary_51_the_servers_wish_is_clamped_or_ignored() {
        let new = |after| millis(&NEW, FailureClass::Transient, 0, Some(after));
        let old = |after| millis(&OLD, FailureClass::Transient, 0, Some(after));
        for (after, expected_new, expected_old) in [
            ("1500", 1_500, 1_500),
            ("10000", 5_050, 10_000),
            ("0", 50, 0),
            ("20001", 5_050, 20_000),
            ("1000000000000000000", 5_050, 20_000),
            ("99999999999999999999999999", 5_050, 20_000),
        ] {
            assert_eq!(new(after), expected_new, "{after}");
            assert_eq!(old(after), expected_old, "{after}");
        }
        for ignored in [
            "-100",
            "invalid",
            "",
            " ",
            "+5",
            "1e18",
            "NaN",
            "1.5",
            "soon",
            "inf",
            "0x10",
            "٣",
            "Sun, 06 Nov 1994 08:49:37 GMT",
        ] {
            assert_eq!(new(ignored), 50, "{ignored}");
            assert_eq!(old(ignored), 1_000, "{ignored}");
        }
    }

    #[test]
    fn the_jitter_is_uniform() {
        let mut rng = Rng::new(50);
        let mut slots = [0_u32; 20];
        for _ in 0..100_000 {
            let wait = NEW.delay(FailureClass::Throttling, 0, None, &mut rng);
            slots[usize::try_from(wait.as_millis() / 50).unwrap()] += 1;
        }
        let chi: f64 = slots
            .iter()
            .map(|&n| (f64::from(n) - 5_000.0).powi(2) / 5_000.0)
            .sum();
        assert!(
            chi < 43.8,
            "chi-square {chi} at 19 degrees of freedom has p < 0.001"
        );
    }

    #[test]
    fn costs_follow_the_table() {
        use FailureClass::{
            ClockSkew, ExpiredCredentials, Permanent, Throttling, Timeout, Transient,
        };
        let units = |policy: &RetryPolicy, class| policy.cost(class).map(Cost::units);
        for (class, new, old) in [
            (Throttling, Some(5), Some(5)),
            (Transient, Some(14), Some(5)),
            (Timeout, Some(14), Some(10)),
            (ClockSkew { definite: true }, Some(0), Some(0)),
            (ExpiredCredentials, Some(0), Some(0)),
            (Permanent, None, None),
        ] {
            assert_eq!(units(&NEW, class), new, "{class:?}");
            assert_eq!(units(&OLD, class), old, "{class:?}");
        }
    }

    #[test]
    fn every_attempt_is_announced() {
        assert_eq!(NEW.sdk_request(1), "attempt=1; max=3");
        assert_eq!(NEW.sdk_request(3), "attempt=3; max=3");
    }
}
