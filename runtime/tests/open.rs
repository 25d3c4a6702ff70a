//! A desk that is worked by whoever brings something.

#[expect(dead_code, reason = "a world that moves by itself is of no use here")]
mod common;

use std::future::Future;
use std::mem;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use common::{ModelHook, PART, World, at_once, both, content, download, exchange, upload};
use sans3_core::time::Instant;
use sans3_runtime::{
    Assignment, Error, Exchange, Hands, Hub, OpenDesk, Promise, Standing, Task, promise,
};
use sans3_testkit::drive::ModelPeer;

/// Hands that do nothing by themselves.
#[derive(Default)]
struct Idle(Mutex<Found>);

#[derive(Default)]
struct Found {
    /// Exchanges of a task of their own.
    started: Vec<Assignment>,
    /// Exchanges of their transfers' tasks, which wait for the promise.
    carried: Vec<(Assignment, Promise<()>)>,
    now: Duration,
}

impl Hands for Idle {
    fn now(&self) -> Instant {
        Instant::ZERO + self.0.lock().unwrap().now
    }

    fn start(&self, task: Task) {
        match task {
            Task::Exchange(assignment) => self.0.lock().unwrap().started.push(assignment),
            Task::Credentials(_) => panic!("nobody needs credentials here"),
        }
    }

    fn carry_out(&self, assignment: Assignment) -> Exchange {
        let (promise, done) = promise();
        self.0.lock().unwrap().carried.push((assignment, promise));
        Box::pin(async {
            let _ = done.await;
        })
    }
}

/// A world whose desk is open, and how many exchanges went which way.
struct Open {
    hub: Hub,
    peer: ModelPeer<ModelHook>,
    desk: OpenDesk,
    hands: Arc<Idle>,
    started: usize,
    carried: usize,
}

impl Open {
    fn new() -> Self {
        let World {
            hub, desk, peer, ..
        } = World::calm();
        let hands = Arc::<Idle>::default();
        let desk = desk.open(Arc::<Idle>::clone(&hands));
        assert_eq!(desk.work(), Standing::Waits(None));
        Self {
            hub,
            peer,
            desk,
            hands,
            started: 0,
            carried: 0,
        }
    }

    fn hub(&self) -> Hub {
        self.hub.clone()
    }

    /// Runs `work` to its end. The driver never does anything.
    fn run<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        for _ in 0..10_000 {
            if let Poll::Ready(value) = poll(work.as_mut()) {
                return value;
            }
            let Found {
                started, carried, ..
            } = mem::take(&mut *self.hands.0.lock().unwrap());
            self.started += started.len();
            self.carried += carried.len();
            for assignment in started {
                self.answer(assignment);
            }
            for (assignment, promise) in carried {
                self.answer(assignment);
                promise.keep(());
            }
        }
        panic!("no end in sight");
    }

    fn answer(&mut self, assignment: Assignment) {
        let Assignment {
            attempt,
            work,
            report,
        } = assignment;
        report.send(at_once(exchange(attempt, &work, &mut self.peer)));
    }

    fn is_called(&self) -> bool {
        let cx = Context::from_waker(Waker::noop());
        self.desk.poll_called(&cx).is_ready()
    }
}

