use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use sans3_core::attempt::{BodySource, Framing};
use sans3_core::error::SourceError;

use super::reader::{Guard, Reader};
use super::{Kind, Source};
use crate::Offload;
use crate::buffer::BUFFER_SIZE;
use crate::task::Pulse;

/// How much is handed over at once.
pub(super) const SLICE: usize = BUFFER_SIZE;

/// A request's body on its way to the connection.
///
/// Whoever sends it reads the next slice of a file when it is asked for, as long as that takes no
/// time. From then on at most three slices are in memory: one that is sent, one that waits and one
/// that is read.
#[derive(Debug)]
pub struct Body {
    content: Content,
    left: u64,
    /// Counts what leaves of the transfer's source; other bodies are no payload.
    pulse: Option<Pulse>,
}

enum Content {
    Memory(Pieces),
    File(Reader),
    Failed(SourceError),
}

/// Bytes that are in memory, and what frames them.
struct Pieces {
    left: VecDeque<Bytes>,
    framing: Option<Framing>,
    /// Bytes that were framed, and are to be sent before any others.
    framed: Option<Bytes>,
}

/// What is to be sent next.
pub(super) struct Slice {
    pub(super) bytes: Bytes,
    /// How many of them are payload.
    pub(super) payload: usize,
}

impl Body {
    /// The body that `content` describes, of which `source` has the payload, unless it was `kept`.
    /// What leaves of it is counted by `pulse`; what blocks goes to `offload`.
    pub(crate) fn new(
        content: BodySource,
        source: &Source,
        kept: Option<Bytes>,
        pulse: &Pulse,
        offload: &Arc<dyn Offload>,
    ) -> Self {
        let (offset, len, guard) = match content {
            BodySource::Empty => return Self::inline(Bytes::new()),
            BodySource::Inline(bytes) => return Self::inline(bytes),
            BodySource::Source { offset, len, check } => (offset, len, Guard::Check(check)),
            BodySource::Framed(framing) => (framing.offset(), framing.len(), Guard::Frame(framing)),
        };
        let left = guard.body_len(len);
        let content = match (&source.0, kept) {
            // What was hashed is what is sent.
            (_, Some(kept)) if kept.len() as u64 == len => {
                Content::Memory(Pieces::new(VecDeque::from([kept]), guard))
            }
            (Kind::File(file), _) => Content::File(Reader::new(file, offload, offset, len, guard)),
            _ => match source.in_memory(offset, len) {
                Ok(pieces) => Content::Memory(Pieces::new(pieces, guard)),
                Err(error) => Content::Failed(error),
            },
        };
        Self {
            content,
            left,
            pulse: Some(pulse.clone()),
        }
    }

    /// A body that is no payload of a transfer.
    pub fn inline(bytes: Bytes) -> Self {
        Self {
            left: bytes.len() as u64,
            content: Content::Memory(Pieces {
                left: VecDeque::from([bytes]),
                framing: None,
                framed: None,
            }),
            pulse: None,
        }
    }

    /// How many bytes are still to come.
    pub const fn left(&self) -> u64 {
        self.left
    }

    /// The next slice, never an empty one; `None` at the end.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, SourceError>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let slice = match &mut self.content {
            Content::Memory(pieces) => pieces.next(),
            Content::File(reader) => ready!(reader.poll_next(cx)),
            Content::Failed(error) => Err(error.clone()),
        };
        if let Ok(slice) = &slice {
            self.left = self.left.saturating_sub(slice.bytes.len() as u64);
            if let Some(pulse) = &self.pulse {
                pulse.moved(slice.payload);
            }
        }
        Poll::Ready(Some(slice.map(|slice| slice.bytes)))
    }

    /// The next slice, never an empty one; `None` at the end.
    pub async fn next(&mut self) -> Option<Result<Bytes, SourceError>> {
        poll_fn(|cx| self.poll_next(cx)).await
    }
}

pub(super) fn next_piece(pieces: &mut VecDeque<Bytes>) -> Result<Bytes, SourceError> {
    while let Some(mut piece) = pieces.pop_front() {
        let bytes = piece.split_to(piece.len().min(SLICE));
        if !piece.is_empty() {
            pieces.push_front(piece);
        }
        if !bytes.is_empty() {
            return Ok(bytes);
        }
    }
    Err(SourceError::Read("the source ended early".into()))
}

impl Pieces {
    fn new(left: VecDeque<Bytes>, guard: Guard) -> Self {
        let framing = match guard {
            // Bytes in memory stay what they are.
            Guard::Check(_) => None,
            Guard::Frame(framing) => Some(framing),
        };
        Self {
            left,
            framing,
            framed: None,
        }
    }

    fn next(&mut self) -> Result<Slice, SourceError> {
        if let Some(bytes) = self.framed.take() {
            return Ok(Slice::payload(bytes));
        }
        match &mut self.framing {
            None => next_piece(&mut self.left).map(Slice::payload),
            Some(framing) if framing.room() > 0 => {
                let mut bytes = next_piece(&mut self.left)?;
                let frame = framing.frame(&bytes)?;
                let rest = bytes.split_off(frame.payload);
                if !rest.is_empty() {
                    self.left.push_front(rest);
                }
                if frame.before.is_empty() {
                    return Ok(Slice::payload(bytes));
                }
                self.framed = Some(bytes);
                Ok(Slice::frame(frame.before))
            }
            Some(_) => {
                let end = self.framing.take().map(Framing::finish);
                end.transpose()
                    .map(|end| Slice::frame(end.unwrap_or_default()))
            }
        }
    }
}

impl Slice {
    const fn payload(bytes: Bytes) -> Self {
        let payload = bytes.len();
        Self { bytes, payload }
    }

    const fn frame(bytes: Bytes) -> Self {
        Self { bytes, payload: 0 }
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory(_) => "Memory",
            Self::File(_) => "File",
            Self::Failed(_) => "Failed",
        })
    }
}
