//! What happens to an exchange, from its start to its outcome.

use std::time::Duration;

use sans3_core::attempt::{Attempt, AttemptId, Outcome};
use sans3_core::error::TransportErrorKind;
use sans3_core::session::{Accepted, Input, Machine};

use super::{Local, Timer, World};
use crate::drive::Reply;
use crate::schedule::exchange::{Exchange, FRACTIONS, Fate, Incoming, Next, Stage};
use crate::schedule::link::WEIGHT;
use crate::schedule::server::slow_down;

/// Of so many exchanges [`Scenario::loss`](crate::schedule::Scenario::loss) break off, and
/// [`Scenario::slow`](crate::schedule::Scenario::slow) are slow.
const CHANCES: u64 = 10_000;

/// How much later than others an answer comes that is stuck.
const STUCK: Duration = Duration::from_secs(60);

impl World<'_> {
    /// Sends a request, over an open connection if there is one.
    pub(super) fn start(&mut self, attempt: Attempt) {
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
        // No draw where there are none: those of other scenarios are as they were.
        let stuck = self.scenario.stuck > 0 && among(self.scenario.stuck);
        // From three quarters to five quarters.
        let mut varied = || WEIGHT * 3 / 4 + self.rng.below(WEIGHT / 2);
        let (delay, weight) = (varied(), varied());
        let mut nanos = self.scenario.network.latency.as_nanos() * u128::from(delay);
        if let Some(crowd) = self.scenario.crowd.map(usize::from) {
            let busy = self.exchanges.len().max(crowd) as u128;
            nanos = nanos * busy / (crowd.max(1) as u128);
        }
        nanos /= u128::from(WEIGHT);
        if stuck {
            nanos += STUCK.as_nanos();
        }
        let fraction = self.rng.below(FRACTIONS);
        Fate {
            latency: Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)),
            weight: if slow { weight / 10 } else { weight },
            breaks_after: breaks.then_some(fraction),
        }
    }

    /// The head of a request is at the server.
    pub(super) fn arrive(&mut self, id: AttemptId) {
        // It may have been broken off on the way.
        let Some(exchange) = self.exchanges.get_mut(&id) else {
            return;
        };
        let Stage::Asking { request, .. } = &exchange.stage else {
            return;
        };
        let body = request.body.len() as u64;
        if !self.server.admits(self.now) {
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
    fn reply(&mut self, id: AttemptId, other: Option<Reply>) {
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
    pub(super) fn answer(&mut self, id: AttemptId) {
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
    pub(super) fn body_through(&mut self, id: AttemptId) {
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
    pub(super) fn deliver(&mut self, id: AttemptId, moved: u64) {
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

    /// Ends an exchange before its time.
    pub(super) fn break_off(&mut self, id: AttemptId, kind: TransportErrorKind) {
        if self.exchanges.get(&id).is_some_and(Exchange::is_download) {
            let moved = self.moved(id);
            self.deliver(id, moved);
        }
        if let Some(exchange) = self.exchanges.remove(&id) {
            self.finish(id, exchange.broken(kind));
        }
    }

    /// Reports an outcome, which frees what the exchange held.
    pub(super) fn finish(&mut self, id: AttemptId, outcome: Outcome) {
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

    /// Simulated bytes of an exchange's body so far.
    pub(super) fn moved(&self, id: AttemptId) -> u64 {
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
}
