//! The threads that smol's tasks run on.

use std::sync::Arc;
use std::thread;

use sans3_runtime::Error;
use smol::Executor;
use smol::channel::{Sender, bounded};

/// An executor with a thread for each core, as tokio has it, so that the two can be compared. The
/// threads end when this goes.
pub(crate) struct Crew {
    executor: Arc<Executor<'static>>,
    _end: Sender<()>,
}

impl Crew {
    /// # Errors
    /// The system's, where it has no thread left.
    pub(super) fn new() -> Result<Self, Error> {
        let executor = Arc::new(Executor::new());
        let (end, ended) = bounded(1);
        let cores = thread::available_parallelism().map_or(1, usize::from);
        for _ in 0..cores {
            let (executor, ended) = (Arc::clone(&executor), ended.clone());
            let work = move || {
                // Nothing is ever sent: this ends when nobody is left who could.
                let _ = smol::block_on(executor.run(ended.recv()));
            };
            let thread = thread::Builder::new().name("smol".into()).spawn(work);
            thread.map_err(|error| Error::io("start a thread", "", error))?;
        }
        Ok(Self {
            executor,
            _end: end,
        })
    }

    pub(super) fn executor(&self) -> Arc<Executor<'static>> {
        Arc::clone(&self.executor)
    }
}
