//! What is particular to this runtime: readers and writers of `futures-io`, streams, executors.

mod common;

use std::io::{Read as _, Seek as _, SeekFrom};
use std::sync::Arc;
use std::thread;

use common::{PART, bytes, client, download, eventually, lengths, owned, server, server_with};
use common::{root, session, stored, trailing, upload};
use sans3_core::checksum::Algorithm;
use sans3_core::error::{Cause, CredentialsError};
use sans3_core::sign::Credentials;
use sans3_core::transfer::Verified;
use sans3_smol::{Client, ClientConfig, Error, ProvideCredentials, Replace};
use sans3_testkit::faults::{Fault, Rule};
use sans3_testkit::model::{Access, Operation};
use sans3_testkit::server::{Config, Server};
use smol::io::{AsyncReadExt as _, AsyncWriteExt as _, Cursor};
use smol::net::{TcpListener, TcpStream};
use smol::stream::StreamExt as _;
use smol::{Executor, block_on, channel, future};

#[test]
fn a_download_is_a_stream_of_bytes() {
    for len in lengths() {
        let content = bytes(len);
        let server = server_with(&content);
        let mut stream = client(&server).download_stream(download());
        let seen = block_on(async {
            let pieces = (&mut stream).try_collect::<_, _, Vec<_>>().await;
            pieces.unwrap().concat()
        });
        assert!(seen == content, "{len} bytes");
        let summary = stream.summary().unwrap();
        assert_eq!(summary.size, len);
        assert_eq!(summary.verified, Verified::FullObject(Algorithm::Crc64Nvme));
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
            let made = block_on(uploading).unwrap();
            assert_eq!(made.verified, Verified::FullObject(Algorithm::Crc64Nvme));
            assert!(stored(&server).unwrap() == content, "{len} bytes");
        }
    }
}

#[test]
fn a_download_is_a_reader_too() {
    let content = bytes(3 * PART + 5);
    let server = server_with(&content);
    let mut stream = client(&server).download_stream(download());
    let seen = block_on(async {
        let mut seen = vec![0; 10];
        stream.read_exact(&mut seen).await.unwrap();
        // A reader's rest of a piece is not lost to the stream.
        seen.extend_from_slice(&stream.next().await.unwrap().unwrap());
        stream.read_to_end(&mut seen).await.unwrap();
        seen
    });
    assert!(seen == content);
    assert!(stream.summary().is_some());
}

#[test]
fn a_reader_sees_an_error_instead_of_the_end() {
    let server = server_with(&bytes(3 * PART));
    let cut = Fault::TruncateBody { after: 100 };
    server.with_faults(|faults| faults.push(Rule::every(Operation::GetObject, cut)));
    let mut stream = client(&server).download_stream(download());
    let error = block_on(stream.read_to_end(&mut Vec::new())).unwrap_err();
    let error = error.downcast::<Error>().unwrap();
    assert!(matches!(error, Error::Transfer(_)), "{error}");
    assert!(stream.summary().is_none());
}

#[test]
fn a_download_to_an_open_file_leaves_nothing_behind_its_end() {
    let content = bytes(3 * PART + 5);
    let server = server_with(&content);
    let file = Arc::new(tempfile::tempfile().unwrap());
    file.set_len(4 * PART).unwrap();
    let running = client(&server).download_at(download(), Arc::clone(&file));
    let found = block_on(running).unwrap();
    assert_eq!(found.verified, Verified::FullObject(Algorithm::Crc64Nvme));
    let mut seen = Vec::new();
    (&*file).seek(SeekFrom::Start(0)).unwrap();
    (&*file).read_to_end(&mut seen).unwrap();
    assert!(seen == content, "{} bytes", seen.len());
}

#[test]
fn downloads_to_a_writer_and_to_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("target");
    for len in lengths() {
        let content = bytes(len);
        let server = server_with(&content);
        let client = client(&server);
        let (mut reader, writer) = block_on(connection());
        let running = client.download_to_writer(download(), writer);
        let mut seen = Vec::new();
        block_on(reader.read_to_end(&mut seen)).unwrap();
        assert_eq!(block_on(running).unwrap().size, len);
        assert!(seen == content, "{len} bytes by a writer");

        let running = client.download_to_file(download(), &path, Replace::Yes);
        assert_eq!(block_on(running).unwrap().size, len);
        assert!(std::fs::read(&path).unwrap() == content, "{len} bytes");
        assert_eq!(common::names(directory.path()), ["target"]);
    }
}

/// Both ends of a connection.
async fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let one = TcpStream::connect(listener.local_addr().unwrap()).await;
    (one.unwrap(), listener.accept().await.unwrap().0)
}

#[test]
fn uploads_files_bytes_and_readers() {
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
            assert_eq!(block_on(running).unwrap().size, len);
            assert!(stored(&server).unwrap() == content, "{len} bytes by {way}");
        }
        assert_eq!(server.stats().uploads_open, 0);
    }
}

#[test]
fn uploads_what_is_written_owned_reserved_and_copied() {
    let content = bytes(11 * PART + 77);
    let server = server();
    let mut writer = client(&server).upload_writer(upload());
    block_on(async {
        let mut rest = &content[..];
        for turn in 0.. {
            let (piece, behind) = rest.split_at(rest.len().min(10_007));
            match turn % 3 {
                0 => writer.write_all(piece).await.unwrap(),
                1 => writer.write_owned(owned(piece)).await.unwrap(),
                _ => {
                    // More is reserved than is needed.
                    let place = writer.reserve(20_000).await.unwrap();
                    place[..piece.len()].copy_from_slice(piece);
                    writer.commit(piece.len());
                }
            }
            rest = behind;
            if rest.is_empty() {
                break;
            }
        }
        writer.close().await.unwrap();
        assert_eq!(stored(&server), None, "nothing before it is finished");
        let made = writer.finish().await.unwrap();
        assert_eq!(made.size, content.len() as u64);
    });
    assert!(stored(&server).unwrap() == content);
}

