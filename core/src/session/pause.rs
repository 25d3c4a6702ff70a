use super::Blocked;
use crate::time::Instant;

/// Why nothing can be done now, over all transfers: the earliest time, and the first reason.
#[derive(Default)]
pub(super) struct Pause {
    pub(super) until: Option<Instant>,
    pub(super) why: Option<Blocked>,
}

impl Pause {
    pub(super) fn add(&mut self, until: Option<Instant>, why: Blocked) {
        if let Some(until) = until {
            self.until = Some(self.until.map_or(until, |sooner| sooner.min(until)));
        }
        self.why.get_or_insert(why);
    }
}
