//! The core's HTTP/1.1 codec and hyper read the same answers. What both take must be the same
//! answer; what one refuses and the other takes must be among the differences that are meant.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::Pin;

use http::header::HeaderMap;
use http::{Method, Request, StatusCode};
use hyper::body::{Body as _, Incoming};
use hyper_util::rt::TokioIo;
use sans3_core::http1::{BodyRead, Error, HeadRead, HeadReader, MAX_FIELDS, MAX_HEAD};
use sans3_core::rng::Rng;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

const SEED: u64 = 0x0068_7970_6572;
const ROUNDS: usize = 50_000;

/// Where the codec refuses what hyper takes: what its error expects, and why that is meant.
const STRICTER: &[(&str, &str)] = &[
    (
        "lines that end with CRLF",
        "hyper ends lines at a bare LF too, which others take for a part of a value",
    ),
    (
        "a status line that begins with HTTP/1.1 or HTTP/1.0",
        "hyper passes over empty lines before the status line",
    ),
    (
        "one Content-Length",
        "hyper takes a length that is repeated, and never looks where there is no body",
    ),
    (
        "a Content-Length of digits, at most 2^63-1",
        "hyper takes lists of equal lengths, lengths up to 2^64-3, and never looks where there is \
         no body",
    ),
    (
        "either a Content-Length or a Transfer-Encoding",
        "hyper ignores the length, as RFC 9112, section 6.3, allows",
    ),
    (
        "one Transfer-Encoding",
        "hyper looks at the last one, and never where there is no body",
    ),
    (
        "the Transfer-Encoding chunked and no other",
        "hyper takes other codings for a part of the payload",
    ),
    (
        "no Transfer-Encoding in HTTP/1.0",
        "hyper never looks where there is no body",
    ),
    (
        "no body in an interim answer",
        "hyper ignores the fields of interim answers",
    ),
    (
        "an extension behind a chunk's size",
        "hyper takes white space between a chunk's size and CRLF",
    ),
    (
        "a chunk's size of at most 16 digits and 2^63-1",
        "hyper takes any number of leading zeros, and sizes up to 2^64-1",
    ),
    (
        "CRLF behind a chunk's extension",
        "hyper takes control characters in extensions",
    ),
    (
        "a trailer or CRLF behind the last chunk",
        "hyper ends the lines of trailers at a bare LF too",
    ),
];

/// What a client got from a connection; `Err` tells why the answer is none.
type Verdict = Result<Answer, String>;

#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: StatusCode,
    fields: HeaderMap,
    body: Vec<u8>,
}

#[test]
fn the_codec_and_hyper_agree() {
    println!("seed {SEED:#x}");
    let mut rng = Rng::new(SEED);
    let (mut agreed, mut refused, mut stricter) = (0, 0, BTreeMap::new());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    for round in 0..ROUNDS {
        let method = if rng.below(8) == 0 {
            Method::HEAD
        } else {
            Method::GET
        };
        let mut bytes = composed(&mut rng);
        // Half of them as they are.
        for _ in 0..rng.below(6).saturating_sub(2) {
            damage(&mut rng, &mut bytes);
        }
        let text = format!("round {round}, {method}: {}", bytes.escape_ascii());
        let theirs = runtime.block_on(hyper_reads(&method, &bytes));
        match (codec_reads(&method, &bytes), theirs) {
            (Ok(ours), Ok(theirs)) => {
                assert_eq!(ours, theirs, "{text}");
                agreed += 1;
            }
            (Err(_), Err(_)) => refused += 1,
            (Ok(ours), Err(theirs)) => panic!("{text}\nhyper: {theirs}, but we read {ours:?}"),
            (Err(ours), Ok(theirs)) => {
                let known = STRICTER
                    .iter()
                    .find(|(expected, _)| *expected == expectation(&ours));
                let Some((expected, _)) = known else {
                    panic!("{text}\nwe: {ours}, but hyper reads {theirs:?}");
                };
                *stricter.entry(*expected).or_insert(0_u32) += 1;
            }
        }
    }
    println!("{agreed} read alike, {refused} refused by both; by us alone: {stricter:#?}");
    assert!(agreed > ROUNDS / 10 && refused > ROUNDS / 10);
    for (expected, why) in STRICTER {
        assert!(stricter.contains_key(expected), "never seen that {why}");
    }
}

