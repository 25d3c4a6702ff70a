//! One exchange, as its thread, ureq's transport and whoever ends it see it.

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use sans3_core::attempt::{Deadlines, Sent};
use sans3_core::error::TransportErrorKind;
use sans3_runtime::Stop;
use sans3_runtime::net::Fault;

use crate::net::Line;
use crate::park::{Signal, deadline};

/// How far an exchange is, what it may still take, and whether it is to go on.
///
/// All of it happens on one thread; it is shared because ureq owns the transport. Whoever ends the
/// exchange from another thread shuts its socket down, which makes every wait for it return.
pub(crate) struct Course {
    stop: Stop,
    alarm: Arc<Alarm>,
    signal: Arc<Signal>,
    waker: Waker,
    pub(crate) deadlines: Deadlines,
    began: Instant,
    /// All times are nanoseconds since the beginning.
    written: AtomicU64,
    last_write: AtomicU64,
    patience: AtomicU64,
    sent_in_full: OnceLock<Instant>,
    deaf: AtomicBool,
    slice: Mutex<Bytes>,
    fault: OnceLock<Fault>,
}

impl Course {
    /// The course of an exchange on this thread.
    pub(crate) fn new(stop: Stop, deadlines: Deadlines) -> Arc<Self> {
        let (signal, waker) = Signal::new();
        let alarm = Arc::new(Alarm {
            signal: Arc::clone(&signal),
            line: Mutex::default(),
        });
        stop.on_stop(&Waker::from(Arc::clone(&alarm)));
        Arc::new(Self {
            stop,
            alarm,
            signal,
            waker,
            deadlines,
            began: Instant::now(),
            written: AtomicU64::new(0),
            last_write: AtomicU64::new(0),
            patience: AtomicU64::new(0),
            sent_in_full: OnceLock::new(),
            deaf: AtomicBool::new(false),
            slice: Mutex::default(),
            fault: OnceLock::new(),
        })
    }

    /// From now on the end of the exchange is the end of this connection.
    pub(crate) fn bind(&self, line: &Arc<Line>) {
        self.alarm.set(Some(Arc::clone(line)));
    }

    /// The connection may serve another exchange: whoever ends this one must leave it alone.
    pub(crate) fn release(&self) {
        self.alarm.set(None);
    }

    /// Goes on, unless the end was asked for.
    ///
    /// # Errors
    /// It was.
    pub(crate) fn check(&self) -> Result<(), Fault> {
        if self.stop.is_stopped() {
            return Err(Fault::aborted());
        }
        Ok(())
    }

    /// Blocks this thread until `future` is ready.
    ///
    /// # Errors
    /// The end was asked for, or it is not ready at `until`: `late` says what that means.
    pub(crate) fn block_on<T>(
        &self,
        future: impl Future<Output = T>,
        until: Option<Instant>,
        late: impl FnOnce() -> Fault,
    ) -> Result<T, Fault> {
        let mut future = pin!(future);
        let mut cx = Context::from_waker(&self.waker);
        loop {
            if let Poll::Ready(done) = future.as_mut().poll(&mut cx) {
                return Ok(done);
            }
            if until.is_some_and(|until| Instant::now() >= until) {
                return Err(late());
            }
            self.check()?;
            self.signal.wait(until);
        }
    }

    /// How much of the request has left.
    pub(crate) fn sent(&self) -> Sent {
        if self.sent_in_full.get().is_some() {
            Sent::All
        } else if self.written.load(Ordering::Relaxed) > 0 {
            Sent::Part
        } else {
            Sent::None
        }
    }

    /// So many bytes of the request have left.
    pub(crate) fn on_written(&self, bytes: u64) {
        if bytes > 0 {
            self.written.fetch_add(bytes, Ordering::Relaxed);
            self.stamp(&self.last_write);
        }
    }

    /// The last byte of the request has left.
    pub(crate) fn on_sent_in_full(&self) {
        // A request ends once.
        let _ = self.sent_in_full.set(Instant::now());
    }

    /// The slice of the request's body that leaves next, by the transport: ureq is only told how long
    /// it is.
    pub(crate) fn hand_over(&self, slice: Bytes) {
        *self.slice.lock().unwrap_or_else(PoisonError::into_inner) = slice;
    }

    /// Takes what was [handed over](Self::hand_over).
    pub(crate) fn take_slice(&self) -> Bytes {
        std::mem::take(&mut *self.slice.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The peer takes nothing more of the request, or has answered it: the rest is not sent.
    pub(crate) fn on_deaf(&self) {
        self.deaf.store(true, Ordering::Relaxed);
    }

    /// Whether the rest of the request is not to be sent.
    pub(crate) fn is_deaf(&self) -> bool {
        self.deaf.load(Ordering::Relaxed)
    }

    /// Until when the next byte of the request must leave or, once all have, the head of the
    /// answer must come; and what it means if it does not.
    pub(crate) fn overdue(&self) -> (Instant, Fault) {
        let Deadlines { head, idle, .. } = self.deadlines;
        let (since, limit, kind) = match self.sent_in_full.get() {
            Some(sent) => (*sent, head, TransportErrorKind::HeadTimeout),
            None => {
                let since = self.began + nanos(&self.last_write);
                (since, idle, TransportErrorKind::IdleTimeout)
            }
        };
        (
            deadline(since, limit),
            Fault::new(kind, format!("nothing moved for {limit:?}")),
        )
    }

    /// How long the next bytes of the answer's body may take.
    pub(crate) fn patience(&self) -> Duration {
        nanos(&self.patience)
    }

    /// Sets [`patience`](Self::patience).
    pub(crate) fn set_patience(&self, patience: Duration) {
        self.patience.store(to_nanos(patience), Ordering::Relaxed);
    }

    /// Why the exchange broke, where ureq is not the one to ask: its errors are fewer than ours.
    pub(crate) fn fault(&self) -> Option<&Fault> {
        self.fault.get()
    }

    /// The exchange broke like this. The first reason counts.
    pub(crate) fn on_fault(&self, fault: Fault) {
        let _ = self.fault.set(fault);
    }

    /// Whatever went before, the idle time begins now.
    pub(crate) fn touch(&self) {
        self.stamp(&self.last_write);
    }

    fn stamp(&self, time: &AtomicU64) {
        time.store(to_nanos(self.began.elapsed()), Ordering::Relaxed);
    }
}

impl fmt::Debug for Course {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Course")
            .field("sent", &self.sent())
            .field("fault", &self.fault)
            .finish_non_exhaustive()
    }
}

/// Ends an exchange from another thread.
struct Alarm {
    signal: Arc<Signal>,
    line: Mutex<Option<Arc<Line>>>,
}

impl Alarm {
    fn set(&self, line: Option<Arc<Line>>) {
        *self.line.lock().unwrap_or_else(PoisonError::into_inner) = line;
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        let line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = &*line {
            line.shut();
        }
        self.signal.give();
    }
}

fn nanos(time: &AtomicU64) -> Duration {
    Duration::from_nanos(time.load(Ordering::Relaxed))
}

fn to_nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
