use core::fmt;

use crate::recent::Recent;
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
    /// Why.
    pub why: Why,
}

/// What a pace is changed by, from what to what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Lever {
    /// Exchanges at once.
    Concurrency {
        /// What it was.
        from: u16,
        /// What it is now.
        to: u16,
    },
    /// The most requests a second.
    RequestRate {
        /// What it was; `None` where there was no bound.
        from: Option<RequestRate>,
        /// What it is now; `None` where there is no bound any more.
        to: Option<RequestRate>,
    },
    /// Whether nothing is sent but one probe at a time.
    Breaker {
        /// Whether that is so now.
        is_open: bool,
    },
}

/// Requests a second, to the thousandth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestRate {
    thousandths: u64,
}

impl RequestRate {
    pub(super) const fn from_thousandths(thousandths: u64) -> Self {
        Self { thousandths }
    }

    /// In thousandths of a request a second.
    pub const fn as_thousandths(self) -> u64 {
        self.thousandths
    }
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

/// The last changes.
pub(super) type Changes = Recent<PaceChange, CAPACITY>;

impl fmt::Display for PaceChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.what {
            Lever::Concurrency { from, to } => write!(f, "{from} -> {to} requests at once: ")?,
            Lever::RequestRate { from, to } => {
                let (from, to) = (Bound(from), Bound(to));
                write!(f, "{from} -> {to} requests a second: ")?;
            }
            Lever::Breaker { .. } => {}
        }
        self.why.fmt(f)
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

/// To the tenth.
impl fmt::Display for RequestRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = self.thousandths / 100;
        write!(f, "{}.{}", tenths / 10, tenths % 10)
    }
}

/// A rate, or that there is none.
struct Bound(Option<RequestRate>);

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("any number of"),
            Some(rate) => rate.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_told_in_words() {
        let change = |what, why| {
            let at = Instant::ZERO;
            PaceChange { at, what, why }.to_string()
        };
        let (from, to) = (16, 32);
        assert_eq!(
            change(Lever::Concurrency { from, to }, Why::Probe),
            "16 -> 32 requests at once: to see whether it is faster"
        );
        let (from, to) = (None, Some(RequestRate::from_thousandths(180_550)));
        assert_eq!(
            change(Lever::RequestRate { from, to }, Why::Throttled),
            "any number of -> 180.5 requests a second: the server asks for fewer"
        );
        let told = change(Lever::Breaker { is_open: true }, Why::Outage);
        assert!(told.starts_with("all requests fail"), "{told}");
    }
}
