//! The order in which a host's addresses are tried, and the race between them (RFC 8305, "Happy
//! Eyeballs").
//!
//! A host of two families may have one that leads nowhere, and an address that is dead is often
//! silent rather than refused. So the families take turns, and an address that has not answered
//! within [`HEAD_START`] is joined by the next one. A [`Race`] says when; sockets and clocks are
//! its caller's.

use core::fmt;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

/// How long an address may try alone before the next one joins in (RFC 8305, section 5,
/// "Connection Attempt Delay").
pub const HEAD_START: Duration = Duration::from_millis(250);

/// The order to try `addresses` in, each of them once: the families take turns, the resolver's
/// first one begins, and within a family the resolver's order stays (RFC 8305, section 4, with a
/// "First Address Family Count" of 1). An ordered list stays as it is.
pub fn in_order(addresses: impl IntoIterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let mut distinct: Vec<SocketAddr> = Vec::new();
    for address in addresses {
        if !distinct.contains(&address) {
            distinct.push(address);
        }
    }
    let Some(first) = distinct.first() else {
        return distinct;
    };
    let begins_with_v6 = first.is_ipv6();
    let (mut turn, mut other): (VecDeque<_>, VecDeque<_>) = distinct
        .into_iter()
        .partition(|address| address.is_ipv6() == begins_with_v6);
    let mut ordered = Vec::with_capacity(turn.len() + other.len());
    while let Some(address) = turn.pop_front() {
        ordered.push(address);
        if !other.is_empty() {
            std::mem::swap(&mut turn, &mut other);
        }
    }
    ordered
}

/// The race of a host's addresses for the first connection.
///
/// An address starts as soon as each one before it has failed or has had its head start. The first
/// that connects wins, and its caller drops the race; where all fail, [`Race::lost`] names them
/// all. Time is counted from any moment that the caller picks, the race's beginning for example.
///
/// ```
/// use std::time::Duration;
///
/// use sans3_platform::address::{HEAD_START, Race};
///
/// let mut race = Race::new(["[::1]:80".parse().unwrap(), "127.0.0.1:80".parse().unwrap()]);
/// let first = race.start(Duration::ZERO).unwrap();
/// assert_eq!(race.start(Duration::ZERO), None);
/// assert_eq!(race.next_start(), Some(HEAD_START));
/// race.on_failure(first, "refused");
/// let second = race.start(Duration::ZERO).unwrap();
/// race.on_failure(second, "refused");
/// assert!(race.lost("example.com").is_some());
/// ```
#[derive(Clone, Debug)]
pub struct Race {
    waiting: VecDeque<SocketAddr>,
    racing: Vec<SocketAddr>,
    /// The address that started last, until it fails, and the end of its head start. Those that
    /// started before it have had theirs.
    ahead: Option<(SocketAddr, Duration)>,
    failures: Vec<(SocketAddr, String)>,
}

impl Race {
    /// A race of `addresses`, in the order of [`in_order`].
    pub fn new(addresses: impl IntoIterator<Item = SocketAddr>) -> Self {
        Self {
            waiting: in_order(addresses).into(),
            racing: Vec::new(),
            ahead: None,
            failures: Vec::new(),
        }
    }

    /// The address to start at `now`, if one may start; it then counts as started.
    pub fn start(&mut self, now: Duration) -> Option<SocketAddr> {
        if self.next_start()? > now {
            return None;
        }
        let address = self.waiting.pop_front()?;
        self.racing.push(address);
        self.ahead = Some((address, now.saturating_add(HEAD_START)));
        Some(address)
    }

    /// When to call [`Race::start`] next, unless a failure comes before; zero where an address may
    /// start at once, `None` where none waits for its start.
    pub fn next_start(&self) -> Option<Duration> {
        self.waiting.front()?;
        Some(self.ahead.map_or(Duration::ZERO, |(_, until)| until))
    }

    /// An address that was started has failed. One that is not racing is not counted.
    pub fn on_failure(&mut self, address: SocketAddr, error: impl fmt::Display) {
        let Some(index) = self.racing.iter().position(|racing| *racing == address) else {
            return;
        };
        self.racing.swap_remove(index);
        self.failures.push((address, error.to_string()));
        if self.ahead.is_some_and(|(ahead, _)| ahead == address) {
            self.ahead = None;
        }
    }

