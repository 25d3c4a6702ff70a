use std::fmt;

/// What holds in every run, whatever the world does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Invariant {
    /// A success means the exact bytes of one version of the object.
    ExactBytes,
    /// Bytes reach an in-order consumer once and in order.
    Once,
    /// Ranges under way don't overlap, lie within the object, and cover it at a success.
    Tiles,
    /// Nothing is asked for beyond the window of an in-order download.
    Window,
    /// There are never more exchanges than slots.
    Concurrency,
    /// No request is sent more often than the policy allows.
    Attempts,
    /// Retries are paid for from one budget.
    Budget,
    /// What is held in memory stays within the bound, and all of it is given back.
    Memory,
    /// Every upload is completed, aborted or reported.
    Uploads,
    /// A wait ends in the future, and polling at its end changes something.
    NoSpin,
    /// A transfer that has ended sends nothing any more.
    AfterEnd,
    /// Progress never falls, and never passes the total.
    Progress,
    /// Each outcome counts once.
    Stale,
    /// An error blames nobody wrongly: never the core itself, and where the world was kind there
    /// is none.
    Blame,
    /// The same choices lead to the same requests.
    SameLog,
    /// Once faults stop, all is over within a bounded time.
    Ends,
    /// The core does not panic.
    NoPanic,
}

impl Invariant {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::ExactBytes,
        Self::Once,
        Self::Tiles,
        Self::Window,
        Self::Concurrency,
        Self::Attempts,
        Self::Budget,
        Self::Memory,
        Self::Uploads,
        Self::NoSpin,
        Self::AfterEnd,
        Self::Progress,
        Self::Stale,
        Self::Blame,
        Self::SameLog,
        Self::Ends,
        Self::NoPanic,
    ];

    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ExactBytes => "exact-bytes",
            Self::Once => "once",
            Self::Tiles => "tiles",
            Self::Window => "window",
            Self::Concurrency => "concurrency",
            Self::Attempts => "attempts",
            Self::Budget => "budget",
            Self::Memory => "memory",
            Self::Uploads => "uploads",
            Self::NoSpin => "no-spin",
            Self::AfterEnd => "after-end",
            Self::Progress => "progress",
            Self::Stale => "stale",
            Self::Blame => "blame",
            Self::SameLog => "same-log",
            Self::Ends => "ends",
            Self::NoPanic => "no-panic",
        }
    }

    /// Ends the run unless it holds.
    #[track_caller]
    pub(super) fn holds(self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            self.is_broken(&otherwise());
        }
    }

    /// Ends the run.
    #[track_caller]
    pub(super) fn is_broken(self, how: &str) -> ! {
        panic!("[{self}] {how}")
    }

    /// Which one the text of a panic is about, and what it says.
    pub(super) fn of(panic: &str) -> (Self, String) {
        let told = panic
            .strip_prefix('[')
            .and_then(|rest| rest.split_once("] "));
        let named = told.and_then(|(name, how)| {
            let invariant = Self::ALL.into_iter().find(|one| one.name() == name)?;
            Some((invariant, how.to_owned()))
        });
        named.unwrap_or_else(|| (Self::NoPanic, panic.to_owned()))
    }
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_tells_its_invariant() {
        for invariant in Invariant::ALL {
            let text = std::panic::catch_unwind(|| invariant.holds(false, || "seen: 1".into()));
            let text = *text.unwrap_err().downcast::<String>().unwrap();
            assert_eq!(Invariant::of(&text), (invariant, "seen: 1".to_owned()));
        }
        let other = Invariant::of("index out of bounds");
        assert_eq!(
            other,
            (Invariant::NoPanic, "index out of bounds".to_owned())
        );
    }
}
