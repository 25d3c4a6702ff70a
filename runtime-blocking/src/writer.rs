use std::fmt;
use std::io::{self, Write};

use bytes::Bytes;
use sans3_core::progress::Progress;
use sans3_core::transfer::Uploaded;
use sans3_runtime::PushWriter;

use crate::home::Ours;
use crate::park::block_on;
use crate::running::Control;
use crate::{Error, Running};

/// An upload of what is written.
///
/// The object exists after [`finish`](Self::finish) alone. Dropped without it, or
/// [aborted](Self::abort), the upload leaves nothing on the server. A write that fails says little:
/// `finish` has the reason. Bytes are kept in memory, part by part, until the server has them;
/// writing waits where there is no room for more.
pub struct UploadWriter {
    bytes: Ours<PushWriter>,
    running: Running<Uploaded>,
}

impl UploadWriter {
    /// The most bytes that can be [reserved](Self::reserve) at once: 256 KiB.
    pub const MAX_RESERVE: usize = PushWriter::MAX_RESERVE;

    pub(crate) fn new(bytes: PushWriter, running: Running<Uploaded>) -> Self {
        let bytes = Ours::new(bytes, running.home());
        Self { bytes, running }
    }

    /// How far the upload is.
    pub fn progress(&self) -> Progress {
        self.running.progress()
    }

    /// What watches the upload from another thread, and cancels it: writing fails then.
    pub fn control(&self) -> Control {
        self.running.control()
    }

    /// Writes all of `bytes`, which are sent from where they are, without a copy.
    ///
    /// # Errors
    /// The upload has failed; [`finish`](Self::finish) has the reason.
    pub fn write_owned(&mut self, bytes: Bytes) -> Result<(), Error> {
        self.room()?;
        self.bytes.write_owned(bytes);
        Ok(())
    }

    /// A place to write the next `len` bytes to, at most [`MAX_RESERVE`](Self::MAX_RESERVE), from
    /// which they are sent without a copy. [`commit`](Self::commit) says how many were written.
    ///
    /// # Errors
    /// As [`write_owned`](Self::write_owned); [`Error::Config`] for more than that.
    pub fn reserve(&mut self, len: usize) -> Result<&mut [u8], Error> {
        self.room()?;
        self.bytes.reserve(len)
    }

    /// The first `len` bytes of the place that was reserved are written.
    ///
    /// # Panics
    /// Where that is more than was reserved since the last write.
    pub fn commit(&mut self, len: usize) {
        if !self.running.is_lost() {
            self.bytes.commit(len);
        }
    }

    /// All was written: stores the object. The result has its ETag, size and number of parts.
    ///
    /// # Errors
    /// Why the upload failed, also where a write has failed before.
    pub fn finish(self) -> Result<Uploaded, Error> {
        if let Some(bytes) = self.bytes.into_inner() {
            // Fails where the upload has failed already, which is what it says itself.
            let _ = block_on(bytes.finish());
        }
        self.running.wait()
    }

    /// Gives the upload up, and waits until nothing is left of it on the server.
    ///
    /// # Errors
    /// Why something is left behind; [`Error::Closed`] where the upload is another process's.
    pub fn abort(self) -> Result<(), Error> {
        let Self { bytes, running } = self;
        if running.is_lost() {
            return Err(Error::Closed);
        }
        running.cancel();
        drop(bytes);
        match running.wait() {
            Err(Error::Transfer(error)) if error.leftover.is_some() => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Waits until there is room for bytes.
    fn room(&mut self) -> Result<(), Error> {
        if self.running.is_lost() {
            return Err(Error::Closed);
        }
        block_on(self.bytes.room())
    }
}

impl Write for UploadWriter {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        let failed = |error| io::Error::new(io::ErrorKind::BrokenPipe, error);
        self.room().map_err(failed)?;
        Ok(self.bytes.write(buf))
    }

    /// Does nothing: bytes are on the server when [`UploadWriter::finish`] says so.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for UploadWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UploadWriter")
            .field("progress", &self.progress())
            .finish_non_exhaustive()
    }
}
