//! Answers that lie about themselves, never end, or end too soon.

use std::time::{Duration, Instant};

use bytes::Bytes;
use sans3_core::error::{Cause, Rule, TransportErrorKind};
use sans3_core::operation::{HeadObject, ListObjectsV2};
use sans3_testkit::script::{ScriptServer, Step};
use sans3_tokio::{Client, ClientConfig, Replace};

use crate::common::{PART, bucket, bytes, download, key, names, root, session};
use crate::{EMPTY_LIST, Stage, answer, empty_list, kind, list, rule, small, within};

#[tokio::test]
async fn adversary_07_an_early_end_costs_only_the_missing_tail() {
    let content = bytes(1000);
    let (front, tail) = content.split_at(400);
    let heads = [
        "HTTP/1.1 200 OK\r\ncontent-length: 1000",
        "HTTP/1.0 200 OK\r\ncontent-length: 1000",
        "HTTP/1.1 200 OK\r\ncontent-range: bytes 0-999/1000\r\nconnection: close",
        "HTTP/1.1 206 Partial Content\r\ncontent-range: bytes 0-999/1000\r\n\
         transfer-encoding: chunked",
    ];
    for head in heads {
        let head = format!("{head}\r\netag: \"e\"");
        let chunked = [b"190\r\n", front, b"\r\n"].concat();
        let body = if head.contains("chunked") {
            &chunked
        } else {
            front
        };
        let rest = "HTTP/1.1 206 Partial Content\r\ncontent-range: bytes 400-999/1000\r\n\
                    content-length: 600\r\netag: \"e\"";
        let stage = Stage::new(vec![answer(&head, body), answer(rest, tail)]);
        let (found, memory) = within(stage.client.download_to_memory(small(1000), 1000))
            .await
            .unwrap();
        assert!(memory == content, "{head}");
        assert_eq!(found.size, 1000);
        let seen = stage.seen();
        assert_eq!(seen.len(), 2, "{head}");
        assert_eq!(seen[1].header("range").as_deref(), Some("bytes=400-999"));
        assert_eq!(seen[1].header("if-match").as_deref(), Some("\"e\""));
    }
}

#[tokio::test]
async fn adversary_12_nothing_of_a_longer_version_is_left_behind_a_shorter_one() {
    // A weak tag pins nothing, so the object is read in one piece, and once more after a break. By
    // then it has been replaced.
    let (before, after) = (bytes(300), vec![7; 50]);
    let head =
        |length: usize| format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\netag: W/\"e\"");
    let script = || {
        vec![
            answer(&head(300), &before[..200]),
            answer(&head(50), &after),
        ]
    };

    let stage = Stage::new(script());
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("file");
    let download = stage
        .client
        .download_to_file(small(300), &target, Replace::No);
    assert_eq!(within(download).await.unwrap().size, 50);
    assert_eq!(std::fs::read(&target).unwrap(), after);

    let stage = Stage::new(script());
    let download = stage.client.download_to_memory(small(300), 1000);
    assert_eq!(within(download).await.unwrap().1, after);
}

#[tokio::test]
async fn adversary_08_an_answer_that_agrees_with_itself_but_not_with_the_range_is_no_part() {
    let content = bytes(100);
    let total = 2 * PART;
    let short = format!(
        "HTTP/1.1 206 Partial Content\r\ncontent-range: bytes 0-99/{total}\r\n\
         content-length: 100\r\netag: \"e\""
    );
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {total}\r\netag: \"e\"");
    let mut script = vec![answer(&short, &content); 10];
    script[1] = answer(&head, b"");
    let stage = Stage::new(script);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("target");
    let running = stage
        .client
        .download_to_file(download(), &path, Replace::No);
    let error = within(running).await.unwrap_err();
    assert_eq!(rule(&root(&error)), Some(Rule::ContentRange), "{error}");
    assert!(names(directory.path()).is_empty());
}

#[tokio::test]
async fn adversary_09_bytes_behind_a_body_end_their_connection() {
    let long = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\netag: \"e\"";
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\netag: \"e\"";
    let stage = Stage::new(vec![
        answer(long, b"hello and more"),
        // The answer to a HEAD has no body, whatever its length says.
        answer(head, b"hello"),
        answer(&empty_list(), EMPTY_LIST.as_bytes()),
    ]);
    let (_, memory) = within(stage.client.download_to_memory(small(5), 5))
        .await
        .unwrap();
    assert_eq!(memory, "hello");
    let found = within(stage.client.call(HeadObject::new(bucket(), key())))
        .await
        .unwrap();
    assert_eq!(found.size, 5);
    within(stage.client.call(list())).await.unwrap();
    assert_eq!(stage.server.connections(), 3);
    assert!(stage.client.notices().is_empty());
}