fn poll<T>(work: std::pin::Pin<&mut impl Future<Output = T>>) -> Poll<T> {
    work.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_small_object_needs_no_task_but_its_own_and_no_driver() {
    let mut open = Open::new();
    let content = content(700);
    open.peer.model.put("bucket", "key", content.clone());
    let mut small = download();
    small.size_hint = Some(700);
    let (hub, ticket) = (open.hub(), open.hub().ticket());
    let got = open.run(hub.download_to_memory(small, 1000, &ticket));
    assert!(got.unwrap().1 == content);
    assert_eq!((open.started, open.carried), (0, 1));
}

#[test]
fn more_exchanges_at_once_have_tasks_of_their_own() {
    let mut open = Open::new();
    let content = content(usize::try_from(9 * PART).unwrap());
    open.peer.model.put("bucket", "key", content.clone());
    let (hub, ticket) = (open.hub(), open.hub().ticket());
    let got = open.run(hub.download_to_memory(download(), 1 << 20, &ticket));
    assert!(got.unwrap().1 == content);
    assert!(open.started > 0 && open.carried > 0);
}

#[test]
fn a_transfer_whose_caller_does_something_else_carries_nothing() {
    let mut open = Open::new();
    let (hub, ticket) = (open.hub(), open.hub().ticket());
    let (uploading, mut writer) = hub.upload_written(upload(), &ticket);
    let writing = async move {
        writer.room().await.unwrap();
        assert_eq!(writer.write(b"a few bytes"), 11);
        writer.finish().await.unwrap();
    };
    let ((), uploaded) = open.run(both(writing, uploading));
    assert_eq!(uploaded.unwrap().size, 11);
    assert!(open.started > 0);
    assert_eq!(open.carried, 0);
}

#[test]
fn who_brings_news_holds_no_lock_that_comes_of_it_may_ask_for() {
    let mut open = Open::new();
    let (hub, ticket) = (open.hub(), open.hub().ticket());
    // A part is full, the next one is asked for; and the end comes after.
    let bytes = content(usize::try_from(2 * PART).unwrap());
    let (uploading, mut writer) = hub.upload_written(upload(), &ticket);
    let writing = async move {
        let mut left = &bytes[..];
        while !left.is_empty() {
            writer.room().await.unwrap();
            let written = writer.write(left);
            left = &left[written..];
        }
        writer.finish().await.unwrap();
    };
    let ((), uploaded) = open.run(both(Box::pin(writing), Box::pin(uploading)));
    assert_eq!(uploaded.unwrap().size, 2 * PART);
    // A transfer that waits for its writer ends when it is cancelled.
    let ticket = hub.ticket();
    let (uploading, writer) = hub.upload_written(upload(), &ticket);
    let mut uploading = Box::pin(uploading);
    assert!(poll(uploading.as_mut()).is_pending());
    ticket.cancel();
    assert!(open.run(uploading).is_err());
    drop(writer);
}

#[test]
fn turning_away_ends_the_exchange_that_the_transfers_task_carries() {
    let open = Open::new();
    let (hub, ticket) = (open.hub(), open.hub().ticket());
    let mut job = Box::pin(hub.download_to_memory(download(), 1000, &ticket));
    assert!(poll(job.as_mut()).is_pending());
    drop(job);
    assert!(ticket.is_cancelled());
    let found = mem::take(&mut *open.hands.0.lock().unwrap());
    assert!(found.carried[0].0.work.stop.is_stopped());
    drop(found);
    assert!(
        open.hands.0.lock().unwrap().started.is_empty(),
        "nothing begins anew"
    );
}

#[test]
fn the_driver_is_called_for_an_earlier_deadline_and_for_the_end_alone() {
    let mut open = Open::new();
    assert!(!open.is_called());
    let (hub, ticket) = (open.hub(), open.hub().ticket());
    let mut job = Box::pin(hub.download_to_memory(download(), 1000, &ticket));
    assert!(poll(job.as_mut()).is_pending());
    // It slept without a deadline.
    assert!(open.is_called());
    assert!(!open.is_called());
    let Standing::Waits(Some(_)) = open.desk.work() else {
        panic!("exchanges have deadlines");
    };
    ticket.cancel();
    assert!(open.run(job).is_err());
    assert!(!open.is_called(), "all deadlines are later");
    drop((hub, ticket));
    let Open { hub, desk, .. } = open;
    drop(hub);
    let cx = Context::from_waker(Waker::noop());
    assert!(desk.poll_called(&cx).is_ready());
    assert_eq!(desk.work(), Standing::Over);
}

#[test]
fn an_idle_desk_is_given_back_and_a_lost_one_is_told_to_all() {
    let open = Open::new();
    let (hub, ticket) = (open.hub(), open.hub().ticket());
    let mut job = Box::pin(hub.download_to_memory(download(), 1000, &ticket));
    assert!(poll(job.as_mut()).is_pending());
    assert!(open.desk.close_if_idle().is_none());
    let found = mem::take(&mut *open.hands.0.lock().unwrap());
    drop(open.desk);
    assert!(found.carried[0].0.work.stop.is_stopped());
    drop(found);
    assert!(matches!(
        poll(job.as_mut()),
        Poll::Ready(Err(Error::Closed))
    ));

    let open = Open::new();
    assert!(open.desk.close_if_idle().is_some_and(|desk| desk.is_idle()));
    assert_eq!(open.desk.work(), Standing::Over);
}

#[test]
fn exchanges_are_said_to_live_once_a_second_with_what_they_have_moved() {
    let mut world = World::calm();
    world.peer.model.put("bucket", "key", content(700));
    let (hub, ticket) = (world.hub.clone(), world.hub.ticket());
    let mut job = Box::pin(hub.download_to_memory(download(), 1000, &ticket));
    assert!(poll(job.as_mut()).is_pending());
    let mut tasks = Vec::new();
    let begun = world.desk.work(Instant::ZERO, |task| tasks.push(task));
    let second = Duration::from_secs(1);
    assert_eq!(begun, Standing::Waits(Some(Instant::ZERO + second)));
    // Much longer than any exchange may be silent.
    for beats in 1..1000 {
        let now = Instant::ZERO + beats * second;
        let standing = world.desk.work(now, |_| panic!("nothing else is to do"));
        assert_eq!(standing, Standing::Waits(Some(now + second)));
    }
    let Some(Task::Exchange(assignment)) = tasks.pop() else {
        panic!("an exchange was handed out");
    };
    assert!(!assignment.work.stop.is_stopped());
}
