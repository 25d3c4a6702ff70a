//! Exchanges over HTTP/1.1 without sockets.

#[expect(dead_code, reason = "other tests use more of it")]
mod common;

use std::fmt::Write as _;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use common::{World, content, download, upload};
use sans3_core::attempt::{Outcome, Sent as Left};
use sans3_core::error::{SourceError, TransportErrorKind};
use sans3_core::operation::OperationKind;
use sans3_core::time::Instant;
use sans3_core::transfer::Download;
use sans3_runtime::buffer::BUFFER_SIZE;
use sans3_runtime::net::Fault;
use sans3_runtime::{Assignment, Body, Dialogue, Report, Stop, Task};
use sans3_testkit::drive::{Peer as _, Reply, Sent};

const SECOND: Duration = Duration::from_secs(1);

/// A transfer under way, and the dialogue of its first exchange of bytes.
struct Scene {
    world: World,
    _transfer: Pin<Box<dyn Future<Output = ()>>>,
    dialogue: Dialogue,
    head: Vec<u8>,
    body: Body,
    stop: Stop,
    _report: Report,
}

impl Scene {
    fn new<F: Future + 'static>(begin: impl FnOnce(&mut World) -> F) -> Self {
        let mut world = World::calm();
        let transfer = begin(&mut world);
        let mut transfer: Pin<Box<dyn Future<Output = ()>>> = Box::pin(async move {
            transfer.await;
        });
        let task = loop {
            assert!(poll(&mut transfer).is_pending());
            let task = tasks(&mut world).remove(0);
            if task.attempt.operation() != OperationKind::HeadObject {
                break task;
            }
            carry_out(&mut world, task, usize::MAX);
        };
        let Assignment {
            attempt,
            work,
            report,
        } = task;
        let stop = work.stop.clone();
        let (dialogue, head, body) = at_once(Dialogue::begin(attempt, work)).unwrap();
        Self {
            world,
            _transfer: transfer,
            dialogue,
            head,
            body,
            stop,
            _report: report,
        }
    }

    /// A download to memory, whose request has left.
    fn downloading() -> Self {
        let mut scene = Self::new(|world| {
            let ticket = world.hub.ticket();
            world.hub.download_to_memory(download(), u64::MAX, &ticket)
        });
        scene.dialogue.sent(Left::All);
        scene
    }

    /// An upload of 700 bytes, of which nothing has left.
    fn uploading() -> Self {
        Self::new(|world| {
            let (ticket, bytes) = (world.hub.ticket(), Bytes::from(content(700)));
            world.hub.upload_bytes(upload(), bytes, &ticket)
        })
    }

    /// What the model answers.
    fn answer(&mut self) -> Vec<u8> {
        let body = sent_whole(&mut self.body);
        answer(&mut self.world, &self.head, body)
    }
}

#[test]
fn a_download_comes_in_odd_pieces() {
    for piece in [1, 7, 300, usize::MAX] {
        let (mut world, content) = (World::calm(), content(2_500));
        world.peer.model.put("bucket", "key", content.clone());
        let ticket = world.hub.ticket();
        let downloading = world.hub.download_to_memory(download(), u64::MAX, &ticket);
        let (found, bytes) = run(&mut world, downloading, piece).unwrap();
        assert_eq!((found.size, found.parts), (2_500, 3));
        assert!(bytes == content, "in pieces of {piece}");
    }
}

#[test]
fn an_upload_is_hashed_and_sent() {
    for (piece, len) in [(1, 0), (1, 700), (7, 1_000), (usize::MAX, 2_500)] {
        let (mut world, content) = (World::calm(), content(len));
        let ticket = world.hub.ticket();
        let uploading = world
            .hub
            .upload_bytes(upload(), content.clone().into(), &ticket);
        assert_eq!(run(&mut world, uploading, piece).unwrap().size, len as u64);
        assert!(world.stored().unwrap() == content, "{len} bytes");
    }
}

