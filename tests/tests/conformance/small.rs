//! A small adapter on plain sockets, one exchange at a time: good enough for many of the rules,
//! and ready to break any one of them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use sans3_core::attempt::{Attempt, BodySource, Outcome, Placement, Ready, Receiving, Sent};
use sans3_core::error::{CredentialsError, TransportErrorKind};
use sans3_core::session::{Input, Machine as _, Session, Step};
use sans3_core::time::{Instant, UnixTime};
use sans3_core::transfer::Transfer;
use sans3_testkit::conformance::{Adapter, Done, Job, Report, Work};

/// What the adapter does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Crime {
    None,
    AsksForGzip,
    WaitsForNoContinue,
    NormalisesTargets,
    TakesShortBodies,
    NeverReuses,
    ReusesBlindly,
    RetriesInSecret,
    TellsTheOriginTheProxysPassword,
    TriesOneAddress,
    Panics,
}

pub(crate) struct Small(pub(crate) Crime);

impl Adapter for Small {
    fn name(&self) -> &str {
        "small"
    }

    fn run(&self, job: Job) -> Report {
        assert!(self.0 != Crime::Panics, "this adapter is not finished");
        let tls = job.ca_bundle.as_ref().map(|path| {
            let mut roots = RootCertStore::empty();
            let bundle = CertificateDer::pem_reader_iter(BufReader::new(File::open(path).unwrap()));
            bundle.for_each(|found| roots.add(found.unwrap()).unwrap());
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let config = ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .unwrap();
            Arc::new(config.with_root_certificates(roots).with_no_client_auth())
        });
        let mut run = Run {
            crime: self.0,
            stored_large: false,
            tls,
            proxy: job.proxy.as_ref().map(|proxy| proxy.parse().unwrap()),
            resolve: job.resolve.into_iter().collect(),
            session: Session::new(job.session, job.seed),
            idle: None,
            source: bytes::Bytes::new(),
            sink: Vec::new(),
        };
        let mut report = Report::default();
        for work in job.work {
            match work {
                Work::Download(spec) | Work::InOrder { spec, .. } => {
                    let result = run.transfer(spec).map(Done::Downloaded);
                    report.push_with(std::mem::take(&mut run.sink), result);
                }
                Work::Upload { spec, bytes } => {
                    run.source = bytes;
                    report.push(run.transfer(spec), Done::Uploaded);
                }
                Work::Head(head) => {
                    let call = sans3_core::transfer::Call::new(head);
                    report.push(run.transfer(call), |found| Done::Found(Box::new(found)));
                }
                Work::Delete(delete) => {
                    let call = sans3_core::transfer::Call::new(delete);
                    report.push(run.transfer(call), Done::Deleted);
                }
                Work::Wait(gate) => gate.wait(),
            }
        }
        report.notices = run.session.take_notices();
        report
    }
}

struct Run {
    crime: Crime,
    /// The server has stored a body of a mebibyte or more.
    stored_large: bool,
    tls: Option<Arc<ClientConfig>>,
    proxy: Option<Uri>,
    resolve: BTreeMap<String, Vec<IpAddr>>,
    session: Session,
    idle: Option<(Stream, std::time::Instant)>,
    source: bytes::Bytes,
    sink: Vec<u8>,
}

type Fault = (TransportErrorKind, String);

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// A response head, and what was read behind it.
struct Answer {
    head: http::response::Parts,
    rest: Vec<u8>,
    keep: bool,
}

/// Why a body is not read to its end.
enum End {
    Early,
    Stopped,
}

impl Run {
    fn transfer<T: Transfer>(
        &mut self,
        transfer: T,
    ) -> Result<T::Output, sans3_core::error::TransferError> {
        let began = std::time::Instant::now();
        let clock = || Instant::ZERO + began.elapsed();
        let handle = self.session.insert(transfer, clock());
        loop {
            let input = match self.session.poll(clock()) {
                Step::Start(attempt) => {
                    Input::Outcome(self.exchange(attempt).unwrap_or_else(|outcome| outcome))
                }
                Step::Wait { until, .. } => {
                    let until = until.expect("nothing is under way, so only time can help");
                    std::thread::sleep(until.since(clock()));
                    continue;
                }
                Step::NeedCredentials => Input::Credentials(Err(CredentialsError("none".into()))),
                Step::Ended(_) => return self.session.take(handle),
                Step::Done => unreachable!("it ends before"),
                Step::Abort(_) | Step::Fill { .. } => continue,
            };
            self.session.input(input, clock());
        }
    }

