use std::ops::Range;

use super::Error;
use super::chunked::Chunks;
use super::framing::Framing;

/// Takes the framing of an answer's body apart. It sees every byte of framing, and of the payload
/// only how much there is.
#[derive(Clone, Debug)]
pub struct BodyReader {
    state: State,
    /// Whether request and head leave the connection open.
    persists: bool,
}

/// What a [`BodyReader`] found: one piece at a time. `consumed` bytes of its input are done with.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum BodyRead {
    /// All was framing, and more is to come. `consumed` is all of the input.
    Incomplete {
        /// How many bytes of the input are done with.
        consumed: usize,
    },
    /// Payload, at least a byte of it.
    Data {
        /// How many bytes of the input are done with, the payload included.
        consumed: usize,
        /// Where the payload is in the input.
        span: Range<usize>,
    },
    /// The body has ended. What is behind it in the input is no part of this answer.
    Complete {
        /// How many bytes of the input are done with.
        consumed: usize,
    },
}

#[derive(Clone, Debug)]
enum State {
    Length {
        left: u64,
    },
    Chunked(Chunks),
    UntilClose,
    Complete,
    /// A body that was wrong once is never right again.
    Failed(Error),
}

impl BodyReader {
    pub(super) fn new(framing: Framing, persists: bool) -> Self {
        let (state, reusable) = match framing {
            Framing::None | Framing::Length(0) => (State::Complete, true),
            Framing::Doubtful | Framing::Tunnel => (State::Complete, false),
            Framing::Length(left) => (State::Length { left }, true),
            Framing::Chunked => (State::Chunked(Chunks::default()), true),
            Framing::UntilClose => (State::UntilClose, false),
        };
        Self {
            state,
            persists: persists && reusable,
        }
    }

    /// The next piece of the body in `input`, which begins where the last piece ended. No byte
    /// needs to be shown twice.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] where chunks are not framed as they must be. The same error comes back
    /// from then on.
    pub fn read(&mut self, input: &[u8]) -> Result<BodyRead, Error> {
        let mut consumed = 0;
        if let State::Chunked(chunks) = &mut self.state {
            match chunks.skip_framing(input) {
                Ok(framing) => consumed = framing,
                Err(error) => {
                    self.state = State::Failed(error.clone());
                    return Err(error);
                }
            }
            if chunks.is_complete() {
                self.state = State::Complete;
            }
        }
        match &self.state {
            State::Failed(error) => return Err(error.clone()),
            State::Complete => return Ok(BodyRead::Complete { consumed }),
            State::Length { .. } | State::Chunked(_) | State::UntilClose => {}
        }
        let rest = input.len() - consumed;
        let data = self.direct().map_or(0, |direct| {
            usize::try_from(direct).map_or(rest, |direct| direct.min(rest))
        });
        if data == 0 {
            return Ok(BodyRead::Incomplete { consumed });
        }
        self.take(data as u64);
        Ok(BodyRead::Data {
            consumed: consumed + data,
            span: consumed..consumed + data,
        })
    }

    /// So many bytes of payload come next, without framing between them: they may be read from the
    /// socket straight into their place, and told by [`advance`](Self::advance). `u64::MAX` where
    /// the body ends with the connection; `None` where framing comes next, or nothing.
    pub const fn direct(&self) -> Option<u64> {
        match &self.state {
            State::Length { left } => Some(*left),
            State::Chunked(chunks) => chunks.data(),
            State::UntilClose => Some(u64::MAX),
            State::Complete | State::Failed(_) => None,
        }
    }

    /// So many bytes of payload were read without showing them to [`read`](Self::read).
    ///
    /// # Errors
    ///
    /// [`Error::Overrun`]: more than [`direct`](Self::direct) allows. The body has failed then,
    /// since nobody knows any more where its framing is.
    pub fn advance(&mut self, payload: u64) -> Result<(), Error> {
        if let State::Failed(error) = &self.state {
            return Err(error.clone());
        }
        let allowed = self.direct().unwrap_or(0);
        if payload > allowed {
            let error = Error::Overrun {
                allowed,
                told: payload,
            };
            self.state = State::Failed(error.clone());
            return Err(error);
        }
        self.take(payload);
        Ok(())
    }

