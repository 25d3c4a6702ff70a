//! The driver of a run: takes the session's steps, and lets happen what may.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU16;
use std::time::Duration;

use bytes::Bytes;
use sans3_core::attempt::{Attempt, AttemptId, Outcome, TransferId};
use sans3_core::error::{CredentialsError, TransferError};
use sans3_core::operation::{HeadObject, HeadObjectOutput};
use sans3_core::session::{Accepted, Blocked, Handle, Input, Machine, Session, Step};
use sans3_core::sign::Credentials;
use sans3_core::time::{Instant, UnixTime};
use sans3_core::transfer::{Call, Download, Downloaded, Upload, Uploaded};

use super::calendar::Calendar;
use super::choices::{Choices, index};
use super::flight::{Ending, Flight, State, give_up, take};
use super::invariant::Invariant;
use super::job::{self, Job};
use super::scenario::Scenario;
use super::story::Story;
use super::watch::Watch;
use super::world::World;
use super::{Log, Summary};
use crate::drive::{EPOCH, Sent, Sink, Source, send};

/// More steps than any run needs: beyond, a session spins.
const MAX_STEPS: u32 = 100_000;

/// What happens next.
pub(super) enum Event {
    /// A request reaches the server.
    Arrive(AttemptId),
    /// An exchange ends, in whatever way its flight says by then.
    End(AttemptId),
    /// The outcome of one that has ended is told.
    Report(Box<Outcome>),
    /// A request takes effect that nobody waits for any more.
    Ghost(Box<Sent>),
    Supply {
        transfer: TransferId,
        up_to: u64,
        end: bool,
    },
    Credentials,
    Release(TransferId),
    Cancel(Option<TransferId>),
    /// A job is added.
    Begin(usize),
    Concurrency(NonZeroU16),
    /// The local wall clock is set, by so many seconds.
    Clock(i64),
}

pub(super) enum Taken {
    Download(Handle<Download>),
    Upload(Handle<Upload>),
    Look(Handle<Call<HeadObject>>),
}

/// The result of one job.
pub(super) enum Finished {
    Download(Result<Downloaded, TransferError>),
    Upload(Result<Uploaded, TransferError>),
    Look(Result<HeadObjectOutput, TransferError>),
}

pub(super) struct Simulation<'a> {
    pub(super) choices: &'a mut Choices,
    pub(super) story: &'a mut Story,
    pub(super) scenario: Scenario,
    pub(super) session: Session,
    pub(super) world: World,
    pub(super) now: Instant,
    calendar: Calendar,
    flights: BTreeMap<AttemptId, Box<Flight>>,
    /// Exchanges that have ended, and whose outcomes are not told yet.
    untold: BTreeSet<AttemptId>,
    pub(super) sinks: BTreeMap<TransferId, Sink>,
    /// Consumers that are going to take what there is.
    releasing: BTreeSet<TransferId>,
    sources: BTreeMap<TransferId, Source>,
    /// The jobs that have begun.
    pub(super) taken: BTreeMap<usize, Taken>,
    pub(super) results: BTreeMap<usize, Finished>,
    /// What a piped upload has asked for: where it begins and ends.
    asked: Option<(u64, u64)>,
    /// Whether the provider of credentials has run out of them.
    broke: bool,
    /// An outcome that was told before.
    told: Option<Outcome>,
    pub(super) watch: Watch,
    log: Log,
}

impl<'a> Simulation<'a> {
    pub(super) fn new(scenario: Scenario, choices: &'a mut Choices, story: &'a mut Story) -> Self {
        let downloads = (0..)
            .zip(&scenario.jobs)
            .filter(|(_, job)| matches!(job, Job::Download { .. }))
            .map(|(at, _)| job::name(at));
        let world = World::new(&scenario, downloads.collect());
        Self {
            session: Session::new(scenario.config.clone(), scenario.seed),
            world,
            now: Instant::ZERO,
            calendar: Calendar::new(scenario.any_order),
            flights: BTreeMap::new(),
            untold: BTreeSet::new(),
            sinks: BTreeMap::new(),
            releasing: BTreeSet::new(),
            sources: BTreeMap::new(),
            taken: BTreeMap::new(),
            results: BTreeMap::new(),
            asked: None,
            broke: false,
            told: None,
            watch: Watch::default(),
            log: Log::default(),
            choices,
            story,
            scenario,
        }
    }

