use std::future::Future;
use std::sync::{Arc, Weak};

use async_executor::{Executor, FallibleTask, Task};
use sans3_runtime::Offload;

/// Where a client's tasks run.
#[derive(Clone)]
pub(crate) enum Home {
    /// On the executor of the crate `smol`.
    #[cfg(feature = "global")]
    Global,
    /// On one that the client keeps alive.
    Own(Arc<Executor<'static>>),
}

/// Spawns tasks as long as their executor lives. A task has this: with the executor itself it would
/// keep alive what it is a part of.
#[derive(Clone)]
pub(crate) enum Spawner {
    #[cfg(feature = "global")]
    Global,
    Own(Weak<Executor<'static>>),
}

/// What blocks goes to the threads of the crate `blocking`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Blocking;

impl Home {
    pub(crate) fn spawner(&self) -> Spawner {
        match self {
            #[cfg(feature = "global")]
            Self::Global => Spawner::Global,
            Self::Own(executor) => Spawner::Own(Arc::downgrade(executor)),
        }
    }

    /// Runs `work`. The result is `None` where the executor is gone before.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> FallibleTask<T> {
        let task: Task<T> = match self {
            #[cfg(feature = "global")]
            Self::Global => smol::spawn(work),
            Self::Own(executor) => executor.spawn(work),
        };
        task.fallible()
    }
}

impl Spawner {
    /// Runs `work`, or drops it where the executor is gone.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        match self {
            #[cfg(feature = "global")]
            Self::Global => smol::spawn(work).detach(),
            Self::Own(executor) => {
                if let Some(executor) = executor.upgrade() {
                    executor.spawn(work).detach();
                }
            }
        }
    }
}

impl Offload for Blocking {
    fn offload(&self, work: Box<dyn FnOnce() + Send>) {
        blocking::unblock(work).detach();
    }
}
