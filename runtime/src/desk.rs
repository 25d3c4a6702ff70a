use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use sans3_core::attempt::{Attempt, AttemptId, TransferId};
use sans3_core::session::{Input, Machine as _, Session, SessionConfig, Step};
use sans3_core::time::Instant;

use crate::command::{Command, Ends, Finish};
use crate::inbox::Inbox;
use crate::shared::Shared;
use crate::stop::Stop;
use crate::task::{Asking, Assignment, Task};
use crate::ticket::Ticket;

/// A driver's bookkeeping: it owns the session, hands out what is to be done, and takes up what
/// came of it.
///
/// A driver is a loop around it, in its runtime's words:
///
/// ```no_run
/// # use sans3_core::time::Instant;
/// # use sans3_runtime::{Desk, Standing, Task};
/// # fn now() -> Instant { Instant::ZERO }
/// # fn spawn(_: Task) {}
/// # async fn sleep_until(_: Instant) {}
/// # async fn either(_: impl Future<Output = ()>, _: impl Future<Output = ()>) {}
/// # async fn drive(mut desk: Desk) {
/// while let Standing::Waits(until) = desk.work(now(), spawn) {
///     let arrived = desk.inbox().arrived();
///     match until {
///         Some(until) => either(arrived, sleep_until(until)).await,
///         None => arrived.await,
///     }
/// }
/// # }
/// ```
pub struct Desk {
    session: Session,
    config: SessionConfig,
    shared: Arc<Shared>,
    transfers: BTreeMap<TransferId, Entry>,
    /// What ends each exchange.
    stops: BTreeMap<AttemptId, Stop>,
    /// No client is left who could add a transfer.
    deserted: bool,
}

/// Whether there is more to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// There is, once something has [arrived](Inbox::arrived), or at this time at the latest.
    Waits(Option<Instant>),
    /// No transfer is under way, and no client is left who could add one.
    Over,
}

struct Entry {
    ends: Ends,
    ticket: Arc<Ticket>,
    finish: Finish,
}

impl Desk {
    pub(crate) fn new(session: Session, shared: Arc<Shared>) -> Self {
        Self {
            config: session.config().clone(),
            session,
            shared,
            transfers: BTreeMap::new(),
            stops: BTreeMap::new(),
            deserted: false,
        }
    }

    /// Takes up what has arrived, takes steps until the session waits, and hands the tasks among
    /// them to `start`, which must not wait for them.
    pub fn work(&mut self, now: Instant, mut start: impl FnMut(Task)) -> Standing {
        self.take_up(now);
        let until = loop {
            match self.session.poll(now) {
                Step::Start(attempt) => start(self.assign(attempt)),
                Step::Abort(id) => {
                    if let Some(stop) = self.stops.get(&id) {
                        stop.stop();
                    }
                }
                Step::Fill {
                    transfer,
                    offset,
                    len,
                } => self.fill(transfer, offset, len, now),
                Step::NeedCredentials => start(Task::Credentials(Asking::new(&self.shared))),
                Step::Ended(transfer) => self.end(transfer, now),
                Step::Wait { until, .. } => break until,
                Step::Done => break None,
            }
        };
        self.shared.add_notices(self.session.take_notices());
        if self.is_idle() && self.deserted {
            Standing::Over
        } else {
            Standing::Waits(until)
        }
    }

    /// Whether no transfer is under way.
    pub fn is_idle(&self) -> bool {
        self.transfers.is_empty()
    }

    /// Begins again with a new session, whose jitter and upload tokens follow from `seed`: for a
    /// process that was forked off, and must not repeat what the other one draws. What the session
    /// had learnt is lost: credentials, the server's clock, the retry budget. Nothing of the new one
    /// is recorded.
    ///
    /// Does nothing, and returns `false`, unless the desk is [idle](Self::is_idle).
    pub fn renew(&mut self, seed: u64) -> bool {
        if !self.is_idle() {
            return false;
        }
        let inbox = &self.shared.inbox;
        let letters = inbox.take();
        self.deserted |= letters.deserted;
        // All else is about transfers that are over, whose names the new session gives to others.
        for command in letters.commands {
            // Handed back where nobody reads: whoever waits for it learns that by its drop.
            let _ = inbox.command(command);
        }
        self.stops.clear();
        self.session = Session::new(self.config.clone(), seed);
        true
    }

