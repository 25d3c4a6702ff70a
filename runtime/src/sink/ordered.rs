use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use crate::buffer::{BUFFER_SIZE, Buffer, BufferPool};
use bytes::Bytes;

/// How many bytes may wait for the consumer before the exchange that brings the next ones stops to
/// read. Bytes that lie further ahead need no bound of their own: the session asks only for as many
/// as it has set memory aside for. But the range that is next goes ahead in any case, and may be as
/// long as the object.
const AHEAD: u64 = 2 * BUFFER_SIZE as u64;

/// Puts the bytes of parallel ranges in order for one consumer.
///
/// Nothing can wait in a circle: the consumer waits for the byte at the front alone; the exchange
/// that brings it waits only while the consumer has something to take; no other exchange waits.
pub(crate) struct OrderedSink {
    state: Mutex<State>,
    pool: Arc<BufferPool>,
}

#[derive(Default)]
struct State {
    blocks: BTreeMap<u64, Bytes>,
    /// The consumer has taken all below.
    front: u64,
    /// All between `front` and this offset is in `blocks`.
    joined: u64,
    consumer: Option<Waker>,
    /// Who waits until the consumer has taken something.
    waiting: Vec<Waker>,
}

/// Gathers the bytes of one exchange.
pub(crate) struct OrderedWriter {
    sink: Arc<OrderedSink>,
    filling: Option<(u64, Buffer)>,
    /// Where the exchange goes on, once its first bytes have told.
    next: Option<u64>,
}

impl OrderedSink {
    pub(crate) fn new(pool: Arc<BufferPool>) -> Self {
        Self {
            state: Mutex::default(),
            pool,
        }
    }

    /// Where the consumer has got to.
    pub(crate) fn front(&self) -> u64 {
        self.state().front
    }

    /// The next bytes in order, and the offset at their end.
    pub(crate) fn poll_next(&self, cx: &Context<'_>) -> Poll<(Bytes, u64)> {
        let mut state = self.state();
        let front = state.front;
        let Some(bytes) = state.blocks.remove(&front) else {
            state.consumer = Some(cx.waker().clone());
            return Poll::Pending;
        };
        state.front = front.saturating_add(bytes.len() as u64);
        let up_to = state.front;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
        Poll::Ready((bytes, up_to))
    }

    fn push(&self, at: u64, bytes: Bytes) {
        let mut state = self.state();
        state.blocks.insert(at, bytes);
        while let Some(next) = state.blocks.get(&state.joined) {
            state.joined = state.joined.saturating_add(next.len() as u64);
        }
        let consumer = if state.joined > state.front {
            state.consumer.take()
        } else {
            None
        };
        drop(state);
        if let Some(consumer) = consumer {
            consumer.wake();
        }
    }

