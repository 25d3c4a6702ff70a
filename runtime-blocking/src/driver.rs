//! The thread that owns the session while transfers are under way.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Context;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use sans3_runtime::{Desk, Error, Standing, random_seed};

use crate::crew::{Crew, join};
use crate::home::{Busy, Home};
use crate::net::Pool;
use crate::park::{Signal, deadline};

/// What drives the transfers of a client: nothing while there are none.
pub(crate) struct Engine {
    home: Arc<Home>,
    /// Locked by whoever is [`Busy`] alone, and to move in.
    seat: Mutex<Seat>,
    changed: Condvar,
    /// The most threads that work at once.
    most: usize,
    epoch: Instant,
}

struct Seat {
    /// Here while nobody drives.
    desk: Option<Desk>,
    pool: Arc<Pool>,
    driven: bool,
    thread: Option<JoinHandle<()>>,
    /// Transfers whose callers wait for their results.
    wanted: usize,
}

/// Counts a transfer that a caller holds.
pub(crate) struct Wanted {
    engine: Arc<Engine>,
    /// Let go of after the seat.
    _busy: Busy,
}

impl Engine {
    pub(crate) fn new(desk: Desk, pool: Pool, slots: usize) -> Arc<Self> {
        Arc::new(Self {
            home: Home::new(),
            seat: Mutex::new(Seat {
                desk: Some(desk),
                pool: Arc::new(pool),
                driven: false,
                thread: None,
                wanted: 0,
            }),
            changed: Condvar::new(),
            // One more, for credentials.
            most: slots.saturating_add(1),
            epoch: Instant::now(),
        })
    }

    /// The process that all this is in.
    pub(crate) const fn home(&self) -> &Arc<Home> {
        &self.home
    }

    /// A caller holds another transfer. `None` where there can't be one: a fork came while others
    /// were under way.
    pub(crate) fn want(self: &Arc<Self>) -> Option<Wanted> {
        if self.home.is_lost() {
            return None;
        }
        if !self.home.is_here() {
            self.move_in();
        }
        let busy = self.home.busy();
        self.seat().wanted += 1;
        self.changed.notify_all();
        Some(Wanted {
            engine: Arc::clone(self),
            _busy: busy,
        })
    }

    /// Has the desk driven: there is something to do.
    ///
    /// # Errors
    /// The system has no thread left, or the desk stayed behind in another process.
    pub(crate) fn start(self: &Arc<Self>) -> Result<(), Error> {
        if !self.home.is_here() {
            return Err(Error::Closed);
        }
        let mut seat = self.seat();
        if seat.driven || seat.desk.is_none() {
            return Ok(());
        }
        let (engine, busy) = (Arc::clone(self), self.home.busy());
        let thread = thread::Builder::new().name("sans3-driver".into());
        let thread = thread.spawn(move || {
            engine.drive();
            drop(engine);
            drop(busy);
        });
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
        if !self.home.is_here() {
            return;
        }
        let _busy = self.home.busy();
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

    /// Makes all this the child's after a fork at which nothing was under way.
    fn move_in(&self) {
        let mut seat = self.seat();
        if self.home.is_here() {
            return;
        }
        // It has ended, in the other process. Here it can be neither joined nor detached.
        std::mem::forget(seat.thread.take());
        seat.wanted = 0;
        // Drops our copies of the connections, which closes them for us and tells the peer nothing:
        // the other process may be using them.
        seat.pool = Arc::new(seat.pool.renewed());
        if let Some(desk) = &mut seat.desk {
            desk.renew(random_seed());
        }
        self.home.move_in();
    }

    /// Drives the desk until no transfer is under way.
    fn drive(&self) {
        let mut leaving = Leaving(Some(self));
        let (signal, waker) = Signal::new();
        let (pool, desk) = {
            let mut seat = self.seat();
            (Arc::clone(&seat.pool), seat.desk.take())
        };
        let mut crew = Crew::new(pool, self.most);
        // Dropped before the crew, should there be a panic: it ends what the crew works at.
        let Some(mut desk) = desk else {
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
        if self.engine.home.is_here() {
            self.engine.seat().wanted -= 1;
        }
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
