use core::time::Duration;

use super::{Cost, FailureClass, RetryBudget, RetryPolicy};
use crate::rng::Rng;

/// The history of one request: how often it was sent, and what its last retry had cost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retries {
    /// Attempts that failed.
    failures: u32,
    last: Option<Cost>,
}

/// What follows from a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Send the request again after this time. It is paid for.
    After(Duration),
    /// The failure is the request's result.
    GiveUp(GiveUp),
}

/// Why a request is not sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GiveUp {
    /// It would fail the same way.
    Permanent,
    /// It has had all its attempts.
    Attempts,
    /// The session's budget is empty.
    Budget,
}

impl Retries {
    /// A request that was never sent.
    pub const fn new() -> Self {
        Self {
            failures: 0,
            last: None,
        }
    }

    /// The number, from 1, of the attempt that is under way or comes next.
    pub const fn attempt(&self) -> u32 {
        self.failures.saturating_add(1)
    }

    /// The current attempt failed: what now? `retry_after` is the answer's `x-amz-retry-after`.
    /// Without a `budget` a retry is free.
    ///
    /// For a [`ClockSkew`](FailureClass::ClockSkew) or
    /// [`ExpiredCredentials`](FailureClass::ExpiredCredentials) this is right only where a new
    /// signature would differ: ask [`ClockSkew`](super::ClockSkew) or the credentials first, and
    /// say [`Permanent`](FailureClass::Permanent) where it would not.
    pub fn failed(
        &mut self,
        class: FailureClass,
        retry_after: Option<&str>,
        policy: &RetryPolicy,
        budget: Option<&mut RetryBudget>,
        rng: &mut Rng,
    ) -> Verdict {
        let index = self.failures;
        self.failures = self.failures.saturating_add(1);
        if class == FailureClass::Permanent {
            return Verdict::GiveUp(GiveUp::Permanent);
        }
        if !policy.allows(self.failures) {
            return Verdict::GiveUp(GiveUp::Attempts);
        }
        let cost = match budget {
            Some(budget) => budget.try_spend(policy, class),
            None => Some(Cost::new(0)),
        };
        let Some(cost) = cost else {
            return Verdict::GiveUp(GiveUp::Budget);
        };
        self.last = Some(cost);
        Verdict::After(policy.delay(class, index, retry_after, rng))
    }

    /// The current attempt succeeded: the budget gets back what is due.
    pub fn succeeded(self, budget: &mut RetryBudget) {
        budget.refund(self.last);
    }
}