#[test]
fn a_request_says_how_long_its_body_is_and_that_the_connection_closes() {
    let mut scene = Scene::uploading();
    let head = String::from_utf8(scene.head.clone()).unwrap();
    assert!(head.starts_with("PUT /bucket/key"), "{head}");
    assert!(head.contains("\r\nconnection: close\r\n"), "{head}");
    assert!(head.contains("\r\ncontent-length: 700\r\n"), "{head}");
    assert!(head.contains("\r\nx-amz-checksum-"), "{head}");
    assert_eq!(sent_whole(&mut scene.body), content(700));
}

#[test]
fn interim_answers_are_passed_over_and_buy_no_time() {
    let mut scene = Scene::uploading();
    let answer = scene.answer();
    scene.dialogue.sent(Left::All);
    let head = scene.dialogue.patience();
    let mut dialogue = scene.dialogue;
    for interim in [
        "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n",
        "HTTP/1.1 100 \r\n\r\n",
    ] {
        dialogue = at_once(dialogue.hear(interim.as_bytes(), SECOND)).unwrap();
        assert!(!dialogue.is_answered());
    }
    assert_eq!(dialogue.patience(), head - 2 * SECOND);
    let outcome = feed(dialogue, &answer, usize::MAX);
    assert!(outcome.unwrap_err().is_success());
}

#[test]
fn a_connection_that_ends_early_is_closed_in_head_and_body() {
    for (answer, expected) in [
        ("", "sent: All"),
        ("HTTP/1.1 200 OK\r\ncont", "sent: All"),
        (PARTIAL, "Closed"),
        (CHUNKED, "Closed"),
    ] {
        let scene = Scene::downloading();
        let dialogue = feed(scene.dialogue, answer.as_bytes(), usize::MAX).unwrap();
        let outcome = at_once(dialogue.hear(b"", SECOND)).unwrap_err();
        assert_says(&outcome, &["Closed", expected]);
    }
}

#[test]
fn what_is_no_http_is_bad_in_head_and_body() {
    let chunk = format!("{CHUNKED}\r\nzz\r\n");
    for answer in ["SSH-2.0-x\r\n\r\n", &chunk] {
        let scene = Scene::downloading();
        let outcome = feed(scene.dialogue, answer.as_bytes(), 11).unwrap_err();
        assert_says(&outcome, &["BadHttp"]);
    }
}

#[test]
fn an_answer_that_stalls_is_late_in_its_head_and_idle_in_its_body() {
    let scene = Scene::downloading();
    let dialogue = scene.dialogue;
    let head = dialogue.patience();
    let dialogue = at_once(dialogue.hear(b"HTTP/1.1 2", SECOND)).unwrap();
    assert_eq!(dialogue.patience(), head - SECOND);
    assert_says(&at_once(dialogue.stalled()), &["HeadTimeout", "sent: All"]);

    let scene = Scene::downloading();
    let dialogue = feed(scene.dialogue, PARTIAL.as_bytes(), usize::MAX).unwrap();
    assert!(dialogue.is_answered());
    assert_says(&at_once(dialogue.stalled()), &["IdleTimeout"]);
}

#[test]
fn a_request_that_stalls_is_idle_and_each_byte_that_leaves_buys_time() {
    let scene = Scene::uploading();
    let mut dialogue = scene.dialogue;
    let idle = dialogue.patience();
    dialogue.sent(Left::Part);
    dialogue = at_once(dialogue.hear(b"HTTP/1.1 1", SECOND)).unwrap();
    assert_eq!(dialogue.patience(), idle - SECOND);
    dialogue.sent(Left::Part);
    assert_eq!(dialogue.patience(), idle);
    assert_says(&at_once(dialogue.stalled()), &["IdleTimeout", "sent: Part"]);
}

#[test]
fn a_connection_that_was_never_made_sent_nothing() {
    let scene = Scene::uploading();
    let dialogue = scene.dialogue;
    let fault = Fault::new(TransportErrorKind::Connect, "refused");
    let outcome = at_once(dialogue.broken(fault));
    assert_says(&outcome, &["kind: Connect", "sent: None", "refused"]);
}

#[test]
fn adversary_25_an_early_refusal_is_heard_while_the_body_is_sent() {
    let scene = Scene::uploading();
    let mut dialogue = scene.dialogue;
    dialogue.sent(Left::Part);
    let refusal = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 5\r\n\r\n";
    dialogue = feed(dialogue, refusal, 10).unwrap();
    assert!(dialogue.is_answered());
    // What leaves nevertheless does not change how the answer counts.
    dialogue.sent(Left::All);
    let outcome = feed(dialogue, b"<no/>", 2).unwrap_err();
    assert_says(&outcome, &["Refused", "403"]);
    assert!(!outcome.may_reuse_connection());
}

