//! The adapter that the README shows, run against the loopback server. What stands between the two
//! markers is the README's text, line by line.

#![cfg(unix)]

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::net::TcpStream;
use std::num::NonZeroU64;

use sans3_core::attempt::Deadlines;
use sans3_core::checksum::Algorithm;
use sans3_core::endpoint::{BucketName, Endpoint, ObjectKey, Region};
use sans3_core::error::TransportErrorKind;
use sans3_core::session::{CredentialSource, Session, SessionConfig};
use sans3_core::transfer::{Download, Length, Transfer, Upload, Verified};
use sans3_testkit::server::{Config, Server};

use adapter::{Http, drive};

#[rustfmt::skip]
#[expect(
    clippy::cast_possible_truncation, clippy::cast_possible_wrap, unreachable_pub,
    reason = "a page of example code: parts fit memory, and the time fits 63 bits"
)]
mod adapter {
// README begins
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::time::{Duration, SystemTime};

use sans3_core::attempt::{Attempt, BodySource, Deadlines, Outcome, Placement, Ready, Sent};
use sans3_core::error::{CredentialsError, SinkError, SourceError, TransportErrorKind};
use sans3_core::session::{Input, Machine, Session, Step};
use sans3_core::time::{Instant, UnixTime};

/// What the adapter asks of an HTTP library: send this, keep the deadlines, follow no redirect.
pub trait Http {
    fn send(&mut self, request: http::Request<Vec<u8>>, deadlines: Deadlines)
    -> Result<http::Response<Box<dyn Read>>, TransportErrorKind>;
}

/// Carries out all transfers of a session, one exchange at a time.
pub fn drive(session: &mut Session, http: &mut dyn Http, file: &File) {
    let start = std::time::Instant::now();
    let clock = || Instant::ZERO + start.elapsed();
    loop {
        let input = match session.poll(clock()) {
            Step::Start(attempt) => {
                Input::Outcome(exchange(attempt, http, file).unwrap_or_else(|outcome| outcome))
            }
            Step::Wait { until, .. } => {
                let until = until.expect("no exchange is under way, so only time can help");
                std::thread::sleep(until.since(clock()));
                continue;
            }
            Step::NeedCredentials => Input::Credentials(Err(CredentialsError("none".into()))),
            Step::Ended(_) => continue, // `Session::take` has its result now
            Step::Done => return,
            // There is nothing to abort between exchanges, and a file needs no filling.
            Step::Abort(_) | Step::Fill { .. } => continue,
        };
        session.input(input, clock());
    }
}

/// One exchange. `Err` is an outcome like any other: of one that ended early.
fn exchange(attempt: Attempt, http: &mut dyn Http, file: &File) -> Result<Outcome, Outcome> {
    let deadlines = attempt.deadlines();
    let mut part = Vec::new();
    let sendable = match attempt.prepare() {
        Ready::Send(sendable) => sendable,
        Ready::Hash(mut hashing) => {
            part.resize(hashing.len() as usize, 0);
            if let Err(e) = file.read_exact_at(&mut part, hashing.offset()) {
                return Err(hashing.on_source_error(SourceError::Read(e.to_string())));
            }
            hashing.update(&part);
            hashing.finish()?
        }
    };
    let request = sendable.request(wall())?.map(|body| match body {
        BodySource::Empty => Vec::new(),
        BodySource::Inline(bytes) => bytes.to_vec(),
        BodySource::Source { .. } => part,
    });
    let answer = match http.send(request, deadlines) {
        Ok(answer) => answer,
        Err(kind) => return Err(sendable.on_transport_error(kind, Sent::Part, "no answer")),
    };
    let (head, mut body) = answer.into_parts();
    let mut receiving = sendable.on_head(&head, Sent::All, wall())?;
    let mut buffer = vec![0; 256 << 10];
    loop {
        let asked = std::time::Instant::now();
        let chunk = match body.read(&mut buffer) {
            Ok(0) => return Ok(receiving.finish()),
            Ok(len) => &buffer[..len],
            Err(e) => {
                let kind = TransportErrorKind::Closed;
                return Ok(receiving.on_transport_error(kind, e.to_string()));
            }
        };
        match receiving.admit(chunk, asked.elapsed()) {
            Ok(Placement::Internal) => {}
            Ok(Placement::Object { at, span }) => {
                if let Err(e) = file.write_all_at(&chunk[span], at) {
                    return Ok(receiving.on_sink_error(SinkError(e.to_string())));
                }
            }
            Err(_stop_reading) => return Ok(receiving.finish()),
        }
    }
}

fn wall() -> UnixTime {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or(Duration::ZERO);
    UnixTime::from_seconds(now.as_secs() as i64)
}
// README ends
}

