//! What the core costs by itself: a download at 100 Gbit/s from 250 connections in virtual time,
//! signed, in ranges of 8 MiB that come in chunks of 256 KiB, with nothing around the core but a loop.
//!
//! Hashing is left out, as the object has no checksum: it costs what the bytes cost, whoever asks for
//! it. The time of a run is that of the whole loop, so it is an upper bound.
//!
//! ```text
//! cargo run --release -p sans3-testkit --features core-cost --bin core-cost
//! ```
//!
//! Exits with 1 where a bound is broken: 1 % of a CPU core, 2 microseconds at the 99th percentile for
//! what an exchange holds the session's lock, 1 ms to plan 50 TB, 1 MiB for the plan of a download.

use std::collections::VecDeque;
use std::num::{NonZeroU16, NonZeroU64};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONTENT_LENGTH, CONTENT_RANGE, ETAG, RANGE};
use http::response::Parts;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use sans3_core::attempt::{Attempt, AttemptId, Ready, Receiving, Sent};
use sans3_core::endpoint::{BucketName, Endpoint, ObjectKey, Region};
use sans3_core::operation::OperationKind;
use sans3_core::session::{CredentialSource, Input, Machine as _, Session, SessionConfig, Step};
use sans3_core::sign::Credentials;
use sans3_core::time::{Instant, UnixTime};
use sans3_core::transfer::{Download, Length, Upload};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const CONNECTIONS: u16 = 250;
const CHUNK: usize = 256 << 10;
const PART: u64 = 8 << 20;
/// 100 Gbit/s.
const BYTES_A_SECOND: u64 = 12_500_000_000;
const TB: u64 = 1_000_000_000_000;
const WALL: UnixTime = UnixTime::from_seconds(1_800_000_000);

