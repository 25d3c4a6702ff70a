//! Requests that are refused early, lost on the way, sent again, or sent elsewhere.

use std::time::Duration;

use sans3_core::checksum::Algorithm;
use sans3_core::error::{Cause, Rule, TransportErrorKind};
use sans3_core::operation::{DeleteObject, HeadObject};
use sans3_core::transfer::Verified;
use sans3_testkit::script::{ScriptServer, Seen, Step};
use sans3_testkit::server::{Config, Server};
use sans3_tokio::{Client, ClientConfig};

use crate::common::{
    self, PART, bucket, bytes, download, key, owned, root, session, stored, upload,
};
use crate::{
    EMPTY_LIST, Stage, answer, checksum_field, completed, created, dribble, empty_list, kind,
    limit_attempts, list, looked, ok, one_put, rule, within,
};

/// As many bytes as [`PART`] has.
const PART_LEN: usize = 64 * 1024;

#[tokio::test]
async fn adversary_25_no_leave_to_send_is_asked_for_or_waited_for() {
    let stored = [
        vec![Step::Head, Step::Body, ok("etag: \"e\"")],
        answer("HTTP/1.1 200 OK\r\ncontent-length: 9\r\netag: \"e\"", b""),
    ]
    .concat();
    let interim = vec![
        Step::Head,
        Step::send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n"),
        Step::Body,
        ok("etag: \"e\""),
    ];
    for script in [stored.clone(), [&interim, &stored[3..]].concat()] {
        let stage = Stage::with_attempts(1, vec![script]);
        within(stage.client.upload_bytes(upload(), owned(b"the bytes")))
            .await
            .unwrap();
        assert_eq!(stage.seen()[0].header("expect"), None);
        assert_eq!(stage.seen()[0].body, b"the bytes");
    }
}

#[tokio::test]
async fn adversary_25_success_before_the_body_was_sent_is_no_success() {
    let body = owned(&bytes(24 << 20));
    let head = format!("content-length: {}\r\netag: \"e\"", body.len());
    let early = vec![Step::Head, ok("etag: \"e\""), Step::Stall];
    let looked = vec![Step::Head, ok(&head), Step::Head, ok(&head)];
    let stage = Stage::with_attempts(1, vec![early, looked]);
    let result = within(stage.client.upload_bytes(one_put(64 << 20), body)).await;
    let error = result.expect_err("nobody has read the body");
    assert!(rule(&root(&error)).is_some(), "{error}");
}

#[tokio::test]
async fn adversary_25_an_early_overload_is_retried_with_the_whole_body() {
    let body = bytes(4 << 20);
    let refused = "HTTP/1.1 503 Slow Down\r\ncontent-length: 0\r\n\r\n";
    let stage = Stage::new(vec![
        vec![Step::Head, Step::send(refused), Step::Close],
        vec![Step::send(refused), Step::Reset],
        vec![
            Step::Head,
            Step::Body,
            ok("etag: \"e\""),
            Step::Head,
            ok("content-length: 4194304\r\netag: \"e\""),
        ],
    ]);
    within(stage.client.upload_bytes(one_put(64 << 20), owned(&body)))
        .await
        .unwrap();
    let seen = stage.seen();
    assert!(seen[seen.len() - 2].body == body);
}

#[tokio::test]
async fn adversary_25_a_switch_of_protocols_is_refused() {
    let head = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket";
    let stage = Stage::with_attempts(1, vec![[answer(head, b""), vec![Step::Stall]].concat()]);
    let error = within(stage.client.call(list())).await.unwrap_err();
    assert_eq!(rule(&root(&error)), Some(Rule::Status), "{error}");
}

#[tokio::test]
async fn adversary_26_a_connection_with_half_a_body_on_it_is_not_reused() {
    // These say nothing of a broken connection, but the rest of the body would be read as the next
    // request.
    for status in ["404 Not Found", "412 Precondition Failed"] {
        let refusal = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
        let early = vec![Step::Head, Step::send(refusal), Step::Stall];
        let stage = Stage::new(vec![early, answer(&empty_list(), EMPTY_LIST.as_bytes())]);
        let body = owned(&bytes(24 << 20));
        let error = within(stage.client.upload_bytes(one_put(64 << 20), body))
            .await
            .unwrap_err();
        assert!(matches!(root(&error), Cause::S3(_)), "{error}");
        within(stage.client.call(list())).await.unwrap();
        assert_eq!(stage.server.connections(), 2, "{status}");
        assert_eq!(stage.seen().len(), 2);
    }
}