    fn exchange(&mut self, attempt: Attempt) -> Result<Outcome, Outcome> {
        let deadlines = attempt.deadlines();
        let source = self.source.clone();
        let sendable = match attempt.prepare() {
            Ready::Send(sendable) => sendable,
            Ready::Hash(mut hashing) => {
                let first = usize::try_from(hashing.offset()).unwrap();
                let end = first + usize::try_from(hashing.len()).unwrap();
                hashing.update(&source[first..end]);
                hashing.finish()?
            }
        };
        let (request, body) = sendable.request(wall())?.into_parts();
        let body = match body {
            BodySource::Empty => None,
            BodySource::Inline(bytes) => Some(bytes),
            BodySource::Source { offset, len, .. } => {
                let first = usize::try_from(offset).unwrap();
                Some(source.slice(first..first + usize::try_from(len).unwrap()))
            }
            BodySource::Framed(_) => unreachable!("custom endpoints have checksums in headers"),
        };
        let mut stream = match self.stream(&request.uri, deadlines.connect) {
            Ok(stream) => stream,
            Err((kind, text)) => return Err(sendable.on_transport_error(kind, Sent::None, text)),
        };
        stream.tcp().set_read_timeout(Some(deadlines.head)).unwrap();
        let mut sent = Sent::All;
        let answer = self
            .ask(&mut stream, &request, body.clone(), &mut sent)
            .or_else(|error| {
                if self.crime != Crime::RetriesInSecret {
                    return Err(error);
                }
                let again = self.stream(&request.uri, deadlines.connect);
                stream = again.map_err(|(_, text)| io::Error::other(text))?;
                self.ask(&mut stream, &request, body, &mut sent)
            });
        let Answer { head, rest, keep } = match answer {
            Ok(answer) => answer,
            Err(error) => {
                return Err(sendable.on_transport_error(kind_of(&error), sent, error.to_string()));
            }
        };
        let mut receiving = sendable.on_head(&head, sent, wall())?;
        let empty = request.method == http::Method::HEAD || head.status == 204;
        let length = field(&head.headers, "content-length").filter(|_| !empty);
        let length = length.map_or(0, |length| length.parse().unwrap());
        let clean = match self.receive(&mut receiving, &mut stream, rest, length) {
            Ok(clean) => clean,
            Err(End::Early) => {
                return Ok(receiving.on_transport_error(TransportErrorKind::Closed, "early"));
            }
            Err(End::Stopped) => false,
        };
        let outcome = receiving.finish();
        self.stored_large |= outcome.stored().is_some_and(|(_, len)| len >= 1 << 20);
        let reusable = outcome.may_reuse_connection() && keep && clean && sent == Sent::All;
        if reusable && self.crime != Crime::NeverReuses {
            self.idle = Some((stream, std::time::Instant::now()));
        }
        Ok(outcome)
    }

    /// Takes a body of so many bytes, of which `piece` is here; says whether nothing came behind.
    fn receive(
        &mut self,
        receiving: &mut Receiving,
        stream: &mut Stream,
        mut piece: Vec<u8>,
        mut left: usize,
    ) -> Result<bool, End> {
        loop {
            let here = piece.len().min(left);
            match receiving.admit(&piece[..here], Duration::ZERO) {
                Ok(Placement::Object { at, span }) => {
                    let at = usize::try_from(at).unwrap();
                    self.sink.resize(self.sink.len().max(at + span.len()), 0);
                    self.sink[at..at + span.len()].copy_from_slice(&piece[span]);
                }
                Ok(Placement::Internal) => {}
                Err(_) => return Err(End::Stopped),
            }
            left -= here;
            piece.drain(..here);
            if left == 0 {
                return Ok(piece.is_empty());
            }
            piece.resize(1 << 16, 0);
            let read = stream.read(&mut piece).unwrap_or(0);
            match read {
                0 if self.crime == Crime::TakesShortBodies => return Ok(false),
                0 => return Err(End::Early),
                _ => piece.truncate(read),
            }
        }
    }