    /// Why there is no connection to `target`, once each address has failed: all of them, in the
    /// order of their failures. `None` while one is racing or waits.
    pub fn lost(&self, target: impl fmt::Display) -> Option<String> {
        if !self.waiting.is_empty() || !self.racing.is_empty() {
            return None;
        }
        if self.failures.is_empty() {
            return Some(format!("{target} has no address"));
        }
        let named = self.failures.iter();
        let named: Vec<String> = named
            .map(|(address, error)| format!("{address}: {error}"))
            .collect();
        Some(named.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A6: &str = "[2001:db8::1]:443";
    const B6: &str = "[2001:db8::2]:443";
    const C6: &str = "[2001:db8::3]:443";
    const A4: &str = "192.0.2.1:443";
    const B4: &str = "192.0.2.2:443";

    fn parsed(addresses: &[&str]) -> Vec<SocketAddr> {
        addresses.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn race(addresses: &[&str]) -> Race {
        Race::new(parsed(addresses))
    }

    #[track_caller]
    fn assert_order(given: &[&str], expected: &[&str]) {
        let ordered = in_order(parsed(given));
        assert_eq!(ordered, parsed(expected));
        assert_eq!(in_order(ordered.clone()), ordered);
    }

    #[test]
    fn families_take_turns_and_the_resolvers_first_one_begins() {
        assert_order(&[A6, B6, C6, A4, B4], &[A6, A4, B6, B4, C6]);
        assert_order(&[A4, B4, A6, B6, C6], &[A4, A6, B4, B6, C6]);
        assert_order(&[A4, A6, B6, C6], &[A4, A6, B6, C6]);
        assert_order(&[B4, A4], &[B4, A4]);
        assert_order(&[], &[]);
    }

    #[test]
    fn an_address_that_comes_twice_is_tried_once() {
        assert_order(&[A4, A4, A6, A4, A6], &[A4, A6]);
    }

    #[test]
    fn a_silent_address_is_joined_by_the_next_after_its_head_start() {
        let mut race = race(&[A6, A4, B6]);
        let [a6, a4, b6] = parsed(&[A6, A4, B6])[..] else {
            panic!()
        };
        assert_eq!(race.next_start(), Some(ms(0)));
        assert_eq!(race.start(ms(10)), Some(a6));
        assert_eq!(race.start(ms(259)), None);
        assert_eq!(race.next_start(), Some(ms(260)));
        assert_eq!(race.start(ms(270)), Some(a4));
        assert_eq!(race.next_start(), Some(ms(520)));
        assert_eq!(race.start(ms(520)), Some(b6));
        assert_eq!(race.next_start(), None);
        assert_eq!(race.start(ms(9999)), None);
    }

    #[test]
    fn a_failure_lets_the_next_one_start_at_once() {
        let mut race = race(&[A6, A4]);
        let a6 = race.start(ms(0)).unwrap();
        race.on_failure(a6, "refused");
        assert_eq!(race.next_start(), Some(ms(0)));
        assert_eq!(race.start(ms(3)), Some(A4.parse().unwrap()));
    }

    #[test]
    fn the_failure_of_an_earlier_one_does_not_cut_a_head_start_short() {
        let mut race = race(&[A6, A4, B6]);
        let a6 = race.start(ms(0)).unwrap();
        let a4 = race.start(ms(250)).unwrap();
        race.on_failure(a6, "refused");
        assert_eq!(race.start(ms(260)), None);
        assert_eq!(race.next_start(), Some(ms(500)));
        race.on_failure(a4, "refused");
        assert!(race.start(ms(260)).is_some());
    }

    #[test]
    fn a_lost_race_names_every_failure() {
        let mut race = race(&[A6, A4]);
        assert_eq!(race.lost("x"), None);
        let a6 = race.start(ms(0)).unwrap();
        race.on_failure(a6, "refused");
        assert_eq!(race.lost("x"), None, "another one waits");
        let a4 = race.start(ms(0)).unwrap();
        assert_eq!(race.lost("x"), None, "another one is racing");
        race.on_failure(a4, "unreachable");
        let text = format!("{A6}: refused; {A4}: unreachable");
        assert_eq!(race.lost("x"), Some(text));
        let nowhere = Race::new([]).lost("x port 80");
        assert_eq!(nowhere.as_deref(), Some("x port 80 has no address"));
    }

    #[test]
    fn a_failure_counts_once_and_only_of_an_address_that_races() {
        let mut race = race(&[A6, A4]);
        race.on_failure(A4.parse().unwrap(), "not started");
        let a6 = race.start(ms(0)).unwrap();
        race.on_failure(a6, "refused");
        race.on_failure(a6, "again");
        let a4 = race.start(ms(0)).unwrap();
        race.on_failure(a4, "refused");
        assert_eq!(
            race.lost("x"),
            Some(format!("{A6}: refused; {A4}: refused"))
        );
    }
}
