//! One HTTP exchange, from the attempt to its outcome, on the thread that carries it out.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::Instant;

use sans3_core::attempt::{Attempt, Outcome, Ready, Receiving, Sendable, Sent};
use sans3_runtime::net::Fault;
use sans3_runtime::{Assignment, End, Intake, Pages, Work, clock};

use crate::body::Payload;
use crate::course::Course;
use crate::net::{Pool, Wire};
use crate::park::block_on;

/// How much of an answer's body is looked at, and put in its place, at once.
const CHUNK: usize = 128 * 1024;

/// Carries out an exchange, and reports its outcome. `chunk` is the thread's, and used again.
pub(crate) fn carry_out(assignment: Assignment, pool: &Pool, chunk: &mut Pages) {
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
    let outcome = exchange.run(attempt, chunk);
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

/// A connection on which an answer's body is coming in.
struct Answer {
    wire: Wire,
    body: ureq::Body,
}

impl Exchange<'_> {
    fn run(&self, attempt: Attempt, chunk: &mut Pages) -> Outcome {
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
            Ok((receiving, answer)) => self.receive(receiving, answer, chunk),
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
            Ok(answer) => {
                let (head, body) = answer.into_parts();
                let receiving = sendable.on_head(&head, self.course.sent(), clock::wall())?;
                Ok((receiving, Answer { wire, body }))
            }
            Err(fault) => Err(match payload.into_error() {
                Some(error) => sendable.on_source_error(error),
                None => sendable.on_transport_error(fault.kind, self.course.sent(), fault.detail),
            }),
        }
    }

    fn receive(&self, receiving: Receiving, answer: Answer, chunk: &mut Pages) -> Outcome {
        let Answer { wire, body } = answer;
        let mut intake = Intake::new(receiving, &self.work);
        let mut body = body.into_reader();
        let end = loop {
            if let Err(end) = self.take_chunk(&mut intake, &mut body, chunk) {
                break end;
            }
        };
        // The connection is part of it.
        drop(body);
        let outcome = block_on(intake.finish(&end));
        if end == End::Complete && outcome.may_reuse_connection() {
            self.course.release();
            self.pool.keep(wire);
        }
        outcome
    }

    /// Takes the next piece of the body, and tells how long the socket let us wait for it. The time
    /// that the sink takes does not count.
    fn take_chunk(
        &self,
        intake: &mut Intake,
        body: &mut impl Read,
        chunk: &mut Pages,
    ) -> Result<(), End> {
        let ready = intake.ready();
        self.course.block_on(ready, None, Fault::aborted)??;
        self.course.set_patience(intake.patience());
        let since = Instant::now();
        chunk.grow(CHUNK);
        match body.read(chunk) {
            Ok(0) => Err(End::Complete),
            Ok(len) => intake.take(&chunk[..len], since.elapsed()),
            Err(error) => Err(self.fault(&error).into()),
        }
    }

    fn fault(&self, error: &io::Error) -> Fault {
        let fault = self.course.fault().cloned();
        fault.unwrap_or_else(|| Fault::from_io(error))
    }
}