    /// The connection that was used last, if it is still good, or a new one.
    fn stream(&mut self, uri: &Uri, limit: Duration) -> Result<Stream, Fault> {
        if let Some((stream, since)) = self.idle.take() {
            let fresh = since.elapsed() < Duration::from_secs(4) && stream.is_quiet();
            if fresh || self.crime == Crime::ReusesBlindly {
                return Ok(stream);
            }
        }
        let secure = uri.scheme_str() == Some("https");
        let host = uri.host().unwrap();
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let Some(proxy) = &self.proxy else {
            let tcp = self.connect(host, port, limit)?;
            return self.secure(tcp, secure, host);
        };
        let tcp = self.connect(proxy.host().unwrap(), proxy.port_u16().unwrap(), limit)?;
        let mut stream = Stream::Plain(tcp);
        if !secure {
            return Ok(stream);
        }
        stream.tcp().set_read_timeout(Some(limit)).unwrap();
        let head = format!(
            "CONNECT {host}:{port} HTTP/1.1\r\nhost: {host}:{port}\r\n{}\r\n",
            self.proxy_field()
        );
        let lost = |error: io::Error| match kind_of(&error) {
            TransportErrorKind::HeadTimeout => {
                (TransportErrorKind::ConnectTimeout, error.to_string())
            }
            _ => (TransportErrorKind::Connect, error.to_string()),
        };
        stream.write_all(head.as_bytes()).map_err(lost)?;
        let answer = stream.answer(&mut Vec::new()).map_err(lost)?;
        if !answer.head.status.is_success() {
            let text = format!("the proxy says {}", answer.head.status);
            return Err((TransportErrorKind::Connect, text));
        }
        let Stream::Plain(tcp) = stream else {
            unreachable!("it was made above")
        };
        self.secure(tcp, true, host)
    }

    fn connect(&self, host: &str, port: u16, limit: Duration) -> Result<TcpStream, Fault> {
        let literal = || vec![host.parse().unwrap_or(IpAddr::from([127, 0, 0, 1]))];
        let mut addresses = self.resolve.get(host).cloned().unwrap_or_else(literal);
        if self.crime == Crime::TriesOneAddress {
            addresses.truncate(1);
        }
        let mut failures = Vec::new();
        let mut slow = false;
        for (index, address) in addresses.iter().enumerate() {
            // An address that is not the last one has its head start and no more.
            let last = index + 1 == addresses.len();
            let limit = if last {
                limit
            } else {
                Duration::from_millis(250)
            };
            match TcpStream::connect_timeout(&SocketAddr::new(*address, port), limit) {
                Ok(stream) => {
                    stream.set_nodelay(true).unwrap();
                    return Ok(stream);
                }
                Err(error) => {
                    slow = error.kind() == ErrorKind::TimedOut;
                    failures.push(format!("{address}: {error}"));
                }
            }
        }
        let kind = match slow {
            true => TransportErrorKind::ConnectTimeout,
            false => TransportErrorKind::Connect,
        };
        Err((kind, failures.join("; ")))
    }

    fn secure(&self, mut tcp: TcpStream, secure: bool, host: &str) -> Result<Stream, Fault> {
        if !secure {
            return Ok(Stream::Plain(tcp));
        }
        let config = Arc::clone(self.tls.as_ref().unwrap());
        let name = ServerName::try_from(host.to_owned()).unwrap();
        let mut tls = ClientConnection::new(config, name).unwrap();
        while tls.is_handshaking() {
            if let Err(error) = tls.complete_io(&mut tcp) {
                return Err((TransportErrorKind::Tls, error.to_string()));
            }
        }
        Ok(Stream::Tls(Box::new(StreamOwned::new(tls, tcp))))
    }

    fn proxy_field(&self) -> String {
        let authority = self.proxy.as_ref().and_then(Uri::authority);
        let user = authority.and_then(|authority| authority.as_str().split_once('@'));
        user.map_or(String::new(), |(user, _)| {
            let user = user.replace("%40", "@");
            format!("proxy-authorization: Basic {}\r\n", STANDARD.encode(user))
        })
    }

