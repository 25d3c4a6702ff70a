//! The conformance kit, played to the example around reqwest: which rules a general HTTP client
//! keeps for an adapter, and which it breaks out of its reach.

#![cfg(all(unix, feature = "conformance"))]

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::panic::catch_unwind;
use std::sync::Arc;

use sans3_core::error::TransferError;
use sans3_core::transfer::{Call, Download};
use sans3_runtime::{ClientConfig, Deliveries, Error, Hub, Ticket};
use sans3_testkit::conformance::{Adapter, Done, Features, Job, Pace, Report, Work, check};
use tokio::runtime::Builder;
use tokio::task::spawn_blocking;

#[expect(dead_code, reason = "a program's main function, and what only it uses")]
#[path = "../examples/reqwest.rs"]
mod example;

/// The scripts that it fails, for reasons that `docs/adapters.md` gives. It fails all of them, or
/// the list is too long; and no others.
const OUT_OF_REACH: [&str; 3] = [
    "1 MiB of interim answers is HeadTooLarge",
    "a target is sent byte for byte, dots and slashes included",
    "an overloaded server's answer ends its connection",
];

/// Scripts that it fails now and then. It makes a new connection while it waits for a free one, and
/// keeps both; and it keeps one whose answer was refused, if that was there in full.
const NOW_AND_THEN: [&str; 2] = [
    "four exchanges at once need no more than four connections",
    "lengths that contradict each other are BadHttp",
];

struct Reqwest;

impl Adapter for Reqwest {
    fn name(&self) -> &str {
        "reqwest"
    }

    fn run(&self, job: Job) -> Report {
        let mut runtime = Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).enable_all().build();
        let runtime = runtime.unwrap();
        // On the driver's thread, which has told all its notices when a result is looked at.
        runtime.block_on(runtime.spawn(carry_out(job))).unwrap()
    }

    fn features(&self) -> Features {
        let mut features = Features::all();
        features.tls = false; // a feature of reqwest, which the example does without
        features.proxies = false;
        features.resolve = false;
        features.expect_continue = false;
        features.adds = &["accept"];
        features
    }
}

async fn carry_out(job: Job) -> Report {
    let mut config = ClientConfig::new(job.session);
    config.seed = job.seed;
    let hub = example::open(config).unwrap();
    let mut report = Report::default();
    for work in job.work {
        let ticket = hub.ticket();
        let cancelled = Arc::clone(&ticket);
        job.cancel.on_fire(move || cancelled.cancel());
        match work {
            Work::Download(spec) => {
                let found = hub.download_to_memory(spec, 1 << 30, &ticket).await;
                report.push_downloaded(found.map_err(transfer_error));
            }
            Work::InOrder { spec, pace } => in_order(&hub, spec, pace, &ticket, &mut report).await,
            Work::Upload { spec, bytes } => {
                let made = hub.upload_bytes(spec, bytes, &ticket).await;
                report.push(made.map_err(transfer_error), Done::Uploaded);
            }
            Work::Head(head) => {
                let found = hub.transfer(Call::new(head), &ticket).await.map(Box::new);
                report.push(found.map_err(transfer_error), Done::Found);
            }
            Work::Delete(delete) => {
                let deleted = hub.transfer(Call::new(delete), &ticket).await;
                report.push(deleted.map_err(transfer_error), Done::Deleted);
            }
            Work::Wait(gate) => spawn_blocking(move || gate.wait()).await.unwrap(),
        }
    }
    report.notices = hub.notices();
    report
}

async fn in_order(
    hub: &Hub,
    spec: Download,
    mut pace: Pace,
    ticket: &Arc<Ticket>,
    report: &mut Report,
) {
    let (download, bytes) = hub.download_in_order(spec, ticket);
    let mut deliveries = Deliveries::new(Box::pin(download), bytes);
    let mut bytes = Vec::new();
    let end = loop {
        tokio::time::sleep(pace.before(bytes.len() as u64)).await;
        match poll_fn(|cx| deliveries.poll_next(cx)).await {
            Some(Ok(piece)) => bytes.extend_from_slice(&piece),
            Some(Err(error)) => break Err(transfer_error(error)),
            None => break Ok(Done::Downloaded(deliveries.summary().unwrap().clone())),
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
fn reqwest_keeps_the_rules_that_it_can() {
    let report = catch_unwind(|| check(&Reqwest)).expect_err("some scripts are out of reach");
    let report = report.downcast::<String>().expect("a report");
    let failed: BTreeSet<&str> = report
        .lines()
        .filter_map(|line| line.strip_prefix("script: "))
        .filter(|script| !NOW_AND_THEN.contains(script))
        .collect();
    assert!(
        failed == BTreeSet::from(OUT_OF_REACH),
        "{failed:#?}\n{report}"
    );
}

#[test]
fn what_is_out_of_reach_is_written_down() {
    let text = include_str!("../../docs/adapters.md");
    for script in OUT_OF_REACH.into_iter().chain(NOW_AND_THEN) {
        assert!(
            text.contains(script),
            "docs/adapters.md does not tell of: {script}"
        );
    }
}
