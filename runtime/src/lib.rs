//! What every runtime of [`sans3_core`] shares, for any executor or none.
//!
//! The core decides; a runtime connects, reads, writes and waits. What runtimes would otherwise each
//! write anew is here, on the standard library's wakers alone:
//!
//! | what | for whom |
//! |---|---|
//! | [`Hub`] | a client: the transfers that it offers, as futures |
//! | [`Desk`] | a driver: owns the session, hands out [tasks](Task), takes up what came of them |
//! | [`OpenDesk`] | the same, worked by whoever brings something |
//! | [`Work`], [`Intake`] | an exchange: hashing, the request's [body](Body), the way of the answer's payload |
//! | [`net`] | connections: proxies, addresses, TLS, in which words to report what went wrong |
//! | [`buffer`], [`Pages`] | payload: pooled, page-aligned, counted |
//!
//! A runtime adds a socket, a clock, a way to run many things at once, and types in the idiom of
//! its world.

#![forbid(unsafe_code)]

mod brief;
pub mod buffer;
pub mod clock;
mod command;
mod config;
mod deliveries;
mod desk;
mod dialogue;
mod errand;
mod error;
mod hub;
mod inbox;
mod intake;
pub mod net;
mod open;
mod pages;
mod positions;
mod promise;
mod quick;
mod shared;
mod sink;
mod source;
mod stop;
mod task;
mod ticket;
#[cfg(feature = "trace")]
mod trace;

pub use config::{ClientConfig, ProvideCredentials, random_seed};
pub use deliveries::{Deliveries, InOrder};
pub use desk::{Desk, Standing};
pub use dialogue::Dialogue;
pub use errand::Exchange;
pub use error::Error;
pub use hub::{Hub, Network, Offload, Opened, Parts, PollRead};
pub use inbox::Inbox;
pub use intake::{End, Intake};
pub use open::{Hands, OpenDesk};
pub use pages::Pages;
pub use positions::{ReadAt, Seeking, WriteAt};
pub use promise::{Pending, Promise, promise};
pub use sans3_platform::{ProxyRules, Replace};
pub use shared::Stats;
pub use source::{Body, PushWriter};
pub use stop::Stop;
pub use task::{Asking, Assignment, Report, Task, Work};
pub use ticket::Ticket;
#[cfg(feature = "trace")]
pub use trace::Trace;
