//! Whether, when and how often a failed request is sent again.
//!
//! The numbers are those of the AWS SDKs ("Retry behavior" in the AWS SDKs and Tools reference
//! guide): the ones of 2026 by default, the older standard mode on request. Three things bound
//! retries, each for itself: the attempts of one request ([`RetryPolicy::max_attempts`]), the
//! budget that all requests of a session share ([`RetryBudget`]), and the waits between attempts.
//!
//! [`Retries`] applies all of it to one request.

mod budget;
mod class;
mod clock_skew;
mod policy;
mod retries;

pub use budget::{Cost, RetryBudget};
pub use class::{FailureClass, classify, classify_transport};
pub use clock_skew::ClockSkew;
pub use policy::{RetryMode, RetryPolicy};
pub use retries::{GiveUp, Retries, Verdict};
