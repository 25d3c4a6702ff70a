//! What ureq would do by itself, and must not; and how an exchange is ended from another thread.

mod common;

use std::net::{TcpListener, TcpStream};
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use bytes::Bytes;
use common::{bucket, bytes, download, eventually_blocking, kind, root, session, single, upload};
use sans3_blocking::{Client, ClientConfig, Error};
use sans3_core::error::{Cause, TransportErrorKind};
use sans3_core::operation::{DeleteObject, ListObjectsV2};
use sans3_core::transfer::{Download, Upload};
use sans3_testkit::script::{ScriptServer, Step};

/// A server that plays these connections, and a client with one attempt and one exchange at a time.
fn stage(connections: Vec<Vec<Step>>) -> (ScriptServer, Client) {
    let server = ScriptServer::start(connections).unwrap();
    let session = single(&server.endpoint_url(), 1);
    let client = Client::new(ClientConfig::new(session)).unwrap();
    (server, client)
}

/// Takes one plain GET.
fn small(size: u64) -> Download {
    Download {
        size_hint: Some(size),
        ..download()
    }
}

/// Takes one PUT up to this length.
fn one_put(part_size: u64) -> Upload {
    Upload {
        part_size: NonZeroU64::new(part_size),
        ..upload()
    }
}

const EMPTY_LIST: &str = "<ListBucketResult><Name>bucket</Name><KeyCount>0</KeyCount>\
    <MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated></ListBucketResult>";

/// Asks for a list, and gets this.
fn list(fields: &str, body: &str, end: Step) -> Result<(), Error> {
    let answer = Step::send(format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n{body}"));
    let (_server, client) = stage(vec![vec![Step::Head, answer, end]]);
    client.call(ListObjectsV2::new(bucket())).wait().map(drop)
}

/// A list in one chunk, and what follows it; `extension` is behind its length.
fn chunk(extension: &str, rest: &str) -> String {
    format!("{:x}{extension}\r\n{EMPTY_LIST}{rest}", EMPTY_LIST.len())
}

const CHUNKED: &str = "transfer-encoding: chunked";

#[test]
fn a_chunked_body_that_ends_within_its_last_chunk_is_no_success() {
    list(CHUNKED, &chunk("", "\r\n0\r\n\r\n"), Step::Close).unwrap();
    for cut in ["\r\n0\r\n", "\r\n", ""] {
        let error = list(CHUNKED, &chunk("", cut), Step::Close).unwrap_err();
        assert_eq!(
            kind(&error),
            Some(TransportErrorKind::Closed),
            "{cut:?}: {error}"
        );
    }
}

#[test]
fn chunks_may_have_long_extensions_but_no_odd_ends() {
    let extension = format!(";x={}", "x".repeat(300));
    list(CHUNKED, &chunk(&extension, "\r\n0\r\n\r\n"), Step::Close).unwrap();
    for (extension, rest) in [
        ("", "\n0\r\n\r\n"),
        ("", "\r\n+0\r\n\r\n"),
        ("\n", "\r\n0\r\n\r\n"),
    ] {
        let error = list(CHUNKED, &chunk(extension, rest), Step::Close).unwrap_err();
        assert_eq!(kind(&error), Some(TransportErrorKind::BadHttp), "{error}");
    }
}

#[test]
fn a_reset_is_not_the_end_of_a_body_without_a_length() {
    list("x-a: b", EMPTY_LIST, Step::Close).unwrap();
    let error = list("x-a: b", EMPTY_LIST, Step::Reset).unwrap_err();
    assert_eq!(kind(&error), Some(TransportErrorKind::Closed), "{error}");
}

#[test]
fn a_100_with_fields_is_a_permission_like_any_other() {
    let content = bytes(1 << 20);
    let (server, client) = stage(vec![vec![
        Step::Head,
        Step::send("HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"),
        Step::send("HTTP/1.1 100 Continue\r\nserver: x\r\n\r\n"),
        Step::Body,
        Step::send("HTTP/1.1 102 Processing\r\nserver: x\r\n\r\n"),
        Step::send("HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n"),
    ]]);
    let began = Instant::now();
    let upload = client.upload_bytes(one_put(1 << 20), Bytes::from(content.clone()));
    let error = upload.wait().unwrap_err();
    assert!(matches!(root(&error), Cause::S3(_)), "{error}");
    assert!(
        began.elapsed() < Duration::from_millis(950),
        "no second of silence"
    );
    assert_eq!(server.seen()[0].header("expect").unwrap(), "100-continue");
    assert!(server.seen()[0].body == content);
}

#[test]
fn a_refusal_without_fields_is_seen_where_permission_is_awaited() {
    let (server, client) = stage(vec![vec![
        Step::Head,
        Step::send("HTTP/1.1 403 Forbidden\r\n\r\n"),
        Step::Close,
    ]]);
    let upload = client.upload_bytes(one_put(1 << 20), Bytes::from(bytes(1 << 20)));
    let error = upload.wait().unwrap_err();
    assert!(error.to_string().contains("403"), "{error}");
    assert!(server.seen()[0].body.is_empty());
}

#[test]
fn an_answer_that_comes_while_sending_stalls_is_read() {
    // Nothing of the body is ever read, and it is more than any socket takes.
    let (_server, client) = stage(vec![vec![
        Step::Head,
        Step::send("HTTP/1.1 100 Continue\r\n\r\n"),
        Step::Sleep(Duration::from_millis(100)),
        Step::send("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n"),
        Step::Sleep(Duration::from_secs(2)),
    ]]);
    let began = Instant::now();
    let upload = client.upload_bytes(one_put(64 << 20), Bytes::from(bytes(32 << 20)));
    let error = upload.wait().unwrap_err();
    assert!(error.to_string().contains("403"), "{error}");
    assert!(
        began.elapsed() < Duration::from_millis(1500),
        "{:?}",
        began.elapsed()
    );
}

#[test]
fn a_redirect_is_an_answer_and_cookies_are_not_kept() {
    let moved = "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://127.0.0.1:1/\r\n\
                 set-cookie: a=b\r\ncontent-length: 0\r\n\r\n";
    let (server, client) = stage(vec![
        vec![Step::Head, Step::send(moved)],
        vec![Step::Head, Step::send(moved)],
    ]);
    for _ in 0..2 {
        let error = client
            .call(ListObjectsV2::new(bucket()))
            .wait()
            .unwrap_err();
        assert!(error.to_string().contains("307"), "{error}");
    }
    for seen in server.seen() {
        assert_eq!(seen.header("cookie"), None);
        assert_eq!(seen.header("accept"), None);
        assert_eq!(seen.header("accept-encoding"), None);
    }
}

#[test]
fn only_a_connection_that_is_silent_is_used_again() {
    let gone = "HTTP/1.1 204 No Content\r\n\r\n";
    let (server, client) = stage(vec![
        vec![
            Step::Head,
            Step::send(gone),
            Step::Head,
            Step::send(gone),
            Step::Close,
        ],
        vec![
            Step::Head,
            Step::send(format!("{gone}HTTP/1.1 200 OK\r\n\r\n")),
        ],
        vec![Step::Head, Step::send(gone)],
    ]);
    let delete = || {
        client
            .call(DeleteObject::new(bucket(), common::key()))
            .wait()
    };
    delete().unwrap();
    delete().unwrap();
    assert!(server.wait_played(1, Duration::from_secs(5)));
    delete().unwrap();
    assert!(server.wait_played(2, Duration::from_secs(5)) || server.seen().len() == 3);
    delete().unwrap();
    let connections: Vec<usize> = server.seen().iter().map(|seen| seen.connection).collect();
    assert_eq!(connections, [0, 0, 1, 2]);
    assert_eq!(client.stats().connections, 3);
}

/// An address that takes connections and does not accept them: its queue is full.
struct Silent {
    listener: TcpListener,
    _queue: Vec<TcpStream>,
}

impl Silent {
    fn new() -> Self {
        let socket =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket
            .bind(
                &"127.0.0.1:0"
                    .parse::<std::net::SocketAddr>()
                    .unwrap()
                    .into(),
            )
            .unwrap();
        socket.listen(0).unwrap();
        let listener: TcpListener = socket.into();
        let address = listener.local_addr().unwrap();
        let wait = Duration::from_millis(100);
        let queue = (0..8).map_while(|_| TcpStream::connect_timeout(&address, wait).ok());
        Self {
            _queue: queue.collect(),
            listener,
        }
    }
}

/// How long a transfer that is under way takes to end when it is cancelled.
fn ends_after_cancel(client: &Client, under_way: impl Fn() -> bool) -> Duration {
    let running = client.download_to_memory(small(5), 100);
    let control = running.control();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| (running.wait(), Instant::now()));
        eventually_blocking("the exchange is under way", &under_way);
        let cancelled = Instant::now();
        control.cancel();
        let (result, ended) = waiting.join().unwrap();
        assert_eq!(root(&result.unwrap_err()), Cause::Cancelled);
        ended - cancelled
    })
}

