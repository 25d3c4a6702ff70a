use core::fmt;
use core::ops::Bound;
use core::time::Duration;
use std::any::Any;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::flight::Flight;
use super::pause::Pause;
use super::{
    Accepted, Blocked, CredentialState, Handle, Input, Machine, MemoryAccount, Notice, Notices,
    SessionConfig, Shared, Step,
};
use crate::attempt::{Attempt, AttemptId, Context, Outcome, TransferId};
use crate::error::{ApiMisuse, Cause, CredentialsError, TransferError, Unreachable};
use crate::operation::OperationKind;
use crate::pace::{Pace, PaceChange, Sign};
use crate::progress::{Progress, RateMeter};
use crate::retry::{ClockSkew, RetryBudget};
use crate::rng::Rng;
use crate::time::Instant;
use crate::transfer::{Cx, Next, Start, Transfer, Work};

/// How much longer than its deadlines an attempt may be silent before it counts as lost. An
/// adapter's own timeouts end an exchange before this does.
const LEASE_GRACE: Duration = Duration::from_secs(30);

/// Transfers, and all that they share: retry budget, clock skew, credentials, memory, slots.
///
/// A session does nothing by itself: a driver polls it, carries out the steps and reports what
/// came of them. It fits behind a lock or into a single task alike.
#[derive(Debug)]
pub struct Session {
    pub(super) shared: Shared,
    transfers: BTreeMap<TransferId, Entry>,
    /// Those that may want something: neither ended nor at [rest](Next::Rest).
    awake: BTreeSet<TransferId>,
    in_flight: BTreeMap<u64, Flight>,
    next_transfer: u64,
    next_serial: u64,
    /// The transfer that was served last: the next one comes first, so that none starves.
    served: TransferId,
    ended: VecDeque<TransferId>,
    /// When the first lease ends; zero where that is to be looked up.
    first_lease: Instant,
    #[cfg(feature = "trace")]
    pub(crate) recorder: crate::trace::Recorder,
}

struct Entry {
    work: Box<dyn Work>,
    state: State,
    attempts: u32,
    retries: u32,
    meter: RateMeter,
    /// Bytes that its exchanges under way have told.
    moving: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Running,
    /// It has ended, and the driver was or will be told.
    Ended,
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            state,
            attempts,
            retries,
            ..
        } = self;
        write!(
            f,
            "Entry {{ {state:?}, attempts: {attempts}, retries: {retries} }}"
        )
    }
}

impl Session {
    /// A session without transfers. All its randomness (jitter, tokens) follows from `seed`.
    pub fn new(config: SessionConfig, seed: u64) -> Self {
        let region = config.endpoint.region().clone();
        Self {
            shared: Shared {
                budget: RetryBudget::new(config.retry_budget),
                skew: ClockSkew::default(),
                rng: Rng::new(seed),
                credentials: CredentialState::new(&config.credentials, region),
                notices: Notices::default(),
                memory: MemoryAccount::new(config.payload_memory(config.first_slots())),
                pace: Pace::of(&config),
                broken_at: None,
                config,
            },
            transfers: BTreeMap::new(),
            awake: BTreeSet::new(),
            in_flight: BTreeMap::new(),
            next_transfer: 0,
            next_serial: 0,
            served: TransferId(0),
            ended: VecDeque::new(),
            first_lease: Instant::MAX,
            #[cfg(feature = "trace")]
            recorder: crate::trace::Recorder::default(),
        }
    }

    /// Adds a transfer, also while others are under way.
    pub fn insert<T: Transfer>(&mut self, transfer: T, now: Instant) -> Handle<T> {
        self.shared.credentials.revive();
        let id = TransferId(self.next_transfer);
        self.next_transfer += 1;
        #[cfg(feature = "trace")]
        self.recorder.inserted(id, &transfer, now);
        let entry = Entry {
            work: transfer.into_work(),
            state: State::Running,
            attempts: 0,
            retries: 0,
            meter: RateMeter::new(now),
            moving: 0,
        };
        self.transfers.insert(id, entry);
        self.awake.insert(id);
        Handle::new(id)
    }

    /// Takes the result of a transfer that has [ended](Step::Ended).
    ///
    /// # Errors
    /// Why the transfer failed, or [`ApiMisuse`] where it has not ended or was taken before.
    pub fn take<T: Transfer>(&mut self, handle: Handle<T>) -> Result<T::Output, TransferError> {
        let output: Box<dyn Any> = self.take_any(handle.id())?;
        output
            .downcast::<T::Output>()
            .map(|output| *output)
            .map_err(|_| TransferError::new(Unreachable("a result of another type")))
    }

