//! An exchange over HTTP/1.1 without its socket.

use std::fmt;
use std::future::poll_fn;
use std::mem;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use http::HeaderValue;
use http::header::CONNECTION;
use sans3_core::attempt::{Attempt, Deadlines, Outcome, Ready, Sendable, Sent};
use sans3_core::error::{SourceError, TransportErrorKind};
use sans3_core::http1::{self, BodyRead, BodyReader, HeadRead, HeadReader, RequestBody, Target};

use crate::net::Fault;
use crate::{Body, End, Intake, Stop, Work, clock};

/// An exchange over HTTP/1.1 for whoever can send bytes and receive some, and no more.
///
/// 1. [`begin`](Self::begin) gives the request's head and its [`Body`]. Connect, and send both;
///    tell [`sent`](Self::sent) how far that is.
/// 2. Meanwhile and afterwards, receive, each time within [`patience`](Self::patience), and
///    [`hear`](Self::hear) what came, until there is an outcome. A server may answer before it has
///    read everything: once [`is_answered`](Self::is_answered), nothing more is to leave.
/// 3. Whoever has an outcome closes the connection. The request says so: it has `Connection: close`
///    (RFC 9112, section 9.6).
///
/// Where *sending* fails, go on receiving: the server may have refused the request and closed, and
/// its answer tells why (RFC 9112, section 9.5). All other ends are [`broken`](Self::broken).
///
/// Interim answers are passed over (RFC 9110, section 15.2). `Expect: 100-continue` (RFC 9110,
/// section 10.1.1) is not sent, so a server that refuses a large body may get some of it first.
/// Connections are not used again, and requests are addressed to the server itself, not to a proxy.
pub struct Dialogue {
    stage: Stage,
    work: Work,
    deadlines: Deadlines,
    /// How much of the request has left. Of no interest any more when the answer's head has come.
    sent: Sent,
    /// What came in and was not used yet.
    input: BytesMut,
    /// For how long the head, or the next piece of the body, was waited for.
    waited: Duration,
}

#[expect(
    clippy::large_enum_variant,
    reason = "there is one for each exchange, and it is in both states in turn"
)]
enum Stage {
    Head(Sendable, HeadReader),
    Body(Intake, BodyReader),
}

impl Dialogue {
    /// Hashes what has to be hashed, and signs the request: its head, and the body to send after it.
    /// Both are to be sent at once, for a signature ages.
    ///
    /// # Errors
    /// The outcome, where the source can't be read or has changed, the request can't be signed or
    /// written, or the end was asked for.
    pub async fn begin(attempt: Attempt, work: Work) -> Result<(Self, Vec<u8>, Body), Outcome> {
        let deadlines = attempt.deadlines();
        let sendable = match attempt.prepare() {
            Ready::Send(sendable) => sendable,
            Ready::Hash(hashing) => work.hash(hashing).await?,
        };
        let (mut head, content) = sendable.request(clock::wall())?.into_parts();
        let close = HeaderValue::from_static("close");
        head.headers.insert(CONNECTION, close);
        let body = work.body(content);
        let framing = match body.left() {
            // Where the length has to be told nevertheless the fields do so.
            0 => RequestBody::None,
            length => RequestBody::Length(length),
        };
        let mut request = Vec::new();
        if let Err(error) = http1::write_head(&head, Target::Origin, framing, false, &mut request) {
            return Err(sendable.on_transport_error(error.kind(), Sent::None, error.to_string()));
        }
        let dialogue = Self {
            stage: Stage::Head(sendable, HeadReader::for_request(&head)),
            work,
            deadlines,
            sent: Sent::None,
            input: BytesMut::new(),
            waited: Duration::ZERO,
        };
        Ok((dialogue, request, body))
    }

    /// Bytes of the request have left just now, and with them so much of it: head and body together.
    /// The wait for the answer begins anew.
    ///
    /// To be told before [`hear`](Self::hear) gets what came after them: a success ahead of
    /// [`Sent::All`] is none, and after [`Sent::None`] the server can't have acted.
    pub fn sent(&mut self, sent: Sent) {
        if let Stage::Head(..) = self.stage {
            self.sent = sent;
            self.waited = Duration::ZERO;
        }
    }

    /// Whether the answer's head has come: no more of the request is to leave, be it sent in full or
    /// not (RFC 9112, section 9.5).
    pub const fn is_answered(&self) -> bool {
        matches!(self.stage, Stage::Body(..))
    }

    /// How long the next bytes may take to come or, while the request is being sent, to leave; then
    /// it has [`stalled`](Self::stalled). No time is left once [`Work::stop`] asks for the end.
    pub fn patience(&self) -> Duration {
        if self.work.stop.is_stopped() {
            return Duration::ZERO;
        }
        self.limit().saturating_sub(self.waited)
    }