#[test]
fn the_codec_and_hyper_keep_the_same_limits() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let head = |fields: &str| format!("HTTP/1.1 200 OK\r\n{fields}content-length: 0\r\n\r\n");
    let chunks = |rest: &str| {
        format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0{rest}\r\n")
    };
    let long = |len: usize| "x".repeat(len);
    for (bytes, good) in [
        (head(&"x: y\r\n".repeat(127)), true),
        (head(&"x: y\r\n".repeat(128)), false),
        (head(&format!("x: {}\r\n", long(60_000))), true),
        (head(&format!("x: {}\r\n", long(140_000))), false),
        (chunks(&format!(";{}\r\n", long(16_000))), true),
        (chunks(&format!(";{}\r\n", long(17_000))), false),
        (chunks(&format!("\r\nx: {}\r\n", long(16_000))), true),
        (chunks(&format!("\r\nx: {}\r\n", long(17_000))), false),
        (chunks(&format!("\r\n{}", "x: y\r\n".repeat(128))), true),
        (chunks(&format!("\r\n{}", "x: y\r\n".repeat(129))), false),
    ] {
        let ours = codec_reads(&Method::GET, bytes.as_bytes());
        let theirs = runtime.block_on(hyper_reads(&Method::GET, bytes.as_bytes()));
        let shown = &bytes[..bytes.len().min(100)];
        assert_eq!(
            (ours.is_ok(), theirs.is_ok()),
            (good, good),
            "{} {shown}",
            bytes.len()
        );
        assert_eq!(ours.ok(), theirs.ok());
    }
}

fn codec_reads(method: &Method, bytes: &[u8]) -> Result<Answer, Error> {
    let mut reader = HeadReader::new(method);
    let mut rest = bytes;
    let (head, mut body) = loop {
        match reader.read(rest)? {
            HeadRead::Incomplete => return Err(reader.eof(rest)),
            HeadRead::Interim { consumed, .. } => rest = &rest[consumed..],
            HeadRead::Final {
                head,
                consumed,
                body,
            } => {
                rest = &rest[consumed..];
                break (head, body);
            }
        }
    };
    let mut payload = Vec::new();
    loop {
        match body.read(rest)? {
            BodyRead::Data { consumed, span } => {
                payload.extend_from_slice(&rest[span]);
                rest = &rest[consumed..];
            }
            BodyRead::Incomplete { .. } => {
                body.eof()?;
                break;
            }
            BodyRead::Complete { .. } => break,
        }
    }
    Ok(Answer {
        status: head.status,
        fields: head.headers,
        body: payload,
    })
}

fn expectation(error: &Error) -> &'static str {
    match error {
        Error::Malformed { expected, .. } => expected,
        _ => "",
    }
}

async fn hyper_reads(method: &Method, bytes: &[u8]) -> Verdict {
    let (ours, theirs) = duplex(bytes.len() + 1024);
    tokio::spawn(serve(theirs, bytes.to_vec()));
    let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_FIELDS)
        .handshake::<_, String>(TokioIo::new(ours))
        .await
        .map_err(|error| error.to_string())?;
    tokio::spawn(connection);
    let request = Request::builder()
        .method(method)
        .uri("/")
        .header("host", "h");
    let request = request.body(String::new()).unwrap();
    let answer = sender
        .send_request(request)
        .await
        .map_err(|error| format!("{error:?}"))?;
    let (head, body) = answer.into_parts();
    Ok(Answer {
        status: head.status,
        fields: head.headers,
        body: collect(body).await.map_err(|error| format!("{error:?}"))?,
    })
}

async fn collect(mut body: Incoming) -> Result<Vec<u8>, hyper::Error> {
    let mut payload = Vec::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        if let Ok(data) = frame?.into_data() {
            payload.extend_from_slice(&data);
        }
    }
    Ok(payload)
}

/// Takes one request, answers it with `bytes`, and closes.
async fn serve(mut stream: DuplexStream, bytes: Vec<u8>) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await.unwrap());
    }
    // The client may have gone when it has seen enough.
    let _ = stream.write_all(&bytes).await;
    let _ = stream.shutdown().await;
}

const STATUS_LINES: &[&str] = &[
    "HTTP/1.1 200 OK\r\n",
    "HTTP/1.1 206 Partial Content\r\n",
    "HTTP/1.1 403\r\n",
    "HTTP/1.1 503 \r\n",
    "HTTP/1.0 200 OK\r\n",
    "HTTP/1.1 204 No Content\r\n",
    "HTTP/1.1 304 Not Modified\r\n",
    "HTTP/1.1 101 Switching Protocols\r\n",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n",
    "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 100\r\n\r\nHTTP/1.1 200 OK\r\n",
    "HTTP/1.1 100 Continue\r\ncontent-length: 5\r\n\r\nHTTP/1.1 200 OK\r\n",
    "\r\nHTTP/1.1 200 OK\r\n",
    "HTTP/1.1 200 OK\n",
    "HTTP/1.1 600 Odd\r\n",
    "HTTP/1.1 099 Odd\r\n",
    "HTTP/1.2 200 OK\r\n",
    "HTTP/1.1  200 OK\r\n",
    "HTTP/1.1 2000 OK\r\n",
    "HTTP/1.1 200 \u{e9}t\u{e9}\r\n",
    "ICY 200 OK\r\n",
];

