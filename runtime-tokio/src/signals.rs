//! What exchanges, consumers and callers tell the driver without waiting for it.
//!
//! Signals of a kind about the same thing replace each other, so there are never more of them than
//! there are transfers and exchanges, and nobody has to wait for room.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use sans3_core::attempt::{AttemptId, TransferId};
use sans3_core::session::Input;
use tokio::sync::Notify;

#[derive(Debug, Default)]
pub(crate) struct Signals {
    waiting: Mutex<Waiting>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    cancelled: BTreeSet<TransferId>,
    all_cancelled: bool,
    released: BTreeMap<TransferId, u64>,
    moved: BTreeMap<AttemptId, u64>,
}

impl Signals {
    /// Nobody waits for the transfer any more.
    pub(crate) fn cancel(&self, transfer: TransferId) {
        self.leave(|waiting| {
            waiting.cancelled.insert(transfer);
        });
    }

    /// All transfers are to be wound down.
    pub(crate) fn cancel_all(&self) {
        self.leave(|waiting| waiting.all_cancelled = true);
    }

    /// The consumer has taken everything below `up_to`.
    pub(crate) fn release(&self, transfer: TransferId, up_to: u64) {
        self.leave(|waiting| {
            let before = waiting.released.entry(transfer).or_default();
            *before = up_to.max(*before);
        });
    }

    /// The exchange lives, and has moved so many bytes.
    pub(crate) fn progress(&self, attempt: AttemptId, bytes: u64) {
        self.leave(|waiting| {
            waiting.moved.insert(attempt, bytes);
        });
    }

    /// Waits for signals, and takes them. Loses none where it is dropped while it waits.
    pub(crate) async fn take(&self) -> Vec<Input> {
        self.arrived.notified().await;
        let waiting = std::mem::take(&mut *self.lock());
        let Waiting {
            cancelled,
            all_cancelled,
            released,
            moved,
        } = waiting;
        let moved = moved
            .into_iter()
            .map(|(attempt, bytes)| Input::Progress { attempt, bytes });
        let released = released
            .into_iter()
            .map(|(transfer, up_to)| Input::Released { transfer, up_to });
        let cancelled = cancelled
            .into_iter()
            .map(|transfer| Input::Cancel(Some(transfer)));
        let all = all_cancelled.then_some(Input::Cancel(None));
        moved.chain(released).chain(cancelled).chain(all).collect()
    }

    fn leave(&self, signal: impl FnOnce(&mut Waiting)) {
        signal(&mut self.lock());
        self.arrived.notify_one();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
