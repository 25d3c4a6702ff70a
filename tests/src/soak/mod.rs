//! Random transfers under random faults: each run follows from a seed.
//!
//! A run draws a server, a session and some transfers, drives them in virtual time with faults,
//! aborts, cancellations and changes of the objects at random moments, and checks after every
//! event that the promises hold: bounds on memory, concurrency, attempts and time; and at the end
//! that a success is the exact bytes of one version, and that no upload is left behind untold.

mod check;
mod plan;
mod world;

use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::time::Duration;

use sans3_core::attempt::{Attempt, AttemptId, Outcome, TransferId};
use sans3_core::error::{CredentialsError, TransferError};
use sans3_core::operation::{HeadObject, HeadObjectOutput};
use sans3_core::rng::Rng;
use sans3_core::session::Handle;
use sans3_core::session::{Accepted, Input, Machine, Session, Step};
use sans3_core::sign::Credentials;
use sans3_core::time::{Instant, UnixTime};
use sans3_core::transfer::{Call, Download, Downloaded, Upload, Uploaded};

use crate::drive::{EPOCH, Sink, Source, run as exchange};
use check::Watch;
use plan::{Job, Plan, bucket, key, one_in};
use world::{Cut, World};

/// More steps than any run needs: beyond, a session spins.
const MAX_STEPS: u32 = 100_000;

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The requests in the order in which they were answered.
    pub requests: Vec<String>,
    /// Transfers that succeeded.
    pub succeeded: u32,
    /// Transfers that failed.
    pub failed: u32,
}

/// Carries out the run of `seed`.
///
/// # Panics
/// Where a promise is broken; the text tells which.
pub fn run(seed: u64) -> Summary {
    Soak::new(seed).run()
}

/// What happens next, in the order of time.
enum Event {
    /// An exchange ends, in whatever way its flight says by then.
    End(AttemptId),
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
}

/// How an exchange ends.
#[derive(Clone, Copy, Debug)]
enum Ending {
    /// As the server lets it.
    Normal,
    /// The adapter ends it, and keeps what came by then.
    Cut(u64),
    /// Its state is lost before anything was sent.
    LostBefore,
    /// Its state is lost after so much of the answer.
    LostAfter(u64),
}

struct Flight {
    attempt: Attempt,
    ending: Ending,
}

enum Taken {
    Download(Handle<Download>),
    Upload(Handle<Upload>),
    Look(Handle<Call<HeadObject>>),
}

/// The result of one job.
enum Finished {
    Download(Result<Downloaded, TransferError>),
    Upload(Result<Uploaded, TransferError>),
    Look(Result<HeadObjectOutput, TransferError>),
}

struct Soak {
    seed: u64,
    plan: Plan,
    session: Session,
    world: World,
    rng: Rng,
    now: Instant,
    events: BTreeMap<(Instant, u64), Event>,
    ticks: u64,
    flights: BTreeMap<AttemptId, Flight>,
    sinks: BTreeMap<TransferId, Sink>,
    sources: BTreeMap<TransferId, Source>,
    /// The jobs that have begun.
    taken: BTreeMap<usize, Taken>,
    results: BTreeMap<usize, Finished>,
    /// What a piped upload has asked for: where it begins and ends.
    asked: Option<(u64, u64)>,
    /// Whether the provider of credentials has run out of them.
    broke: bool,
    requests: Vec<String>,
    watch: Watch,
}

impl Soak {
    fn new(seed: u64) -> Self {
        let plan = Plan::draw(seed);
        let downloads = (0..)
            .zip(&plan.jobs)
            .filter(|(_, job)| matches!(job, Job::Download { .. }))
            .map(|(index, _)| plan::name(index));
        let world = World::new(&plan, seed, downloads.collect());
        Self {
            session: Session::new(plan.config.clone(), seed),
            world,
            rng: Rng::new(seed ^ 0x0dd5),
            now: Instant::ZERO,
            events: BTreeMap::new(),
            ticks: 0,
            flights: BTreeMap::new(),
            sinks: BTreeMap::new(),
            sources: BTreeMap::new(),
            taken: BTreeMap::new(),
            results: BTreeMap::new(),
            asked: None,
            broke: false,
            requests: Vec::new(),
            watch: Watch::default(),
            seed,
            plan,
        }
    }

    fn run(mut self) -> Summary {
        for index in 0..self.plan.jobs.len() {
            if one_in(3, &mut self.rng) && !self.plan.piped {
                let after = self.delay() * 4;
                self.later(after, Event::Begin(index));
            } else {
                self.begin(index);
            }
        }
        if self.plan.unrest && one_in(4, &mut self.rng) {
            let count = u16::try_from(self.rng.below(10)).unwrap_or(0);
            let after = self.delay() * 4;
            let count = NonZeroU16::MIN.saturating_add(count);
            self.later(after, Event::Concurrency(count));
        }
        if self.plan.unrest && one_in(2, &mut self.rng) {
            let whom = self.rng.below(self.plan.jobs.len() as u64 + 1);
            let whom = self.taken.get(&plan::index(whom)).map(Taken::id);
            let at = Duration::from_millis(self.rng.below(20_000));
            self.later(at, Event::Cancel(whom));
        }
        let mut steps = 0;
        while self.step() {
            steps += 1;
            assert!(steps < MAX_STEPS, "the session spins");
            self.watch.after_step(&self.session, self.flights.len());
            self.watch
                .memory(&self.session, &self.sinks, &self.sources, self.now);
        }
        self.finale()
    }