    /// Sends a request, and reads the head of its answer.
    fn ask(
        &self,
        stream: &mut Stream,
        request: &http::request::Parts,
        body: Option<bytes::Bytes>,
        sent: &mut Sent,
    ) -> io::Result<Answer> {
        let tunnelled = matches!(stream, Stream::Tls(_));
        let uri = &request.uri;
        let mut target = uri.path_and_query().unwrap().to_string();
        if self.crime == Crime::NormalisesTargets {
            target = target.replace("a/../", "");
        }
        let mut fields = String::new();
        if self.proxy.is_some() && !tunnelled {
            target = format!("http://{}{target}", uri.authority().unwrap());
        }
        let told = self.crime == Crime::TellsTheOriginTheProxysPassword;
        if self.proxy.is_some() && (!tunnelled || told) {
            fields += &self.proxy_field();
        }
        for (name, value) in &request.headers {
            fields += &format!("{name}: {}\r\n", value.to_str().unwrap());
        }
        if !request.headers.contains_key("host") {
            fields += &format!("host: {}\r\n", uri.authority().unwrap());
        }
        if self.crime == Crime::AsksForGzip {
            fields += "accept-encoding: gzip\r\n";
        }
        let body = body.unwrap_or_default();
        if !body.is_empty() && !request.headers.contains_key("content-length") {
            fields += &format!("content-length: {}\r\n", body.len());
        }
        let asks = body.len() >= 1 << 20 && !self.stored_large;
        if asks {
            fields += "expect: 100-continue\r\n";
        }
        let head = format!("{} {target} HTTP/1.1\r\n{fields}\r\n", request.method);
        stream.write_all(head.as_bytes())?;
        let mut read = Vec::new();
        if asks && self.crime != Crime::WaitsForNoContinue {
            let limit = stream.tcp().read_timeout()?;
            stream
                .tcp()
                .set_read_timeout(Some(Duration::from_secs(1)))?;
            let answer = stream.answer(&mut read);
            stream.tcp().set_read_timeout(limit)?;
            match answer {
                Ok(answer) if answer.head.status == 100 => read = answer.rest,
                Ok(answer) => {
                    *sent = Sent::Part;
                    return Ok(answer);
                }
                Err(error) if is_timeout(&error) => {}
                Err(error) => return Err(error),
            }
        }
        stream.write_all(&body)?;
        loop {
            let answer = stream.answer(&mut read)?;
            // Nobody asks for another protocol: 101 is final.
            if !answer.head.status.is_informational() || answer.head.status == 101 {
                return Ok(answer);
            }
            read = answer.rest;
        }
    }
}

impl Stream {
    const fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(tls) => &tls.sock,
        }
    }

    /// Whether nothing came meanwhile, not even an end.
    fn is_quiet(&self) -> bool {
        self.tcp().set_nonblocking(true).unwrap();
        let peeked = self.tcp().peek(&mut [0]);
        self.tcp().set_nonblocking(false).unwrap();
        peeked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }

    /// Reads a head; `read` has what was read before, and keeps it where no head comes in time.
    fn answer(&mut self, read: &mut Vec<u8>) -> io::Result<Answer> {
        loop {
            let end = read.windows(4).position(|four| four == b"\r\n\r\n");
            if let Some(at) = end {
                let rest = read.split_off(at + 4);
                return parse(&std::mem::take(read), rest);
            }
            let mut piece = [0; 1 << 12];
            match self.read(&mut piece)? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                len => read.extend_from_slice(&piece[..len]),
            }
        }
    }
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.read(into),
            Self::Tls(tls) => tls.read(into),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.write(bytes),
            Self::Tls(tls) => tls.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(tcp) => tcp.flush(),
            Self::Tls(tls) => tls.flush(),
        }
    }
}

fn parse(text: &[u8], rest: Vec<u8>) -> io::Result<Answer> {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut parsed = httparse::Response::new(&mut fields);
    parsed.parse(text).map_err(io::Error::other)?;
    let mut answer = http::Response::builder().status(parsed.code.unwrap_or(0));
    for field in &*parsed.headers {
        let name = HeaderName::try_from(field.name).map_err(io::Error::other)?;
        let value = HeaderValue::from_bytes(field.value).map_err(io::Error::other)?;
        answer = answer.header(name, value);
    }
    let head = answer.body(()).map_err(io::Error::other)?.into_parts().0;
    let close = field(&head.headers, "connection").unwrap_or_default();
    let keep = parsed.version == Some(1) && !close.to_lowercase().contains("close");
    Ok(Answer { head, rest, keep })
}

fn field<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn kind_of(error: &io::Error) -> TransportErrorKind {
    match error.kind() {
        _ if is_timeout(error) => TransportErrorKind::HeadTimeout,
        ErrorKind::Other => TransportErrorKind::BadHttp,
        _ => TransportErrorKind::Closed,
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

fn wall() -> UnixTime {
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    UnixTime::from_seconds(i64::try_from(now.as_secs()).unwrap())
}
