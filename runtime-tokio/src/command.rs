use std::sync::Arc;

use sans3_core::attempt::TransferId;
use sans3_core::error::TransferError;
use sans3_core::session::Session;
use sans3_core::time::Instant;
use sans3_core::transfer::Transfer;
use tokio::sync::oneshot;

use crate::running::Ticket;
use crate::sink::Sink;
use crate::source::Source;

/// A transfer that the driver is to carry out.
pub(crate) struct Command {
    pub(crate) insert: Insert,
    pub(crate) ends: Ends,
    pub(crate) ticket: Arc<Ticket>,
}

/// Where a transfer's bytes come from, and where they go.
#[derive(Clone, Default)]
pub(crate) struct Ends {
    pub(crate) source: Source,
    pub(crate) sink: Sink,
}

/// Puts a transfer into the session.
pub(crate) type Insert = Box<dyn FnOnce(&mut Session, Instant) -> (TransferId, Finish) + Send>;

/// Takes a transfer's result and hands it to whoever waits for it.
pub(crate) type Finish = Box<dyn FnOnce(&mut Session) + Send>;

impl Command {
    /// A command, and where the transfer's result will arrive.
    pub(crate) fn new<T: Transfer>(
        transfer: T,
        ends: Ends,
        ticket: Arc<Ticket>,
    ) -> (Self, oneshot::Receiver<Result<T::Output, TransferError>>) {
        let (sender, receiver) = oneshot::channel();
        let insert = Box::new(move |session: &mut Session, now| {
            let handle = session.insert(transfer, now);
            let finish: Finish = Box::new(move |session| {
                // Where nobody waits any more nobody needs the result.
                let _ = sender.send(session.take(handle));
            });
            (handle.id(), finish)
        });
        let command = Self {
            insert,
            ends,
            ticket,
        };
        (command, receiver)
    }
}

impl From<Source> for Ends {
    fn from(source: Source) -> Self {
        Self {
            source,
            sink: Sink::None,
        }
    }
}

impl From<Sink> for Ends {
    fn from(sink: Sink) -> Self {
        Self {
            source: Source::None,
            sink,
        }
    }
}
