//! The words of the scripts: what is asked for, what is answered, and what the log says of it.

use std::num::NonZeroU64;
use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use sans3_core::checksum::{Algorithm, Hasher};
use sans3_core::endpoint::{BucketName, ObjectKey};
use sans3_core::operation::{DeleteObject, HeadObject};
use sans3_core::transfer::{Download, Length, Upload};

use crate::conformance::job::Work;
use crate::conformance::stage::Act;
use crate::conformance::{Features, log};

/// The size of parts and ranges.
pub(super) const PART: usize = 64 << 10;
pub(super) const MEBIBYTE: usize = 1 << 20;
/// More than the buffers of both ends of a connection hold.
pub(super) const BIG: usize = 16 * MEBIBYTE + 5;
/// So long that a client which heeds an answer has stopped to send.
pub(super) const PAUSE: Act = Act::Sleep(Duration::from_millis(300));
/// What [`Act::Quiet`] notes of a client that does as it should.
pub(super) const ENDED: &str = "then the client ended the connection";
pub(super) const HELLO: &[u8] = b"hello";

/// Lines of a log.
#[derive(Clone)]
pub(super) struct Lines(pub(super) Vec<String>);

impl Lines {
    /// A line about the request above.
    pub(super) fn note(mut self, note: impl Into<String>) -> Self {
        self.0.push(format!("  {}", note.into()));
        self
    }

    /// How the attempt above failed.
    pub(super) fn failed(self, how: &str) -> Self {
        self.note(format!("failed: {how}"))
    }

    /// The fields of a signature over `fields` besides.
    pub(super) fn signed(mut self, fields: &str, payload: &str) -> Self {
        let more = [
            format!("    authorization: {{signature of {fields}}}"),
            format!("    x-amz-content-sha256: {payload}"),
            "    x-amz-date: {now}".into(),
        ];
        self.0.extend(more);
        self.0[1..].sort();
        self
    }

    pub(super) fn body(self, body: &[u8]) -> Self {
        self.note(format!("its body: {}", log::sum(body)))
    }
}

pub(super) fn line(text: impl Into<String>) -> Lines {
    Lines(vec![text.into()])
}

/// Whether a request opens its connection.
#[derive(Clone, Copy)]
pub(super) enum On {
    New,
    Same,
}
pub(super) use On::{New, Same};

/// A request's lines: its first one, then its fields in their order.
pub(super) fn request(first: &str, on: On, fields: &[&str]) -> Lines {
    let connection = match on {
        New => "a new connection",
        Same => "the same connection",
    };
    let always = ["host: 127.0.0.1:{port}", "user-agent: {the core's}"];
    let mut all: Vec<String> = fields.iter().map(|field| format!("    {field}")).collect();
    if !fields.iter().any(|field| field.starts_with("host:")) {
        all.push(format!("    {}", always[0]));
    }
    all.push(format!("    {}", always[1]));
    all.sort();
    let mut lines = vec![format!("{first} HTTP/1.1 on {connection}")];
    lines.append(&mut all);
    Lines(lines)
}

/// The plain GET that [`download`] sends.
pub(super) fn get(on: On) -> Lines {
    request("GET /bucket/key", on, &["x-amz-checksum-mode: ENABLED"])
}

/// The only PUT of [`upload`].
pub(super) fn put(on: On, bytes: &[u8], features: Features) -> Lines {
    put_to("/bucket/key", on, bytes, features)
}

pub(super) fn put_to(target: &str, on: On, bytes: &[u8], features: Features) -> Lines {
    let length = format!("content-length: {}", bytes.len());
    let mut fields = vec![length, crc64(bytes)];
    if features.expect_continue && bytes.len() >= MEBIBYTE {
        fields.push("expect: 100-continue".into());
    }
    let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
    request(&format!("PUT {target}"), on, &fields)
}

/// The HEAD of [`look`].
pub(super) fn head(on: On) -> Lines {
    request("HEAD /bucket/key", on, &[])
}

/// The HEAD that an upload sends to look at what it made.
pub(super) fn recheck(on: On) -> Lines {
    request("HEAD /bucket/key", on, &["x-amz-checksum-mode: ENABLED"])
}