    /// Takes a result whose type is left to the caller.
    pub(crate) fn take_any(
        &mut self,
        id: TransferId,
    ) -> Result<Box<dyn Any + Send>, TransferError> {
        let result = self.remove(id);
        #[cfg(feature = "trace")]
        self.recorder.taken(id, result.as_ref().err());
        result
    }

    fn remove(&mut self, id: TransferId) -> Result<Box<dyn Any + Send>, TransferError> {
        let misuse = |text: &'static str| TransferError::new(ApiMisuse(text.into()));
        match self.transfers.get(&id) {
            Some(entry) if entry.state == State::Ended => {}
            Some(_) => {
                return Err(misuse(
                    "the result of a transfer that has not ended was taken",
                ));
            }
            None => return Err(misuse("the result of a transfer was taken twice")),
        }
        let Some(entry) = self.transfers.remove(&id) else {
            return Err(misuse("the result of a transfer was taken twice"));
        };
        self.ended.retain(|ended| *ended != id);
        let attempts = entry.attempts;
        let result = entry.work.into_result();
        result.map_err(|error| TransferError { attempts, ..error })
    }

    /// How far a transfer is; `None` where its result was taken.
    pub fn progress(&self, transfer: TransferId, now: Instant) -> Option<Progress> {
        let entry = self.transfers.get(&transfer)?;
        let counters = entry.work.counters();
        let flights = self.flights_of(transfer);
        let progress = Progress {
            total: counters.total,
            parts: counters.parts,
            parts_total: counters.parts_total,
            attempts: entry.attempts,
            retries: entry.retries,
            in_flight: u32::try_from(flights.count()).unwrap_or(u32::MAX),
            ..Progress::default()
        };
        Some(progress.measured(&entry.meter, now))
    }

