use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_executor::FallibleTask;
use sans3_core::progress::Progress;
use sans3_runtime::{Hub, Stats, Ticket};

use crate::Error;

/// A transfer that is under way. It runs whether it is polled or not.
///
/// Dropping it cancels the transfer, and cleans up behind it: a file that is not whole is removed,
/// and a multipart upload is aborted, as long as somebody runs the executor.
#[must_use = "a transfer that is dropped is cancelled"]
pub struct Running<T> {
    /// `None` once it has ended.
    task: Option<FallibleTask<Result<T, Error>>>,
    ticket: Arc<Ticket>,
    hub: Hub,
}

impl<T> Running<T> {
    pub(crate) const fn new(
        task: FallibleTask<Result<T, Error>>,
        ticket: Arc<Ticket>,
        hub: Hub,
    ) -> Self {
        Self {
            task: Some(task),
            ticket,
            hub,
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
        self.hub.stats()
    }
}

impl<T> Future for Running<T> {
    type Output = Result<T, Error>;

    /// [`Error::Closed`] where the executor is gone, or after the end.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(task) = &mut self.task else {
            return Poll::Ready(Err(Error::Closed));
        };
        let ended = Pin::new(task).poll(cx);
        ended.map(|result| {
            self.task = None;
            result.unwrap_or(Err(Error::Closed))
        })
    }
}

impl<T> Drop for Running<T> {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            if !task.is_finished() {
                self.ticket.cancel();
            }
            // It has to clean up; dropped it would just end.
            task.detach();
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
