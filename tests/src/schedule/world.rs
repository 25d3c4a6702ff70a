//! The driver: a session, a network and a server in virtual time.

use std::collections::BTreeMap;
use std::num::{NonZeroU16, NonZeroU64};
use std::time::Duration;

use sans3_core::attempt::{Attempt, AttemptId, Outcome, TransferId};
use sans3_core::checksum::Algorithm;
use sans3_core::error::{TransferError, TransportErrorKind};
use sans3_core::rng::Rng;
use sans3_core::session::{Accepted, Handle, Input, Machine, Session, SessionConfig, Step};
use sans3_core::time::{Instant, UnixTime};
use sans3_core::transfer::{Download, Length, Order, Upload, Verified};

use super::choice::{names, part_size};
use super::ends::{Intake, Supply};
use super::exchange::{Exchange, FRACTIONS, Fate, Incoming, Next, Stage};
use super::link::{Link, WEIGHT};
use super::report::{Report, Tally};
use super::server::{Server, slow_down};
use super::{Job, Scenario};
use crate::drive::{EPOCH, config};

/// More steps than any scenario needs: beyond, a session spins.
const MAX_STEPS: u32 = 20_000_000;

/// How often an exchange reports that it lives.
const REPORTS: Duration = Duration::from_secs(1);

/// Of so many exchanges [`Scenario::loss`] break off, and [`Scenario::slow`] are slow.
const CHANCES: u64 = 10_000;

/// Carries out a scenario.
///
/// # Panics
/// Where a promise of the core is broken: wrong bytes, more exchanges or memory than allowed, a
/// wait for nothing. A transfer that fails as it may is part of the report.
pub fn run(scenario: &Scenario) -> Report {
    World::new(scenario).run()
}

struct World<'a> {
    scenario: &'a Scenario,
    part_size: u64,
    session: Session,
    server: Server,
    link: Link<AttemptId>,
    now: Instant,
    timers: BTreeMap<(Instant, u64), Timer>,
    next_timer: u64,
    ticked: Instant,
    reported: Instant,
    exchanges: BTreeMap<AttemptId, Exchange>,
    /// Open connections that carry no exchange.
    idle: usize,
    locals: BTreeMap<TransferId, Local>,
    receipts: BTreeMap<TransferId, (String, Receipt)>,
    inserted: u32,
    /// When the slowest consumer is done.
    consumed: Instant,
    rng: Rng,
    tally: Tally,
}

/// What happens at a time that is known beforehand.
#[derive(Clone, Copy, Debug)]
enum Timer {
    /// The head of a request reaches the server.
    Arrive(AttemptId),
    /// The head of an answer reaches the client.
    Answer(AttemptId),
    /// A pull source has bytes ready.
    Supplied {
        transfer: TransferId,
        up_to: u64,
        end: bool,
    },
    /// All connections break.
    Reset,
}

/// The local end of a transfer; one to random access needs none.
enum Local {
    Intake(Intake),
    Supply(Supply),
}

enum Receipt {
    Download(Handle<Download>),
    Upload(Handle<Upload>),
}

impl<'a> World<'a> {
    fn new(scenario: &'a Scenario) -> Self {
        let mut world = Self {
            scenario,
            part_size: part_size(scenario),
            session: Session::new(scaled_config(scenario), scenario.seed),
            server: Server::new(scenario),
            link: Link::new(scenario.network),
            now: Instant::ZERO,
            timers: BTreeMap::new(),
            next_timer: 0,
            ticked: Instant::ZERO,
            reported: Instant::ZERO,
            exchanges: BTreeMap::new(),
            idle: 0,
            locals: BTreeMap::new(),
            receipts: BTreeMap::new(),
            inserted: 0,
            consumed: Instant::ZERO,
            rng: Rng::new(scenario.seed),
            tally: Tally::default(),
        };
        if let Some(at) = scenario.reset {
            world.after(at, Timer::Reset);
        }
        for _ in 0..u32::from(scenario.concurrency).saturating_mul(2) {
            world.insert();
        }
        world
    }

