//! What must hold during a run.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use http::header::RANGE;
use sans3_core::attempt::{AttemptId, Outcome, TransferId};
use sans3_core::error::Cause;
use sans3_core::session::{Notice, Reaction, Session, Step};
use sans3_core::time::Instant;
use sans3_core::transfer::Order;

use super::invariant::Invariant;
use super::job::Job;
use crate::drive::{Sent, Sink};

/// What a retry takes from the budget, in units.
const RETRY: u64 = 14;

/// Connections that break within so long of each other have broken together.
const TOGETHER: Duration = Duration::from_secs(1);

/// What is kept of a run to check it by.
#[derive(Default)]
pub(super) struct Watch {
    accounts: BTreeMap<TransferId, Account>,
    attempts: u32,
    /// Exchanges under way at the last look.
    flights: usize,
    /// Whether the session was woken by the time that it named, and by nothing else.
    woken: bool,
    /// What is taken from the retry budget, at least.
    spent: u64,
    /// Retries that were paid for and that no success has given back yet.
    paid: u64,
    /// When each attempt began.
    began: BTreeMap<AttemptId, Instant>,
    /// When a connection broke whose retry was paid for.
    broken_at: Option<Instant>,
}

/// What is kept of a transfer.
struct Account {
    attempts: u64,
    /// The most attempts that it may need.
    bound: u64,
    /// Its progress so far.
    progress: u64,
    /// The most bytes that its pull source was asked for at once.
    asked: u64,
    /// Bytes of its pull source that were let in, and of these those that the server has.
    filled: u64,
    stored: u64,
    /// The parts that the server has, by where they begin.
    parts: BTreeMap<u64, u64>,
    ended: bool,
    /// The order and the part size, for a download.
    order: Option<(Order, u64)>,
    /// The most bytes behind those that were taken which it may ask for, in order.
    window: Option<u64>,
    /// All bytes below were taken by the consumer.
    released: u64,
    /// The ranges that are under way.
    ranges: BTreeMap<AttemptId, (u64, u64)>,
    /// Attempts at the same range that are under way, each by the other one.
    races: BTreeMap<AttemptId, AttemptId>,
    /// Those whose other one has come back, and their ranges.
    twins: BTreeMap<AttemptId, (u64, u64)>,
    /// Those that must not place anything any more.
    losers: BTreeSet<AttemptId>,
    /// For an upload whose source changes: the bodies that are under way, by their parts, and what
    /// each part was at first.
    bodies: Option<BTreeMap<AttemptId, (String, Bytes)>>,
    first: BTreeMap<String, Bytes>,
}

impl Watch {
    pub(super) const fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Whether the consumer of a download takes the bytes from first to last.
    pub(super) fn is_in_order(&self, id: TransferId) -> bool {
        let account = self.accounts.get(&id);
        account.is_some_and(|account| matches!(account.order, Some((Order::InOrder, _))))
    }

    pub(super) fn inserted(&mut self, id: TransferId, job: &Job) {
        let order = match job {
            Job::Download { spec, .. } => spec.part_size.map(|part| (spec.order, part.get())),
            _ => None,
        };
        let account = Account {
            attempts: 0,
            bound: 31 * (job.pieces() + 4) + 40,
            progress: 0,
            asked: 0,
            filled: 0,
            stored: 0,
            parts: BTreeMap::new(),
            ended: false,
            order,
            window: None,
            released: 0,
            ranges: BTreeMap::new(),
            races: BTreeMap::new(),
            twins: BTreeMap::new(),
            losers: BTreeSet::new(),
            bodies: job.is_changing().then(BTreeMap::new),
            first: BTreeMap::new(),
        };
        self.accounts.insert(id, account);
    }

    /// The concurrency is what it was not before. A download takes its window when it is polled for
    /// the first time, which is not seen from outside: it is the largest of those until it sends
    /// something, at most.
    pub(super) fn windows(&mut self, session: &Session) {
        let waiting = |account: &&mut Account| account.attempts == 0;
        for account in self.accounts.values_mut().filter(waiting) {
            if let Some((Order::InOrder, part)) = account.order {
                account.window = account.window.max(Some(session.config().window(part)));
            }
        }
    }

    pub(super) fn started(&mut self, id: AttemptId, now: Instant) {
        self.attempts += 1;
        self.began.insert(id, now);
        let account = self.account(id.transfer());
        account.attempts += 1;
        Invariant::AfterEnd.holds(!account.ended, || format!("{id} starts after the end"));
        Invariant::Attempts.holds(account.attempts <= account.bound, || {
            format!("{} attempts and no end", account.attempts)
        });
    }

