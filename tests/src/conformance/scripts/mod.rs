//! The scripts: what the server does, and the log that must come of it.

mod cancel;
mod connections;
mod early;
mod expect;
mod framing;
mod heads;
mod limits;
mod routes;
mod tls;
mod waiting;

use std::net::{IpAddr, Ipv4Addr};
use std::num::{NonZeroU16, NonZeroU32, NonZeroU64};
use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use sans3_core::checksum::{Algorithm, Hasher};
use sans3_core::endpoint::{BucketName, ObjectKey};
use sans3_core::operation::{DeleteObject, HeadObject};
use sans3_core::session::SessionConfig;
use sans3_core::transfer::{Download, Length, Upload};

use super::job::Work;
use super::stage::Act;
use super::{Features, Rule, log};

/// The size of parts and ranges.
const PART: usize = 64 << 10;
const MEBIBYTE: usize = 1 << 20;
/// More than the buffers of both ends of a connection hold.
const BIG: usize = 16 * MEBIBYTE + 5;
/// So long that a client which heeds an answer has stopped to send.
const PAUSE: Act = Act::Sleep(Duration::from_millis(300));
/// What [`Act::Quiet`] notes of a client that does as it should.
const ENDED: &str = "then the client ended the connection";
const HELLO: &[u8] = b"hello";

/// What the server does, what the client is asked for, and what must come of it.
pub(super) struct Script {
    pub(super) rule: Rule,
    pub(super) name: String,
    pub(super) needs: Needs,
    pub(super) connections: Vec<Vec<Act>>,
    /// The endpoint's URL, with `{port}` in the place of the server's port.
    pub(super) endpoint: String,
    pub(super) proxy: Option<String>,
    pub(super) resolve: Vec<(String, Vec<IpAddr>)>,
    pub(super) signed: bool,
    /// Who never accepts a connection.
    pub(super) silent: Option<Silence>,
    /// Whether the run is cancelled a moment after its beginning.
    pub(super) cancelled: bool,
    pub(super) work: Vec<Work>,
    pub(super) tune: Box<dyn Fn(&mut SessionConfig) + Send + Sync>,
    pub(super) shows: Shows,
    /// How long it may take.
    pub(super) within: Option<Duration>,
    /// What an error must say.
    pub(super) says: Vec<&'static str>,
    /// How many bytes may be asked for ahead of a consumer in order.
    pub(super) ahead: Option<u64>,
    pub(super) expected: Vec<String>,
}

/// Who never accepts a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Silence {
    /// A port that stands in for the server's.
    Server,
    /// The server's port on [`OTHER_ADDRESS`].
    OtherAddress,
}

/// An address of this machine at which no server listens.
pub(super) const OTHER_ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// What of a run is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shows {
    All,
    /// The requests without fields and connections, in no order: several run at once.
    Requests,
}

/// What an adapter must be able to do for a script.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Needs {
    pub(super) tls: bool,
    pub(super) proxies: bool,
    pub(super) resolve: bool,
    pub(super) expect_continue: bool,
}

impl Needs {
    pub(super) const fn met_by(self, features: Features) -> bool {
        (features.tls || !self.tls)
            && (features.proxies || !self.proxies)
            && (features.resolve || !self.resolve)
            && (features.expect_continue || !self.expect_continue)
    }
}

/// All scripts, for an adapter that can do this.
pub(super) fn all(features: Features) -> Vec<Script> {
    let mut scripts = Vec::new();
    scripts.extend(heads::scripts(features));
    scripts.extend(framing::scripts());
    scripts.extend(limits::scripts());
    scripts.extend(connections::scripts());
    scripts.extend(early::scripts(features));
    scripts.extend(expect::scripts(features));
    scripts.extend(waiting::scripts(features));
    scripts.extend(cancel::scripts(features));
    scripts.extend(tls::scripts(features));
    scripts.extend(routes::scripts());
    scripts
}

