//! The thread that owns the session while transfers are under way.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Context;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use sans3_runtime::{Desk, Error, Standing};

use crate::crew::{Crew, join};
use crate::net::Pool;
use crate::park::{Signal, deadline};

/// What drives the transfers of a client: nothing while there are none.
pub(crate) struct Engine {
    seat: Mutex<Seat>,
    changed: Condvar,
    pool: Arc<Pool>,
    /// The most threads that work at once.
    most: usize,
    epoch: Instant,
}

struct Seat {
    /// Here while nobody drives.
    desk: Option<Desk>,
    driven: bool,
    thread: Option<JoinHandle<()>>,
    /// Transfers whose callers wait for their results.
    wanted: usize,
}

/// Counts a transfer that a caller holds.
pub(crate) struct Wanted(Arc<Engine>);

impl Engine {
    pub(crate) fn new(desk: Desk, pool: Pool, slots: usize) -> Arc<Self> {
        Arc::new(Self {
            seat: Mutex::new(Seat {
                desk: Some(desk),
                driven: false,
                thread: None,
                wanted: 0,
            }),
            changed: Condvar::new(),
            pool: Arc::new(pool),
            // One more, for credentials.
            most: slots.saturating_add(1),
            epoch: Instant::now(),
        })
    }

    /// A caller holds another transfer.
    pub(crate) fn want(self: &Arc<Self>) -> Wanted {
        self.seat().wanted += 1;
        self.changed.notify_all();
        Wanted(Arc::clone(self))
    }

    /// Has the desk driven: there is something to do.
    ///
    /// # Errors
    /// The system has no thread left.
    pub(crate) fn start(self: &Arc<Self>) -> Result<(), Error> {
        let mut seat = self.seat();
        if seat.driven || seat.desk.is_none() {
            return Ok(());
        }
        let engine = Arc::clone(self);
        let thread = thread::Builder::new().name("sans3-driver".into());
        let thread = thread.spawn(move || engine.drive());
        let thread = thread.map_err(|error| Error::io("start a thread", "", error))?;
        seat.driven = true;
        let former = seat.thread.replace(thread);
        drop(seat);
        join(former);
        Ok(())
    }

    /// Waits until nothing is under way and no thread is left, or someone wants another transfer.
    pub(crate) fn settle(&self) {
        self.settle_unless(|seat| seat.wanted > 0);
    }

    /// Waits until nothing is under way and no thread is left.
    pub(crate) fn stand_still(&self) {
        self.settle_unless(|_| false);
    }

    fn settle_unless(&self, otherwise: impl Fn(&Seat) -> bool) {
        let mut seat = self.seat();
        while seat.driven {
            if otherwise(&seat) {
                return;
            }
            seat = self
                .changed
                .wait(seat)
                .unwrap_or_else(PoisonError::into_inner);
        }
        let thread = seat.thread.take();
        drop(seat);
        join(thread);
    }

    /// Drives the desk until no transfer is under way.
    fn drive(&self) {
        let mut leaving = Leaving(Some(self));
        let (signal, waker) = Signal::new();
        let mut crew = Crew::new(Arc::clone(&self.pool), self.most);
        // Dropped before the crew, should there be a panic: it ends what the crew works at.
        let Some(mut desk) = self.seat().desk.take() else {
            return;
        };
        while let Standing::Waits(until) = desk.work(self.now(), |task| crew.give(task)) {
            let arrived = |desk: &Desk| {
                let cx = Context::from_waker(&waker);
                desk.inbox().poll_arrived(&cx).is_ready()
            };
            if desk.is_idle() {
                crew.dismiss();
                let mut seat = self.seat();
                // Whoever brings something looks at the seat afterwards, and finds the desk.
                if !arrived(&desk) {
                    seat.desk = Some(desk);
                    seat.driven = false;
                    self.changed.notify_all();
                    leaving.0 = None;
                    return;
                }
                continue;
            }
            let due = crew.beat();
            if !arrived(&desk) {
                let until = until.map_or(due, |until| self.moment(until).min(due));
                signal.wait(Some(until));
            }
        }
    }

    fn now(&self) -> sans3_core::time::Instant {
        let nanos = self.epoch.elapsed().as_nanos();
        sans3_core::time::Instant::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// When `instant` of the session's is.
    fn moment(&self, instant: sans3_core::time::Instant) -> Instant {
        deadline(self.epoch, instant.since(sans3_core::time::Instant::ZERO))
    }

    fn seat(&self) -> MutexGuard<'_, Seat> {
        self.seat.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Wanted {
    fn drop(&mut self) {
        self.0.seat().wanted -= 1;
    }
}

/// Tells that nobody drives any more, and nobody will: the client is gone, or a panic took the
/// desk along.
struct Leaving<'a>(Option<&'a Engine>);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        if let Some(engine) = self.0 {
            engine.seat().driven = false;
            engine.changed.notify_all();
        }
    }
}
