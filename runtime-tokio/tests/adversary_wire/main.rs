//! What a hostile or broken server puts on the wire, byte for byte.
//!
//! Each test plays a script to a client that has one exchange at a time, so that which request
//! meets which script is certain.

mod answers;
mod requests;

use std::future::Future;
use std::num::{NonZeroU16, NonZeroU32, NonZeroU64};
use std::time::Duration;

use common::{bucket, download, session, upload};
use sans3_core::checksum::{Algorithm, Hasher};
use sans3_core::error::{Cause, Rule, TransportErrorKind};
use sans3_core::operation::ListObjectsV2;
use sans3_core::session::SessionConfig;
use sans3_core::transfer::{Download, Upload};
use sans3_testkit::fixture as common;
use sans3_testkit::script::{ScriptServer, Seen, Step};
use sans3_tokio::{Client, ClientConfig};

pub(crate) const EMPTY_LIST: &str = "<ListBucketResult><Name>bucket</Name><KeyCount>0</KeyCount>\
    <MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated></ListBucketResult>";

/// A scripted server, and a client for it with one exchange at a time.
pub(crate) struct Stage {
    pub(crate) server: ScriptServer,
    pub(crate) client: Client,
}

impl Stage {
    pub(crate) fn new(connections: Vec<Vec<Step>>) -> Self {
        Self::with_attempts(4, connections)
    }

    pub(crate) fn with_attempts(attempts: u32, connections: Vec<Vec<Step>>) -> Self {
        let server = ScriptServer::start(connections).unwrap();
        let mut session = session(&server.endpoint_url());
        session.concurrency = NonZeroU16::MIN.into();
        limit_attempts(&mut session, attempts);
        let client = Client::new(ClientConfig::new(session)).unwrap();
        Self { server, client }
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.server.seen()
    }
}

pub(crate) fn limit_attempts(session: &mut SessionConfig, attempts: u32) {
    let attempts = NonZeroU32::new(attempts).unwrap();
    session.retry.max_attempts = attempts;
    session.part_attempts = attempts;
}

/// No adversary may hold a client for longer.
pub(crate) async fn within<T>(work: impl Future<Output = T>) -> T {
    let limit = Duration::from_secs(10);
    tokio::time::timeout(limit, work)
        .await
        .expect("it takes too long")
}

/// Reads a request without a body and sends this.
pub(crate) fn answer(head: &str, body: &[u8]) -> Vec<Step> {
    let bytes = [head.as_bytes(), b"\r\n\r\n", body].concat();
    vec![Step::Head, Step::send(bytes)]
}

/// An answer with these fields and no body.
pub(crate) fn ok(fields: &str) -> Step {
    let length = if fields.contains("content-length") {
        ""
    } else {
        "content-length: 0\r\n"
    };
    Step::send(format!("HTTP/1.1 200 OK\r\n{length}{fields}\r\n\r\n"))
}

pub(crate) fn empty_list() -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}", EMPTY_LIST.len())
}

pub(crate) fn created() -> Vec<Step> {
    document(
        "<InitiateMultipartUploadResult><Bucket>bucket</Bucket><Key>folder/a key</Key>\
         <UploadId>u</UploadId></InitiateMultipartUploadResult>",
    )
}

pub(crate) fn completed() -> Vec<Step> {
    document(
        "<CompleteMultipartUploadResult><Bucket>bucket</Bucket><Key>folder/a key</Key>\
         <ETag>\"e\"</ETag></CompleteMultipartUploadResult>",
    )
}

pub(crate) fn document(body: &str) -> Vec<Step> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
    vec![Step::Head, Step::Body, Step::send(head + body)]
}

/// A HEAD that finds an object of this length.
pub(crate) fn looked(content: &[u8], fields: &str) -> Vec<Step> {
    let length = content.len();
    vec![
        Step::Head,
        ok(&format!("{fields}content-length: {length}\r\netag: \"e\"")),
    ]
}

pub(crate) fn checksum_field(content: &[u8]) -> String {
    let mut hasher = Hasher::new(Algorithm::Crc64Nvme);
    hasher.update(content);
    let value = hasher.finish().digest.base64();
    format!("x-amz-checksum-crc64nvme: {value}\r\nx-amz-checksum-type: FULL_OBJECT\r\n")
}

pub(crate) fn list() -> ListObjectsV2 {
    ListObjectsV2::new(bucket())
}

/// Takes one plain GET.
pub(crate) fn small(size: u64) -> Download {
    Download {
        size_hint: Some(size),
        ..download()
    }
}

/// Takes one PUT up to this length.
pub(crate) fn one_put(part_size: u64) -> Upload {
    Upload {
        part_size: NonZeroU64::new(part_size),
        ..upload()
    }
}

/// A reader that gives its bytes in small pieces.
pub(crate) fn dribble(content: &[u8]) -> impl tokio::io::AsyncRead + Send + Unpin + 'static {
    let (mut writer, reader) = tokio::io::duplex(1000);
    let content = content.to_vec();
    tokio::spawn(async move {
        tokio::io::AsyncWriteExt::write_all(&mut writer, &content)
            .await
            .unwrap();
    });
    reader
}

pub(crate) fn kind(cause: &Cause) -> Option<TransportErrorKind> {
    match cause {
        Cause::Transport { kind, .. } => Some(*kind),
        _ => None,
    }
}

pub(crate) fn rule(cause: &Cause) -> Option<Rule> {
    match cause {
        Cause::Violation(violation) => Some(violation.rule()),
        _ => None,
    }
}