#[tokio::test]
async fn adversary_09_a_body_beyond_its_range_is_left_at_once() {
    let head = "HTTP/1.1 206 Partial Content\r\ncontent-range: bytes 0-4/5\r\netag: \"e\"";
    let chunked = format!("{head}\r\ntransfer-encoding: chunked");
    let good = format!("{head}\r\ncontent-length: 5");
    for (head, body) in [(head, "hello, hello"), (&chunked, "c\r\nhello, hello\r\n")] {
        // Open ends: waiting for the body's end would last until the idle timeout.
        let endless = [answer(head, body.as_bytes()), vec![Step::Stall]].concat();
        let stage = Stage::new(vec![endless, answer(&good, b"hello")]);
        let began = Instant::now();
        let (_, memory) = within(stage.client.download_to_memory(small(5), 5))
            .await
            .unwrap();
        assert_eq!(memory, "hello");
        assert!(began.elapsed() < Duration::from_millis(450), "{head}");
        let notices = stage.client.notices();
        assert_eq!(rule(&notices[0].cause), Some(Rule::BodyLength), "{head}");
        assert_eq!(stage.server.connections(), 2);
    }
}

#[tokio::test]
async fn adversary_10_an_answer_without_a_length_counts_if_its_bytes_do() {
    let head = "HTTP/1.1 206 Partial Content\r\ncontent-range: bytes 0-9/10\r\netag: \"e\"";
    let chunked = format!("{head}\r\ntransfer-encoding: chunked");
    let cases: [(&str, &[u8]); 3] = [
        (head, b"0123456789"),
        (&chunked, b"3\r\n012\r\n7;x=y\r\n3456789\r\n0\r\n\r\n"),
        (&chunked, b"a\r\n0123456789\r\n0\r\nx-trailer: t\r\n\r\n"),
    ];
    for (head, body) in cases {
        let stage = Stage::new(vec![answer(head, body)]);
        let (_, memory) = within(stage.client.download_to_memory(small(10), 10))
            .await
            .unwrap();
        assert_eq!(memory, "0123456789");
        assert!(stage.client.notices().is_empty());
    }
}

#[tokio::test]
async fn adversary_10_a_whole_without_a_length_is_as_long_as_the_head_says() {
    // The range is ignored, and nothing but the end tells where the body ends.
    let content = bytes(PART + 10);
    let total = content.len();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {total}\r\netag: \"e\"");
    let open = "HTTP/1.1 200 OK\r\netag: \"e\"\r\nconnection: close";
    for cut in [0, 1] {
        let stage = Stage::new(vec![
            answer(open, &content),
            answer(&head, b""),
            answer(open, &content),
            answer(open, &content[..total - cut]),
            answer(open, &content),
        ]);
        let (found, memory) = within(stage.client.download_to_memory(download(), 1 << 20))
            .await
            .unwrap();
        assert_eq!(found.size, total as u64);
        assert!(memory == content);
    }
}

#[tokio::test]
async fn adversary_10_broken_chunks_are_no_end() {
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked";
    let list = EMPTY_LIST.as_bytes();
    let size = format!("{:x}\r\n", list.len());
    let whole = [size.as_bytes(), list, b"\r\n"].concat();
    let endless_trailer = "x-field: y\r\n".repeat(200_000);
    let extension = format!("1;{}", "x".repeat(1 << 20));
    let then = |rest: &[u8]| [&whole, rest].concat();
    let cases = [
        then(b""),
        then(b"0\r\n"),
        then(b"-1\r\n\r\n"),
        then(b"g\r\n\r\n"),
        then(b"10000000000000000\r\n"),
        then(&[b"0\r\n", endless_trailer.as_bytes()].concat()),
        extension.into_bytes(),
    ];
    for body in cases {
        let stage = Stage::with_attempts(1, vec![answer(head, &body)]);
        let error = within(stage.client.call(ListObjectsV2::new(bucket()))).await;
        let cause = root(&error.unwrap_err());
        let text = body[..body.len().min(300)].escape_ascii();
        assert!(
            matches!(
                kind(&cause),
                Some(TransportErrorKind::BadHttp | TransportErrorKind::Closed)
            ),
            "{cause}: {text}"
        );
    }
}

