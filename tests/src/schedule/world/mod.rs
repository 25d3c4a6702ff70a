//! The driver: a session, a network and a server in virtual time.

mod stages;
mod transfers;

use std::collections::BTreeMap;
use std::time::Duration;

use sans3_core::attempt::{AttemptId, TransferId};
use sans3_core::error::TransportErrorKind;
use sans3_core::rng::Rng;
use sans3_core::session::{Input, Machine, Session, Step};
use sans3_core::time::{Instant, UnixTime};

use super::Scenario;
use super::choice::part_size;
use super::ends::{Intake, Supply};
use super::exchange::Exchange;
use super::link::Link;
use super::report::{Report, Tally};
use super::server::Server;
use crate::drive::EPOCH;
use transfers::{Receipt, scaled_config};

/// More steps than any scenario needs: beyond, a session spins.
const MAX_STEPS: u32 = 20_000_000;

/// How often an exchange reports that it lives.
const REPORTS: Duration = Duration::from_secs(1);

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
        for _ in 0..u32::from(scenario.concurrency.most().get()).saturating_mul(2) {
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

    /// Moves on to the next event, or to `until` if that comes first.
    fn wait(&mut self, until: Option<Instant>) {
        let spins = until.is_some_and(|until| until <= self.now);
        assert!(!spins, "a wait that has passed already spins");
        let timer = self.timers.first_key_value().map(|((at, _), _)| *at);
        let events = [until, timer, self.link.next_end(), self.next_tick()];
        let Some(next) = events.into_iter().flatten().min() else {
            panic!("the session waits for nothing");
        };
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

    fn after(&mut self, delay: Duration, timer: Timer) {
        self.timers
            .insert((self.now + delay, self.next_timer), timer);
        self.next_timer += 1;
    }

    fn wall(&self) -> UnixTime {
        let seconds = self.now.as_nanos() / 1_000_000_000;
        EPOCH.offset(i64::try_from(seconds).unwrap_or(i64::MAX))
    }

    fn report(mut self) -> Report {
        let elapsed = self.consumed.max(self.now).since(Instant::ZERO);
        let changes = self.session.take_pace_changes();
        let report = self.tally.report(self.scenario, self.part_size, elapsed);
        Report { changes, ..report }
    }
}