fn crc64(bytes: &[u8]) -> String {
    let mut hasher = Hasher::new(Algorithm::Crc64Nvme);
    hasher.update(bytes);
    format!(
        "x-amz-checksum-crc64nvme: {}",
        hasher.finish().digest.base64()
    )
}

pub(super) fn downloaded(bytes: &[u8]) -> Lines {
    downloaded_in(1, bytes)
}

pub(super) fn downloaded_in(ranges: usize, bytes: &[u8]) -> Lines {
    let sum = log::sum(bytes);
    line(format!(
        "downloaded: {sum} of {}, verified: length, ranges: {ranges}",
        bytes.len()
    ))
}

/// The end of a work that failed at its only attempt.
pub(super) fn ended(how: &str) -> Lines {
    line(format!("failed: {how}"))
}

fn names() -> (BucketName, ObjectKey) {
    let bucket = BucketName::new("bucket").expect("a good name");
    let key = ObjectKey::new("key").expect("a good key");
    (bucket, key)
}

/// Takes one plain GET.
pub(super) fn download(size: usize) -> Work {
    Work::Download(small(size))
}

/// The same for more bytes than a range has.
pub(super) fn download_in_one(size: usize) -> Work {
    let part_size = NonZeroU64::new(size as u64);
    Work::Download(Download {
        part_size,
        ..small(size)
    })
}

pub(super) fn small(size: usize) -> Download {
    Download {
        size_hint: Some(size as u64),
        ..ranged()
    }
}

pub(super) fn ranged() -> Download {
    let (bucket, key) = names();
    Download {
        part_size: NonZeroU64::new(PART as u64),
        ..Download::new(bucket, key)
    }
}

/// Takes one PUT.
pub(super) fn upload(bytes: &Bytes) -> Work {
    upload_in(bytes, 1 << 30)
}

pub(super) fn upload_in(bytes: &Bytes, part_size: u64) -> Work {
    let (bucket, key) = names();
    let length = Length::Known(bytes.len() as u64);
    let spec = Upload {
        part_size: NonZeroU64::new(part_size),
        ..Upload::new(bucket, key, length)
    };
    Work::Upload {
        spec,
        bytes: bytes.clone(),
    }
}

pub(super) fn look() -> Work {
    let (bucket, key) = names();
    Work::Head(HeadObject::new(bucket, key))
}

pub(super) fn delete() -> Work {
    delete_key("key")
}

pub(super) fn delete_key(key: &str) -> Work {
    let (bucket, _) = names();
    let key = ObjectKey::new(key).expect("a good key");
    Work::Delete(DeleteObject::new(bucket, key))
}

/// Bytes of which no two pages are alike.
pub(super) fn content(len: usize) -> Bytes {
    let mut state = 0x9e37_79b9_u32;
    let mut bytes = Vec::with_capacity(len);
    for _ in 0..len {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        bytes.push(state.to_le_bytes()[1]);
    }
    bytes.into()
}

/// [`BIG`] bytes, which take a while to make.
pub(super) fn big() -> Bytes {
    static BYTES: OnceLock<Bytes> = OnceLock::new();
    BYTES.get_or_init(|| content(BIG)).clone()
}

pub(super) fn send(bytes: impl Into<Vec<u8>>) -> Act {
    Act::Send(Bytes::from(bytes.into()))
}

/// A good answer with these bytes.
pub(super) fn answer(body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\netag: \"e\"\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// A good answer with these bytes, after a head has come.
pub(super) fn answers(body: &[u8]) -> [Act; 2] {
    [Act::Head, send(answer(body))]
}

/// A good answer to HEAD.
pub(super) fn found(len: usize) -> [Act; 2] {
    let text = format!("HTTP/1.1 200 OK\r\ncontent-length: {len}\r\netag: \"e\"\r\n\r\n");
    [Act::Head, send(text)]
}

/// A good answer to PUT.
pub(super) fn stored() -> Act {
    send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\netag: \"e\"\r\n\r\n")
}
