//! The conformance kit, played to this adapter. A model for the test of any other.

use sans3_core::error::TransferError;
use sans3_core::transfer::Download;
use sans3_platform::Proxy;
use sans3_testkit::conformance::{Adapter, Cancel, Done, Job, Pace, Report, Work, check};
use sans3_tokio::{Client, ClientConfig, Error, ProxyRules, Running};
use tokio::runtime::Builder;
use tokio::sync::oneshot;

struct Tokio;

impl Adapter for Tokio {
    fn name(&self) -> &str {
        "sans3-tokio"
    }

    fn run(&self, job: Job) -> Report {
        let mut runtime = Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).enable_all().build();
        runtime.unwrap().block_on(carry_out(job))
    }
}

async fn carry_out(job: Job) -> Report {
    let mut config = ClientConfig::new(job.session);
    config.seed = job.seed;
    config.ca_bundle = job.ca_bundle;
    config.resolve = job.resolve.into_iter().collect();
    if let Some(proxy) = job.proxy {
        config.proxy = ProxyRules::all(Proxy::parse(&proxy).unwrap());
    }
    let client = Client::new(config).unwrap();
    let mut report = Report::default();
    for work in job.work {
        match work {
            Work::Download(spec) => {
                let found = ended(client.download_to_memory(spec, 1 << 30), &job.cancel);
                report.push_downloaded(found.await);
            }
            Work::InOrder { spec, pace } => in_order(&client, spec, pace, &mut report).await,
            Work::Upload { spec, bytes } => {
                let made = ended(client.upload_bytes(spec, bytes), &job.cancel).await;
                report.push(made, Done::Uploaded);
            }
            Work::Head(head) => {
                let found = ended(client.call(head), &job.cancel).await.map(Box::new);
                report.push(found, Done::Found);
            }
            Work::Delete(delete) => {
                report.push(ended(client.call(delete), &job.cancel).await, Done::Deleted);
            }
            Work::Wait(gate) => gate.wait(),
        }
    }
    report.notices = client.notices();
    report
}

/// The result of a transfer, which is cancelled when the kit says so.
async fn ended<T>(mut running: Running<T>, cancel: &Cancel) -> Result<T, TransferError> {
    let (fire, fired) = oneshot::channel();
    cancel.on_fire(move || fire.send(()).unwrap_or_default());
    let result = tokio::select! {
        result = &mut running => result,
        Ok(()) = fired => {
            running.cancel();
            running.await
        }
    };
    result.map_err(transfer_error)
}

async fn in_order(client: &Client, spec: Download, mut pace: Pace, report: &mut Report) {
    let mut stream = client.download_stream(spec);
    let mut bytes = Vec::new();
    let end = loop {
        tokio::time::sleep(pace.before(bytes.len() as u64)).await;
        match stream.next().await {
            Some(Ok(piece)) => bytes.extend_from_slice(&piece),
            Some(Err(error)) => break Err(transfer_error(error)),
            None => break Ok(Done::Downloaded(stream.summary().unwrap().clone())),
        }
    };
    report.push_with(bytes, end);
}

fn transfer_error(error: Error) -> TransferError {
    match error {
        Error::Transfer(error) => error,
        other => panic!("expected a transfer's error, got {other}"),
    }
}

#[test]
fn tokio_keeps_the_rules() {
    check(&Tokio);
}
