use std::collections::BTreeMap;
use std::time::Duration;

use sans3_core::time::Instant;

use super::choices::{Choices, index};
use super::driver::Event;

/// What is going to happen, and when.
pub(super) struct Calendar {
    now: Instant,
    events: BTreeMap<(Instant, u64), Event>,
    added: u64,
    /// Whether events come in any order, instead of by their times.
    any_order: bool,
}

impl Calendar {
    pub(super) const fn new(any_order: bool) -> Self {
        Self {
            now: Instant::ZERO,
            events: BTreeMap::new(),
            added: 0,
            any_order,
        }
    }

    pub(super) fn set_time(&mut self, now: Instant) {
        self.now = now;
    }

    pub(super) fn add(&mut self, after: Duration, event: Event) {
        self.added += 1;
        self.events.insert((self.now + after, self.added), event);
    }

    /// The next event, and when it happens; `None` where nothing happens up to `until`. In any
    /// order, time may also pass where the session waits for nothing else (`idle`).
    pub(super) fn next(
        &mut self,
        until: Option<Instant>,
        idle: bool,
        choices: &mut Choices,
    ) -> Option<(Instant, Event)> {
        if self.any_order {
            let possible = self.events.len() as u64 + u64::from(idle);
            let at = index(choices.below(possible));
            let key = *self.events.keys().nth(at)?;
            let event = self.events.remove(&key)?;
            return Some((self.now + Duration::from_millis(1), event));
        }
        let next = self.events.first_entry()?;
        let at = next.key().0;
        until
            .is_none_or(|until| at <= until)
            .then(|| (at, next.remove()))
    }

    /// Takes out all that is left.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Event> {
        std::mem::take(&mut self.events).into_values()
    }
}
