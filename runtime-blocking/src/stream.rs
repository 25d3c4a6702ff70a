use std::fmt;
use std::io::{self, BufRead, Read};
use std::sync::Arc;

use bytes::{Buf as _, Bytes};
use sans3_core::progress::Progress;
use sans3_core::transfer::Downloaded;
use sans3_runtime::{Deliveries, InOrder};

use crate::Error;
use crate::home::Ours;
use crate::park::block_on_poll;
use crate::running::{Control, Job};

/// The bytes of an object from first to last.
///
/// Reading fails in the end where the download failed or the bytes could not be proved to be the
/// object's: bytes are worth what the last read says. The error of a read holds an [`Error`].
/// Dropping the stream cancels the download.
pub struct DownloadStream {
    deliveries: Ours<Deliveries<Job<Downloaded>>>,
    control: Control,
    /// What was delivered and not yet read.
    bytes: Ours<Bytes>,
}

impl DownloadStream {
    pub(crate) fn new(job: Job<Downloaded>, bytes: InOrder, control: Control) -> Self {
        let home = Arc::clone(job.engine().home());
        let deliveries = Deliveries::new(job, bytes);
        Self {
            deliveries: Ours::new(deliveries, &home),
            bytes: Ours::new(Bytes::new(), &home),
            control,
        }
    }

    /// How far the download is.
    pub fn progress(&self) -> Progress {
        self.control.progress()
    }

    /// What watches the download from another thread, and cancels it: reading fails then.
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// What was downloaded: present once the stream has ended without an error.
    pub fn summary(&self) -> Option<&Downloaded> {
        self.deliveries.summary()
    }

    /// The next bytes as they came, without a copy; `None` at the end. Where no other transfer of the
    /// client is under way, its threads have ended too when the stream has.
    ///
    /// # Errors
    /// Why the download failed. Nothing follows.
    pub fn next_bytes(&mut self) -> Result<Option<Bytes>, Error> {
        if !self.bytes.is_empty() {
            return Ok(Some(std::mem::take(&mut *self.bytes)));
        }
        if self.control.is_lost() {
            return Err(Error::Closed);
        }
        let next = block_on_poll(|cx| self.deliveries.poll_next(cx)).transpose();
        if !matches!(next, Ok(Some(_))) {
            self.deliveries.download().engine().settle();
        }
        next
    }
}

impl BufRead for DownloadStream {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.bytes.is_empty() {
            match self.next_bytes() {
                Ok(Some(bytes)) => *self.bytes = bytes,
                Ok(None) if self.summary().is_some() => break,
                // Once more, for those who read on: half an object must not look like a whole one.
                Ok(None) => return Err(io::Error::other("the download has failed")),
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        Ok(&self.bytes)
    }

    fn consume(&mut self, amount: usize) {
        let amount = amount.min(self.bytes.len());
        self.bytes.advance(amount);
    }
}

impl Read for DownloadStream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let bytes = self.fill_buf()?;
        let len = bytes.len().min(buf.len());
        buf[..len].copy_from_slice(&bytes[..len]);
        self.consume(len);
        Ok(len)
    }
}

impl fmt::Debug for DownloadStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DownloadStream")
            .field("progress", &self.progress())
            .finish_non_exhaustive()
    }
}
