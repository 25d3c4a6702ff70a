use std::io;
use std::sync::Arc;

use sans3_core::error::SourceError;
use sans3_platform::SourceFile;

use super::body::SLICE;
use crate::ReadAt;
use crate::buffer::{Buffer, BufferPool};
use crate::quick::Quick;

/// A file, or what can be read like one, that is sent. All calls that read block.
pub(crate) struct FileSource {
    place: Place,
    quick: Quick,
    pool: Arc<BufferPool>,
}

enum Place {
    /// Opened by its path.
    File(SourceFile),
    /// Given by the caller.
    Given(Given),
}

struct Given {
    bytes: Box<dyn ReadAt>,
    len: u64,
    version: u64,
}

impl FileSource {
    pub(crate) const fn new(file: SourceFile, pool: Arc<BufferPool>) -> Self {
        Self {
            place: Place::File(file),
            quick: Quick::new(true),
            pool,
        }
    }

    /// Notes what `bytes` are now, which they must stay.
    pub(crate) fn given(
        bytes: Box<dyn ReadAt>,
        pool: Arc<BufferPool>,
    ) -> Result<Self, SourceError> {
        let quick = Quick::new(bytes.is_quick());
        Ok(Self {
            place: Place::Given(Given::new(bytes)?),
            quick,
            pool,
        })
    }

    /// As it was at the beginning.
    pub(crate) const fn len(&self) -> u64 {
        match &self.place {
            Place::File(file) => file.len(),
            Place::Given(given) => given.len,
        }
    }

    /// Whether the thread that sends may read, as far as anybody has seen.
    pub(super) fn is_quick(&self) -> bool {
        self.quick.holds()
    }

    /// Reads up to a buffer full of the bytes from `offset` to `end`.
    pub(super) fn read(&self, offset: u64, end: u64) -> Result<Buffer, SourceError> {
        let mut buffer = self.pool.take();
        self.read_into(&mut buffer, offset, end)?;
        Ok(buffer)
    }

    /// As [`read`](Self::read), into a buffer that is at hand. Returns where it ended.
    pub(super) fn read_into(
        &self,
        buffer: &mut Buffer,
        offset: u64,
        end: u64,
    ) -> Result<u64, SourceError> {
        let left = end.saturating_sub(offset);
        let len = usize::try_from(left).unwrap_or(SLICE).min(SLICE);
        let slice = buffer.resize(len);
        self.quick
            .time(|| self.place.read_exact_at(slice, offset))?;
        Ok(offset.saturating_add(len as u64))
    }

    /// An empty buffer.
    pub(super) fn buffer(&self) -> Buffer {
        self.pool.take()
    }

    pub(super) fn check_unchanged(&self) -> Result<(), SourceError> {
        match &self.place {
            Place::File(file) => file.check_unchanged().map_err(in_core_words),
            Place::Given(given) => given.check_unchanged(),
        }
    }
}

impl Place {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> Result<(), SourceError> {
        match self {
            Self::File(file) => file.read_exact_at(buf, offset).map_err(in_core_words),
            Self::Given(given) => given.read_exact_at(buf, offset),
        }
    }
}

impl Given {
    fn new(bytes: Box<dyn ReadAt>) -> Result<Self, SourceError> {
        let len = bytes.len().map_err(unreadable)?;
        let version = bytes.version().map_err(unreadable)?;
        // Devices, and the files of `/proc`, say that they are empty. Taken at their word they
        // would be uploaded as empty objects.
        if len == 0 {
            match bytes.read_exact_at(&mut [0], 0) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
                Err(error) => return Err(unreadable(error)),
                Ok(()) => {
                    let text = "it says that it is empty, and is not; upload it as a stream";
                    return Err(SourceError::Read(text.into()));
                }
            }
        }
        Ok(Self {
            bytes,
            len,
            version,
        })
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> Result<(), SourceError> {
        self.bytes.read_exact_at(buf, offset).map_err(|error| {
            let changed = match error.kind() {
                io::ErrorKind::UnexpectedEof => self.check_unchanged().err(),
                _ => None,
            };
            changed.unwrap_or_else(|| unreadable(error))
        })
    }

    fn check_unchanged(&self) -> Result<(), SourceError> {
        let seen = self.bytes.len().map_err(unreadable)?;
        if seen != self.len {
            let expected = self.len;
            return Err(SourceError::Changed(format!(
                "it had {expected} bytes and has {seen}; start again when nothing writes to it"
            )));
        }
        if self.bytes.version().map_err(unreadable)? != self.version {
            let text = "it was modified; start again when nothing writes to it";
            return Err(SourceError::Changed(text.into()));
        }
        Ok(())
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn unreadable(error: io::Error) -> SourceError {
    SourceError::Read(error.to_string())
}

fn in_core_words(error: sans3_platform::SourceError) -> SourceError {
    match error {
        sans3_platform::SourceError::Changed { .. } => SourceError::Changed(error.to_string()),
        error => SourceError::Read(error.to_string()),
    }
}