#[test]
fn an_exchange_that_connects_ends_within_a_tenth_of_a_second() {
    let silent = Silent::new();
    let mut session = session(&format!("http://{}", silent.listener.local_addr().unwrap()));
    session.timeouts.connect = Duration::from_secs(20);
    let client = Client::new(ClientConfig::new(session)).unwrap();
    let began = Instant::now();
    let took = ends_after_cancel(&client, || began.elapsed() > Duration::from_millis(300));
    assert!(took < Duration::from_millis(250), "{took:?}");
}

#[test]
fn an_exchange_that_waits_for_an_answer_ends_at_once() {
    let server = ScriptServer::start(vec![vec![Step::Head, Step::Stall]]).unwrap();
    let mut session = session(&server.endpoint_url());
    session.timeouts.head = Duration::from_secs(20);
    let client = Client::new(ClientConfig::new(session)).unwrap();
    let took = ends_after_cancel(&client, || server.seen().len() == 1);
    assert!(took < Duration::from_millis(300), "{took:?}");
}

#[test]
fn an_exchange_whose_consumer_takes_nothing_ends_at_once() {
    let content = bytes(64 * common::PART);
    let server = common::server_with(&content);
    let client = common::client(&server);
    let mut stream = client.download_stream(download());
    stream.next_bytes().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let began = Instant::now();
    client.shutdown();
    assert!(
        began.elapsed() < Duration::from_millis(400),
        "{:?}",
        began.elapsed()
    );
    let error = std::iter::from_fn(|| Some(stream.next_bytes()))
        .find_map(Result::err)
        .unwrap();
    assert_eq!(root(&error), Cause::Cancelled);
}
