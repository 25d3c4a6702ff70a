//! Every way in and every way out, for lengths around every boundary.

mod common;

use std::io::Cursor;
use std::sync::{Arc, Mutex};

use common::{
    PART, bytes, client, download, eventually, lengths, names, owned, server, server_with, stored,
    trailing, upload,
};
use sans3_core::checksum::Algorithm;
use sans3_core::etag::ETag;
use sans3_core::operation::{HeadObject, ListObjectsV2};
use sans3_core::transfer::{Download, Verified};
use sans3_tokio::{Client, ClientConfig, Error, Replace};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

#[tokio::test]
async fn downloads_to_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("target");
    for len in lengths() {
        let content = bytes(len);
        let server = server_with(&content);
        let found = client(&server)
            .download_to_file(download(), &path, Replace::Yes)
            .await
            .unwrap();
        assert_eq!(found.size, len);
        assert_eq!(found.verified, Verified::FullObject(Algorithm::Crc64Nvme));
        assert!(std::fs::read(&path).unwrap() == content, "{len} bytes");
        assert_eq!(names(directory.path()), ["target"]);
    }
}

#[tokio::test]
async fn checksums_may_follow_the_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("source");
    for len in lengths() {
        let content = bytes(len);
        std::fs::write(&path, &content).unwrap();
        for from_file in [true, false] {
            let server = server();
            let config = ClientConfig::new(trailing(&server.endpoint_url()));
            let client = Client::new(config).unwrap();
            let uploading = if from_file {
                client.upload_file(upload(), &path)
            } else {
                client.upload_bytes(upload(), content.clone().into())
            };
            let made = uploading.await.unwrap();
            assert_eq!(made.verified, Verified::FullObject(Algorithm::Crc64Nvme));
            assert!(stored(&server).unwrap() == content, "{len} bytes");
        }
    }
}

#[tokio::test]
async fn downloads_to_memory_up_to_a_limit() {
    for len in lengths() {
        let content = bytes(len);
        let server = server_with(&content);
        let client = client(&server);
        let (found, memory) = client.download_to_memory(download(), len).await.unwrap();
        assert_eq!(found.size, len);
        assert!(memory == content, "{len} bytes");
        if len > 0 {
            let error = client
                .download_to_memory(download(), len - 1)
                .await
                .unwrap_err();
            assert!(error.to_string().contains("at most"), "{error}");
        }
    }
}

#[tokio::test]
async fn streams_in_order() {
    for len in lengths() {
        let content = bytes(len);
        let server = server_with(&content);
        let mut stream = client(&server).download_stream(download());
        let mut seen = Vec::new();
        while let Some(piece) = stream.next().await {
            seen.extend_from_slice(&piece.unwrap());
        }
        assert!(seen == content, "{len} bytes");
        let summary = stream.summary().unwrap();
        assert_eq!(summary.size, len);
        assert_eq!(summary.verified, Verified::FullObject(Algorithm::Crc64Nvme));
    }
}

#[tokio::test]
async fn reads_in_order_and_never_mistakes_an_error_for_the_end() {
    let content = bytes(3 * PART + 5);
    let server = server_with(&content);
    let mut stream = client(&server).download_stream(download());
    let (mut first, mut rest) = ([0; 7], Vec::new());
    stream.read_exact(&mut first).await.unwrap();
    stream.read_to_end(&mut rest).await.unwrap();
    assert!([&first[..], &rest].concat() == content);
    assert_eq!(stream.summary().unwrap().size, content.len() as u64);

    let nothing = Download {
        if_match: ETag::new("\"other\"").ok(),
        ..download()
    };
    let mut stream = client(&server).download_stream(nothing);
    for _ in 0..3 {
        stream.read(&mut first).await.unwrap_err();
    }
    assert_eq!(stream.summary(), None);
}

