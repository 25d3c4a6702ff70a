//! What servers and networks do to a transfer.

mod common;

use std::time::{Duration, Instant};

use common::{
    KEY, PART, bytes, client, download, eventually, inject, names, owned, root, server,
    server_with, session, stored, upload,
};
use sans3_core::error::{Cause, TransportErrorKind};
use sans3_testkit::faults::{Fault, Rule};
use sans3_testkit::model::Operation;
use sans3_testkit::script::{ScriptServer, Step};
use sans3_tokio::{Client, ClientConfig, Replace};

#[tokio::test]
async fn adversary_7_after_a_reset_only_the_tail_is_asked_for_again() {
    let content = bytes(3 * PART);
    for fault in [
        Fault::ResetMidBody { after: 50_000 },
        Fault::TruncateBody { after: 50_000 },
    ] {
        let server = server_with(&content);
        inject(&server, Operation::GetObject, 2, fault);
        let (found, memory) = client(&server)
            .download_to_memory(download(), 1 << 20)
            .await
            .unwrap();
        assert!(memory == content);
        assert_eq!(found.size, 3 * PART);
        // What a reset destroys on its way may be asked for again.
        let sent = || server.stats().bytes_out;
        eventually("all is counted", || sent() >= found.size).await;
        assert!(
            sent() <= found.size + 20_000,
            "{} bytes for {}",
            sent(),
            found.size
        );
        assert_eq!(server.stats().count(Operation::GetObject), 4);
    }
}

#[tokio::test]
async fn adversary_25_an_early_refusal_is_read_although_the_body_can_not_be_sent() {
    // More than the buffers of two sockets on loopback take, so that writing must fail.
    let body = owned(&bytes(24 << 20));
    for reset in [false, true] {
        let server = server();
        let refusal = Fault::EarlyAnswer {
            status: 403,
            code: "AccessDenied",
            reset,
        };
        server.with_faults(|faults| faults.push(Rule::every(Operation::PutObject, refusal)));
        let upload = sans3_core::transfer::Upload {
            part_size: std::num::NonZeroU64::new(64 << 20),
            ..upload()
        };
        let client = client(&server);
        let error = client.upload_bytes(upload, body.clone()).await.unwrap_err();
        let Cause::S3(refusal) = root(&error) else {
            panic!("{error}")
        };
        assert_eq!(
            (refusal.status, refusal.code.as_deref()),
            (403, Some("AccessDenied"))
        );
        assert_eq!(client.stats().connections, 1, "it was not retried");
    }
}

#[tokio::test]
async fn a_head_that_never_comes_is_given_up_and_retried() {
    let content = bytes(PART);
    let server = server_with(&content);
    inject(&server, Operation::GetObject, 1, Fault::StallHead);
    let began = Instant::now();
    let client = client(&server);
    let (_, memory) = client
        .download_to_memory(download(), 1 << 20)
        .await
        .unwrap();
    assert!(memory == content);
    assert!(
        began.elapsed() >= Duration::from_millis(800),
        "{:?}",
        began.elapsed()
    );
    let notices = client.notices();
    assert!(
        matches!(
            &notices[0].cause,
            Cause::Transport {
                kind: TransportErrorKind::HeadTimeout,
                ..
            }
        ),
        "{notices:?}"
    );
}

#[tokio::test]
async fn adversary_23_a_body_that_stalls_is_given_up_and_its_tail_retried() {
    let content = bytes(2 * PART);
    let server = server_with(&content);
    inject(
        &server,
        Operation::GetObject,
        1,
        Fault::StallBody { after: 1000 },
    );
    let client = client(&server);
    let (found, memory) = client
        .download_to_memory(download(), 1 << 20)
        .await
        .unwrap();
    assert!(memory == content);
    eventually("all is counted", || server.stats().bytes_out == found.size).await;
    let notices = client.notices();
    assert!(
        matches!(
            &notices[0].cause,
            Cause::Transport {
                kind: TransportErrorKind::IdleTimeout,
                ..
            }
        ),
        "{notices:?}"
    );
}

#[tokio::test]
async fn an_upload_that_nobody_reads_runs_into_the_idle_timeout() {
    let server = ScriptServer::start(vec![
        vec![Step::Head, Step::Sleep(Duration::from_secs(3))];
        2
    ])
    .unwrap();
    let mut session = session(&server.endpoint_url());
    session.retry.max_attempts = std::num::NonZeroU32::new(2).unwrap();
    session.part_attempts = std::num::NonZeroU32::new(2).unwrap();
    session.timeouts.head = Duration::from_secs(60);
    let client = Client::new(ClientConfig::new(session)).unwrap();
    let upload = sans3_core::transfer::Upload {
        part_size: std::num::NonZeroU64::new(64 << 20),
        ..upload()
    };
    let error = client
        .upload_bytes(upload, owned(&bytes(32 << 20)))
        .await
        .unwrap_err();
    let notices = client.notices();
    assert!(
        matches!(
            &notices[0].cause,
            Cause::Transport {
                kind: TransportErrorKind::IdleTimeout,
                ..
            }
        ),
        "{error}: {notices:?}"
    );
}

