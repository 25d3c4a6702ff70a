use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use sans3_core::progress::Progress;
use sans3_runtime::Ticket;

use crate::Error;
use crate::driver::{Engine, Wanted};
use crate::home::{Home, Ours};
use crate::park::{block_on, block_on_for};

/// A transfer that is under way. It runs whether it is waited for or not, but for what its own
/// thread must do: an upload's reader is read, and a downloaded file gets its name, in
/// [`wait`](Self::wait).
///
/// Dropping it cancels the transfer, and cleans up behind it: a file that is not whole is removed,
/// and a multipart upload is aborted, as long as the process lives. To see that happen, cancel and
/// wait.
#[must_use = "a transfer that is dropped is cancelled"]
pub struct Running<T> {
    job: Job<T>,
    control: Control,
}

/// Watches and cancels a transfer, from any thread.
#[derive(Clone)]
pub struct Control {
    ticket: Arc<Ticket>,
    /// Not the engine: whoever watches keeps no connection open.
    home: Arc<Home>,
}

/// A transfer's work on the side of its caller.
pub(crate) struct Job<T> {
    work: Ours<Work<T>>,
    engine: Arc<Engine>,
    /// Until its result is here.
    wanted: Option<Wanted>,
}

type Work<T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send>>;

impl<T> Running<T> {
    pub(crate) fn new(job: Job<T>, ticket: &Arc<Ticket>) -> Self {
        let control = Control::new(ticket, job.engine.home());
        Self { job, control }
    }

    /// Waits for the transfer's end. Where no other transfer of the client is under way, its
    /// threads have ended too when this returns.
    ///
    /// # Errors
    /// Why it failed, and what was left behind.
    pub fn wait(self) -> Result<T, Error> {
        let engine = Arc::clone(&self.job.engine);
        let result = block_on(self.job);
        engine.settle();
        result
    }

    /// As [`wait`](Self::wait), but for `limit` at most, give or take the time that a reader or
    /// writer of the transfer takes.
    ///
    /// # Errors
    /// The transfer itself, where it is still under way.
    pub fn wait_for(mut self, limit: Duration) -> Result<Result<T, Error>, Self> {
        match block_on_for(Pin::new(&mut self.job), limit) {
            Some(result) => {
                self.job.engine.settle();
                Ok(result)
            }
            None => Err(self),
        }
    }

    /// The process that the transfer is in.
    pub(crate) fn home(&self) -> &Arc<Home> {
        self.job.engine.home()
    }

    /// Whether it stayed behind in the process that this one was forked off.
    pub(crate) fn is_lost(&self) -> bool {
        self.control.is_lost()
    }

    /// How far the transfer is. Cheap; brought up to date about once a second.
    pub fn progress(&self) -> Progress {
        self.control.progress()
    }

    /// Winds the transfer down. Wait for it afterwards: the result says whether it was cancelled,
    /// had completed after all, or left something behind.
    pub fn cancel(&self) {
        self.control.cancel();
    }

    /// What watches and cancels the transfer from another thread while this one waits.
    pub fn control(&self) -> Control {
        self.control.clone()
    }
}

impl Control {
    pub(crate) fn new(ticket: &Arc<Ticket>, home: &Arc<Home>) -> Self {
        Self {
            ticket: Arc::clone(ticket),
            home: Arc::clone(home),
        }
    }

    /// Whether the transfer stayed behind in the process that this one was forked off.
    pub(crate) fn is_lost(&self) -> bool {
        self.home.is_lost()
    }

    /// As [`Running::progress`].
    pub fn progress(&self) -> Progress {
        if self.is_lost() {
            return Progress::default();
        }
        self.ticket.progress()
    }

    /// As [`Running::cancel`].
    pub fn cancel(&self) {
        if !self.is_lost() {
            self.ticket.cancel();
        }
    }
}

impl<T> Job<T> {
    /// What drives the transfer.
    pub(crate) const fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }
}

impl<T: Send + 'static> Job<T> {
    /// Begins `work`, which tells the driver what is to be done, and sees to it that one drives.
    pub(crate) fn begin(
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
        engine: &Arc<Engine>,
        wanted: Option<Wanted>,
    ) -> Self {
        let mut job = Self {
            work: Ours::new(Box::pin(work), engine.home()),
            engine: Arc::clone(engine),
            wanted,
        };
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let result = match job.work.as_mut().poll(&mut cx) {
            Poll::Ready(result) => Some(result),
            Poll::Pending => engine.start().err().map(Err),
        };
        if let Some(result) = result {
            job.work.replace(Box::pin(std::future::ready(result)));
        }
        job
    }
}

impl<T> Future for Job<T> {
    type Output = Result<T, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.wanted.is_some() && self.engine.home().is_lost() {
            return Poll::Ready(Err(Error::Closed));
        }
        let polled = self.work.as_mut().poll(cx);
        if polled.is_ready() {
            self.wanted = None;
        }
        polled
    }
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control")
            .field("progress", &self.progress())
            .finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Running<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running")
            .field("progress", &self.progress())
            .finish_non_exhaustive()
    }
}
