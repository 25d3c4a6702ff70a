use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sans3_core::attempt::TransferId;
use sans3_core::progress::Progress;

use crate::inbox::Inbox;

/// What a transfer's caller and its driver know of each other.
#[derive(Debug)]
pub struct Ticket {
    state: Mutex<State>,
    inbox: Arc<Inbox>,
}

#[derive(Debug, Default)]
struct State {
    /// The transfer's name, once the session has it.
    id: Option<TransferId>,
    cancelled: bool,
    progress: Progress,
}

impl Ticket {
    pub(crate) fn new(inbox: &Arc<Inbox>) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            inbox: Arc::clone(inbox),
        })
    }

    /// Winds the transfer down. Its result says whether it was cancelled, had completed after all,
    /// or left something behind.
    pub fn cancel(&self) {
        let mut state = self.state();
        state.cancelled = true;
        let id = state.id;
        // Whoever brings news may find what comes of it publishing here.
        drop(state);
        if let Some(id) = id {
            self.inbox.cancel(id);
        }
    }

    /// Whether [`cancel`](Self::cancel) was called.
    pub fn is_cancelled(&self) -> bool {
        self.state().cancelled
    }

    /// How far the transfer is. Cheap; brought up to date about once a second.
    pub fn progress(&self) -> Progress {
        self.state().progress
    }

    /// The session knows the transfer as `id` from now on. Returns whether it is to be cancelled.
    pub(crate) fn bind(&self, id: TransferId) -> bool {
        let mut state = self.state();
        state.id = Some(id);
        state.cancelled
    }

    /// The transfer is over, and nothing more is said about it: its name may be another one's.
    pub(crate) fn unbind(&self) {
        self.state().id = None;
    }

    /// The consumer has taken all below `up_to`.
    pub(crate) fn release(&self, up_to: u64) {
        let id = self.state().id;
        if let Some(id) = id {
            self.inbox.release(id, up_to);
        }
    }

    pub(crate) fn publish(&self, progress: Progress) {
        self.state().progress = progress;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