#[tokio::test]
async fn adversary_42_a_stream_that_must_be_sent_again_is_sent_alike() {
    let content = bytes(200_000);
    let stage = Stage::new(vec![
        vec![Step::Head, Step::Body, Step::Reset],
        vec![
            Step::Head,
            Step::Sleep(Duration::from_millis(20)),
            Step::Reset,
        ],
        vec![
            Step::Head,
            Step::Body,
            Step::send("HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n"),
            Step::Close,
        ],
        vec![
            Step::Head,
            Step::Body,
            ok("etag: \"e\""),
            Step::Head,
            ok("content-length: 200000\r\netag: \"e\""),
        ],
    ]);
    let reader = dribble(&content);
    within(stage.client.upload_reader(one_put(1 << 20), reader))
        .await
        .unwrap();
    let puts: Vec<Seen> = stage.seen();
    let puts: Vec<&Seen> = puts.iter().filter(|seen| seen.method == "PUT").collect();
    assert_eq!(puts.len(), 4);
    for put in &puts {
        assert_eq!(put.header("content-length").as_deref(), Some("200000"));
        let checksum = "x-amz-checksum-crc64nvme";
        assert_eq!(put.header(checksum), puts[0].header(checksum));
    }
    for read in [0, 2, 3] {
        assert!(puts[read].body == content);
    }
}

#[tokio::test]
async fn adversary_42_parts_of_a_stream_are_kept_until_they_are_stored() {
    let content = bytes(2 * PART + 7);
    let part = |tag: &str| vec![Step::Head, Step::Body, ok(&format!("etag: \"{tag}\""))];
    let stage = Stage::new(vec![
        [created(), vec![Step::Head, Step::Body, Step::Reset]].concat(),
        [part("1"), vec![Step::Head, Step::Reset]].concat(),
        [part("2"), vec![Step::Head, Step::Body, Step::Close]].concat(),
        [
            part("3"),
            completed(),
            vec![
                Step::Head,
                ok(&format!("content-length: {}\r\netag: \"e\"", content.len())),
            ],
        ]
        .concat(),
    ]);
    let reader = dribble(&content);
    let uploaded = within(stage.client.upload_reader(upload(), reader))
        .await
        .unwrap();
    assert_eq!((uploaded.parts, uploaded.size), (3, content.len() as u64));
    let seen = stage.seen();
    let part = |number| format!("partNumber={number}&");
    let of = |number| {
        seen.iter()
            .filter(move |seen| seen.target.contains(&part(number)))
    };
    assert_eq!((1..=3).map(|number| of(number).count()).sum::<usize>(), 6);
    for (number, expected) in (1..).zip(content.chunks(PART_LEN)) {
        assert!(of(number).next_back().unwrap().body == expected);
        for attempt in of(number) {
            let len = expected.len().to_string();
            assert_eq!(attempt.header("content-length"), Some(len));
            // The script left some bodies unread.
            assert!(attempt.body.is_empty() || attempt.body == expected);
        }
    }
}

#[tokio::test]
async fn adversary_58_a_reset_within_a_head_is_retried() {
    for cut in ["", "HTTP/1.1 200 OK\r\ncontent-le"] {
        let steps = vec![
            Step::Head,
            Step::send(cut),
            Step::Sleep(Duration::from_millis(20)),
            Step::Reset,
        ];
        let good = answer(&empty_list(), EMPTY_LIST.as_bytes());
        let stage = Stage::new(vec![steps, good]);
        within(stage.client.call(list())).await.unwrap();
        let notices = stage.client.notices();
        assert_eq!(kind(&notices[0].cause), Some(TransportErrorKind::Closed));
    }
}

#[tokio::test]
async fn adversary_58_a_create_whose_answer_is_lost_is_counted() {
    let content = bytes(PART + 1);
    let part = |tag: &str| vec![Step::Head, Step::Body, ok(&format!("etag: \"{tag}\""))];
    let stage = Stage::new(vec![
        vec![Step::Head, Step::Reset],
        vec![Step::Head, Step::send("HTTP/1.1 200 OK\r\n"), Step::Close],
        [
            created(),
            part("1"),
            part("2"),
            completed(),
            looked(&content, ""),
        ]
        .concat(),
    ]);
    let uploaded = within(stage.client.upload_bytes(upload(), owned(&content)))
        .await
        .unwrap();
    assert_eq!(uploaded.lost_creates, 2);
}

