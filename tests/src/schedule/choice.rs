//! The sizes that the core chooses where nobody asks for one. They are not scaled, so a session
//! over real sizes is asked for them.

use sans3_core::attempt::{Attempt, Ready};
use sans3_core::endpoint::{BucketName, ObjectKey};
use sans3_core::part::{Limits, PartPlan};
use sans3_core::session::{Machine, Session, Step};
use sans3_core::time::Instant;
use sans3_core::transfer::{Download, Length, Upload};

use super::{Job, Scenario};
use crate::drive::{EPOCH, config};

/// The size in real bytes of the first part or range of a scenario: what it asks for, or what the
/// core chooses.
///
/// # Panics
/// Where the core refuses the scenario.
pub fn part_size(scenario: &Scenario) -> u64 {
    match (scenario.part_size, scenario.job) {
        (Some(size), _) => size,
        (None, Job::Get | Job::GetListed | Job::GetInOrder) => first_range(),
        (None, Job::Put) => match PartPlan::new(scenario.size, None, &Limits::default()) {
            Ok(plan) => plan.part_size(),
            Err(error) => panic!("{error}"),
        },
        (None, Job::PutStream) => first_fill(scenario),
    }
}

pub(super) fn names(key: &str) -> (BucketName, ObjectKey) {
    let bucket = BucketName::new(super::server::BUCKET);
    let key = ObjectKey::new(key);
    match (bucket, key) {
        (Ok(bucket), Ok(key)) => (bucket, key),
        (Err(error), _) | (_, Err(error)) => panic!("{error}"),
    }
}

/// What the first request of a download asks for.
fn first_range() -> u64 {
    let (bucket, key) = names("k");
    let mut session = Session::new(config(), 1);
    session.insert(Download::new(bucket, key), Instant::ZERO);
    match session.poll(Instant::ZERO) {
        Step::Start(attempt) => range_len(attempt),
        step => panic!("a download that begins with {step:?}"),
    }
}

fn range_len(attempt: Attempt) -> u64 {
    let Ready::Send(sendable) = attempt.prepare() else {
        panic!("a download that hashes");
    };
    let request = sendable.request(EPOCH);
    let request = request.unwrap_or_else(|outcome| panic!("{outcome:?}"));
    let range = request.headers().get(http::header::RANGE);
    let last = range
        .and_then(|range| {
            range
                .to_str()
                .ok()?
                .strip_prefix("bytes=0-")?
                .parse::<u64>()
                .ok()
        })
        .unwrap_or_else(|| panic!("a first range that is none: {range:?}"));
    last + 1
}

/// What an upload first asks of a pull source.
fn first_fill(scenario: &Scenario) -> u64 {
    let (bucket, key) = names("k");
    let mut config = config();
    config.memory = scenario.memory;
    config.concurrency = scenario.concurrency;
    let mut session = Session::new(config, 1);
    let length = Length::Unknown { equal_parts: false };
    session.insert(Upload::new(bucket, key, length), Instant::ZERO);
    match session.poll(Instant::ZERO) {
        Step::Fill { len, .. } => len,
        step => panic!("a pull source that is not filled but: {step:?}"),
    }
}