    /// What a request asks for must fit with those under way, and into the window.
    pub(super) fn requested(&mut self, id: AttemptId, request: &Sent, sink: Option<&Sink>) {
        let account = self.account(id.transfer());
        account.sent(id, request);
        let Some((start, end)) = range_of(request) else {
            return;
        };
        let overlaps = |other: &(u64, u64)| start < other.1 && other.0 < end;
        // A range may be asked for once more while it is under way; of the two only one places bytes.
        // Where one has come back, the other must have lost, or nothing of it is asked for again.
        let lost = account.twins.iter().filter(|(_, range)| overlaps(range));
        let lost: Vec<AttemptId> = lost.map(|(id, _)| *id).collect();
        for twin in lost {
            account.twins.remove(&twin);
            account.ranges.remove(&twin);
            account.losers.insert(twin);
        }
        let mut others = account.ranges.iter().filter(|(_, range)| overlaps(range));
        let other = others.next().map(|(id, range)| (*id, *range));
        let third = others.next().is_some();
        let twin = other.filter(|(_, range)| *range == (start, end) && !third);
        Invariant::Tiles.holds(other.is_none() || twin.is_some(), || {
            format!("{start}..{end} is asked for while {other:?} is under way")
        });
        if let Some((twin, _)) = twin {
            account.races.insert(id, twin);
            account.races.insert(twin, id);
        }
        account.ranges.insert(id, (start, end));
        if let Some(window) = account.window {
            let front = sink.map_or(0, Sink::front);
            let horizon = account.released.saturating_add(window);
            Invariant::Window.holds(end <= horizon || start <= front, || {
                format!("{start}..{end} is asked for, with a window of {window} from {horizon}")
            });
        }
    }

    /// An attempt has placed bytes.
    pub(super) fn placed(&mut self, id: AttemptId) {
        let lost = self.account(id.transfer()).losers.contains(&id);
        Invariant::Tiles.holds(!lost, || format!("{id} has lost its race and places bytes"));
    }

    pub(super) fn reported(&mut self, outcome: &Outcome) {
        // A success gives back what its last retry had cost, or 1 unit where it had none: which of
        // them it was can't be seen from outside, so it was the dearer one as long as there can be
        // one.
        if outcome.is_success() {
            let back = if self.paid > 0 { RETRY } else { 1 };
            self.paid = self.paid.saturating_sub(1);
            self.spent = self.spent.saturating_sub(back);
        }
        let stored = outcome.stored();
        let account = self.account(outcome.id().transfer());
        account.ranges.remove(&outcome.id());
        if let Some(twin) = account.races.remove(&outcome.id())
            && account.races.remove(&twin).is_some()
            && let Some(range) = account.ranges.get(&twin)
        {
            account.twins.insert(twin, *range);
        }
        account.twins.remove(&outcome.id());
        account.came_back(outcome);
        if let Some((offset, len)) = stored {
            let before = account.parts.insert(offset, len).unwrap_or(0);
            account.stored = account.stored - before + len;
        }
    }

    pub(super) fn asked(&mut self, transfer: TransferId, len: u64) {
        let account = self.account(transfer);
        account.asked = account.asked.max(len);
    }

    pub(super) fn filled(&mut self, transfer: TransferId, up_to: u64) {
        self.account(transfer).filled = up_to;
    }

    pub(super) fn released(&mut self, transfer: TransferId, up_to: u64) {
        self.account(transfer).released = up_to;
    }

    pub(super) fn ended(&mut self, id: TransferId, flying: bool) {
        Invariant::AfterEnd.holds(!flying, || format!("{id:?} ended with exchanges under way"));
        let account = self.account(id);
        let twice = std::mem::replace(&mut account.ended, true);
        Invariant::AfterEnd.holds(!twice, || format!("{id:?} ended twice"));
    }

    /// The session is polled at the time that it named, and nothing else has happened.
    pub(super) const fn wakes(&mut self) {
        self.woken = true;
    }

    /// What comes of a poll.
    pub(super) fn woken(&mut self, step: &Step, now: Instant) {
        if std::mem::take(&mut self.woken) {
            let idle = matches!(step, Step::Wait { .. });
            Invariant::NoSpin.holds(!idle, || format!("woken at {now:?} for nothing: {step:?}"));
        }
    }

    pub(super) fn after_step(&mut self, session: &mut Session, flights: usize, now: Instant) {
        // A concurrency that was lowered holds for exchanges that begin after it.
        let slots = usize::from(session.config().slots());
        Invariant::Concurrency.holds(flights <= slots.max(self.flights), || {
            format!("{flights} exchanges in {slots} slots")
        });
        self.flights = flights;
        for notice in session.take_notices() {
            self.noticed(&notice, session, now);
        }
    }

    /// Whether a connection broke together with another one, whose retry was paid for.
    fn breaks_along(&mut self, id: AttemptId, now: Instant) -> bool {
        let began = self.began.get(&id).copied().unwrap_or(now);
        let along = self
            .broken_at
            .is_some_and(|at| began <= at && now.since(at) <= TOGETHER);
        if !along {
            self.broken_at = Some(now);
        }
        along
    }

