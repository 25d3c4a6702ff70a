use std::future::poll_fn;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use sans3_core::http1::{BodyRead, BodyReader};
use sans3_runtime::net::Fault;
use sans3_runtime::{End, Intake};

use super::input::Input;
use super::stream::Stream;
use super::{TURN, misread};
use crate::time::Alarm;

/// An HTTP/1.1 connection. It has no task of its own: whoever waits for an answer reads it, so that
/// no byte changes threads between the socket and its check.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(super) stream: Stream,
    pub(super) input: Input,
    pub(super) alarm: Alarm,
    /// Bytes that may still be received before others get their turn.
    turn: usize,
}

impl Wire {
    pub(super) fn new(stream: Stream) -> Self {
        Self {
            stream,
            input: Input::new(),
            alarm: Alarm::default(),
            turn: TURN,
        }
    }

    /// Waits for the next piece of the answer's body, and has `intake` take it from where the socket
    /// put it.
    ///
    /// # Errors
    /// Why no more is to be read.
    pub(crate) async fn take_chunk(
        &mut self,
        body: &mut BodyReader,
        intake: &mut Intake,
    ) -> Result<(), End> {
        let (since, patience) = (Instant::now(), intake.patience());
        poll_fn(|cx| {
            // Pieces that come together were waited for once.
            let mut waited = since.elapsed();
            let mut put = |bytes: &[u8]| intake.take(bytes, std::mem::take(&mut waited));
            if let Poll::Ready(taken) = self.poll_chunk(cx, body, &mut put) {
                return Poll::Ready(taken);
            }
            ready!(self.alarm.poll_after(cx, since, patience));
            Poll::Ready(Err(intake.stalled()))
        })
        .await
    }

    /// Whether the connection can take another request: the peer may have closed it meanwhile, or
    /// may have sent what nobody asked for.
    pub(super) fn is_usable(&mut self, cx: &mut Context<'_>) -> bool {
        // Records of TLS that bring no payload, such as tickets, are taken up on the way.
        self.input.is_empty() && self.stream.poll_read(cx, &mut [0]).is_pending()
    }

