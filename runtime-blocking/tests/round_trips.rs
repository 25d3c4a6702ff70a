//! The ways in and out that are this runtime's own, for lengths around every boundary.

mod common;

use std::io::{self, BufRead as _, Cursor, Read, Write as _};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use common::{
    BUCKET, PART, bucket, bytes, client, download, eventually_blocking, lengths, server,
    server_with, stored, trailing, upload,
};
use sans3_blocking::{Client, ClientConfig, Error, Replace};
use sans3_core::checksum::Algorithm;
use sans3_core::operation::ListObjectsV2;
use sans3_core::transfer::Verified;

#[test]
fn downloads_to_a_file_and_to_memory() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("target");
    for len in lengths() {
        let content = bytes(len);
        let server = server_with(&content);
        let client = client(&server);
        let found = client
            .download_to_file(download(), &path, Replace::Yes)
            .wait()
            .unwrap();
        assert_eq!(found.size, len);
        assert_eq!(found.verified, Verified::FullObject(Algorithm::Crc64Nvme));
        assert!(std::fs::read(&path).unwrap() == content, "{len} bytes");
        let (_, memory) = client.download_to_memory(download(), len).wait().unwrap();
        assert!(memory == content, "{len} bytes");
    }
}

#[test]
fn checksums_may_follow_the_bytes() {
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
            let made = uploading.wait().unwrap();
            assert_eq!(made.verified, Verified::FullObject(Algorithm::Crc64Nvme));
            assert!(stored(&server).unwrap() == content, "{len} bytes");
        }
    }
}

#[test]
fn a_stream_is_read_in_order() {
    for len in lengths() {
        let content = bytes(len);
        let server = server_with(&content);
        let mut stream = client(&server).download_stream(download());
        assert!(stream.summary().is_none());
        let mut seen = Vec::new();
        stream.read_to_end(&mut seen).unwrap();
        assert!(seen == content, "{len} bytes");
        assert_eq!(stream.summary().unwrap().size, len);
        assert_eq!(stream.fill_buf().unwrap(), b"", "the end stays the end");
    }
}

#[test]
fn a_stream_gives_the_bytes_as_they_came() {
    let content = bytes(3 * PART);
    let server = server_with(&content);
    let mut stream = client(&server).download_stream(download());
    let mut first = [0; 10];
    stream.read_exact(&mut first).unwrap();
    let mut seen = first.to_vec();
    while let Some(bytes) = stream.next_bytes().unwrap() {
        seen.extend_from_slice(&bytes);
    }
    assert!(seen == content);
}

#[test]
fn a_failed_stream_says_why() {
    let server = server();
    let mut stream = client(&server).download_stream(download());
    let error = stream.read(&mut [0]).unwrap_err();
    let inner = error.get_ref().unwrap().downcast_ref::<Error>().unwrap();
    assert!(inner.to_string().contains("NoSuchKey"), "{inner}");
}

/// Keeps what is written, and can be looked at meanwhile.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl io::Write for Kept {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn downloads_to_a_writer() {
    let content = bytes(11 * PART + 77);
    let server = server_with(&content);
    let kept = Kept::default();
    let found = client(&server)
        .download_to_writer(download(), kept.clone())
        .wait()
        .unwrap();
    assert_eq!(found.size, content.len() as u64);
    assert!(*kept.0.lock().unwrap() == content);
}

#[test]
fn a_writer_that_fails_ends_the_download() {
    let server = server_with(&bytes(2 * PART));
    let short = Cursor::new(Box::<[u8]>::from([0; 100]));
    let error = client(&server)
        .download_to_writer(download(), short)
        .wait()
        .unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");
}

#[test]
fn uploads_bytes_files_and_readers() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("source");
    for len in lengths() {
        let content = bytes(len);
        std::fs::write(&path, &content).unwrap();
        let server = server();
        let client = client(&server);
        for way in 0..3 {
            let running = match way {
                0 => client.upload_bytes(upload(), Bytes::from(content.clone())),
                1 => client.upload_file(upload(), &path),
                _ => client.upload_reader(upload(), Cursor::new(content.clone())),
            };
            assert_eq!(running.wait().unwrap().size, len);
            assert!(
                stored(&server).unwrap() == content,
                "{len} bytes, way {way}"
            );
        }
    }
}

#[test]
fn what_is_written_is_stored_when_it_is_finished() {
    for len in lengths() {
        let content = bytes(len);
        let server = server();
        let mut writer = client(&server).upload_writer(upload());
        let (copied, rest) = content.split_at(content.len() / 3);
        let (owned, placed) = rest.split_at(rest.len() / 2);
        writer.write_all(copied).unwrap();
        writer.write_owned(Bytes::copy_from_slice(owned)).unwrap();
        for piece in placed.chunks(1000) {
            writer.reserve(1000).unwrap()[..piece.len()].copy_from_slice(piece);
            writer.commit(piece.len());
        }
        assert!(stored(&server).is_none());
        assert_eq!(writer.finish().unwrap().size, len);
        assert!(stored(&server).unwrap() == content, "{len} bytes");
    }
}

#[test]
fn nothing_is_left_of_a_writer_that_is_dropped_or_aborted() {
    let content = bytes(3 * PART);
    for abort in [true, false] {
        let server = server();
        let client = client(&server);
        let mut writer = client.upload_writer(upload());
        writer.write_all(&content).unwrap();
        if abort {
            writer.abort().unwrap();
        } else {
            drop(writer);
            client.shutdown();
        }
        assert!(stored(&server).is_none());
        assert_eq!(server.with_model(|model| model.uploads().count()), 0);
    }
}

#[test]
fn pages_are_an_iterator() {
    let server = server();
    for index in 0..5 {
        let key = format!("k{index}");
        server.with_model(|model| model.put(BUCKET, &key, vec![0; 3]));
    }
    let request = ListObjectsV2 {
        max_keys: Some(2),
        ..ListObjectsV2::new(bucket())
    };
    let pages: Result<Vec<_>, _> = client(&server).list(request).collect();
    let pages = pages.unwrap();
    assert_eq!(pages.len(), 3);
    assert_eq!(
        pages.iter().map(|page| page.objects.len()).sum::<usize>(),
        5
    );
}

#[test]
fn transfers_of_many_threads_share_a_client() {
    let content = bytes(5 * PART);
    let server = server_with(&content);
    let client = client(&server);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let (_, memory) = client
                    .download_to_memory(download(), 1 << 20)
                    .wait()
                    .unwrap();
                assert!(memory == content);
            });
        }
    });
    eventually_blocking("no connection beyond the bound", || {
        client.stats().connections <= 5
    });
}
