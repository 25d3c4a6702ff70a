use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread;

use sans3_blocking::Control;
use sans3_core::error::Cause;
use sans3_core::progress::Progress;
use sans3_runtime::{Error, Pending, Stats, promise};

use super::feed::Brake;

/// A transfer that is under way, on any runtime. Dropping it cancels it.
#[must_use = "a transfer that is dropped is cancelled"]
pub(crate) struct Running<T>(Kind<T>);

enum Kind<T> {
    Tokio(sans3_tokio::Running<T>),
    Smol(sans3_smol::Running<T>),
    Apart(Apart<T>),
}

/// A transfer that a thread waits for.
struct Apart<T> {
    /// An error where there is no such thread.
    result: Result<Pending<Result<T, Error>>, Error>,
    control: Control,
    client: sans3_blocking::Client,
    brake: Option<Brake>,
}

impl<T: Send + 'static> Running<T> {
    /// Waits for a transfer on a thread of its own. Where it reads a stream, `brake` ends that.
    pub(super) fn apart(
        client: &sans3_blocking::Client,
        running: sans3_blocking::Running<T>,
        brake: Option<Brake>,
    ) -> Self {
        let control = running.control();
        let pulled = brake.clone();
        let result = apart(move || {
            let result = running.wait();
            match pulled {
                Some(brake) if brake.is_pulled() => as_cancelled(result),
                _ => result,
            }
        });
        Self(Kind::Apart(Apart {
            result,
            control,
            client: client.clone(),
            brake,
        }))
    }
}

impl<T> Running<T> {
    /// How far the transfer is.
    pub(crate) fn progress(&self) -> Progress {
        match &self.0 {
            Kind::Tokio(running) => running.progress(),
            Kind::Smol(running) => running.progress(),
            Kind::Apart(apart) => apart.control.progress(),
        }
    }

    /// Winds the transfer down. Await it afterwards: the result says how it ended.
    pub(crate) fn cancel(&self) {
        match &self.0 {
            Kind::Tokio(running) => running.cancel(),
            Kind::Smol(running) => running.cancel(),
            Kind::Apart(apart) => apart.cancel(),
        }
    }

    /// What its client has used so far.
    pub(crate) fn stats(&self) -> Stats {
        match &self.0 {
            Kind::Tokio(running) => running.stats(),
            Kind::Smol(running) => running.stats(),
            Kind::Apart(apart) => apart.client.stats(),
        }
    }
}

impl<T> Future for Running<T> {
    type Output = Result<T, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Kind::Tokio(running) => Pin::new(running).poll(cx),
            Kind::Smol(running) => Pin::new(running).poll(cx),
            Kind::Apart(apart) => match &mut apart.result {
                Ok(pending) => {
                    let result = Pin::new(pending).poll(cx);
                    result.map(|result| result.unwrap_or(Err(Error::Closed)))
                }
                Err(error) => Poll::Ready(Err(error.clone())),
            },
        }
    }
}

impl<T> From<sans3_tokio::Running<T>> for Running<T> {
    fn from(running: sans3_tokio::Running<T>) -> Self {
        Self(Kind::Tokio(running))
    }
}

impl<T> From<sans3_smol::Running<T>> for Running<T> {
    fn from(running: sans3_smol::Running<T>) -> Self {
        Self(Kind::Smol(running))
    }
}

impl<T> Apart<T> {
    fn cancel(&self) {
        // First, so that the end of the stream is never taken for the end of its bytes.
        self.control.cancel();
        if let Some(brake) = &self.brake {
            brake.pull();
        }
    }
}

impl<T> Drop for Apart<T> {
    /// Of no consequence to a transfer that has ended.
    fn drop(&mut self) {
        self.cancel();
    }
}

/// Does what blocks on a thread of its own. `None` comes where that panics.
///
/// # Errors
/// The system has no thread left.
pub(super) fn apart<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<Pending<T>, Error> {
    let (promise, done) = promise();
    let thread = thread::Builder::new().name("sans3-wait".into());
    let thread = thread.spawn(move || promise.keep(work()));
    thread.map_err(|error| Error::io("start a thread", "", error))?;
    Ok(done)
}

/// The result of a cancelled upload whose stream was given up: that it could not be read on is no
/// news, and may be heard of before the cancelling is.
fn as_cancelled<T>(result: Result<T, Error>) -> Result<T, Error> {
    match result {
        Err(Error::Transfer(mut error)) if matches!(error.root(), Cause::Source(_)) => {
            error.cause = Cause::Cancelled;
            Err(Error::Transfer(error))
        }
        result => result,
    }
}