    /// The peer closed the connection; all that it sent before was shown. Where the body ends with
    /// the connection, this is its end. (Over TLS only where the end was authenticated: an adapter
    /// that saw no `close_notify` reports an error instead.)
    ///
    /// # Errors
    ///
    /// [`Error::Closed`]: the body is not complete.
    pub fn eof(&mut self) -> Result<(), Error> {
        let error = match &self.state {
            State::Complete => return Ok(()),
            State::UntilClose => {
                self.state = State::Complete;
                return Ok(());
            }
            State::Failed(error) => return Err(error.clone()),
            State::Length { .. } => Error::Closed {
                expected: "as many bytes as the Content-Length says",
            },
            State::Chunked(_) => Error::Closed {
                expected: "the last chunk",
            },
        };
        self.state = State::Failed(error.clone());
        Err(error)
    }

    /// Whether the whole body was seen.
    pub const fn is_complete(&self) -> bool {
        matches!(self.state, State::Complete)
    }

    /// Whether the body is complete and both sides leave the connection open (RFC 9112, section
    /// 9.3).
    pub const fn keep_alive(&self) -> bool {
        self.persists && self.is_complete()
    }

    /// Whether the connection can take another request, if `leftover` bytes were received behind
    /// the body: with any at all it can't, since they would be taken for the next answer. That the
    /// request was sent in full is for the adapter to know.
    pub const fn may_reuse(&self, leftover: usize) -> bool {
        leftover == 0 && self.keep_alive()
    }

