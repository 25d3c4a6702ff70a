//! The sending half of an exchange, which also watches for the answer.

use std::io::IoSlice;
use std::mem;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::{Buf as _, Bytes};
use http::{StatusCode, request, response};
use sans3_core::attempt::{Deadlines, Sent};
use sans3_core::error::{SourceError, TransportErrorKind};
use sans3_core::http1::{BodyReader, HeadRead, HeadReader, RequestBody, Target, write_head};
use sans3_runtime::Body;
use sans3_runtime::net::Fault;

use super::wire::Wire;
use super::{TURN, misread};

/// The longest line that frames a chunk, and more.
const LINE: usize = 64;

/// A request on its way, and the wait for its answer's head.
///
/// A server may answer before it has read everything, and often closes the connection then. So the
/// answer is looked for while the body is written, and a write that fails is no error as long as
/// the reading side has not told how it ends: "403 Forbidden" must not become a broken pipe that
/// is retried.
pub(super) struct Sending<'a> {
    wire: &'a mut Wire,
    answer: HeadReader,
    head: Bytes,
    slice: Bytes,
    body: Body,
    stage: Stage,
    limits: Limits,
    /// When the stage began, or bytes last left.
    since: Instant,
    written: u64,
}

/// How long the sending of a request may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) deadlines: Deadlines,
    /// How long the server is asked whether it wants the body (RFC 9110, section 10.1.1), if it is.
    pub(crate) asking: Option<Duration>,
}

/// The head of an answer, and what takes its body apart.
type Answer = (response::Parts, BodyReader);

/// Why no answer came.
#[derive(Debug)]
pub(crate) enum Broken {
    Source(SourceError),
    Fault(Fault),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The head leaves, and the body waits until the server asks for it.
    Announcing,
    /// The head has left, and the server is asked.
    Asking,
    /// All leaves that there is.
    Writing,
    /// Writing has failed. The answer tells why.
    Refused,
    /// All has left.
    Written,
}

impl<'a> Sending<'a> {
    /// A request whose `head` is addressed already.
    pub(super) fn new(
        wire: &'a mut Wire,
        head: &request::Parts,
        target: Target,
        body: Body,
        limits: Limits,
    ) -> Result<Self, Fault> {
        let framing = match body.left() {
            // Where the length has to be told nevertheless the fields do so.
            0 => RequestBody::None,
            length => RequestBody::Length(length),
        };
        let asks = limits.asking.is_some();
        let mut bytes = Vec::new();
        write_head(head, target, framing, asks, &mut bytes).map_err(misread)?;
        Ok(Self {
            wire,
            answer: HeadReader::for_request(head),
            head: bytes.into(),
            slice: Bytes::new(),
            body,
            stage: if asks {
                Stage::Announcing
            } else {
                Stage::Writing
            },
            limits,
            since: Instant::now(),
            written: 0,
        })
    }

    /// How much of the request has left.
    pub(super) const fn sent(&self) -> Sent {
        match self.stage {
            _ if self.written == 0 => Sent::None,
            Stage::Written => Sent::All,
            Stage::Announcing | Stage::Asking | Stage::Writing | Stage::Refused => Sent::Part,
        }
    }

