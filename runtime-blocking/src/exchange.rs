//! One HTTP exchange, from the attempt to its outcome, on the thread that carries it out.

use std::sync::Arc;
use std::time::Instant;

use sans3_core::attempt::{Attempt, Outcome, Ready, Receiving, Sendable, Sent};
use sans3_runtime::net::Fault;
use sans3_runtime::{Assignment, End, Intake, Work, clock};

use crate::body::Payload;
use crate::course::Course;
use crate::net::{Answer, Pool};
use crate::park::block_on;

/// Carries out an exchange, and reports its outcome.
pub(crate) fn carry_out(assignment: Assignment, pool: &Pool) {
    let Assignment {
        attempt,
        work,
        report,
    } = assignment;
    let exchange = Exchange {
        course: Course::new(work.stop.clone(), attempt.deadlines()),
        work,
        pool,
    };
    let outcome = exchange.run(attempt);
    let course = Arc::clone(&exchange.course);
    // Whoever learns of the end must not find their source or sink still in use.
    drop(exchange);
    report.send(outcome);
    // A connection that is not kept ends here: what the server sees of the end is not ahead of
    // what the session knows.
    course.release();
}

struct Exchange<'a> {
    course: Arc<Course>,
    work: Work,
    pool: &'a Pool,
}

impl Exchange<'_> {
    fn run(&self, attempt: Attempt) -> Outcome {
        let id = attempt.id();
        let sendable = match attempt.prepare() {
            Ready::Send(sendable) => Ok(sendable),
            Ready::Hash(hashing) => {
                let hashed = self.work.hash(hashing);
                let hashed = self.course.block_on(hashed, None, Fault::aborted);
                hashed.unwrap_or_else(|_| Err(id.aborted()))
            }
        };
        match sendable.and_then(|sendable| self.send(sendable)) {
            Ok((receiving, answer)) => self.receive(receiving, answer),
            Err(outcome) => outcome,
        }
    }

    fn send(&self, sendable: Sendable) -> Result<(Receiving, Answer), Outcome> {
        let (head, content) = sendable.request(clock::wall())?.into_parts();
        let wire = match self.pool.take(&head.uri, &self.course) {
            Ok(wire) => wire,
            Err(fault) => {
                return Err(sendable.on_transport_error(fault.kind, Sent::None, fault.detail));
            }
        };
        self.course.touch();
        let body = self.work.body(content);
        let patience = self.work.expects_continue(&body, self.course.deadlines);
        let mut payload = Payload::new(&self.course, body);
        let answer = wire.send(&self.course, head, patience, &mut payload);
        match answer {
            Ok((head, answer)) => {
                let receiving = sendable.on_head(&head, self.course.sent(), clock::wall())?;
                Ok((receiving, answer))
            }
            Err(fault) => Err(match payload.into_error() {
                Some(error) => sendable.on_source_error(error),
                None => sendable.on_transport_error(fault.kind, self.course.sent(), fault.detail),
            }),
        }
    }

    fn receive(&self, receiving: Receiving, mut answer: Answer) -> Outcome {
        let mut intake = Intake::new(receiving, &self.work);
        let end = loop {
            if let Err(end) = self.take_next(&mut intake, &mut answer) {
                break end;
            }
        };
        let outcome = block_on(intake.finish(&end));
        if end == End::Complete
            && outcome.may_reuse_connection()
            && let Some(wire) = answer.into_wire()
        {
            self.course.release();
            self.pool.keep(wire);
        }
        outcome
    }

    /// Takes the next piece of the body, and tells how long the socket let us wait for it. The time
    /// that the sink takes does not count.
    fn take_next(&self, intake: &mut Intake, answer: &mut Answer) -> Result<(), End> {
        let ready = intake.ready();
        self.course.block_on(ready, None, Fault::aborted)??;
        self.course.set_patience(intake.patience());
        let since = Instant::now();
        match answer.read()? {
            [] => Err(End::Complete),
            bytes => intake.take(bytes, since.elapsed()),
        }
    }
}
