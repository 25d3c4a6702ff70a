//! One HTTP exchange, from the attempt to its outcome.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::uri::{PathAndQuery, Uri};
use hyper::body::Incoming;
use sans3_core::attempt::{
    Attempt, BodySource, Deadlines, Hashing, Outcome, Placement, Ready, Receiving, Sendable, Sent,
    StopReading,
};
use sans3_core::error::{SinkError, TransportErrorKind};
use tokio::select;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, interval, timeout};
use tokio_util::sync::CancellationToken;

use crate::body::Payload;
use crate::clock;
use crate::command::Ends;
use crate::net::{Fault, Origin, Wire};
use crate::shared::Shared;
use crate::sink::Writer;

/// How often an exchange says that it lives.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// What an exchange works with.
pub(crate) struct Exchange {
    pub(crate) ends: Ends,
    pub(crate) shared: Arc<Shared>,
    /// Cancelled when the session wants the exchange to end.
    pub(crate) stop: CancellationToken,
    /// Bytes of the object that have moved.
    pub(crate) moved: Arc<AtomicU64>,
}

/// A connection on which an answer's body is coming in.
struct Answer {
    wire: Wire,
    origin: Origin,
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

impl Exchange {
    /// Carries out `attempt`, and says once a second that it is alive: each of its stages has a
    /// deadline of its own, but for the consumer, who may take any time.
    pub(crate) async fn run(self, attempt: Attempt) -> Outcome {
        let id = attempt.id();
        let mut heartbeat = interval(HEARTBEAT);
        heartbeat.tick().await;
        let mut work = std::pin::pin!(self.carry_out(attempt));
        loop {
            select! {
                biased;
                outcome = &mut work => return outcome,
                _ = heartbeat.tick() => {
                    self.shared.signals.progress(id, self.moved.load(Ordering::Relaxed));
                }
            }
        }
    }

    async fn carry_out(&self, attempt: Attempt) -> Outcome {
        let id = attempt.id();
        let deadlines = attempt.deadlines();
        let sendable = match attempt.prepare() {
            Ready::Send(sendable) => Ok(sendable),
            Ready::Hash(hashing) => self.hash(hashing).await.unwrap_or(Err(id.aborted())),
        };
        let sendable = match sendable {
            Ok(sendable) => sendable,
            Err(outcome) => return outcome,
        };
        match self.send(sendable, deadlines).await {
            Ok((receiving, answer)) => self.receive(receiving, answer).await,
            Err(outcome) => outcome,
        }
    }

    /// `None` where the thread that hashes was lost.
    async fn hash(&self, hashing: Hashing) -> Option<Result<Sendable, Outcome>> {
        let (source, stop) = (self.ends.source.clone(), self.stop.clone());
        spawn_blocking(move || source.hash(hashing, &stop))
            .await
            .ok()
    }

    async fn send(
        &self,
        sendable: Sendable,
        deadlines: Deadlines,
    ) -> Result<(Receiving, Answer), Outcome> {
        let request = sendable.request(clock::wall())?;
        let origin = Origin::of(request.uri());
        let wire = select! {
            biased;
            () = self.stop.cancelled() => Err(Fault::aborted()),
            wire = self.shared.pool.take(&origin, deadlines.connect) => wire,
        };
        let mut wire = match wire {
            Ok(wire) => wire,
            Err(fault) => {
                return Err(sendable.on_transport_error(fault.kind, Sent::None, fault.detail));
            }
        };
        let (head, content) = in_origin_form(request).into_parts();
        let (payload, sending) =
            Payload::new(content, &self.ends.source, wire.meter(), &self.moved);
        let answer = select! {
            biased;
            () = self.stop.cancelled() => Err(Fault::aborted()),
            answer = wire.send(http::Request::from_parts(head, payload)) => answer,
            fault = sending.overdue(deadlines) => Err(fault),
        };
        match answer {
            Ok(answer) => {
                let (head, body) = answer.into_parts();
                let receiving = sendable.on_head(&head, sending.sent(), clock::wall())?;
                Ok((receiving, Answer { wire, origin, body }))
            }
            Err(fault) => Err(match sending.take_error() {
                Some(error) => sendable.on_source_error(error),
                None => sendable.on_transport_error(fault.kind, sending.sent(), fault.detail),
            }),
        }
    }

    async fn receive(&self, mut receiving: Receiving, mut answer: Answer) -> Outcome {
        let mut writer = self.ends.sink.writer();
        let end = self.read(&mut receiving, &mut answer, &mut writer).await;
        // Also where the exchange broke: what the outcome counts as placed must be in place.
        let finished = writer.finish().await;
        match (end, finished) {
            (End::Sink(error), _) | (_, Err(error)) => receiving.on_sink_error(error),
            (End::Fault(fault), Ok(())) => receiving.on_transport_error(fault.kind, fault.detail),
            (End::Stopped, Ok(())) => receiving.finish(),
            (End::Complete, Ok(())) => {
                let outcome = receiving.finish();
                if outcome.may_reuse_connection() {
                    self.shared.pool.put(answer.origin, answer.wire);
                }
                outcome
            }
        }
    }

    async fn read(
        &self,
        receiving: &mut Receiving,
        answer: &mut Answer,
        writer: &mut Writer,
    ) -> End {
        loop {
            let chunk = select! {
                biased;
                () = self.stop.cancelled() => return End::Fault(Fault::aborted()),
                chunk = self.next_chunk(receiving, answer, writer) => chunk,
            };
            let (chunk, waited) = match chunk {
                Ok(Some(chunk)) => chunk,
                Ok(None) => return End::Complete,
                Err(end) => return end,
            };
            match receiving.admit(&chunk, waited) {
                Ok(Placement::Internal) => {}
                Ok(Placement::Object { at, span }) => {
                    self.moved.fetch_add(span.len() as u64, Ordering::Relaxed);
                    if let Err(error) = writer.put(at, &chunk[span]) {
                        return End::Sink(error);
                    }
                }
                Err(StopReading) => return End::Stopped,
            }
        }
    }

    /// The next piece of the body, and how long the socket let us wait for it. The time that the
    /// sink takes does not count.
    async fn next_chunk(
        &self,
        receiving: &Receiving,
        answer: &mut Answer,
        writer: &mut Writer,
    ) -> Result<Option<(bytes::Bytes, Duration)>, End> {
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
}

/// The same request with path and query alone as its target, exactly as they stand: HTTP/1.1 wants
/// this form of an origin server's clients (RFC 9112, section 3.2.1).
fn in_origin_form(mut request: http::Request<BodySource>) -> http::Request<BodySource> {
    let target = request.uri().path_and_query().cloned();
    let target = target.unwrap_or_else(|| PathAndQuery::from_static("/"));
    *request.uri_mut() = Uri::from(target);
    request
}