const FIELDS: &[&str] = &[
    "etag: \"e\"\r\n",
    "connection: close\r\n",
    "connection: keep-alive\r\n",
    "x: a\r\nX: b\r\n",
    "x: \u{e9}\r\n",
    "x:\r\n",
    "x: a\tb\r\n",
    "content-length: 5\r\n",
    "Content-Length:5\r\n",
    "content-length: 05 \t\r\n",
    "content-length: 0\r\n",
    "content-length: 4\r\n",
    "content-length: 5, 5\r\n",
    "content-length: 5,6\r\n",
    "content-length: +5\r\n",
    "content-length: 5 5\r\n",
    "content-length: 0x5\r\n",
    "content-length:\r\n",
    "content-length: 9223372036854775808\r\n",
    "content-length: 18446744073709551621\r\n",
    "content-length : 5\r\n",
    "transfer-encoding: chunked\r\n",
    "Transfer-Encoding: CHUNKED \r\n",
    "transfer-encoding: gzip, chunked\r\n",
    "transfer-encoding: chunked, chunked\r\n",
    "transfer-encoding: identity\r\n",
    "transfer-encoding: xchunked\r\n",
    "transfer-encoding:\r\n",
    "x: a\r\n b\r\n",
    "x: a\0b\r\n",
    "x: a\rb\r\n",
    "x: a\n",
    ": a\r\n",
    "x\r\n",
    "x y: a\r\n",
];

const BODIES: &[&str] = &[
    "hello",
    "hello\r\n",
    "hell",
    "",
    "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
    "5\r\nhello\r\n0\r\n\r\n",
    "2\r\nhe\r\n003;a=\"b c\"\r\nllo\r\n0\r\n\r\nrest",
    "5;a=b\r\nhello\r\n0\r\nx-sum: 1\r\ny: 2\r\n\r\n",
    "5 ;a\r\nhello\r\n00;e\r\n\r\n",
    "5 \r\nhello\r\n0\r\n\r\n",
    "5\nhello\r\n0\r\n\r\n",
    "5;a\nhello\r\n0\r\n\r\n",
    "5;\0\r\nhello\r\n0\r\n\r\n",
    "5\r\nhello\n0\r\n\r\n",
    "5\r\nhello0\r\n\r\n",
    "5\r\nhello\r\n",
    "5\r\nhello\r\n0\r\n",
    "00000000000000005\r\nhello\r\n0\r\n\r\n",
    "10000000000000005\r\nhello\r\n0\r\n\r\n",
    "0x5\r\nhello\r\n0\r\n\r\n",
    "-1\r\nhello\r\n0\r\n\r\n",
    "0\r\nx: 1\ny: 2\r\n\r\n",
    "5\r\nhello\r\n0\r\nx: 1\n\r\n\r\n",
    "0\r\n x: 1\r\n\r\n",
    "0\r\nx : 1\r\n\r\n",
    "0\r\n\n",
];

/// An answer of parts that may or may not fit each other.
fn composed(rng: &mut Rng) -> Vec<u8> {
    let mut text = pick(rng, STATUS_LINES).to_owned();
    for _ in 0..rng.below(3) {
        text.push_str(pick(rng, FIELDS));
    }
    let (framing, bodies) = match rng.below(3) {
        0 => ("", BODIES),
        1 => ("content-length: 5\r\n", &BODIES[..5]),
        _ => ("transfer-encoding: chunked\r\n", &BODIES[5..]),
    };
    text.push_str(framing);
    text.push_str("\r\n");
    text.push_str(pick(rng, bodies));
    text.into_bytes()
}

/// One of `parts`; the sooner it stands there, the likelier.
fn pick<'a>(rng: &mut Rng, parts: &[&'a str]) -> &'a str {
    let up_to = rng.below(parts.len() as u64);
    parts[usize::try_from(rng.below(up_to + 1)).unwrap()]
}

/// Changes, removes or adds one byte.
fn damage(rng: &mut Rng, bytes: &mut Vec<u8>) {
    const TELLING: &[u8] = b"\r\n\r\n :;,\t\0 0159afxHTP/.\x7f\xff";
    let mut below = |bound: usize| usize::try_from(rng.below(bound as u64)).unwrap();
    let (at, byte, how) = (below(bytes.len()), TELLING[below(TELLING.len())], below(3));
    match how {
        0 => bytes[at] = byte,
        1 => drop(bytes.remove(at)),
        _ => bytes.insert(at, byte),
    }
}