    /// Failed attempts since the last call, oldest first, and what was done about each. At most
    /// 1,024 are kept.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        self.shared.notices.take()
    }

    /// What the session has changed of its pace since the last call, oldest first, and why. At most
    /// 256 are kept.
    pub fn take_pace_changes(&mut self) -> Vec<PaceChange> {
        self.shared.pace.take_changes()
    }

    /// Bytes of payload that are held or reserved now, beside the buffers of exchanges. 0 where no
    /// transfer is under way.
    pub const fn memory_reserved(&self) -> u64 {
        self.shared.memory.used()
    }

    /// What the session was made with.
    pub const fn config(&self) -> &SessionConfig {
        &self.shared.config
    }

    fn flights_of(&self, transfer: TransferId) -> impl Iterator<Item = &Flight> {
        self.in_flight
            .values()
            .filter(move |flight| flight.id.transfer == transfer)
    }

    /// Asks transfers in turn what they want, beginning after the one that was served last.
    fn poll_transfers(&mut self, now: Instant) -> Step {
        let mut pause = Pause::default();
        let served = self.served;
        let after = (Bound::Excluded(served), Bound::Unbounded);
        let before = (Bound::Unbounded, Bound::Included(served));
        for (mut from, to) in [after, before] {
            while let Some(&id) = self.awake.range((from, to)).next() {
                if let Some(step) = self.poll_transfer(id, now, &mut pause) {
                    self.served = id;
                    return step;
                }
                from = Bound::Excluded(id);
            }
        }
        if let Some(id) = self.ended.pop_front() {
            return Step::Ended(id);
        }
        self.shared.pace.waits(self.in_flight.len(), now);
        if !self.in_flight.is_empty() {
            let first = Some(self.first_lease).filter(|first| *first < Instant::MAX);
            pause.add(first, Blocked::InFlight);
        }
        match pause.why {
            Some(why) => Step::Wait {
                until: pause.until,
                why,
            },
            None => Step::Done,
        }
    }

    fn poll_transfer(&mut self, id: TransferId, now: Instant, pause: &mut Pause) -> Option<Step> {
        let slot_free = self.in_flight.len() < usize::from(self.shared.slots());
        let gate = self.shared.pace.gate();
        let entry = self.transfers.get_mut(&id);
        let Some(entry) = entry.filter(|entry| entry.state == State::Running) else {
            self.awake.remove(&id);
            return None;
        };
        let mut cx = Cx {
            now,
            serial: self.next_serial,
            shared: &mut self.shared,
            slot_free,
            gate,
            started: now,
        };
        let mut next = entry.work.next(&mut cx);
        // An attempt whose lease ran out is being ended already: the next one, then.
        while let Next::Abort(serial) = next
            && self
                .in_flight
                .get(&serial)
                .is_none_or(|flight| flight.aborting)
        {
            next = entry.work.next(&mut cx);
        }
        match next {
            Next::Start(start) => Some(self.start(id, start, now)),
            Next::Fill { offset, len } => Some(Step::Fill {
                transfer: id,
                offset,
                len,
            }),
            Next::Abort(serial) => {
                let flight = self.in_flight.get_mut(&serial)?;
                flight.abort(&mut self.first_lease);
                Some(Step::Abort(flight.id))
            }
            Next::Wait { until, why } => {
                pause.add(until, why);
                None
            }
            Next::Rest => {
                self.awake.remove(&id);
                None
            }
            Next::Ended => {
                entry.state = State::Ended;
                self.awake.remove(&id);
                self.ended.push_back(id);
                None
            }
        }
    }

    fn start(&mut self, transfer: TransferId, start: Start, now: Instant) -> Step {
        let id = AttemptId {
            transfer,
            serial: self.next_serial,
        };
        self.next_serial += 1;
        let config = &self.shared.config;
        let timeouts = &config.timeouts;
        let kind = start.exchange.kind();
        let head = match kind {
            OperationKind::CompleteMultipartUpload => timeouts.complete,
            _ => timeouts.head,
        };
        let deadlines = config.deadlines(head);
        let lease = [deadlines.head, deadlines.idle, LEASE_GRACE]
            .into_iter()
            .fold(deadlines.connect, Duration::saturating_add);
        let freight = start.exchange.freight();
        let flight = Flight {
            id,
            lease,
            expires: now + lease,
            aborting: false,
            bytes: 0,
            freight,
            started: now,
            reads: kind == OperationKind::GetObject,
        };
        self.shared.pace.started(id.serial, freight, now);
        self.first_lease = self.first_lease.min(flight.expires);
        self.in_flight.insert(id.serial, flight);
        if let Some(entry) = self.transfers.get_mut(&transfer) {
            entry.attempts = entry.attempts.saturating_add(1);
            entry.retries = entry.retries.saturating_add(u32::from(start.number > 1));
        }
        let signer = self
            .shared
            .credentials
            .signer()
            .unwrap_or_else(crate::sign::Signer::anonymous);
        let context = Context {
            endpoint: config.endpoint.clone(),
            signer,
            skew: self.shared.skew,
            generation: self.shared.credentials.generation(),
            deadlines,
            stall: config.stall_policy(kind),
            user_agent: config.user_agent.clone(),
            trailers: config.trailers(),
        };
        Step::Start(Attempt {
            id,
            context,
            exchange: start.exchange,
        })
    }

    /// An attempt that was silent for its whole lease is to be ended. Its slot and its memory stay
    /// taken until its outcome is back.
    fn expired(&mut self, now: Instant) -> Option<AttemptId> {
        let leased = self.in_flight.values_mut();
        let leased = leased.filter(|flight| !flight.aborting);
        let first = leased.min_by_key(|flight| flight.expires);
        self.first_lease = first.as_ref().map_or(Instant::MAX, |first| first.expires);
        let expired = first.filter(|first| first.expires <= now)?;
        expired.abort(&mut self.first_lease);
        Some(expired.id)
    }

    fn on_outcome(&mut self, outcome: Outcome, now: Instant) -> Accepted {
        let id = outcome.id();
        let flight = self.in_flight.get(&id.serial).copied();
        let flight = flight.filter(|flight| flight.id == id);
        let entry = self.transfers.get_mut(&id.transfer);
        let (Some(entry), Some(flight)) = (entry, flight) else {
            return Accepted::Stale;
        };
        self.in_flight.remove(&id.serial);
        flight.end_lease(&mut self.first_lease);
        entry.moving = entry.moving.saturating_sub(flight.bytes);
        let ended = flight.ended(&outcome);
        if flight.reads && flight.bytes == 0 && ended.sign == Sign::Good {
            self.shared.pace.began_after(now.since(flight.started));
        }
        let mut cx = Cx {
            now,
            serial: self.next_serial,
            gate: self.shared.pace.gate(),
            shared: &mut self.shared,
            slot_free: true,
            started: flight.started,
        };
        entry.work.on_outcome(outcome, &mut cx);
        self.awake.insert(id.transfer);
        self.note_progress(id.transfer, now);
        self.after_exchange(&ended, now);
        Accepted::Counted
    }

    fn on_progress(&mut self, attempt: AttemptId, bytes: u64, now: Instant) -> Accepted {
        match self
            .in_flight
            .get_mut(&attempt.serial)
            .filter(|flight| flight.id == attempt)
        {
            Some(flight) => {
                flight.end_lease(&mut self.first_lease);
                flight.expires = now + flight.lease;
                let more = bytes.saturating_sub(flight.bytes);
                if flight.reads && flight.bytes == 0 && bytes > 0 {
                    self.shared.pace.began_after(now.since(flight.started));
                }
                flight.bytes = flight.bytes.max(bytes);
                self.shared.pace.progressed(more, now);
                self.shared.turn(now);
                if let Some(entry) = self.transfers.get_mut(&attempt.transfer) {
                    entry.moving = entry.moving.saturating_add(more);
                    entry.work.on_progress(attempt.serial, bytes);
                }
                self.note_progress(attempt.transfer, now);
                Accepted::Counted
            }
            None => Accepted::Stale,
        }
    }

    fn note_progress(&mut self, transfer: TransferId, now: Instant) {
        if let Some(entry) = self.transfers.get_mut(&transfer) {
            let counters = entry.work.counters();
            let bytes = counters.bytes.saturating_add(entry.moving);
            let bytes = counters.total.map_or(bytes, |total| bytes.min(total));
            entry.meter.reached(bytes, now);
        }
    }

    fn on_credentials(
        &mut self,
        result: Result<crate::sign::Credentials, CredentialsError>,
        now: Instant,
    ) -> Accepted {
        if !self.shared.credentials.is_awaited() {
            return Accepted::Stale;
        }
        match result {
            Ok(credentials) => self.shared.credentials.provide(credentials),
            Err(error) => {
                self.shared.credentials.decline();
                self.fail_all(&Cause::Credentials(error), now);
            }
        }
        Accepted::Counted
    }

    pub(super) fn fail_all(&mut self, cause: &Cause, now: Instant) {
        let running: Vec<TransferId> = self.transfers.keys().copied().collect();
        for id in running {
            self.fail(id, cause.clone(), now);
        }
    }

    fn fail(&mut self, id: TransferId, cause: Cause, now: Instant) -> Accepted {
        self.with_running(id, now, |work, cx| work.fail(cause, cx))
    }

    fn with_running(
        &mut self,
        transfer: TransferId,
        now: Instant,
        then: impl FnOnce(&mut dyn Work, &mut Cx<'_>),
    ) -> Accepted {
        match self
            .transfers
            .get_mut(&transfer)
            .filter(|entry| entry.state == State::Running)
        {
            Some(entry) => {
                let mut cx = Cx {
                    now,
                    serial: self.next_serial,
                    gate: self.shared.pace.gate(),
                    shared: &mut self.shared,
                    slot_free: true,
                    started: now,
                };
                then(&mut *entry.work, &mut cx);
                self.awake.insert(transfer);
                Accepted::Counted
            }
            None => Accepted::Stale,
        }
    }

    fn step(&mut self, now: Instant) -> Step {
        if self.first_lease <= now
            && let Some(id) = self.expired(now)
        {
            return Step::Abort(id);
        }
        let is_running = || {
            let mut transfers = self.transfers.values();
            transfers.any(|entry| entry.state == State::Running)
        };
        if self.shared.credentials.is_due() && is_running() {
            self.shared.credentials.asked();
            return Step::NeedCredentials;
        }
        self.poll_transfers(now)
    }

    fn take_in(&mut self, input: Input, now: Instant) -> Accepted {
        match input {
            Input::Outcome(outcome) => self.on_outcome(outcome, now),
            Input::Progress { attempt, bytes } => self.on_progress(attempt, bytes, now),
            Input::Released { transfer, up_to } => {
                self.with_running(transfer, now, |work, _| work.on_released(up_to))
            }
            Input::Supplied {
                transfer,
                up_to,
                end,
            } => self.with_running(transfer, now, |work, cx| work.on_supplied(up_to, end, cx)),
            Input::SupplyFailed { transfer, error } => {
                self.fail(transfer, Cause::Source(error), now)
            }
            Input::Credentials(result) => self.on_credentials(result, now),
            Input::Concurrency(concurrency) => {
                self.shared.fix_slots(concurrency);
                Accepted::Counted
            }
            Input::Cancel(Some(id)) => self.fail(id, Cause::Cancelled, now),
            Input::Cancel(None) => {
                self.fail_all(&Cause::Cancelled, now);
                Accepted::Counted
            }
        }
    }
}

impl Machine for Session {
    fn poll(&mut self, now: Instant) -> Step {
        let step = self.step(now);
        #[cfg(feature = "trace")]
        self.recorder.polled(&step, now);
        step
    }

    fn input(&mut self, input: Input, now: Instant) -> Accepted {
        #[cfg(feature = "trace")]
        let told = self.recorder.hear(&input);
        let accepted = self.take_in(input, now);
        #[cfg(feature = "trace")]
        self.recorder.heard(told, accepted, now);
        accepted
    }
}
