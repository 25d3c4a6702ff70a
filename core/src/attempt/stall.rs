use core::time::Duration;

/// When a body that is being received counts as stalled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StallPolicy {
    /// The longest wait for one more byte.
    pub(crate) idle: Duration,
    /// The time within which `least` bytes must come.
    pub(crate) window: Duration,
    /// Bytes that must come within `window`.
    pub(crate) least: u64,
}

/// Adds up the time that an exchange waits for its peer. The time that the consumer takes does not
/// count, because nobody reports it here.
#[derive(Clone, Debug)]
pub(crate) struct StallClock {
    policy: StallPolicy,
    waited: Duration,
    bytes: u64,
}

impl StallClock {
    pub(crate) const fn new(policy: StallPolicy) -> Self {
        Self {
            policy,
            waited: Duration::ZERO,
            bytes: 0,
        }
    }

    /// How long the next read may take.
    pub(crate) fn patience(&self) -> Duration {
        self.policy
            .idle
            .min(self.policy.window.saturating_sub(self.waited))
    }

    /// A read took `waited` and brought `bytes`.
    pub(crate) fn on_read(&mut self, waited: Duration, bytes: usize) {
        self.waited = self.waited.saturating_add(waited);
        self.bytes = self.bytes.saturating_add(bytes as u64);
        if self.bytes >= self.policy.least {
            self.waited = Duration::ZERO;
            self.bytes = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: StallPolicy = StallPolicy {
        idle: Duration::from_secs(20),
        window: Duration::from_secs(30),
        least: 1024,
    };

    #[test]
    fn adversary_23_a_drip_runs_out_of_patience() {
        let mut clock = StallClock::new(POLICY);
        for _ in 0..3 {
            assert!(clock.patience() >= Duration::from_secs(10));
            clock.on_read(Duration::from_secs(10), 1);
        }
        assert_eq!(clock.patience(), Duration::ZERO);
    }

    #[test]
    fn a_slow_but_healthy_body_goes_on_for_ever() {
        let mut clock = StallClock::new(POLICY);
        for _ in 0..1000 {
            clock.on_read(Duration::from_secs(15), 1024);
            assert_eq!(clock.patience(), Duration::from_secs(20));
        }
    }
}