    /// Takes what came; no bytes are the connection's end (over TLS an authenticated one). `waited`
    /// is how long they took to come since the last call of this or of [`sent`](Self::sent).
    ///
    /// Waits where the download's consumer has no room, which is nobody's patience, but not beyond
    /// [`Work::stop`]. Whoever drops it while it waits loses the outcome.
    ///
    /// # Errors
    /// The outcome, once there is one: an error only in the sense of `?`.
    pub async fn hear(mut self, bytes: &[u8], waited: Duration) -> Result<Self, Outcome> {
        if self.work.stop.is_stopped() {
            return Err(self.broken(Fault::aborted()).await);
        }
        self.input.extend_from_slice(bytes);
        self.waited = self.waited.saturating_add(waited);
        let closed = bytes.is_empty();
        loop {
            self.stage = match self.stage {
                Stage::Head(sendable, mut reader) => match reader.read(&self.input) {
                    Ok(HeadRead::Final {
                        head,
                        consumed,
                        body,
                    }) => {
                        self.input.advance(consumed);
                        self.waited = Duration::ZERO;
                        let receiving = sendable.on_head(&head, self.sent, clock::wall())?;
                        Stage::Body(Intake::new(receiving, &self.work), body)
                    }
                    Ok(HeadRead::Interim { consumed, .. }) => {
                        self.input.advance(consumed);
                        Stage::Head(sendable, reader)
                    }
                    Ok(HeadRead::Incomplete) if !closed => {
                        self.stage = Stage::Head(sendable, reader);
                        return Ok(self);
                    }
                    Ok(HeadRead::Incomplete) => {
                        let fault = misread(&reader.eof(&self.input));
                        return Err(unanswered(sendable, self.sent, fault));
                    }
                    Err(error) => return Err(unanswered(sendable, self.sent, misread(&error))),
                },
                Stage::Body(mut intake, mut body) => {
                    let read = match body.read(&self.input) {
                        Ok(BodyRead::Incomplete { consumed }) if !closed => {
                            self.input.advance(consumed);
                            self.stage = Stage::Body(intake, body);
                            return Ok(self);
                        }
                        Ok(BodyRead::Incomplete { .. }) => {
                            body.eof().and(Ok(BodyRead::Complete { consumed: 0 }))
                        }
                        read => read,
                    };
                    let piece = Piece {
                        read,
                        waited: &mut self.waited,
                        input: &mut self.input,
                    };
                    match piece.give(&mut intake, &self.work.stop).await {
                        Ok(()) => Stage::Body(intake, body),
                        Err(end) => return Err(intake.finish(&end).await),
                    }
                }
            };
        }
    }

    /// The outcome where nothing moved for as long as [`patience`](Self::patience) allows:
    /// [`HeadTimeout`](TransportErrorKind::HeadTimeout) where the answer to the whole request is
    /// missing, otherwise [`IdleTimeout`](TransportErrorKind::IdleTimeout).
    pub async fn stalled(self) -> Outcome {
        let kind = match &self.stage {
            Stage::Head(..) if self.sent == Sent::All => TransportErrorKind::HeadTimeout,
            Stage::Head(..) | Stage::Body(..) => TransportErrorKind::IdleTimeout,
        };
        let detail = format!("too little moved within {:?}", self.limit());
        self.broken(Fault::new(kind, detail)).await
    }

    /// The outcome where there is no connection, or no longer one. Where [`Work::stop`] asked for
    /// the end it is that.
    pub async fn broken(self, fault: Fault) -> Outcome {
        let fault = if self.work.stop.is_stopped() {
            Fault::aborted()
        } else {
            fault
        };
        match self.stage {
            Stage::Head(sendable, _) => unanswered(sendable, self.sent, fault),
            Stage::Body(intake, _) => intake.finish(&fault.into()).await,
        }
    }

    /// The outcome where the [`Body`] gave an error: the source can't be read, or has changed since
    /// it was hashed.
    pub async fn on_source_error(self, error: SourceError) -> Outcome {
        match self.stage {
            Stage::Head(sendable, _) => sendable.on_source_error(error),
            // The server has decided already, without the rest.
            Stage::Body(intake, _) => {
                let fault = Fault::new(TransportErrorKind::Other, error.to_string());
                intake.finish(&fault.into()).await
            }
        }
    }

    /// The deadline that holds now.
    fn limit(&self) -> Duration {
        match &self.stage {
            Stage::Head(..) if self.sent == Sent::All => self.deadlines.head,
            Stage::Head(..) => self.deadlines.idle,
            Stage::Body(intake, _) => intake.patience(),
        }
    }
}

/// A piece of an answer's body, or what is wrong with it.
struct Piece<'a> {
    read: Result<BodyRead, http1::Error>,
    input: &'a mut BytesMut,
    waited: &'a mut Duration,
}

impl Piece<'_> {
    /// Hands it on, and says how the body ends where it does.
    async fn give(self, intake: &mut Intake, stop: &Stop) -> Result<(), End> {
        match self.read.map_err(|error| misread(&error))? {
            BodyRead::Data { consumed, span } => {
                room(intake, stop).await?;
                intake.take(&self.input[span], mem::take(self.waited))?;
                self.input.advance(consumed);
                Ok(())
            }
            BodyRead::Incomplete { consumed } => {
                self.input.advance(consumed);
                Ok(())
            }
            BodyRead::Complete { .. } => Err(End::Complete),
        }
    }
}

/// Waits until there is room for more, or the end is asked for.
async fn room(intake: &mut Intake, stop: &Stop) -> Result<(), End> {
    let mut ready = pin!(intake.ready());
    poll_fn(|cx| match stop.poll_stopped(cx) {
        Poll::Ready(()) => Poll::Ready(Err(Fault::aborted().into())),
        Poll::Pending => ready.as_mut().poll(cx),
    })
    .await
}

fn unanswered(sendable: Sendable, sent: Sent, fault: Fault) -> Outcome {
    sendable.on_transport_error(fault.kind, sent, fault.detail)
}

fn misread(error: &http1::Error) -> Fault {
    Fault::new(error.kind(), error.to_string())
}

impl fmt::Debug for Dialogue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialogue")
            .field("work", &self.work)
            .field("sent", &self.sent)
            .field("waited", &self.waited)
            .finish_non_exhaustive()
    }
}
