//! The one task that owns the session: it takes steps, and hands out what they ask for.

use sans3_core::time::Instant;
use sans3_runtime::{Asking, Assignment, Desk, Standing, Task};
use tokio::select;
use tokio::task::JoinSet;
use tokio::time::{sleep_until, timeout};

use crate::clock::Clock;
use crate::exchange;
use crate::net::Pool;

/// Drives the session until no client is left that could add a transfer, and none is under way.
/// What is still running then, or when the driver is dropped, ends with it.
pub(crate) async fn drive(mut desk: Desk, pool: Pool) {
    let clock = Clock::start();
    let pool = std::sync::Arc::new(pool);
    let mut tasks = JoinSet::new();
    loop {
        let standing = desk.work(clock.now(), |task| match task {
            Task::Exchange(assignment) => {
                let pool = std::sync::Arc::clone(&pool);
                tasks.spawn(async move {
                    let Assignment {
                        attempt,
                        work,
                        report,
                    } = assignment;
                    report.send(exchange::run(attempt, &work, &pool).await);
                });
            }
            Task::Credentials(asking) => {
                tasks.spawn(async move {
                    let answer = timeout(Asking::LIMIT, asking.ask()).await;
                    asking.answer(answer.ok());
                });
            }
        });
        let Standing::Waits(until) = standing else {
            return;
        };
        let alarm = clock.deadline(until.unwrap_or(Instant::ZERO));
        select! {
            () = desk.inbox().arrived() => {}
            // What a task has to say it has said in its report, or by losing it.
            Some(_) = tasks.join_next() => {}
            () = sleep_until(alarm), if until.is_some() => {}
        }
    }
}
