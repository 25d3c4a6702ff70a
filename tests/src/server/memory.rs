//! Memory for request bodies, used again when the objects that it held are gone.
//!
//! The first touch of a page costs more than filling it several times, and so a server that is
//! measured should not spend its time on getting memory from the system.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use bytes::Bytes;

/// Bytes in a block.
pub(crate) const BLOCK: usize = 1 << 20;
/// The kernel's copy is up to three times slower where memory does not start at a page.
const PAGE: usize = 4_096;

/// Blocks that are free to be used.
#[derive(Debug)]
pub(crate) struct Pool {
    free: Mutex<Vec<Vec<u8>>>,
    /// The most blocks that are kept.
    keep: usize,
}

impl Pool {
    /// A pool that keeps up to `keep` bytes for reuse, and touches all of `ready` now.
    pub(crate) fn new(keep: u64, ready: u64) -> Arc<Self> {
        let blocks = |bytes: u64| usize::try_from(bytes.div_ceil(BLOCK as u64)).unwrap_or(0);
        // A byte other than zero, so that the pages are really there.
        let free = (0..blocks(ready)).map(|_| vec![1; BLOCK + PAGE]).collect();
        Arc::new(Self {
            free: Mutex::new(free),
            keep: blocks(keep.max(ready)),
        })
    }

    pub(crate) fn take(self: &Arc<Self>) -> Block {
        let reused = self.lock().pop();
        let memory = reused.unwrap_or_else(|| vec![0; BLOCK + PAGE]);
        Block {
            start: memory.as_ptr().align_offset(PAGE).min(PAGE),
            memory,
            pool: Arc::downgrade(self),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Vec<u8>>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A block that returns to its pool when the last slice of it is gone.
#[derive(Debug)]
pub(crate) struct Block {
    memory: Vec<u8>,
    start: usize,
    pool: Weak<Pool>,
}

impl Block {
    pub(crate) fn as_mut(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..self.start + BLOCK]
    }

    /// The first `len` bytes, shared from now on.
    pub(crate) fn freeze(self, len: usize) -> Bytes {
        Bytes::from_owner(self).slice(..len.min(BLOCK))
    }
}

impl AsRef<[u8]> for Block {
    fn as_ref(&self) -> &[u8] {
        &self.memory[self.start..self.start + BLOCK]
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.upgrade() {
            let mut free = pool.lock();
            if free.len() < pool.keep {
                free.push(std::mem::take(&mut self.memory));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_returns_when_its_last_slice_is_gone() {
        let pool = Pool::new(BLOCK as u64, 0);
        let mut block = pool.take();
        block.as_mut()[..3].copy_from_slice(b"abc");
        let bytes = block.freeze(3);
        let slice = bytes.slice(1..);
        drop(bytes);
        assert_eq!((&slice[..], pool.lock().len()), (&b"bc"[..], 0));
        drop((pool.take(), slice));
        assert_eq!(pool.lock().len(), 1);
        assert_eq!(Pool::new(0, 3 * BLOCK as u64).lock().len(), 3);
    }
}
