//! Carrying out one run.

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::{Duration, Instant};

use sans3_core::session::SessionConfig;
use sans3_core::transfer::{Download, Length, Upload, Verified};
use sans3_runtime::{Error, Trace};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::measure::{Log, Run, cpu_time, forget_peak, peak_process, weaker};
use super::pattern::{Checked, Pattern};
use super::place::Place;
use super::plan::{Batch, Cell, Direction};
use crate::args::{ConnectionArgs, TransferArgs};
use crate::config::Connection;
use crate::demo::files::Scratch;
use crate::engine::{Engine, Running};
use crate::exit::{Failure, Kind, Site};
use crate::signals::Interrupt;
use crate::size::Size;

/// What runs have in common.
pub(super) struct Bench<'a> {
    pub(super) connection: &'a Connection,
    pub(super) args: &'a ConnectionArgs,
    pub(super) memory: Option<Size>,
    pub(super) place: &'a Place,
    pub(super) site: &'a Site,
    /// The objects as files.
    pub(super) scratch: &'a Scratch,
    /// What the bytes of the objects follow from.
    pub(super) seed: u64,
    /// When runs are to be over.
    pub(super) deadline: Instant,
}

/// Why a run was not finished.
#[derive(Debug)]
pub(super) enum Halt {
    Interrupted,
    TimeUp,
    Failed(Failure),
}

type Flight = Pin<Box<dyn Future<Output = Landed> + Send>>;

/// A transfer that has ended.
struct Landed {
    result: Result<Verified, Error>,
    elapsed: Duration,
    requests: u64,
    retries: u64,
}