#[test]
fn a_writer_that_is_dropped_or_aborted_stores_nothing() {
    let server = server();
    let client = client(&server);
    let content = bytes(5 * PART);
    block_on(async {
        let mut dropped = client.upload_writer(upload());
        dropped.write_all(&content).await.unwrap();
        let mut aborted = client.upload_writer(upload());
        aborted.write_all(&content).await.unwrap();
        drop(dropped);
        aborted.abort().await.unwrap();
        eventually("no upload is left", || server.stats().uploads_open == 0).await;
    });
    assert_eq!(stored(&server), None);
}

#[test]
fn an_upload_that_is_cancelled_or_dropped_is_gone_from_the_server() {
    let server = server();
    let slow = Fault::DelayHead {
        delay: std::time::Duration::from_millis(400),
    };
    let rule = Rule {
        from: 3,
        ..Rule::every(Operation::UploadPart, slow)
    };
    server.with_faults(|faults| faults.push(rule));
    let client = client(&server);
    block_on(async {
        let content = owned(&bytes(20 * PART));
        let running = client.upload_bytes(upload(), content.clone());
        let parts = || server.stats().count(Operation::UploadPart);
        eventually("parts are under way", || parts() >= 2).await;
        running.cancel();
        let error = running.await.unwrap_err();
        assert_eq!(root(&error), Cause::Cancelled);
        assert_eq!(server.stats().uploads_open, 0, "gone when its end is told");

        let before = parts();
        let running = client.upload_bytes(upload(), content);
        eventually("parts are under way", || parts() >= before + 2).await;
        drop(running);
        eventually("it is aborted", || server.stats().uploads_open == 0).await;
    });
    assert_eq!(stored(&server), None);
}

#[test]
fn an_executor_of_ones_own_runs_on_as_many_threads_as_one_likes() {
    let content = bytes(40 * PART);
    let server = server_with(&content);
    let executor = Arc::new(Executor::new());
    let config = ClientConfig::new(session(&server.endpoint_url()));
    let client = Client::with_executor(config, Arc::clone(&executor)).unwrap();
    let (stop, stopped) = channel::bounded::<()>(1);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| block_on(executor.run(stopped.recv())).unwrap_err());
        }
        let (_, bytes) = block_on(client.download_to_memory(download(), 1 << 24)).unwrap();
        assert!(bytes == content);
        block_on(client.upload_bytes(upload(), bytes)).unwrap();
        drop(stop);
    });
    assert!(stored(&server).unwrap() == content);
    assert!(server.stats().most_concurrent <= 4, "the bound");
}

#[test]
fn nothing_moves_on_an_executor_that_nobody_runs_and_all_ends_with_it() {
    let server = server_with(&bytes(PART));
    let executor = Arc::new(Executor::new());
    let config = ClientConfig::new(session(&server.endpoint_url()));
    let client = Client::with_executor(config, Arc::clone(&executor)).unwrap();
    let mut running = client.download_to_memory(download(), 1 << 20);
    assert!(block_on(future::poll_once(&mut running)).is_none());
    let alive = Arc::downgrade(&executor);
    drop(executor);
    assert!(alive.upgrade().is_some(), "the client needs it");
    drop(client);
    assert!(alive.upgrade().is_none(), "its own tasks do not keep it");
    let result = block_on(running);
    assert!(matches!(result, Err(Error::Closed)), "{result:?}");
    assert_eq!(server.stats().total(), 0);
}

#[test]
fn nothing_runs_after_a_shutdown() {
    let server = server_with(&bytes(PART));
    let client = client(&server);
    block_on(client.shutdown());
    let result = block_on(client.download_to_memory(download(), 1 << 20));
    assert!(matches!(result, Err(Error::Closed)), "{result:?}");
}

#[test]
fn credentials_are_asked_of_their_provider() {
    let mut config = Config::default();
    config.model.access = Access::key("AKIAEXAMPLE", "secret");
    let server = Server::start(config).unwrap();
    server.with_model(|model| model.create_bucket(common::BUCKET));
    let client = |provider: Arc<dyn ProvideCredentials>| {
        let mut config = ClientConfig::new(session(&server.endpoint_url()));
        config.credentials = Some(provider);
        Client::new(config).unwrap()
    };
    let good = || Ok(Credentials::new("AKIAEXAMPLE", "secret", None).unwrap());
    let upload = || client(Arc::new(good)).upload_bytes(upload(), owned(b"x"));
    assert_eq!(block_on(upload()).unwrap().size, 1);

    let none = || Err(CredentialsError("none today".into()));
    let error = block_on(client(Arc::new(none)).download_to_memory(download(), 1)).unwrap_err();
    assert!(error.to_string().contains("none today"), "{error}");

    // One that panics must not keep anybody waiting.
    let lost = || -> Result<Credentials, CredentialsError> { panic!("on purpose") };
    let error = block_on(client(Arc::new(lost)).download_to_memory(download(), 1)).unwrap_err();
    assert!(error.to_string().contains("lost"), "{error}");
}