/// The configuration of all scripts: one exchange at a time and one attempt. Deadlines are far
/// longer than anything takes; scripts about deadlines shorten theirs.
pub(super) fn tune(config: &mut SessionConfig) {
    config.limits.min_part = PART as u64;
    config.concurrency = NonZeroU16::MIN;
    config.timeouts.connect = Duration::from_secs(6);
    config.timeouts.head = Duration::from_secs(6);
    config.timeouts.idle = Duration::from_secs(6);
    config.retry.max_backoff = Duration::from_millis(20);
    set_attempts(config, 1);
}

fn set_attempts(config: &mut SessionConfig, attempts: u32) {
    let attempts = NonZeroU32::new(attempts).unwrap_or(NonZeroU32::MIN);
    config.retry.max_attempts = attempts;
    config.part_attempts = attempts;
}

impl Script {
    fn new(rule: Rule, name: impl Into<String>) -> Self {
        Self {
            rule,
            name: name.into(),
            needs: Needs::default(),
            connections: Vec::new(),
            endpoint: "http://127.0.0.1:{port}".into(),
            proxy: None,
            resolve: Vec::new(),
            signed: false,
            silent: None,
            cancelled: false,
            work: Vec::new(),
            tune: Box::new(|_| {}),
            shows: Shows::All,
            within: None,
            says: Vec::new(),
            ahead: None,
            expected: Vec::new(),
        }
    }

    /// The next connection.
    fn connection(mut self, acts: impl IntoIterator<Item = Act>) -> Self {
        self.connections.push(acts.into_iter().collect());
        self
    }

    fn work(mut self, work: Work) -> Self {
        self.work.push(work);
        self
    }

    fn tune(mut self, tune: impl Fn(&mut SessionConfig) + Send + Sync + 'static) -> Self {
        self.tune = Box::new(tune);
        self
    }

    fn attempts(self, attempts: u32) -> Self {
        self.tune(move |config| set_attempts(config, attempts))
    }

    /// The error must say this.
    fn says(mut self, words: &'static str) -> Self {
        self.says.push(words);
        self
    }

    fn within(mut self, limit: Duration) -> Self {
        self.within = Some(limit);
        self
    }

    fn tls(mut self) -> Self {
        self.needs.tls = true;
        self.endpoint = self.endpoint.replace("http://", "https://");
        self
    }

    /// The log that must come of it, up to the count of connections; what is said and measured
    /// besides follows of itself.
    fn log(mut self, connections: usize, lines: impl IntoIterator<Item = Lines>) -> Self {
        self.expected = lines.into_iter().flat_map(|lines| lines.0).collect();
        self.expected.push(match self.shows {
            Shows::All => format!("connections: {connections}"),
            Shows::Requests => "connections: at most 4".into(),
        });
        if let Some(limit) = self.within {
            self.expected.push(format!("within {limit:?}"));
        }
        let said = self
            .says
            .iter()
            .map(|words| format!("the error says: {words}"));
        self.expected.extend(said);
        if let Some(memory) = self.ahead {
            let line = format!("never more than {memory} bytes ahead of the consumer");
            self.expected.push(line);
        }
        self
    }
}

/// Lines of a log.
#[derive(Clone)]
struct Lines(Vec<String>);

impl Lines {
    /// A line about the request above.
    fn note(mut self, note: impl Into<String>) -> Self {
        self.0.push(format!("  {}", note.into()));
        self
    }

    /// How the attempt above failed.
    fn failed(self, how: &str) -> Self {
        self.note(format!("failed: {how}"))
    }

    /// The fields of a signature over `fields` besides.
    fn signed(mut self, fields: &str, payload: &str) -> Self {
        let more = [
            format!("    authorization: {{signature of {fields}}}"),
            format!("    x-amz-content-sha256: {payload}"),
            "    x-amz-date: {now}".into(),
        ];
        self.0.extend(more);
        self.0[1..].sort();
        self
    }

    fn body(self, body: &[u8]) -> Self {
        self.note(format!("its body: {}", log::sum(body)))
    }
}

fn line(text: impl Into<String>) -> Lines {
    Lines(vec![text.into()])
}