    fn noticed(&mut self, notice: &Notice, session: &Session, now: Instant) {
        let config = session.config();
        let allowed = config.retry.max_attempts.max(config.part_attempts).get();
        Invariant::Attempts.holds(notice.number <= allowed, || {
            format!("attempt {} of at most {allowed}: {notice:?}", notice.number)
        });
        let judged = matches!(notice.reaction, Reaction::Retry { .. } | Reaction::GiveUp);
        let broken = judged && matches!(notice.cause, Cause::Transport { .. });
        let along = broken && self.breaks_along(notice.attempt, now);
        let Reaction::Retry { after } = notice.reaction else {
            return;
        };
        // The simulated server never asks for more.
        let longest = config.retry.max_backoff;
        Invariant::Attempts.holds(after <= longest, || {
            format!("a retry after {after:?}, longer than {longest:?}")
        });
        let cost = match &notice.cause {
            // The pace bounds these.
            Cause::S3(error) if error.status == 429 || error.is("SlowDown") => return,
            // A new signature costs nothing.
            Cause::S3(error) if error.status < 404 => return,
            _ if along => return,
            _ => RETRY,
        };
        self.paid += 1;
        self.spent += cost;
        Invariant::Budget.holds(self.spent <= u64::from(config.retry_budget), || {
            format!(
                "retries for {} units with a budget of {}",
                self.spent, config.retry_budget
            )
        });
    }

    /// Bounds on memory, and progress that never falls.
    pub(super) fn after_event(
        &mut self,
        session: &Session,
        sinks: &BTreeMap<TransferId, Sink>,
        now: Instant,
    ) {
        let (mut waiting, mut held, mut exempt) = (0, 0, 0);
        for (id, account) in &mut self.accounts {
            if account.ended {
                continue;
            }
            if let Some(sink) = sinks.get(id) {
                waiting += sink.waiting();
            }
            if account.filled > 0 {
                held += account.filled.saturating_sub(account.stored);
                // One part of each pull source is let in beyond the bound, and the one byte that
                // proves a source to be too long.
                exempt += account.asked + 1;
            }
            account.advance(*id, session, now);
        }
        let config = session.config();
        Invariant::Memory.holds(waiting <= config.memory, || {
            format!(
                "{waiting} bytes wait for their turn in a memory of {}",
                config.memory
            )
        });
        let reserved = session.memory_reserved();
        Invariant::Memory.holds(waiting + held <= reserved + exempt, || {
            format!("{held} bytes of sources and {waiting} of downloads with {reserved} reserved")
        });
    }

    fn account(&mut self, id: TransferId) -> &mut Account {
        match self.accounts.get_mut(&id) {
            Some(account) => account,
            None => Invariant::AfterEnd.is_broken("a step of a transfer that never began"),
        }
    }
}

impl Account {
    /// A part is never sent with two contents: one that was sent late could replace what was
    /// acknowledged.
    fn sent(&mut self, id: AttemptId, request: &Sent) {
        let Some(bodies) = &mut self.bodies else {
            return;
        };
        if request.method != Method::PUT {
            return;
        }
        let part = part_of(request);
        let same = self
            .first
            .get(&part)
            .is_none_or(|first| *first == request.body);
        Invariant::ExactBytes.holds(same, || {
            format!("the part {part:?} is sent with other bytes than before")
        });
        bodies.insert(id, (part, request.body.clone()));
    }

    /// Of an exchange that was lost nobody knows what it has sent.
    fn came_back(&mut self, outcome: &Outcome) {
        let sent = self
            .bodies
            .as_mut()
            .and_then(|bodies| bodies.remove(&outcome.id()));
        if let Some((part, body)) = sent
            && *outcome != outcome.id().aborted()
        {
            self.first.entry(part).or_insert(body);
        }
    }

    fn advance(&mut self, id: TransferId, session: &Session, now: Instant) {
        let Some(progress) = session.progress(id, now) else {
            return;
        };
        let before = std::mem::replace(&mut self.progress, progress.bytes);
        let total = progress.total.unwrap_or(u64::MAX).max(before);
        Invariant::Progress.holds((before..=total).contains(&progress.bytes), || {
            format!("from {before} to {} of {total} bytes", progress.bytes)
        });
        let parts = progress.parts_total.unwrap_or(u32::MAX);
        Invariant::Progress.holds(progress.parts <= parts, || {
            format!("{} of {parts} parts", progress.parts)
        });
    }
}

/// The number of the part that a request sends; empty where it is the whole.
fn part_of(request: &Sent) -> String {
    let (_, query) = request.target.split_once('?').unwrap_or_default();
    let mut pairs = query.split('&');
    let number = pairs.find_map(|pair| pair.strip_prefix("partNumber="));
    number.unwrap_or_default().to_owned()
}

/// The range that a request asks for: its first byte, and the one behind its last.
fn range_of(request: &Sent) -> Option<(u64, u64)> {
    let text = request.headers.get(RANGE)?.to_str().ok()?;
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    Some((first.parse().ok()?, last.parse::<u64>().ok()? + 1))
}
