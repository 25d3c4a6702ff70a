//! A desk that is worked by whoever brings something to it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::task::{Context, Poll, Waker};

use sans3_core::time::Instant;

use crate::desk::{Desk, Found, Standing};
use crate::errand::Exchange;
use crate::inbox::Inbox;
use crate::task::{Assignment, Task};

/// What carries out what an [open desk](OpenDesk) hands out.
pub trait Hands: Send + Sync + 'static {
    /// The time, by a clock of the session's own. It is asked by one thread at a time.
    fn now(&self) -> Instant;

    /// Has `task` carried out, without waiting for it. Called by any thread.
    fn start(&self, task: Task);

    /// Carries out an exchange, and reports its outcome, where the result is polled: in the task of
    /// the transfer that the exchange belongs to.
    fn carry_out(&self, assignment: Assignment) -> Exchange;

    /// Whether transfers' tasks may [carry out](Self::carry_out) exchanges: not where somebody holds
    /// on to a transfer's future without polling it.
    fn may_carry(&self) -> bool {
        true
    }

    /// Another thread than the driver's has found that no transfer is under way any more.
    fn rest(&self) {}
}

/// A [`Desk`] behind a short lock: whoever inserts a transfer or reports an outcome works it there
/// and then, so that no other task has to be woken for it. Dropped, it drops the desk.
///
/// Its driver has but to wait:
///
/// ```no_run
/// # use std::future::poll_fn;
/// # use sans3_core::time::Instant;
/// # use sans3_runtime::{OpenDesk, Standing};
/// # async fn sleep_until(_: Instant) {}
/// # async fn either(_: impl Future<Output = ()>, _: impl Future<Output = ()>) {}
/// # async fn drive(desk: OpenDesk) {
/// while let Standing::Waits(until) = desk.work() {
///     let called = poll_fn(|cx| desk.poll_called(cx));
///     match until {
///         Some(until) => either(called, sleep_until(until)).await,
///         None => called.await,
///     }
/// }
/// # }
/// ```
pub struct OpenDesk(Arc<Inbox>);

/// The place where a desk stands while it is open.
#[derive(Default)]
pub(crate) struct Place(Mutex<Option<Open>>);

struct Open {
    desk: Box<Desk>,
    hands: Arc<dyn Hands>,
    /// Until when the driver sleeps, unless it is called.
    alarm: Option<Instant>,
}

impl OpenDesk {
    pub(crate) fn new(desk: Box<Desk>, hands: Arc<dyn Hands>) -> Self {
        let inbox = Arc::clone(desk.inbox_arc());
        let open = Open {
            desk,
            hands,
            alarm: None,
        };
        let before = inbox.place().slot().replace(open);
        // One desk has one inbox, and can't be opened twice.
        drop(before);
        inbox.set_open(true);
        Self(inbox)
    }

    /// Works the desk, as [`Desk::work`] does; [`Standing::Over`] also where a panic took it.
    pub fn work(&self) -> Standing {
        self.0.place().work(&self.0)
    }

    /// Ready where the desk is to be worked before the time of the last [`work`](Self::work), or is
    /// over.
    pub fn poll_called(&self, cx: &Context<'_>) -> Poll<()> {
        self.0.poll_arrived(cx)
    }

    /// The desk, where no transfer is under way and nothing has come; from then on nobody works it.
    pub fn close_if_idle(&self) -> Option<Desk> {
        let mut slot = self.0.place().slot();
        let idle = slot.take_if(|open| open.desk.is_idle() && !self.0.has_news())?;
        self.0.set_open(false);
        Some(*idle.desk)
    }
}

impl Place {
    /// Works the desk as long as there is news, unless another thread does, which then takes up
    /// what this one has brought; or there is none here.
    pub(crate) fn serve(&self, inbox: &Inbox) {
        while inbox.has_news() {
            let slot = match self.0.try_lock() {
                Ok(slot) => slot,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => return,
            };
            if work(slot, inbox, false).is_none() {
                return;
            }
        }
    }

    /// Works the desk for its driver.
    pub(crate) fn work(&self, inbox: &Inbox) -> Standing {
        let standing = work(self.slot(), inbox, true);
        // What came while the lock was held found it taken.
        self.serve(inbox);
        standing.unwrap_or(Standing::Over)
    }

    fn slot(&self) -> MutexGuard<'_, Option<Open>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Works the desk, calls its driver where that sleeps too long, and hands out what is found once
/// the lock is free again.
fn work(
    mut slot: MutexGuard<'_, Option<Open>>,
    inbox: &Inbox,
    is_driver: bool,
) -> Option<Standing> {
    // Out of its place while it is worked: a panic drops it, which everybody learns.
    let mut open = slot.take()?;
    let mut found = Found::default();
    let hands = Arc::clone(&open.hands);
    let carriers = hands.may_carry().then_some(&hands);
    let standing = open.desk.work_open(open.hands.now(), &mut found, carriers);
    let driver = match standing {
        Standing::Waits(until) if is_driver => {
            open.alarm = until;
            None
        }
        Standing::Waits(Some(until)) if open.alarm.is_none_or(|alarm| until < alarm) => {
            open.alarm = Some(until);
            inbox.call()
        }
        Standing::Waits(_) => None,
        Standing::Over => inbox.call(),
    };
    let rests = open.desk.is_idle() && !is_driver;
    *slot = Some(open);
    drop(slot);
    driver.into_iter().for_each(Waker::wake);
    found.hand_out(|task| hands.start(task));
    if rests {
        hands.rest();
    }
    Some(standing)
}

impl Drop for OpenDesk {
    fn drop(&mut self) {
        let open = self.0.place().slot().take();
        // Its drop tells everybody, who may ask for the lock.
        drop(open);
    }
}

impl fmt::Debug for OpenDesk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenDesk").finish_non_exhaustive()
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").finish_non_exhaustive()
    }
}
