//! Random transfers under random faults, in virtual time: proof by many schedules.
//!
//! A run has a server (the [model](crate::model)), a session and some transfers, with S3's limits
//! scaled to bytes. What goes wrong, and when, is decided by [`Choices`]: a seed's, a fuzzer's, or
//! those of a list, so that the same ones make the same run. Every [`Invariant`] is checked after
//! every event where that is possible, and else at the end of the run.
//!
//! | layer | what goes wrong there |
//! |---|---|
//! | HTTP | refusals, errors within 200, wrong, missing and strange fields, other ranges, lost answers before and after the effect, effects long after the client gave up |
//! | bytes | split, cut, appended to, flipped on either way, stalled |
//! | process | outcomes that are lost, late, told twice and out of order; exchanges that never end; cancellation at any event; other concurrency |
//! | credentials | expiry, late and missing providers |
//! | clock | skew and jumps |
//! | storage | slow consumers, full disks, sources that change |
//! | others | objects that are replaced, quirks of real servers |
//!
//! ```
//! use sans3_testkit::simulate::{Choices, Scope, run};
//!
//! let summary = run(Scope::All, &mut Choices::seeded(17)).unwrap();
//! assert_eq!(run(Scope::All, &mut Choices::seeded(17)).unwrap().log, summary.log);
//! ```

mod calendar;
mod choices;
mod driver;
mod enumerate;
mod flight;
mod invariant;
mod job;
mod log;
mod reference;
mod scenario;
mod shrink;
mod story;
mod verdict;
mod watch;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

pub use choices::{Choice, Choices};
pub use enumerate::{Enumerated, enumerate};
pub use invariant::Invariant;
pub use scenario::{Scope, Subject};
pub use shrink::shrink;

use driver::Simulation;
use log::Log;
use scenario::Scenario;
use story::Story;

/// What came of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Transfers that succeeded.
    pub succeeded: u32,
    /// Transfers that failed.
    pub failed: u32,
    /// Attempts of all of them.
    pub attempts: u32,
    /// Bytes of the objects that were to be moved.
    pub payload: u64,
    /// A hash of all requests and of the times at which they were sent.
    pub log: u64,
}

/// A run that broke an invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Which one.
    pub invariant: Invariant,
    /// How.
    pub how: String,
}

/// Carries out a run.
///
/// # Errors
/// Which invariant broke.
pub fn run(scope: Scope, choices: &mut Choices) -> Result<Summary, Broken> {
    play(scope, choices, &mut Story::default())
}

/// Carries out a run twice.
///
/// # Errors
/// Which invariant broke: [`Invariant::SameLog`] where the two differ.
pub fn run_twice(scope: Scope, choices: impl Fn() -> Choices) -> Result<Summary, Broken> {
    let first = run(scope, &mut choices());
    let second = run(scope, &mut choices());
    if first == second {
        return first;
    }
    Err(Broken {
        invariant: Invariant::SameLog,
        how: format!("{first:?}, then {second:?}"),
    })
}

/// Carries out a run, and tells what happened in it.
pub fn tell(scope: Scope, choices: &mut Choices) -> (Result<Summary, Broken>, Vec<String>) {
    let mut story = Story::told();
    let result = play(scope, choices, &mut story);
    (result, story.into_lines())
}

/// Carries out the run that a fuzzer's bytes make, twice.
///
/// # Panics
/// Where an invariant is broken.
pub fn fuzz(bytes: &[u8]) {
    let result = run_twice(Scope::All, || Choices::from_bytes(bytes));
    if let Err(broken) = result {
        broken.invariant.is_broken(&broken.how);
    }
}

fn play(scope: Scope, choices: &mut Choices, story: &mut Story) -> Result<Summary, Broken> {
    let run = || {
        let scenario = Scenario::draw(scope, choices);
        Simulation::new(scenario, choices, story).run()
    };
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        let (invariant, how) = Invariant::of(text.unwrap_or("a panic without words"));
        Broken { invariant, how }
    })
}
