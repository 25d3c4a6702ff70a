//! What carries out the session's tasks, and the one task that waits for its deadlines.

use std::future::poll_fn;
use std::sync::Arc;

use sans3_runtime::{Asking, Assignment, Desk, Exchange, Hands, OpenDesk, Standing, Task};
use tokio::runtime::Handle;
use tokio::select;
use tokio::time::{sleep_until, timeout};

use crate::clock::Clock;
use crate::exchange;
use crate::net::Pool;

/// Has the desk driven until no client is left that could add a transfer, and none is under way.
/// What is still running then, or when the driver is dropped, ends with it.
pub(crate) fn start(desk: Desk, pool: Pool, runtime: &Handle) {
    let clock = Clock::start();
    let hands = Team {
        pool: Arc::new(pool),
        clock,
        runtime: runtime.clone(),
    };
    runtime.spawn(drive(desk.open(Arc::new(hands)), clock));
}

/// Others work the desk whenever they bring something; time alone brings nothing by itself.
async fn drive(desk: OpenDesk, clock: Clock) {
    while let Standing::Waits(until) = desk.work() {
        let called = poll_fn(|cx| desk.poll_called(cx));
        match until {
            Some(until) => select! {
                () = called => {}
                () = sleep_until(clock.deadline(until)) => {}
            },
            None => called.await,
        }
    }
}

/// Tasks of a runtime.
struct Team {
    pool: Arc<Pool>,
    clock: Clock,
    runtime: Handle,
}

impl Hands for Team {
    fn now(&self) -> sans3_core::time::Instant {
        self.clock.now()
    }

    fn start(&self, task: Task) {
        match task {
            Task::Exchange(assignment) => drop(self.runtime.spawn(self.carry_out(assignment))),
            Task::Credentials(asking) => drop(self.runtime.spawn(async move {
                let answer = timeout(Asking::LIMIT, asking.ask()).await;
                asking.answer(answer.ok());
            })),
        }
    }

    fn carry_out(&self, assignment: Assignment) -> Exchange {
        let pool = Arc::clone(&self.pool);
        Box::pin(async move {
            let Assignment {
                attempt,
                work,
                report,
            } = assignment;
            report.send(exchange::run(attempt, &work, &pool).await);
        })
    }
}
