use std::fmt;
use std::io::{self, BufRead, Read};
use std::sync::Arc;

use bytes::Bytes;
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
}

impl DownloadStream {
    pub(crate) fn new(job: Job<Downloaded>, bytes: InOrder, control: Control) -> Self {
        let home = Arc::clone(job.engine().home());
        let deliveries = Deliveries::new(job, bytes);
        Self {
            deliveries: Ours::new(deliveries, &home),
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
        if self.control.is_lost() {
            return Err(io::Error::other(Error::Closed));
        }
        let filled = block_on_poll(|cx| self.deliveries.poll_fill(cx).map_ok(<[u8]>::len));
        if !matches!(filled, Ok(1..)) {
            self.deliveries.download().engine().settle();
        }
        filled.map_err(io::Error::other)?;
        Ok(self.deliveries.filled())
    }

    fn consume(&mut self, amount: usize) {
        self.deliveries.consume(amount);
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
