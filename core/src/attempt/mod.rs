//! One HTTP exchange, owned by whoever runs it.
//!
//! The session hands out an [`Attempt`]; the adapter takes it through its states on any thread and
//! brings back an [`Outcome`]. Payload bytes pass through these types alone, never through the
//! session:
//!
//! ```text
//! Attempt --prepare--> Ready::Hash(Hashing) --finish--> Sendable
//!                      Ready::Send(Sendable) --on_head--> Receiving --finish--> Outcome
//! ```
//!
//! | state | what the adapter does | what can end it early |
//! |---|---|---|
//! | [`Hashing`] | reads the payload once, where its checksum stands in a header | the source fails, or has changed |
//! | [`Sendable`] | signs now, sends, waits for the head | no connection, no answer in time, a broken source |
//! | [`Receiving`] | reads the body, hands in each chunk, puts it where [`Placement`] says | a stall, a broken connection, a full disk |
//!
//! What an adapter must keep to:
//!
//! - The request goes out as it is: its target is not parsed and joined again, no redirect is
//!   followed, no content coding is undone. Interim (1xx) answers are left out.
//! - [`Deadlines`] bound the waits up to the head, [`Receiving::patience`] each wait for a chunk.
//!   The time that a consumer takes is not waited for by anybody, and does not count.
//! - Bytes are in place before [`Receiving::finish`] is called: an outcome speaks of them as done.
//!   Where an exchange breaks, what was placed before counts as well.
//! - A connection is used again only if [`Outcome::may_reuse_connection`] says so.
//! - A head that comes before the request has left in full is an answer too, even where writing
//!   the rest fails: pass it on.
//!
//! Every state can be left for an outcome at any time, and an adapter that lost its state can
//! still make one: [`AttemptId::aborted`]. No state has a lock or refers to the session: attempts
//! are `Send`, and may run on any thread.

mod context;
mod erased;
mod framing;
mod hashing;
mod outcome;
mod read;
mod receiving;
mod sendable;
mod stall;

use core::fmt;
use core::time::Duration;
use std::sync::Arc;

pub(crate) use context::{Context, Slice};
pub(crate) use erased::ErasedOperation;
pub use framing::Framing;
pub use hashing::{BodyCheck, Hashing};
pub(crate) use outcome::{Ending, Failure, ReadReport, Version};
pub use outcome::{Outcome, Sent};
pub(crate) use read::{Claim, Pinned, Read, Skip};
pub use receiving::{Placement, Receiving, StopReading};
pub(crate) use sendable::Proof;
pub use sendable::{BodySource, Sendable};
pub(crate) use stall::StallPolicy;

use crate::checksum::{Algorithm, Checksum};
use crate::operation::OperationKind;

/// The name of a transfer within its session; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransferId(pub(crate) u64);

/// The name of an attempt within its session; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptId {
    pub(crate) transfer: TransferId,
    pub(crate) serial: u64,
}

impl AttemptId {
    /// The transfer that the attempt belongs to: an adapter's key to a source or sink.
    pub const fn transfer(self) -> TransferId {
        self.transfer
    }

    /// An outcome for an attempt whose state is gone: its task panicked or was killed.
    ///
    /// Whatever the attempt placed counts as unknown. Prefer to end an exchange through
    /// [`Receiving::on_transport_error`], which keeps the bytes that are known to be good.
    pub const fn aborted(self) -> Outcome {
        Outcome::lost(self)
    }
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.transfer.0, self.serial)
    }
}

/// How long an adapter waits, at each stage of an exchange, before it gives up on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// For a connection, TLS included.
    pub connect: Duration,
    /// For the complete response head, from the moment the request is sent in full.
    pub head: Duration,
    /// For the next byte to move, in either direction. The clock of a body that is received is in
    /// [`Receiving::patience`], and stops while the consumer is busy.
    pub idle: Duration,
}

/// One HTTP exchange that is to be carried out.
#[derive(Debug)]
#[must_use = "an attempt that is dropped holds its slot until its lease ends"]
pub struct Attempt {
    pub(crate) id: AttemptId,
    pub(crate) context: Context,
    pub(crate) exchange: Exchange,
}

/// What an exchange does.
#[derive(Clone, Debug)]
pub(crate) enum Exchange {
    /// A small request and a small answer, both held whole.
    Call(Arc<dyn ErasedOperation>),
    /// An object's bytes.
    Read(Arc<Read>),
    /// A small answer to a body that comes from the transfer's source.
    Write(Arc<dyn ErasedOperation>, Payload),
}

/// A body that the transfer's source provides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Payload {
    pub(crate) offset: u64,
    pub(crate) len: u64,
    pub(crate) algorithm: Algorithm,
    /// The digest of an earlier attempt: another one now means that the source changed.
    pub(crate) first: Option<Checksum>,
}

/// What an attempt needs first.
#[derive(Debug)]
pub enum Ready {
    /// Nothing: send it.
    Send(Sendable),
    /// The payload's checksum, which stands in a header and so ahead of the bytes.
    Hash(Hashing),
}

impl Attempt {
    /// Its name.
    pub const fn id(&self) -> AttemptId {
        self.id
    }

    /// The operation that it carries out.
    pub fn operation(&self) -> OperationKind {
        match &self.exchange {
            Exchange::Call(operation) | Exchange::Write(operation, _) => operation.kind(),
            Exchange::Read(_) => OperationKind::GetObject,
        }
    }

    /// How long to wait at each stage.
    pub const fn deadlines(&self) -> Deadlines {
        self.context.deadlines
    }

    /// The first state.
    pub fn prepare(self) -> Ready {
        let Self {
            id,
            context,
            exchange,
        } = self;
        match exchange {
            Exchange::Write(operation, payload) if context.framing(&payload).is_none() => {
                Ready::Hash(Hashing::new(id, context, operation, payload))
            }
            exchange @ Exchange::Write(..) => {
                Ready::Send(Sendable::new(id, context, exchange, Proof::trailer()))
            }
            exchange => Ready::Send(Sendable::new(id, context, exchange, Proof::None)),
        }
    }
}
