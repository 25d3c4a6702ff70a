//! The one task that owns the session: it takes steps, and hands back what came of them.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::sync::Arc;

use sans3_core::attempt::{Attempt, AttemptId, TransferId};
use sans3_core::error::CredentialsError;
use sans3_core::session::{Input, Machine as _, Session, Step};
use sans3_core::time::Instant;
use tokio::select;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::command::{Command, Ends, Finish};
use crate::exchange::Exchange;
use crate::running::Ticket;
use crate::shared::Shared;
use crate::source::Source;

/// Owns the session; see [`Driver::run`].
pub(crate) struct Driver {
    session: Session,
    clock: Clock,
    commands: mpsc::Receiver<Command>,
    shared: Arc<Shared>,
    transfers: BTreeMap<TransferId, Entry>,
    /// What ends each exchange.
    stops: BTreeMap<AttemptId, CancellationToken>,
    /// Exchanges, fills and requests for credentials: each ends in something to tell the session.
    tasks: JoinSet<Input>,
    /// What the session is told where a task is lost: it would wait for ever otherwise.
    lost: HashMap<Id, Input>,
}

struct Entry {
    ends: Ends,
    ticket: Arc<Ticket>,
    finish: Finish,
    /// The task that reads the source, which may wait for ever.
    filling: Option<AbortHandle>,
}

impl Driver {
    pub(crate) fn new(
        session: Session,
        commands: mpsc::Receiver<Command>,
        shared: Arc<Shared>,
    ) -> Self {
        Self {
            session,
            clock: Clock::start(),
            commands,
            shared,
            transfers: BTreeMap::new(),
            stops: BTreeMap::new(),
            tasks: JoinSet::new(),
            lost: HashMap::new(),
        }
    }

    /// Drives the session until no client is left that could add a transfer, and none is under
    /// way.
    pub(crate) async fn run(mut self) {
        let signals = Arc::clone(&self.shared.signals);
        let mut open = true;
        loop {
            let until = self.take_steps();
            if !open && self.transfers.is_empty() {
                return;
            }
            let alarm = self.clock.deadline(until.unwrap_or(Instant::ZERO));
            select! {
                command = self.commands.recv(), if open => match command {
                    Some(command) => self.insert(command),
                    None => open = false,
                },
                Some(ended) = self.tasks.join_next_with_id() => self.on_task(ended),
                inputs = signals.take() => inputs.into_iter().for_each(|input| self.input(input)),
                () = sleep_until(alarm), if until.is_some() => {}
            }
        }
    }

    /// Takes steps until the session waits, and returns until when at most.
    fn take_steps(&mut self) -> Option<Instant> {
        let until = loop {
            match self.session.poll(self.clock.now()) {
                Step::Start(attempt) => self.start(attempt),
                Step::Abort(id) => {
                    if let Some(stop) = self.stops.get(&id) {
                        stop.cancel();
                    }
                }
                Step::Fill {
                    transfer,
                    offset,
                    len,
                } => self.fill(transfer, offset, len),
                Step::NeedCredentials => self.ask_for_credentials(),
                Step::Ended(transfer) => self.end(transfer),
                Step::Wait { until, .. } => break until,
                Step::Done => break None,
            }
        };
        self.shared.add_notices(self.session.take_notices());
        until
    }

    fn insert(&mut self, command: Command) {
        let (id, finish) = (command.insert)(&mut self.session, self.clock.now());
        let cancelled = command.ticket.bind(id) || self.shared.closing.is_cancelled();
        let entry = Entry {
            ends: command.ends,
            ticket: command.ticket,
            finish,
            filling: None,
        };
        self.transfers.insert(id, entry);
        if cancelled {
            self.input(Input::Cancel(Some(id)));
        }
    }

    fn start(&mut self, attempt: Attempt) {
        let id = attempt.id();
        let entry = self.transfers.get(&id.transfer());
        let stop = CancellationToken::new();
        let exchange = Exchange {
            ends: entry.map(|entry| entry.ends.clone()).unwrap_or_default(),
            shared: Arc::clone(&self.shared),
            stop: stop.clone(),
            moved: Arc::default(),
        };
        self.stops.insert(id, stop);
        let task = async move { Input::Outcome(exchange.run(attempt).await) };
        self.spawn(task, Input::Outcome(id.aborted()));
    }

    fn fill(&mut self, transfer: TransferId, offset: u64, len: u64) {
        let source = self
            .transfers
            .get(&transfer)
            .map(|entry| &entry.ends.source);
        let Some(Source::Pull(source)) = source.cloned() else {
            // A session asks this of pull sources alone; any other one ends at once.
            return self.input(Input::Supplied {
                transfer,
                up_to: offset,
                end: true,
            });
        };
        let task = async move {
            let filled = source.fill(offset, len).await;
            Input::Supplied {
                transfer,
                up_to: filled.up_to,
                end: filled.end,
            }
        };
        let filling = self.spawn(task, Input::Cancel(Some(transfer)));
        if let Some(entry) = self.transfers.get_mut(&transfer) {
            entry.filling = Some(filling);
        }
    }

    fn ask_for_credentials(&mut self) {
        let shared = Arc::clone(&self.shared);
        let task = async move { Input::Credentials(shared.credentials().await) };
        let lost = CredentialsError("the provider panicked".into());
        self.spawn(task, Input::Credentials(Err(lost)));
    }

    fn spawn(
        &mut self,
        task: impl Future<Output = Input> + Send + 'static,
        lost: Input,
    ) -> AbortHandle {
        let task = self.tasks.spawn(task);
        self.lost.insert(task.id(), lost);
        task
    }

    fn on_task(&mut self, ended: Result<(Id, Input), JoinError>) {
        let (id, input) = match ended {
            Ok((id, input)) => (id, Some(input)),
            Err(error) => (error.id(), None),
        };
        let lost = self.lost.remove(&id);
        if let Some(input) = input.or(lost) {
            self.input(input);
        }
    }

    fn input(&mut self, input: Input) {
        let about = match &input {
            Input::Outcome(outcome) => {
                self.stops.remove(&outcome.id());
                let entry = self.transfers.get(&outcome.id().transfer());
                if let (Some(entry), Some(stored)) = (entry, outcome.stored()) {
                    entry.ends.source.release(stored);
                }
                Some(outcome.id().transfer())
            }
            Input::Progress { attempt, .. } => Some(attempt.transfer()),
            _ => None,
        };
        // What comes too late is of no consequence, for the session as for us.
        let _ = self.session.input(input, self.clock.now());
        if let Some(transfer) = about {
            self.publish(transfer);
        }
    }

    fn publish(&self, transfer: TransferId) {
        let progress = self.session.progress(transfer, self.clock.now());
        if let (Some(entry), Some(progress)) = (self.transfers.get(&transfer), progress) {
            entry.ticket.publish(progress);
        }
    }

    fn end(&mut self, transfer: TransferId) {
        self.publish(transfer);
        let Some(entry) = self.transfers.remove(&transfer) else {
            return;
        };
        if let Some(filling) = entry.filling {
            filling.abort();
        }
        // Whoever gets the result must not find their source or sink still in use.
        drop(entry.ends);
        (entry.finish)(&mut self.session);
    }
}
