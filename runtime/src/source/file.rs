use std::sync::Arc;

use sans3_core::error::SourceError;
use sans3_platform::SourceFile;

use super::body::SLICE;
use crate::buffer::{Buffer, BufferPool};

/// A file that is sent. All calls that read block.
pub(crate) struct FileSource {
    file: SourceFile,
    pool: Arc<BufferPool>,
}

impl FileSource {
    pub(crate) const fn new(file: SourceFile, pool: Arc<BufferPool>) -> Self {
        Self { file, pool }
    }

    /// Reads `len` bytes, at most a buffer full, at `offset`.
    pub(super) fn read(&self, offset: u64, len: usize) -> Result<Buffer, SourceError> {
        let mut buffer = self.pool.take();
        self.file
            .read_exact_at(buffer.resize(len), offset)
            .map_err(in_core_words)?;
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
            self.file.read_exact_at(slice, at).map_err(in_core_words)?;
            if !see(slice) {
                return Ok(());
            }
            left -= len_now as u64;
        }
        self.check_unchanged()
    }

    pub(super) fn check_unchanged(&self) -> Result<(), SourceError> {
        self.file.check_unchanged().map_err(in_core_words)
    }
}

fn in_core_words(error: sans3_platform::SourceError) -> SourceError {
    match error {
        sans3_platform::SourceError::Changed { .. } => SourceError::Changed(error.to_string()),
        error => SourceError::Read(error.to_string()),
    }
}
