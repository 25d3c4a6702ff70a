use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::future::poll_fn;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use sans3_core::attempt::TransferId;
use sans3_core::error::SourceError;
use sans3_core::session::Input;

use crate::Error;
use crate::buffer::{BUFFER_SIZE, Buffer, BufferPool};
use crate::inbox::Inbox;

/// A stream that comes once. Its bytes are kept, part by part, until the server has them.
#[derive(Default)]
pub(crate) struct PushSource(Mutex<State>);

#[derive(Default)]
struct State {
    parts: BTreeMap<u64, VecDeque<Bytes>>,
    /// The part that is to come, once the session has set memory aside for it.
    grant: Option<Grant>,
    /// Whom to tell, once the session has asked for bytes.
    session: Option<(TransferId, Arc<Inbox>)>,
    end: Option<End>,
    /// The transfer is over.
    closed: bool,
    writer: Option<Waker>,
}

struct Grant {
    offset: u64,
    len: u64,
    pieces: VecDeque<Bytes>,
    filled: u64,
}

#[derive(Clone)]
enum End {
    /// All was written.
    Whole,
    /// The rest can't be had.
    Failed(SourceError),
}

/// Writes what an upload sends.
///
/// Bytes are gathered in pooled buffers, or kept as they are handed over, until a part is whole.
/// There is room for as many parts as the client's memory allows: writing waits for more.
pub struct PushWriter {
    source: Arc<PushSource>,
    pool: Arc<BufferPool>,
    filling: Option<Buffer>,
    /// What belongs to a part that was not granted yet.
    surplus: Option<Bytes>,
    /// How much may be committed.
    reserved: usize,
}

/// The two ends of a stream.
pub(crate) fn pushed(pool: &Arc<BufferPool>) -> (PushWriter, Arc<PushSource>) {
    let source = Arc::<PushSource>::default();
    let writer = PushWriter {
        source: Arc::clone(&source),
        pool: Arc::clone(pool),
        filling: None,
        surplus: None,
        reserved: 0,
    };
    (writer, source)
}

/// Something that the session is to hear.
#[must_use = "the session waits for it"]
struct News {
    input: Input,
    inbox: Arc<Inbox>,
}

impl PushSource {
    /// Nothing more will be written.
    fn end(&self, end: End) {
        let news = self.state().end(end);
        news.into_iter().for_each(News::tell);
    }

    /// The part of `len` bytes at `offset` may come. Returns what there is to tell at once.
    pub(super) fn grant(
        &self,
        transfer: TransferId,
        offset: u64,
        len: u64,
        inbox: &Arc<Inbox>,
    ) -> Option<Input> {
        let mut state = self.state();
        if let Some(end) = &state.end {
            return Some(end.input(transfer, offset));
        }
        state.session = Some((transfer, Arc::clone(inbox)));
        state.grant = Some(Grant {
            offset,
            len,
            pieces: VecDeque::new(),
            filled: 0,
        });
        state.wake_writer();
        None
    }

    /// The bytes of a part.
    pub(super) fn bytes(&self, offset: u64, len: u64) -> Result<VecDeque<Bytes>, SourceError> {
        let state = self.state();
        let Some(pieces) = state.parts.get(&offset) else {
            let empty = (len == 0).then(VecDeque::new);
            return empty.ok_or(SourceError::NotReplayable);
        };
        let seen = pieces.iter().map(|piece| piece.len() as u64).sum();
        if seen == len {
            return Ok(pieces.clone());
        }
        Err(SourceError::Length {
            expected: len,
            seen,
        })
    }

    pub(super) fn release(&self, offset: u64) {
        // Outside of the lock: the buffers go back to their pool.
        let _pieces = self.state().parts.remove(&offset);
    }

    /// The transfer is over: nothing is kept or taken any more.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        state.wake_writer();
        let _parts = (mem::take(&mut state.parts), state.grant.take());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn wake_writer(&mut self) {
        if let Some(writer) = self.writer.take() {
            writer.wake();
        }
    }

