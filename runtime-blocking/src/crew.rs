//! The threads that work for the driver.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use sans3_runtime::{Asking, Assignment, Exchange, Hands, Task};

use crate::exchange::carry_out;
use crate::net::Pool;
use crate::park::{self, Signal};

/// The threads that carry out tasks. They are started when they are needed, and end when they are
/// dismissed.
pub(crate) struct Crew {
    bench: Arc<Bench>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    most: usize,
    epoch: Instant,
    /// The driver's, who waits for the last transfer's end.
    driver: Arc<Signal>,
}

/// Where the threads of a crew find their tasks.
struct Bench {
    state: Mutex<Tasks>,
    changed: Condvar,
    pool: Arc<Pool>,
}

#[derive(Default)]
struct Tasks {
    waiting: VecDeque<Task>,
    idle: usize,
    over: bool,
}

impl Crew {
    /// A crew of `most` threads. The session's time is counted from `epoch`.
    pub(crate) fn new(pool: Arc<Pool>, most: usize, epoch: Instant, driver: Arc<Signal>) -> Self {
        let bench = Bench {
            state: Mutex::default(),
            changed: Condvar::new(),
            pool,
        };
        Self {
            bench: Arc::new(bench),
            threads: Mutex::default(),
            most,
            epoch,
            driver,
        }
    }

    /// Waits until all threads have ended. Not to be called by one of them.
    pub(crate) fn dismiss(&self) {
        self.bench.tasks().over = true;
        self.bench.changed.notify_all();
        let threads = std::mem::take(&mut *self.threads());
        threads.into_iter().for_each(|thread| join(Some(thread)));
    }

    fn threads(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hands for Crew {
    fn now(&self) -> sans3_core::time::Instant {
        let nanos = self.epoch.elapsed().as_nanos();
        sans3_core::time::Instant::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// Has a task carried out, by a thread that has none or by a new one.
    fn start(&self, task: Task) {
        let mut threads = self.threads();
        let mut tasks = self.bench.tasks();
        tasks.waiting.push_back(task);
        let short = tasks.waiting.len() > tasks.idle;
        drop(tasks);
        if short && threads.len() < self.most {
            let (bench, number) = (Arc::clone(&self.bench), threads.len());
            let thread = thread::Builder::new().name(format!("sans3-worker-{number}"));
            threads.extend(thread.spawn(move || bench.work()));
        }
        if threads.is_empty() {
            // The system has no thread left. A task that is dropped says so to the session.
            let lost = std::mem::take(&mut self.bench.tasks().waiting);
            drop(threads);
            drop(lost);
            return;
        }
        drop(threads);
        self.bench.changed.notify_one();
    }

    fn carry_out(&self, assignment: Assignment) -> Exchange {
        let pool = Arc::clone(&self.bench.pool);
        Box::pin(async move { carry_out(assignment, &pool) })
    }

    /// A transfer's thread is its caller's, who may not be waiting for it.
    fn may_carry(&self) -> bool {
        false
    }

    fn rest(&self) {
        self.driver.give();
    }
}

impl Bench {
    fn work(&self) {
        while let Some(task) = self.next() {
            // A panic is a bug, but no reason to lose the thread: the task's report, which the
            // panic dropped, has told the session.
            let _ = catch_unwind(AssertUnwindSafe(|| match task {
                Task::Exchange(assignment) => carry_out(assignment, &self.pool),
                Task::Credentials(asking) => ask(asking),
            }));
        }
    }

    /// Waits for a task; `None` where there will be no more.
    fn next(&self) -> Option<Task> {
        let mut tasks = self.tasks();
        tasks.idle += 1;
        loop {
            if let Some(task) = tasks.waiting.pop_front() {
                tasks.idle -= 1;
                return Some(task);
            }
            if tasks.over {
                tasks.idle -= 1;
                return None;
            }
            tasks = self
                .changed
                .wait(tasks)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn tasks(&self) -> MutexGuard<'_, Tasks> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn ask(asking: Asking) {
    let answer = park::block_on_for(pin!(asking.ask()), Asking::LIMIT);
    asking.answer(answer);
}

/// Waits for the end of a thread that has no result.
pub(crate) fn join(thread: Option<JoinHandle<()>>) {
    if let Some(thread) = thread {
        // How a panic ends is told by the panic itself.
        let _ = thread.join();
    }
}
