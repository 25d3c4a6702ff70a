//! An exchange over HTTP/1.1 without its socket.

use std::fmt;
use std::mem;
use std::time::Duration;

use http::header::CONTENT_LENGTH;
use sans3_core::attempt::{Attempt, BodySource, Deadlines, Outcome, Ready, Sendable, Sent};
use sans3_core::error::TransportErrorKind;
use sans3_core::http1::{self, BodyRead, BodyReader, HeadRead, HeadReader, RequestBody, Target};

use crate::net::Fault;
use crate::{End, Intake, Work, clock};

/// An exchange over HTTP/1.1 for whoever can send bytes and receive some, and no more.
///
/// It is for requests that are held whole: downloads, lists, and calls. What an upload's source
/// provides is hashed and sent piece by piece, which [`Work::hash`] and [`Work::body`] are for.
///
/// Connect and send what [`begin`](Self::begin) gives; then receive, each time within
/// [`patience`](Self::patience), and [`hear`](Self::hear) what came, until there is an outcome.
/// Whoever has an outcome closes the connection.
pub struct Dialogue {
    stage: Stage,
    work: Work,
    deadlines: Deadlines,
    /// What came in and was not used yet.
    input: Vec<u8>,
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
    /// Signs the request. The bytes are to be sent at once, to the server itself.
    ///
    /// # Errors
    /// The outcome, where the request can't be signed or written, or its body is in a source.
    pub fn begin(attempt: Attempt, work: Work) -> Result<(Self, Vec<u8>), Outcome> {
        let (id, deadlines) = (attempt.id(), attempt.deadlines());
        let Ready::Send(sendable) = attempt.prepare() else {
            return Err(id.aborted());
        };
        let (head, content) = sendable.request(clock::wall())?.into_parts();
        let content = match content {
            BodySource::Inline(bytes) => bytes,
            BodySource::Empty | BodySource::Source { .. } => bytes::Bytes::new(),
        };
        let framing = if head.headers.contains_key(CONTENT_LENGTH) {
            RequestBody::Length(content.len() as u64)
        } else {
            RequestBody::None
        };
        let mut request = Vec::new();
        if let Err(error) = http1::write_head(&head, Target::Origin, framing, false, &mut request) {
            return Err(sendable.on_transport_error(error.kind(), Sent::None, error.to_string()));
        }
        request.extend_from_slice(&content);
        let dialogue = Self {
            stage: Stage::Head(sendable, HeadReader::for_request(&head)),
            work,
            deadlines,
            input: Vec::new(),
            waited: Duration::ZERO,
        };
        Ok((dialogue, request))
    }

    /// How long the next bytes may take to come.
    pub fn patience(&self) -> Duration {
        let limit = match &self.stage {
            Stage::Head(..) => self.deadlines.head,
            Stage::Body(intake, _) => intake.patience(),
        };
        limit.saturating_sub(self.waited)
    }

    /// Takes what came after a wait of `waited`; no bytes are the connection's end. Waits where the
    /// download's consumer has no room.
    ///
    /// # Errors
    /// The outcome, once there is one: an error only in the sense of `?`.
    pub async fn hear(mut self, bytes: &[u8], waited: Duration) -> Result<Self, Outcome> {
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
                        self.input.drain(..consumed);
                        self.waited = Duration::ZERO;
                        let receiving = sendable.on_head(&head, Sent::All, clock::wall())?;
                        Stage::Body(Intake::new(receiving, &self.work), body)
                    }
                    Ok(HeadRead::Interim { consumed, .. }) => {
                        self.input.drain(..consumed);
                        Stage::Head(sendable, reader)
                    }
                    Ok(HeadRead::Incomplete) if !closed => {
                        self.stage = Stage::Head(sendable, reader);
                        return Ok(self);
                    }
                    Ok(HeadRead::Incomplete) => {
                        let fault = misread(&reader.eof(&self.input));
                        return Err(unanswered(sendable, fault));
                    }
                    Err(error) => return Err(unanswered(sendable, misread(&error))),
                },
                Stage::Body(mut intake, mut body) => {
                    let read = match body.read(&self.input) {
                        Ok(BodyRead::Incomplete { consumed }) if !closed => {
                            self.input.drain(..consumed);
                            self.stage = Stage::Body(intake, body);
                            return Ok(self);
                        }
                        Ok(BodyRead::Incomplete { .. }) => {
                            body.eof().and(Ok(BodyRead::Complete { consumed: 0 }))
                        }
                        read => read,
                    };
                    let waited = mem::take(&mut self.waited);
                    match take(&mut intake, &mut self.input, read, waited).await {
                        Ok(()) => Stage::Body(intake, body),
                        Err(end) => return Err(intake.finish(&end).await),
                    }
                }
            };
        }
    }

    /// The outcome where nothing came for as long as [`patience`](Self::patience) allows.
    pub async fn stalled(self) -> Outcome {
        let kind = match &self.stage {
            Stage::Head(..) => TransportErrorKind::HeadTimeout,
            Stage::Body(..) => TransportErrorKind::IdleTimeout,
        };
        let detail = format!("nothing more came for {:?}", self.patience());
        self.broken(Fault::new(kind, detail)).await
    }

    /// The outcome where there is no connection, or no longer one.
    pub async fn broken(self, fault: Fault) -> Outcome {
        match self.stage {
            Stage::Head(sendable, _) => unanswered(sendable, fault),
            Stage::Body(intake, _) => intake.finish(&fault.into()).await,
        }
    }
}

/// Hands one piece of the body on.
async fn take(
    intake: &mut Intake,
    input: &mut Vec<u8>,
    read: Result<BodyRead, http1::Error>,
    waited: Duration,
) -> Result<(), End> {
    match read.map_err(|error| misread(&error))? {
        BodyRead::Data { consumed, span } => {
            intake.ready().await?;
            intake.take(&input[span], waited)?;
            input.drain(..consumed);
            Ok(())
        }
        BodyRead::Incomplete { consumed } => {
            input.drain(..consumed);
            Ok(())
        }
        BodyRead::Complete { .. } => Err(End::Complete),
    }
}

/// How much of the request had left makes no difference to what is only read, and is not known.
fn unanswered(sendable: Sendable, fault: Fault) -> Outcome {
    sendable.on_transport_error(fault.kind, Sent::Part, fault.detail)
}

fn misread(error: &http1::Error) -> Fault {
    Fault::new(error.kind(), error.to_string())
}

impl fmt::Debug for Dialogue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialogue")
            .field("work", &self.work)
            .field("waited", &self.waited)
            .finish_non_exhaustive()
    }
}
