use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use sans3_core::attempt::BodyCheck;
use sans3_core::error::SourceError;
use tokio::task::{JoinHandle, spawn_blocking};

use super::FileSource;
use crate::buffer::BUFFER_SIZE;

/// How much is handed over at once.
pub(super) const SLICE: usize = BUFFER_SIZE;

/// The bytes of a part on their way to the connection, of which at most three slices of a file
/// are in memory: one that is sent, one that waits and one that is read.
pub(crate) struct Slices(State);

enum State {
    Memory(Bytes),
    File(Reader),
    Failed(SourceError),
}

struct Reader {
    file: Arc<FileSource>,
    at: u64,
    end: u64,
    /// The slice that is being read, and the check, which goes along with it.
    next: JoinHandle<Read>,
}

type Read = Result<(Bytes, Option<BodyCheck>), SourceError>;

impl Slices {
    pub(super) const fn of_memory(bytes: Bytes) -> Self {
        Self(State::Memory(bytes))
    }

    pub(super) const fn failed(error: SourceError) -> Self {
        Self(State::Failed(error))
    }

    /// Begins to read at once.
    pub(super) fn of_file(file: Arc<FileSource>, offset: u64, len: u64, check: BodyCheck) -> Self {
        let end = offset.saturating_add(len);
        let next = read(Arc::clone(&file), offset, end, check);
        Self(State::File(Reader {
            file,
            at: offset,
            end,
            next,
        }))
    }

    /// The next slice. Must not be asked for more than the part has.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, SourceError>> {
        Poll::Ready(match &mut self.0 {
            State::Memory(bytes) => Ok(bytes.split_to(bytes.len().min(SLICE))),
            State::File(reader) => ready!(reader.poll_next(cx)),
            State::Failed(error) => Err(error.clone()),
        })
    }
}

impl Reader {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, SourceError>> {
        let lost = |error| Err(SourceError::Read(format!("the reader was lost: {error}")));
        let read = ready!(std::pin::Pin::new(&mut self.next).poll(cx)).unwrap_or_else(lost);
        Poll::Ready(read.map(|(bytes, check)| {
            self.at = self.at.saturating_add(bytes.len() as u64);
            // While this slice is sent the next one is read.
            if let Some(check) = check {
                self.next = self::read(Arc::clone(&self.file), self.at, self.end, check);
            }
            bytes
        }))
    }
}

/// Reads and checks a slice; the last one is handed over only if the whole part is what it was
/// when it was hashed, so that a changed one is never complete.
fn read(file: Arc<FileSource>, at: u64, end: u64, mut check: BodyCheck) -> JoinHandle<Read> {
    spawn_blocking(move || {
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
    })
}
