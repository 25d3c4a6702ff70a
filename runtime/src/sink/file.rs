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
use crate::quick::Quick;
use crate::{Error, Offload, WriteAt};

/// A piece of at least so many bytes is written from where it was received. Smaller ones are
/// gathered: a system call for each would cost more than the copy.
const DIRECT: usize = 16 * 1024;

/// A file that gets its name when it is whole, or what can be written like one. All calls block.
pub(crate) struct FileSink {
    /// Taken when the target is committed or discarded: a write that is under way holds that up, and
    /// one that is late finds nothing to write to.
    target: RwLock<Option<Target>>,
    pool: Arc<BufferPool>,
    /// Whether a write is a copy to the system's memory.
    quick: Quick,
}

enum Target {
    /// Appears as a whole.
    File(Placement),
    /// Given by the caller: what is written stays written.
    Given(Box<dyn WriteAt>),
}

/// Writes the bytes of one exchange: on the thread that received them as long as that takes no time,
/// and else a buffer at a time, of which one may be under way while the next is filled.
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
        Ok(Self::new(Target::File(placement), pool, true))
    }

    pub(crate) fn given(target: Box<dyn WriteAt>, pool: Arc<BufferPool>) -> Self {
        let is_quick = target.is_quick();
        Self::new(Target::Given(target), pool, is_quick)
    }

    const fn new(target: Target, pool: Arc<BufferPool>, is_quick: bool) -> Self {
        Self {
            target: RwLock::new(Some(target)),
            pool,
            quick: Quick::new(is_quick),
        }
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

    /// Writes on this thread, and notes how quick that is.
    fn write_here(&self, at: u64, bytes: &[u8]) -> Result<(), SinkError> {
        self.quick.time(|| self.write(at, bytes))
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

    pub(super) fn put(&mut self, mut at: u64, mut bytes: &[u8]) -> Result<(), SinkError> {
        if bytes.len() >= DIRECT && self.writes_here() {
            return self.sink.write_here(at, bytes);
        }
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
        self.write_full_here()
    }

    /// Whether the thread that received bytes writes them.
    fn writes_here(&self) -> bool {
        self.offload.is_here() || self.sink.quick.holds()
    }

    fn write_full_here(&mut self) -> Result<(), SinkError> {
        while self.writes_here()
            && let Some((at, buffer)) = self.full.pop_front()
        {
            let written = self.sink.write_here(at, buffer.filled());
            if written.is_err() {
                self.full.clear();
                return written;
            }
        }
        Ok(())
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
        let written = self.write_full_here();
        let written = ready!(self.poll_ready(cx)).and(written);
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

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Waker;

    use super::*;
    use crate::buffer::BUFFER_SIZE;

    /// What a target is like, and what it got.
    struct Scene {
        is_quick: bool,
        fails: bool,
        seen: Arc<Mutex<Vec<u8>>>,
    }

    impl WriteAt for Scene {
        fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
            if self.fails {
                return Err(io::Error::other("full"));
            }
            let start = usize::try_from(offset).unwrap();
            let mut seen = self.seen.lock().unwrap();
            let end = seen.len().max(start + buf.len());
            seen.resize(end, 0);
            seen[start..start + buf.len()].copy_from_slice(buf);
            Ok(())
        }

        fn is_quick(&self) -> bool {
            self.is_quick
        }

        fn finish(&self, _: u64) -> io::Result<()> {
            Ok(())
        }
    }

    /// Writes 600,000 bytes in such pieces, after writes that have waited: what came of it, and how
    /// many writes were left to others.
    fn write(
        is_quick: bool,
        fails: bool,
        waits: u32,
        piece: usize,
    ) -> (Result<(), SinkError>, usize) {
        let content: Vec<u8> = (0..=250).cycle().take(600_000).collect();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let scene = Scene {
            is_quick,
            fails,
            seen: Arc::clone(&seen),
        };
        let pool = BufferPool::new(3, Arc::default());
        let sink = Arc::new(FileSink::given(Box::new(scene), pool));
        sink.quick.wait(waits);
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        let offload = move |work: Box<dyn FnOnce() + Send>| {
            counted.fetch_add(1, Ordering::Relaxed);
            work();
        };
        let mut writer = FileWriter::new(sink, Arc::new(offload));
        let mut cx = Context::from_waker(Waker::noop());
        let mut result = Ok(());
        for (number, bytes) in content.chunks(piece).enumerate() {
            assert!(writer.poll_ready(&mut cx).is_ready());
            result = result.and(writer.put((number * piece) as u64, bytes));
        }
        let Poll::Ready(finished) = writer.poll_finish(&mut cx) else {
            panic!("the work is done at once");
        };
        result = result.and(finished);
        assert_eq!(result.is_ok(), *seen.lock().unwrap() == content);
        (result, count.load(Ordering::Relaxed))
    }

    #[test]
    fn whoever_receives_writes_as_long_as_that_is_quick() {
        let all = 600_000_usize.div_ceil(BUFFER_SIZE);
        for piece in [1_000, DIRECT, BUFFER_SIZE + 1] {
            for (is_quick, waits, left) in [(true, 0, 0), (false, 0, all), (true, 3, all)] {
                let seen = write(is_quick, false, waits, piece);
                assert_eq!(seen, (Ok(()), left), "{is_quick} {waits} {piece}");
            }
        }
    }

    #[test]
    fn a_failed_write_is_told() {
        for (is_quick, piece) in [(true, 1_000), (true, DIRECT), (false, 1_000)] {
            let (result, _) = write(is_quick, true, 0, piece);
            assert_eq!(result, Err(SinkError("full".into())), "{is_quick} {piece}");
        }
    }
}