    fn run(mut self) -> Report {
        for _ in 0..MAX_STEPS {
            match self.session.poll(self.now) {
                Step::Start(attempt) => self.start(attempt),
                Step::Abort(id) => self.break_off(id, TransportErrorKind::Aborted),
                Step::Fill {
                    transfer,
                    offset,
                    len,
                } => self.fill(transfer, offset, len),
                Step::NeedCredentials => panic!("an anonymous session wants credentials"),
                Step::Ended(id) => self.take(id),
                Step::Done => return self.report(),
                Step::Wait { until, .. } => self.wait(until),
            }
        }
        panic!("{MAX_STEPS} steps and no end: the session spins");
    }

    /// Inserts the next transfer, if there is one left.
    fn insert(&mut self) {
        if self.inserted == self.scenario.objects {
            return;
        }
        let key = format!("k{}", self.inserted);
        self.inserted += 1;
        let (bucket, object) = names(&key);
        let size = self.scenario.scaled(self.scenario.size);
        let part_size = NonZeroU64::new(self.scenario.scaled(self.part_size));
        let upload = |length| Upload {
            part_size,
            ..Upload::new(bucket.clone(), object.clone(), length)
        };
        let (id, receipt) = match self.scenario.job {
            job @ (Job::Get | Job::GetListed | Job::GetInOrder) => {
                self.server.store(&key, size);
                let download = Download {
                    part_size,
                    order: match job {
                        Job::GetInOrder => Order::InOrder,
                        _ => Order::Random,
                    },
                    size_hint: (job == Job::GetListed).then_some(size),
                    ..Download::new(bucket, object)
                };
                let handle = self.session.insert(download, self.now);
                (handle.id(), Receipt::Download(handle))
            }
            Job::Put => {
                let handle = self.session.insert(upload(Length::Known(size)), self.now);
                (handle.id(), Receipt::Upload(handle))
            }
            Job::PutStream => {
                let length = Length::Unknown { equal_parts: false };
                let handle = self.session.insert(upload(length), self.now);
                (handle.id(), Receipt::Upload(handle))
            }
        };
        match self.scenario.job {
            Job::GetInOrder => {
                let intake = Intake::new(self.scenario.local);
                self.locals.insert(id, Local::Intake(intake));
            }
            Job::PutStream => {
                self.locals.insert(id, Local::Supply(Supply::default()));
            }
            Job::Get | Job::GetListed | Job::Put => {}
        }
        self.receipts.insert(id, (key, receipt));
    }

    /// Takes the result of a transfer, and checks what a success claims.
    fn take(&mut self, id: TransferId) {
        let Some((key, receipt)) = self.receipts.remove(&id) else {
            panic!("a transfer ended that was not begun, or twice");
        };
        if let Some(Local::Intake(intake)) = self.locals.remove(&id) {
            self.consumed = self.consumed.max(self.now + intake.rest());
        }
        let size = self.scenario.scaled(self.scenario.size);
        let result = match receipt {
            Receipt::Download(handle) => self.session.take(handle).map(|found| {
                assert_eq!(found.size, size);
                assert_eq!(found.verified, Verified::FullObject(Algorithm::Crc64Nvme));
            }),
            Receipt::Upload(handle) => self.session.take(handle).map(|made| {
                assert_eq!((made.size, made.leftover), (size, None));
                assert_eq!(made.verified, Verified::FullObject(Algorithm::Crc64Nvme));
                let stored = self.server.has(&key, size, made.lost_creates);
                assert!(stored, "an upload that is not what was sent");
            }),
        };
        self.tally
            .ended(result.map_err(|error: TransferError| error.cause));
        self.insert();
    }

    fn start(&mut self, attempt: Attempt) {
        let id = attempt.id();
        let fate = self.draw();
        let exchange = match Exchange::new(attempt, self.wall(), fate) {
            Ok(exchange) => exchange,
            Err(outcome) => panic!("a request that can't be made: {outcome:?}"),
        };
        let mut delay = fate.latency / 2;
        if self.idle > 0 {
            self.idle -= 1;
        } else {
            delay += fate.latency * 2;
        }
        self.exchanges.insert(id, exchange);
        self.tally.started(self.exchanges.len(), self.now);
        assert!(self.exchanges.len() <= usize::from(self.session.config().slots()));
        self.after(delay, Timer::Arrive(id));
    }