    /// Nothing more will be written. Only the first end counts.
    fn end(&mut self, end: End) -> Option<News> {
        if self.end.is_some() {
            return None;
        }
        let is_whole = matches!(end, End::Whole);
        let news = match self.grant.take() {
            Some(grant) if is_whole => {
                let up_to = self.keep(grant);
                self.news(|transfer| end.input(transfer, up_to))
            }
            // Whoever writes has ended at the end of a part: the next one is asked for, and empty.
            None if is_whole => None,
            _ => self.news(|transfer| end.input(transfer, 0)),
        };
        self.end = Some(end);
        news
    }

    /// Keeps what came of a part, and returns where it ends.
    fn keep(&mut self, grant: Grant) -> u64 {
        if grant.filled > 0 {
            self.parts.insert(grant.offset, grant.pieces);
        }
        grant.offset.saturating_add(grant.filled)
    }

    fn news(&self, input: impl FnOnce(TransferId) -> Input) -> Option<News> {
        let (transfer, inbox) = self.session.as_ref()?;
        Some(News {
            input: input(*transfer),
            inbox: Arc::clone(inbox),
        })
    }
}

impl News {
    /// To be called without the source's lock: whoever tells may find what comes of it asking for
    /// more.
    fn tell(self) {
        self.inbox.result(self.input);
    }
}

impl End {
    /// What to tell the session, where all below `up_to` is there.
    fn input(&self, transfer: TransferId, up_to: u64) -> Input {
        match self {
            Self::Whole => Input::Supplied {
                transfer,
                up_to,
                end: true,
            },
            Self::Failed(error) => Input::SupplyFailed {
                transfer,
                error: error.clone(),
            },
        }
    }
}

impl PushWriter {
    /// The most bytes that can be [reserved](Self::reserve) at once.
    pub const MAX_RESERVE: usize = BUFFER_SIZE;

    /// Ready when at least one byte can be taken.
    ///
    /// # Errors
    /// [`Error::Closed`]: the transfer is over, and its result says why.
    pub fn poll_room(&mut self, cx: &Context<'_>) -> Poll<Result<(), Error>> {
        ready!(self.poll_surplus(cx))?;
        self.poll_grant(cx)
    }

    /// Takes as many of `bytes` as fit, by copying them. Some do where there is
    /// [room](Self::poll_room).
    pub fn write(&mut self, bytes: &[u8]) -> usize {
        self.reserved = 0;
        let taken = bytes.len().min(self.part_left());
        let buffer = self.filling.get_or_insert_with(|| self.pool.take());
        let rest = buffer.append(&bytes[..taken]).len();
        self.hand_over_full();
        taken - rest
    }

    /// Takes `bytes` as they are, without a copy. To be called where there is
    /// [room](Self::poll_room); what does not fit the part goes to the next one.
    pub fn write_owned(&mut self, bytes: Bytes) {
        self.hand_over();
        self.put(bytes);
    }

    /// A place for `len` bytes, which [`commit`](Self::commit) counts as written. To be called
    /// where there is [room](Self::poll_room).
    ///
    /// # Errors
    /// [`Error::Config`]: more than [`MAX_RESERVE`](Self::MAX_RESERVE).
    pub fn reserve(&mut self, len: usize) -> Result<&mut [u8], Error> {
        if len > Self::MAX_RESERVE {
            let most = Self::MAX_RESERVE;
            let text = format!("expected to reserve at most {most} bytes at once, got {len}");
            return Err(Error::Config(text));
        }
        if self
            .filling
            .as_ref()
            .is_some_and(|buffer| buffer.room() < len)
        {
            self.hand_over();
        }
        self.reserved = len;
        let buffer = self.filling.get_or_insert_with(|| self.pool.take());
        Ok(&mut buffer.spare()[..len])
    }

    /// A place for as many bytes as come next without a gap: at least one where there is
    /// [room](Self::poll_room).
    pub fn spare(&mut self) -> &mut [u8] {
        let left = self.part_left();
        let buffer = self.filling.get_or_insert_with(|| self.pool.take());
        let spare = buffer.spare();
        self.reserved = spare.len().min(left);
        &mut spare[..self.reserved]
    }

