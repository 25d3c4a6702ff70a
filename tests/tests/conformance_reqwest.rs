//! The conformance kit, played to the example around reqwest: which rules a general HTTP client
//! keeps for an adapter, and which it breaks out of its reach.

#![cfg(all(unix, feature = "conformance"))]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::panic::catch_unwind;
use std::sync::Arc;
use std::time::Instant;

use sans3_core::attempt::TransferId;
use sans3_core::error::CredentialsError;
use sans3_core::session::Session;
use sans3_core::transfer::{Call, Transfer};
use sans3_testkit::conformance::{Adapter, Done, Features, Job, Report, Work, check};
use tokio::runtime::Builder;
use tokio::sync::mpsc::unbounded_channel;

#[expect(dead_code, reason = "a program's main function, and what only it uses")]
#[path = "../examples/reqwest/main.rs"]
mod example;

/// The scripts that it fails, for reasons that `docs/adapters.md` gives. It fails all of them, or
/// the list is too long; and no others.
const OUT_OF_REACH: [&str; 8] = [
    "a head just above 64 KiB is HeadTooLarge",
    "1 MiB of interim answers is HeadTooLarge",
    "a slow consumer gets all bytes in order, and is never waited for in vain",
    "a target is sent byte for byte, dots and slashes included",
    "an overloaded server's answer ends its connection",
    "cancelled while it sends",
    "lengths that contradict each other are BadHttp",
    "the time that a consumer takes within one answer does not count",
];

/// A script that it fails now and then: it makes a new connection while it waits for a free one, and
/// keeps both.
const NOW_AND_THEN: &str = "four exchanges at once need no more than four connections";

struct Reqwest;

impl Adapter for Reqwest {
    fn name(&self) -> &str {
        "reqwest"
    }

    fn run(&self, job: Job) -> Report {
        let mut runtime = Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).enable_all().build();
        runtime.unwrap().block_on(carry_out(job))
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
    let (tell, inputs) = unbounded_channel();
    job.cancel.on_fire(move || {
        let _ = tell.send(sans3_core::session::Input::Cancel(None));
    });
    let mut adapter = example::driver::Adapter {
        start: Instant::now(),
        http: example::exchange::client(&job.session).unwrap(),
        files: BTreeMap::new(),
        credentials: || Err(CredentialsError("the kit brings them".into())),
        inputs,
    };
    let mut session = Session::new(job.session, job.seed);
    let mut report = Report::default();
    for work in job.work {
        let mut file = tempfile::tempfile().unwrap();
        match work {
            Work::Download(spec) => {
                let copy = Arc::new(file.try_clone().unwrap());
                let found = carried_out(spec, Some(copy), &mut session, &mut adapter).await;
                if let Ok(found) = &found {
                    file.set_len(found.size).unwrap();
                }
                let mut bytes = Vec::new();
                file.rewind().unwrap();
                file.read_to_end(&mut bytes).unwrap();
                report.push_with(bytes, found.map(Done::Downloaded));
            }
            Work::Upload { spec, bytes } => {
                file.write_all(&bytes).unwrap();
                let file = Some(Arc::new(file));
                let made = carried_out(spec, file, &mut session, &mut adapter).await;
                report.push(made, Done::Uploaded);
            }
            Work::Head(head) => {
                let found = carried_out(Call::new(head), None, &mut session, &mut adapter).await;
                report.push(found, |found| Done::Found(Box::new(found)));
            }
            Work::Delete(delete) => {
                let call = Call::new(delete);
                let deleted = carried_out(call, None, &mut session, &mut adapter).await;
                report.push(deleted, Done::Deleted);
            }
            Work::Wait(gate) => gate.wait(),
            // It places bytes in files, at any offset: nobody takes them in order.
            Work::InOrder { .. } => {}
        }
    }
    report.notices = session.take_notices();
    report
}

async fn carried_out<T: Transfer>(
    transfer: T,
    file: Option<Arc<File>>,
    session: &mut Session,
    adapter: &mut example::driver::Adapter,
) -> Result<T::Output, sans3_core::error::TransferError> {
    let now = sans3_core::time::Instant::ZERO + adapter.start.elapsed();
    let handle = session.insert(transfer, now);
    let id: TransferId = handle.id();
    adapter.files.extend(file.map(|file| (id, file)));
    adapter.drive(session).await;
    session.take(handle)
}

#[test]
fn reqwest_keeps_the_rules_that_it_can() {
    let report = catch_unwind(|| check(&Reqwest)).expect_err("some scripts are out of reach");
    let report = report.downcast::<String>().expect("a report");
    let failed: BTreeSet<&str> = report
        .lines()
        .filter_map(|line| line.strip_prefix("script: "))
        .filter(|script| *script != NOW_AND_THEN)
        .collect();
    assert!(
        failed == BTreeSet::from(OUT_OF_REACH),
        "{failed:#?}\n{report}"
    );
}

#[test]
fn what_is_out_of_reach_is_written_down() {
    let text = include_str!("../../docs/adapters.md");
    for script in OUT_OF_REACH.into_iter().chain([NOW_AND_THEN]) {
        assert!(
            text.contains(script),
            "docs/adapters.md does not tell of: {script}"
        );
    }
}
