//! One connection: requests in, faults applied, answers out.

use std::io::{ErrorKind, Read};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use super::http1::{Framing, Head, ReadError, Reader, encode_head, write_all};
use super::stats::Exchange;
use super::{Clock, Shared, lock};
use crate::faults::{End, Fault, Hit, Wire};
use crate::model::{Body, Hashes, Model, Operation, Request, Response, Route, parse_range};

/// How long a connection that is about to close goes on reading, so that the answer is not
/// destroyed by a reset.
const LINGER: Duration = Duration::from_secs(2);
/// How often a stalled connection looks whether the client is still there.
const LOOK: Duration = Duration::from_millis(50);

/// Serves a connection until either side ends it.
pub(super) fn serve(stream: TcpStream, shared: &Shared) {
    let idle = Some(shared.config.idle);
    let ready = stream.set_nodelay(true).is_ok()
        && stream.set_read_timeout(idle).is_ok()
        && stream.set_write_timeout(idle).is_ok();
    let mut reader = Reader::new(stream, Arc::clone(&shared.pool));
    while ready && !shared.is_stopping() {
        let head = match reader.head(shared.config.max_head) {
            Ok((head, _)) => head,
            Err(error) => return refuse(&mut reader, &error),
        };
        let route = route(shared, &head);
        let operation = route.as_ref().map_or(Operation::Other, |r| r.operation);
        lock(&shared.counters).begin();
        let mut exchange = Exchange::default();
        let next = exchange_once(&mut reader, shared, head, route.as_ref(), &mut exchange);
        lock(&shared.counters).end(operation, &exchange);
        match next {
            Next::KeepAlive => {}
            Next::Close => return close(&mut reader),
            Next::Reset => return reset(reader),
            Next::Stall => return stall(&reader, shared),
        }
    }
}

/// What becomes of a connection after an exchange.
enum Next {
    KeepAlive,
    Close,
    Reset,
    Stall,
}

impl From<End> for Next {
    fn from(end: End) -> Self {
        match end {
            End::Close => Self::Close,
            End::Reset => Self::Reset,
            End::Stall => Self::Stall,
        }
    }
}

fn exchange_once(
    reader: &mut Reader,
    shared: &Shared,
    head: Head,
    route: Option<&Route>,
    exchange: &mut Exchange,
) -> Next {
    let keep_alive = head.keep_alive;
    let fault = route.and_then(|route| {
        let hit = hit(shared, &head, route);
        lock(&shared.faults).pick(&hit)
    });
    if let Some(fault @ Fault::EarlyAnswer { .. }) = &fault {
        let answer = fault.instead().unwrap_or_default();
        return send(reader, answer, fault.wire(), false, exchange);
    }
    let body = match read_body(reader, shared, &head) {
        Ok(body) => body,
        Err(error) => {
            refuse(reader, &error);
            return Next::Close;
        }
    };
    exchange.bytes_in = body.iter().map(|piece| piece.len() as u64).sum();
    let request = Request {
        method: head.method,
        target: head.target,
        headers: head.headers,
        body,
    };
    let wire = fault.as_ref().map_or(Wire::Send, Fault::wire);
    if let Some(fault) = &fault
        && !fault.takes_effect()
        && fault.instead().is_none()
    {
        return send(reader, Response::default(), wire, false, exchange);
    }
    let answer = answer(shared, request, route, fault.as_ref());
    send(reader, answer, wire, keep_alive, exchange)
}

fn answer(
    shared: &Shared,
    request: Request,
    route: Option<&Route>,
    fault: Option<&Fault>,
) -> Response {
    let head_only = request.method == http::Method::HEAD;
    let mut response = match fault.and_then(Fault::instead) {
        Some(instead) => instead,
        None => handle(shared, request, route, fault),
    };
    if let Some(fault) = fault {
        fault.rewrite_response(&mut response);
    }
    if head_only {
        response.body = Body::default();
    }
    response
}

/// The hashing is done before the model is locked, so that connections don't wait for each other.
fn handle(
    shared: &Shared,
    request: Request,
    route: Option<&Route>,
    fault: Option<&Fault>,
) -> Response {
    let hashes: Hashes = lock(&shared.model).config().hashes();
    let mut prepared = request.prepare(hashes);
    let mut model = lock(&shared.model);
    if let Clock::System { offset } = shared.config.clock {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let seconds = since.map_or(0, |since| since.as_secs());
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
        model.set_time(seconds.saturating_add(offset));
    }
    if let (Some(fault), Some(route)) = (fault, route) {
        let size = model
            .object(&route.bucket, &route.key)
            .map(|o| o.data.len());
        prepared.disturb(|request| fault.rewrite_request(request, size));
    }
    model.handle_routed(prepared, route)
}

fn read_body(reader: &mut Reader, shared: &Shared, head: &Head) -> Result<Vec<Bytes>, ReadError> {
    if head.expects_continue && head.framing != Framing::Length(0) {
        write_all(reader.stream(), &[b"HTTP/1.1 100 Continue\r\n\r\n"])?;
    }
    reader.body(head.framing, shared.config.max_body)
}

