//! What can be done with a transfer that is under way, and turning away from it.

mod common;

use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use common::{
    PART, bucket, bytes, client, download, eventually_blocking, root, server, server_with, session,
    stored, upload,
};
use sans3_blocking::{Client, ClientConfig, Error, Replace};
use sans3_core::error::{Cause, CredentialsError, SourceError};
use sans3_core::operation::HeadBucket;
use sans3_core::sign::Credentials;
use sans3_core::transfer::Upload;
use sans3_testkit::faults::{Fault, Rule};
use sans3_testkit::model::Operation;
use sans3_testkit::server::Server;

/// A server that takes its time with parts after the first two.
fn slow_server() -> Server {
    let server = server();
    let delay = Duration::from_millis(400);
    let rule = Rule {
        from: 3,
        ..Rule::every(Operation::UploadPart, Fault::DelayHead { delay })
    };
    server.with_faults(|faults| faults.push(rule));
    server
}

fn until_under_way(server: &Server) {
    eventually_blocking("parts are under way", || {
        server.stats().count(Operation::UploadPart) >= 2
    });
}

#[test]
fn adversary_43_a_cancelled_upload_is_gone_when_its_end_is_told() {
    let server = slow_server();
    let running = client(&server).upload_bytes(upload(), Bytes::from(bytes(20 * PART)));
    until_under_way(&server);
    running.cancel();
    assert_eq!(root(&running.wait().unwrap_err()), Cause::Cancelled);
    assert_eq!(server.stats().uploads_open, 0);
    assert_eq!(stored(&server), None);
}

#[test]
fn a_transfer_is_waited_for_piece_by_piece() {
    let server = slow_server();
    let mut running = client(&server).upload_bytes(upload(), Bytes::from(bytes(20 * PART)));
    let control = running.control();
    let (mut waits, mut most) = (0, 0);
    let made = loop {
        running = match running.wait_for(Duration::from_millis(20)) {
            Ok(result) => break result.unwrap(),
            Err(running) => running,
        };
        waits += 1;
        assert_eq!(control.progress(), running.progress());
        most = most.max(running.progress().bytes);
    };
    assert!(waits > 5, "{waits}");
    assert!(most >= 2 * PART, "{most}");
    assert_eq!(made.size, 20 * PART);
}

#[test]
fn what_is_dropped_is_cleaned_up_behind() {
    let server = slow_server();
    let running = client(&server).upload_bytes(upload(), Bytes::from(bytes(20 * PART)));
    until_under_way(&server);
    assert_eq!(server.stats().uploads_open, 1);
    drop(running);
    eventually_blocking("the upload is aborted", || server.stats().uploads_open == 0);
    assert_eq!(stored(&server), None);
}

#[test]
fn a_download_that_is_dropped_leaves_no_file() {
    let server = server_with(&bytes(3 * PART));
    server.with_faults(|faults| faults.push(Rule::every(Operation::GetObject, Fault::StallHead)));
    let directory = tempfile::tempdir().unwrap();
    let names = || std::fs::read_dir(directory.path()).unwrap().count();
    let path = directory.path().join("target");
    let running = client(&server).download_to_file(download(), &path, Replace::No);
    assert_eq!(names(), 1, "a temporary file");
    drop(running);
    eventually_blocking("no file is there", || names() == 0);
}

#[test]
fn shutting_down_cleans_up_behind_everything() {
    let server = slow_server();
    let client = client(&server);
    let running = client.upload_bytes(upload(), Bytes::from(bytes(20 * PART)));
    until_under_way(&server);
    client.shutdown();
    assert_eq!(server.stats().uploads_open, 0);
    assert_eq!(root(&running.wait().unwrap_err()), Cause::Cancelled);
    let late = client.call(HeadBucket::new(bucket())).wait();
    assert!(matches!(late, Err(Error::Closed)), "{late:?}");
}

#[test]
fn adversary_41_a_reader_that_breaks_leaves_nothing_behind() {
    struct Broken(u64);
    impl std::io::Read for Broken {
        fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
            self.0 = self
                .0
                .checked_sub(1)
                .ok_or_else(|| std::io::Error::other("the disk is gone"))?;
            Ok(buf.len().min(1000))
        }
    }
    let server = server();
    let running = client(&server).upload_reader(upload(), Broken(5 * PART / 1000));
    let error = running.wait().unwrap_err();
    assert_eq!(
        root(&error),
        Cause::Source(SourceError::Read("the disk is gone".into()))
    );
    assert_eq!(server.stats().uploads_open, 0);
    assert_eq!(stored(&server), None);
}

#[test]
fn adversary_40_a_file_that_changes_while_it_is_sent_is_an_error() {
    let server = slow_server();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("source");
    std::fs::write(&path, bytes(20 * PART)).unwrap();
    let running = client(&server).upload_file(upload(), &path);
    until_under_way(&server);
    std::fs::write(&path, bytes(20 * PART + 1)).unwrap();
    let error = running.wait().unwrap_err();
    assert!(
        matches!(root(&error), Cause::Source(SourceError::Changed(_))),
        "{error}"
    );
    assert_eq!(stored(&server), None);
}

#[test]
fn adversary_25_an_early_refusal_is_read_although_the_body_can_not_be_sent() {
    // More than the buffers of two sockets on loopback take, so that writing must fail.
    let body = Bytes::from(bytes(24 << 20));
    for reset in [false, true] {
        let server = server();
        let refusal = Fault::EarlyAnswer {
            status: 403,
            code: "AccessDenied",
            reset,
        };
        server.with_faults(|faults| faults.push(Rule::every(Operation::PutObject, refusal)));
        let upload = Upload {
            part_size: NonZeroU64::new(64 << 20),
            ..upload()
        };
        let client = client(&server);
        let error = client
            .upload_bytes(upload, body.clone())
            .wait()
            .unwrap_err();
        let Cause::S3(refusal) = root(&error) else {
            panic!("{error}")
        };
        assert_eq!(refusal.code.as_deref(), Some("AccessDenied"));
        assert_eq!(client.stats().connections, 1, "it was not retried");
    }
}

fn with_provider(
    server: &Server,
    provide: impl Fn() -> Result<Credentials, CredentialsError> + Send + Sync + 'static,
) -> Client {
    let mut config = ClientConfig::new(session(&server.endpoint_url()));
    config.credentials = Some(Arc::new(provide));
    Client::new(config).unwrap()
}

#[test]
fn credentials_are_asked_for_once() {
    let server = server();
    let asked = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&asked);
    let client = with_provider(&server, move || {
        count.fetch_add(1, Ordering::Relaxed);
        Ok(Credentials::new("id", "secret", None).unwrap())
    });
    for _ in 0..3 {
        client.call(HeadBucket::new(bucket())).wait().unwrap();
    }
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    assert!(
        client
            .presign(&HeadBucket::new(bucket()), Duration::from_secs(60))
            .is_ok()
    );
}

#[test]
fn a_provider_that_panics_keeps_nobody_waiting() {
    let server = server();
    let client = with_provider(&server, || panic!("on purpose"));
    let began = Instant::now();
    let error = client.call(HeadBucket::new(bucket())).wait().unwrap_err();
    assert!(matches!(root(&error), Cause::Credentials(_)), "{error}");
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
}