    /// The head of the final answer. Not to be polled again once it is ready.
    pub(super) fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Result<Answer, Broken>> {
        let mut turn = TURN;
        loop {
            if let Poll::Ready(answer) = self.poll_read(cx) {
                return Poll::Ready(answer.map_err(Broken::Fault));
            }
            match self.poll_write(cx) {
                Poll::Ready(wrote) => turn = turn.saturating_sub(wrote.map_err(Broken::Source)?),
                Poll::Pending => ready!(self.poll_clock(cx)).map_err(Broken::Fault)?,
            }
            if turn == 0 {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<Answer, Fault>> {
        loop {
            let Wire { stream, input, .. } = &mut *self.wire;
            let read = if input.is_empty() {
                HeadRead::Incomplete
            } else {
                self.answer.read(input.unread()).map_err(misread)?
            };
            match read {
                HeadRead::Final {
                    head,
                    consumed,
                    body,
                } => {
                    input.consume(consumed);
                    return Poll::Ready(Ok((head, body)));
                }
                HeadRead::Interim { status, consumed } => {
                    input.consume(consumed);
                    let asked = matches!(self.stage, Stage::Announcing | Stage::Asking);
                    if asked && status == StatusCode::CONTINUE {
                        self.enter(Stage::Writing);
                    }
                }
                HeadRead::Incomplete => {
                    let read = ready!(input.poll_receive(stream, cx, u64::MAX));
                    if read.map_err(|error| Fault::from_io(&error))? == 0 {
                        return Poll::Ready(Err(misread(self.answer.eof(input.unread()))));
                    }
                }
            }
        }
    }

    /// Writes once, and says how much. Pending where nothing can be written now.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, SourceError>> {
        match self.stage {
            Stage::Asking | Stage::Refused | Stage::Written => return Poll::Pending,
            Stage::Announcing => {}
            Stage::Writing if !self.slice.is_empty() => {}
            Stage::Writing => match self.body.poll_next(cx) {
                Poll::Ready(Some(slice)) => {
                    self.slice = slice?;
                    self.gather(cx)?;
                }
                Poll::Ready(None) => {}
                // The head goes ahead; otherwise it leaves together with the first bytes.
                Poll::Pending if self.head.is_empty() => return Poll::Pending,
                Poll::Pending => {}
            },
        }
        let mut wrote = 0;
        if !self.is_drained() {
            let pieces = [IoSlice::new(&self.head), IoSlice::new(&self.slice)];
            match ready!(self.wire.stream.poll_write(cx, &pieces)) {
                Ok(0) | Err(_) => self.stage = Stage::Refused,
                Ok(count) => {
                    self.on_written(count);
                    wrote = count;
                }
            }
        }
        // At once, before the answer is looked for: it must not seem to come before the end.
        if self.is_drained() && self.stage != Stage::Refused {
            match self.wire.stream.poll_flush(cx) {
                Poll::Pending if wrote == 0 => return Poll::Pending,
                Poll::Pending => {}
                Poll::Ready(Ok(())) => self.on_flushed(),
                Poll::Ready(Err(_)) => self.stage = Stage::Refused,
            }
        }
        Poll::Ready(Ok(wrote))
    }

    /// A line that frames what follows leaves together with it, by one call.
    fn gather(&mut self, cx: &mut Context<'_>) -> Result<(), SourceError> {
        if self.slice.len() > LINE || self.body.left() == 0 {
            return Ok(());
        }
        if let Poll::Ready(Some(next)) = self.body.poll_next(cx) {
            let line = mem::replace(&mut self.slice, next?);
            self.head = if self.head.is_empty() {
                line
            } else {
                [&*self.head, &*line].concat().into()
            };
        }
        Ok(())
    }

    /// Whether the stream has taken all that is to leave before anything else happens.
    fn is_drained(&self) -> bool {
        self.head.is_empty() && self.slice.is_empty()
    }

    fn on_written(&mut self, wrote: usize) {
        let of_head = wrote.min(self.head.len());
        self.head.advance(of_head);
        self.slice.advance(wrote - of_head);
        self.written = self.written.saturating_add(wrote as u64);
        self.since = Instant::now();
    }

    fn on_flushed(&mut self) {
        match self.stage {
            Stage::Announcing => self.enter(Stage::Asking),
            Stage::Writing if self.body.left() == 0 => self.enter(Stage::Written),
            Stage::Writing | Stage::Asking | Stage::Refused | Stage::Written => {}
        }
    }

    fn enter(&mut self, stage: Stage) {
        self.stage = stage;
        self.since = Instant::now();
    }

    /// How long the stage may last without anything that moves.
    fn limit(&self) -> Duration {
        let Limits { deadlines, asking } = self.limits;
        match self.stage {
            Stage::Announcing | Stage::Writing | Stage::Refused => deadlines.idle,
            Stage::Asking => asking.unwrap_or_default(),
            Stage::Written => deadlines.head,
        }
    }

    /// Ready where a wait is over: with what that means, or with a new stage.
    fn poll_clock(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        let limit = self.limit();
        ready!(self.wire.alarm.poll_after(cx, self.since, limit));
        let kind = match self.stage {
            Stage::Asking => {
                self.enter(Stage::Writing);
                return Poll::Ready(Ok(()));
            }
            Stage::Written => TransportErrorKind::HeadTimeout,
            Stage::Announcing | Stage::Writing | Stage::Refused => TransportErrorKind::IdleTimeout,
        };
        let detail = format!("nothing moved for {limit:?}");
        Poll::Ready(Err(Fault::new(kind, detail)))
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io::{self, Read as _};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use futures_lite::future::{block_on, poll_once};

    use super::*;
    use crate::net::stream::{Scripted, Stream};

    /// A peer that takes the first bytes and resets, and whose answer is seen only after that.
    fn refusing(mut answer: &'static [u8]) -> Wire {
        let is_reset = Arc::new(AtomicBool::new(false));
        let (seen, mut taken) = (Arc::clone(&is_reset), 0);
        wire(
            move |into| match seen.load(Ordering::Relaxed) {
                true => Poll::Ready(answer.read(into)),
                false => Poll::Pending,
            },
            move |count| {
                if taken > 1000 {
                    is_reset.store(true, Ordering::Relaxed);
                    return Err(io::ErrorKind::BrokenPipe.into());
                }
                taken += count.min(400);
                Ok(count.min(400))
            },
        )
    }

    fn wire(
        read: impl FnMut(&mut [u8]) -> Poll<io::Result<usize>> + Send + 'static,
        write: impl FnMut(usize) -> io::Result<usize> + Send + 'static,
    ) -> Wire {
        let (read, write) = (Box::new(read), Box::new(write));
        Wire::new(Stream::Scripted(Scripted { read, write }))
    }

    fn sending(wire: &mut Wire, body: Body) -> Sending<'_> {
        let request = http::Request::put("/b/k").header("host", "x").body(());
        let head = request.unwrap().into_parts().0;
        let second = Duration::from_secs(1);
        let limits = Limits {
            deadlines: Deadlines {
                connect: second,
                head: second,
                idle: second,
            },
            asking: None,
        };
        Sending::new(wire, &head, Target::Origin, body, limits).unwrap()
    }

    /// What comes of a body of a mebibyte.
    fn send(answer: &'static [u8]) -> (Result<StatusCode, TransportErrorKind>, Sent) {
        let mut wire = refusing(answer);
        let mut sending = sending(&mut wire, Body::inline(vec![0; 1 << 20].into()));
        let answer = block_on(poll_fn(|cx| sending.poll_answer(cx)));
        let answer = answer.map(|(head, _)| head.status).map_err(|broken| {
            let Broken::Fault(fault) = broken else {
                panic!("{broken:?}")
            };
            fault.kind
        });
        (answer, sending.sent())
    }

    #[test]
    fn adversary_25_an_answer_outlives_the_failure_of_writing() {
        let refusal = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(send(refusal), (Ok(StatusCode::FORBIDDEN), Sent::Part));
    }

    #[test]
    fn a_fast_peer_lets_others_have_their_turn() {
        let mut wire = wire(|_| Poll::Pending, Ok);
        let body = Body::inline(vec![0; 4 * TURN].into());
        let mut sending = sending(&mut wire, body);
        assert!(block_on(poll_once(poll_fn(|cx| sending.poll_answer(cx)))).is_none());
        let written = sending.written;
        assert!(written >= TURN as u64 && written < 2 * TURN as u64);
        // It asks for another turn by itself, until all is written.
        block_on(async {
            while sending.sent() != Sent::All {
                poll_once(poll_fn(|cx| sending.poll_answer(cx))).await;
            }
        });
    }

    #[test]
    fn without_an_answer_a_failure_of_writing_is_an_end() {
        for cut in [&b""[..], b"HTTP/1.1 403 Forb"] {
            assert_eq!(send(cut), (Err(TransportErrorKind::Closed), Sent::Part));
        }
    }
}
