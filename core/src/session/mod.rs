//! The session: it owns transfers and all that they share, and tells a driver what to do next.
//!
//! A [`Session`] is made once, with a [`SessionConfig`] and a seed; transfers are
//! [inserted](Session::insert) at any time. A *driver* is whoever carries out what it says:
//!
//! 1. [`poll`](Machine::poll) gives one [`Step`]. Carry it out, and poll again, until the step is
//!    [`Step::Wait`] or [`Step::Done`].
//! 2. While exchanges run, tell the session what happens, each time by one
//!    [`input`](Machine::input): an exchange has [ended](Input::Outcome) or
//!    [lives](Input::Progress), the consumer has [taken](Input::Released) bytes, the source has
//!    [more](Input::Supplied).
//! 3. After inputs, and when the time of [`Step::Wait`] has come, poll again.
//! 4. After [`Step::Ended`], [`Session::take`] has the transfer's result.
//!
//! There is no order to keep beyond that. Inputs may come late, twice or never: what is of no
//! consequence any more is [`Accepted::Stale`], which is no error. An exchange that is silent for
//! longer than all its [deadlines](crate::attempt::Deadlines) together and 30 seconds more is
//! [aborted](Step::Abort); it keeps its slot and its memory until its outcome is back, so an
//! adapter must be able to end every exchange, and must report it.
//!
//! What is bounded, and by which number of the configuration:
//!
//! | what | bound |
//! |---|---|
//! | exchanges at once | [`SessionConfig::slots`]: the concurrency, or less where memory is short |
//! | bytes and requests a second | [`SessionConfig::max_bandwidth`], [`SessionConfig::max_requests`] |
//! | payload in memory | [`SessionConfig::memory`] |
//! | attempts at one call, range or part | [`RetryPolicy::max_attempts`], [`SessionConfig::part_attempts`] |
//! | retries of all transfers together | [`SessionConfig::retry_budget`] |
//! | waiting | [`Timeouts`] and [`RetryPolicy::max_backoff`] |
//!
//! [`RetryPolicy::max_attempts`]: crate::retry::RetryPolicy::max_attempts
//! [`RetryPolicy::max_backoff`]: crate::retry::RetryPolicy::max_backoff

mod config;
mod credentials;
mod flight;
mod handle;
mod machine;
mod notice;
mod pacing;
mod pause;
mod shared;
mod step;

pub use config::{ChecksumPlacement, SessionConfig, Timeouts};
pub use credentials::CredentialSource;
pub(crate) use credentials::CredentialState;
pub use handle::Handle;
pub use machine::Session;
pub(crate) use notice::Notices;
pub use notice::{Notice, Reaction};
pub(crate) use shared::{MemoryAccount, Shared};
pub use step::{Accepted, Blocked, Input, Machine, Step};
