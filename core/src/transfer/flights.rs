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

    pub(super) fn get_mut(&mut self, serial: u64) -> Option<&mut T> {
        self.0.get_mut(&serial).map(|flight| &mut flight.task)
    }

    /// All of them by their serial numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &T)> {
        self.0
            .iter()
            .map(|(serial, flight)| (*serial, &flight.task))
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
        if let Some(serial) = self.end_one(ends) {
            return Some(Next::Abort(serial));
        }
        (!self.0.is_empty()).then(Next::in_flight)
    }

    /// The next attempt to be ended whose task `ends`; each is named once.
    pub(super) fn end_one(&mut self, ends: impl Fn(&T) -> bool) -> Option<u64> {
        let (serial, flight) = self
            .0
            .iter_mut()
            .find(|(_, flight)| !flight.aborted && ends(&flight.task))?;
        flight.aborted = true;
        Some(*serial)
    }
}