#[tokio::test]
async fn adversary_11_lengths_that_contradict_or_are_none_are_refused() {
    let len = EMPTY_LIST.len();
    let cases = [
        format!("content-length: {len}\r\ncontent-length: 5"),
        format!("content-length: {len}, 5"),
        format!("content-length: +{len}"),
        format!("content-length: -{len}"),
        format!("content-length: 0x{len:x}"),
        format!("content-length: {len}.0"),
        "content-length: 18446744073709551616".into(),
        "content-length:".into(),
        format!("content-length: {len}\r\ntransfer-encoding: chunked"),
        format!("transfer-encoding: chunked\r\ncontent-length: {len}"),
    ];
    let chunked = format!("{len:x}\r\n{EMPTY_LIST}\r\n0\r\n\r\n");
    for case in cases {
        let head = format!("HTTP/1.1 200 OK\r\n{case}\r\netag: \"e\"");
        let body = if case.contains("chunked") {
            &chunked
        } else {
            EMPTY_LIST
        };
        let steps = answer(&head, body.as_bytes());
        let stage = Stage::with_attempts(1, vec![steps.clone(), steps]);
        let listed = within(stage.client.call(list())).await;
        let read = within(stage.client.download_to_memory(small(10), 1000)).await;
        for cause in [
            root(&listed.expect_err(&case)),
            root(&read.expect_err(&case)),
        ] {
            assert!(
                kind(&cause) == Some(TransportErrorKind::BadHttp)
                    || rule(&cause) == Some(Rule::ContentLength),
                "{cause}: {case}"
            );
        }
        assert_eq!(stage.server.connections(), 2, "not reused: {case}");
    }
}

#[tokio::test]
async fn adversary_22_compressed_bytes_stay_compressed() {
    let content = bytes(100);
    for encoding in ["gzip", "aws-chunked", "gzip, aws-chunked"] {
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: 100\r\ncontent-encoding: {encoding}\r\netag: \"e\""
        );
        let stage = Stage::new(vec![answer(&head, &content)]);
        let (_, memory) = within(stage.client.download_to_memory(small(100), 100))
            .await
            .unwrap();
        assert!(memory == content);
        let head = String::from_utf8(stage.seen()[0].head.clone()).unwrap();
        let head = head.to_ascii_lowercase();
        assert!(
            !head.contains("accept-encoding") && !head.contains("\nte:"),
            "{head}"
        );
    }
}

#[tokio::test]
async fn adversary_24_a_head_without_end_or_measure_is_given_up() {
    let line = format!("HTTP/1.1 200 OK\r\nx-long: {}", "x".repeat(1 << 20));
    let many = format!("HTTP/1.1 200 OK\r\n{}", "x-field: y\r\n".repeat(10_000));
    let name = format!("HTTP/1.1 200 OK\r\n{}: y", "x".repeat(1 << 20));
    let reason = format!("HTTP/1.1 200 {}", "O".repeat(1 << 20));
    for head in [line, many, name, reason] {
        let stage = Stage::new(vec![answer(&head, b""); 3]);
        let began = Instant::now();
        let error = within(stage.client.call(list())).await.unwrap_err();
        assert_eq!(
            kind(&root(&error)),
            Some(TransportErrorKind::HeadTooLarge),
            "{error}"
        );
        // It would be as large again.
        assert_eq!(stage.server.connections(), 1);
        assert!(began.elapsed() < Duration::from_secs(2));
    }
}

#[tokio::test]
async fn adversary_24_a_head_that_drips_has_one_deadline() {
    let fields = format!("HTTP/1.1 200 OK\r\n{}", "x: y\r\n".repeat(1000));
    let interim = "HTTP/1.1 102 Processing\r\n\r\n".repeat(1000);
    for (bytes, piece) in [(fields, 6), (interim, 27)] {
        let drip = Step::SendIn {
            bytes: bytes.into(),
            piece,
            pause: Duration::from_millis(20),
        };
        let stage = Stage::with_attempts(1, vec![vec![Step::Head, drip]]);
        let began = Instant::now();
        let error = within(stage.client.call(list())).await.unwrap_err();
        assert_eq!(
            kind(&root(&error)),
            Some(TransportErrorKind::HeadTimeout),
            "{error}"
        );
        assert!(
            began.elapsed() < Duration::from_secs(3),
            "{:?}",
            began.elapsed()
        );
    }
}

