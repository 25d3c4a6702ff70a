//! Where downloads go: slow consumers, bounded memory, idle clocks, open files.

mod common;

use std::io::{Read as _, Seek as _, SeekFrom};
use std::sync::Arc;
use std::time::Duration;

use common::{PART, bytes, client, download, server_with, session};
use sans3_core::checksum::Algorithm;
use sans3_core::error::Cause;
use sans3_core::transfer::Verified;
use sans3_testkit::faults::{Fault, Rule};
use sans3_testkit::model::Operation;
use sans3_tokio::{Client, ClientConfig, DownloadStream};

async fn read_all(stream: &mut DownloadStream) -> Vec<u8> {
    let mut seen = Vec::new();
    while let Some(piece) = stream.next().await {
        seen.extend_from_slice(&piece.unwrap());
    }
    seen
}

#[tokio::test]
async fn adversary_99_a_consumer_who_pauses_stops_the_server_and_not_the_clock() {
    let content = bytes(32 << 20);
    let server = server_with(&content);
    let client = client(&server);
    let mut stream = client.download_stream(download());
    let first = stream.next().await.unwrap().unwrap();
    // Longer than the idle timeout and the lease of nobody: the consumer's time does not count.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let sent = server.stats().bytes_out;
    // A window of 4 exchanges x 4 parts, and what the sockets hold.
    assert!(
        sent <= 16 * PART + 4 * PART,
        "{sent} bytes were sent to a consumer who sleeps"
    );
    let rest = read_all(&mut stream).await;
    assert!([&first[..], &rest].concat() == content);
    assert!(client.notices().is_empty(), "{:?}", client.notices());
    let peak = client.stats().peak_memory;
    assert!(peak <= 8 << 20, "{peak} bytes were held");
}

#[tokio::test]
async fn a_stream_without_ranges_is_held_up_by_its_consumer_too() {
    // More than the kernel's buffers of one connection take.
    let content = bytes(48 << 20);
    let server = server_with(&content);
    server.with_faults(|faults| faults.push(Rule::every(Operation::GetObject, Fault::IgnoreRange)));
    let client = client(&server);
    let mut stream = client.download_stream(download());
    let first = stream.next().await.unwrap().unwrap();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert!(
        client.stats().peak_memory <= 8 << 20,
        "{:?}",
        client.stats()
    );
    let rest = read_all(&mut stream).await;
    assert!([&first[..], &rest].concat() == content);
}

#[tokio::test]
async fn the_least_memory_is_enough() {
    let content = bytes(20 * PART);
    let server = server_with(&content);
    let mut session = session(&server.endpoint_url());
    session.memory = 1;
    let client = Client::new(ClientConfig::new(session)).unwrap();
    assert!(read_all(&mut client.download_stream(download())).await == content);
}

#[tokio::test]
async fn a_consumer_who_turns_away_ends_the_download() {
    let server = server_with(&bytes(32 << 20));
    let client = client(&server);
    let mut stream = client.download_stream(download());
    stream.next().await.unwrap().unwrap();
    drop(stream);
    tokio::time::timeout(Duration::from_secs(2), client.shutdown())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_stream_ends_in_an_error_if_its_bytes_are_not_the_objects() {
    let content = bytes(5 * PART);
    let server = server_with(&content);
    let flip = Fault::FlipByte { at: 3 };
    common::inject(&server, Operation::GetObject, 4, flip);
    let mut stream = client(&server).download_stream(download());
    let mut last = None;
    while let Some(piece) = stream.next().await {
        last = Some(piece);
    }
    let error = last.unwrap().unwrap_err();
    assert!(
        matches!(common::root(&error), Cause::ChecksumMismatch { .. }),
        "{error}"
    );
    assert_eq!(stream.summary(), None);
    assert!(stream.next().await.is_none(), "nothing follows the error");
}

#[tokio::test]
async fn a_writer_that_fails_ends_the_download() {
    let server = server_with(&bytes(10 * PART));
    let (writer, reader) = tokio::io::duplex(1000);
    drop(reader);
    let error = client(&server)
        .download_to_writer(download(), writer)
        .await
        .unwrap_err();
    assert!(
        error.to_string().starts_with("could not write the output"),
        "{error}"
    );
}

#[tokio::test]
async fn a_download_to_an_open_file_leaves_nothing_behind_its_end() {
    let content = bytes(3 * PART + 5);
    let server = server_with(&content);
    let file = Arc::new(tempfile::tempfile().unwrap());
    file.set_len(4 * PART).unwrap();
    let running = client(&server).download_at(download(), Arc::clone(&file));
    let found = running.await.unwrap();
    assert_eq!(found.verified, Verified::FullObject(Algorithm::Crc64Nvme));
    let mut seen = Vec::new();
    (&*file).seek(SeekFrom::Start(0)).unwrap();
    (&*file).read_to_end(&mut seen).unwrap();
    assert!(seen == content, "{} bytes", seen.len());
}
