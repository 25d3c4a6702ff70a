//! What exchanges, consumers and callers tell the driver without waiting for it.

use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use sans3_core::attempt::TransferId;
use sans3_core::session::Input;

use crate::command::Command;
use crate::open::Place;

/// The driver's letter box.
///
/// It can't overflow, though nobody waits for room: there is one command for each transfer that a
/// caller holds, one result for each task of the driver, and signals of a kind about the same thing
/// replace each other.
#[derive(Debug, Default)]
pub struct Inbox {
    letters: Mutex<Letters>,
    /// Where the desk stands that whoever brings something works.
    place: Place,
}

/// All that came since the last look.
#[derive(Debug, Default)]
pub(crate) struct Letters {
    pub(crate) commands: Vec<Command>,
    pub(crate) cancelled: BTreeSet<TransferId>,
    pub(crate) all_cancelled: bool,
    released: BTreeMap<TransferId, u64>,
    results: Vec<Input>,
    /// Something came.
    news: bool,
    /// The driver is to look at the desk, which others have worked.
    called: bool,
    /// Others do work it.
    open: bool,
    /// No client is left who could send a command.
    pub(crate) deserted: bool,
    /// Nobody reads any more.
    closed: bool,
    driver: Option<Waker>,
}

impl Inbox {
    /// Ready where something has come since the driver last worked, and nobody else took it up.
    pub fn poll_arrived(&self, cx: &Context<'_>) -> Poll<()> {
        let mut letters = self.letters();
        if letters.called || letters.news && !letters.open {
            letters.called = false;
            return Poll::Ready(());
        }
        letters.driver = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Waits until something has come. Loses nothing where it is dropped meanwhile.
    pub async fn arrived(&self) {
        poll_fn(|cx| self.poll_arrived(cx)).await;
    }

    /// A transfer that is to be carried out; handed back where nobody is left to do so.
    pub(crate) fn command(&self, command: Command) -> Result<(), Command> {
        let mut refused = None;
        self.leave(|letters| {
            if letters.closed {
                refused = Some(command);
            } else {
                letters.commands.push(command);
            }
        });
        refused.map_or(Ok(()), Err)
    }

    /// No client is left.
    pub(crate) fn desert(&self) {
        self.leave(|letters| letters.deserted = true);
    }

    /// Where a desk is open to all.
    pub(crate) const fn place(&self) -> &Place {
        &self.place
    }

    /// Whether whoever brings something is to work the desk.
    pub(crate) fn set_open(&self, open: bool) {
        self.letters().open = open;
    }

    /// Whether something has come that nobody has taken up.
    pub(crate) fn has_news(&self) -> bool {
        self.letters().news
    }

    /// The driver is to look at the desk: who is to be woken for that.
    pub(crate) fn call(&self) -> Option<Waker> {
        let mut letters = self.letters();
        letters.called = true;
        letters.driver.take()
    }

    /// Nobody will read what comes from now on, nor what is here.
    pub(crate) fn close(&self) {
        let mut letters = self.letters();
        letters.closed = true;
        let unread = mem::take(&mut letters.commands);
        letters.called = true;
        let driver = letters.driver.take();
        drop(letters);
        // Whoever waits for them learns it, and may ask for the lock.
        drop(unread);
        driver.into_iter().for_each(Waker::wake);
    }

    /// Nobody waits for the transfer any more.
    pub(crate) fn cancel(&self, transfer: TransferId) {
        self.leave(|letters| {
            letters.cancelled.insert(transfer);
        });
    }

    /// All transfers are to be wound down.
    pub(crate) fn cancel_all(&self) {
        self.leave(|letters| letters.all_cancelled = true);
    }

    /// The consumer has taken everything below `up_to`.
    pub(crate) fn release(&self, transfer: TransferId, up_to: u64) {
        self.leave(|letters| {
            let before = letters.released.entry(transfer).or_default();
            *before = up_to.max(*before);
        });
    }

    /// A task has ended like this.
    pub(crate) fn result(&self, input: Input) {
        self.leave(|letters| letters.results.push(input));
    }

    pub(crate) fn take(&self) -> Letters {
        let mut letters = self.letters();
        let kept = Letters {
            deserted: letters.deserted,
            closed: letters.closed,
            called: letters.called,
            open: letters.open,
            driver: letters.driver.take(),
            ..Letters::default()
        };
        mem::replace(&mut letters, kept)
    }

    fn leave(&self, letter: impl FnOnce(&mut Letters)) {
        let mut letters = self.letters();
        letter(&mut letters);
        letters.news = true;
        if letters.open {
            drop(letters);
            return self.place.serve(self);
        }
        let driver = letters.driver.take();
        drop(letters);
        driver.into_iter().for_each(Waker::wake);
    }

    fn letters(&self) -> MutexGuard<'_, Letters> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Letters {
    /// What there is to tell the session, cancelling aside.
    pub(crate) fn inputs(&mut self) -> impl Iterator<Item = Input> + use<> {
        let released = mem::take(&mut self.released)
            .into_iter()
            .map(|(transfer, up_to)| Input::Released { transfer, up_to });
        released.chain(mem::take(&mut self.results))
    }
}