/// The table of the AWS SDKs' conformance tests, with the waits at their longest.
#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::S3Error;
    use crate::operation::OperationKind;
    use crate::retry::{RetryMode, classify};
    use core::num::NonZeroU32;

    /// What happened to a request: the longest wait in milliseconds and the units left after each
    /// failure that was retried, then why it ended, then the units left.
    #[derive(Debug, PartialEq)]
    struct Trace {
        retries: Vec<(u128, u32)>,
        end: Result<(), GiveUp>,
        left: u32,
    }

    fn trace(retries: &[(u128, u32)], end: Result<(), GiveUp>, left: u32) -> Trace {
        let retries = retries.to_vec();
        Trace { retries, end, left }
    }

    const POLICY: RetryPolicy = RetryPolicy::new(RetryMode::Standard2026);

    fn with_attempts(attempts: u32) -> RetryPolicy {
        RetryPolicy {
            max_attempts: NonZeroU32::new(attempts).unwrap(),
            ..POLICY
        }
    }

    fn answer(status: u16, code: Option<&str>, retry_after: Option<&str>) -> S3Error {
        S3Error {
            code: code.map(str::to_owned),
            retry_after: retry_after.map(str::to_owned),
            ..S3Error::from_status(OperationKind::GetObject, status)
        }
    }

    fn bare(status: u16) -> S3Error {
        answer(status, None, None)
    }

    /// Meets the answers in turn; a 2xx is a success.
    fn run(policy: &RetryPolicy, budget: &mut RetryBudget, answers: &[S3Error]) -> Trace {
        let (mut request, mut retries) = (Retries::new(), Vec::new());
        let mut rng = Rng::new(0);
        for (index, error) in (0..).zip(answers) {
            assert_eq!(request.attempt(), index + 1);
            if error.status == 200 {
                request.succeeded(budget);
                return trace(&retries, Ok(()), budget.available());
            }
            let (class, after) = (classify(error), error.retry_after.as_deref());
            match request.failed(class, after, policy, Some(&mut *budget), &mut rng) {
                Verdict::After(wait) => {
                    let longest = policy.delay_at(class, index, after, 1.0);
                    assert!(wait <= longest);
                    retries.push((longest.as_millis(), budget.available()));
                }
                Verdict::GiveUp(why) => return trace(&retries, Err(why), budget.available()),
            }
        }
        panic!("the answers ran out");
    }

    fn run_fresh(policy: &RetryPolicy, capacity: u32, answers: &[S3Error]) -> Trace {
        run(policy, &mut RetryBudget::new(capacity), answers)
    }

    #[test]
    fn success_after_two_retries_gets_the_last_cost_back() {
        let seen = run_fresh(&POLICY, 500, &[bare(500), bare(500), bare(200)]);
        assert_eq!(seen, trace(&[(50, 486), (100, 472)], Ok(()), 486));
    }

    #[test]
    fn three_failures_end_it_and_give_nothing_back() {
        let seen = run_fresh(&POLICY, 500, &[bare(500), bare(500), bare(500)]);
        let expected = trace(&[(50, 486), (100, 472)], Err(GiveUp::Attempts), 472);
        assert_eq!(seen, expected);
    }

    #[test]
    fn an_empty_budget_ends_it_at_once() {
        let failures = [bare(500), bare(502), bare(500)];
        let run = |capacity| run_fresh(&POLICY, capacity, &failures);
        assert_eq!(run(14), trace(&[(50, 0)], Err(GiveUp::Budget), 0));
        assert_eq!(run(0), trace(&[], Err(GiveUp::Budget), 0));
        assert_eq!(run(20), trace(&[(50, 6)], Err(GiveUp::Budget), 6));
    }

    #[test]
    fn throttling_waits_longer_and_costs_less() {
        let slow = answer(503, Some("SlowDown"), None);
        let seen = run_fresh(&POLICY, 500, &[slow.clone(), slow.clone(), bare(200)]);
        assert_eq!(seen, trace(&[(1_000, 495), (2_000, 490)], Ok(()), 495));
        let mixed = run_fresh(&POLICY, 500, &[slow, bare(503), bare(200)]);
        assert_eq!(mixed, trace(&[(1_000, 495), (100, 481)], Ok(()), 495));
    }

    #[test]
    fn the_cap_holds_for_every_wait() {
        let policy = RetryPolicy {
            max_backoff: Duration::from_millis(200),
            ..with_attempts(5)
        };
        let seen = run_fresh(
            &policy,
            500,
            &[const { S3Error::from_status(OperationKind::GetObject, 500) }; 5],
        );
        let retries = [(50, 486), (100, 472), (200, 458), (200, 444)];
        assert_eq!(seen, trace(&retries, Err(GiveUp::Attempts), 444));
    }

    #[test]
    fn the_server_may_ask_for_a_longer_wait() {
        for (after, wait) in [
            ("1500", 1_500),
            ("10000", 5_050),
            ("0", 50),
            ("-100", 50),
            ("invalid", 50),
        ] {
            let first = answer(500, None, Some(after));
            let seen = run_fresh(&POLICY, 500, &[first, bare(200)]);
            assert_eq!(seen, trace(&[(wait, 486)], Ok(()), 500), "{after}");
        }
    }

    #[test]
    fn a_first_success_adds_one_unit() {
        let mut budget = RetryBudget::new(500);
        run(&POLICY, &mut budget, &[bare(500), bare(500), bare(500)]);
        let seen = run(&POLICY, &mut budget, &[bare(200)]);
        assert_eq!(seen, trace(&[], Ok(()), 473));
    }

    #[test]
    fn the_older_numbers_are_there_for_who_asks() {
        let policy = RetryPolicy::new(RetryMode::Standard2020);
        let timeout = answer(400, Some("RequestTimeout"), None);
        let seen = run_fresh(&policy, 500, &[timeout, bare(500), bare(200)]);
        assert_eq!(seen, trace(&[(1_000, 490), (2_000, 485)], Ok(()), 490));
    }

    #[test]
    fn adversary_57_a_permanent_failure_costs_nothing() {
        for status in [403, 404, 400, 405, 501] {
            let seen = run_fresh(&POLICY, 500, &[bare(status)]);
            assert_eq!(seen, trace(&[], Err(GiveUp::Permanent), 500));
        }
    }

    /// 64 parts fail at the same time, over and over; gives the retries that they got.
    fn storm(policy: &RetryPolicy, class: FailureClass) -> u32 {
        let (mut budget, mut rng) = (RetryBudget::default(), Rng::new(49));
        let mut parts = vec![Retries::new(); 64];
        let mut retries = 0;
        while !parts.is_empty() {
            parts.retain_mut(|part| {
                let verdict = part.failed(class, None, policy, Some(&mut budget), &mut rng);
                let again = matches!(verdict, Verdict::After(_));
                retries += u32::from(again);
                again
            });
        }
        retries
    }

    #[test]
    fn adversary_49_parallel_parts_share_one_budget() {
        for attempts in [2, 3, 10, u32::MAX] {
            let policy = with_attempts(attempts);
            assert_eq!(storm(&policy, FailureClass::Transient), 35);
            assert_eq!(storm(&policy, FailureClass::Timeout), 35);
            let throttled = storm(&policy, FailureClass::Throttling);
            assert_eq!(throttled, if attempts == 2 { 64 } else { 100 });
        }
    }

    #[test]
    fn adversary_50_a_storm_spreads_out_and_recovery_refills_the_budget() {
        let (mut budget, mut rng) = (RetryBudget::default(), Rng::new(50));
        let mut slots = [0_u32; 16];
        let mut parts = vec![Retries::new(); 64];
        for part in &mut parts {
            let verdict = part.failed(
                FailureClass::Throttling,
                None,
                &POLICY,
                Some(&mut budget),
                &mut rng,
            );
            let Verdict::After(wait) = verdict else {
                panic!("64 retries at 5 units each fit 500");
            };
            slots[usize::try_from(wait.as_micros() / 62_500).unwrap()] += 1;
        }
        assert_eq!(budget.available(), 500 - 64 * 5);
        let fullest = slots.iter().max().copied().unwrap_or(64);
        assert!(
            fullest <= 12,
            "a herd of {fullest} of 64 in a sixteenth of the time"
        );
        for part in parts {
            part.succeeded(&mut budget);
        }
        assert_eq!(budget.available(), 500);
    }
}
