//! One HTTP exchange, from the attempt to its outcome.

use hyper::body::Incoming;
use sans3_core::attempt::{Attempt, Deadlines, Outcome, Ready, Receiving, Sendable, Sent};
use sans3_runtime::net::Fault;
use sans3_runtime::{End, Intake, Work, clock};
use tokio::select;
use tokio::time::{Instant, timeout};

use crate::body::Payload;
use crate::net::{Pool, Pooled};

/// A connection on which an answer's body is coming in.
struct Answer<'a> {
    wire: Pooled<'a>,
    body: Incoming,
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
    let wire = select! {
        biased;
        () = work.stop.stopped() => Err(Fault::aborted()),
        wire = pool.take(request.uri(), deadlines.connect) => wire,
    };
    let mut wire = match wire {
        Ok(wire) => wire,
        Err(fault) => {
            return Err(sendable.on_transport_error(fault.kind, Sent::None, fault.detail));
        }
    };
    let (head, content) = wire.address(request).into_parts();
    let body = work.body(content);
    let patience = work.expects_continue(&body, deadlines);
    let (payload, sending) = Payload::new(body, wire.meter());
    let mut request = http::Request::from_parts(head, payload);
    if let Some(patience) = patience {
        Payload::expect_continue(&mut request, patience);
    }
    let answer = select! {
        biased;
        () = work.stop.stopped() => Err(Fault::aborted()),
        answer = wire.send(request) => answer,
        fault = sending.overdue(deadlines) => Err(fault),
    };
    match answer {
        Ok(answer) => {
            let (head, body) = answer.into_parts();
            let receiving = sendable.on_head(&head, sending.sent(), clock::wall())?;
            Ok((receiving, Answer { wire, body }))
        }
        Err(fault) => Err(match sending.take_error() {
            Some(error) => sendable.on_source_error(error),
            None => sendable.on_transport_error(fault.kind, sending.sent(), fault.detail),
        }),
    }
}

async fn receive(receiving: Receiving, mut answer: Answer<'_>, work: &Work) -> Outcome {
    let mut intake = Intake::new(receiving, work);
    let end = loop {
        let taken = select! {
            biased;
            () = work.stop.stopped() => Err(Fault::aborted().into()),
            taken = take_chunk(&mut intake, &mut answer) => taken,
        };
        if let Err(end) = taken {
            break end;
        }
    };
    let outcome = intake.finish(&end).await;
    if end == End::Complete && outcome.may_reuse_connection() {
        answer.wire.keep();
    }
    outcome
}

/// Takes the next piece of the body, and tells how long the socket let us wait for it. The time
/// that the sink takes does not count.
async fn take_chunk(intake: &mut Intake, answer: &mut Answer<'_>) -> Result<(), End> {
    intake.ready().await?;
    let since = Instant::now();
    match timeout(intake.patience(), answer.wire.chunk(&mut answer.body)).await {
        Ok(Ok(Some(chunk))) => intake.take(&chunk, since.elapsed()),
        Ok(Ok(None)) => Err(End::Complete),
        Ok(Err(fault)) => Err(fault.into()),
        Err(_) => Err(intake.stalled()),
    }
}
