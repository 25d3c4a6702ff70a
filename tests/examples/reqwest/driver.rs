//! The loop: takes the session's steps, and has one task for each exchange.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use reqwest::Client;
use sans3_core::attempt::{AttemptId, TransferId};
use sans3_core::error::{CredentialsError, SourceError};
use sans3_core::session::{Input, Machine, Session, Step};
use sans3_core::sign::Credentials;
use sans3_core::time::Instant;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{interval, sleep};

use super::exchange::exchange;

/// Carries out the transfers of a session, between reqwest and files.
pub(crate) struct Adapter {
    /// When the session's time began: it only ever goes on.
    pub(crate) start: std::time::Instant,
    /// Made by [`client`](super::exchange::client).
    pub(crate) http: Client,
    /// The local end of each transfer that has one.
    pub(crate) files: BTreeMap<TransferId, Arc<File>>,
    /// Asked where the session has no credentials, or old ones.
    pub(crate) credentials: fn() -> Result<Credentials, CredentialsError>,
    /// What others have to tell the session, such as [`Input::Cancel`].
    pub(crate) inputs: UnboundedReceiver<Input>,
}

/// An exchange that is under way.
struct Running {
    id: AttemptId,
    task: AbortHandle,
    moved: Arc<AtomicU64>,
}

impl Adapter {
    /// Takes steps until no transfer is under way. Dropped, it takes all exchanges with it.
    pub(crate) async fn drive(&mut self, session: &mut Session) {
        let start = self.start;
        let now = || Instant::ZERO + start.elapsed();
        let mut tasks = JoinSet::new();
        let mut running: Vec<Running> = Vec::new();
        let mut heartbeat = interval(Duration::from_secs(1));
        loop {
            let until = match session.poll(now()) {
                Step::Start(attempt) => {
                    let (id, moved) = (attempt.id(), Arc::new(AtomicU64::new(0)));
                    let file = self.files.get(&id.transfer()).cloned();
                    let exchange = exchange(attempt, self.http.clone(), file, Arc::clone(&moved));
                    let task = tasks.spawn(async { exchange.await.unwrap_or_else(|early| early) });
                    running.push(Running { id, task, moved });
                    continue;
                }
                Step::Abort(id) => {
                    // Told below, once the task has ended and can place no more bytes.
                    let found = running.iter().find(|it| it.id == id);
                    found.inspect(|it| it.task.abort());
                    continue;
                }
                Step::NeedCredentials => {
                    session.input(Input::Credentials((self.credentials)()), now());
                    continue;
                }
                // Asked of sources that can't be read twice, such as pipes: there are none here.
                Step::Fill { transfer, .. } => {
                    let error = SourceError::Read("no pull source".into());
                    session.input(Input::SupplyFailed { transfer, error }, now());
                    continue;
                }
                Step::Ended(_) => continue, // `Session::take` has its result now
                Step::Done => return,
                Step::Wait { until, .. } => until,
            };
            let alarm = until.map_or(Duration::ZERO, |until| until.since(now()));
            tokio::select! {
                Some(end) = tasks.join_next_with_id() => {
                    let task = end.as_ref().map_or_else(|lost| lost.id(), |(task, _)| *task);
                    let index = running.iter().position(|it| it.task.id() == task);
                    let id = running.swap_remove(index.expect("each task is listed")).id;
                    // A task that was aborted, or that panicked, has no outcome to tell.
                    let outcome = end.map_or(id.aborted(), |(_, outcome)| outcome);
                    session.input(Input::Outcome(outcome), now());
                }
                Some(input) = self.inputs.recv() => {
                    session.input(input, now());
                }
                _ = heartbeat.tick() => for it in &running {
                    let (attempt, bytes) = (it.id, it.moved.load(Relaxed));
                    session.input(Input::Progress { attempt, bytes }, now());
                },
                () = sleep(alarm), if until.is_some() => {}
            }
        }
    }
}