    /// Has `put` take the next pieces of the body; [`End::Complete`] where there are none.
    fn poll_chunk(
        &mut self,
        cx: &mut Context<'_>,
        body: &mut BodyReader,
        put: &mut dyn FnMut(&[u8]) -> Result<(), End>,
    ) -> Poll<Result<(), End>> {
        if self.turn == 0 {
            self.turn = TURN;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let Self { stream, input, .. } = self;
        loop {
            match body.read(input.unread()).map_err(misread)? {
                BodyRead::Data { consumed, span } => {
                    return Poll::Ready(put(input.take(consumed, span)));
                }
                BodyRead::Complete { consumed } => {
                    input.consume(consumed);
                    return Poll::Ready(Err(End::Complete));
                }
                BodyRead::Incomplete { consumed } => input.consume(consumed),
            }
            // Payload alone: nobody has to look for framing in it.
            let direct = body.direct().filter(|_| input.is_empty());
            let mut taken = Ok(());
            let received = match (&mut *stream, direct) {
                // From where it was deciphered, without a copy.
                (Stream::Secure(stream), Some(direct)) => stream.poll_take(cx, direct, |piece| {
                    if taken.is_ok() {
                        taken = put(piece);
                    }
                }),
                (stream, _) => input.poll_receive(stream, cx, direct.unwrap_or(u64::MAX)),
            };
            let Poll::Ready(received) = received else {
                self.turn = TURN;
                return Poll::Pending;
            };
            let received = received.map_err(|error| Fault::from_io(&error))?;
            self.turn = self.turn.saturating_sub(received);
            if received == 0 {
                body.eof().map_err(misread)?;
                return Poll::Ready(Err(End::Complete));
            }
            if direct.is_some() {
                body.advance(received as u64).map_err(misread)?;
                if !input.is_empty() {
                    taken = put(input.take(received, 0..received));
                }
                return Poll::Ready(taken);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read as _};
    use std::task::Waker;

    use futures_lite::future::{block_on, poll_once};
    use http::Method;
    use sans3_core::http1::{HeadRead, HeadReader};

    use super::super::stream::Scripted;
    use super::*;

    /// The body of an answer whose head ends like this, and a connection that brings it in pieces
    /// without ever letting anyone wait.
    fn answer(field: &str, body: &[u8], piece: usize) -> (Wire, BodyReader) {
        let head = format!("HTTP/1.1 200 OK\r\n{field}\r\n");
        let read = HeadReader::new(&Method::GET).read(head.as_bytes());
        let Ok(HeadRead::Final { body: reader, .. }) = read else {
            panic!("{read:?}")
        };
        let mut rest = io::Cursor::new(body.to_vec());
        let peer = Scripted {
            read: Box::new(move |into| {
                let most = into.len().min(piece);
                Poll::Ready(rest.read(&mut into[..most]))
            }),
            write: Box::new(Ok),
        };
        let stream = Stream::Scripted(peer);
        (Wire::new(stream), reader)
    }

    /// The next pieces of the body; `None` at its end.
    async fn chunk(wire: &mut Wire, body: &mut BodyReader) -> Option<Vec<u8>> {
        let mut seen = Vec::new();
        let mut put = |piece: &[u8]| {
            seen.extend_from_slice(piece);
            Ok(())
        };
        let taken = poll_fn(|cx| wire.poll_chunk(cx, body, &mut put)).await;
        assert!(matches!(taken, Ok(()) | Err(End::Complete)), "{taken:?}");
        taken.ok().map(|()| seen)
    }

    fn content(len: usize) -> Vec<u8> {
        (0..=250).cycle().take(len).collect()
    }

    fn in_chunks(content: &[u8], len: usize) -> Vec<u8> {
        let mut framed = Vec::new();
        for chunk in content.chunks(len) {
            framed.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            framed.extend_from_slice(chunk);
            framed.extend_from_slice(b"\r\n");
        }
        framed.extend_from_slice(b"0\r\n\r\n");
        framed
    }

    #[test]
    fn bodies_arrive_whole_however_they_are_framed_and_cut() {
        let content = content(700_001);
        let chunked = in_chunks(&content, 70_007);
        let length = format!("content-length: {}\r\n", content.len());
        let cases = [
            (length.as_str(), &content),
            ("transfer-encoding: chunked\r\n", &chunked),
            ("", &content),
        ];
        for (field, sent) in cases {
            for piece in [997, 65_537, usize::MAX] {
                let (mut wire, mut body) = answer(field, sent, piece);
                let mut seen = Vec::new();
                while let Some(chunk) = block_on(chunk(&mut wire, &mut body)) {
                    seen.extend_from_slice(&chunk);
                }
                assert!(seen == content, "{field:?} in pieces of {piece}");
            }
        }
    }

    #[test]
    fn a_fast_peer_lets_others_have_their_turn() {
        let content = content(3 * TURN);
        let (mut wire, mut body) = answer("", &content, usize::MAX);
        let mut seen = 0;
        while let Some(chunk) = block_on(poll_once(chunk(&mut wire, &mut body))) {
            seen += chunk.map_or(0, |chunk| chunk.len());
            assert!(seen < 2 * TURN, "no turn for others");
        }
        assert!(seen >= TURN, "{seen} bytes are no turn");
        // Somebody has to come back for the rest.
        assert!(block_on(chunk(&mut wire, &mut body)).is_some());
    }

    #[test]
    fn a_connection_with_bytes_that_nobody_asked_for_is_not_used() {
        let mut cx = Context::from_waker(Waker::noop());
        for left_over in [&b"HTTP/1.1 200 OK\r\n\r\n"[..], b""] {
            let (mut wire, _) = answer("", left_over, usize::MAX);
            assert!(!wire.is_usable(&mut cx), "{left_over:?}");
        }
    }
}