/// Whether a request opens its connection.
#[derive(Clone, Copy)]
enum On {
    New,
    Same,
}
use On::{New, Same};

/// A request's lines: its first one, then its fields in their order.
fn request(first: &str, on: On, fields: &[&str]) -> Lines {
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
fn get(on: On) -> Lines {
    request("GET /bucket/key", on, &["x-amz-checksum-mode: ENABLED"])
}

/// The only PUT of [`upload`].
fn put(on: On, bytes: &[u8], features: Features) -> Lines {
    put_to("/bucket/key", on, bytes, features)
}

fn put_to(target: &str, on: On, bytes: &[u8], features: Features) -> Lines {
    let length = format!("content-length: {}", bytes.len());
    let mut fields = vec![length, crc64(bytes)];
    if features.expect_continue && bytes.len() >= MEBIBYTE {
        fields.push("expect: 100-continue".into());
    }
    let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
    request(&format!("PUT {target}"), on, &fields)
}

/// The HEAD of [`look`].
fn head(on: On) -> Lines {
    request("HEAD /bucket/key", on, &[])
}

/// The HEAD that an upload sends to look at what it made.
fn recheck(on: On) -> Lines {
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

fn downloaded(bytes: &[u8]) -> Lines {
    downloaded_in(1, bytes)
}

fn downloaded_in(ranges: usize, bytes: &[u8]) -> Lines {
    let sum = log::sum(bytes);
    line(format!(
        "downloaded: {sum} of {}, verified: length, ranges: {ranges}",
        bytes.len()
    ))
}

/// The end of a work that failed at its only attempt.
fn ended(how: &str) -> Lines {
    line(format!("failed: {how}"))
}

fn names() -> (BucketName, ObjectKey) {
    let bucket = BucketName::new("bucket").expect("a good name");
    let key = ObjectKey::new("key").expect("a good key");
    (bucket, key)
}

/// Takes one plain GET.
fn download(size: usize) -> Work {
    Work::Download(small(size))
}

/// The same for more bytes than a range has.
fn download_in_one(size: usize) -> Work {
    let part_size = NonZeroU64::new(size as u64);
    Work::Download(Download {
        part_size,
        ..small(size)
    })
}

fn small(size: usize) -> Download {
    Download {
        size_hint: Some(size as u64),
        ..ranged()
    }
}

fn ranged() -> Download {
    let (bucket, key) = names();
    Download {
        part_size: NonZeroU64::new(PART as u64),
        ..Download::new(bucket, key)
    }
}

/// Takes one PUT.
fn upload(bytes: &Bytes) -> Work {
    upload_in(bytes, 1 << 30)
}

fn upload_in(bytes: &Bytes, part_size: u64) -> Work {
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

fn look() -> Work {
    let (bucket, key) = names();
    Work::Head(HeadObject::new(bucket, key))
}

fn delete() -> Work {
    delete_key("key")
}

fn delete_key(key: &str) -> Work {
    let (bucket, _) = names();
    let key = ObjectKey::new(key).expect("a good key");
    Work::Delete(DeleteObject::new(bucket, key))
}

/// Bytes of which no two pages are alike.
fn content(len: usize) -> Bytes {
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
fn big() -> Bytes {
    static BYTES: OnceLock<Bytes> = OnceLock::new();
    BYTES.get_or_init(|| content(BIG)).clone()
}

fn send(bytes: impl Into<Vec<u8>>) -> Act {
    Act::Send(Bytes::from(bytes.into()))
}

/// A good answer with these bytes.
fn answer(body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\netag: \"e\"\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// A good answer with these bytes, after a head has come.
fn answers(body: &[u8]) -> [Act; 2] {
    [Act::Head, send(answer(body))]
}

/// A good answer to HEAD.
fn found(len: usize) -> [Act; 2] {
    let text = format!("HTTP/1.1 200 OK\r\ncontent-length: {len}\r\netag: \"e\"\r\n\r\n");
    [Act::Head, send(text)]
}

/// A good answer to PUT.
fn stored() -> Act {
    send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\netag: \"e\"\r\n\r\n")
}