    /// Waits while the byte at `at` is the next one that is missing, and the consumer has enough to
    /// take meanwhile.
    fn poll_turn(&self, at: u64, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.state();
        if at != state.joined || state.joined - state.front < AHEAD {
            return Poll::Ready(());
        }
        if !state
            .waiting
            .iter()
            .any(|waker| waker.will_wake(cx.waker()))
        {
            state.waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Whether the byte at `at` is what the consumer waits for.
    fn is_wanted(&self, at: u64) -> bool {
        let state = self.state();
        at == state.front && state.consumer.is_some()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OrderedWriter {
    pub(super) const fn new(sink: Arc<OrderedSink>) -> Self {
        Self {
            sink,
            filling: None,
            next: None,
        }
    }

    pub(super) fn put(&mut self, mut at: u64, mut bytes: &[u8]) {
        self.next = Some(at.saturating_add(bytes.len() as u64));
        // A consumer who waits gets what there is.
        if self.filling.is_none() && self.sink.is_wanted(at) {
            return self.sink.push(at, self.sink.pool.copy(bytes));
        }
        while !bytes.is_empty() {
            let (_, buffer) = self
                .filling
                .get_or_insert_with(|| (at, self.sink.pool.take()));
            let rest = buffer.append(bytes);
            at = at.saturating_add((bytes.len() - rest.len()) as u64);
            bytes = rest;
            if buffer.is_full() {
                self.finish();
            }
        }
        self.hand_over_if_wanted();
    }

    /// Waits while this exchange is at the front and far enough ahead of the consumer.
    pub(super) fn poll_ready(&mut self, cx: &Context<'_>) -> Poll<()> {
        let start = self.filling.as_ref().map(|(start, _)| *start).or(self.next);
        if let Some(start) = start {
            ready!(self.sink.poll_turn(start, cx));
            self.hand_over_if_wanted();
        }
        Poll::Ready(())
    }

    pub(super) fn finish(&mut self) {
        if let Some((at, buffer)) = self.filling.take() {
            self.sink.push(at, buffer.freeze());
        }
    }

    fn hand_over_if_wanted(&mut self) {
        if self
            .filling
            .as_ref()
            .is_some_and(|(start, _)| self.sink.is_wanted(*start))
        {
            self.finish();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: usize = BUFFER_SIZE;

    fn sink() -> Arc<OrderedSink> {
        Arc::new(OrderedSink::new(BufferPool::new(4, Arc::default())))
    }

    fn next(sink: &OrderedSink) -> Poll<(Bytes, u64)> {
        sink.poll_next(&Context::from_waker(Waker::noop()))
    }

    fn is_ready(writer: &mut OrderedWriter) -> bool {
        writer
            .poll_ready(&Context::from_waker(Waker::noop()))
            .is_ready()
    }

    #[test]
    fn bytes_that_came_early_wait_for_their_turn() {
        let sink = sink();
        let mut late = OrderedWriter::new(Arc::clone(&sink));
        let mut early = OrderedWriter::new(Arc::clone(&sink));
        early.put(3, b"def");
        early.finish();
        assert_eq!(next(&sink), Poll::Pending);
        late.put(0, b"abc");
        late.finish();
        assert_eq!(next(&sink), Poll::Ready((Bytes::from("abc"), 3)));
        assert_eq!(next(&sink), Poll::Ready((Bytes::from("def"), 6)));
    }

    #[test]
    fn the_front_waits_for_its_consumer_and_the_others_do_not() {
        let sink = sink();
        let mut front = OrderedWriter::new(Arc::clone(&sink));
        let mut ahead = OrderedWriter::new(Arc::clone(&sink));
        let block = vec![1; BLOCK];
        front.put(0, &block);
        assert!(is_ready(&mut front));
        front.put(BLOCK as u64, &block);
        assert!(!is_ready(&mut front));
        let far = 4 * BLOCK as u64;
        ahead.put(far, &block);
        ahead.put(far + BLOCK as u64, &block);
        assert!(is_ready(&mut ahead));
        assert!(next(&sink).is_ready());
        assert!(is_ready(&mut front));
    }

    #[test]
    fn a_consumer_who_waits_gets_crumbs() {
        let sink = sink();
        let mut writer = OrderedWriter::new(Arc::clone(&sink));
        assert_eq!(next(&sink), Poll::Pending);
        writer.put(0, b"x");
        assert_eq!(next(&sink), Poll::Ready((Bytes::from("x"), 1)));
    }

    #[test]
    fn an_exchange_that_waits_is_woken_by_the_consumer() {
        use std::sync::atomic::{AtomicBool, Ordering};

        struct Flag(AtomicBool);

        impl std::task::Wake for Flag {
            fn wake(self: Arc<Self>) {
                self.0.store(true, Ordering::Relaxed);
            }
        }

        let sink = sink();
        let mut writer = OrderedWriter::new(Arc::clone(&sink));
        writer.put(0, &vec![2; 2 * BLOCK]);
        let woken = Arc::new(Flag(AtomicBool::new(false)));
        let waker = Waker::from(Arc::clone(&woken));
        assert!(writer.poll_ready(&Context::from_waker(&waker)).is_pending());
        assert!(next(&sink).is_ready());
        assert!(woken.0.load(Ordering::Relaxed));
    }
}
