//! A test's thread pretends to be the child: to its own memory that is as if it had forked.

use std::cell::Cell;
use std::io::{BufRead as _, Write as _};
use std::num::{NonZeroU16, NonZeroU64};
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use sans3_core::endpoint::{BucketName, Endpoint, ObjectKey, Region};
use sans3_core::session::{CredentialSource, SessionConfig};
use sans3_core::transfer::{Download, Length, Upload};
use sans3_testkit::faults::{Fault, Rule};
use sans3_testkit::model::Operation;
use sans3_testkit::server::{Config, Server};

use crate::{Client, ClientConfig, Error, Replace};

thread_local! {
    static PROCESS: Cell<u32> = const { Cell::new(1) };
}

/// Which process this thread is in.
pub(super) fn process() -> u32 {
    PROCESS.get()
}

fn server() -> Server {
    let server = Server::start(Config::default()).unwrap();
    server.with_model(|model| {
        model.create_bucket("bucket");
        model.put("bucket", "key", vec![7; 1000]);
    });
    server
}

fn client(server: &Server) -> Client {
    let endpoint = Endpoint::custom(&server.endpoint_url(), Region::new("us-east-1").unwrap());
    let mut session = SessionConfig::new(endpoint.unwrap(), CredentialSource::Anonymous);
    // One connection at a time is enough.
    session.concurrency = NonZeroU16::MIN.into();
    Client::new(ClientConfig::new(session)).unwrap()
}

fn names() -> (BucketName, ObjectKey) {
    let key = ObjectKey::new("key").unwrap();
    (BucketName::new("bucket").unwrap(), key)
}

fn download() -> Download {
    let (bucket, key) = names();
    Download {
        part_size: NonZeroU64::new(1 << 20),
        ..Download::new(bucket, key)
    }
}

fn upload() -> Upload {
    let (bucket, key) = names();
    Upload::new(bucket, key, Length::Unknown { equal_parts: true })
}

fn fetch(client: &Client) -> Result<usize, Error> {
    let running = client.download_to_memory(download(), 1 << 20);
    running.wait().map(|(_, bytes)| bytes.len())
}

#[test]
fn a_fresh_client_goes_on_in_the_child() {
    let server = server();
    let client = client(&server);
    PROCESS.set(2);
    assert_eq!(fetch(&client).unwrap(), 1000);
    assert_eq!(fetch(&client).unwrap(), 1000);
    assert_eq!(server.stats().connections, 1);
    client.shutdown();
    assert!(matches!(fetch(&client), Err(Error::Closed)));
}

#[test]
fn a_client_between_transfers_goes_on_without_the_connections_of_its_parent() {
    let server = server();
    let client = client(&server);
    let parents = fetch(&client).and_then(|_| fetch(&client));
    assert_eq!(parents.unwrap(), 1000);
    assert_eq!(server.stats().connections, 1, "it is kept");
    PROCESS.set(2);
    assert_eq!(fetch(&client).unwrap(), 1000);
    assert_eq!(server.stats().connections, 2, "the child has its own");
    assert_eq!(fetch(&client).unwrap(), 1000);
    assert_eq!(server.stats().connections, 2, "and keeps it");
}

#[test]
fn a_transfer_under_way_stays_with_the_parent() {
    let server = server();
    let delay = Duration::from_millis(300);
    let slow = Fault::DelayHead { delay };
    server.with_faults(|faults| faults.push(Rule::every(Operation::GetObject, slow)));
    let client = client(&server);
    let directory = tempfile::tempdir().unwrap();
    let to_file =
        |name| client.download_to_file(download(), &directory.path().join(name), Replace::No);
    let (kept, waited, dropped) = (to_file("kept"), to_file("waited"), to_file("dropped"));
    let mut stream = client.download_stream(download());
    let mut writer = client.upload_writer(upload());
    writer.write_all(b"bytes").unwrap();
    let (aborted, unwritten) = (
        client.upload_writer(upload()),
        client.upload_writer(upload()),
    );
    let (files, process) = (files(directory.path()), PROCESS.replace(2));

    assert!(matches!(waited.wait(), Err(Error::Closed)));
    drop(dropped);
    assert!(stream.fill_buf().is_err());
    drop(stream);
    assert!(writer.write_all(b"bytes").is_err());
    assert!(matches!(writer.finish(), Err(Error::Closed)));
    assert!(matches!(aborted.abort(), Err(Error::Closed)));
    drop(unwritten);
    kept.cancel();
    assert_eq!(kept.progress().bytes, 0);
    assert!(matches!(fetch(&client), Err(Error::Closed)));
    let late = client.upload_bytes(upload(), Bytes::new());
    assert!(matches!(late.wait(), Err(Error::Closed)));
    let mut late = client.upload_writer(upload());
    while late.write_all(&[0; 1 << 16]).is_ok() {}
    assert!(matches!(late.finish(), Err(Error::Closed)));
    drop(client.clone());
    client.shutdown();
    assert_eq!(
        self::files(directory.path()),
        files,
        "all of them are the parent's"
    );

    // Nothing of that is seen by the parent.
    PROCESS.set(process);
    assert_eq!(kept.wait().unwrap().size, 1000);
    assert!(directory.path().join("kept").exists());
}

/// How many files are in a directory, or about to be.
fn files(directory: &Path) -> usize {
    std::fs::read_dir(directory).unwrap().count()
}
