//! The server over raw sockets: framing, keep-alive, and every fault as a client sees it.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use sans3_testkit::faults::{Fault, Rule, Schedule, Seeded};
use sans3_testkit::model::{Operation, synthetic};
use sans3_testkit::server::{Config, Server};

fn server(faults: impl IntoIterator<Item = Rule>) -> Server {
    let config = Config {
        faults: Schedule::rules(faults),
        ..Config::default()
    };
    let server = Server::start(config).unwrap();
    server.with_model(|model| model.put("bucket", "key", "0123456789"));
    server
}

fn connect(server: &Server) -> TcpStream {
    let socket = TcpStream::connect(server.addr()).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    socket
}

/// What came before the connection ended, and how it ended.
fn read_all(socket: &mut TcpStream) -> (String, Option<ErrorKind>) {
    let mut bytes = Vec::new();
    let end = socket.read_to_end(&mut bytes).err().map(|e| e.kind());
    (String::from_utf8_lossy(&bytes).into_owned(), end)
}

fn ask(server: &Server, request: &str) -> (String, Option<ErrorKind>) {
    let mut socket = connect(server);
    socket.write_all(request.as_bytes()).unwrap();
    read_all(&mut socket)
}

fn get(headers: &str) -> String {
    format!("GET /bucket/key HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n")
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

#[test]
fn requests_share_a_connection_and_may_be_pipelined() {
    let server = server([]);
    let mut socket = connect(&server);
    let put = "PUT /bucket/new HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc";
    let head = "HEAD /bucket/new HTTP/1.1\r\nhost: x\r\n\r\n";
    let get = "GET /bucket/new HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    socket
        .write_all([put, head, get].concat().as_bytes())
        .unwrap();
    let (answers, end) = read_all(&mut socket);
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 3, "{answers}");
    assert!(answers.ends_with("\r\n\r\nabc") && end.is_none());
    let stats = server.stats();
    assert_eq!(stats.connections, 1);
    assert_eq!(stats.requests[&(Operation::HeadObject, 200)], 1);
    assert_eq!((stats.bytes_in, stats.bytes_out), (3, 3));
}

#[test]
fn a_client_that_asks_is_told_to_continue() {
    let server = server([]);
    let mut socket = connect(&server);
    let head = "PUT /bucket/k HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\
                expect: 100-continue\r\nconnection: close\r\n\r\n";
    socket.write_all(head.as_bytes()).unwrap();
    let mut interim = [0; 25];
    socket.read_exact(&mut interim).unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    socket.write_all(b"abc").unwrap();
    assert!(read_all(&mut socket).0.starts_with("HTTP/1.1 200"));
}

#[test]
fn chunked_bodies_need_a_decoded_length() {
    let server = server([]);
    let request = |extra: &str, body: &str| {
        format!(
            "PUT /bucket/k HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
             transfer-encoding: chunked\r\n{extra}\r\n{body}"
        )
    };
    let plain = request("", "3\r\nabc\r\n0\r\n\r\n");
    assert!(ask(&server, &plain).0.starts_with("HTTP/1.1 411"));
    let framed = "3\r\nabc\r\n0\r\nx-amz-checksum-crc32:NSRBwg==\r\n\r\n";
    let framed = format!("{:x}\r\n{framed}\r\n0\r\n\r\n", framed.len());
    let trailer = "x-amz-decoded-content-length: 3\r\nx-amz-trailer: x-amz-checksum-crc32\r\n\
                   x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER\r\n";
    let (answer, _) = ask(&server, &request(trailer, &framed));
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let stored = server.with_model(|model| model.object("bucket", "k").unwrap().data.to_vec());
    assert_eq!(stored, b"abc");
}

#[test]
fn what_is_no_http_is_refused() {
    let server = server([]);
    let long = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "x".repeat(70_000));
    let many = format!(
        "GET / HTTP/1.1\r\nhost: x\r\n{}\r\n",
        "a: b\r\n".repeat(200)
    );
    for (request, status) in [
        ("GET /bucket/key HTTP/1.1\r\n\r\n", "400"),
        ("hello\r\n\r\n", "400"),
        (&long, "431"),
        (&many, "431"),
    ] {
        let (answer, _) = ask(&server, request);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{answer}"
        );
    }
}

#[test]
fn faults_look_from_outside_as_they_are_named() {
    for (fault, seen, end) in [
        (Fault::ResetBeforeHead, "", Some(ErrorKind::ConnectionReset)),
        (Fault::DropAnswer, "", None),
        (Fault::TruncateBody { after: 4 }, "0123", None),
        (
            Fault::ResetMidBody { after: 0 },
            "",
            Some(ErrorKind::ConnectionReset),
        ),
        (Fault::FlipByte { at: 13 }, "0122456789", None),
        (Fault::ExtraBytes { count: 2 }, "0123456789xx", None),
        (
            Fault::DelayHead {
                delay: Duration::from_millis(30),
            },
            "0123456789",
            None,
        ),
        (
            Fault::Drip {
                piece: 3,
                pause: Duration::from_millis(5),
            },
            "0123456789",
            None,
        ),
    ] {
        let server = server([Rule::nth(Operation::GetObject, 1, fault.clone())]);
        let (answer, how) = ask(&server, &get(""));
        // A reset may overtake the bytes that were sent before it.
        if how.is_none() {
            assert_eq!(body(&answer), seen, "{fault:?}");
        }
        assert_eq!(how, end, "{fault:?}");
        assert_eq!(server.injected()[0].fault, fault);
        assert_eq!(body(&ask(&server, &get("")).0), "0123456789");
    }
}

