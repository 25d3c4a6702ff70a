use std::collections::BTreeMap;

use super::Next;

/// The attempts of one transfer that are under way, and what each is for.
#[derive(Debug)]
pub(super) struct Flights<T>(BTreeMap<u64, Flight<T>>);

#[derive(Debug)]
struct Flight<T> {
    task: T,
    aborted: bool,
}

impl<T> Flights<T> {
    pub(super) const fn new() -> Self {
        Self(BTreeMap::new())
    }

    pub(super) fn insert(&mut self, serial: u64, task: T) {
        self.0.insert(
            serial,
            Flight {
                task,
                aborted: false,
            },
        );
    }

    pub(super) fn remove(&mut self, serial: u64) -> Option<T> {
        self.0.remove(&serial).map(|flight| flight.task)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn tasks(&self) -> impl Iterator<Item = &T> {
        self.0.values().map(|flight| &flight.task)
    }

    /// Ends all attempts whose task `ends`, one step at a time, and waits for the outcomes of all;
    /// `None` when none is under way.
    pub(super) fn wind_down(&mut self, ends: impl Fn(&T) -> bool) -> Option<Next> {
        let next = self
            .0
            .iter_mut()
            .find(|(_, flight)| !flight.aborted && ends(&flight.task));
        if let Some((serial, flight)) = next {
            flight.aborted = true;
            return Some(Next::Abort(*serial));
        }
        (!self.0.is_empty()).then(Next::in_flight)
    }
}
