//! The conformance kit, played to this adapter on executors of the test's own.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use sans3_core::error::TransferError;
use sans3_core::transfer::{Download, Downloaded};
use sans3_smol::{Client, ClientConfig, Error, ProxyRules, Running};
use sans3_testkit::conformance::{Adapter, Cancel, Done, Job, Pace, Report, Work, check};
use smol::{Executor, Timer, channel, future, unblock};

struct Smol;

impl Adapter for Smol {
    fn name(&self) -> &str {
        "sans3-smol"
    }

    fn run(&self, job: Job) -> Report {
        let executor = Arc::new(Executor::new());
        smol::block_on(executor.run(carry_out(job, Arc::clone(&executor))))
    }
}

async fn carry_out(job: Job, executor: Arc<Executor<'static>>) -> Report {
    let mut config = ClientConfig::new(job.session);
    config.seed = job.seed;
    config.ca_bundle = job.ca_bundle;
    if let Some(proxy) = job.proxy {
        config.proxy = ProxyRules::all(sans3_platform::Proxy::parse(&proxy).unwrap());
    }
    config.resolve = job
        .resolve
        .into_iter()
        .collect::<std::collections::BTreeMap<String, Vec<IpAddr>>>();
    let client = Client::with_executor(config, executor).unwrap();
    let mut report = Report::default();
    for work in job.work {
        match work {
            Work::Download(spec) => {
                let found = ended(client.download_to_memory(spec, 1 << 30), &job.cancel).await;
                let bytes = found
                    .as_ref()
                    .map_or(Bytes::new(), |(_, bytes)| bytes.clone());
                let result = found.map(|(found, _)| Done::Downloaded(found));
                report.push_with(bytes.to_vec(), result);
            }
            Work::InOrder { spec, pace } => {
                let (bytes, result) = in_order(&client, spec, pace).await;
                report.push_with(bytes, result.map(Done::Downloaded));
            }
            Work::Upload { spec, bytes } => {
                let made = ended(client.upload_bytes(spec, bytes), &job.cancel).await;
                report.push(made, Done::Uploaded);
            }
            Work::Head(head) => {
                let found = ended(client.call(head), &job.cancel).await;
                report.push(found, |found| Done::Found(Box::new(found)));
            }
            Work::Delete(delete) => {
                let deleted = ended(client.call(delete), &job.cancel).await;
                report.push(deleted, Done::Deleted);
            }
            Work::Wait(gate) => unblock(move || gate.wait()).await,
        }
    }
    report.notices = client.notices();
    report
}

/// The result of a transfer, which is cancelled when the kit says so.
async fn ended<T>(mut running: Running<T>, cancel: &Cancel) -> Result<T, TransferError> {
    let (fire, fired) = channel::bounded::<()>(1);
    cancel.on_fire(move || _ = fire.try_send(()));
    let fired = async {
        // The sender may also be dropped without a word.
        if fired.recv().await.is_err() {
            future::pending::<()>().await;
        }
        None
    };
    let result = match future::or(async { Some((&mut running).await) }, fired).await {
        Some(result) => result,
        None => {
            running.cancel();
            running.await
        }
    };
    result.map_err(transfer_error)
}

async fn in_order(
    client: &Client,
    spec: Download,
    mut pace: Pace,
) -> (Vec<u8>, Result<Downloaded, TransferError>) {
    let mut stream = client.download_stream(spec);
    let mut bytes = Vec::new();
    loop {
        Timer::after(pace.before(bytes.len() as u64)).await;
        match stream.next().await {
            Some(Ok(piece)) => bytes.extend_from_slice(&piece),
            Some(Err(error)) => return (bytes, Err(transfer_error(error))),
            None => return (bytes, Ok(stream.summary().unwrap().clone())),
        }
    }
}

fn transfer_error(error: Error) -> TransferError {
    match error {
        Error::Transfer(error) => error,
        other => panic!("expected a transfer's error, got {other}"),
    }
}

#[test]
fn smol_keeps_the_rules() {
    check(&Smol);
}
