//! The one task that owns the session: it takes steps, and hands out what they ask for.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use async_io::Timer;
use futures_lite::future;
use sans3_runtime::{Asking, Assignment, Desk, Standing, Task};

use crate::exchange;
use crate::executor::Spawner;
use crate::net::Pool;
use crate::time::{Alarm, Clock};

/// Drives the session until no client is left that could add a transfer, and none is under way.
pub(crate) async fn drive(mut desk: Desk, pool: Pool, spawner: Spawner) {
    let (clock, pool) = (Clock::start(), Arc::new(pool));
    let mut alarm = Alarm::default();
    loop {
        let standing = desk.work(clock.now(), |task| match task {
            Task::Exchange(assignment) => {
                spawner.spawn(carry_out(assignment, Arc::clone(&pool)));
            }
            Task::Credentials(asking) => spawner.spawn(ask(asking)),
        });
        let Standing::Waits(until) = standing else {
            return;
        };
        let until = until.and_then(|until| clock.deadline(until));
        let inbox = desk.inbox();
        poll_fn(|cx| match (inbox.poll_arrived(cx), until) {
            (Poll::Pending, Some(until)) => alarm.poll(cx, until),
            (arrived, _) => arrived,
        })
        .await;
    }
}

async fn carry_out(assignment: Assignment, pool: Arc<Pool>) {
    let Assignment {
        attempt,
        work,
        report,
    } = assignment;
    report.send(exchange::run(attempt, &work, &pool).await);
}

async fn ask(asking: Asking) {
    let late = async {
        Timer::after(Asking::LIMIT).await;
        None
    };
    let answer = future::or(async { Some(asking.ask().await) }, late).await;
    asking.answer(answer);
}