#[test]
fn a_success_before_the_request_has_left_is_none() {
    for (left, succeeds) in [(Left::Part, false), (Left::All, true)] {
        let mut scene = Scene::uploading();
        let answer = scene.answer();
        scene.dialogue.sent(left);
        let outcome = feed(scene.dialogue, &answer, usize::MAX).unwrap_err();
        assert_eq!(outcome.is_success(), succeeds, "{outcome:?}");
    }
}

#[test]
fn adversary_41_a_source_that_fails_fails_the_exchange() {
    let error = || SourceError::Read("EIO".into());
    let scene = Scene::uploading();
    let mut dialogue = scene.dialogue;
    dialogue.sent(Left::Part);
    let outcome = at_once(dialogue.on_source_error(error()));
    assert_says(&outcome, &["Source(", "EIO"]);

    // A refusal counts more than the rest of what it refused.
    let scene = Scene::uploading();
    let mut dialogue = scene.dialogue;
    dialogue.sent(Left::Part);
    let refusal = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 5\r\n\r\n";
    dialogue = feed(dialogue, refusal, usize::MAX).unwrap();
    let outcome = at_once(dialogue.on_source_error(error()));
    assert_says(&outcome, &["403"]);
}

#[test]
fn an_end_that_is_asked_for_comes_at_once_whatever_else_happens() {
    for answer in ["", "HTTP/1.1 2", PARTIAL] {
        for how in 0..3 {
            let scene = Scene::downloading();
            let (dialogue, stop) = (scene.dialogue, scene.stop);
            let dialogue = match answer {
                "" => dialogue,
                _ => feed(dialogue, answer.as_bytes(), usize::MAX).unwrap(),
            };
            stop.stop();
            assert_eq!(dialogue.patience(), Duration::ZERO);
            let fault = Fault::new(TransportErrorKind::Closed, "shut down");
            let outcome = match how {
                0 => at_once(dialogue.hear(b"more", SECOND)).unwrap_err(),
                1 => at_once(dialogue.stalled()),
                _ => at_once(dialogue.broken(fault)),
            };
            assert_says(&outcome, &["Aborted"]);
        }
    }
}

#[test]
fn a_consumer_without_room_is_waited_for_until_the_end_is_asked_for() {
    let mut scene = Scene::new(|world| {
        let content = content(4 * BUFFER_SIZE);
        let whole = Download {
            part_size: u64::try_from(content.len()).unwrap().try_into().ok(),
            ..download()
        };
        world.peer.model.put("bucket", "key", content);
        let ticket = world.hub.ticket();
        let (downloading, bytes) = world.hub.download_in_order(whole, &ticket);
        // Held, and never asked for bytes.
        async move {
            let _bytes = bytes;
            downloading.await
        }
    });
    let answer = scene.answer();
    let (mut dialogue, stop) = (scene.dialogue, scene.stop);
    dialogue.sent(Left::All);
    let mut pieces = answer.chunks(BUFFER_SIZE);
    let mut hearing = loop {
        let piece = pieces.next().expect("there is no room for all");
        let mut hearing = Box::pin(dialogue.hear(piece, SECOND));
        match poll(&mut hearing) {
            Poll::Ready(heard) => dialogue = heard.unwrap(),
            Poll::Pending => break hearing,
        }
    };
    stop.stop();
    let Poll::Ready(Err(outcome)) = poll(&mut hearing) else {
        panic!("the end was asked for");
    };
    assert_says(&outcome, &["Aborted"]);
}

/// The beginning of an object of 1000 bytes.
const PARTIAL: &str = "HTTP/1.1 206 Partial Content\r\ncontent-length: 1000\r\n\
    content-range: bytes 0-999/1000\r\netag: \"e\"\r\n\r\nabc";

/// The same, in chunks.
const CHUNKED: &str = "HTTP/1.1 206 Partial Content\r\ntransfer-encoding: chunked\r\n\
    content-range: bytes 0-999/1000\r\netag: \"e\"\r\n\r\n3\r\nabc";

