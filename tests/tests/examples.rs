//! The example of an adapter around reqwest, against the model.

#![cfg(unix)]

use std::num::NonZeroU64;

use sans3_core::checksum::Algorithm;
use sans3_core::endpoint::{BucketName, Endpoint, ObjectKey, Region};
use sans3_core::session::{CredentialSource, SessionConfig};
use sans3_core::sign::Credentials;
use sans3_core::transfer::{Download, Length, Upload, Verified};
use sans3_runtime::{ClientConfig, Replace};
use sans3_testkit::faults::{Fault, Rule};
use sans3_testkit::model::{Access, Operation};
use sans3_testkit::server::{Config, Server};

#[expect(dead_code, reason = "a program's main function, and what only it uses")]
#[path = "../examples/reqwest.rs"]
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

/// There and back in four parts, the last of which is short.
async fn carry_out(server: &Server) {
    let bytes: Vec<u8> = (0..17 * (1 << 20) + 77_u32)
        .map(|i| (i.wrapping_mul(i) >> 5).to_le_bytes()[0])
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let (path, copy) = (folder.path().join("file"), folder.path().join("copy"));
    std::fs::write(&path, &bytes).unwrap();

    let region = Region::new("us-east-1").unwrap();
    let endpoint = Endpoint::custom(&server.endpoint_url(), region).unwrap();
    let credentials = Credentials::new(KEY, SECRET, None).unwrap();
    let credentials = CredentialSource::Static(credentials.into());
    let hub = example::open(ClientConfig::new(SessionConfig::new(endpoint, credentials))).unwrap();
    let bucket = BucketName::new("data").unwrap();
    let key = ObjectKey::new("a folder/ünd+ a %41 key").unwrap();
    let part_size = NonZeroU64::new(5 << 20);
    let proof = Verified::FullObject(Algorithm::Crc64Nvme);

    let upload = Upload {
        part_size,
        ..Upload::new(bucket.clone(), key.clone(), Length::Known(0))
    };
    let made = hub.upload_file(upload, &path, &hub.ticket()).await.unwrap();
    assert_eq!((made.parts, made.verified), (4, proof));
    let download = Download {
        part_size,
        ..Download::new(bucket, key)
    };
    let found = hub.download_to_file(download, &copy, Replace::No, &hub.ticket());
    let found = found.await.unwrap();
    assert_eq!((found.parts, found.verified), (4, proof));
    assert!(
        std::fs::read(&copy).unwrap() == bytes,
        "other bytes came back"
    );
}

#[tokio::test]
async fn the_reqwest_adapter_goes_there_and_back() {
    carry_out(&server()).await;
}

#[tokio::test]
async fn the_reqwest_adapter_leaves_retries_to_the_session() {
    let server = server();
    server.with_faults(|faults| {
        faults.push(Rule::nth(Operation::UploadPart, 2, Fault::ResetBeforeHead));
        faults.push(Rule::nth(
            Operation::GetObject,
            2,
            Fault::ResetMidBody { after: 1000 },
        ));
    });
    carry_out(&server).await;
    assert_eq!(server.injected().len(), 2);
}
