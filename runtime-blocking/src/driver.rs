//! The thread that sees to a session's deadlines while transfers are under way.

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

    /// Has the desk driven until no transfer is under way.
    fn drive(&self) {
        let mut leaving = Leaving(Some(self));
        let (signal, waker) = Signal::new();
        let cx = Context::from_waker(&waker);
        let (pool, mut desk) = {
            let mut seat = self.seat();
            (Arc::clone(&seat.pool), seat.desk.take())
        };
        while let Some(open) = desk.take() {
            desk = self.attend(open, &pool, &signal, &cx);
            let mut seat = self.seat();
            // Whoever brings something looks at the seat afterwards, and finds the desk.
            if let Some(idle) = desk.take_if(|desk| desk.inbox().poll_arrived(&cx).is_pending()) {
                seat.desk = Some(idle);
                seat.driven = false;
                self.changed.notify_all();
                leaving.0 = None;
            }
        }
    }

    /// Opens the desk to all, and waits until no transfer is under way. Nothing comes back where
    /// nobody is left who could want one.
    fn attend(
        &self,
        desk: Desk,
        pool: &Arc<Pool>,
        signal: &Arc<Signal>,
        cx: &Context<'_>,
    ) -> Option<Desk> {
        let crew = Crew::new(Arc::clone(pool), self.most, self.epoch, Arc::clone(signal));
        let crew = Employed(Arc::new(crew));
        let hands = Arc::clone(&crew.0);
        // Dropped before the crew, should there be a panic: it ends what the crew works at.
        let desk = desk.open(hands);
        while let Standing::Waits(until) = desk.work() {
            let idle = desk.close_if_idle();
            if idle.is_some() {
                return idle;
            }
            if desk.poll_called(cx).is_pending() {
                signal.wait(until.map(|until| self.moment(until)));
            }
        }
        None
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

/// A crew whose threads end with this.
struct Employed(Arc<Crew>);

impl Drop for Employed {
    fn drop(&mut self) {
        self.0.dismiss();
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