/// Runs a transfer to its end; its answers come in pieces of `piece` bytes.
fn run<T>(world: &mut World, transfer: impl Future<Output = T>, piece: usize) -> T {
    let mut transfer = pin!(transfer);
    for _ in 0..1_000 {
        if let Poll::Ready(value) = poll(&mut transfer) {
            return value;
        }
        for task in tasks(world) {
            carry_out(world, task, piece);
        }
    }
    panic!("no end in sight: {:?}", world.hub.notices());
}

/// Has the model answer an exchange.
fn carry_out(world: &mut World, task: Assignment, piece: usize) {
    let begun = at_once(Dialogue::begin(task.attempt, task.work));
    let (mut dialogue, head, mut body) = begun.unwrap();
    let answer = answer(world, &head, sent_whole(&mut body));
    dialogue.sent(Left::All);
    let outcome = feed(dialogue, &answer, piece).unwrap_err();
    task.report.send(outcome);
}

/// What there is to do now.
fn tasks(world: &mut World) -> Vec<Assignment> {
    let mut tasks = Vec::new();
    let _ = world.desk.work(Instant::ZERO, |task| match task {
        Task::Exchange(task) => tasks.push(task),
        Task::Credentials(_) => panic!("nobody needs credentials here"),
    });
    tasks
}

/// Has the dialogue hear `bytes` in pieces, until it has an outcome.
fn feed(mut dialogue: Dialogue, bytes: &[u8], piece: usize) -> Result<Dialogue, Outcome> {
    for piece in bytes.chunks(piece.min(bytes.len()).max(1)) {
        dialogue = at_once(dialogue.hear(piece, Duration::ZERO))?;
    }
    Ok(dialogue)
}

fn sent_whole(body: &mut Body) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some(slice) = at_once(body.next()) {
        bytes.extend_from_slice(&slice.unwrap());
    }
    assert_eq!(body.left(), 0);
    bytes
}

/// The model's answer to a request, in the bytes of HTTP/1.1: chunked wherever it has a body.
fn answer(world: &mut World, head: &[u8], body: Vec<u8>) -> Vec<u8> {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut fields);
    assert!(request.parse(head).unwrap().is_complete());
    let fields = request.headers.iter().map(|field| {
        let name = field.name.parse::<http::HeaderName>().unwrap();
        (name, http::HeaderValue::from_bytes(field.value).unwrap())
    });
    let method: http::Method = request.method.unwrap().parse().unwrap();
    let reply = world.peer.answer(Sent {
        method: method.clone(),
        target: request.path.unwrap().to_owned(),
        headers: fields.collect(),
        body: body.into(),
    });
    written(&method, &reply)
}

fn written(method: &http::Method, reply: &Reply) -> Vec<u8> {
    let (status, fields) = reply.head.as_ref().unwrap();
    let has_body = method != http::Method::HEAD;
    let mut head = format!("HTTP/1.1 {status} \r\n");
    for (name, value) in fields {
        if name != http::header::CONTENT_LENGTH || !has_body {
            write!(head, "{name}: {}\r\n", value.to_str().unwrap()).unwrap();
        }
    }
    if !has_body {
        head.push_str("\r\n");
        return head.into_bytes();
    }
    head.push_str("transfer-encoding: chunked\r\n\r\n");
    let mut bytes = head.into_bytes();
    for chunk in reply.body.iter().filter(|chunk| !chunk.is_empty()) {
        bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    bytes
}

/// What an outcome holds is for the session, and seen from here in its debugging form alone.
fn assert_says(outcome: &Outcome, expected: &[&str]) {
    let seen = format!("{outcome:?}");
    for words in expected {
        assert!(seen.contains(words), "{words} is missing: {seen}");
    }
    assert!(!outcome.is_success());
}

fn poll<F: Future + Unpin>(work: &mut F) -> Poll<F::Output> {
    Pin::new(work).poll(&mut Context::from_waker(Waker::noop()))
}

/// What never waits.
fn at_once<T>(work: impl Future<Output = T>) -> T {
    match poll(&mut pin!(work)) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it had to wait"),
    }
}
