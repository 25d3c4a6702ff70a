use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use sans3_core::attempt::{BodyCheck, BodySource};
use sans3_core::error::SourceError;

use super::{FileSource, Kind, Source, hash};
use crate::Offload;
use crate::buffer::BUFFER_SIZE;
use crate::promise::{Pending, promise};
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
    Memory(VecDeque<Bytes>),
    File(Reader),
    Failed(SourceError),
}

struct Reader {
    file: Arc<FileSource>,
    offload: Arc<dyn Offload>,
    at: u64,
    end: u64,
    /// Goes along with each slice that is read, and is gone with the last one.
    check: Option<BodyCheck>,
    /// The slice that a thread for what blocks is reading.
    ahead: Option<Pending<Read>>,
}

/// A slice, and what is to check the next one.
type Read = Result<(Bytes, Option<BodyCheck>), SourceError>;

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
        let (offset, len, check) = match content {
            BodySource::Empty => return Self::inline(Bytes::new()),
            BodySource::Inline(bytes) => return Self::inline(bytes),
            BodySource::Source { offset, len, check } => (offset, len, check),
        };
        let content = match (&source.0, kept) {
            // What was hashed is what is sent.
            (_, Some(kept)) if kept.len() as u64 == len => Content::Memory(VecDeque::from([kept])),
            (Kind::File(file), _) => Content::File(Reader::new(file, offload, offset, len, check)),
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

impl Reader {
    fn new(
        file: &Arc<FileSource>,
        offload: &Arc<dyn Offload>,
        offset: u64,
        len: u64,
        check: BodyCheck,
    ) -> Self {
        let mut reader = Self {
            file: Arc::clone(file),
            offload: Arc::clone(offload),
            at: offset,
            end: offset.saturating_add(len),
            check: Some(check),
            ahead: None,
        };
        reader.read_ahead();
        reader
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, SourceError>> {
        let read = match (&mut self.ahead, self.check.take()) {
            (Some(ahead), _) => {
                let lost = || Err(SourceError::Read("the thread that reads was lost".into()));
                ready!(Pin::new(ahead).poll(cx)).unwrap_or_else(lost)
            }
            (None, Some(check)) => read(&self.file, self.at, self.end, check),
            (None, None) => Err(SourceError::Read("the source has ended".into())),
        };
        self.ahead = None;
        Poll::Ready(read.map(|(bytes, check)| {
            self.at = self.at.saturating_add(bytes.len() as u64);
            self.check = check;
            self.read_ahead();
            bytes
        }))
    }

    /// Where reading takes time the next slice is read while this one is sent.
    fn read_ahead(&mut self) {
        if self.reads_here() {
            return;
        }
        if let Some(check) = self.check.take() {
            let (promise, pending) = promise();
            let (file, at, end) = (Arc::clone(&self.file), self.at, self.end);
            self.offload
                .offload(Box::new(move || promise.keep(read(&file, at, end, check))));
            self.ahead = Some(pending);
        }
    }

    /// Whether the thread that sends reads.
    fn reads_here(&self) -> bool {
        let is_light = |check: &BodyCheck| hash::is_quick(check.algorithm(), self.end - self.at);
        self.offload.is_here() || self.file.is_quick() && self.check.as_ref().is_some_and(is_light)
    }
}

/// Reads and checks a slice; the last one is handed over only if the whole part is what it was when
/// it was hashed, so that a changed one is never complete.
fn read(file: &FileSource, at: u64, end: u64, mut check: BodyCheck) -> Read {
    let slice = file.read(at, end)?;
    check.update(slice.filled());
    if at.saturating_add(slice.len() as u64) < end {
        return Ok((slice.lend(), Some(check)));
    }
    check.finish()?;
    file.check_unchanged()?;
    Ok((slice.lend(), None))
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
