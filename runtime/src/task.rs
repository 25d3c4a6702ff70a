//! What a driver has others do.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use sans3_core::attempt::{Attempt, AttemptId, BodySource, Deadlines, Hashing, Outcome, Sendable};
use sans3_core::error::CredentialsError;
use sans3_core::session::Input;
use sans3_core::sign::Credentials;

use crate::command::Ends;
use crate::shared::Shared;
use crate::sink::Writer;
use crate::source::Body;
use crate::stop::Stop;

/// Something that takes time, for a task or thread of its own.
#[derive(Debug)]
#[must_use = "the session waits for its end"]
#[expect(
    clippy::large_enum_variant,
    reason = "a task is handed over at once, and most of them are exchanges"
)]
pub enum Task {
    /// One HTTP exchange. There are never more of them than
    /// [`SessionConfig::slots`](sans3_core::session::SessionConfig::slots).
    Exchange(Assignment),
    /// A request for credentials. There is never more than one.
    Credentials(Asking),
}

/// An exchange that is to be carried out.
#[derive(Debug)]
pub struct Assignment {
    /// What to do.
    pub attempt: Attempt,
    /// What it is done with.
    pub work: Work,
    /// Takes what came of it.
    pub report: Report,
}

/// What an exchange works with.
pub struct Work {
    ends: Ends,
    shared: Arc<Shared>,
    /// A payload that was read for its checksum, until it is sent: small ones are read once.
    kept: Mutex<Option<Bytes>>,
    /// Asks for its end.
    pub stop: Stop,
    pulse: Pulse,
}

/// How far an exchange is. Clones are of the same exchange.
#[derive(Clone, Debug)]
pub(crate) struct Pulse {
    attempt: AttemptId,
    moved: Arc<AtomicU64>,
}

/// The outcome's way to the session.
///
/// One that is dropped without an outcome, which is what a panic does, says that the exchange was
/// aborted: the session would wait for ever otherwise.
#[must_use = "dropping it says that the exchange was aborted"]
pub struct Report {
    shared: Arc<Shared>,
    lost: Option<Input>,
}

/// A request for credentials.
pub struct Asking {
    shared: Arc<Shared>,
    report: Report,
}

impl Assignment {
    pub(crate) fn new(attempt: Attempt, ends: Ends, stop: Stop, shared: &Arc<Shared>) -> Self {
        let id = attempt.id();
        let pulse = Pulse {
            attempt: id,
            moved: Arc::default(),
        };
        let work = Work {
            ends,
            shared: Arc::clone(shared),
            kept: Mutex::default(),
            stop,
            pulse,
        };
        Self {
            attempt,
            work,
            report: Report::new(shared, Input::Outcome(id.aborted())),
        }
    }
}

impl Work {
    /// From this length on a request's body is worth asking for: 1 MiB.
    const LARGE: u64 = 1 << 20;

    /// How long an answer to `Expect: 100-continue` is waited for: some servers never give one (RFC
    /// 9110, section 10.1.1).
    const PATIENCE: Duration = Duration::from_secs(1);

    /// Whether to send `Expect: 100-continue` ahead of `body`: it is large, and the server has not
    /// taken a large one yet, so it may well refuse this one. The body is then sent when the server
    /// says so, or has been silent for this long.
    pub fn expects_continue(&self, body: &Body, deadlines: Deadlines) -> Option<Duration> {
        let asks = body.left() >= Self::LARGE && !self.shared.has_taken_large();
        asks.then(|| Self::PATIENCE.min(deadlines.idle / 2))
    }

    /// Computes the checksum of the request's payload, until [`stop`](Self::stop) asks for the end.
    /// What blocks, or takes long, is offloaded.
    ///
    /// # Errors
    /// The outcome, where the source can't be read, has changed, or the end was asked for.
    pub async fn hash(&self, hashing: Hashing) -> Result<Sendable, Outcome> {
        let source = &self.ends.source;
        let hashed = source.hash(hashing, &self.stop, &*self.shared.offload);
        let (sendable, payload) = hashed.await?;
        *self.kept() = payload;
        Ok(sendable)
    }

    /// The request's body.
    pub fn body(&self, content: BodySource) -> Body {
        Body::new(
            content,
            &self.ends.source,
            self.kept().take(),
            &self.pulse,
            &self.shared.offload,
        )
    }

    pub(crate) const fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    fn kept(&self) -> MutexGuard<'_, Option<Bytes>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The way of the answer's payload to where it belongs.
    pub(crate) fn writer(&self) -> Writer {
        self.ends.sink.writer(&self.pulse, &self.shared.offload)
    }
}

impl Pulse {
    /// So many more bytes of the object have moved.
    pub(crate) fn moved(&self, bytes: usize) {
        self.moved.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// What there is to tell the session.
    pub(crate) fn take(&self) -> Input {
        Input::Progress {
            attempt: self.attempt,
            bytes: self.moved.load(Ordering::Relaxed),
        }
    }
}

impl Report {
    fn new(shared: &Arc<Shared>, lost: Input) -> Self {
        Self {
            shared: Arc::clone(shared),
            lost: Some(lost),
        }
    }

    /// The exchange came to this.
    pub fn send(self, outcome: Outcome) {
        if outcome.stored().is_some_and(|(_, len)| len >= Work::LARGE) {
            self.shared.take_large();
        }
        self.tell(Input::Outcome(outcome));
    }

    fn tell(mut self, input: Input) {
        self.lost = None;
        self.shared.inbox.result(input);
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        if let Some(lost) = self.lost.take() {
            self.shared.inbox.result(lost);
        }
    }
}

impl Asking {
    /// How long whoever provides credentials may take.
    pub const LIMIT: Duration = Duration::from_secs(60);

    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        let lost = CredentialsError("the provider of credentials was lost".into());
        Self {
            shared: Arc::clone(shared),
            report: Report::new(shared, Input::Credentials(Err(lost))),
        }
    }

    /// Asks, and takes the time that the provider takes: bound it by [`LIMIT`](Self::LIMIT).
    ///
    /// # Errors
    /// Why there are none.
    pub async fn ask(&self) -> Result<Credentials, CredentialsError> {
        self.shared.credentials().await
    }

    /// The provider's answer; `None` where it took too long.
    pub fn answer(self, answer: Option<Result<Credentials, CredentialsError>>) {
        let late = || {
            let limit = Self::LIMIT;
            Err(CredentialsError(format!(
                "the provider gave none within {limit:?}"
            )))
        };
        self.report
            .tell(Input::Credentials(answer.unwrap_or_else(late)));
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Work")
            .field("ends", &self.ends)
            .field("pulse", &self.pulse)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Report").finish_non_exhaustive()
    }
}

impl fmt::Debug for Asking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asking").finish_non_exhaustive()
    }
}
