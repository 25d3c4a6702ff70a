//! The same job on each runtime.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use sans3_core::transfer::{Download, Upload};
use sans3_runtime::{Error, Replace};

use crate::job::{Dropped, Failure, Job, Kind};

type Moved<'a> = Pin<Box<dyn Future<Output = Result<(), Error>> + Send + 'a>>;

/// What both asynchronous clients can do.
trait Client: Sync {
    fn get(&self, download: Download, to: Option<&Path>) -> Moved<'_>;
    fn put(&self, upload: Upload, from: &Path) -> Moved<'_>;
}

pub(crate) fn carry_out(job: &Job) -> Result<(), Failure> {
    match job.runtime.as_str() {
        "tokio" => tokio(job),
        "smol" => smol(job),
        "blocking" => blocking(job),
        other => {
            Err(format!("SANS3_RUNTIME: expected tokio, smol or blocking, not {other:?}").into())
        }
    }
}

fn tokio(job: &Job) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let client = sans3_tokio::Client::new(job.config()?)?;
        all(job, &client).await
    })
}

fn smol(job: &Job) -> Result<(), Failure> {
    // As programs that want to be quick do: all on the thread that waits anyway.
    let executor = std::sync::Arc::new(smol::Executor::new());
    smol::block_on(executor.run(async {
        let client = sans3_smol::Client::with_executor(job.config()?, executor.clone())?;
        all(job, &client).await
    }))
}

/// Moves all objects, so many at once.
async fn all(job: &Job, client: &dyn Client) -> Result<(), Failure> {
    let next = AtomicU64::new(0);
    let worker = || async {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= job.count {
                return Ok::<_, Failure>(());
            }
            match (job.kind, job.path(number)) {
                (Kind::Get, path) => client.get(job.download(number)?, path.as_deref()).await?,
                (Kind::Put, Some(path)) => client.put(job.upload(number)?, &path).await?,
                (Kind::Put, None) => return Err("an upload needs FILE".into()),
            }
        }
    };
    let workers = (0..workers(job)).map(|_| worker());
    futures_util::future::try_join_all(workers).await?;
    Ok(())
}

fn blocking(job: &Job) -> Result<(), Failure> {
    let client = sans3_blocking::Client::new(job.config()?)?;
    let next = AtomicU64::new(0);
    let failed = Mutex::new(None);
    let one = |number| -> Result<(), Failure> {
        match (job.kind, job.path(number)) {
            (Kind::Get, Some(path)) => {
                let download = job.download(number)?;
                client
                    .download_to_file(download, &path, Replace::Yes)
                    .wait()?;
            }
            (Kind::Get, None) => {
                client.download_at(job.download(number)?, Dropped).wait()?;
            }
            (Kind::Put, Some(path)) => {
                client.upload_file(job.upload(number)?, &path).wait()?;
            }
            (Kind::Put, None) => return Err("an upload needs FILE".into()),
        }
        Ok(())
    };
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= job.count {
                return;
            }
            if let Err(error) = one(number) {
                next.store(job.count, Ordering::Relaxed);
                *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            }
        }
    };
    if job.count == 1 {
        work();
    } else {
        thread::scope(|scope| {
            for _ in 0..workers(job) {
                scope.spawn(work);
            }
        });
    }
    let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    failed.map_or(Ok(()), Err)
}

fn workers(job: &Job) -> usize {
    usize::try_from(job.count)
        .unwrap_or(usize::MAX)
        .min(job.at_once())
}

macro_rules! client {
    ($client:ty) => {
        impl Client for $client {
            fn get(&self, download: Download, to: Option<&Path>) -> Moved<'_> {
                match to {
                    Some(path) => done(self.download_to_file(download, path, Replace::Yes)),
                    None => done(self.download_at(download, Dropped)),
                }
            }

            fn put(&self, upload: Upload, from: &Path) -> Moved<'_> {
                done(self.upload_file(upload, from))
            }
        }
    };
}
client!(sans3_tokio::Client);
client!(sans3_smol::Client);

/// What was moved is of no interest: that it was proved is what success means.
fn done<'a, T>(running: impl Future<Output = Result<T, Error>> + Send + 'a) -> Moved<'a> {
    Box::pin(async { running.await.map(drop) })
}
