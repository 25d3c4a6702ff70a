//! Uploads a file and downloads it again, on an executor with a thread for each processor.
//!
//! `copy ENDPOINT BUCKET KEY SOURCE TARGET`, where ENDPOINT is a URL such as
//! `http://127.0.0.1:9000`. Requests are signed with `AWS_ACCESS_KEY_ID` and
//! `AWS_SECRET_ACCESS_KEY` for `AWS_REGION`, if they are there.

use std::env;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use sans3_core::endpoint::{BucketName, Endpoint, ObjectKey, Region};
use sans3_core::session::{CredentialSource, SessionConfig};
use sans3_core::sign::Credentials;
use sans3_core::transfer::{Download, Length, Upload};
use sans3_smol::{Client, ClientConfig, Replace, Running};
use smol::{Executor, Timer, channel, future};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

pub(crate) fn main() -> Result<()> {
    let [endpoint, bucket, key, source, target] = &env::args().skip(1).collect::<Vec<_>>()[..]
    else {
        return Err("usage: copy ENDPOINT BUCKET KEY SOURCE TARGET".into());
    };
    let region = env::var("AWS_REGION").unwrap_or_else(|_| "us-east-1".into());
    let endpoint = Endpoint::custom(endpoint, Region::new(&region)?)?;
    let session = SessionConfig::new(endpoint, credentials()?);
    let place = (BucketName::new(bucket)?, ObjectKey::new(key.as_str())?);
    run(session, place, Path::new(source), Path::new(target))
}

/// Runs the whole on an executor of its own.
pub(crate) fn run(
    session: SessionConfig,
    place: (BucketName, ObjectKey),
    source: &Path,
    target: &Path,
) -> Result<()> {
    let executor = Arc::new(Executor::new());
    let threads = thread::available_parallelism()?.get();
    let (stop, stopped) = channel::bounded::<()>(1);
    thread::scope(|scope| {
        for _ in 0..threads {
            // Ends with an error when the sender is gone, which is when all is done.
            scope.spawn(|| smol::block_on(executor.run(stopped.recv())));
        }
        let result = smol::block_on(async {
            let client = Client::with_executor(ClientConfig::new(session), Arc::clone(&executor))?;
            let copied = copy(&client, place, source, target).await;
            client.shutdown().await;
            copied
        });
        drop(stop);
        result
    })
}

async fn copy(
    client: &Client,
    (bucket, key): (BucketName, ObjectKey),
    source: &Path,
    target: &Path,
) -> Result<()> {
    // Any reader will do; for files there is also `upload_file`, which needs less memory.
    let reader = smol::fs::File::open(source).await?;
    let length = Length::Unknown { equal_parts: false };
    let upload = Upload::new(bucket.clone(), key.clone(), length);
    let made = watched("up", client.upload_reader(upload, reader)).await?;
    println!("uploaded {} bytes in {} parts", made.size, made.parts);

    let download = Download::new(bucket, key);
    let running = client.download_to_file(download, target, Replace::No);
    let found = watched("down", running).await?;
    println!(
        "downloaded {} bytes, verified by {}",
        found.size, found.verified
    );
    Ok(())
}

/// Tells once a second how far a transfer is.
async fn watched<T>(
    what: &str,
    mut running: Running<T>,
) -> std::result::Result<T, sans3_smol::Error> {
    loop {
        let tick = async {
            Timer::after(Duration::from_secs(1)).await;
            None
        };
        match future::or(async { Some((&mut running).await) }, tick).await {
            Some(result) => return result,
            None => eprintln!("{what}: {} bytes", running.progress().bytes),
        }
    }
}

fn credentials() -> Result<CredentialSource> {
    let [id, secret] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].map(env::var);
    let (Ok(id), Ok(secret)) = (id, secret) else {
        return Ok(CredentialSource::Anonymous);
    };
    let credentials = Credentials::new(&id, &secret, None)?;
    Ok(CredentialSource::Static(Arc::new(credentials)))
}
