use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use sans3_core::attempt::{Hashing, Outcome, Sendable};
use sans3_core::checksum::Algorithm;
use sans3_core::error::SourceError;

use super::FileSource;
use super::body::{SLICE, next_piece};
use crate::Offload;
use crate::buffer::Buffer;
use crate::promise::promise;
use crate::stop::Stop;

/// How much is hashed at most before others get their turn on the thread.
const TURN: u64 = 1 << 20;

/// What can be sent, and its payload where that fits a buffer: it was read, and need not be again.
pub(crate) type Hashed = (Sendable, Option<Bytes>);

/// The reading of a payload for the checksum that stands ahead of it, slice by slice.
pub(super) struct Pass {
    from: From,
    hashing: Hashing,
    left: u64,
    stop: Stop,
}

/// Where a payload is.
pub(super) enum From {
    Memory(VecDeque<Bytes>),
    File {
        file: Arc<FileSource>,
        /// The bytes from `at` to `end` are still to be read.
        at: u64,
        end: u64,
        /// The slice that was read last.
        slice: Buffer,
    },
}

impl Pass {
    pub(super) fn new(from: From, hashing: Hashing, stop: &Stop) -> Self {
        Self {
            from,
            left: hashing.len(),
            hashing,
            stop: stop.clone(),
        }
    }

    /// Reads and hashes it all: on this thread as long as that takes no time, and else on one for
    /// what blocks.
    pub(super) async fn run(mut self, offload: &dyn Offload) -> Result<Hashed, Outcome> {
        while offload.is_here() || self.is_quick() {
            match self.advance(TURN) {
                Ok(()) if self.is_over() => return self.finish(Ok(())),
                Ok(()) if offload.is_here() => {}
                Ok(()) => yield_now().await,
                failed @ Err(_) => return self.finish(failed),
            }
        }
        let id = self.hashing.id();
        let (promise, hashed) = promise();
        offload.offload(Box::new(move || {
            let advanced = self.advance(u64::MAX);
            promise.keep(self.finish(advanced));
        }));
        hashed.await.unwrap_or_else(|| Err(id.aborted()))
    }

    /// Whether the next slice is read and hashed in no time, as far as anybody has seen.
    fn is_quick(&self) -> bool {
        let is_read_quickly = match &self.from {
            From::Memory(_) => true,
            From::File { file, .. } => file.is_quick(),
        };
        is_read_quickly && is_quick(self.hashing.algorithm(), self.hashing.len())
    }

    fn is_over(&self) -> bool {
        self.left == 0 || self.stop.is_stopped()
    }

    /// Reads and hashes whole slices until `most` bytes have come of them, or all.
    fn advance(&mut self, most: u64) -> Result<(), SourceError> {
        let enough = self.left.saturating_sub(most);
        while self.left > enough && !self.is_over() {
            let read = self.from.next(&mut self.hashing)?;
            self.left = self.left.saturating_sub(read as u64);
        }
        Ok(())
    }

    fn finish(self, advanced: Result<(), SourceError>) -> Result<Hashed, Outcome> {
        let Self {
            from,
            hashing,
            stop,
            ..
        } = self;
        if stop.is_stopped() {
            return Err(hashing.on_abort());
        }
        if let Err(error) = advanced.and_then(|()| from.check_unchanged()) {
            return Err(hashing.on_source_error(error));
        }
        let fits = (1..=SLICE as u64).contains(&hashing.len());
        let sendable = hashing.finish()?;
        Ok((sendable, from.into_slice().filter(|_| fits)))
    }
}

impl From {
    pub(super) fn file(file: &Arc<FileSource>, offset: u64, len: u64) -> Self {
        Self::File {
            slice: file.buffer(),
            file: Arc::clone(file),
            at: offset,
            end: offset.saturating_add(len),
        }
    }

    /// Hashes the next slice, and says how long it was.
    fn next(&mut self, hashing: &mut Hashing) -> Result<usize, SourceError> {
        match self {
            Self::Memory(pieces) => {
                let slice = next_piece(pieces)?;
                hashing.update(&slice);
                Ok(slice.len())
            }
            Self::File {
                file,
                at,
                end,
                slice,
            } => {
                *at = file.read_into(slice, *at, *end)?;
                hashing.update(slice.filled());
                Ok(slice.len())
            }
        }
    }

    fn check_unchanged(&self) -> Result<(), SourceError> {
        match self {
            Self::Memory(_) => Ok(()),
            Self::File { file, .. } => file.check_unchanged(),
        }
    }

    /// The slice that was read last, where bytes are not in memory anyway.
    fn into_slice(self) -> Option<Bytes> {
        match self {
            Self::Memory(_) => None,
            Self::File { slice, .. } => Some(slice.lend()),
        }
    }
}

/// Whether to hash so much takes no time.
pub(super) fn is_quick(algorithm: Algorithm, len: u64) -> bool {
    algorithm.is_light() || len <= SLICE as u64
}

/// Lets others have their turn.
async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
