use super::{CredentialState, Notices, SessionConfig};
use crate::pace::Pace;
use crate::retry::{ClockSkew, RetryBudget};
use crate::rng::Rng;
use crate::time::Instant;

/// What the transfers of a session share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: SessionConfig,
    pub(crate) budget: RetryBudget,
    pub(crate) skew: ClockSkew,
    pub(crate) rng: Rng,
    pub(crate) credentials: CredentialState,
    pub(crate) notices: Notices,
    /// Bytes of payload that may still be held, beside the buffers of exchanges.
    pub(crate) memory: MemoryAccount,
    pub(crate) pace: Pace,
    /// When a connection broke whose retry was paid for.
    pub(crate) broken_at: Option<Instant>,
}

/// How much payload may be held, and is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MemoryAccount {
    limit: u64,
    used: u64,
}

impl MemoryAccount {
    /// An account of `limit` bytes, none of which is taken.
    pub(crate) const fn new(limit: u64) -> Self {
        Self { limit, used: 0 }
    }

    /// Bytes that are taken.
    pub(crate) const fn used(&self) -> u64 {
        self.used
    }

    /// There is as much as this from now on. What was taken stays so.
    pub(crate) const fn set_limit(&mut self, limit: u64) {
        self.limit = limit;
    }

    /// Takes `bytes`, or nothing.
    pub(crate) const fn try_reserve(&mut self, bytes: u64) -> bool {
        let granted = bytes <= self.free();
        if granted {
            self.used += bytes;
        }
        granted
    }

    /// Takes up to `bytes`, and returns how many.
    pub(crate) fn reserve_up_to(&mut self, bytes: u64) -> u64 {
        let granted = bytes.min(self.free());
        self.used += granted;
        granted
    }

    /// Gives back what was taken.
    pub(crate) const fn release(&mut self, bytes: u64) {
        self.used = self.used.saturating_sub(bytes);
    }

    /// Bytes that can still be taken.
    pub(crate) const fn free(&self) -> u64 {
        self.limit.saturating_sub(self.used)
    }
}
