//! The conformance kit, played to this adapter.

use std::collections::BTreeMap;
use std::thread::sleep;

use sans3_blocking::{Client, ClientConfig, Error, ProxyRules, Running};
use sans3_core::error::TransferError;
use sans3_core::transfer::{Download, Downloaded};
use sans3_platform::Proxy;
use sans3_testkit::conformance::{Adapter, Cancel, Done, Job, Pace, Report, Work, check};

struct Blocking;

impl Adapter for Blocking {
    fn name(&self) -> &str {
        "sans3-blocking"
    }

    fn run(&self, job: Job) -> Report {
        let mut config = ClientConfig::new(job.session);
        config.seed = job.seed;
        config.ca_bundle = job.ca_bundle;
        config.resolve = job.resolve.into_iter().collect::<BTreeMap<_, _>>();
        if let Some(proxy) = job.proxy {
            config.proxy = ProxyRules::all(Proxy::parse(&proxy).unwrap());
        }
        let client = Client::new(config).unwrap();
        let mut report = Report::default();
        for work in job.work {
            carry_out(&client, work, &job.cancel, &mut report);
        }
        report.notices = client.notices();
        report
    }
}

fn carry_out(client: &Client, work: Work, cancel: &Cancel, report: &mut Report) {
    match work {
        Work::Download(spec) => {
            let found = ended(client.download_to_memory(spec, 1 << 30), cancel);
            let bytes = found
                .as_ref()
                .map_or(Vec::new(), |(_, bytes)| bytes.to_vec());
            report.push_with(bytes, found.map(|(found, _)| Done::Downloaded(found)));
        }
        Work::InOrder { spec, pace } => {
            let (bytes, result) = in_order(client, spec, pace);
            report.push_with(bytes, result.map(Done::Downloaded));
        }
        Work::Upload { spec, bytes } => {
            let made = ended(client.upload_bytes(spec, bytes), cancel);
            report.push(made, Done::Uploaded);
        }
        Work::Head(head) => {
            let found = ended(client.call(head), cancel);
            report.push(found, |found| Done::Found(Box::new(found)));
        }
        Work::Delete(delete) => report.push(ended(client.call(delete), cancel), Done::Deleted),
        Work::Wait(gate) => gate.wait(),
    }
}

/// The result of a transfer, which is cancelled when the kit says so.
fn ended<T>(running: Running<T>, cancel: &Cancel) -> Result<T, TransferError> {
    let control = running.control();
    cancel.on_fire(move || control.cancel());
    running.wait().map_err(transfer_error)
}

fn in_order(
    client: &Client,
    spec: Download,
    mut pace: Pace,
) -> (Vec<u8>, Result<Downloaded, TransferError>) {
    let mut stream = client.download_stream(spec);
    let mut bytes = Vec::new();
    loop {
        sleep(pace.before(bytes.len() as u64));
        match stream.next_bytes() {
            Ok(Some(piece)) => bytes.extend_from_slice(&piece),
            Ok(None) => return (bytes, Ok(stream.summary().unwrap().clone())),
            Err(error) => return (bytes, Err(transfer_error(error))),
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
fn blocking_keeps_the_rules() {
    check(&Blocking);
}
