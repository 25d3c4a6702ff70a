use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use sans3_core::attempt::{Attempt, AttemptId, TransferId};
use sans3_core::session::{Input, Machine as _, Session, SessionConfig, Step};
use sans3_core::time::Instant;

use crate::command::{Command, Ends, Finish};
use crate::errand::{Carrier, Errand};
use crate::inbox::Inbox;
use crate::open::{Hands, OpenDesk};
use crate::shared::Shared;
use crate::stop::Stop;
use crate::task::{Asking, Assignment, Pulse, Task};
use crate::ticket::Ticket;

/// How often the session hears of each exchange that it lives.
const BEAT: Duration = Duration::from_secs(1);

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
    /// The exchanges under way.
    running: BTreeMap<AttemptId, Running>,
    /// When the session last heard that they live.
    beaten: Instant,
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

/// What a desk wants others to do, in one look.
#[derive(Default)]
pub(crate) struct Found {
    tasks: Vec<Task>,
    wakers: Vec<Waker>,
}

struct Entry {
    ends: Ends,
    ticket: Arc<Ticket>,
    carrier: Option<Arc<Carrier>>,
    finish: Finish,
}

/// An exchange that was handed out.
struct Running {
    stop: Stop,
    pulse: Pulse,
}

impl Desk {
    pub(crate) fn new(session: Session, shared: Arc<Shared>) -> Self {
        Self {
            config: session.config().clone(),
            session,
            shared,
            transfers: BTreeMap::new(),
            running: BTreeMap::new(),
            beaten: Instant::ZERO,
            deserted: false,
        }
    }

    /// Takes up what has arrived, takes steps until the session waits, and hands the tasks among
    /// them to `start`, which must not wait for them.
    pub fn work(&mut self, now: Instant, start: impl FnMut(Task)) -> Standing {
        let mut found = Found::default();
        let standing = self.work_open(now, &mut found, None);
        found.hand_out(start);
        standing
    }

    /// From now on whoever brings something works the desk, and `hands` carry out what it hands
    /// out.
    pub fn open(self, hands: Arc<dyn Hands>) -> OpenDesk {
        OpenDesk::new(Box::new(self), hands)
    }

    /// As [`work`](Self::work), but nobody is woken and no task begun. With `carriers` exchanges go
    /// to the tasks of their own transfers where those are free.
    pub(crate) fn work_open(
        &mut self,
        now: Instant,
        found: &mut Found,
        carriers: Option<&Arc<dyn Hands>>,
    ) -> Standing {
        self.take_up(now);
        self.beat(now);
        let until = loop {
            match self.session.poll(now) {
                Step::Start(attempt) => self.start(attempt, now, found, carriers),
                Step::Abort(id) => {
                    if let Some(running) = self.running.get(&id) {
                        running.stop.stop();
                    }
                }
                Step::Fill {
                    transfer,
                    offset,
                    len,
                } => self.fill(transfer, offset, len, now),
                Step::NeedCredentials => {
                    let asking = Asking::new(&self.shared);
                    found.tasks.push(Task::Credentials(asking));
                }
                Step::Ended(transfer) => found.wakers.extend(self.end(transfer, now)),
                Step::Wait { until, .. } => break until,
                Step::Done => break None,
            }
        };
        self.publish_events();
        if self.is_idle() && self.deserted {
            Standing::Over
        } else {
            Standing::Waits(self.no_later_than_beat(until))
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
        self.running.clear();
        self.session = Session::new(self.config.clone(), seed);
        true
    }

    /// Where what is to be taken up arrives.
    pub fn inbox(&self) -> &Inbox {
        &self.shared.inbox
    }

    pub(crate) fn inbox_arc(&self) -> &Arc<Inbox> {
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
            carrier: command.carrier,
            finish,
        };
        self.transfers.insert(id, entry);
        if cancelled {
            self.input(Input::Cancel(Some(id)), now);
        }
    }

    /// Says once a second of each exchange that it lives: each of its stages has a deadline of its
    /// own, but for the consumer, who may take any time. One that is lost says so by its report.
    fn beat(&mut self, now: Instant) {
        if now.since(self.beaten) < BEAT {
            return;
        }
        self.beaten = now;
        let pulses: Vec<_> = self.running.values().map(|one| one.pulse.take()).collect();
        for input in pulses {
            self.input(input, now);
        }
    }

    fn no_later_than_beat(&self, until: Option<Instant>) -> Option<Instant> {
        if self.running.is_empty() {
            return until;
        }
        let due = self.beaten + BEAT;
        Some(until.map_or(due, |until| until.min(due)))
    }

    fn start(
        &mut self,
        attempt: Attempt,
        now: Instant,
        found: &mut Found,
        carriers: Option<&Arc<dyn Hands>>,
    ) {
        if self.running.is_empty() {
            self.beaten = now;
        }
        let entry = self.transfers.get(&attempt.id().transfer());
        let ends = entry.map(|entry| entry.ends.clone()).unwrap_or_default();
        let (id, stop) = (attempt.id(), Stop::default());
        let assignment = Assignment::new(attempt, ends, stop.clone(), &self.shared);
        let pulse = assignment.work.pulse().clone();
        self.running.insert(id, Running { stop, pulse });
        let carrier = entry.and_then(|entry| entry.carrier.as_ref());
        let carried = match (carrier.filter(|carrier| carrier.is_free()), carriers) {
            (Some(carrier), Some(hands)) => {
                let hands = Arc::clone(hands);
                let given = carrier.give(Errand { assignment, hands });
                given.map_err(|errand| errand.assignment)
            }
            _ => Err(assignment),
        };
        match carried {
            Ok(waker) => found.wakers.extend(waker),
            Err(assignment) => found.tasks.push(Task::Exchange(assignment)),
        }
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
                self.running.remove(&outcome.id());
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

    fn publish_events(&mut self) {
        self.shared.notices.add(self.session.take_notices());
        let changes = self.session.take_pace_changes();
        self.shared.pace_changes.add(changes);
    }

    /// Who is to be woken, for the result.
    fn end(&mut self, transfer: TransferId, now: Instant) -> Option<Waker> {
        self.publish(transfer, now);
        // Whoever has the result may ask at once what went wrong on the way to it.
        self.publish_events();
        let entry = self.transfers.remove(&transfer)?;
        entry.ticket.unbind();
        entry.ends.source.close();
        // Whoever gets the result must not find their source or sink still in use.
        drop(entry.ends);
        (entry.finish)(&mut self.session)
    }
}

impl Found {
    /// Wakes whoever has a result, and has the tasks begun.
    pub(crate) fn hand_out(self, start: impl FnMut(Task)) {
        self.wakers.into_iter().for_each(Waker::wake);
        self.tasks.into_iter().for_each(start);
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        for running in self.running.values() {
            running.stop.stop();
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
            .field("exchanges", &self.running.len())
            .finish_non_exhaustive()
    }
}