    fn begin(&mut self, index: usize) {
        let at = index as u64;
        let now = self.now;
        let taken = match &self.plan.jobs[index] {
            Job::Download { spec, sink, object } => {
                if let Some(object) = object {
                    self.world.model.put("b", &plan::name(at), object.clone());
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
                    self.world.model.put("b", &plan::name(at), before.clone());
                }
                let handle = self.session.insert((**spec).clone(), now);
                self.sources.insert(handle.id(), source.clone());
                Taken::Upload(handle)
            }
            Job::Look => {
                let head = HeadObject::new(bucket(), key(0));
                Taken::Look(self.session.insert(Call::new(head), now))
            }
        };
        self.watch.inserted(taken.id(), &self.plan.jobs[index]);
        self.taken.insert(index, taken);
    }

    /// One step of the session; false when all is done.
    fn step(&mut self) -> bool {
        match self.session.poll(self.now) {
            Step::Start(attempt) => self.start(attempt),
            Step::Abort(id) => self.abort(id),
            Step::Fill {
                transfer,
                offset,
                len,
            } => self.fill(transfer, offset, len),
            Step::NeedCredentials if self.plan.prompt => self.provide(),
            Step::NeedCredentials => {
                let after = self.delay();
                self.later(after, Event::Credentials);
            }
            Step::Ended(id) => {
                self.watch.ended(id, &self.flights);
                if one_in(2, &mut self.rng) || self.is_piped(id) {
                    self.take(id);
                    self.pump();
                }
            }
            Step::Done => {
                assert!(self.flights.is_empty(), "done with exchanges under way");
                if self.taken.len() == self.plan.jobs.len() {
                    return false;
                }
                self.wait(None);
            }
            Step::Wait { until, .. } => self.wait(until),
        }
        true
    }

    fn start(&mut self, attempt: Attempt) {
        self.watch.started(&attempt);
        let id = attempt.id();
        let ending = match self.rng.below(if self.plan.is_calm() { 1 } else { 60 }) {
            1 => Ending::LostBefore,
            2 => Ending::LostAfter(self.rng.below(1_001)),
            _ => Ending::Normal,
        };
        self.flights.insert(id, Flight { attempt, ending });
        // Some never end by themselves: their lease must run out.
        if self.plan.is_calm() || !one_in(100, &mut self.rng) {
            let after = self.delay();
            self.later(after, Event::End(id));
        }
    }

    fn abort(&mut self, id: AttemptId) {
        // A calm run loses nothing.
        let dice = if self.plan.is_calm() {
            4
        } else {
            self.rng.below(5)
        };
        let share = self.rng.below(1_001);
        let Some(flight) = self.flights.get_mut(&id) else {
            panic!("an exchange is ended that is not under way");
        };
        flight.ending = match dice {
            0 => Ending::Normal,
            1 => Ending::LostBefore,
            2 => Ending::LostAfter(share),
            _ => Ending::Cut(share),
        };
        let after = self.delay();
        self.later(after, Event::End(id));
    }

    /// Whether a transfer is one of the two ends of a pipe.
    fn is_piped(&self, id: TransferId) -> bool {
        let ends = [0, self.plan.jobs.len() - 1];
        let mut ids = ends.iter().filter_map(|end| self.taken.get(end));
        self.plan.piped && ids.any(|taken| taken.id() == id)
    }