    /// Counts payload, of which there is as much.
    fn take(&mut self, payload: u64) {
        match &mut self.state {
            State::Length { left } => {
                *left = left.saturating_sub(payload);
                if *left == 0 {
                    self.state = State::Complete;
                }
            }
            State::Chunked(chunks) => chunks.take(payload),
            State::UntilClose | State::Complete | State::Failed(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::{MAX_EXTENSIONS, MAX_FIELDS, MAX_TRAILERS};

    fn body(framing: Framing) -> BodyReader {
        BodyReader::new(framing, true)
    }

    #[test]
    fn payload_may_bypass_the_reader() {
        let mut body = body(Framing::Chunked);
        assert_eq!(body.direct(), None);
        let first = body.read(b"a\r\nhel");
        let span = 3..6;
        assert_eq!(first, Ok(BodyRead::Data { consumed: 6, span }));
        assert_eq!(body.direct(), Some(7));
        body.advance(2).unwrap();
        assert_eq!(body.direct(), Some(5));
        body.advance(5).unwrap();
        assert_eq!((body.direct(), body.is_complete()), (None, false));
        let next = body.read(b"\r\n1\r");
        assert_eq!(next, Ok(BodyRead::Incomplete { consumed: 4 }));
        assert_eq!(body.read(b"\n"), Ok(BodyRead::Incomplete { consumed: 1 }));
        assert_eq!(body.direct(), Some(1));
        body.advance(1).unwrap();
        assert_eq!(
            body.read(b"\r\n0\r\n\r\nHTTP"),
            Ok(BodyRead::Complete { consumed: 7 })
        );
        assert!(body.keep_alive() && body.may_reuse(0) && !body.may_reuse(4));
    }

    #[test]
    fn a_length_is_counted_down() {
        let mut body = body(Framing::Length(5));
        assert_eq!((body.direct(), body.keep_alive()), (Some(5), false));
        let span = 0..3;
        assert_eq!(body.read(b"hel"), Ok(BodyRead::Data { consumed: 3, span }));
        assert_eq!(body.read(b""), Ok(BodyRead::Incomplete { consumed: 0 }));
        body.advance(2).unwrap();
        assert_eq!((body.direct(), body.keep_alive()), (None, true));
        assert_eq!(body.read(b"!"), Ok(BodyRead::Complete { consumed: 0 }));
        assert_eq!(body.eof(), Ok(()));
    }

    #[test]
    fn only_a_close_ends_a_body_without_a_length() {
        let mut body = body(Framing::UntilClose);
        assert_eq!(body.direct(), Some(u64::MAX));
        body.advance(u64::MAX).unwrap();
        assert_eq!(body.direct(), Some(u64::MAX));
        let span = 0..4;
        assert_eq!(body.read(b"more"), Ok(BodyRead::Data { consumed: 4, span }));
        assert!(!body.is_complete());
        assert_eq!(body.eof(), Ok(()));
        assert!(body.is_complete() && !body.keep_alive());
    }

    #[test]
    fn what_was_wrong_once_is_never_complete() {
        let mut short = body(Framing::Length(2));
        let error = short.eof().unwrap_err();
        assert!(matches!(error, Error::Closed { .. }));
        assert_eq!(short.read(b"ab"), Err(error.clone()));
        assert_eq!(
            (short.advance(2), short.eof()),
            (Err(error.clone()), Err(error))
        );

        let mut broken = body(Framing::Chunked);
        let error = broken.read(b"x").unwrap_err();
        assert_eq!(broken.read(b"0\r\n\r\n"), Err(error));
        assert!(!broken.is_complete() && broken.eof().is_err());
    }

    #[test]
    fn an_adapter_that_counts_wrong_is_told() {
        for mut body in [
            body(Framing::Length(5)),
            body(Framing::None),
            body(Framing::Chunked),
        ] {
            let allowed = body.direct().unwrap_or(0);
            let error = Error::Overrun { allowed, told: 6 };
            assert_eq!(body.advance(6), Err(error.clone()));
            assert_eq!(body.read(b"hello"), Err(error));
        }
    }

    #[test]
    fn adversary_26_no_connection_is_kept_behind_a_doubtful_end() {
        for framing in [Framing::Doubtful, Framing::Tunnel] {
            let body = body(framing);
            assert!(body.is_complete() && !body.keep_alive() && !body.may_reuse(0));
        }
        assert!(body(Framing::None).may_reuse(0));
        assert!(!BodyReader::new(Framing::None, false).may_reuse(0));
    }

    /// Reads a whole chunked body.
    fn chunked(bytes: &[u8]) -> Result<(), Error> {
        let mut body = body(Framing::Chunked);
        let mut at = 0;
        while !body.is_complete() {
            match body.read(&bytes[at..])? {
                BodyRead::Data { consumed, .. } | BodyRead::Complete { consumed } => at += consumed,
                BodyRead::Incomplete { .. } => return body.eof(),
            }
        }
        Ok(())
    }

    #[test]
    fn extensions_and_trailers_are_bounded() {
        // The semicolons count too.
        let extensions = |len: usize| {
            let (first, second) = ("e".repeat(len / 2 - 1), "e".repeat(len - len / 2 - 1));
            format!("1;{first}\r\na\r\n0;{second}\r\n\r\n")
        };
        assert_eq!(chunked(extensions(MAX_EXTENSIONS).as_bytes()), Ok(()));
        assert!(chunked(extensions(MAX_EXTENSIONS + 1).as_bytes()).is_err());
        assert!(chunked(format!("0{};\r\n\r\n", " ".repeat(MAX_EXTENSIONS)).as_bytes()).is_err());

        let frame = "x:\r\n\r\n".len();
        let trailer = |len: usize| format!("0\r\nx:{}\r\n\r\n", "v".repeat(len - frame));
        assert_eq!(chunked(trailer(MAX_TRAILERS).as_bytes()), Ok(()));
        assert!(chunked(trailer(MAX_TRAILERS + 1).as_bytes()).is_err());

        let trailers = |lines: usize| format!("0\r\n{}\r\n", "x:\r\n".repeat(lines));
        assert_eq!(chunked(trailers(MAX_FIELDS).as_bytes()), Ok(()));
        assert!(chunked(trailers(MAX_FIELDS + 1).as_bytes()).is_err());
    }
}
