use bytes::Bytes;
use sans3_core::attempt::{
    Attempt, BodySource, Framing, Outcome, Placement, Ready, Sendable, Sent as Left,
};
use sans3_core::error::{SinkError, SourceError, TransportErrorKind};
use sans3_core::time::UnixTime;

use super::{Peer, Sent, Sink, Source};

/// Takes one attempt through all its states: what an adapter does, without a network.
pub fn run(
    attempt: Attempt,
    wall: UnixTime,
    peer: &mut impl Peer,
    source: Option<&Source>,
    sink: &mut Sink,
    log: &mut Vec<String>,
) -> Outcome {
    let (sendable, request) = match send(attempt, wall, source) {
        Ok(sent) => sent,
        Err(outcome) => return outcome,
    };
    log.push(format!("{} {}", request.method, request.target));
    receive(sendable, wall, peer.answer(request), sink)
}

/// The first half: the request, with all of its body.
pub(crate) fn send(
    attempt: Attempt,
    wall: UnixTime,
    source: Option<&Source>,
) -> Result<(Sendable, Sent), Outcome> {
    let read = |offset, len| {
        source
            .map(|source| source.read(offset, len))
            .unwrap_or_default()
    };
    let sendable = match attempt.prepare() {
        Ready::Send(sendable) => sendable,
        Ready::Hash(mut hashing) => {
            hashing.update(&read(hashing.offset(), hashing.len()));
            hashing.finish()?
        }
    };
    let (head, body) = sendable.request(wall)?.into_parts();
    let body = match body {
        BodySource::Empty => Bytes::new(),
        BodySource::Inline(bytes) => bytes,
        BodySource::Source {
            offset,
            len,
            mut check,
        } => {
            let bytes = read(offset, len);
            check.update(&bytes);
            if let Err(error) = check.finish() {
                return Err(sendable.on_source_error(error));
            }
            bytes
        }
        BodySource::Framed(framing) => {
            let bytes = read(framing.offset(), framing.len());
            match framed(framing, [bytes]) {
                Ok(body) => body.concat().into(),
                Err(error) => return Err(sendable.on_source_error(error)),
            }
        }
    };
    let target = head
        .uri
        .path_and_query()
        .map_or("/", |target| target.as_str())
        .to_owned();
    let request = Sent {
        method: head.method,
        target,
        headers: head.headers,
        body,
    };
    Ok((sendable, request))
}

/// The pieces of a body that is framed as it is sent.
pub(crate) fn framed(
    mut framing: Framing,
    payload: impl IntoIterator<Item = Bytes>,
) -> Result<Vec<Bytes>, SourceError> {
    let mut sent = Vec::new();
    for mut bytes in payload {
        while !bytes.is_empty() {
            let frame = framing.frame(&bytes)?;
            sent.push(frame.before);
            sent.push(bytes.split_to(frame.payload));
        }
    }
    sent.push(framing.finish()?);
    Ok(sent)
}

/// The second half: the answer, or what came instead.
pub(crate) fn receive(
    sendable: Sendable,
    wall: UnixTime,
    reply: super::Reply,
    sink: &mut Sink,
) -> Outcome {
    let (status, headers) = match reply.head {
        Ok(head) => head,
        Err(kind) => {
            let left = match kind {
                TransportErrorKind::Dns
                | TransportErrorKind::Connect
                | TransportErrorKind::ConnectTimeout
                | TransportErrorKind::Tls => Left::None,
                _ => Left::All,
            };
            return sendable.on_transport_error(kind, left, "");
        }
    };
    let (mut head, ()) = http::Response::new(()).into_parts();
    head.status = http::StatusCode::from_u16(status).unwrap_or_else(|e| panic!("{status}: {e}"));
    head.headers = headers;
    let left = if reply.early { Left::Part } else { Left::All };
    let mut receiving = match sendable.on_head(&head, left, wall) {
        Ok(receiving) => receiving,
        Err(outcome) => return outcome,
    };
    for chunk in reply.body.iter().filter(|chunk| !chunk.is_empty()) {
        if reply.pace > receiving.patience() {
            return receiving.on_transport_error(TransportErrorKind::IdleTimeout, "");
        }
        match receiving.admit(chunk, reply.pace) {
            Ok(Placement::Internal) => {}
            Ok(Placement::Object { at, span }) => {
                if let Err(error) = sink.place(at, &chunk[span]) {
                    return receiving.on_sink_error(SinkError(error));
                }
            }
            Err(_) => return receiving.finish(),
        }
    }
    match reply.end {
        Ok(()) => receiving.finish(),
        Err(kind) => receiving.on_transport_error(kind, ""),
    }
}
