//! The session: it owns transfers and all that they share, and tells a driver what to do next.

mod config;
mod credentials;
mod machine;
mod notice;
mod step;

pub use config::{SessionConfig, Timeouts};
pub use credentials::CredentialSource;
pub(crate) use credentials::CredentialState;
pub(crate) use machine::Shared;
pub use machine::{Handle, Session};
pub(crate) use notice::Notices;
pub use notice::{Notice, Reaction};
pub use step::{Accepted, Blocked, Input, Machine, Step};