    /// Where what is to be taken up arrives.
    pub fn inbox(&self) -> &Inbox {
        &self.shared.inbox
    }

    fn take_up(&mut self, now: Instant) {
        let mut letters = self.shared.inbox.take();
        self.deserted |= letters.deserted;
        for command in std::mem::take(&mut letters.commands) {
            self.insert(command, now);
        }
        for input in letters.inputs() {
            self.input(input, now);
        }
        for transfer in letters.cancelled {
            self.input(Input::Cancel(Some(transfer)), now);
        }
        if letters.all_cancelled {
            self.input(Input::Cancel(None), now);
        }
    }

    fn insert(&mut self, command: Command, now: Instant) {
        let (id, finish) = (command.insert)(&mut self.session, now);
        let cancelled = command.ticket.bind(id) || self.shared.is_closing();
        let entry = Entry {
            ends: command.ends,
            ticket: command.ticket,
            finish,
        };
        self.transfers.insert(id, entry);
        if cancelled {
            self.input(Input::Cancel(Some(id)), now);
        }
    }

    fn assign(&mut self, attempt: Attempt) -> Task {
        let entry = self.transfers.get(&attempt.id().transfer());
        let ends = entry.map(|entry| entry.ends.clone()).unwrap_or_default();
        let stop = Stop::default();
        self.stops.insert(attempt.id(), stop.clone());
        Task::Exchange(Assignment::new(attempt, ends, stop, &self.shared))
    }

    fn fill(&mut self, transfer: TransferId, offset: u64, len: u64, now: Instant) {
        let inbox = &self.shared.inbox;
        let supplied = match self.transfers.get(&transfer) {
            Some(entry) => entry.ends.source.fill(transfer, offset, len, inbox),
            None => None,
        };
        if let Some(supplied) = supplied {
            self.input(supplied, now);
        }
    }

    fn input(&mut self, input: Input, now: Instant) {
        let about = match &input {
            Input::Outcome(outcome) => {
                self.stops.remove(&outcome.id());
                let entry = self.transfers.get(&outcome.id().transfer());
                if let (Some(entry), Some((offset, _len))) = (entry, outcome.stored()) {
                    entry.ends.source.release(offset);
                }
                Some(outcome.id().transfer())
            }
            Input::Progress { attempt, .. } => Some(attempt.transfer()),
            _ => None,
        };
        // What comes too late is of no consequence, for the session as for us.
        let _ = self.session.input(input, now);
        if let Some(transfer) = about {
            self.publish(transfer, now);
        }
    }

    fn publish(&self, transfer: TransferId, now: Instant) {
        let progress = self.session.progress(transfer, now);
        if let (Some(entry), Some(progress)) = (self.transfers.get(&transfer), progress) {
            entry.ticket.publish(progress);
        }
    }

    fn end(&mut self, transfer: TransferId, now: Instant) {
        self.publish(transfer, now);
        // Whoever has the result may ask at once what went wrong on the way to it.
        self.shared.add_notices(self.session.take_notices());
        let Some(entry) = self.transfers.remove(&transfer) else {
            return;
        };
        entry.ticket.unbind();
        entry.ends.source.close();
        // Whoever gets the result must not find their source or sink still in use.
        drop(entry.ends);
        (entry.finish)(&mut self.session);
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        for stop in self.stops.values() {
            stop.stop();
        }
        for entry in self.transfers.values() {
            entry.ends.source.close();
        }
        self.shared.inbox.close();
    }
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk")
            .field("transfers", &self.transfers.len())
            .field("exchanges", &self.stops.len())
            .finish_non_exhaustive()
    }
}
