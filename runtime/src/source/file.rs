use std::io;
use std::sync::Arc;

use sans3_core::error::SourceError;
use sans3_platform::SourceFile;

use super::body::SLICE;
use crate::ReadAt;
use crate::buffer::{Buffer, BufferPool};

/// A file, or what can be read like one, that is sent. All calls that read block.
pub(crate) struct FileSource {
    place: Place,
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
        let place = Place::File(file);
        Self { place, pool }
    }

    /// Notes what `bytes` are now, which they must stay.
    pub(crate) fn given(
        bytes: Box<dyn ReadAt>,
        pool: Arc<BufferPool>,
    ) -> Result<Self, SourceError> {
        let place = Place::Given(Given::new(bytes)?);
        Ok(Self { place, pool })
    }

    /// As it was at the beginning.
    pub(crate) const fn len(&self) -> u64 {
        match &self.place {
            Place::File(file) => file.len(),
            Place::Given(given) => given.len,
        }
    }

    /// Reads `len` bytes, at most a buffer full, at `offset`.
    pub(super) fn read(&self, offset: u64, len: usize) -> Result<Buffer, SourceError> {
        let mut buffer = self.pool.take();
        self.place.read_exact_at(buffer.resize(len), offset)?;
        Ok(buffer)
    }

    /// Shows `see` the `len` bytes at `offset`, slice by slice, for as long as it says true.
    pub(super) fn read_through(
        &self,
        offset: u64,
        len: u64,
        mut see: impl FnMut(&[u8]) -> bool,
    ) -> Result<(), SourceError> {
        let mut left = len;
        let mut buffer = self.pool.take();
        while left > 0 {
            let len_now = usize::try_from(left).unwrap_or(SLICE).min(SLICE);
            let slice = buffer.resize(len_now);
            let at = offset.saturating_add(len - left);
            self.place.read_exact_at(slice, at)?;
            if !see(slice) {
                return Ok(());
            }
            left -= len_now as u64;
        }
        self.check_unchanged()
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