    pub(super) fn run(mut self) -> Summary {
        self.prepare();
        let mut steps = 0;
        while self.step() {
            steps += 1;
            Invariant::NoSpin.holds(steps < MAX_STEPS, || format!("{MAX_STEPS} steps"));
            let flights = self.flights.len() + self.untold.len();
            self.watch.after_step(&mut self.session, flights, self.now);
        }
        self.log.note(&self.now.as_nanos().to_le_bytes());
        let (succeeded, failed) = self.judge();
        Summary {
            succeeded,
            failed,
            attempts: self.watch.attempts(),
            payload: self.scenario.jobs.iter().map(Job::size).sum(),
            log: self.log.hash(),
        }
    }

    /// Begins the jobs, and plans what happens by itself.
    fn prepare(&mut self) {
        for at in 0..self.scenario.jobs.len() {
            if !self.scenario.piped && !self.scenario.any_order && self.choices.one_in(3) {
                let after = self.delay() * 4;
                self.calendar.add(after, Event::Begin(at));
            } else {
                self.begin(at);
            }
        }
        if !self.scenario.unrest {
            return;
        }
        if self.choices.one_in(4) {
            let count = u16::try_from(self.choices.below(10)).unwrap_or(0);
            let after = self.delay() * 4;
            let count = NonZeroU16::MIN.saturating_add(count);
            self.calendar.add(after, Event::Concurrency(count));
        }
        if self.choices.one_in(2) {
            let whom = self.choices.below(self.scenario.jobs.len() as u64 + 1);
            let whom = self.taken.get(&index(whom)).map(Taken::id);
            let at = Duration::from_millis(self.choices.below(20_000));
            self.calendar.add(at, Event::Cancel(whom));
        }
        if self.choices.one_in(6) {
            let hour = i64::try_from(self.choices.below(7_201)).unwrap_or(0) - 3_600;
            let at = Duration::from_millis(self.choices.below(20_000));
            self.calendar.add(at, Event::Clock(hour));
        }
    }

    fn begin(&mut self, at: usize) {
        let (name, now) = (job::name(at as u64), self.now);
        let taken = match &self.scenario.jobs[at] {
            Job::Download {
                spec,
                sink,
                object,
                checksum,
            } => {
                if let Some(object) = object {
                    self.world.store(&name, object.clone(), *checksum);
                }
                let handle = self.session.insert(spec.clone(), now);
                self.sinks.insert(handle.id(), sink.clone());
                Taken::Download(handle)
            }
            Job::Upload {
                spec,
                source,
                before,
                ..
            } => {
                if let Some(before) = before {
                    self.world.model.put("b", &name, before.clone());
                }
                let handle = self.session.insert((**spec).clone(), now);
                self.sources.insert(handle.id(), source.clone());
                Taken::Upload(handle)
            }
            Job::Look => {
                let head = HeadObject::new(job::bucket(), job::key(0));
                Taken::Look(self.session.insert(Call::new(head), now))
            }
        };
        self.watch.inserted(taken.id(), &self.scenario.jobs[at]);
        self.watch.windows(&self.session);
        self.taken.insert(at, taken);
    }

    /// One step of the session; false when all is done.
    fn step(&mut self) -> bool {
        let step = self.session.poll(self.now);
        self.watch.woken(&step, self.now);
        match step {
            Step::Start(attempt) => self.start(attempt),
            Step::Abort(id) => self.abort(id),
            Step::Fill {
                transfer,
                offset,
                len,
            } => self.fill(transfer, offset, len),
            Step::NeedCredentials if self.scenario.prompt => self.provide(),
            Step::NeedCredentials => {
                let after = self.delay();
                self.calendar.add(after, Event::Credentials);
            }
            Step::Ended(id) => {
                let flying = self.flights.keys().any(|flight| flight.transfer() == id);
                self.watch.ended(id, flying);
                if self.is_piped(id) || self.scenario.any_order || self.choices.one_in(2) {
                    self.take(id);
                    self.pump();
                }
            }
            Step::Done => {
                let again = self.session.poll(self.now);
                Invariant::AfterEnd.holds(
                    matches!(again, Step::Done) && self.flights.is_empty(),
                    || format!("done with exchanges under way, and then {again:?}"),
                );
                if self.taken.len() == self.scenario.jobs.len() {
                    return false;
                }
                self.wait(None, false);
            }
            Step::Wait { until, why } => self.wait(until, why == Blocked::Backoff),
        }
        true
    }

