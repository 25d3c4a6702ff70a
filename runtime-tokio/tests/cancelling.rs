//! Turning away from a transfer leaves nothing behind, here or on the server.

mod common;

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{
    PART, bytes, client, download, eventually, names, owned, root, server, server_with, session,
    stored, upload,
};
use sans3_core::error::{Cause, CredentialsError, SourceError};
use sans3_core::sign::Credentials;
use sans3_testkit::faults::{Fault, Rule};
use sans3_testkit::model::Operation;
use sans3_testkit::server::Server;
use sans3_tokio::{Client, ClientConfig, ProvideCredentials, Replace};

/// A server that takes its time with parts after the first two.
fn slow_server() -> Server {
    let server = server();
    let fault = Fault::DelayHead {
        delay: Duration::from_millis(400),
    };
    let rule = Rule {
        from: 3,
        ..Rule::every(Operation::UploadPart, fault)
    };
    server.with_faults(|faults| faults.push(rule));
    server
}

/// An object that takes ten seconds to come.
fn dripping_server() -> Server {
    let server = server_with(&bytes(3 * PART));
    let drip = Fault::Drip {
        piece: 700,
        pause: Duration::from_millis(100),
    };
    server.with_faults(|faults| faults.push(Rule::every(Operation::GetObject, drip)));
    server
}

async fn until_under_way(server: &Server) {
    eventually("parts are under way", || {
        server.stats().count(Operation::UploadPart) >= 2
    })
    .await;
}

#[tokio::test]
async fn adversary_43_a_cancelled_upload_is_gone_when_its_end_is_told() {
    let server = slow_server();
    let running = client(&server).upload_bytes(upload(), owned(&bytes(20 * PART)));
    until_under_way(&server).await;
    running.cancel();
    let error = running.await.unwrap_err();
    assert_eq!(root(&error), Cause::Cancelled);
    assert_eq!(server.stats().uploads_open, 0);
    assert_eq!(stored(&server), None);
}

#[tokio::test]
async fn an_upload_whose_handle_is_dropped_is_aborted() {
    let server = slow_server();
    let running = client(&server).upload_bytes(upload(), owned(&bytes(20 * PART)));
    until_under_way(&server).await;
    assert_eq!(server.stats().uploads_open, 1);
    drop(running);
    eventually("the upload is aborted", || server.stats().uploads_open == 0).await;
    assert_eq!(stored(&server), None);
}

#[tokio::test]
async fn a_download_whose_handle_is_dropped_leaves_no_file() {
    let server = dripping_server();
    let directory = tempfile::tempdir().unwrap();
    let client = client(&server);
    let path = directory.path().join("target");
    let running = client.download_to_file(download(), &path, Replace::No);
    eventually("a temporary file is there", || {
        !names(directory.path()).is_empty()
    })
    .await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    drop(running);
    eventually("no file is there", || names(directory.path()).is_empty()).await;
}

#[tokio::test]
async fn cancelling_ends_what_is_under_way_at_once() {
    let server = dripping_server();
    let running = client(&server).download_to_memory(download(), 1 << 20);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let began = Instant::now();
    running.cancel();
    assert_eq!(root(&running.await.unwrap_err()), Cause::Cancelled);
    assert!(
        began.elapsed() < Duration::from_millis(500),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn a_source_that_never_gives_anything_can_be_cancelled() {
    let server = server();
    let (silent, reader) = tokio::io::duplex(10);
    let running = client(&server).upload_reader(upload(), reader);
    tokio::time::sleep(Duration::from_millis(50)).await;
    running.cancel();
    assert_eq!(root(&running.await.unwrap_err()), Cause::Cancelled);
    drop(silent);
}

#[tokio::test]
async fn shutting_down_cleans_up_behind_everything() {
    let server = slow_server();
    let directory = tempfile::tempdir().unwrap();
    server.with_model(|model| model.put(common::BUCKET, "other", bytes(3 * PART)));
    let client = client(&server);
    let uploading = client.upload_bytes(upload(), owned(&bytes(20 * PART)));
    let path = directory.path().join("target");
    drop(client.download_to_file(download(), &path, Replace::Yes));
    until_under_way(&server).await;
    client.shutdown().await;
    assert_eq!(server.stats().uploads_open, 0);
    assert!(names(directory.path()).is_empty());
    assert_eq!(root(&uploading.await.unwrap_err()), Cause::Cancelled);
}

#[tokio::test]
async fn adversary_40_a_file_that_changes_while_it_is_sent_is_an_error() {
    let server = slow_server();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("source");
    std::fs::write(&path, bytes(20 * PART)).unwrap();
    let running = client(&server).upload_file(upload(), &path);
    until_under_way(&server).await;
    let longer = bytes(20 * PART + 1);
    std::fs::write(&path, longer).unwrap();
    let error = running.await.unwrap_err();
    assert!(
        matches!(root(&error), Cause::Source(SourceError::Changed(_))),
        "{error}"
    );
    assert_eq!(server.stats().uploads_open, 0);
    assert_eq!(stored(&server), None);
}

#[tokio::test]
async fn adversary_41_a_stream_that_breaks_leaves_nothing_behind() {
    use tokio::io::AsyncReadExt as _;
    struct Broken;
    impl tokio::io::AsyncRead for Broken {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
            _: &mut tokio::io::ReadBuf<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            std::task::Poll::Ready(Err(std::io::Error::other("the disk is gone")))
        }
    }
    let server = server();
    let content = bytes(5 * PART + 9);
    let reader = std::io::Cursor::new(content).chain(Broken);
    let error = client(&server)
        .upload_reader(upload(), reader)
        .await
        .unwrap_err();
    let Cause::Source(SourceError::Read(text)) = root(&error) else {
        panic!("{error}")
    };
    assert_eq!(text, "the disk is gone");
    assert_eq!(server.stats().uploads_open, 0);
    assert_eq!(stored(&server), None);
}

#[tokio::test]
async fn a_client_that_is_dropped_finishes_what_it_has_begun() {
    let server = server();
    let content = bytes(9 * PART);
    let running = client(&server).upload_bytes(upload(), owned(&content));
    running.await.unwrap();
    assert!(stored(&server).unwrap() == content);
}

/// Who is asked for credentials, and never answers.
struct Silent;

impl ProvideCredentials for Silent {
    fn provide(
        &self,
    ) -> Pin<Box<dyn Future<Output = Result<Credentials, CredentialsError>> + Send + '_>> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test(start_paused = true)]
async fn adversary_56_a_provider_that_never_answers_is_given_up() {
    let mut config = ClientConfig::new(session("http://127.0.0.1:9"));
    config.credentials = Some(Arc::new(Silent));
    let client = Client::new(config).unwrap();
    let began = tokio::time::Instant::now();
    let error = client.download_to_memory(download(), 1).await.unwrap_err();
    let Cause::Credentials(error) = root(&error) else {
        panic!("{error}")
    };
    assert!(error.to_string().contains("within 60s"), "{error}");
    assert!(began.elapsed() <= Duration::from_secs(61));
}
