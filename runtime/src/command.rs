use std::fmt;
use std::sync::Arc;
use std::task::Waker;

use sans3_core::attempt::TransferId;
use sans3_core::error::TransferError;
use sans3_core::session::Session;
use sans3_core::time::Instant;
use sans3_core::transfer::Transfer;

use crate::errand::Carrier;
use crate::promise::{Pending, promise};
use crate::sink::Sink;
use crate::source::Source;
use crate::ticket::Ticket;

/// A transfer that the driver is to carry out.
pub(crate) struct Command {
    pub(crate) insert: Insert,
    pub(crate) ends: Ends,
    pub(crate) ticket: Arc<Ticket>,
    /// Who would carry out an exchange of it.
    pub(crate) carrier: Option<Arc<Carrier>>,
}

/// Where a transfer's bytes come from, and where they go.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ends {
    /// Where the bytes of an upload come from.
    pub(crate) source: Source,
    /// Where the bytes of a download go.
    pub(crate) sink: Sink,
}

/// Puts a transfer into the session.
pub(crate) type Insert = Box<dyn FnOnce(&mut Session, Instant) -> (TransferId, Finish) + Send>;

/// Takes a transfer's result and hands it to whoever waits for it, and is to be woken.
pub(crate) type Finish = Box<dyn FnOnce(&mut Session) -> Option<Waker> + Send>;

impl Command {
    /// A command, and where the transfer's result will arrive.
    pub(crate) fn new<T: Transfer>(
        transfer: T,
        ends: Ends,
        ticket: Arc<Ticket>,
        carrier: Option<Arc<Carrier>>,
    ) -> (Self, Pending<Result<T::Output, TransferError>>) {
        let (promise, result) = promise();
        let insert = Box::new(move |session: &mut Session, now| {
            let handle = session.insert(transfer, now);
            let finish: Finish =
                Box::new(move |session| promise.keep_quietly(session.take(handle)));
            (handle.id(), finish)
        });
        let command = Self {
            insert,
            ends,
            ticket,
            carrier,
        };
        (command, result)
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Command").finish_non_exhaustive()
    }
}

impl From<Source> for Ends {
    fn from(source: Source) -> Self {
        Self {
            source,
            sink: Sink::default(),
        }
    }
}

impl From<Sink> for Ends {
    fn from(sink: Sink) -> Self {
        Self {
            source: Source::default(),
            sink,
        }
    }
}