    /// The first `len` bytes of the place that was reserved are written.
    ///
    /// # Panics
    /// Where that is more than was reserved since the last write: what lies there is not the
    /// caller's.
    pub fn commit(&mut self, len: usize) {
        let reserved = mem::take(&mut self.reserved);
        assert!(
            len <= reserved,
            "expected to commit at most the {reserved} bytes reserved, got {len}"
        );
        if let Some(buffer) = &mut self.filling {
            buffer.commit(len);
        }
        self.hand_over_full();
    }

    /// Ready when all that was written has found its part.
    ///
    /// # Errors
    /// As [`poll_room`](Self::poll_room).
    pub fn poll_settled(&mut self, cx: &Context<'_>) -> Poll<Result<(), Error>> {
        self.hand_over();
        self.poll_surplus(cx)
    }

    /// Waits until at least one byte can be taken.
    ///
    /// # Errors
    /// As [`poll_room`](Self::poll_room).
    pub async fn room(&mut self) -> Result<(), Error> {
        poll_fn(|cx| self.poll_room(cx)).await
    }

    /// All was written: waits until it has found its part, and says so.
    ///
    /// # Errors
    /// As [`poll_room`](Self::poll_room).
    pub async fn finish(mut self) -> Result<(), Error> {
        poll_fn(|cx| self.poll_settled(cx)).await?;
        self.source.end(End::Whole);
        Ok(())
    }

    /// The rest can't be had: the upload fails with this error.
    pub fn fail(self, error: SourceError) {
        self.source.end(End::Failed(error));
    }

    fn poll_surplus(&mut self, cx: &Context<'_>) -> Poll<Result<(), Error>> {
        while self.surplus.is_some() {
            ready!(self.poll_grant(cx))?;
            if let Some(surplus) = self.surplus.take() {
                self.put(surplus);
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_grant(&self, cx: &Context<'_>) -> Poll<Result<(), Error>> {
        let mut state = self.source.state();
        if state.closed {
            return Poll::Ready(Err(Error::Closed));
        }
        if state.grant.is_some() {
            return Poll::Ready(Ok(()));
        }
        state.writer = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Bytes that the part still takes, those in the buffer aside.
    fn part_left(&self) -> usize {
        let held = self.filling.as_ref().map_or(0, Buffer::len);
        let state = self.source.state();
        let left = state
            .grant
            .as_ref()
            .map_or(0, |grant| grant.len - grant.filled);
        usize::try_from(left)
            .unwrap_or(usize::MAX)
            .saturating_sub(held)
    }

    fn hand_over_full(&mut self) {
        let is_full = self.filling.as_ref().is_some_and(Buffer::is_full);
        if is_full || self.part_left() == 0 {
            self.hand_over();
        }
    }

    fn hand_over(&mut self) {
        self.reserved = 0;
        if let Some(buffer) = self.filling.take_if(|buffer| !buffer.is_empty()) {
            self.put(buffer.freeze());
        }
    }

    /// Adds `bytes` to the part; what it does not take is left over.
    fn put(&mut self, mut bytes: Bytes) {
        let mut news = None;
        let mut state = self.source.state();
        if let (Some(grant), None) = (&mut state.grant, &self.surplus) {
            let left = usize::try_from(grant.len - grant.filled).unwrap_or(usize::MAX);
            let piece = bytes.split_to(bytes.len().min(left));
            grant.filled += piece.len() as u64;
            grant.pieces.push_back(piece);
            if let Some(full) = state.grant.take_if(|grant| grant.filled == grant.len) {
                let up_to = state.keep(full);
                news = state.news(|transfer| Input::Supplied {
                    transfer,
                    up_to,
                    end: false,
                });
            }
        }
        drop(state);
        news.into_iter().for_each(News::tell);
        if !bytes.is_empty() {
            self.surplus = Some(match self.surplus.take() {
                // Rare: only writers who do not wait for room get here.
                Some(before) => [before, bytes].concat().into(),
                None => bytes,
            });
        }
    }
}

impl Drop for PushWriter {
    /// Half of what was meant must not become an object.
    fn drop(&mut self) {
        let error = SourceError::Read("the writer was dropped unfinished".into());
        self.source.end(End::Failed(error));
    }
}

impl fmt::Debug for PushWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PushWriter").finish_non_exhaustive()
    }
}
