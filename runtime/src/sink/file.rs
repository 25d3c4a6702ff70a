use std::collections::VecDeque;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{Context, Poll, ready};

use sans3_core::error::{SinkError, TransferError};
use sans3_platform::place::Options;
use sans3_platform::{FileError, Placement};

use crate::buffer::{Buffer, BufferPool};
use crate::promise::{Pending, promise};
use crate::{Error, Offload, WriteAt};

/// A file that gets its name when it is whole, or what can be written like one. All calls block.
pub(crate) struct FileSink {
    /// Taken when the target is committed or discarded: a write that is under way holds that up, and
    /// one that is late finds nothing to write to.
    target: RwLock<Option<Target>>,
    pool: Arc<BufferPool>,
}

enum Target {
    /// Appears as a whole.
    File(Placement),
    /// Given by the caller: what is written stays written.
    Given(Box<dyn WriteAt>),
}

/// Gathers the bytes of one exchange and writes a buffer at a time, of which one may be under way
/// while the next is filled.
pub(crate) struct FileWriter {
    sink: Arc<FileSink>,
    filling: Option<(u64, Buffer)>,
    /// Full buffers that wait for the write under way: more than one only where a chunk was large.
    full: VecDeque<(u64, Buffer)>,
    writing: Option<Pending<Result<(), SinkError>>>,
    offload: Arc<dyn Offload>,
}

impl FileSink {
    pub(crate) fn create(
        target: &Path,
        options: Options,
        pool: Arc<BufferPool>,
    ) -> Result<Self, FileError> {
        let placement = Placement::create(target, options)?;
        Ok(Self::new(Target::File(placement), pool))
    }

    pub(crate) fn given(target: Box<dyn WriteAt>, pool: Arc<BufferPool>) -> Self {
        Self::new(Target::Given(target), pool)
    }

    const fn new(target: Target, pool: Arc<BufferPool>) -> Self {
        let target = RwLock::new(Some(target));
        Self { target, pool }
    }

    /// Gives the target the length of the object, since a longer version that was read before
    /// another took its place may have written beyond it; and a file its name.
    pub(crate) fn commit(&self, len: u64) -> Result<(), Error> {
        match self.take() {
            None => Ok(()),
            Some(Target::File(placement)) => {
                placement.set_len(len)?;
                Ok(placement.commit()?)
            }
            Some(Target::Given(target)) => {
                let finished = target.finish(len);
                Ok(finished.map_err(|error| TransferError::new(SinkError(error.to_string())))?)
            }
        }
    }

    /// Removes a file. Nothing more is written to what was given.
    pub(crate) fn discard(&self) {
        drop(self.take());
    }

    fn write(&self, at: u64, bytes: &[u8]) -> Result<(), SinkError> {
        let target = self.target.read().unwrap_or_else(PoisonError::into_inner);
        let written = match &*target {
            None => Err("the file is closed".to_owned()),
            Some(Target::File(file)) => file.write_all_at(bytes, at).map_err(|e| e.to_string()),
            Some(Target::Given(given)) => given.write_all_at(bytes, at).map_err(|e| e.to_string()),
        };
        written.map_err(SinkError)
    }

    fn take(&self) -> Option<Target> {
        self.target
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

impl FileWriter {
    pub(super) const fn new(sink: Arc<FileSink>, offload: Arc<dyn Offload>) -> Self {
        Self {
            sink,
            filling: None,
            full: VecDeque::new(),
            writing: None,
            offload,
        }
    }

    pub(super) fn put(&mut self, mut at: u64, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let fits = self.filling.take_if(|(start, buffer)| {
                buffer.is_full() || start.saturating_add(buffer.len() as u64) != at
            });
            self.full.extend(fits);
            let (_, buffer) = self
                .filling
                .get_or_insert_with(|| (at, self.sink.pool.take()));
            let rest = buffer.append(bytes);
            at = at.saturating_add((bytes.len() - rest.len()) as u64);
            bytes = rest;
        }
    }

    /// At most one buffer is being written and one filled when this is ready.
    pub(super) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SinkError>> {
        while !self.full.is_empty() {
            ready!(self.poll_settled(cx))?;
            if let Some((at, buffer)) = self.full.pop_front() {
                let (promise, written) = promise();
                let sink = Arc::clone(&self.sink);
                self.offload.offload(Box::new(move || {
                    promise.keep(sink.write(at, buffer.filled()));
                }));
                self.writing = Some(written);
            }
        }
        Poll::Ready(Ok(()))
    }

    /// All is written when this is ready.
    pub(super) fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SinkError>> {
        self.full.extend(self.filling.take());
        let written = ready!(self.poll_ready(cx));
        self.full.clear();
        let settled = ready!(self.poll_settled(cx));
        Poll::Ready(written.and(settled))
    }

    /// Waits for the write under way.
    fn poll_settled(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SinkError>> {
        let Some(writing) = &mut self.writing else {
            return Poll::Ready(Ok(()));
        };
        let lost = || Err(SinkError("the thread that writes was lost".into()));
        let written = ready!(Pin::new(writing).poll(cx)).unwrap_or_else(lost);
        self.writing = None;
        Poll::Ready(written)
    }
}
