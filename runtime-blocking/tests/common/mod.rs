//! What the tests share: a server, a client for it, and bytes.

#![allow(dead_code, reason = "each test binary uses a part of this")]
#![allow(
    clippy::allow_attributes,
    reason = "what is unused differs between the binaries"
)]

use std::num::{NonZeroU16, NonZeroU32, NonZeroU64};
use std::time::{Duration, Instant};

use sans3_blocking::{Client, ClientConfig, Error};
use sans3_core::endpoint::{BucketName, Endpoint, ObjectKey, Region};
use sans3_core::error::{Cause, TransportErrorKind};
use sans3_core::session::{CredentialSource, SessionConfig};
use sans3_core::transfer::{Download, Length, Upload};
use sans3_testkit::server::{Config, Server};

pub(crate) const BUCKET: &str = "bucket";
pub(crate) const KEY: &str = "folder/a key";

/// The size of parts in these tests; small, so that many of them are quick.
pub(crate) const PART: u64 = 64 * 1024;

/// A server with an empty bucket, whose parts may be as small as [`PART`].
pub(crate) fn server() -> Server {
    let mut config = Config::default();
    config.model.limits.min_part = PART;
    let server = Server::start(config).unwrap();
    server.with_model(|model| model.create_bucket(BUCKET));
    server
}

/// A server with one object.
pub(crate) fn server_with(bytes: &[u8]) -> Server {
    let server = server();
    server.with_model(|model| model.put(BUCKET, KEY, bytes.to_vec()));
    server
}

pub(crate) fn session(url: &str) -> SessionConfig {
    let region = Region::new("us-east-1").unwrap();
    let endpoint = Endpoint::custom(url, region).unwrap();
    let mut config = SessionConfig::new(endpoint, CredentialSource::Anonymous);
    config.limits.min_part = PART;
    config.concurrency = NonZeroU16::new(4).unwrap();
    config.timeouts.connect = Duration::from_secs(2);
    config.timeouts.idle = Duration::from_millis(500);
    config.timeouts.head = Duration::from_millis(800);
    config.timeouts.complete = Duration::from_millis(1500);
    config.retry.max_backoff = Duration::from_millis(20);
    config
}

/// As [`session`], with one exchange at a time and so many attempts.
pub(crate) fn single(url: &str, attempts: u32) -> SessionConfig {
    let mut config = session(url);
    let attempts = NonZeroU32::new(attempts).unwrap();
    config.concurrency = NonZeroU16::MIN;
    config.retry.max_attempts = attempts;
    config.part_attempts = attempts;
    config
}

pub(crate) fn client(server: &Server) -> Client {
    Client::new(ClientConfig::new(session(&server.endpoint_url()))).unwrap()
}

pub(crate) fn bucket() -> BucketName {
    BucketName::new(BUCKET).unwrap()
}

pub(crate) fn key() -> ObjectKey {
    ObjectKey::new(KEY).unwrap()
}

pub(crate) fn download() -> Download {
    Download {
        part_size: NonZeroU64::new(PART),
        ..Download::new(bucket(), key())
    }
}

pub(crate) fn upload() -> Upload {
    let length = Length::Unknown { equal_parts: true };
    Upload {
        part_size: NonZeroU64::new(PART),
        ..Upload::new(bucket(), key(), length)
    }
}

/// Bytes of which no two pages are alike.
pub(crate) fn bytes(len: u64) -> Vec<u8> {
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
pub(crate) fn lengths() -> [u64; 7] {
    [0, 1, PART - 1, PART, PART + 1, 2 * PART, 11 * PART + 77]
}

/// What the server has under [`KEY`].
pub(crate) fn stored(server: &Server) -> Option<Vec<u8>> {
    server.with_model(|model| model.object(BUCKET, KEY).map(|object| object.data.to_vec()))
}

/// The cause of a transfer's failure, beneath any retries.
pub(crate) fn root(error: &Error) -> Cause {
    match error {
        Error::Transfer(error) => error.root().clone(),
        other => panic!("expected a transfer's error, got {other}"),
    }
}

pub(crate) fn kind(error: &Error) -> Option<TransportErrorKind> {
    match root(error) {
        Cause::Transport { kind, .. } => Some(kind),
        _ => None,
    }
}

/// Waits for what another thread or the server is about to do.
pub(crate) fn eventually(what: &str, condition: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(5);
    while Instant::now() < until {
        if condition() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("never happened: {what}");
}
