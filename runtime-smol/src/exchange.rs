//! One HTTP exchange, from the attempt to its outcome.

use futures_lite::future;
use sans3_core::attempt::{Attempt, Deadlines, Outcome, Ready, Receiving, Sendable, Sent};
use sans3_core::http1::BodyReader;
use sans3_runtime::net::Fault;
use sans3_runtime::{End, Intake, Work, clock};

use crate::net::{Broken, Limits, Pool, Pooled};

/// A connection on which an answer's body is coming in.
struct Answer<'a> {
    wire: Pooled<'a>,
    body: BodyReader,
}

/// Carries out `attempt`. Each of its stages has a deadline of its own, but for the consumer, who
/// may take any time.
pub(crate) async fn run(attempt: Attempt, work: &Work, pool: &Pool) -> Outcome {
    let deadlines = attempt.deadlines();
    let sendable = match attempt.prepare() {
        Ready::Send(sendable) => Ok(sendable),
        Ready::Hash(hashing) => work.hash(hashing).await,
    };
    let sent = match sendable {
        Ok(sendable) => send(sendable, deadlines, work, pool).await,
        Err(outcome) => return outcome,
    };
    match sent {
        Ok((receiving, answer)) => receive(receiving, answer, work).await,
        Err(outcome) => outcome,
    }
}

async fn send<'a>(
    sendable: Sendable,
    deadlines: Deadlines,
    work: &Work,
    pool: &'a Pool,
) -> Result<(Receiving, Answer<'a>), Outcome> {
    let request = sendable.request(clock::wall())?;
    let wire = future::or(stopped(work), pool.take(request.uri(), deadlines.connect)).await;
    let mut wire = match wire {
        Ok(wire) => wire,
        Err(fault) => {
            return Err(sendable.on_transport_error(fault.kind, Sent::None, fault.detail));
        }
    };
    let (head, content) = request.into_parts();
    let body = work.body(content);
    let asking = work.expects_continue(&body, deadlines);
    let limits = Limits { deadlines, asking };
    let (answer, sent) = wire.send(head, body, limits, &work.stop).await;
    match answer {
        Ok((head, body)) => {
            let receiving = sendable.on_head(&head, sent, clock::wall())?;
            Ok((receiving, Answer { wire, body }))
        }
        Err(Broken::Source(error)) => Err(sendable.on_source_error(error)),
        Err(Broken::Fault(fault)) => {
            Err(sendable.on_transport_error(fault.kind, sent, fault.detail))
        }
    }
}

async fn receive(receiving: Receiving, answer: Answer<'_>, work: &Work) -> Outcome {
    let mut intake = Intake::new(receiving, work);
    let Answer { mut wire, mut body } = answer;
    let end = loop {
        let next = async {
            intake.ready().await?;
            wire.take_chunk(&mut body, &mut intake).await
        };
        if let Err(end) = future::or(stopped(work), next).await {
            break end;
        }
    };
    let outcome = intake.finish(&end).await;
    if end == End::Complete && outcome.may_reuse_connection() {
        wire.keep(&body);
    }
    outcome
}

/// Fails where the session wants the exchange to end, and else never ends.
async fn stopped<T, E: From<Fault>>(work: &Work) -> Result<T, E> {
    work.stop.stopped().await;
    Err(Fault::aborted().into())
}