fn route(shared: &Shared, head: &Head) -> Option<Route> {
    let suffix = shared.config.model.virtual_host_suffix.as_deref();
    let host = head.headers.get("host").and_then(|host| host.to_str().ok());
    Route::parse(&head.method, &head.target, host, suffix)
}

fn hit(shared: &Shared, head: &Head, route: &Route) -> Hit {
    let range = head
        .headers
        .get("range")
        .and_then(|range| range.to_str().ok());
    let part = route.param("partNumber");
    Hit {
        operation: route.operation,
        key: route.key.clone(),
        piece: range.or(part).map(str::to_owned),
        answer_len: answer_len(&lock(&shared.model), route, range),
    }
}

/// Bytes that the answer to a GET will have, if it is let in and finds its object.
fn answer_len(model: &Model, route: &Route, range: Option<&str>) -> u64 {
    let object = (route.operation == Operation::GetObject)
        .then(|| model.object(&route.bucket, &route.key))
        .flatten();
    let Some(size) = object.map(|object| object.data.len()) else {
        return 0;
    };
    match range.and_then(|text| parse_range(text, size)) {
        None => size,
        Some(Some(range)) => range.end - range.start,
        Some(None) => 0,
    }
}

fn send(
    reader: &Reader,
    answer: Response,
    wire: Wire,
    keep_alive: bool,
    exchange: &mut Exchange,
) -> Next {
    if let Wire::Nothing(end) = wire {
        return end.into();
    }
    exchange.status = answer.status.as_u16();
    // An answer that is cut short looks like any other until it stops.
    let honest = match wire {
        Wire::Send | Wire::Delay(_) | Wire::Drip { .. } => true,
        Wire::Cut { after, end } => after >= answer.body.len() && end == End::Close,
        Wire::Extra(_) | Wire::Nothing(_) => false,
    };
    let announce_close = !keep_alive && honest;
    let head = encode_head(&answer, !announce_close);
    match write_answer(reader.stream(), &head, &answer, wire) {
        Ok(bytes) => exchange.bytes_out = bytes,
        // The client may have answered our answer by going away; a reset tells the rest.
        Err(_) => return Next::Close,
    }
    match wire {
        Wire::Cut { end, .. } => end.into(),
        Wire::Extra(_) => Next::Close,
        _ if keep_alive => Next::KeepAlive,
        _ => Next::Close,
    }
}

/// Writes head and body as the wire wants it, and says how many bytes of the body went out.
fn write_answer(
    stream: &TcpStream,
    head: &[u8],
    answer: &Response,
    wire: Wire,
) -> std::io::Result<u64> {
    let body = answer.body.segments();
    match wire {
        Wire::Delay(delay) => thread::sleep(delay),
        Wire::Drip { piece, pause } => {
            write_all(stream, &[head])?;
            for bytes in body.iter().flat_map(|segment| segment.chunks(piece.max(1))) {
                thread::sleep(pause);
                write_all(stream, &[bytes])?;
            }
            return Ok(answer.body.len());
        }
        Wire::Send | Wire::Cut { .. } | Wire::Extra(_) | Wire::Nothing(_) => {}
    }
    let limit = match wire {
        Wire::Cut { after, .. } => after,
        _ => u64::MAX,
    };
    let junk = vec![
        b'x';
        match wire {
            Wire::Extra(count) => count,
            _ => 0,
        }
    ];
    let mut left = limit;
    let mut slices: Vec<&[u8]> = vec![head];
    for segment in body {
        let len = usize::try_from(left).map_or(segment.len(), |left| left.min(segment.len()));
        slices.push(&segment[..len]);
        left -= len as u64;
    }
    slices.push(&junk);
    write_all(stream, &slices)?;
    Ok(answer.body.len().min(limit))
}

/// Answers what is no HTTP, and closes.
fn refuse(reader: &mut Reader, error: &ReadError) {
    if let ReadError::Bad(status, why) = error {
        let mut response = Response::new(*status);
        response.body = Body::from(Bytes::from_static(why.as_bytes()));
        response.set("content-length", &why.len().to_string());
        let head = encode_head(&response, false);
        drop(write_all(reader.stream(), &[&head, why.as_bytes()]));
        close(reader);
    }
}

/// Ends our half, then reads on for a while: closing with unread input would send a reset, which
/// can destroy an answer on its way.
fn close(reader: &mut Reader) {
    drop(reader.stream().shutdown(Shutdown::Write));
    drop(reader.stream().set_read_timeout(Some(LINGER)));
    reader.drain();
}

fn reset(reader: Reader) {
    let socket = socket2::SockRef::from(reader.stream());
    drop(socket.set_linger(Some(Duration::ZERO)));
    drop(reader);
}

/// Keeps a connection open and silent until the client ends it, the server stops, or the
/// configured time is over.
fn stall(reader: &Reader, shared: &Shared) {
    let until = Instant::now() + shared.config.stall;
    let mut stream = reader.stream();
    drop(stream.set_read_timeout(Some(LOOK)));
    let mut sink = [0; 1_024];
    while Instant::now() < until && !shared.is_stopping() {
        match stream.read(&mut sink) {
            Ok(1..) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Ok(0) | Err(_) => return,
        }
    }
}
