//! The example `own_executor`: exchanges without an async runtime, against the model server.

#![cfg(unix)]

#[expect(dead_code, reason = "the command line is for people")]
#[path = "../examples/own_executor.rs"]
mod own_executor;

use std::num::NonZeroU64;
use std::time::Duration;

use sans3_core::checksum::Algorithm;
use sans3_core::endpoint::{BucketName, ObjectKey};
use sans3_core::transfer::{Download, Verified};
use sans3_testkit::faults::{Fault, Rule};
use sans3_testkit::model::Operation;
use sans3_testkit::server::{Config, Server};

#[test]
fn a_download_runs_several_exchanges_at_once_on_one_thread() {
    let content: Vec<u8> = (0..=250).cycle().take(5 << 20).collect();
    let server = Server::start(Config::default()).unwrap();
    server.with_model(|model| {
        model.create_bucket("bucket");
        model.put("bucket", "key", content.clone());
    });
    let reset = Fault::ResetMidBody { after: 1000 };
    // Long enough for all that are under way to be seen together.
    let delay = Duration::from_millis(50);
    let late = Fault::DelayHead { delay };
    server.with_faults(|faults| {
        faults.push(Rule::nth(Operation::GetObject, 3, reset));
        faults.push(Rule::every(Operation::GetObject, late));
    });

    let url = server.endpoint_url();
    let address = url.strip_prefix("http://").unwrap().parse().unwrap();
    let (bucket, key) = (BucketName::new("bucket"), ObjectKey::new("key"));
    let mut download = Download::new(bucket.unwrap(), key.unwrap());
    download.part_size = NonZeroU64::new(256 * 1024);

    let (found, bytes) = own_executor::run(address, download).unwrap();
    assert_eq!(found.verified, Verified::FullObject(Algorithm::Crc64Nvme));
    assert!(bytes == content);
    assert!(server.stats().most_concurrent > 1, "{:?}", server.stats());
}
