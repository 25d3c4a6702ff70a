//! What a session did, told so that it can be done again: how a user reports a bug.
//!
//! A session made by [`Session::recorded`](crate::session::Session::recorded) hands out a
//! [`Record`] of everything that it was told and of everything that it asked for. Since nothing
//! else decides what a session does, the same records lead another session of the same version
//! through the same steps and requests: [`Head::session`] makes it, [`Record::replay`] tells it the
//! next thing, and what it records itself must be equal to what was read.
//!
//! A record is a value for [`serde`]. By convention it is one line of JSON, written by whoever
//! embeds the core, and a file of them is a trace:
//!
//! | record | what it holds |
//! |---|---|
//! | `{"sans3-trace": {"version", "core", "seed", "config"}}` | first: [`VERSION`], the version of this crate, and what the session was made with |
//! | `{"insert": [now, id, spec]}` | a transfer was added |
//! | `{"poll": [now, step]}` | the session was asked what to do; `"same"` is the wait of the poll before |
//! | `{"input": [now, input]}` | the session was told something, and counted it |
//! | `{"stale": [now, input]}` | the same, but it came too late |
//! | `{"take": [id, error]}` | a result was taken; `null` is a success |
//! | `"end"` | the recording was brought to its end |
//!
//! `now` is in nanoseconds of the embedder's clock, wall time in seconds since 1970. A transfer is
//! a number, an attempt `[transfer, serial]`, a range of bytes `[start, end]` without its end, a
//! checksum `"CRC32 y/Q5Jg=="`. Keys and prefixes are percent-encoded, as in a URL. An outcome
//! stands beside the request that it is the end of: its first line, and its header fields.
//!
//! # What is not in it
//!
//! Credentials, signatures and session tokens, and not a byte of payload; of credentials a trace
//! says only that there were some. What *is* in it: endpoint, names of buckets and keys, sizes,
//! times, entity tags, checksums, upload ids, metadata and content types, and the texts of errors,
//! those that the server wrote included.

mod config;
mod recorder;
mod replay;
mod request;
mod spec;
mod values;

use serde::{Deserialize, Serialize};

pub use config::{Config, Signing};
pub(crate) use recorder::Recorder;
pub use replay::ReplayError;
pub use request::Request;
pub use spec::Spec;
pub(crate) use values::opaque;

use crate::attempt::{AttemptId, Outcome, TransferId};
use crate::error::{CredentialsError, SourceError};
use crate::operation::OperationKind;
use crate::session::Blocked;
use crate::time::Instant;

/// The version of the format that this crate writes, and the only one that it reads.
pub const VERSION: u32 = 1;

/// Something that a session was told, with what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Record {
    /// The first of all: what the session was made with.
    #[serde(rename = "sans3-trace")]
    Head(Head),
    /// A transfer was added, and got this name.
    Insert(Instant, TransferId, Spec),
    /// The session was polled.
    Poll(Instant, Asked),
    /// An input was counted.
    Input(Instant, Heard),
    /// An input changed nothing.
    Stale(Instant, Heard),
    /// The result of a transfer was taken: why it failed, if it did, in words.
    Take(TransferId, Option<String>),
    /// Nothing follows because the recording was ended, not because it was cut off. Written by
    /// whoever keeps the trace.
    End,
}

/// How a trace begins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Head {
    /// Of the format: [`VERSION`].
    pub version: u32,
    /// Of the crate that decided. Another one may decide otherwise for good reasons.
    pub core: String,
    /// The session's seed.
    pub seed: u64,
    /// The session's configuration.
    pub config: Config,
}

/// What a session asked for, in brief: a [`Step`](crate::session::Step).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Asked {
    /// To carry out an exchange.
    Start(AttemptId, OperationKind),
    /// To end one.
    Abort(AttemptId),
    /// To read so many bytes of a pull source, from this offset on.
    Fill(TransferId, u64, u64),
    /// To wait, until this time at the latest.
    Wait(Option<Instant>, Blocked),
    /// To wait as the poll before said, which said the same.
    Same,
    /// To provide credentials.
    Credentials,
    /// To take a result.
    Ended(TransferId),
    /// Nothing.
    Done,
}

/// What a session was told: an [`Input`](crate::session::Input) without credentials.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(
    clippy::large_enum_variant,
    reason = "records are handed over one by one and never stored"
)]
pub enum Heard {
    /// An exchange ended, and this was its request, if one was sent.
    Outcome(Outcome, Option<Request>),
    /// So many bytes of its body have moved.
    Progress(AttemptId, u64),
    /// A consumer is done with all bytes below.
    Released(TransferId, u64),
    /// All bytes below are ready, and whether the source ends there.
    Supplied(TransferId, u64, bool),
    /// A pull source can't be read any further.
    #[serde(rename = "supply-failed")]
    SupplyFailed(TransferId, SourceError),
    /// There are credentials, or none. Which ones is nobody's business.
    Credentials(Result<(), CredentialsError>),
    /// The bound on exchanges.
    Concurrency(core::num::NonZeroU16),
    /// The end of one transfer, or of all, is wanted.
    Cancel(Option<TransferId>),
}
