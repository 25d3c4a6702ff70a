use core::num::NonZeroU16;

use crate::attempt::{Attempt, AttemptId, Outcome, TransferId};
use crate::error::{CredentialsError, SourceError};
use crate::sign::Credentials;
use crate::time::Instant;

/// What a driver knows of a session. Object-safe on purpose; results come from the concrete type.
pub trait Machine {
    /// What to do next. May be called at any time and any number of times; each call returns one
    /// step, and the driver calls again until it is told to wait or that all is done.
    fn poll(&mut self, now: Instant) -> Step;

    /// Something happened. Any interleaving is legal, late and repeated inputs included.
    fn input(&mut self, input: Input, now: Instant) -> Accepted;
}

/// What a driver must do next.
///
/// Exhaustive on purpose: a new step must break every adapter at compile time.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "steps are taken at once and never stored"
)]
#[must_use = "a step that is not taken is lost"]
pub enum Step {
    /// Carry out an exchange, and bring back its outcome.
    Start(Attempt),
    /// End an exchange as soon as possible, and bring back its outcome.
    Abort(AttemptId),
    /// Read the next `len` bytes of a pull source into memory, then report
    /// [`Input::Supplied`] or [`Input::SupplyFailed`]; the bytes are kept until [`Outcome::stored`] names them.
    Fill {
        /// The transfer whose source is meant.
        transfer: TransferId,
        /// Where the bytes begin.
        offset: u64,
        /// How many: fewer only at the source's end.
        len: u64,
    },
    /// Nothing to do before `until`, or before an input.
    Wait {
        /// When to poll again at the latest; `None`: an input must come first.
        until: Option<Instant>,
        /// What for.
        why: Blocked,
    },
    /// Provide credentials by [`Input::Credentials`]. Nothing is started until then.
    NeedCredentials,
    /// A transfer has ended, none of its exchanges is under way, and its result can be
    /// [taken](crate::session::Session::take).
    Ended(TransferId),
    /// No transfer is under way. More may be inserted.
    Done,
}

/// What a session waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub enum Blocked {
    /// The outcome of an exchange.
    InFlight,
    /// The delay before a retry.
    Backoff,
    /// The [pace](crate::pace): the caller's limits, or what the server is known to take.
    Pace,
    /// A consumer that must take bytes first, or memory that must become free.
    Window,
    /// Credentials.
    Credentials,
    /// A pull source that must provide bytes.
    Supply,
}

/// What happened outside. Closed: the whole alphabet that a session understands.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "inputs are taken at once and never stored"
)]
pub enum Input {
    /// An exchange ended.
    Outcome(Outcome),
    /// An exchange lives: so many bytes of its body have moved, in either direction. Renews the
    /// attempt's lease, also where the number is the same because the consumer is slow or the
    /// payload is still hashed; feeds [`Progress`](crate::progress::Progress). Once a second is
    /// enough.
    Progress {
        /// The exchange.
        attempt: AttemptId,
        /// Bytes of its body so far.
        bytes: u64,
    },
    /// The consumer of an in-order download is done with all bytes below `up_to`.
    Released {
        /// The download.
        transfer: TransferId,
        /// The offset of the first byte that is not yet done with.
        up_to: u64,
    },
    /// A pull source has bytes ready: the answer to [`Step::Fill`].
    Supplied {
        /// The upload.
        transfer: TransferId,
        /// All bytes below this offset are in memory, or stored already.
        up_to: u64,
        /// Whether the source ends there.
        end: bool,
    },
    /// A pull source can't be read any further. The upload fails by this error, and what there is of
    /// it on the server is removed.
    SupplyFailed {
        /// The upload.
        transfer: TransferId,
        /// Why.
        error: SourceError,
    },
    /// The answer to [`Step::NeedCredentials`]. Without credentials all transfers fail.
    Credentials(Result<Credentials, CredentialsError>),
    /// Carry out at most so many exchanges at once from now on, whatever is measured.
    Concurrency(NonZeroU16),
    /// Wind down one transfer, or all. Takes as long as the server does: an upload is aborted
    /// there, and a Complete that is under way decides by its answer, so that a cancelled transfer
    /// may end in success.
    Cancel(Option<TransferId>),
}

/// What became of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// It was taken into account.
    Counted,
    /// It is about something that is over: no error, nothing changed.
    Stale,
}
