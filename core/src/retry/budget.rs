use super::{FailureClass, RetryPolicy};

/// What a retry takes from the budget, in units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cost(u32);

impl Cost {
    pub(super) const fn new(units: u32) -> Self {
        Self(units)
    }

    /// The units.
    pub const fn units(self) -> u32 {
        self.0
    }
}

/// The units that all requests of a session pay their retries from, hedges included.
///
/// It makes an outage end in an error soon, however many requests run: with 500 units and the
/// numbers of 2026, 64 parallel parts get 35 retries between them, not 128. Successes fill it
/// slowly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryBudget {
    capacity: u32,
    available: u32,
}

impl Default for RetryBudget {
    /// A full budget of 500 units, as the AWS SDKs have it.
    fn default() -> Self {
        Self::new(500)
    }
}

impl RetryBudget {
    /// A full budget of `capacity` units.
    pub const fn new(capacity: u32) -> Self {
        Self {
            capacity,
            available: capacity,
        }
    }

    /// Pays for a retry after a failure of this class. `None`, and nothing is taken, where the
    /// units don't suffice or the class forbids a retry: the failure is then final.
    pub fn try_spend(&mut self, policy: &RetryPolicy, class: FailureClass) -> Option<Cost> {
        let cost = policy.cost(class)?;
        self.available = self.available.checked_sub(cost.0)?;
        Some(cost)
    }

    /// Gives back after a success: what its last retry had cost, but not the retries before that
    /// one; 1 unit for a success (`None`) at the first attempt. Never above the capacity. A request
    /// that failed gives back nothing.
    pub fn refund(&mut self, last: Option<Cost>) {
        let units = last.map_or(1, Cost::units);
        self.available = self.available.saturating_add(units).min(self.capacity);
    }

    /// The units that are left.
    pub const fn available(&self) -> u32 {
        self.available
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refunds_never_pass_the_capacity() {
        let mut budget = RetryBudget::new(20);
        budget.refund(None);
        assert_eq!(budget.available(), 20);
        let cost = budget.try_spend(&RetryPolicy::default(), FailureClass::Throttling);
        assert_eq!(budget.available(), 15);
        budget.refund(None);
        budget.refund(cost);
        assert_eq!(budget.available(), 20);
    }

    #[test]
    fn what_can_not_be_paid_takes_nothing() {
        let mut budget = RetryBudget::new(13);
        let policy = RetryPolicy::default();
        assert_eq!(budget.try_spend(&policy, FailureClass::Transient), None);
        assert_eq!(budget.try_spend(&policy, FailureClass::Permanent), None);
        assert_eq!(budget.available(), 13);
        assert!(
            budget
                .try_spend(&policy, FailureClass::Throttling)
                .is_some()
        );
        let free = budget.try_spend(&policy, FailureClass::ExpiredCredentials);
        assert_eq!(free.map(Cost::units), Some(0));
        assert_eq!(budget.available(), 8);
    }
}
