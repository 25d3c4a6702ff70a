//! The example of an adapter around reqwest, against the model.

#![cfg(unix)]

use std::fs::File;

use sans3_core::checksum::Algorithm;
use sans3_core::endpoint::{BucketName, Endpoint, ObjectKey, Region};
use sans3_core::sign::Credentials;
use sans3_core::transfer::Verified;
use sans3_testkit::faults::{Fault, Rule};
use sans3_testkit::model::{Access, Operation};
use sans3_testkit::server::{Config, Server};

#[expect(dead_code, reason = "a program's main function, and what only it uses")]
#[path = "../examples/reqwest/main.rs"]
mod example;

const KEY: &str = "AKIDEXAMPLE";
const SECRET: &str = "secret";

fn server() -> Server {
    let mut config = Config::default();
    config.model.access = Access::key(KEY, SECRET);
    let server = Server::start(config).unwrap();
    server.with_model(|model| model.create_bucket("data"));
    server
}

/// Four parts, the last of which is short.
fn carry_out(server: &Server) {
    let bytes: Vec<u8> = (0..17 * (1 << 20) + 77_u32)
        .map(|i| (i.wrapping_mul(i) >> 5).to_le_bytes()[0])
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let (path, copy) = (folder.path().join("file"), folder.path().join("copy"));
    std::fs::write(&path, &bytes).unwrap();
    let region = Region::new("us-east-1").unwrap();
    let done = example::there_and_back(
        Endpoint::custom(&server.endpoint_url(), region).unwrap(),
        BucketName::new("data").unwrap(),
        ObjectKey::new("a folder/ünd+ a %41 key").unwrap(),
        File::open(&path).unwrap(),
        File::create_new(&copy).unwrap(),
        || Ok(Credentials::new(KEY, SECRET, None).unwrap()),
    );
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let (made, found) = runtime.unwrap().block_on(done).unwrap();
    let proof = Verified::FullObject(Algorithm::Crc64Nvme);
    assert_eq!((made.parts, made.verified), (4, proof));
    assert_eq!((found.parts, found.verified), (4, proof));
    assert!(
        std::fs::read(&copy).unwrap() == bytes,
        "other bytes came back"
    );
}

#[test]
fn the_reqwest_adapter_goes_there_and_back() {
    carry_out(&server());
}

#[test]
fn the_reqwest_adapter_leaves_retries_to_the_session() {
    let server = server();
    server.with_faults(|faults| {
        faults.push(Rule::nth(Operation::UploadPart, 2, Fault::ResetBeforeHead));
        faults.push(Rule::nth(
            Operation::GetObject,
            2,
            Fault::ResetMidBody { after: 1000 },
        ));
    });
    carry_out(&server);
    assert_eq!(server.injected().len(), 2);
}
