//! The conformance kit: shows that an adapter of `sans3-core` does what every adapter has to do.
//!
//! An adapter is whatever carries out a session: sockets, TLS, timers, files. Its author writes a
//! small [`Adapter`] around it, and one test:
//!
//! ```no_run
//! use sans3_testkit::conformance::{Adapter, Job, Report, check};
//!
//! struct Mine;
//!
//! impl Adapter for Mine {
//!     fn name(&self) -> &str {
//!         "mine"
//!     }
//!
//!     fn run(&self, job: Job) -> Report {
//!         let mut report = Report::default();
//!         for work in job.work {
//!             // Carry it out, and push how it ended.
//!         }
//!         report
//!     }
//! }
//!
//! check(&Mine);
//! ```
//!
//! A server over raw sockets plays some hundred scripts, each of which shows one [`Rule`] and has
//! the log that must come of it: which requests with which fields over which connections, how each
//! attempt failed, which bytes came. So all adapters that pass behave alike, byte for byte.
//!
//! Everything happens on loopback. The whole takes less than a minute.

mod certificates;
mod job;
mod log;
mod play;
mod rule;
mod scripts;
mod socket;
mod stage;

pub use job::{Cancel, Done, End, Gate, Job, Pace, Report, Work};
pub use rule::Rule;

/// Something that carries out sessions of `sans3-core`.
///
/// It is used from several threads at once, each with a job of its own.
pub trait Adapter: Sync {
    /// What to call it in a report.
    fn name(&self) -> &str;

    /// Carries out a job from beginning to end, and returns when all is over. A runtime is its own
    /// affair: it must not be that of another job.
    fn run(&self, job: Job) -> Report;

    /// What it can do. An adapter that is meant for everything keeps the default.
    fn features(&self) -> Features {
        Features::all()
    }
}

/// What an adapter can do. Scripts that need more are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Features {
    /// `https`, and [`Job::ca_bundle`].
    pub tls: bool,
    /// [`Job::proxy`].
    pub proxies: bool,
    /// [`Job::resolve`].
    pub resolve: bool,
    /// `Expect: 100-continue` on large bodies.
    pub expect_continue: bool,
    /// Fields that its HTTP library adds to each request, and can't be told not to; in lower case.
    /// They are left out of the logs.
    pub adds: &'static [&'static str],
}

impl Features {
    /// Everything.
    pub const fn all() -> Self {
        Self {
            tls: true,
            proxies: true,
            resolve: true,
            expect_continue: true,
            adds: &[],
        }
    }
}

/// Plays all scripts to `adapter`.
///
/// # Panics
/// Where a script's log is not as it has to be: with the adapter's name and, for each script that
/// failed, its rule, what it shows, and the logs beside each other. Also where loopback can't be
/// used.
pub fn check(adapter: &dyn Adapter) {
    let failures = play::all(adapter, &|_| true);
    assert!(failures.is_empty(), "{}", play::tell(adapter, &failures));
}

/// As [`check`], for the scripts alone that show `rule`: for work on one thing at a time.
///
/// # Panics
/// As [`check`].
pub fn check_rule(adapter: &dyn Adapter, rule: Rule) {
    let failures = play::all(adapter, &|found| found == rule);
    assert!(failures.is_empty(), "{}", play::tell(adapter, &failures));
}
