//! Tools for testing S3 clients.
//!
//! - [`model`]: S3 as a pure state machine, without clock, socket or randomness.
//! - [`faults`]: what can go wrong with an answer, and schedules of it.
//! - [`server`]: the model behind a small HTTP/1.1 server on loopback, with faults down to the
//!   byte.
//! - [`script`]: a server that plays a list of raw bytes, for tests that break HTTP itself.
//! - `s3s` (feature `s3s`): a server of other people's making, as a second judge.
//!
//! Nothing of these uses the code of the client under test: signatures, checksums and framing are
//! written anew, so that a mistake has to be made twice to go unseen. What drives the client does:
//!
//! - [`drive`]: runs sessions of `sans3-core` against answers of any kind, in virtual time.
//! - [`simulate`]: random transfers under random faults, from a seed, with every promise checked.
//! - [`schedule`]: what transfers cost: requests, time and memory over networks of all kinds.
//! - [`fixture`]: a small scene for the tests of adapters and clients.
//! - `fuzz` (feature `fuzz`): what must hold whatever bytes come, for the targets of cargo-fuzz.
//! - [`trace`]: replays what a session did, for reports of bugs.
//! - `conformance` (feature `conformance`): what an adapter's author calls from one test to know
//!   that the adapter is right.

#[cfg(feature = "conformance")]
pub mod conformance;
pub mod drive;
pub mod faults;
pub mod fixture;
#[cfg(feature = "fuzz")]
pub mod fuzz;
pub mod model;
#[cfg(feature = "s3s")]
pub mod s3s;
pub mod schedule;
pub mod script;
pub mod server;
pub mod simulate;
pub mod trace;