    /// What the network does with the next exchange.
    fn draw(&mut self) -> Fate {
        let mut among = |part: u32| self.rng.below(CHANCES) < u64::from(part);
        let (breaks, slow) = (among(self.scenario.loss), among(self.scenario.slow));
        // From three quarters to five quarters.
        let mut varied = || WEIGHT * 3 / 4 + self.rng.below(WEIGHT / 2);
        let (delay, weight) = (varied(), varied());
        let nanos = self.scenario.network.latency.as_nanos() * u128::from(delay);
        let nanos = nanos / u128::from(WEIGHT);
        let fraction = self.rng.below(FRACTIONS);
        Fate {
            latency: Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)),
            weight: if slow { weight / 10 } else { weight },
            breaks_after: breaks.then_some(fraction),
        }
    }

    /// Moves on to the next event, or to `until` if that comes first.
    fn wait(&mut self, until: Option<Instant>) {
        let timer = self.timers.first_key_value().map(|((at, _), _)| *at);
        let events = [until, timer, self.link.next_end(), self.next_tick()];
        let Some(next) = events.into_iter().flatten().min() else {
            panic!("the session waits for nothing");
        };
        let next = next.max(self.now);
        self.tally
            .passed(self.exchanges.len(), next.since(self.now));
        self.link.advance(next);
        self.now = next;
        if let Some(id) = self.link.pop_ended() {
            self.body_through(id);
        } else if let Some(timer) = self.due_timer() {
            self.fire(timer);
        } else if self.next_tick().is_some_and(|tick| tick <= self.now) {
            self.tick();
        }
    }

    fn due_timer(&mut self) -> Option<Timer> {
        let entry = self.timers.first_entry()?;
        (entry.key().0 <= self.now).then(|| entry.remove())
    }

    fn fire(&mut self, timer: Timer) {
        match timer {
            Timer::Arrive(id) => self.arrive(id),
            Timer::Answer(id) => self.answer(id),
            Timer::Supplied {
                transfer,
                up_to,
                end,
            } => {
                self.session.input(
                    Input::Supplied {
                        transfer,
                        up_to,
                        end,
                    },
                    self.now,
                );
            }
            Timer::Reset => {
                self.idle = 0;
                let all: Vec<AttemptId> = self.exchanges.keys().copied().collect();
                for id in all {
                    self.break_off(id, TransportErrorKind::Closed);
                }
            }
        }
    }

    /// The head of a request is at the server.
    fn arrive(&mut self, id: AttemptId) {
        let admitted = self.server.admits(self.now);
        let Some(exchange) = self.exchanges.get_mut(&id) else {
            return;
        };
        let Stage::Asking { request, .. } = &exchange.stage else {
            return;
        };
        let body = request.body.len() as u64;
        if !admitted {
            exchange.hold_together();
            self.tally.refused(self.now);
            return self.reply(id, Some(slow_down(body > 0)));
        }
        if exchange.is_upload() && body > 0 {
            let goal = exchange.flow(body);
            let weight = exchange.fate.weight;
            self.link.begin(id, goal * self.scenario.scale, weight);
        } else {
            self.reply(id, None);
        }
    }

    /// Sends an answer on its way: the server's own, unless there is another.
    fn reply(&mut self, id: AttemptId, other: Option<crate::drive::Reply>) {
        let Some(mut exchange) = self.exchanges.remove(&id) else {
            return;
        };
        if let Stage::Asking { sendable, request } = exchange.stage {
            let reply = other.unwrap_or_else(|| self.server.answer(&request, self.now));
            exchange.stage = Stage::Answered { sendable, reply };
        }
        let delay = exchange.fate.latency / 2;
        self.exchanges.insert(id, exchange);
        self.after(delay, Timer::Answer(id));
    }

    /// The head of an answer is at the client.
    fn answer(&mut self, id: AttemptId) {
        let Some(mut exchange) = self.exchanges.remove(&id) else {
            return;
        };
        if exchange.breaks() && !exchange.is_download() {
            let outcome = exchange.broken(TransportErrorKind::Closed);
            return self.finish(id, outcome);
        }
        let download = exchange.is_download();
        let Stage::Answered { sendable, reply } = exchange.stage else {
            panic!("an answer to what was not asked");
        };
        // The bodies of refusals and documents are small, and come with their heads.
        let carries = download && matches!(&reply.head, Ok((200 | 206, _)));
        match Incoming::begin(sendable, reply, self.wall()) {
            Next::End(outcome) => self.finish(id, outcome),
            Next::Body(mut incoming) if !carries => {
                incoming.admit(u64::MAX);
                self.finish(id, incoming.finish());
            }
            Next::Body(incoming) => {
                let len = incoming.len();
                exchange.stage = Stage::Receiving(incoming);
                let (goal, weight) = (exchange.flow(len), exchange.fate.weight);
                self.exchanges.insert(id, exchange);
                self.link.begin(id, goal * self.scenario.scale, weight);
            }
        }
    }

    /// As much of a body as will come is through.
    fn body_through(&mut self, id: AttemptId) {
        let Some(exchange) = self.exchanges.get(&id) else {
            return;
        };
        let (goal, breaks, upload) = (exchange.goal, exchange.breaks(), exchange.is_upload());
        if upload {
            self.tally.moved(goal * self.scenario.scale, self.now);
        } else {
            self.deliver(id, goal);
        }
        if breaks {
            self.break_off(id, TransportErrorKind::Closed);
        } else if upload {
            self.reply(id, None);
        } else if let Some(exchange) = self.exchanges.remove(&id)
            && let Stage::Receiving(incoming) = exchange.stage
        {
            self.finish(id, incoming.finish());
        }
    }

    /// Hands over what has come of a body, up to `moved` simulated bytes.
    fn deliver(&mut self, id: AttemptId, moved: u64) {
        let Some(exchange) = self.exchanges.get_mut(&id) else {
            return;
        };
        let Stage::Receiving(incoming) = &mut exchange.stage else {
            return;
        };
        let Some((at, len)) = incoming.admit(moved) else {
            return;
        };
        let scale = self.scenario.scale;
        self.tally.moved(len * scale, self.now);
        if let Some(Local::Intake(intake)) = self.locals.get_mut(&id.transfer()) {
            intake.place(at * scale, len * scale, self.now);
            if intake.is_full((at + len) * scale)
                && let Some(paused) = self.link.pause(id)
            {
                intake.waiting.push((id, paused));
            }
            self.release(id.transfer());
            self.note_held();
        }
    }

    /// Lets the consumer of a download take what it can.
    fn release(&mut self, transfer: TransferId) {
        let Some(Local::Intake(intake)) = self.locals.get_mut(&transfer) else {
            return;
        };
        let up_to = intake.take(self.now) / self.scenario.scale;
        if !intake.is_ahead() {
            for (id, paused) in intake.waiting.drain(..) {
                self.link.resume(id, paused);
            }
        }
        self.session
            .input(Input::Released { transfer, up_to }, self.now);
    }

    /// When bytes on the way are next handed over, and consumers looked at.
    fn next_tick(&self) -> Option<Instant> {
        let busy = |local: &Local| matches!(local, Local::Intake(intake) if intake.is_busy());
        let any = !self.exchanges.is_empty() || self.locals.values().any(busy);
        any.then(|| self.now.max(self.ticked + self.scenario.tick))
    }

    fn tick(&mut self) {
        self.ticked = self.now;
        let consumers: Vec<TransferId> = self.locals.keys().copied().collect();
        for id in consumers {
            self.release(id);
        }
        let report = self.now.since(self.reported) >= REPORTS;
        if report {
            self.reported = self.now;
        }
        let all: Vec<AttemptId> = self.exchanges.keys().copied().collect();
        for id in all {
            let moved = self.moved(id);
            self.deliver(id, moved);
            if report {
                let attempt = id;
                let bytes = moved;
                self.session
                    .input(Input::Progress { attempt, bytes }, self.now);
            }
        }
    }

    /// Simulated bytes of an exchange's body so far.
    fn moved(&self, id: AttemptId) -> u64 {
        let paused = self
            .locals
            .get(&id.transfer())
            .and_then(|local| match local {
                Local::Intake(intake) => intake.paused(id),
                Local::Supply(_) => None,
            });
        let bytes = paused.map(|paused| paused.moved());
        bytes.or_else(|| self.link.moved(id)).unwrap_or(0) / self.scenario.scale
    }

    /// Ends an exchange before its time.
    fn break_off(&mut self, id: AttemptId, kind: TransportErrorKind) {
        if self.exchanges.get(&id).is_some_and(Exchange::is_download) {
            let moved = self.moved(id);
            self.deliver(id, moved);
        }
        if let Some(exchange) = self.exchanges.remove(&id) {
            self.finish(id, exchange.broken(kind));
        }
    }

    fn finish(&mut self, id: AttemptId, outcome: Outcome) {
        self.link.drop(id);
        self.idle += usize::from(outcome.may_reuse_connection());
        match self.locals.get_mut(&id.transfer()) {
            Some(Local::Supply(supply)) => {
                if let Some((offset, _)) = outcome.stored() {
                    supply.stored(offset);
                }
            }
            Some(Local::Intake(intake)) => intake.waiting.retain(|(waits, _)| *waits != id),
            None => {}
        }
        let accepted = self.session.input(Input::Outcome(outcome), self.now);
        assert_eq!(accepted, Accepted::Counted);
        let retries = self.session.progress(id.transfer(), self.now);
        self.tally.retried(
            id.transfer(),
            retries.map_or(0, |progress| progress.retries),
        );
    }

    fn fill(&mut self, transfer: TransferId, offset: u64, len: u64) {
        let size = self.scenario.scaled(self.scenario.size);
        let up_to = offset.saturating_add(len).min(size);
        if let Some(Local::Supply(supply)) = self.locals.get_mut(&transfer) {
            supply.fill(offset, len * self.scenario.scale);
        }
        self.note_held();
        let nanos = u128::from((up_to - offset) * self.scenario.scale) * super::link::NANO;
        let nanos = self
            .scenario
            .local
            .map_or(0, |speed| nanos.div_ceil(speed.into()));
        let delay = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        let end = up_to == size;
        self.after(
            delay,
            Timer::Supplied {
                transfer,
                up_to,
                end,
            },
        );
    }

    /// Counts what local ends hold, and checks it against the memory.
    fn note_held(&mut self) {
        let held = self.locals.values().map(|local| match local {
            Local::Intake(intake) => intake.held(),
            Local::Supply(supply) => supply.held(),
        });
        let held = held.sum();
        self.tally.held(held);
        let config = self.session.config();
        let buffers = u64::from(config.slots()) * config.exchange_memory;
        // One part of each transfer is let in beyond the memory.
        let parts = self.largest_part() * self.locals.len() as u64;
        let bound = config.memory.saturating_sub(buffers) * self.scenario.scale + parts;
        assert!(held <= bound, "{held} bytes are held, of {bound} at most");
    }

    /// In real bytes: the parts of a pull source grow to half of the memory.
    fn largest_part(&self) -> u64 {
        match self.scenario.job {
            Job::PutStream => self.part_size.max(self.scenario.memory / 2),
            _ => self.part_size,
        }
    }

    fn after(&mut self, delay: Duration, timer: Timer) {
        self.timers
            .insert((self.now + delay, self.next_timer), timer);
        self.next_timer += 1;
    }

    fn wall(&self) -> UnixTime {
        let seconds = self.now.as_nanos() / 1_000_000_000;
        EPOCH.offset(i64::try_from(seconds).unwrap_or(i64::MAX))
    }

    fn report(self) -> Report {
        let elapsed = self.consumed.max(self.now).since(Instant::ZERO);
        self.tally.report(self.scenario, self.part_size, elapsed)
    }
}

fn scaled_config(scenario: &Scenario) -> SessionConfig {
    let mut config = config();
    config.concurrency = NonZeroU16::new(scenario.concurrency).unwrap_or(NonZeroU16::MIN);
    config.memory = scenario.scaled(scenario.memory);
    config.exchange_memory = scenario.scaled(config.exchange_memory);
    config.retry_budget = scenario.retry_budget;
    config.timeouts.least_bytes = scenario.scaled(config.timeouts.least_bytes);
    let limits = &mut config.limits;
    limits.min_part = scenario.scaled(limits.min_part);
    limits.max_part = scenario.scaled(limits.max_part);
    limits.max_object = scenario.scaled(limits.max_object);
    limits.max_put = scenario.scaled(limits.max_put);
    config
}