/// As little of HTTP/1.1 as a test needs: a connection for each request, and a body to its end.
struct Plain {
    sent: u32,
}

impl Http for Plain {
    fn send(
        &mut self,
        request: http::Request<Vec<u8>>,
        deadlines: Deadlines,
    ) -> Result<http::Response<Box<dyn Read>>, TransportErrorKind> {
        self.sent += 1;
        // What follows is an outage of one request, which the session has to bear.
        if self.sent == 3 {
            return Err(TransportErrorKind::Connect);
        }
        exchange(&request, deadlines).map_err(|_| TransportErrorKind::Closed)
    }
}

fn exchange(
    request: &http::Request<Vec<u8>>,
    deadlines: Deadlines,
) -> io::Result<http::Response<Box<dyn Read>>> {
    let uri = request.uri();
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    let mut stream = TcpStream::connect(authority)?;
    stream.set_read_timeout(Some(deadlines.idle))?;
    let mut head = format!("{} {target} HTTP/1.1\r\n", request.method());
    for (name, value) in request.headers() {
        head += &format!("{name}: {}\r\n", String::from_utf8_lossy(value.as_bytes()));
    }
    head += "connection: close\r\n\r\n";
    stream.write_all(head.as_bytes())?;
    stream.write_all(request.body())?;
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        text.push(byte[0]);
    }
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut parsed = httparse::Response::new(&mut fields);
    parsed.parse(&text).map_err(io::Error::other)?;
    let mut answer = http::Response::builder().status(parsed.code.unwrap_or(0));
    for field in &*parsed.headers {
        answer = answer.header(field.name, field.value);
    }
    let body: Box<dyn Read> = Box::new(stream);
    answer.body(body).map_err(io::Error::other)
}

fn carry_out<T: Transfer>(server: &Server, transfer: T, file: &File) -> T::Output {
    let region = Region::new("us-east-1").unwrap();
    let endpoint = Endpoint::custom(&server.endpoint_url(), region).unwrap();
    let config = SessionConfig::new(endpoint, CredentialSource::Anonymous);
    let mut session = Session::new(config, 1);
    let handle = session.insert(transfer, sans3_core::time::Instant::ZERO);
    drive(&mut session, &mut Plain { sent: 0 }, file);
    session.take(handle).unwrap()
}

#[test]
fn the_adapter_of_the_readme_works() {
    let server = Server::start(Config::default()).unwrap();
    server.with_model(|model| model.create_bucket("data"));
    let (bucket, key) = (
        BucketName::new("data").unwrap(),
        ObjectKey::new("a/b").unwrap(),
    );
    let bytes: Vec<u8> = (0..12_000_000_u32)
        .map(|i| (i.wrapping_mul(i) >> 5).to_le_bytes()[0])
        .collect();

    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&bytes).unwrap();
    let upload = Upload::new(
        bucket.clone(),
        key.clone(),
        Length::Known(bytes.len() as u64),
    );
    let made = carry_out(&server, upload, &file);
    assert_eq!(
        (made.parts, made.verified),
        (2, Verified::FullObject(Algorithm::Crc64Nvme))
    );

    let mut copy = tempfile::tempfile().unwrap();
    let mut download = Download::new(bucket, key);
    download.part_size = NonZeroU64::new(1 << 20);
    let found = carry_out(&server, download, &copy);
    assert_eq!(
        (found.parts, found.verified),
        (12, Verified::FullObject(Algorithm::Crc64Nvme))
    );
    let mut came = Vec::new();
    copy.rewind().unwrap();
    copy.read_to_end(&mut came).unwrap();
    assert!(came == bytes);
}

#[test]
fn the_readme_shows_this_very_adapter() {
    let code = include_str!("readme.rs");
    let (_, code) = code.split_once("// README begins\n").unwrap();
    let (code, _) = code.split_once("// README ends\n").unwrap();
    let readme = include_str!("../../README.md");
    assert!(
        readme.contains(code),
        "README.md and tests/tests/readme.rs differ"
    );
}
