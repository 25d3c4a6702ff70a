use core::fmt;
use std::collections::VecDeque;

use crate::time::Instant;

/// How many changes are kept for a driver that does not fetch them.
const CAPACITY: usize = 256;

/// A change of pace, and its reason: for logs and for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PaceChange {
    /// When.
    pub at: Instant,
    /// What was changed.
    pub what: Lever,
    /// What it was; `None` where there was no bound.
    pub from: Option<u64>,
    /// What it is now; `None` where there is no bound any more.
    pub to: Option<u64>,
    /// Why.
    pub why: Why,
}

/// What a pace is changed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Lever {
    /// Exchanges at once.
    Concurrency,
    /// Requests a second, in thousandths.
    RequestRate,
    /// Requests at all: none, but for one probe at a time.
    Breaker,
}

/// Why a pace is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Why {
    /// To see whether more exchanges bring more bytes.
    Probe,
    /// To see whether fewer exchanges bring as many bytes, since each takes longer than it did.
    Slower,
    /// The last change did not bring what it was to bring.
    NoGain,
    /// There was too little to do to tell what the last change brings.
    NoDemand,
    /// The server asked for fewer requests.
    Throttled,
    /// The server has not asked for fewer requests since.
    Recovered,
    /// All requests fail.
    Outage,
    /// A probe succeeded.
    Answered,
    /// No probe succeeded.
    GivenUp,
}

/// The last changes, oldest first. Old ones make way for new ones.
#[derive(Debug, Default)]
pub(super) struct Changes(VecDeque<PaceChange>);

impl Changes {
    pub(super) fn push(&mut self, change: PaceChange) {
        if self.0.len() >= CAPACITY {
            self.0.pop_front();
        }
        self.0.push_back(change);
    }

    pub(super) fn take(&mut self) -> Vec<PaceChange> {
        self.0.drain(..).collect()
    }
}

impl fmt::Display for PaceChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, thousandths) = match self.what {
            Lever::Concurrency => ("requests at once", false),
            Lever::RequestRate => ("requests a second", true),
            Lever::Breaker => return self.why.fmt(f),
        };
        let bound = |bound| Bound { bound, thousandths };
        let (from, to) = (bound(self.from), bound(self.to));
        write!(f, "{from} -> {to} {unit}: {}", self.why)
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Probe => "to see whether it is faster",
            Self::Slower => "to see whether it is as fast, since each request takes longer",
            Self::NoGain => "it was no faster",
            Self::NoDemand => "there was too little to do to tell",
            Self::Throttled => "the server asks for fewer",
            Self::Recovered => "the server has not asked for fewer since",
            Self::Outage => {
                "all requests fail: only one at a time is sent to see whether that lasts"
            }
            Self::Answered => "the server answers again: requests are sent as before",
            Self::GivenUp => "the server did not answer any of the requests that were to show it",
        })
    }
}

/// A number, or that there is none.
struct Bound {
    bound: Option<u64>,
    thousandths: bool,
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.bound {
            None => f.write_str("any number of"),
            Some(number) if self.thousandths => {
                write!(f, "{}.{}", number / 1_000, number % 1_000 / 100)
            }
            Some(number) => number.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_told_in_words() {
        let change = |what, from, to, why| {
            let at = Instant::ZERO;
            PaceChange {
                at,
                what,
                from,
                to,
                why,
            }
            .to_string()
        };
        assert_eq!(
            change(Lever::Concurrency, Some(16), Some(32), Why::Probe),
            "16 -> 32 requests at once: to see whether it is faster"
        );
        assert_eq!(
            change(Lever::RequestRate, None, Some(180_550), Why::Throttled),
            "any number of -> 180.5 requests a second: the server asks for fewer"
        );
        let told = change(Lever::Breaker, None, Some(0), Why::Outage);
        assert!(told.starts_with("all requests fail"), "{told}");
    }

    #[test]
    fn only_the_last_ones_are_kept() {
        let mut changes = Changes::default();
        for number in 0..300 {
            changes.push(PaceChange {
                at: Instant::ZERO,
                what: Lever::Concurrency,
                from: None,
                to: Some(number),
                why: Why::Probe,
            });
        }
        let kept = changes.take();
        assert_eq!((kept.len(), kept[0].to), (256, Some(44)));
        assert!(changes.take().is_empty());
    }
}