    /// Hands on what the download of a pipe has and its upload has asked for.
    fn pump(&mut self) {
        let last = self.plan.jobs.len() - 1;
        let (Some((start, end)), true) = (self.asked, self.plan.piped) else {
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
        let bytes = sink.bytes[..plan::index(up_to)].to_vec();
        if let Job::Upload { bytes: all, .. } = &mut self.plan.jobs[last] {
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
        self.input(Input::Released {
            transfer: from,
            up_to,
        });
    }

    fn fill(&mut self, transfer: TransferId, offset: u64, len: u64) {
        if self.is_piped(transfer) {
            self.asked = Some((offset, offset.saturating_add(len)));
            return self.pump();
        }
        let total = self.sources[&transfer].len();
        let up_to = offset.saturating_add(len).min(total);
        assert!(len > 0 && offset <= total, "a fill for nothing");
        self.watch.filled(transfer, up_to);
        // Whether the end is seen with the last byte or only behind it is up to the source.
        let end =
            up_to < offset.saturating_add(len) || (up_to == total && one_in(2, &mut self.rng));
        let after = self.delay();
        if one_in(3, &mut self.rng) && up_to > offset {
            let middle = offset + self.rng.below(up_to - offset);
            self.later(
                after / 2,
                Event::Supply {
                    transfer,
                    up_to: middle,
                    end: false,
                },
            );
        }
        self.later(
            after,
            Event::Supply {
                transfer,
                up_to,
                end,
            },
        );
    }

    fn provide(&mut self) {
        // Once it has none it never has any again.
        self.broke |= self.plan.poor && one_in(3, &mut self.rng);
        let answer = if self.broke {
            Err(CredentialsError("the soak has none".into()))
        } else {
            Credentials::new(&self.world.key_id(), "secret", None)
                .map_err(|error| CredentialsError(error.to_string()))
        };
        self.input(Input::Credentials(answer));
    }

    /// Moves on to the next event, or to the time that the session named.
    fn wait(&mut self, until: Option<Instant>) {
        let next = self.events.keys().next().copied();
        match (next, until) {
            (Some(event), until) if until.is_none_or(|until| event.0 <= until) => {
                self.now = self.now.max(event.0);
                if let Some(event) = self.events.remove(&event) {
                    self.happen(event);
                }
            }
            (_, Some(until)) => {
                assert!(until > self.now, "a wait that has passed already spins");
                self.now = until;
            }
            (_, None) => panic!("the session waits for nothing"),
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::End(id) => self.end(id),
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
            Event::Release(transfer) if self.is_piped(transfer) => self.pump(),
            Event::Release(transfer) => {
                let sink = self.sinks.get_mut(&transfer);
                if let Some(up_to) = sink.and_then(Sink::release) {
                    self.input(Input::Released { transfer, up_to });
                }
            }
            Event::Begin(index) => self.begin(index),
            Event::Concurrency(count) => {
                self.input(Input::Concurrency(count));
            }
            Event::Cancel(whom) => {
                self.world.story.push(format!("cancelled: {whom:?}"));
                self.input(Input::Cancel(whom));
            }
        }
        if one_in(10, &mut self.rng)
            && let Some(id) = self.flights.keys().next().copied()
        {
            let bytes = self.rng.below(2_000);
            self.input(Input::Progress { attempt: id, bytes });
        }
    }

    fn end(&mut self, id: AttemptId) {
        // Ended already: the lease ran out while the end was on its way.
        let Some(flight) = self.flights.remove(&id) else {
            return;
        };
        let outcome = self.carry_out(flight);
        self.watch.stored(&outcome);
        assert_eq!(
            self.input(Input::Outcome(outcome.clone())),
            Accepted::Counted
        );
        assert_eq!(
            self.input(Input::Outcome(outcome)),
            Accepted::Stale,
            "told twice, counted once"
        );
        let after = self.delay();
        self.later(after, Event::Release(id.transfer()));
    }

    fn carry_out(&mut self, flight: Flight) -> Outcome {
        let Flight { attempt, ending } = flight;
        let id = attempt.id();
        if let Ending::LostBefore = ending {
            self.world
                .story
                .push(format!("{id} is lost before it began"));
            return id.aborted();
        }
        if let Ending::Cut(share) | Ending::LostAfter(share) = ending {
            self.world.story.push(format!("{id} ends by {ending:?}"));
            self.world.cut = Some(Cut(share));
        }
        let since = self.now.since(Instant::ZERO);
        self.world.set_time(since);
        let seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
        let wall: UnixTime = EPOCH.offset(seconds).offset(self.plan.clock_error);
        let source = self.sources.get(&id.transfer());
        let sink = self.sinks.entry(id.transfer()).or_default();
        let before = self.world.story.len();
        let outcome = exchange(
            attempt,
            wall,
            &mut self.world,
            source,
            sink,
            &mut self.requests,
        );
        for line in &mut self.world.story[before..] {
            line.insert_str(0, &format!("{since:?} {id} "));
        }
        self.world.cut = None;
        if let Ending::LostAfter(_) = ending {
            return id.aborted();
        }
        outcome
    }

    /// Takes the result of a transfer that has ended.
    fn take(&mut self, id: TransferId) {
        let found = self.taken.iter().find(|(_, taken)| taken.id() == id);
        let Some((index, taken)) = found else {
            panic!("{id:?} has ended and never began");
        };
        let result = match *taken {
            Taken::Download(handle) => Finished::Download(self.session.take(handle)),
            Taken::Upload(handle) => Finished::Upload(self.session.take(handle)),
            Taken::Look(handle) => Finished::Look(self.session.take(handle)),
        };
        self.results.insert(*index, result);
    }

    fn input(&mut self, input: Input) -> Accepted {
        self.session.input(input, self.now)
    }

    fn later(&mut self, after: Duration, event: Event) {
        self.ticks += 1;
        self.events.insert((self.now + after, self.ticks), event);
    }

    fn delay(&mut self) -> Duration {
        let slowest = u64::try_from(self.plan.slowest.as_millis()).unwrap_or(0);
        Duration::from_millis(self.rng.below(slowest + 1))
    }
}

impl Taken {
    fn id(&self) -> TransferId {
        match self {
            Self::Download(handle) => handle.id(),
            Self::Upload(handle) => handle.id(),
            Self::Look(handle) => handle.id(),
        }
    }
}
