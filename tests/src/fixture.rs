//! A small scene for the tests of adapters and clients: a server with one bucket, sessions that lose
//! patience soon, transfers in many small parts.

use std::error::Error;
use std::future::poll_fn;
use std::num::{NonZeroU16, NonZeroU32, NonZeroU64};
use std::path::Path;
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sans3_core::endpoint::{BucketName, Endpoint, ObjectKey, Region};
use sans3_core::error::{Cause, TransferError, TransportErrorKind};
use sans3_core::session::{ChecksumPlacement, CredentialSource, SessionConfig};
use sans3_core::transfer::{Download, Length, Upload};

use crate::faults::{Fault, Rule};
use crate::model::Operation;
use crate::server::{Config, Server};

/// The bucket.
pub const BUCKET: &str = "bucket";
/// The key of the object.
pub const KEY: &str = "folder/a key";

/// The size of parts in bytes: small, so that many of them are quick.
pub const PART: u64 = 64 * 1024;

/// How long [`eventually`] waits, and between two looks.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(10);

/// A server with an empty bucket, whose parts may be as small as [`PART`].
///
/// # Panics
/// Where loopback can't be used.
pub fn server() -> Server {
    let mut config = Config::default();
    config.model.limits.min_part = PART;
    let server = Server::start(config).expect("loopback can be listened at");
    server.with_model(|model| model.create_bucket(BUCKET));
    server
}

/// A server with one object.
///
/// # Panics
/// As [`server`].
pub fn server_with(bytes: &[u8]) -> Server {
    let server = server();
    server.with_model(|model| model.put(BUCKET, KEY, bytes.to_vec()));
    server
}

/// The `nth` request for `operation` meets `fault`.
pub fn inject(server: &Server, operation: Operation, nth: u64, fault: Fault) {
    server.with_faults(|faults| faults.push(Rule::nth(operation, nth, fault)));
}

/// A session with the server at `url`: four exchanges at once, and little patience.
///
/// # Panics
/// Where `url` is none.
pub fn session(url: &str) -> SessionConfig {
    let region = Region::new("us-east-1").expect("a good region");
    let endpoint = Endpoint::custom(url, region).expect("the URL of a server");
    let mut config = SessionConfig::new(endpoint, CredentialSource::Anonymous);
    config.limits.min_part = PART;
    config.concurrency = NonZeroU16::MIN.saturating_add(3).into();
    config.timeouts.connect = Duration::from_secs(2);
    config.timeouts.idle = Duration::from_millis(500);
    config.timeouts.head = Duration::from_millis(800);
    config.timeouts.complete = Duration::from_millis(1500);
    config.retry.max_backoff = Duration::from_millis(20);
    config
}

/// As [`session`], with one exchange at a time and so many attempts.
///
/// # Panics
/// As [`session`], and without any attempt.
pub fn single(url: &str, attempts: u32) -> SessionConfig {
    let attempts = NonZeroU32::new(attempts).expect("at least one attempt");
    let mut config = session(url);
    config.concurrency = NonZeroU16::MIN.into();
    config.retry.max_attempts = attempts;
    config.part_attempts = attempts;
    config
}

/// The name of [`BUCKET`].
pub fn bucket() -> BucketName {
    BucketName::new(BUCKET).expect("a good name")
}

/// As [`session`], with checksums in trailers, and slices that are as small as chunks may be.
pub fn trailing(url: &str) -> SessionConfig {
    let mut config = session(url);
    config.checksums = ChecksumPlacement::Trailer;
    config.slice = NonZeroU64::MIN.saturating_add(8191);
    config
}

/// The name of [`KEY`].
pub fn key() -> ObjectKey {
    ObjectKey::new(KEY).expect("a good key")
}

/// A download of the object in ranges of [`PART`].
pub fn download() -> Download {
    Download {
        part_size: NonZeroU64::new(PART),
        ..Download::new(bucket(), key())
    }
}

/// An upload of the object, of any length, in parts of [`PART`].
pub fn upload() -> Upload {
    let length = Length::Unknown { equal_parts: true };
    Upload {
        part_size: NonZeroU64::new(PART),
        ..Upload::new(bucket(), key(), length)
    }
}

/// Bytes of which no two pages are alike.
pub fn bytes(len: u64) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state.to_le_bytes()[1]
        })
        .collect()
}

/// Lengths around every boundary that there is.
pub fn lengths() -> [u64; 7] {
    [0, 1, PART - 1, PART, PART + 1, 2 * PART, 11 * PART + 77]
}

/// What the server has under [`KEY`].
pub fn stored(server: &Server) -> Option<Vec<u8>> {
    server.with_model(|model| model.object(BUCKET, KEY).map(|object| object.data.to_vec()))
}

/// The names in a directory.
///
/// # Panics
/// Where it can't be read.
pub fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).expect("a directory");
    entries
        .map(|entry| entry.expect("an entry").file_name())
        .map(|name| name.into_string().expect("a name in UTF-8"))
        .collect()
}

/// The cause of a transfer's failure, beneath any retries. `error` is the client's own, whose
/// source is a [`TransferError`].
///
/// # Panics
/// Where it is not.
pub fn root(error: &(dyn Error + 'static)) -> Cause {
    let transfer = error.source().and_then(|source| source.downcast_ref());
    let transfer: Option<&TransferError> = transfer;
    match transfer {
        Some(error) => error.root().clone(),
        None => panic!("expected a transfer's error, got {error}"),
    }
}

/// How the exchange broke that failed a transfer, if one did.
pub fn kind(error: &(dyn Error + 'static)) -> Option<TransportErrorKind> {
    match root(error) {
        Cause::Transport { kind, .. } => Some(kind),
        _ => None,
    }
}

/// Waits for what another task or the server is about to do, on any executor.
///
/// # Panics
/// Where it does not happen within five seconds.
pub async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let until = Instant::now() + PATIENCE;
    poll_fn(|cx| {
        if condition() {
            return Poll::Ready(());
        }
        assert!(Instant::now() < until, "never happened: {what}");
        // No executor's timer: this is for all of them.
        let waker = cx.waker().clone();
        thread::spawn(move || {
            thread::sleep(PAUSE);
            waker.wake();
        });
        Poll::Pending
    })
    .await;
}

/// As [`eventually`], on this thread.
///
/// # Panics
/// Where it does not happen within five seconds.
pub fn eventually_blocking(what: &str, condition: impl Fn() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < until, "never happened: {what}");
        thread::sleep(PAUSE);
    }
}

/// A copy of `bytes` that can be handed over.
pub fn owned(bytes: &[u8]) -> Bytes {
    Bytes::copy_from_slice(bytes)
}