#[tokio::test]
async fn adversary_58_a_reset_after_complete_is_decided_by_the_object() {
    let content = bytes(PART + 1);
    let ours = checksum_field(&content);
    let other = checksum_field(b"somebody else's");
    let part = |tag: &str| vec![Step::Head, Step::Body, ok(&format!("etag: \"{tag}\""))];
    let gone = "<Error><Code>NoSuchUpload</Code></Error>";
    let gone = format!(
        "HTTP/1.1 404 Not Found\r\ncontent-length: {}\r\n\r\n{gone}",
        gone.len()
    );
    for field in [ours.as_str(), &other, ""] {
        let stage = Stage::new(vec![
            [
                created(),
                part("1"),
                part("2"),
                vec![Step::Head, Step::Body, Step::Reset],
            ]
            .concat(),
            [
                vec![Step::Head, Step::Body, Step::send(gone.clone())],
                looked(&content, field),
            ]
            .concat(),
        ]);
        let uploaded = within(stage.client.upload_bytes(upload(), owned(&content))).await;
        match (uploaded, field) {
            (Ok(uploaded), field) if field == ours => {
                let proof = Verified::FullObject(Algorithm::Crc64Nvme);
                assert_eq!(uploaded.verified, proof);
            }
            (Err(error), "") => {
                assert!(matches!(root(&error), Cause::Ambiguous { .. }), "{error}");
            }
            (Err(error), _) => {
                assert!(matches!(root(&error), Cause::Conflict { .. }), "{error}");
            }
            (Ok(uploaded), _) => panic!("{uploaded:?}"),
        }
    }
}

#[tokio::test]
async fn adversary_59_a_name_that_does_not_resolve_is_named() {
    let mut session = session("http://no-such-host.invalid");
    limit_attempts(&mut session, 2);
    let client = Client::new(ClientConfig::new(session)).unwrap();
    let error = within(client.call(list())).await.unwrap_err();
    assert!(
        matches!(&error, sans3_tokio::Error::Transfer(error)
            if matches!(error.cause, Cause::GaveUp { attempts: 2, .. })),
        "resolvers fail for moments: {error}"
    );
    let text = error.to_string();
    // A resolver that is itself out of reach may not say so in time.
    let late = kind(&root(&error)) == Some(TransportErrorKind::ConnectTimeout);
    assert!(
        kind(&root(&error)) == Some(TransportErrorKind::Dns) || late,
        "{error}"
    );
    assert!(text.contains("no-such-host.invalid"), "{text}");
}

#[tokio::test]
async fn adversary_59_a_server_that_comes_up_later_is_found() {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    drop(socket);
    let mut session = session(&format!("http://{address}"));
    limit_attempts(&mut session, 1000);
    session.retry_budget = 1_000_000;
    let client = Client::new(ClientConfig::new(session)).unwrap();
    let content = bytes(3 * PART);
    let running = client.upload_bytes(upload(), owned(&content));
    tokio::time::sleep(Duration::from_millis(100)).await;
    let mut config = Config {
        listen: address,
        ..Config::default()
    };
    config.model.limits.min_part = PART;
    let server = Server::start(config).unwrap();
    server.with_model(|model| model.create_bucket(common::BUCKET));
    let uploaded = within(running).await.unwrap();
    assert!(stored(&server).unwrap() == content);
    assert_eq!(uploaded.lost_creates, 0, "nothing had been sent");
    let notices = client.notices();
    assert_eq!(kind(&notices[0].cause), Some(TransportErrorKind::Connect));
}

#[tokio::test]
async fn adversary_87_a_redirect_elsewhere_is_an_error_and_nothing_more() {
    let elsewhere = ScriptServer::start(vec![]).unwrap();
    let statuses = [
        "301 Moved Permanently",
        "302 Found",
        "303 See Other",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
    ];
    let body = "<Error><Code>PermanentRedirect</Code><Message>use the other</Message></Error>";
    for status in statuses {
        let head = format!(
            "HTTP/1.1 {status}\r\nlocation: {}/x\r\ncontent-length: {}",
            elsewhere.endpoint_url(),
            body.len()
        );
        let refusal = answer(&head, body.as_bytes());
        let head_only = answer(&head, b"");
        let stage = Stage::new(vec![
            refusal.clone(),
            head_only,
            refusal.clone(),
            vec![Step::Head, Step::Body, refusal[1].clone()],
            refusal,
        ]);
        let client = &stage.client;
        let head = within(client.call(HeadObject::new(bucket(), key()))).await;
        let head = head.map(drop).unwrap_err();
        let read = within(client.download_to_memory(download(), 5)).await;
        let written = within(client.upload_bytes(upload(), owned(b"x"))).await;
        let deleted = within(client.call(DeleteObject::new(bucket(), key()))).await;
        let errors = [
            head,
            read.unwrap_err(),
            written.unwrap_err(),
            deleted.map(drop).unwrap_err(),
        ];
        for error in errors {
            let text = error.to_string();
            let Cause::S3(refusal) = root(&error) else {
                panic!("{error}")
            };
            assert_eq!(refusal.status.to_string(), status[..3]);
            assert!(text.contains(&status[..3]), "{text}");
            assert!(refusal.code.is_none() || text.contains("PermanentRedirect"));
        }
        assert_eq!(stage.seen().len(), 5, "{status}");
    }
    assert_eq!(elsewhere.connections(), 0);
}