    fn start(&mut self, attempt: Attempt) {
        let id = attempt.id();
        self.watch.started(id, self.now);
        let source = self.sources.get(&id.transfer());
        let state = match send(attempt, self.wall(), source) {
            Ok((sendable, request)) => {
                self.log.request(&request, self.now);
                let sink = self.sinks.get(&id.transfer());
                self.watch.requested(id, &request, sink);
                State::Sent(sendable, request)
            }
            Err(outcome) => State::Over(outcome),
        };
        let chaos = self.is_chaos();
        let ending = if chaos {
            Ending::draw(self.choices)
        } else {
            Ending::Normal
        };
        self.flights.insert(id, Box::new(Flight { state, ending }));
        let after = self.delay();
        if self.scenario.phased {
            self.calendar.add(after / 2, Event::Arrive(id));
        }
        // Some never end by themselves: their lease must run out.
        if !(chaos && self.choices.one_in(100)) {
            self.calendar.add(after, Event::End(id));
        }
    }

    fn abort(&mut self, id: AttemptId) {
        // Where nothing may be lost, what came before is kept.
        let ending = if self.is_chaos() {
            Ending::draw_abort(self.choices)
        } else {
            Ending::Cut(500)
        };
        let after = self.delay();
        match self.flights.get_mut(&id) {
            Some(flight) => flight.ending = ending,
            // Its end is on the way to the session already.
            None if self.untold.contains(&id) => return,
            None => Invariant::AfterEnd.is_broken("an exchange is ended that is not under way"),
        }
        self.calendar.add(after, Event::End(id));
    }

    /// Whether a transfer is one of the two ends of a pipe.
    fn is_piped(&self, id: TransferId) -> bool {
        let ends = [0, self.scenario.jobs.len() - 1];
        let mut ids = ends.iter().filter_map(|end| self.taken.get(end));
        self.scenario.piped && ids.any(|taken| taken.id() == id)
    }

    /// Hands on what the download of a pipe has and its upload has asked for.
    fn pump(&mut self) {
        let last = self.scenario.jobs.len() - 1;
        let (Some((start, end)), true) = (self.asked, self.scenario.piped) else {
            return;
        };
        let (from, to) = (self.taken[&0].id(), self.taken[&last].id());
        let ended = match self.results.get(&0) {
            Some(Finished::Download(Err(_))) => {
                self.asked = None;
                self.input(Input::Cancel(Some(to)));
                return;
            }
            other => other.is_some(),
        };
        let Some(sink) = self.sinks.get_mut(&from) else {
            return;
        };
        let front = sink.release().unwrap_or(0);
        let up_to = front.min(end);
        if up_to == start && !ended {
            return;
        }
        let bytes = Bytes::copy_from_slice(&sink.bytes[..index(up_to)]);
        if let Job::Upload { bytes: all, .. } = &mut self.scenario.jobs[last] {
            all.clone_from(&bytes);
        }
        self.sources.insert(to, Source::new(bytes));
        self.asked = (up_to < end && !ended).then_some((up_to, end));
        self.watch.filled(to, up_to);
        self.input(Input::Supplied {
            transfer: to,
            up_to,
            end: ended && up_to == front,
        });
        self.release(from, up_to);
    }

    fn fill(&mut self, transfer: TransferId, offset: u64, len: u64) {
        self.watch.asked(transfer, len);
        if self.is_piped(transfer) {
            self.asked = Some((offset, offset.saturating_add(len)));
            return self.pump();
        }
        let total = self.sources[&transfer].len();
        let up_to = offset.saturating_add(len).min(total);
        Invariant::NoSpin.holds(len > 0 && offset <= total, || "a fill for nothing".into());
        self.watch.filled(transfer, up_to);
        // Whether the end is seen with the last byte or only behind it is up to the source.
        let asked = offset.saturating_add(len);
        let end = up_to < asked || (up_to == total && !self.choices.one_in(2));
        let after = self.delay();
        if !self.scenario.any_order && self.choices.one_in(3) && up_to > offset {
            let supply = Event::Supply {
                transfer,
                up_to: offset + self.choices.below(up_to - offset),
                end: false,
            };
            self.calendar.add(after / 2, supply);
        }
        let supply = Event::Supply {
            transfer,
            up_to,
            end,
        };
        self.calendar.add(after, supply);
    }

    fn provide(&mut self) {
        // Once it has none it never has any again.
        self.broke |= self.scenario.poor && self.choices.one_in(3);
        let answer = if self.broke {
            Err(CredentialsError("the simulation has none".into()))
        } else {
            Credentials::new(&self.world.key_id(), "secret", None)
                .map_err(|error| CredentialsError(error.to_string()))
        };
        self.input(Input::Credentials(answer));
    }

