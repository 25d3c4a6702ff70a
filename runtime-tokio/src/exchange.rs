//! One HTTP exchange, from the attempt to its outcome.

use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use sans3_core::attempt::{
    Attempt, Deadlines, Outcome, Placement, Ready, Receiving, Sendable, Sent, StopReading,
};
use sans3_core::error::{SinkError, TransportErrorKind};
use sans3_runtime::net::Fault;
use sans3_runtime::{Pulse, Work, Writer, clock};
use tokio::select;
use tokio::time::{Instant, interval, timeout};

use crate::body::Payload;
use crate::net::{Pool, Pooled};

/// A connection on which an answer's body is coming in.
struct Answer<'a> {
    wire: Pooled<'a>,
    body: Incoming,
}

/// Why no more is read of an answer.
enum End {
    Complete,
    /// The rest is of no use.
    Stopped,
    Fault(Fault),
    Sink(SinkError),
}

/// Carries out `attempt`, and says once a second that it is alive: each of its stages has a
/// deadline of its own, but for the consumer, who may take any time.
pub(crate) async fn run(attempt: Attempt, work: &Work, pool: &Pool) -> Outcome {
    let mut heartbeat = interval(Pulse::INTERVAL);
    heartbeat.tick().await;
    let mut exchange = std::pin::pin!(carry_out(attempt, work, pool));
    loop {
        select! {
            biased;
            outcome = &mut exchange => return outcome,
            _ = heartbeat.tick() => work.pulse.beat(),
        }
    }
}

async fn carry_out(attempt: Attempt, work: &Work, pool: &Pool) -> Outcome {
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

async fn receive(mut receiving: Receiving, mut answer: Answer<'_>, work: &Work) -> Outcome {
    let mut writer = work.writer();
    let end = read(&mut receiving, &mut answer, &mut writer, work).await;
    // Also where the exchange broke: what the outcome counts as placed must be in place.
    let finished = writer.finish().await;
    match (end, finished) {
        (End::Sink(error), _) | (_, Err(error)) => receiving.on_sink_error(error),
        (End::Fault(fault), Ok(())) => receiving.on_transport_error(fault.kind, fault.detail),
        (End::Stopped, Ok(())) => receiving.finish(),
        (End::Complete, Ok(())) => {
            let outcome = receiving.finish();
            if outcome.may_reuse_connection() {
                answer.wire.keep();
            }
            outcome
        }
    }
}

async fn read(
    receiving: &mut Receiving,
    answer: &mut Answer<'_>,
    writer: &mut Writer,
    work: &Work,
) -> End {
    loop {
        let chunk = select! {
            biased;
            () = work.stop.stopped() => return End::Fault(Fault::aborted()),
            chunk = next_chunk(receiving, answer, writer) => chunk,
        };
        let (chunk, waited) = match chunk {
            Ok(Some(chunk)) => chunk,
            Ok(None) => return End::Complete,
            Err(end) => return end,
        };
        match receiving.admit(&chunk, waited) {
            Ok(Placement::Internal) => {}
            Ok(Placement::Object { at, span }) => {
                if let Err(error) = writer.put(at, &chunk[span]) {
                    return End::Sink(error);
                }
            }
            Err(StopReading) => return End::Stopped,
        }
    }
}

/// The next piece of the body, and how long the socket let us wait for it. The time that the sink
/// takes does not count.
async fn next_chunk(
    receiving: &Receiving,
    answer: &mut Answer<'_>,
    writer: &mut Writer,
) -> Result<Option<(Bytes, Duration)>, End> {
    writer.ready().await.map_err(End::Sink)?;
    let patience = receiving.patience();
    let since = Instant::now();
    match timeout(patience, answer.wire.chunk(&mut answer.body)).await {
        Ok(Ok(chunk)) => Ok(chunk.map(|chunk| (chunk, since.elapsed()))),
        Ok(Err(fault)) => Err(End::Fault(fault)),
        Err(_) => {
            let detail = format!("too few bytes came, the last ones {patience:?} ago");
            Err(End::Fault(Fault::new(
                TransportErrorKind::IdleTimeout,
                detail,
            )))
        }
    }
}
