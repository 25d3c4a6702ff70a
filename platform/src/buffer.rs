//! Page-aligned buffers, kept for reuse.
//!
//! Copies between a socket, a buffer and a file are the largest cost of a transfer. A buffer that
//! begins on a page copies fastest, and one that was touched before costs no page faults. An
//! allocator gives large blocks an address just past a page's beginning, so each buffer here
//! allocates one page more than it needs and uses the part that begins on a page.

use core::fmt;
use core::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The alignment of every buffer, in bytes: the page size of x86-64, and a divisor of all others.
pub const PAGE: usize = 4096;

/// A pool of equal buffers that never makes more than a fixed number of them.
///
/// Clones share the pool. A buffer may outlive it.
#[derive(Clone)]
pub struct BufferPool {
    shared: Arc<Shared>,
}

/// A buffer on loan: it goes back to its pool when it is dropped.
///
/// It holds whatever its last user left in it, and zeros before its first use.
pub struct PooledBuffer {
    memory: Vec<u8>,
    pool: Arc<Shared>,
}

struct Shared {
    buffer_len: usize,
    max: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    idle: Vec<Vec<u8>>,
    lent: usize,
}

impl BufferPool {
    /// A pool of at most `max` buffers of `buffer_len` bytes. Memory is taken when a buffer is first
    /// asked for, one page more than its length.
    pub fn new(buffer_len: usize, max: usize) -> Self {
        Self {
            shared: Arc::new(Shared {
                buffer_len,
                max,
                state: Mutex::default(),
            }),
        }
    }

    /// The length of each buffer, in bytes.
    pub fn buffer_len(&self) -> usize {
        self.shared.buffer_len
    }

    /// A buffer, or `None` while all are lent: the caller waits for one of its own to come back, or
    /// has asked for more than it planned.
    pub fn take(&self) -> Option<PooledBuffer> {
        let mut state = self.shared.state();
        if state.lent >= self.shared.max {
            return None;
        }
        state.lent += 1;
        // The buffer used last is the one whose pages are still in the cache.
        let reused = state.idle.pop();
        drop(state);
        let memory = reused.unwrap_or_else(|| {
            let len = self.shared.buffer_len.saturating_add(PAGE);
            vec![0; len]
        });
        Some(PooledBuffer {
            memory,
            pool: Arc::clone(&self.shared),
        })
    }

    /// How many buffers are lent.
    pub fn lent(&self) -> usize {
        self.shared.state().lent
    }
}

impl fmt::Debug for BufferPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufferPool")
            .field("buffer_len", &self.shared.buffer_len)
            .field("max", &self.shared.max)
            .field("lent", &self.lent())
            .finish_non_exhaustive()
    }
}

impl PooledBuffer {
    /// Where the aligned part begins. The memory never moves while the buffer lives.
    fn start(&self) -> usize {
        (PAGE - self.memory.as_ptr().addr() % PAGE) % PAGE
    }
}

impl Deref for PooledBuffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        let start = self.start();
        &self.memory[start..start + self.pool.buffer_len]
    }
}

impl DerefMut for PooledBuffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        let start = self.start();
        &mut self.memory[start..start + self.pool.buffer_len]
    }
}

impl AsRef<[u8]> for PooledBuffer {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for PooledBuffer {
    /// Shows the length alone: the bytes are somebody's data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PooledBuffer({} bytes)", self.pool.buffer_len)
    }
}

impl Drop for PooledBuffer {
    fn drop(&mut self) {
        let memory = core::mem::take(&mut self.memory);
        let mut state = self.pool.state();
        state.lent -= 1;
        state.idle.push(memory);
    }
}

impl Shared {
    /// A panic elsewhere can't leave the state half-changed, so a poisoned lock is as good.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_begin_on_a_page_and_have_the_length_asked_for() {
        for len in [0, 1, 4095, 4096, 4097, 65_536, 1 << 20, 8 << 20] {
            let pool = BufferPool::new(len, 3);
            let buffers: Vec<_> = (0..3).map(|_| pool.take().unwrap()).collect();
            for buffer in &buffers {
                assert_eq!(buffer.as_ptr().addr() % PAGE, 0);
                assert_eq!(buffer.len(), len);
                assert!(buffer.iter().all(|byte| *byte == 0));
            }
        }
    }

    #[test]
    fn line_99_no_more_buffers_than_the_bound() {
        let pool = BufferPool::new(16, 2);
        let (a, b) = (pool.take().unwrap(), pool.take().unwrap());
        assert!(pool.take().is_none());
        assert_eq!(pool.lent(), 2);
        drop(a);
        let c = pool.take().unwrap();
        assert!(pool.take().is_none());
        drop((b, c));
        assert_eq!(pool.lent(), 0);
        assert!(BufferPool::new(16, 0).take().is_none());
    }

    #[test]
    fn a_returned_buffer_is_the_next_one_lent() {
        let pool = BufferPool::new(8192, 4);
        let mut first = pool.take().unwrap();
        first[8191] = 7;
        let address = first.as_ptr().addr();
        drop(first);
        let again = pool.take().unwrap();
        assert_eq!(again.as_ptr().addr(), address);
        assert_eq!(again[8191], 7);
    }

    #[test]
    fn buffers_move_between_threads_and_outlive_their_pool() {
        let pool = BufferPool::new(4096, 8);
        let threads: Vec<_> = (0..8_u8)
            .map(|mark| {
                let mut buffer = pool.take().unwrap();
                std::thread::spawn(move || {
                    buffer.fill(mark);
                    buffer
                })
            })
            .collect();
        drop(pool);
        for (mark, thread) in (0..8_u8).zip(threads) {
            assert!(thread.join().unwrap().iter().all(|byte| *byte == mark));
        }
    }
}