#[test]
fn ranges_can_be_ignored_or_shifted() {
    let ranged = get("range: bytes=2-4\r\n");
    let ignored = server([Rule::nth(Operation::GetObject, 1, Fault::IgnoreRange)]);
    let (answer, _) = ask(&ignored, &ranged);
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("0123456789"));
    let shifted = server([Rule::nth(
        Operation::GetObject,
        1,
        Fault::WrongRange { shift: 1 },
    )]);
    let (answer, _) = ask(&shifted, &ranged);
    assert!(answer.contains("content-range: bytes 3-5/10") && answer.ends_with("345"));
}

#[test]
fn stalls_last_until_the_client_goes() {
    for fault in [Fault::StallHead, Fault::StallBody { after: 4 }] {
        let server = server([Rule::every(Operation::GetObject, fault)]);
        let mut socket = connect(&server);
        socket
            .set_read_timeout(Some(Duration::from_millis(100)))
            .unwrap();
        socket.write_all(get("").as_bytes()).unwrap();
        let (_, end) = read_all(&mut socket);
        assert!(matches!(
            end,
            Some(ErrorKind::WouldBlock | ErrorKind::TimedOut)
        ));
        let before = Instant::now();
        drop(server);
        assert!(before.elapsed() < Duration::from_secs(5));
    }
}

#[test]
fn an_early_answer_comes_before_the_body() {
    for reset in [false, true] {
        let fault = Fault::EarlyAnswer {
            status: 403,
            code: "AccessDenied",
            reset,
        };
        let server = server([Rule::every(Operation::PutObject, fault)]);
        let mut socket = connect(&server);
        let head = "PUT /bucket/k HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n";
        socket.write_all(head.as_bytes()).unwrap();
        let (answer, end) = read_all(&mut socket);
        assert_eq!(end, reset.then_some(ErrorKind::ConnectionReset));
        assert!(reset || answer.contains("<Code>AccessDenied</Code>"));
        assert!(server.with_model(|model| model.object("bucket", "k").is_none()));
    }
}

#[test]
fn a_dropped_answer_has_an_effect_and_a_status_has_none() {
    let put =
        "PUT /bucket/k HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\nconnection: close\r\n\r\nabc";
    let dropped = server([Rule::nth(Operation::PutObject, 1, Fault::DropAnswer)]);
    assert_eq!(ask(&dropped, put).0, "");
    assert!(dropped.with_model(|model| model.object("bucket", "k").is_some()));
    let refused = server([Rule::nth(Operation::PutObject, 1, Fault::slow_down())]);
    let (answer, _) = ask(&refused, put);
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("SlowDown"));
    assert!(refused.with_model(|model| model.object("bucket", "k").is_none()));
}

#[test]
fn a_seeded_schedule_is_listed_with_what_it_hit() {
    let config = Config {
        faults: Schedule::seeded(Seeded::new(3, 20, 30)),
        stall: Duration::from_millis(50),
        ..Config::fast()
    };
    let server = Server::start(config).unwrap();
    server.with_model(|model| model.put_synthetic("bucket", "key", 1 << 30));
    for piece in 0..60_u64 {
        let start = piece * 1000;
        let range = format!("range: bytes={start}-{}\r\n", start + 999);
        ask(&server, &get(&range));
    }
    assert!(server.with_faults(|faults| faults.outstanding().is_empty()));
    let mut names: Vec<String> = server.injected().iter().map(|i| i.fault.name()).collect();
    names.sort();
    names.dedup();
    let all = [
        "503",
        "reset",
        "stalled",
        "truncated",
        "wrong bytes",
        "wrong range",
    ];
    assert_eq!(names, all);
}

#[test]
fn a_large_object_is_served_from_shared_memory() {
    let server = Server::start(Config::fast()).unwrap();
    let len = 8_u64 << 30;
    server.with_model(|model| model.put_synthetic("bucket", "key", len));
    let start = len - 3_000_000;
    let mut socket = connect(&server);
    let request = get(&format!("range: bytes={start}-\r\n"));
    socket.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).unwrap();
    let body = &answer[answer.len() - 3_000_000..];
    assert!(synthetic::matches(start, body));
}

#[test]
fn connections_beyond_the_limit_wait() {
    let config = Config {
        max_connections: 1,
        ..Config::default()
    };
    let server = Server::start(config).unwrap();
    server.with_model(|model| model.put("bucket", "key", "x"));
    let first = connect(&server);
    let mut second = connect(&server);
    second.write_all(get("").as_bytes()).unwrap();
    second
        .set_read_timeout(Some(Duration::from_millis(100)))
        .unwrap();
    assert!(second.read(&mut [0]).is_err());
    drop(first);
    second
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    assert!(read_all(&mut second).0.ends_with('x'));
    assert_eq!(server.stats().most_connections, 1);
}