#[tokio::test]
async fn adversary_60_a_refusal_is_not_read_for_ever() {
    let mebibyte = Bytes::from(vec![b'x'; 1 << 20]);
    let gibibyte = || vec![Step::Send(mebibyte.clone()); 1024];
    let head = "HTTP/1.1 403 Forbidden\r\n";
    let known = format!("{head}content-length: 1073741824\r\n\r\n<Error>");
    let open = format!("{head}connection: close\r\n\r\n<Error>");
    let chunked = format!("{head}transfer-encoding: chunked\r\n\r\n40000000\r\n<Error>");
    let drip = Step::SendIn {
        bytes: vec![b' '; 1 << 20].into(),
        piece: 1,
        pause: Duration::from_millis(10),
    };
    let scripts = [
        [vec![Step::Head, Step::send(known.clone())], gibibyte()].concat(),
        [vec![Step::Head, Step::send(open.clone())], gibibyte()].concat(),
        [vec![Step::Head, Step::send(chunked)], gibibyte()].concat(),
        vec![Step::Head, Step::send(known), Step::Stall],
        vec![Step::Head, Step::send(open), drip],
    ];
    for script in scripts {
        let server = ScriptServer::start(vec![script.clone(); 3]).unwrap();
        let mut session = session(&server.endpoint_url());
        session.timeouts.stall_window = Duration::from_secs(1);
        let client = Client::new(ClientConfig::new(session)).unwrap();
        let began = Instant::now();
        let listed = within(client.call(list())).await.unwrap_err();
        let read = within(client.download_to_memory(small(5), 5)).await;
        for error in [listed, read.unwrap_err()] {
            assert!(
                matches!(root(&error), Cause::S3(error) if error.status == 403),
                "{error}"
            );
        }
        assert!(
            began.elapsed() < Duration::from_secs(4),
            "{:?}",
            began.elapsed()
        );
        let stalls = script.contains(&Step::Stall);
        let whole = server.wait_played(1, Duration::ZERO);
        assert!(stalls || !whole, "all of it was read");
    }
}

#[tokio::test]
async fn adversary_60_the_status_decides_whatever_the_body_is() {
    let document = "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>";
    let utf16: Vec<u8> = format!("\u{feff}{document}")
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let cases: [(&[u8], Option<&str>); 6] = [
        (document.as_bytes(), Some("AccessDenied")),
        (
            &[b"\xef\xbb\xbf", document.as_bytes()].concat(),
            Some("AccessDenied"),
        ),
        (b"<!DOCTYPE html><html><body>Denied<br></body></html>", None),
        (&document.as_bytes()[..40], None),
        (&utf16, None),
        (&[0xff; 1000], None),
    ];
    for (body, code) in cases {
        let head = format!(
            "HTTP/1.1 403 Forbidden\r\ncontent-length: {}\r\ncontent-type: application/xml",
            body.len()
        );
        let stage = Stage::new(vec![answer(&head, body); 2]);
        let listed = within(stage.client.call(list())).await.unwrap_err();
        let read = within(stage.client.download_to_memory(small(5), 5)).await;
        for error in [listed, read.unwrap_err()] {
            let Cause::S3(refusal) = root(&error) else {
                panic!("{error}")
            };
            assert_eq!((refusal.status, refusal.code.as_deref()), (403, code));
        }
        assert_eq!(stage.seen().len(), 2, "not retried");
    }
}

#[tokio::test]
async fn adversary_61_a_new_connection_for_each_range_will_do() {
    let content = bytes(2 * PART + 9);
    let total = content.len() as u64;
    for version in ["HTTP/1.1", "HTTP/1.0"] {
        let end = "connection: close\r\netag: \"e\"";
        let range = |start: u64, length: &str| {
            let last = total.min(start + PART) - 1;
            let head = format!(
                "{version} 206 Partial Content\r\n{length}{end}\r\n\
                 content-range: bytes {start}-{last}/{total}"
            );
            let garbage = b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx";
            let [from, to] = [start, last].map(|at| usize::try_from(at).unwrap());
            let body = &content[from..=to];
            if length.is_empty() {
                answer(&head, body)
            } else {
                answer(&head, &[body, garbage].concat())
            }
        };
        let head = format!("{version} 200 OK\r\ncontent-length: {total}\r\n{end}");
        let stage = Stage::new(vec![
            range(0, "content-length: 65536\r\n"),
            answer(&head, b""),
            range(PART, ""),
            range(2 * PART, "content-length: 9\r\n"),
        ]);
        let (found, memory) = within(stage.client.download_to_memory(download(), 1 << 20))
            .await
            .unwrap();
        assert!(memory == content);
        assert_eq!(found.parts, 3);
        assert_eq!(stage.server.connections(), 4);
        assert!(stage.client.notices().is_empty());
    }
}

#[tokio::test]
async fn adversary_61_an_answer_that_nobody_asked_for_is_not_the_next_one() {
    let ours = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\netag: \"e\"";
    let planted = b"helloHTTP/1.1 200 OK\r\ncontent-length: 5\r\netag: \"e\"\r\n\r\nwrong";
    let stage = Stage::new(vec![
        [answer(ours, planted), vec![Step::Stall]].concat(),
        answer(ours, b"right"),
    ]);
    for expected in ["hello", "right"] {
        let (_, memory) = within(stage.client.download_to_memory(small(5), 5))
            .await
            .unwrap();
        assert_eq!(memory, expected);
    }
    assert_eq!(stage.server.connections(), 2);
}
