//! One HTTP exchange, from the attempt to its outcome, by reqwest.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use futures_util::{future, stream};
use reqwest::{Body, Client, Request, Response, redirect, retry};
use sans3_core::attempt::{Attempt, BodySource, Deadlines, Outcome, Placement, Ready, Sent};
use sans3_core::error::{SinkError, SourceError, TransportErrorKind as Kind};
use sans3_core::session::SessionConfig;
use sans3_core::time::UnixTime;
use tokio::task::block_in_place;
use tokio::time::timeout;

use super::fault::{kind_of, words};

/// A client that does nothing on its own. Deadlines that reqwest takes here alone are set here.
pub(crate) fn client(config: &SessionConfig) -> reqwest::Result<Client> {
    Client::builder()
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .no_proxy()
        .connect_timeout(config.timeouts.connect)
        .pool_idle_timeout(Duration::from_secs(1))
        .pool_max_idle_per_host(config.slots().into())
        .http1_max_headers(128)
        .build()
}

/// Carries out `attempt`. `Err` is an outcome like any other: of an exchange that ended early.
pub(crate) async fn exchange(
    attempt: Attempt,
    http: Client,
    file: Option<Arc<File>>,
    moved: Arc<AtomicU64>,
) -> Result<Outcome, Outcome> {
    let file = file.as_deref();
    let deadlines = attempt.deadlines();
    let mut part = Vec::new();
    let sendable = match attempt.prepare() {
        Ready::Send(sendable) => sendable,
        // The checksum stands in a header: the bytes are read before the first of them is sent.
        Ready::Hash(mut hashing) => {
            part.resize(usize::try_from(hashing.len()).unwrap_or(usize::MAX), 0);
            let read = in_file(file, |file| file.read_exact_at(&mut part, hashing.offset()));
            if let Err(error) = read {
                return Err(hashing.on_source_error(SourceError::Read(error.to_string())));
            }
            hashing.update(&part);
            hashing.finish()?
        }
    };
    let len = part.len() as u64;
    let left = || len - moved.load(Relaxed);
    let sent = || if left() == 0 { Sent::All } else { Sent::Part };
    let request = sendable.request(wall())?.map(|body| match body {
        BodySource::Empty => Body::default(),
        BodySource::Inline(bytes) => bytes.into(),
        BodySource::Source { .. } => streamed(part.into(), Arc::clone(&moved)),
    });
    let mut answer = match send(&http, request, deadlines, left).await {
        Ok(answer) => answer,
        Err((kind, detail)) => {
            let connected = !matches!(kind, Kind::Dns | Kind::Connect | Kind::ConnectTimeout);
            let sent = if connected { sent() } else { Sent::None };
            return Err(sendable.on_transport_error(kind, sent, detail));
        }
    };
    let (mut head, ()) = http::Response::new(()).into_parts();
    head.status = answer.status();
    head.headers = std::mem::take(answer.headers_mut());
    let mut receiving = sendable.on_head(&head, sent(), wall())?;
    loop {
        let asked = Instant::now();
        let chunk = match timeout(receiving.patience(), answer.chunk()).await {
            Ok(Ok(Some(chunk))) => chunk,
            Ok(Ok(None)) => return Ok(receiving.finish()),
            Ok(Err(error)) => {
                return Ok(receiving.on_transport_error(kind_of(&error), words(&error)));
            }
            Err(_) => return Ok(receiving.on_transport_error(Kind::IdleTimeout, "no more came")),
        };
        moved.fetch_add(chunk.len() as u64, Relaxed);
        match receiving.admit(&chunk, asked.elapsed()) {
            Ok(Placement::Internal) => {}
            Ok(Placement::Object { at, span }) => {
                if let Err(error) = in_file(file, |file| file.write_all_at(&chunk[span], at)) {
                    return Ok(receiving.on_sink_error(SinkError(error.to_string())));
                }
            }
            Err(_stop_reading) => return Ok(receiving.finish()),
        }
    }
}

/// Sends a request as it is, and waits for the answer's head. `left` counts the bytes that are
/// still to be sent.
async fn send(
    http: &Client,
    request: http::Request<Body>,
    deadlines: Deadlines,
    left: impl Fn() -> u64,
) -> Result<Response, (Kind, String)> {
    let uri = request.uri().clone();
    let request = Request::try_from(request).map_err(|error| (Kind::Other, words(&error)))?;
    let url = request.url();
    if (url.path(), url.query()) != (uri.path(), uri.query()) {
        return Err((Kind::Other, format!("reqwest would send {url} for {uri}")));
    }
    let mut answer = std::pin::pin!(http.execute(request));
    loop {
        let before = left();
        let (kind, patience) = match before {
            0 => (Kind::HeadTimeout, deadlines.head),
            _ => (Kind::IdleTimeout, deadlines.idle),
        };
        match timeout(patience, &mut answer).await {
            Ok(answer) => return answer.map_err(|error| (kind_of(&error), words(&error))),
            Err(_) if left() < before => {}
            Err(_) => return Err((kind, format!("nothing happened for {patience:?}"))),
        }
    }
}

/// The part in pieces, each of which counts as sent when reqwest takes it: it tells no more.
fn streamed(part: Bytes, moved: Arc<AtomicU64>) -> Body {
    const PIECE: usize = 64 << 10;
    Body::wrap_stream(stream::unfold(part, move |mut rest| {
        let piece = rest.split_to(rest.len().min(PIECE));
        moved.fetch_add(piece.len() as u64, Relaxed);
        future::ready((!piece.is_empty()).then_some((Ok::<_, io::Error>(piece), rest)))
    }))
}

/// Work on a file, which may block.
fn in_file(file: Option<&File>, work: impl FnOnce(&File) -> io::Result<()>) -> io::Result<()> {
    let missing = || io::Error::other("the transfer has no file");
    block_in_place(|| work(file.ok_or_else(missing)?))
}

fn wall() -> UnixTime {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    UnixTime::from_seconds(now.as_secs().try_into().unwrap_or(i64::MAX))
}