    /// Moves on to the next event, or to the time that the session named.
    fn wait(&mut self, until: Option<Instant>, idle: bool) {
        Invariant::NoSpin.holds(until.is_none_or(|until| until > self.now), || {
            "a wait that has passed already".into()
        });
        match self.calendar.next(until, idle, self.choices) {
            Some((at, event)) => {
                self.set_time(at);
                self.happen(event);
                self.interfere();
                self.watch.after_event(&self.session, &self.sinks, self.now);
            }
            None => match until {
                Some(until) => {
                    self.set_time(until);
                    self.watch.wakes();
                }
                None => Invariant::NoSpin.is_broken("the session waits for nothing"),
            },
        }
    }

    fn set_time(&mut self, at: Instant) {
        self.now = self.now.max(at);
        self.calendar.set_time(self.now);
        self.world.set_time(self.now.since(Instant::ZERO));
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Arrive(id) => self.arrive(id),
            Event::End(id) => self.end(id),
            Event::Report(outcome) => {
                self.untold.remove(&outcome.id());
                self.report(*outcome);
            }
            Event::Ghost(request) => {
                self.story
                    .tell(|| format!("late: {} {}", request.method, request.target));
                self.world.apply(&request);
            }
            Event::Supply {
                transfer,
                up_to,
                end,
            } => {
                self.input(Input::Supplied {
                    transfer,
                    up_to,
                    end,
                });
            }
            Event::Credentials => self.provide(),
            Event::Release(transfer) if self.is_piped(transfer) => {
                self.releasing.remove(&transfer);
                self.pump();
            }
            Event::Release(transfer) => {
                self.releasing.remove(&transfer);
                let sink = self.sinks.get_mut(&transfer);
                if let Some(up_to) = sink.and_then(Sink::release) {
                    self.release(transfer, up_to);
                }
            }
            Event::Begin(at) => self.begin(at),
            Event::Concurrency(count) => {
                self.input(Input::Concurrency(count));
                self.watch.windows(&self.session);
            }
            Event::Cancel(whom) => {
                self.story.tell(|| format!("cancelled: {whom:?}"));
                self.input(Input::Cancel(whom));
            }
            Event::Clock(by) => {
                self.story.tell(|| format!("the clock is set by {by} s"));
                self.scenario.clock_error += by;
            }
        }
    }

    /// What may come at any time, and must do no harm.
    fn interfere(&mut self) {
        if self.scenario.any_order || !self.choices.one_in(10) {
            return;
        }
        if let Some(id) = self.flights.keys().next().copied() {
            let bytes = self.choices.below(2_000);
            self.input(Input::Progress { attempt: id, bytes });
        }
        if let Some(outcome) = self.told.clone() {
            self.tell_again(outcome);
        }
    }

    fn arrive(&mut self, id: AttemptId) {
        let Some(flight) = self.flights.remove(&id) else {
            return;
        };
        let Flight { mut state, ending } = *flight;
        if let State::Sent(sendable, request) = state {
            let reply = self.answer(id, request);
            state = State::Answered(sendable, reply);
        }
        self.flights.insert(id, Box::new(Flight { state, ending }));
    }

    fn answer(&mut self, id: AttemptId, request: Sent) -> crate::drive::Reply {
        let now = self.now.since(Instant::ZERO);
        self.story.at(|| format!("{now:?} {id} "));
        let reply = self.world.answer(request, self.choices, self.story);
        self.story.at(String::new);
        for request in std::mem::take(&mut self.world.late) {
            self.haunt(request);
        }
        reply
    }

    /// A request takes effect although its exchange is over.
    fn haunt(&mut self, request: Sent) {
        let after = self.delay() * 3;
        self.calendar.add(after, Event::Ghost(Box::new(request)));
    }

    fn end(&mut self, id: AttemptId) {
        // Ended already: the lease ran out while the end was on its way.
        let Some(flight) = self.flights.remove(&id) else {
            return;
        };
        let Flight { state, ending } = *flight;
        if !matches!(ending, Ending::Normal) {
            self.story.tell(|| format!("{id} ends by {ending:?}"));
        }
        let before_arrival = match ending {
            Ending::LostBefore => true,
            Ending::Cut(_) => self.is_chaos() && self.choices.one_in(3),
            Ending::Normal | Ending::LostAfter(_) => false,
        };
        let outcome = match state {
            State::Over(outcome) => outcome,
            State::Sent(sendable, request) if before_arrival => {
                let (outcome, ghost) = give_up(sendable, request, ending, self.choices);
                if let Some(request) = ghost {
                    self.haunt(request);
                }
                outcome
            }
            State::Sent(sendable, request) => {
                let reply = self.answer(id, request);
                self.place(sendable, reply, ending)
            }
            State::Answered(sendable, _) if matches!(ending, Ending::LostBefore) => {
                sendable.id().aborted()
            }
            State::Answered(sendable, reply) => self.place(sendable, reply, ending),
        };
        // One consumer takes whatever there is when its turn comes.
        if self.watch.is_in_order(id.transfer()) && self.releasing.insert(id.transfer()) {
            let after = self.delay() * self.scenario.sloth;
            self.calendar.add(after, Event::Release(id.transfer()));
        }
        if self.scenario.phased && self.choices.one_in(3) {
            self.untold.insert(id);
            let after = self.delay();
            self.calendar.add(after, Event::Report(Box::new(outcome)));
        } else {
            self.report(outcome);
        }
    }

    fn place(
        &mut self,
        sendable: sans3_core::attempt::Sendable,
        reply: crate::drive::Reply,
        ending: Ending,
    ) -> Outcome {
        let (wall, id) = (self.wall(), sendable.id());
        let sink = self.sinks.entry(id.transfer()).or_default();
        let before = sink.writes.len();
        let outcome = take(sendable, reply, ending, wall, sink);
        if sink.writes.len() > before {
            self.watch.placed(id);
        }
        outcome
    }

    fn report(&mut self, outcome: Outcome) {
        self.watch.reported(&outcome);
        let id = outcome.id();
        // Some are told again, at once or later.
        let again = self.scenario.any_order || self.choices.one_in(4);
        self.told = if again {
            Some(outcome.clone())
        } else {
            self.told.take()
        };
        let accepted = self.input(Input::Outcome(outcome));
        Invariant::Stale.holds(accepted == Accepted::Counted, || {
            format!("{id} is not counted")
        });
        if again && let Some(outcome) = self.told.clone() {
            self.tell_again(outcome);
        }
    }

    fn tell_again(&mut self, outcome: Outcome) {
        let id = outcome.id();
        let accepted = self.input(Input::Outcome(outcome));
        Invariant::Stale.holds(accepted == Accepted::Stale, || {
            format!("{id} was told twice and counted twice")
        });
    }

    fn release(&mut self, transfer: TransferId, up_to: u64) {
        self.watch.released(transfer, up_to);
        self.input(Input::Released { transfer, up_to });
    }

    /// Takes the result of a transfer that has ended.
    pub(super) fn take(&mut self, id: TransferId) {
        let found = self.taken.iter().find(|(_, taken)| taken.id() == id);
        let Some((at, taken)) = found else {
            Invariant::AfterEnd.is_broken("what has ended never began");
        };
        let result = match *taken {
            Taken::Download(handle) => Finished::Download(self.session.take(handle)),
            Taken::Upload(handle) => Finished::Upload(self.session.take(handle)),
            Taken::Look(handle) => Finished::Look(self.session.take(handle)),
        };
        self.results.insert(*at, result);
    }

    fn input(&mut self, input: Input) -> Accepted {
        self.session.input(input, self.now)
    }

    /// Requests that are still on their way take effect.
    pub(super) fn let_ghosts_pass(&mut self) {
        for event in self.calendar.drain() {
            if let Event::Ghost(request) = event {
                self.world.apply(&request);
            }
        }
    }

    /// What the local wall clock says.
    fn wall(&self) -> UnixTime {
        let since = self.now.since(Instant::ZERO).as_secs();
        EPOCH
            .offset(i64::try_from(since).unwrap_or(i64::MAX))
            .offset(self.scenario.clock_error)
    }

    /// Whether exchanges may be lost now.
    fn is_chaos(&self) -> bool {
        !self.scenario.is_calm() && !self.world.is_quiet()
    }

    fn delay(&mut self) -> Duration {
        if self.scenario.any_order {
            return Duration::from_millis(1);
        }
        let slowest = u64::try_from(self.scenario.slowest.as_millis()).unwrap_or(0);
        Duration::from_millis(self.choices.below(slowest + 1))
    }
}

impl Taken {
    pub(super) fn id(&self) -> TransferId {
        match self {
            Self::Download(handle) => handle.id(),
            Self::Upload(handle) => handle.id(),
            Self::Look(handle) => handle.id(),
        }
    }
}