#[tokio::test]
async fn adversary_24_heads_beyond_the_limits_are_refused() {
    let long = format!("HTTP/1.1 200 OK\r\nx-long: {}\r\n\r\n", "x".repeat(70_000));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x-field: y\r\n".repeat(129));
    let endless = format!("HTTP/1.1 200 OK\r\n{}", "x-field: y\r\n".repeat(100_000));
    let storm = "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(100_000);
    for head in [long, many, endless, storm] {
        let cause = answered_by(head.clone().into_bytes()).await;
        let Cause::Transport { kind, detail, .. } = cause else {
            panic!("{cause}")
        };
        let text = &head[..60];
        assert_eq!(kind, TransportErrorKind::HeadTooLarge, "{detail}: {text}");
    }
}

#[tokio::test]
async fn a_head_within_the_limits_is_taken_and_interim_answers_are_passed_over() {
    let interim = "HTTP/1.1 103 Early Hints\r\nlink: <x>\r\n\r\n".repeat(20);
    let fields = "x-field: y\r\n".repeat(100);
    let refusal = format!("{interim}HTTP/1.1 404 Not Found\r\n{fields}content-length: 0\r\n\r\n");
    let cause = answered_by(refusal.into_bytes()).await;
    assert!(
        matches!(&cause, Cause::S3(error) if error.status == 404),
        "{cause}"
    );
}

#[tokio::test]
async fn what_is_no_http_is_named_so() {
    let cases: [&[u8]; 3] = [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n",
    ];
    for answer in cases {
        let cause = answered_by(answer.to_vec()).await;
        let is_bad = matches!(
            &cause,
            Cause::Transport {
                kind: TransportErrorKind::BadHttp,
                ..
            } | Cause::Violation(_)
        );
        assert!(is_bad, "{cause}: {}", answer.escape_ascii());
    }
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_named() {
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let mut session = session(&format!("http://{free}"));
    session.retry.max_attempts = std::num::NonZeroU32::MIN;
    let client = Client::new(ClientConfig::new(session)).unwrap();
    let error = client.call(head()).await.unwrap_err();
    let Cause::Transport { kind, detail, .. } = root(&error) else {
        panic!("{error}")
    };
    assert_eq!(kind, TransportErrorKind::Connect);
    assert!(detail.contains(&free.to_string()), "{detail}");
}

#[tokio::test]
async fn adversary_16_a_wrong_checksum_leaves_no_file() {
    let content = bytes(3 * PART);
    let server = server_with(&content);
    let flip = Fault::FlipByte { at: 7 };
    server.with_faults(|faults| faults.push(Rule::every(Operation::GetObject, flip)));
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("target");
    std::fs::write(&path, "old").unwrap();
    let error = client(&server)
        .download_to_file(download(), &path, Replace::Yes)
        .await
        .unwrap_err();
    assert!(
        matches!(root(&error), Cause::ChecksumMismatch { .. }),
        "{error}"
    );
    assert_eq!(names(directory.path()), ["target"]);
    assert_eq!(std::fs::read(&path).unwrap(), b"old");
}

#[tokio::test]
async fn adversary_1_a_server_that_ignores_ranges_is_read_as_one_stream() {
    let content = bytes(9 * PART);
    let server = server_with(&content);
    server.with_faults(|faults| faults.push(Rule::every(Operation::GetObject, Fault::IgnoreRange)));
    let client = client(&server);
    let (_, memory) = client
        .download_to_memory(download(), 1 << 20)
        .await
        .unwrap();
    assert!(memory == content);
    let mut stream = client.download_stream(download());
    let mut seen = Vec::new();
    while let Some(piece) = stream.next().await {
        seen.extend_from_slice(&piece.unwrap());
    }
    assert!(seen == content);
}

#[tokio::test]
async fn a_mixture_of_faults_is_weathered() {
    let content = bytes(20 * PART);
    let server = server_with(&content);
    for (nth, fault) in [
        (2, Fault::slow_down()),
        (3, Fault::ResetBeforeHead),
        (5, Fault::ResetMidBody { after: 1 }),
        (7, Fault::ExtraBytes { count: 9 }),
        (
            9,
            Fault::DelayHead {
                delay: Duration::from_millis(300),
            },
        ),
        (
            11,
            Fault::Drip {
                piece: 9_000,
                pause: Duration::from_millis(5),
            },
        ),
    ] {
        inject(&server, Operation::GetObject, nth, fault);
    }
    inject(&server, Operation::UploadPart, 3, Fault::ResetBeforeHead);
    inject(&server, Operation::UploadPart, 5, Fault::slow_down());
    let client = client(&server);
    let mut stream = client.download_stream(download());
    let mut seen = Vec::new();
    while let Some(piece) = stream.next().await {
        seen.extend_from_slice(&piece.unwrap());
    }
    assert!(seen == content);
    client
        .upload_reader(upload(), std::io::Cursor::new(content.clone()))
        .await
        .unwrap();
    assert!(stored(&server).unwrap() == content);
    assert_eq!(
        server.with_model(|model| model.keys(common::BUCKET).len()),
        1,
        "{KEY}"
    );
}

/// What a HEAD comes to that is answered by these bytes.
async fn answered_by(answer: Vec<u8>) -> Cause {
    let server =
        ScriptServer::start(vec![vec![Step::Head, Step::send(answer), Step::Close]]).unwrap();
    let mut session = session(&server.endpoint_url());
    session.retry.max_attempts = std::num::NonZeroU32::MIN;
    let client = Client::new(ClientConfig::new(session)).unwrap();
    let list = sans3_core::operation::ListObjectsV2::new(common::bucket());
    root(&client.call(list).await.unwrap_err())
}

fn head() -> sans3_core::operation::HeadObject {
    sans3_core::operation::HeadObject::new(common::bucket(), common::key())
}
