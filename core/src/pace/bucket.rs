use core::num::NonZeroU64;
use core::time::Duration;

use crate::time::Instant;

/// Units are counted in billionths: what one unit a second brings in a nanosecond.
const NANO: i128 = 1_000_000_000;

/// For how long a bucket that nobody takes from fills up: what timers that fire late would lose.
const SLACK: Duration = Duration::from_millis(50);

/// Lets units through at a rate, by debt: whoever comes while nothing is owed takes all that it
/// wants at once, and the next one waits until that is paid off. So no taker needs to be smaller
/// than the bucket, and the rate holds on average whatever the sizes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bucket {
    /// Units a second.
    rate: NonZeroU64,
    /// In billionths of a unit; below zero is owed.
    balance: i128,
    at: Instant,
}

impl Bucket {
    /// A bucket that nothing is owed to.
    pub(super) const fn new(rate: NonZeroU64) -> Self {
        Self {
            rate,
            balance: 0,
            at: Instant::ZERO,
        }
    }

    /// The first time at which nothing is owed, if nothing more is taken.
    pub(super) fn ready_at(&self) -> Instant {
        if self.balance >= 0 {
            return self.at;
        }
        let owed = self.balance.unsigned_abs();
        let nanos = owed.div_ceil(u128::from(self.rate.get()));
        self.at + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// Takes units, whether or not they are there.
    pub(super) fn take(&mut self, units: u64, now: Instant) {
        self.fill(now);
        self.balance = self.balance.saturating_sub(i128::from(units) * NANO);
    }

    /// Gives back units that were not used.
    pub(super) fn give_back(&mut self, units: u64) {
        let most = self.most();
        self.balance = self
            .balance
            .saturating_add(i128::from(units) * NANO)
            .min(most);
    }

    /// Lets units through at another rate from now on.
    pub(super) fn set_rate(&mut self, rate: NonZeroU64, now: Instant) {
        self.fill(now);
        self.rate = rate;
        self.balance = self.balance.min(self.most());
    }

    fn fill(&mut self, now: Instant) {
        let nanos = now.since(self.at).as_nanos();
        let nanos = i128::try_from(nanos).unwrap_or(i128::MAX);
        let more = nanos.saturating_mul(i128::from(self.rate.get()));
        self.balance = self.balance.saturating_add(more).min(self.most());
        self.at = self.at.max(now);
    }

    fn most(&self) -> i128 {
        let slack = i128::try_from(SLACK.as_nanos()).unwrap_or(i128::MAX);
        slack.saturating_mul(i128::from(self.rate.get()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    fn bucket(rate: u64) -> Bucket {
        Bucket::new(NonZeroU64::new(rate).unwrap())
    }

    fn at(millis: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(millis)
    }

    #[test]
    fn one_takes_all_and_the_next_waits_until_it_is_paid_off() {
        let mut bucket = bucket(100);
        assert_eq!(bucket.ready_at(), at(0));
        bucket.take(250, at(0));
        assert_eq!(bucket.ready_at(), at(2_500));
        bucket.take(50, at(2_000));
        assert_eq!(bucket.ready_at(), at(3_000));
    }

    #[test]
    fn the_rate_holds_whatever_the_sizes_are() {
        let mut rng = Rng::new(3);
        let (mut bucket, mut now, mut taken) = (bucket(1_000), at(0), 0);
        for _ in 0..2_000 {
            // Late by up to 20 ms, as timers are.
            now = now.max(bucket.ready_at()) + Duration::from_millis(rng.below(20));
            let units = 1 + rng.below(300);
            bucket.take(units, now);
            taken += units;
        }
        let allowed = now.as_nanos() / 1_000_000;
        assert!(
            (allowed * 99 / 100..=allowed + 350).contains(&taken),
            "{taken} of {allowed}"
        );
    }

    #[test]
    fn a_pause_saves_up_little() {
        let mut bucket = bucket(1_000);
        bucket.take(0, at(60_000));
        let mut at_once = 0;
        while bucket.ready_at() <= at(60_000) {
            bucket.take(1, at(60_000));
            at_once += 1;
        }
        assert_eq!(at_once, 51);
        bucket.give_back(1_000_000);
        assert_eq!(bucket.balance, bucket.most());
    }

    #[test]
    fn another_rate_counts_from_now() {
        let mut bucket = bucket(100);
        bucket.take(100, at(0));
        bucket.set_rate(NonZeroU64::new(10).unwrap(), at(500));
        assert_eq!(bucket.ready_at(), at(5_500));
    }

    #[test]
    fn absurd_numbers_saturate() {
        let mut bucket = bucket(u64::MAX);
        bucket.take(u64::MAX, at(0));
        bucket.take(u64::MAX, Instant::MAX);
        bucket.take(u64::MAX, at(0));
        let mut slow = self::bucket(1);
        for _ in 0..100 {
            slow.take(u64::MAX, at(0));
        }
        assert_eq!(slow.ready_at(), Instant::MAX);
        bucket.give_back(u64::MAX);
        assert!(bucket.ready_at() <= Instant::MAX);
    }
}