fn main() -> ExitCode {
    let mut kept = true;
    let mut judge = |what: &str, seen: f64, most: f64, unit: &str| {
        let good = seen <= most;
        kept &= good;
        let verdict = if good { "" } else { "   TOO MUCH" };
        println!("{what:<58} {seen:>9.3} {unit} (at most {most}){verdict}");
    };

    let plan = planning();
    judge("planning an upload of 50 TB", millis(plan.0), 1.0, "ms");
    judge("planning a download of 50 TB", millis(plan.1), 1.0, "ms");

    let size = 100 * BYTES_A_SECOND;
    let whole = World::new(size, PART, false).run();
    let share = whole.spent.as_secs_f64() / whole.virtual_time.as_secs_f64();
    judge(
        "100 Gbit/s, 250 connections: of a CPU core",
        share * 100.0,
        1.0,
        "%",
    );
    let exchange = whole.spent.as_secs_f64() * 1e6 / count(whole.exchanges);
    println!(
        "{:<58} {exchange:>9.3} us",
        "  an exchange, its 32 chunks included"
    );

    let mut held = World::new(size, PART, true).run().held;
    held.sort_unstable();
    let at = |part: usize| micros(held[(held.len() - 1) * part / 1_000]);
    println!(
        "{:<58} {:>9.3} us",
        "lock held an exchange (input and polls): median",
        at(500)
    );
    println!("{:<58} {:>9.3} us", "  90th percentile", at(900));
    judge("  99th percentile", at(990), 2.0, "us");
    println!("{:<58} {:>9.3} us", "  99.9th percentile", at(999));

    let before = resident();
    let huge = World::new(50 * TB, 64 << 20, false).run();
    let grown = resident().saturating_sub(before);
    judge(
        "50 TB by 745,059 ranges: memory grown",
        count(grown) / 1_048_576.0,
        1.0,
        "MiB",
    );
    println!(
        "{:<58} {:>9.3} s",
        "  and all of it took",
        huge.spent.as_secs_f64()
    );
    if kept {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// What a run took.
struct Cost {
    /// By the clock on the wall.
    spent: Duration,
    virtual_time: Duration,
    exchanges: u64,
    /// For each exchange, the time in which its outcome was taken in and its successor was found.
    held: Vec<Duration>,
}

struct World {
    session: Session,
    size: u64,
    now: Instant,
    flying: VecDeque<Exchange>,
    /// Whether the time of each exchange is taken, which takes time itself.
    timed: bool,
    held: Vec<Duration>,
    exchanges: u64,
}

struct Exchange {
    id: AttemptId,
    receiving: Receiving,
    left: u64,
}

impl World {
    fn new(size: u64, part_size: u64, timed: bool) -> Self {
        let mut session = session();
        let download = Download {
            part_size: NonZeroU64::new(part_size),
            ..Download::new(bucket(), key())
        };
        session.insert(download, Instant::ZERO);
        Self {
            session,
            size,
            now: Instant::ZERO,
            flying: VecDeque::new(),
            timed,
            held: Vec::new(),
            exchanges: 0,
        }
    }

    fn run(mut self) -> Cost {
        let began = clock();
        let chunk = vec![0; CHUNK];
        let mut bytes = 0_u64;
        self.start_all();
        while let Some(mut exchange) = self.flying.pop_front() {
            let len = exchange.left.min(CHUNK as u64);
            let piece = &chunk[..usize::try_from(len).unwrap_or(CHUNK)];
            let placed = exchange.receiving.admit(piece, Duration::ZERO);
            assert!(placed.is_ok(), "an honest body was refused");
            exchange.left -= len;
            bytes += len;
            let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(BYTES_A_SECOND);
            self.now = Instant::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
            if exchange.left > 0 {
                self.flying.push_back(exchange);
            } else {
                self.finish(exchange);
            }
        }
        Cost {
            spent: began.elapsed(),
            virtual_time: self.now.since(Instant::ZERO),
            exchanges: self.exchanges,
            held: self.held,
        }
    }

    fn finish(&mut self, exchange: Exchange) {
        self.exchanges += 1;
        let outcome = exchange.receiving.finish();
        assert_eq!(outcome.id(), exchange.id);
        if !self.timed {
            self.session.input(Input::Outcome(outcome), self.now);
            return self.start_all();
        }
        let mut started = Vec::new();
        let began = clock();
        self.session.input(Input::Outcome(outcome), self.now);
        while let Step::Start(attempt) = self.session.poll(self.now) {
            started.push(attempt);
        }
        self.held.push(began.elapsed());
        for attempt in started {
            self.start(attempt);
        }
    }

    fn start_all(&mut self) {
        loop {
            match self.session.poll(self.now) {
                Step::Start(attempt) => self.start(attempt),
                Step::Wait { .. } | Step::Done => return,
                Step::Ended(_) => {}
                step => panic!("a download of an honest server does not ask for {step:?}"),
            }
        }
    }

    /// Sends a request, whose head is answered at once.
    fn start(&mut self, attempt: Attempt) {
        let (id, operation) = (attempt.id(), attempt.operation());
        let Ready::Send(sendable) = attempt.prepare() else {
            panic!("a download hashes nothing before it is sent");
        };
        let Ok(request) = sendable.request(WALL) else {
            panic!("the request can't be made");
        };
        let (head, len) = answer(request.headers(), self.size);
        let Ok(receiving) = sendable.on_head(&head, Sent::All, WALL) else {
            panic!("the head is refused");
        };
        if operation == OperationKind::HeadObject {
            self.session
                .input(Input::Outcome(receiving.finish()), self.now);
            return;
        }
        self.flying.push_back(Exchange {
            id,
            receiving,
            left: len,
        });
    }
}

/// The head of the answer to a request for a range, or for the head alone; and how many bytes follow.
fn answer(request: &HeaderMap, size: u64) -> (Parts, u64) {
    let (mut head, ()) = Response::new(()).into_parts();
    let range = request.get(RANGE).and_then(|range| range.to_str().ok());
    let range = range.and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
    let bounds = range
        .and_then(|(first, last)| Some((first.parse::<u64>().ok()?, last.parse::<u64>().ok()?)));
    let len = match bounds {
        Some((first, last)) => {
            let last = last.min(size - 1);
            head.status = StatusCode::PARTIAL_CONTENT;
            let value = HeaderValue::from_str(&format!("bytes {first}-{last}/{size}"));
            head.headers
                .extend(value.map(|value| (CONTENT_RANGE, value)));
            last + 1 - first
        }
        None => size,
    };
    head.headers.insert(CONTENT_LENGTH, len.into());
    head.headers.insert(
        ETAG,
        HeaderValue::from_static("\"5d41402abc4b2a76b9719d911017c592\""),
    );
    (head, len)
}

/// How long it takes from nothing to the first requests of an upload and of a download.
fn planning() -> (Duration, Duration) {
    let until_it_waits = |session: &mut Session, began: std::time::Instant| {
        let mut attempts = Vec::new();
        while let Step::Start(attempt) = session.poll(Instant::ZERO) {
            attempts.push(attempt);
        }
        began.elapsed()
    };
    let mut uploads = session();
    let began = clock();
    let upload = Upload::new(bucket(), key(), Length::Known(50 * TB));
    uploads.insert(upload, Instant::ZERO);
    let upload = until_it_waits(&mut uploads, began);
    // A download plans when it knows the size: with what follows its HEAD and its first range.
    let mut world = World::new(50 * TB, PART, true);
    world.start_all();
    while world.held.is_empty() {
        let Some(exchange) = world.flying.pop_front() else {
            break;
        };
        let mut exchange = exchange;
        let chunk = vec![0; CHUNK];
        while exchange.left > 0 {
            let placed = exchange.receiving.admit(&chunk, Duration::ZERO);
            assert!(placed.is_ok(), "an honest body was refused");
            exchange.left -= CHUNK as u64;
        }
        world.finish(exchange);
    }
    (upload, world.held.first().copied().unwrap_or_default())
}

fn session() -> Session {
    let made = || {
        let region = Region::new("us-east-1")?;
        let endpoint = Endpoint::custom("http://s3.test", region)?;
        let credentials = Credentials::new("AKIDEXAMPLE", "wJalrXUtnFEMI", None)?;
        let source = CredentialSource::Static(Arc::new(credentials));
        let mut config = SessionConfig::new(endpoint, source);
        config.concurrency = NonZeroU16::new(CONNECTIONS)
            .unwrap_or(NonZeroU16::MIN)
            .into();
        config.memory = 1 << 30;
        Ok::<_, sans3_core::error::SpecError>(Session::new(config, 1))
    };
    made().unwrap_or_else(|error| panic!("{error}"))
}

fn bucket() -> BucketName {
    BucketName::new("bucket").unwrap_or_else(|error| panic!("{error}"))
}

fn key() -> ObjectKey {
    ObjectKey::new("key").unwrap_or_else(|error| panic!("{error}"))
}

fn clock() -> std::time::Instant {
    std::time::Instant::now()
}

/// Bytes of this process that are in memory; 0 where the system does not tell.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1_024
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

#[expect(clippy::cast_precision_loss, reason = "for people to read")]
fn count(number: u64) -> f64 {
    number as f64
}
