use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use sans3_core::error::CredentialsError;
use sans3_core::pace::PaceChange;
use sans3_core::session::Notice;
use sans3_core::sign::Credentials;

use crate::brief::Brief;
use crate::buffer::BufferPool;
use crate::inbox::Inbox;
use crate::{Offload, ProvideCredentials};

/// The most of a kind of news that is kept for a caller who does not fetch it.
const MOST_KEPT: usize = 1024;

/// What a client's driver, exchanges and handles have in common.
pub(crate) struct Shared {
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) buffers: Arc<BufferPool>,
    pub(crate) offload: Arc<dyn Offload>,
    /// Where files are opened and get their names.
    pub(crate) brief: Brief,
    provider: Option<Arc<dyn ProvideCredentials>>,
    closing: AtomicBool,
    connections: AtomicU64,
    /// The server has taken a large body.
    taken_large: AtomicBool,
    pub(crate) notices: Kept<Notice>,
    pub(crate) pace_changes: Kept<PaceChange>,
    jobs: Mutex<Jobs>,
}

/// News of a session for its caller, oldest first.
pub(crate) struct Kept<T>(Mutex<VecDeque<T>>);

/// What a client has used so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// The most bytes that buffers of payload ever held at once.
    pub peak_memory: u64,
    /// How many connections were opened.
    pub connections: u64,
}

/// Transfers whose callers have not got their results yet.
#[derive(Debug, Default)]
struct Jobs {
    running: usize,
    waiting: Vec<Waker>,
}

/// Counts a transfer until its caller has its result.
pub(crate) struct Job(Arc<Shared>);

impl Shared {
    pub(crate) fn new(
        buffers: Arc<BufferPool>,
        offload: Arc<dyn Offload>,
        provider: Option<Arc<dyn ProvideCredentials>>,
    ) -> Self {
        Self {
            inbox: Arc::default(),
            buffers,
            offload,
            brief: Brief::default(),
            provider,
            closing: AtomicBool::new(false),
            connections: AtomicU64::new(0),
            taken_large: AtomicBool::new(false),
            notices: Kept::default(),
            pace_changes: Kept::default(),
            jobs: Mutex::default(),
        }
    }

    /// As this one, but for what is under way. Nothing will be.
    pub(crate) fn closed(&self, buffers: Arc<BufferPool>) -> Self {
        let shared = Self::new(buffers, Arc::clone(&self.offload), self.provider.clone());
        shared.close();
        shared.inbox.close();
        shared
    }

    /// Asks for credentials.
    pub(crate) async fn credentials(&self) -> Result<Credentials, CredentialsError> {
        match &self.provider {
            Some(provider) => provider.provide().await,
            None => {
                let text = "the client was made without a provider of credentials";
                Err(CredentialsError(text.into()))
            }
        }
    }

    pub(crate) fn job(self: &Arc<Self>) -> Job {
        self.jobs().running += 1;
        Job(Arc::clone(self))
    }

    /// Waits until the callers of all transfers have their results.
    pub(crate) async fn idle(&self) {
        poll_fn(|cx| self.poll_idle(cx)).await;
    }

    /// No transfer may begin from now on.
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::Release);
        self.inbox.cancel_all();
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    pub(crate) fn count_connection(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn take_large(&self) {
        self.taken_large.store(true, Ordering::Relaxed);
    }

    pub(crate) fn has_taken_large(&self) -> bool {
        self.taken_large.load(Ordering::Relaxed)
    }

    pub(crate) fn stats(&self) -> Stats {
        Stats {
            peak_memory: self.buffers.gauge().peak(),
            connections: self.connections.load(Ordering::Relaxed),
        }
    }

    fn poll_idle(&self, cx: &Context<'_>) -> Poll<()> {
        let mut jobs = self.jobs();
        if jobs.running == 0 {
            return Poll::Ready(());
        }
        if !jobs
            .waiting
            .iter()
            .any(|waiting| waiting.will_wake(cx.waker()))
        {
            jobs.waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    fn jobs(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Kept<T> {
    /// Adds news; old ones make way.
    pub(crate) fn add(&self, fresh: Vec<T>) {
        if fresh.is_empty() {
            return;
        }
        let mut kept = self.kept();
        kept.extend(fresh);
        let surplus = kept.len().saturating_sub(MOST_KEPT);
        kept.drain(..surplus);
    }

    pub(crate) fn take(&self) -> Vec<T> {
        self.kept().drain(..).collect()
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        let mut jobs = self.0.jobs();
        jobs.running -= 1;
        let waiting = if jobs.running == 0 {
            std::mem::take(&mut jobs.waiting)
        } else {
            Vec::new()
        };
        drop(jobs);
        waiting.into_iter().for_each(Waker::wake);
    }
}