impl Bench<'_> {
    /// The settings of a cell's session.
    ///
    /// # Errors
    /// Usage: memory that has no room for so many requests at once.
    pub(super) fn session(&self, cell: &Cell) -> Result<SessionConfig, Failure> {
        let transfer = TransferArgs {
            part_size: None,
            concurrency: Some(cell.at_once.into()),
            memory: self.memory,
            ..TransferArgs::default()
        };
        let session = self.connection.session(self.args, &transfer)?;
        let (asked, real) = (cell.at_once.get(), session.slots());
        if real < asked {
            let least = u64::from(asked).saturating_mul(session.exchange_memory);
            let (least, seen) = (Size(least), Size(session.memory));
            return Err(Failure::usage(format!(
                "--memory: expected at least {least} for {asked} requests at once, got {seen}"
            )));
        }
        Ok(session)
    }

    /// The file that an object is made of.
    pub(super) fn file(&self, batch: Batch, number: u32) -> PathBuf {
        self.scratch.path(&format!("{}-{number:06}", batch.size))
    }

    /// Moves the objects of a cell's batch once. The client is a new one, as each command has it:
    /// there are no connections in the beginning.
    ///
    /// Objects that go by one request each are timed one by one. The requests of others are timed
    /// by the recording of the session, which costs next to nothing as they are large.
    pub(super) async fn run(&self, cell: &Cell, interrupt: &mut Interrupt) -> Result<Run, Halt> {
        let session = self.session(cell).map_err(Halt::Failed)?;
        let log = Log::default();
        let trace = (!cell.is_whole()).then(|| Trace::new(log.clone()));
        let client = self.connection.recorded_client(session, trace.clone());
        let client = client.map_err(Halt::Failed)?;
        forget_peak();
        let (began, cpu) = (Instant::now(), cpu_time());
        let landed = self.fly(&client, cell, interrupt).await?;
        let elapsed = began.elapsed();
        let cpu = cpu_time().zip(cpu).map(|(after, before)| after - before);
        let peak_process = peak_process();
        let latencies = match trace {
            // Nothing but memory is written to.
            Some(trace) => trace
                .close()
                .map_or_else(|_| Vec::new(), |()| log.latencies()),
            None => landed.iter().map(|one| one.elapsed).collect(),
        };
        let stats = client.stats();
        let proofs = landed.iter().filter_map(|one| one.result.as_ref().ok());
        Ok(Run {
            elapsed,
            cpu,
            peak_buffers: stats.peak_memory,
            peak_process,
            connections: stats.connections,
            requests: landed.iter().map(|one| one.requests).sum(),
            retries: landed.iter().map(|one| one.retries).sum(),
            latencies,
            verified: proofs.copied().reduce(weaker),
        })
    }

    /// Carries out all transfers of a run, as many at once as requests may be. Where one fails, or
    /// there is no time left, the others are cancelled and waited for.
    async fn fly(
        &self,
        client: &Engine,
        cell: &Cell,
        interrupt: &mut Interrupt,
    ) -> Result<Vec<Landed>, Halt> {
        let (tell, told) = watch::channel(false);
        let mut flying = JoinSet::new();
        let mut numbers = 0..cell.batch.count;
        let mut landed = Vec::new();
        let mut halt = None;
        let deadline = tokio::time::sleep_until(self.deadline.into());
        tokio::pin!(deadline);
        loop {
            while halt.is_none() && flying.len() < usize::from(cell.at_once.get()) {
                let Some(number) = numbers.next() else { break };
                match self.begin(client, cell, number, told.clone()) {
                    Ok(transfer) => drop(flying.spawn(transfer)),
                    Err(failure) => halt = Some(Halt::Failed(failure)),
                }
            }
            if halt.is_some() {
                tell.send_replace(true);
            }
            tokio::select! {
                one = flying.join_next() => match one {
                    None => break,
                    Some(Ok(one)) => match &one.result {
                        Ok(_) => landed.push(one),
                        // A transfer that was cancelled has nothing more to say.
                        Err(error) if halt.is_none() => {
                            halt = Some(Halt::Failed(Failure::transfer(error, self.site)));
                        }
                        Err(_) => {}
                    },
                    Some(Err(error)) => {
                        let failure = Failure::new(Kind::Transfer, error.to_string());
                        halt.get_or_insert(Halt::Failed(failure));
                    }
                },
                () = interrupt.wait(), if halt.is_none() => halt = Some(Halt::Interrupted),
                () = &mut deadline, if halt.is_none() => halt = Some(Halt::TimeUp),
            }
        }
        halt.map_or(Ok(landed), Err)
    }

    fn begin(
        &self,
        client: &Engine,
        cell: &Cell,
        number: u32,
        stop: watch::Receiver<bool>,
    ) -> Result<Flight, Failure> {
        let Cell { batch, part, .. } = *cell;
        let object = self.place.member(batch, number)?;
        Ok(match cell.direction {
            Direction::Up => {
                let length = Length::Known(batch.size);
                let upload = Upload {
                    part_size: Some(part),
                    ..Upload::new(object.bucket, object.key, length)
                };
                let running = client.upload_file(upload, &self.file(batch, number));
                Box::pin(follow(running, stop, |uploaded| uploaded.verified))
            }
            Direction::Down => {
                let download = Download {
                    part_size: Some(part),
                    // As from a listing: no HEAD is needed, and each object is one request.
                    size_hint: cell.is_whole().then_some(batch.size),
                    ..Download::new(object.bucket, object.key)
                };
                let pattern = Pattern::new(self.seed, batch.size, number);
                let target = Checked::new(pattern, batch.size);
                let running = client.download_at(download, target);
                Box::pin(follow(running, stop, |downloaded| downloaded.verified))
            }
        })
    }
}

/// Waits for a transfer, and cancels it where that is wanted.
async fn follow<T>(
    mut running: Running<T>,
    mut stop: watch::Receiver<bool>,
    proof: fn(&T) -> Verified,
) -> Landed {
    let began = Instant::now();
    let stopped = async {
        // Nobody is there any more who could want it.
        if stop.wait_for(|stop| *stop).await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let ended = tokio::select! {
        result = &mut running => Some(result),
        () = stopped => None,
    };
    let result = match ended {
        Some(result) => result,
        None => {
            running.cancel();
            (&mut running).await
        }
    };
    let elapsed = began.elapsed();
    let progress = running.progress();
    Landed {
        result: result.as_ref().map(proof).map_err(Error::clone),
        elapsed,
        requests: progress.attempts.into(),
        retries: progress.retries.into(),
    }
}
