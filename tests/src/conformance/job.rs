use core::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use sans3_core::error::TransferError;
use sans3_core::operation::{DeleteObject, DeleteObjectOutput, HeadObject, HeadObjectOutput};
use sans3_core::session::{Notice, SessionConfig};
use sans3_core::transfer::{Download, Downloaded, Upload, Uploaded};

/// What an adapter is to do: everything by one session, as configured here.
#[derive(Debug)]
pub struct Job {
    /// What the session is made with.
    pub session: SessionConfig,
    /// The session's seed.
    pub seed: u64,
    /// The PEM file of the authorities to trust; the platform's where it is `None`.
    pub ca_bundle: Option<PathBuf>,
    /// The URL of a proxy for all requests, perhaps with a user and a password.
    pub proxy: Option<String>,
    /// Names whose addresses are not asked of the resolver.
    pub resolve: Vec<(String, Vec<IpAddr>)>,
    /// What to carry out, one after the other.
    pub work: Vec<Work>,
    /// Tells when the work that is under way shall be cancelled.
    pub cancel: Cancel,
}

/// One thing to carry out.
#[derive(Clone, Debug)]
pub enum Work {
    /// Download an object, its bytes in any order.
    Download(Download),
    /// Download an object in order.
    InOrder {
        /// The object.
        spec: Download,
        /// How fast its bytes may be taken.
        pace: Pace,
    },
    /// Upload these bytes as a source that can be read again.
    Upload {
        /// The object.
        spec: Upload,
        /// The bytes.
        bytes: Bytes,
    },
    /// Look at an object.
    Head(HeadObject),
    /// Delete an object.
    Delete(DeleteObject),
    /// Call [`Gate::wait`] before anything else is done. The runtime must go on meanwhile.
    Wait(Gate),
}

/// What an adapter did.
#[derive(Debug, Default)]
pub struct Report {
    /// How each [`Work`] ended, in their order; [`Work::Wait`] has no end.
    pub ends: Vec<End>,
    /// What [`Session::take_notices`](sans3_core::session::Session::take_notices) gave.
    pub notices: Vec<Notice>,
}

/// How one work ended.
#[derive(Debug)]
pub struct End {
    /// Its result.
    pub result: Result<Done, TransferError>,
    /// The bytes that a download brought, also where it failed.
    pub bytes: Vec<u8>,
}

/// What a work brought.
#[derive(Debug)]
pub enum Done {
    /// A download, in any order or in order.
    Downloaded(Downloaded),
    /// An upload.
    Uploaded(Uploaded),
    /// An object that was looked at.
    Found(Box<HeadObjectOutput>),
    /// An object that was deleted.
    Deleted(DeleteObjectOutput),
}

impl Report {
    /// Adds the end of a work that brought no bytes of an object.
    pub fn push<T>(&mut self, result: Result<T, TransferError>, done: impl FnOnce(T) -> Done) {
        self.push_with(Vec::new(), result.map(done));
    }

    /// Adds the end of a download to memory.
    pub fn push_downloaded(
        &mut self,
        found: Result<(Downloaded, impl AsRef<[u8]>), TransferError>,
    ) {
        match found {
            Ok((found, bytes)) => {
                self.push_with(bytes.as_ref().to_vec(), Ok(Done::Downloaded(found)));
            }
            Err(error) => self.push_with(Vec::new(), Err(error)),
        }
    }

    /// Adds the end of a download, with the bytes that came.
    pub fn push_with(&mut self, bytes: Vec<u8>, result: Result<Done, TransferError>) {
        self.ends.push(End { result, bytes });
    }
}

/// How fast a consumer takes bytes.
#[derive(Clone)]
pub struct Pace {
    pause: Duration,
    every: u64,
    next: u64,
    on_taken: Arc<dyn Fn(u64) + Send + Sync>,
}

impl Pace {
    /// A pause before each `every` bytes.
    pub(super) fn new(pause: Duration, every: u64) -> Self {
        Self {
            pause,
            every,
            next: 0,
            on_taken: Arc::new(|_| {}),
        }
    }

    /// Has `on_taken` called with the count of bytes taken so far, after each pause.
    pub(super) fn watched(self, on_taken: Arc<dyn Fn(u64) + Send + Sync>) -> Self {
        Self { on_taken, ..self }
    }

    /// How long to wait before the next piece is taken, where `taken` bytes were taken before.
    pub fn before(&mut self, taken: u64) -> Duration {
        (self.on_taken)(taken);
        if taken < self.next {
            return Duration::ZERO;
        }
        self.next = taken + self.every;
        self.pause
    }
}

impl fmt::Debug for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pace")
            .field("pause", &self.pause)
            .field("every", &self.every)
            .finish_non_exhaustive()
    }
}

/// Something that the server has to reach before the client goes on.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<(Mutex<bool>, Condvar)>);

/// What the server did just before the gate opened has to arrive: at the system, and at a runtime
/// that watches its sockets from another thread.
const ARRIVAL: Duration = Duration::from_millis(100);
/// How long a gate is waited for. Beyond, the script's log will tell.
const PATIENCE: Duration = Duration::from_secs(20);

impl Gate {
    /// Blocks this thread until the server has come so far.
    pub fn wait(&self) {
        let (open, opened) = &*self.0;
        let waited = opened.wait_timeout_while(lock(open), PATIENCE, |open| !*open);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
        std::thread::sleep(ARRIVAL);
    }

    pub(super) fn open(&self) {
        *lock(&self.0.0) = true;
        self.0.1.notify_all();
    }
}

/// Fires when the server has reached the stage at which the work shall be cancelled.
#[derive(Clone, Default)]
pub struct Cancel(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    fired: bool,
    waiting: Vec<Box<dyn FnOnce() + Send>>,
}

impl Cancel {
    /// Has `act` called when it fires, on a thread of the kit; at once if it has fired.
    pub fn on_fire(&self, act: impl FnOnce() + Send + 'static) {
        let mut state = lock(&self.0);
        if state.fired {
            drop(state);
            act();
        } else {
            state.waiting.push(Box::new(act));
        }
    }

    pub(super) fn fire(&self) {
        let mut state = lock(&self.0);
        state.fired = true;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        for act in waiting {
            act();
        }
    }
}

impl fmt::Debug for Cancel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fired = lock(&self.0).fired;
        f.debug_struct("Cancel")
            .field("fired", &fired)
            .finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
