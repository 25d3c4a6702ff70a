use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use sans3_core::attempt::{BodyCheck, Framing};
use sans3_core::checksum::Algorithm;
use sans3_core::error::SourceError;

use super::body::Slice;
use super::{FileSource, hash};
use crate::Offload;
use crate::promise::{Pending, promise};

/// The part of a file that a request carries, slice by slice.
pub(super) struct Reader {
    file: Arc<FileSource>,
    offload: Arc<dyn Offload>,
    at: u64,
    end: u64,
    /// Goes along with each slice that is read, and is gone with the last one.
    guard: Option<Guard>,
    /// The slice that a thread for what blocks is reading.
    ahead: Option<Pending<Read>>,
}

/// What sees each slice before it leaves.
pub(super) enum Guard {
    /// It was hashed before, and must be the same.
    Check(BodyCheck),
    /// It is hashed as it leaves.
    Frame(Framing),
}

/// A slice, and what is to see the next one.
type Read = Result<(Slice, Option<Guard>), SourceError>;

impl Reader {
    pub(super) fn new(
        file: &Arc<FileSource>,
        offload: &Arc<dyn Offload>,
        offset: u64,
        len: u64,
        guard: Guard,
    ) -> Self {
        let mut reader = Self {
            file: Arc::clone(file),
            offload: Arc::clone(offload),
            at: offset,
            end: offset.saturating_add(len),
            guard: Some(guard),
            ahead: None,
        };
        reader.read_ahead();
        reader
    }

    /// The next slice, framed where it is to be.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Slice, SourceError>> {
        let read = match (&mut self.ahead, self.guard.take()) {
            (Some(ahead), _) => {
                let lost = || Err(SourceError::Read("the thread that reads was lost".into()));
                ready!(Pin::new(ahead).poll(cx)).unwrap_or_else(lost)
            }
            (None, Some(guard)) => guard.read(&self.file, self.at, self.end),
            (None, None) => Err(SourceError::Read("the source has ended".into())),
        };
        self.ahead = None;
        Poll::Ready(read.map(|(slice, guard)| {
            self.at = self.at.saturating_add(slice.payload as u64);
            self.guard = guard;
            self.read_ahead();
            slice
        }))
    }

    /// Where reading takes time the next slice is read while this one is sent.
    fn read_ahead(&mut self) {
        if self.reads_here() {
            return;
        }
        if let Some(guard) = self.guard.take() {
            let (promise, pending) = promise();
            let (file, at, end) = (Arc::clone(&self.file), self.at, self.end);
            self.offload
                .offload(Box::new(move || promise.keep(guard.read(&file, at, end))));
            self.ahead = Some(pending);
        }
    }

    /// Whether the thread that sends reads.
    fn reads_here(&self) -> bool {
        let left = self.end.saturating_sub(self.at);
        let is_light = |guard: &Guard| hash::is_quick(guard.algorithm(), left);
        self.offload.is_here() || self.file.is_quick() && self.guard.as_ref().is_some_and(is_light)
    }
}

impl Guard {
    /// How long a body is on the wire whose payload has this length.
    pub(super) const fn body_len(&self, payload: u64) -> u64 {
        match self {
            Self::Check(_) => payload,
            Self::Frame(framing) => framing.encoded_len(),
        }
    }

    const fn algorithm(&self) -> Algorithm {
        match self {
            Self::Check(check) => check.algorithm(),
            Self::Frame(framing) => framing.algorithm(),
        }
    }

    /// Reads the slice that begins at `at`, and looks at it. The last one is handed over only if the
    /// file is what it was, and so is the whole part where it was hashed before, so that a changed
    /// one is never complete.
    fn read(self, file: &FileSource, at: u64, end: u64) -> Read {
        match self {
            Self::Check(mut check) => {
                let slice = file.read(at, end)?;
                let payload = slice.len();
                check.update(slice.filled());
                let guard = if at.saturating_add(payload as u64) < end {
                    Some(Self::Check(check))
                } else {
                    check.finish()?;
                    file.check_unchanged()?;
                    None
                };
                let bytes = slice.lend();
                Ok((Slice { bytes, payload }, guard))
            }
            Self::Frame(mut framing) => {
                // No more than one chunk takes: what frames a slice stands before and behind it.
                let slice = file.read(at, end.min(at.saturating_add(framing.room())))?;
                let payload = slice.len();
                let before = framing.frame(slice.filled())?.before;
                let (behind, guard) = if framing.room() > 0 {
                    (Bytes::new(), Some(Self::Frame(framing)))
                } else {
                    file.check_unchanged()?;
                    (framing.finish()?, None)
                };
                let bytes = slice.framed(&before, &behind);
                Ok((Slice { bytes, payload }, guard))
            }
        }
    }
}
