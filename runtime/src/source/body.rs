use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use sans3_core::attempt::{BodyCheck, BodySource};
use sans3_core::error::SourceError;

use super::{FileSource, Kind, Source};
use crate::Offload;
use crate::buffer::BUFFER_SIZE;
use crate::promise::{Pending, promise};
use crate::task::Pulse;

/// How much is handed over at once.
pub(super) const SLICE: usize = BUFFER_SIZE;

/// A request's body on its way to the connection: at most three slices of a file are in memory,
/// one that is sent, one that waits and one that is read.
#[derive(Debug)]
pub struct Body {
    content: Content,
    left: u64,
    /// Counts what leaves of the transfer's source; other bodies are no payload.
    pulse: Option<Pulse>,
}

enum Content {
    Memory(VecDeque<Bytes>),
    File(Reader),
    Failed(SourceError),
}

struct Reader {
    file: OffThread,
    at: u64,
    end: u64,
    /// The slice that is being read, and the check, which goes along with it.
    next: Pending<Read>,
}

/// A file, and where it is read.
#[derive(Clone)]
struct OffThread {
    file: Arc<FileSource>,
    offload: Arc<dyn Offload>,
}

type Read = Result<(Bytes, Option<BodyCheck>), SourceError>;

impl Body {
    /// The body that `content` describes, of which `source` has the payload. What leaves of it is
    /// counted by `pulse`; what blocks goes to `offload`.
    pub(crate) fn new(
        content: BodySource,
        source: &Source,
        pulse: &Pulse,
        offload: &Arc<dyn Offload>,
    ) -> Self {
        let (offset, len, check) = match content {
            BodySource::Empty => return Self::inline(Bytes::new()),
            BodySource::Inline(bytes) => return Self::inline(bytes),
            BodySource::Source { offset, len, check } => (offset, len, check),
        };
        let content = match &source.0 {
            Kind::File(file) => {
                let file = OffThread {
                    file: Arc::clone(file),
                    offload: Arc::clone(offload),
                };
                Content::File(Reader::new(file, offset, len, check))
            }
            _ => match source.in_memory(offset, len) {
                Ok(pieces) => Content::Memory(pieces),
                Err(error) => Content::Failed(error),
            },
        };
        Self {
            content,
            left: len,
            pulse: Some(pulse.clone()),
        }
    }

    /// A body that is no payload of a transfer.
    pub fn inline(bytes: Bytes) -> Self {
        Self {
            left: bytes.len() as u64,
            content: Content::Memory(VecDeque::from([bytes])),
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
            Content::Memory(pieces) => next_piece(pieces),
            Content::File(reader) => ready!(reader.poll_next(cx)),
            Content::Failed(error) => Err(error.clone()),
        };
        if let Ok(bytes) = &slice {
            self.left = self.left.saturating_sub(bytes.len() as u64);
            if let Some(pulse) = &self.pulse {
                pulse.moved(bytes.len());
            }
        }
        Poll::Ready(Some(slice))
    }

    /// The next slice, never an empty one; `None` at the end.
    pub async fn next(&mut self) -> Option<Result<Bytes, SourceError>> {
        poll_fn(|cx| self.poll_next(cx)).await
    }
}

fn next_piece(pieces: &mut VecDeque<Bytes>) -> Result<Bytes, SourceError> {
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

impl Reader {
    /// Begins to read at once.
    fn new(file: OffThread, offset: u64, len: u64, check: BodyCheck) -> Self {
        let end = offset.saturating_add(len);
        Self {
            next: file.read(offset, end, check),
            file,
            at: offset,
            end,
        }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, SourceError>> {
        let lost = || Err(SourceError::Read("the thread that reads was lost".into()));
        let read = ready!(Pin::new(&mut self.next).poll(cx)).unwrap_or_else(lost);
        Poll::Ready(read.map(|(bytes, check)| {
            self.at = self.at.saturating_add(bytes.len() as u64);
            // While this slice is sent the next one is read.
            if let Some(check) = check {
                self.next = self.file.read(self.at, self.end, check);
            }
            bytes
        }))
    }
}

impl OffThread {
    /// Reads and checks a slice; the last one is handed over only if the whole part is what it was
    /// when it was hashed, so that a changed one is never complete.
    fn read(&self, at: u64, end: u64, check: BodyCheck) -> Pending<Read> {
        let (promise, pending) = promise();
        let file = Arc::clone(&self.file);
        self.offload
            .offload(Box::new(move || promise.keep(read(&file, at, end, check))));
        pending
    }
}

fn read(file: &FileSource, at: u64, end: u64, mut check: BodyCheck) -> Read {
    let left = end.saturating_sub(at);
    let len = usize::try_from(left).unwrap_or(SLICE).min(SLICE);
    let buffer = file.read(at, len)?;
    check.update(buffer.filled());
    if left > len as u64 {
        return Ok((buffer.freeze(), Some(check)));
    }
    check.finish()?;
    file.check_unchanged()?;
    Ok((buffer.freeze(), None))
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
