//! The one task that owns the session: it takes steps, and hands back what came of them.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sans3_core::attempt::{Attempt, AttemptId, TransferId};
use sans3_core::error::{CredentialsError, TransferError};
use sans3_core::session::{Input, Machine as _, Notice, Session, Step};
use sans3_core::time::Instant;
use sans3_core::transfer::Transfer;
use tokio::select;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio::time::{sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::buffer::BufferPool;
use crate::clock::Clock;
use crate::config::ProvideCredentials;
use crate::exchange::Exchange;
use crate::net::Pool;
use crate::running::Ticket;
use crate::signals::Signals;
use crate::sink::Sink;
use crate::source::Source;

/// How long whoever provides credentials may take.
const CREDENTIALS_LIMIT: Duration = Duration::from_secs(60);

/// The most notices that are kept for a caller who does not fetch them.
const MAX_NOTICES: usize = 1024;

/// A transfer that is to be carried out.
pub(crate) struct Command {
    insert: Insert,
    source: Source,
    sink: Sink,
    ticket: Arc<Ticket>,
}

/// Puts a transfer into the session.
type Insert = Box<dyn FnOnce(&mut Session, Instant) -> (TransferId, Finish) + Send>;

/// Takes a transfer's result and hands it to whoever waits for it.
type Finish = Box<dyn FnOnce(&mut Session) + Send>;

/// What the driver shares with the client's other parts.
pub(crate) struct Shared {
    pub(crate) signals: Arc<Signals>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) buffers: Arc<BufferPool>,
    pub(crate) notices: Mutex<VecDeque<Notice>>,
    /// Cancelled when the client was shut down.
    pub(crate) closing: CancellationToken,
}

/// Owns the session; see [`Driver::run`].
pub(crate) struct Driver {
    session: Session,
    clock: Clock,
    commands: mpsc::Receiver<Command>,
    shared: Arc<Shared>,
    provider: Option<Arc<dyn ProvideCredentials>>,
    transfers: BTreeMap<TransferId, Entry>,
    /// What ends each exchange.
    stops: BTreeMap<AttemptId, CancellationToken>,
    /// Exchanges, fills and requests for credentials: each ends in something to tell the session.
    tasks: JoinSet<Input>,
    /// What each task is for, in case that it is lost.
    purposes: HashMap<Id, Purpose>,
}

struct Entry {
    source: Source,
    sink: Sink,
    ticket: Arc<Ticket>,
    finish: Finish,
    /// The task that reads the source, which may wait for ever.
    filling: Option<AbortHandle>,
}

enum Purpose {
    Exchange(AttemptId),
    Fill(TransferId),
    Credentials,
}

impl Command {
    /// A command, and where the transfer's result will arrive.
    pub(crate) fn new<T: Transfer>(
        transfer: T,
        source: Source,
        sink: Sink,
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
        (
            Self {
                insert,
                source,
                sink,
                ticket,
            },
            receiver,
        )
    }
}

impl Driver {
    pub(crate) fn new(
        session: Session,
        commands: mpsc::Receiver<Command>,
        shared: Arc<Shared>,
        provider: Option<Arc<dyn ProvideCredentials>>,
    ) -> Self {
        Self {
            session,
            clock: Clock::start(),
            commands,
            shared,
            provider,
            transfers: BTreeMap::new(),
            stops: BTreeMap::new(),
            tasks: JoinSet::new(),
            purposes: HashMap::new(),
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
        let fresh = self.session.take_notices();
        if !fresh.is_empty() {
            let mut notices = self
                .shared
                .notices
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            notices.extend(fresh);
            let surplus = notices.len().saturating_sub(MAX_NOTICES);
            notices.drain(..surplus);
        }
        until
    }

    fn insert(&mut self, command: Command) {
        let Command {
            insert,
            source,
            sink,
            ticket,
        } = command;
        let (id, finish) = insert(&mut self.session, self.clock.now());
        let cancelled = ticket.bind(id) || self.shared.closing.is_cancelled();
        self.transfers.insert(
            id,
            Entry {
                source,
                sink,
                ticket,
                finish,
                filling: None,
            },
        );
        if cancelled {
            self.input(Input::Cancel(Some(id)));
        }
    }

    fn start(&mut self, attempt: Attempt) {
        let id = attempt.id();
        let entry = self.transfers.get(&id.transfer());
        let stop = CancellationToken::new();
        let exchange = Exchange {
            source: entry.map_or(Source::None, |entry| entry.source.clone()),
            sink: entry.map_or(Sink::None, |entry| entry.sink.clone()),
            pool: Arc::clone(&self.shared.pool),
            signals: Arc::clone(&self.shared.signals),
            stop: stop.clone(),
            moved: Arc::default(),
        };
        self.stops.insert(id, stop);
        let task = self
            .tasks
            .spawn(async move { Input::Outcome(exchange.run(attempt).await) });
        self.purposes.insert(task.id(), Purpose::Exchange(id));
    }

    fn fill(&mut self, transfer: TransferId, offset: u64, len: u64) {
        let Some(entry) = self.transfers.get_mut(&transfer) else {
            return;
        };
        let Source::Pull(source) = entry.source.clone() else {
            // A session asks this of pull sources alone; any other ends at once.
            return self.input(Input::Supplied {
                transfer,
                up_to: offset,
                end: true,
            });
        };
        let task = self.tasks.spawn(async move {
            let filled = source.fill(offset, len).await;
            Input::Supplied {
                transfer,
                up_to: filled.up_to,
                end: filled.end,
            }
        });
        self.purposes.insert(task.id(), Purpose::Fill(transfer));
        entry.filling = Some(task);
    }

    fn ask_for_credentials(&mut self) {
        let provider = self.provider.clone();
        let task = self.tasks.spawn(async move {
            let Some(provider) = provider else {
                let text = "the client was made without a provider of credentials";
                return Input::Credentials(Err(CredentialsError(text.into())));
            };
            let late = |_| {
                let text = format!("the provider gave none within {CREDENTIALS_LIMIT:?}");
                Err(CredentialsError(text))
            };
            let provided = timeout(CREDENTIALS_LIMIT, provider.provide()).await;
            Input::Credentials(provided.unwrap_or_else(late))
        });
        self.purposes.insert(task.id(), Purpose::Credentials);
    }

    /// A task has ended. One that was lost (it panicked, which is a bug, or was cut off) is told to
    /// the session as well, which would wait for it otherwise.
    fn on_task(&mut self, ended: Result<(Id, Input), JoinError>) {
        let (id, input) = match ended {
            Ok((id, input)) => (id, Some(input)),
            Err(error) => (error.id(), None),
        };
        let lost = match self.purposes.remove(&id) {
            Some(Purpose::Exchange(attempt)) => Input::Outcome(attempt.aborted()),
            Some(Purpose::Fill(transfer)) => Input::Cancel(Some(transfer)),
            Some(Purpose::Credentials) => {
                Input::Credentials(Err(CredentialsError("the provider panicked".into())))
            }
            None => return,
        };
        self.input(input.unwrap_or(lost));
    }

    fn input(&mut self, input: Input) {
        let about = match &input {
            Input::Outcome(outcome) => {
                self.stops.remove(&outcome.id());
                let transfer = outcome.id().transfer();
                if let (Some(entry), Some(stored)) =
                    (self.transfers.get(&transfer), outcome.stored())
                {
                    entry.source.release(stored);
                }
                Some(transfer)
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
        drop((entry.source, entry.sink));
        (entry.finish)(&mut self.session);
    }
}
