//! The threads that work for the driver.

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use sans3_runtime::{Asking, Pages, Pulse, Task};

use crate::exchange::carry_out;
use crate::net::Pool;
use crate::park;

/// The threads that carry out tasks. They are started when they are needed, and end with the crew.
pub(crate) struct Crew {
    bench: Arc<Bench>,
    threads: Vec<JoinHandle<()>>,
    most: usize,
    beaten: Instant,
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
    /// What each thread works at.
    running: BTreeMap<usize, Pulse>,
    idle: usize,
    over: bool,
}

impl Crew {
    pub(crate) fn new(pool: Arc<Pool>, most: usize) -> Self {
        let bench = Bench {
            state: Mutex::default(),
            changed: Condvar::new(),
            pool,
        };
        Self {
            bench: Arc::new(bench),
            threads: Vec::new(),
            most,
            beaten: Instant::now(),
        }
    }

    /// Has a task carried out, by a thread that has none or by a new one.
    pub(crate) fn give(&mut self, task: Task) {
        let mut tasks = self.bench.tasks();
        tasks.waiting.push_back(task);
        let short = tasks.waiting.len() > tasks.idle;
        drop(tasks);
        if short && self.threads.len() < self.most {
            let (bench, number) = (Arc::clone(&self.bench), self.threads.len());
            let thread = thread::Builder::new().name(format!("sans3-worker-{number}"));
            self.threads
                .extend(thread.spawn(move || bench.work(number)));
        }
        if self.threads.is_empty() {
            // The system has no thread left. A task that is dropped says so to the session.
            let lost = std::mem::take(&mut self.bench.tasks().waiting);
            drop(lost);
        }
        self.bench.changed.notify_one();
    }

    /// Says once a second of each exchange that it lives: each of its stages has a deadline of its
    /// own, but for the consumer, who may take any time. Returns when to say so again.
    pub(crate) fn beat(&mut self) -> Instant {
        if self.beaten.elapsed() >= Pulse::INTERVAL {
            self.beaten = Instant::now();
            self.bench.tasks().running.values().for_each(Pulse::beat);
        }
        self.beaten + Pulse::INTERVAL
    }

    /// Waits until all threads have ended.
    pub(crate) fn dismiss(&mut self) {
        self.bench.tasks().over = true;
        self.bench.changed.notify_all();
        self.threads.drain(..).for_each(|thread| join(Some(thread)));
        self.bench.tasks().over = false;
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.dismiss();
    }
}

impl Bench {
    fn work(&self, number: usize) {
        let mut chunk = Pages::default();
        while let Some(task) = self.next(number) {
            // A panic is a bug, but no reason to lose the thread: the task's report, which the
            // panic dropped, has told the session.
            let _ = catch_unwind(AssertUnwindSafe(|| match task {
                Task::Exchange(assignment) => carry_out(assignment, &self.pool, &mut chunk),
                Task::Credentials(asking) => ask(asking),
            }));
        }
    }

    /// Waits for a task; `None` where there will be no more.
    fn next(&self, number: usize) -> Option<Task> {
        let mut tasks = self.tasks();
        tasks.running.remove(&number);
        tasks.idle += 1;
        loop {
            if let Some(task) = tasks.waiting.pop_front() {
                tasks.idle -= 1;
                if let Task::Exchange(assignment) = &task {
                    tasks.running.insert(number, assignment.work.pulse.clone());
                }
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
