use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use sans3_core::attempt::TransferId;
use sans3_core::progress::Progress;
use tokio::task::JoinHandle;

use crate::Error;
use crate::shared::{Shared, Stats};
use crate::signals::Signals;

/// A transfer that is under way. It runs whether it is polled or not.
///
/// Dropping it cancels the transfer, and cleans up behind it: a file that is not whole is removed,
/// and a multipart upload is aborted, as long as the runtime lives.
#[must_use = "a transfer that is dropped is cancelled"]
pub struct Running<T> {
    task: JoinHandle<Result<T, Error>>,
    ticket: Arc<Ticket>,
    shared: Arc<Shared>,
}

/// What a transfer's caller and its driver know of each other.
#[derive(Debug)]
pub(crate) struct Ticket {
    state: Mutex<State>,
    signals: Arc<Signals>,
}

#[derive(Debug, Default)]
struct State {
    /// The transfer's name, once the session has it.
    id: Option<TransferId>,
    cancelled: bool,
    progress: Progress,
}

impl<T> Running<T> {
    pub(crate) const fn new(
        task: JoinHandle<Result<T, Error>>,
        ticket: Arc<Ticket>,
        shared: Arc<Shared>,
    ) -> Self {
        Self {
            task,
            ticket,
            shared,
        }
    }

    /// How far the transfer is. Cheap; brought up to date about once a second.
    pub fn progress(&self) -> Progress {
        self.ticket.progress()
    }

    /// Winds the transfer down. Await it afterwards: the result says whether it was cancelled, had
    /// completed after all, or left something behind.
    pub fn cancel(&self) {
        self.ticket.cancel();
    }

    /// What the client has used so far, for all of its transfers.
    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }

    pub(crate) const fn ticket(&self) -> &Arc<Ticket> {
        &self.ticket
    }
}

impl<T> Future for Running<T> {
    type Output = Result<T, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match ready!(Pin::new(&mut self.task).poll(cx)) {
            Ok(result) => result,
            Err(lost) => match lost.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(Error::Closed),
            },
        })
    }
}

impl<T> Drop for Running<T> {
    fn drop(&mut self) {
        if !self.task.is_finished() {
            self.ticket.cancel();
        }
    }
}

impl<T> fmt::Debug for Running<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running")
            .field("progress", &self.progress())
            .finish_non_exhaustive()
    }
}

impl Ticket {
    pub(crate) fn new(signals: &Arc<Signals>) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            signals: Arc::clone(signals),
        })
    }

    /// The session knows the transfer as `id` from now on. Returns whether it is to be cancelled.
    pub(crate) fn bind(&self, id: TransferId) -> bool {
        let mut state = self.state();
        state.id = Some(id);
        state.cancelled
    }

    pub(crate) fn id(&self) -> Option<TransferId> {
        self.state().id
    }

    pub(crate) fn cancel(&self) {
        let mut state = self.state();
        state.cancelled = true;
        if let Some(id) = state.id {
            self.signals.cancel(id);
        }
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.state().cancelled
    }

    /// The consumer has taken all below `up_to`.
    pub(crate) fn release(&self, up_to: u64) {
        if let Some(id) = self.id() {
            self.signals.release(id, up_to);
        }
    }

    pub(crate) fn publish(&self, progress: Progress) {
        self.state().progress = progress;
    }

    pub(crate) fn progress(&self) -> Progress {
        self.state().progress
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