#[tokio::test]
async fn downloads_to_a_writer() {
    for len in lengths() {
        let content = bytes(len);
        let server = server_with(&content);
        let (writer, mut reader) = tokio::io::duplex(1000);
        let running = client(&server).download_to_writer(download(), writer);
        let mut seen = Vec::new();
        tokio::io::AsyncReadExt::read_to_end(&mut reader, &mut seen)
            .await
            .unwrap();
        assert_eq!(running.await.unwrap().size, len);
        assert!(seen == content, "{len} bytes");
    }
}

#[tokio::test]
async fn uploads_files_bytes_and_streams() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("source");
    for len in lengths() {
        let content = bytes(len);
        std::fs::write(&path, &content).unwrap();
        let server = server();
        let client = client(&server);
        let runs = [
            client.upload_file(upload(), &path),
            client.upload_bytes(upload(), owned(&content)),
            client.upload_reader(upload(), Cursor::new(content.clone())),
        ];
        for (way, running) in ["file", "bytes", "reader"].iter().zip(runs) {
            let made = running.await.unwrap();
            assert_eq!(made.size, len);
            assert!(stored(&server).unwrap() == content, "{len} bytes by {way}");
        }
        assert_eq!(server.stats().uploads_open, 0);
    }
}

#[tokio::test]
async fn uploads_what_is_written() {
    for len in lengths() {
        let content = bytes(len);
        let server = server();
        let mut writer = client(&server).upload_writer(upload());
        for piece in content.chunks(10_007) {
            writer.write_all(piece).await.unwrap();
        }
        writer.flush().await.unwrap();
        assert_eq!(stored(&server), None, "nothing before it is finished");
        assert_eq!(writer.finish().await.unwrap().size, len);
        assert!(stored(&server).unwrap() == content, "{len} bytes");
    }
}

#[tokio::test]
async fn a_writer_that_is_dropped_or_aborted_stores_nothing() {
    let server = server();
    let client = client(&server);
    let content = bytes(5 * PART);
    let mut dropped = client.upload_writer(upload());
    dropped.write_all(&content).await.unwrap();
    let mut aborted = client.upload_writer(upload());
    aborted.write_all(&content).await.unwrap();
    drop(dropped);
    aborted.abort().await.unwrap();
    eventually("no upload is left", || server.stats().uploads_open == 0).await;
    assert_eq!(stored(&server), None);
}

#[tokio::test]
async fn one_client_carries_many_transfers_at_once() {
    let server = server_with(&bytes(3 * PART));
    let client = client(&server);
    let found = Arc::new(Mutex::new(0));
    let runs: Vec<_> = (0..200)
        .map(|_| {
            let (client, found) = (client.clone(), Arc::clone(&found));
            tokio::spawn(async move {
                let (_, memory) = client
                    .download_to_memory(download(), 1 << 20)
                    .await
                    .unwrap();
                *found.lock().unwrap() += memory.len() as u64;
            })
        })
        .collect();
    for run in runs {
        run.await.unwrap();
    }
    assert_eq!(*found.lock().unwrap(), 200 * 3 * PART);
    assert!(
        server.stats().most_concurrent <= 4,
        "the bound on exchanges"
    );
}

#[tokio::test]
async fn lists_page_by_page_and_calls() {
    let server = server();
    server.with_model(|model| {
        for index in 0..25 {
            model.put(common::BUCKET, &format!("k{index:02}"), "x");
        }
    });
    let client = client(&server);
    let request = ListObjectsV2 {
        max_keys: Some(10),
        ..ListObjectsV2::new(common::bucket())
    };
    let mut pages = client.list(request);
    let mut sizes = Vec::new();
    while let Some(page) = pages.next().await {
        sizes.push(page.unwrap().objects.len());
    }
    assert_eq!(sizes, [10, 10, 5]);
    let error = client
        .call(HeadObject::new(common::bucket(), common::key()))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Transfer(_)), "{error}");
}

#[tokio::test]
async fn nothing_runs_after_a_shutdown() {
    let server = server_with(&bytes(PART));
    let client = client(&server);
    client.shutdown().await;
    let result = client.download_to_memory(download(), 1 << 20).await;
    assert!(matches!(result, Err(Error::Closed)), "{result:?}");
}
