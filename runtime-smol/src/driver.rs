//! What carries out the session's tasks, and the one task that waits for its deadlines.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use async_io::Timer;
use futures_lite::future;
use sans3_runtime::{Asking, Assignment, Desk, Exchange, Hands, OpenDesk, Standing, Task};

use crate::exchange;
use crate::executor::Spawner;
use crate::net::Pool;
use crate::time::{Alarm, Clock};

/// Has the desk driven until no client is left that could add a transfer, and none is under way.
pub(crate) fn start(desk: Desk, pool: Pool, spawner: &Spawner) {
    let clock = Clock::start();
    let hands = Team {
        pool: Arc::new(pool),
        clock,
        spawner: spawner.clone(),
    };
    spawner.spawn(drive(desk.open(Arc::new(hands)), clock));
}

/// Others work the desk whenever they bring something; time alone brings nothing by itself.
async fn drive(desk: OpenDesk, clock: Clock) {
    let mut alarm = Alarm::default();
    while let Standing::Waits(until) = desk.work() {
        let until = until.and_then(|until| clock.deadline(until));
        poll_fn(|cx| match (desk.poll_called(cx), until) {
            (Poll::Pending, Some(until)) => alarm.poll(cx, until),
            (called, _) => called,
        })
        .await;
    }
}

/// Tasks of an executor.
struct Team {
    pool: Arc<Pool>,
    clock: Clock,
    spawner: Spawner,
}

impl Hands for Team {
    fn now(&self) -> sans3_core::time::Instant {
        self.clock.now()
    }

    fn start(&self, task: Task) {
        match task {
            Task::Exchange(assignment) => self.spawner.spawn(self.carry_out(assignment)),
            Task::Credentials(asking) => self.spawner.spawn(ask(asking)),
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

async fn ask(asking: Asking) {
    let late = async {
        Timer::after(Asking::LIMIT).await;
        None
    };
    let answer = future::or(async { Some(asking.ask().await) }, late).await;
    asking.answer(answer);
}
