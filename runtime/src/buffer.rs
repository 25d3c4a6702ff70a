//! Buffers of payload: pooled, page-aligned, counted.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::Pages;
use crate::pages::PAGE;

/// What a buffer holds, in bytes. An exchange has three of them in use at most: one that is filled, one that
/// is full and one that is written. With what the connection itself holds (twice 64 KiB) they stay
/// within the mebibyte that `SessionConfig::exchange_memory` sets aside.
pub const BUFFER_SIZE: usize = 256 * 1024;

/// Room ahead of the payload, which begins with a page nevertheless, for what frames it.
const AHEAD: usize = PAGE;

/// Room behind the payload for what frames it: the end of a chunk, and a trailer.
const BEHIND: usize = 256;

/// Hands out buffers and takes them back: the first touch of fresh memory costs more than several
/// copies.
#[derive(Debug)]
pub struct BufferPool {
    free: Mutex<Vec<Pages>>,
    kept: usize,
    gauge: Arc<Gauge>,
}

/// A piece of payload of at most [`BUFFER_SIZE`] bytes; goes back to its pool when it is dropped.
#[derive(Debug)]
pub struct Buffer {
    pool: Arc<BufferPool>,
    memory: Pages,
    len: usize,
    _held: Held,
}

impl BufferPool {
    /// A pool that keeps up to `kept` unused buffers.
    pub fn new(kept: usize, gauge: Arc<Gauge>) -> Arc<Self> {
        Arc::new(Self {
            free: Mutex::default(),
            kept,
            gauge,
        })
    }

    /// An empty buffer.
    pub fn take(self: &Arc<Self>) -> Buffer {
        let reused = self
            .free
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        Buffer {
            pool: Arc::clone(self),
            memory: reused.unwrap_or_else(|| Pages::new(AHEAD + BUFFER_SIZE + BEHIND)),
            len: 0,
            _held: self.gauge.hold(BUFFER_SIZE),
        }
    }

    /// A copy of `bytes` that takes no more memory than they do.
    pub fn copy(&self, bytes: &[u8]) -> Bytes {
        Bytes::from_owner(Counted {
            bytes: bytes.to_vec(),
            _held: self.gauge.hold(bytes.len()),
        })
    }

    /// Counts memory beside that of buffers.
    pub const fn gauge(&self) -> &Arc<Gauge> {
        &self.gauge
    }
}

impl Buffer {
    /// The bytes in it.
    pub fn filled(&self) -> &[u8] {
        &self.memory[AHEAD..AHEAD + self.len]
    }

    /// How many bytes are in it.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is in it.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether nothing more fits.
    pub const fn is_full(&self) -> bool {
        self.len == BUFFER_SIZE
    }

    /// Appends what fits of `bytes`, and returns the rest.
    pub fn append<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let (taken, rest) = bytes.split_at(bytes.len().min(BUFFER_SIZE - self.len));
        self.spare()[..taken.len()].copy_from_slice(taken);
        self.len += taken.len();
        rest
    }

    /// Makes the buffer `len` bytes long (at most [`BUFFER_SIZE`]), for a reader to write to.
    pub fn resize(&mut self, len: usize) -> &mut [u8] {
        self.len = len.min(BUFFER_SIZE);
        &mut self.memory[AHEAD..AHEAD + self.len]
    }

    /// How many bytes fit.
    pub const fn room(&self) -> usize {
        BUFFER_SIZE - self.len
    }

    /// The place that is not filled yet.
    pub fn spare(&mut self) -> &mut [u8] {
        &mut self.memory[AHEAD + self.len..AHEAD + BUFFER_SIZE]
    }

    /// So many bytes of [`spare`](Self::spare) are filled now.
    pub fn commit(&mut self, len: usize) {
        self.len += len.min(self.room());
    }

    /// Makes the bytes shareable. A buffer that holds little is not worth being kept from its pool
    /// by them, nor is the memory that it takes.
    pub fn freeze(self) -> Bytes {
        if self.len < BUFFER_SIZE / 2 {
            self.pool.copy(self.filled())
        } else {
            Bytes::from_owner(self)
        }
    }
}

impl Buffer {
    /// The bytes as they are, in the buffer, for somebody who is done with them soon.
    pub(crate) fn lend(self) -> Bytes {
        self.framed(b"", b"")
    }

    /// As [`lend`](Self::lend), with a few bytes ahead of those that are in it and some behind: what
    /// frames a payload leaves by the same call.
    pub(crate) fn framed(mut self, ahead: &[u8], behind: &[u8]) -> Bytes {
        let payload = AHEAD..AHEAD + self.len;
        let span = payload.start - ahead.len()..payload.end + behind.len();
        self.memory[span.start..payload.start].copy_from_slice(ahead);
        self.memory[payload.end..span.end].copy_from_slice(behind);
        Bytes::from_owner(Framed { buffer: self, span })
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self.filled()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut free = self
            .pool
            .free
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if free.len() < self.pool.kept {
            free.push(std::mem::take(&mut self.memory));
        }
    }
}

/// How many bytes of payload are in memory now, and how many there were at most.
#[derive(Debug, Default)]
pub struct Gauge {
    now: AtomicU64,
    peak: AtomicU64,
}

/// Memory that counts for as long as this lives.
#[derive(Debug)]
pub struct Held {
    gauge: Arc<Gauge>,
    bytes: u64,
}

impl Gauge {
    /// Counts so many bytes for as long as the result lives.
    pub fn hold(self: &Arc<Self>, bytes: usize) -> Held {
        let bytes = bytes as u64;
        let now = self.now.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.peak.fetch_max(now, Ordering::Relaxed);
        Held {
            gauge: Arc::clone(self),
            bytes,
        }
    }

    /// The most bytes that ever counted at once.
    pub fn peak(&self) -> u64 {
        self.peak.load(Ordering::Relaxed)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.gauge.now.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// A full buffer, and which part of its memory counts.
struct Framed {
    buffer: Buffer,
    span: Range<usize>,
}

impl AsRef<[u8]> for Framed {
    fn as_ref(&self) -> &[u8] {
        &self.buffer.memory[self.span.clone()]
    }
}

struct Counted {
    bytes: Vec<u8>,
    _held: Held,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool() -> Arc<BufferPool> {
        BufferPool::new(1, Arc::default())
    }

    #[test]
    fn buffers_are_reused_and_counted() {
        let pool = pool();
        let (first, second) = (pool.take(), pool.take());
        let address = first.memory.as_ptr();
        drop(first);
        drop(second);
        assert_eq!(pool.take().memory.as_ptr(), address, "one is kept");
        assert_eq!(pool.gauge.peak(), 2 * BUFFER_SIZE as u64);
        assert_eq!(pool.gauge.now.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn what_does_not_fit_is_left_over() {
        let mut buffer = pool().take();
        let bytes = vec![7; BUFFER_SIZE + 3];
        assert_eq!(buffer.append(&bytes).len(), 3);
        assert!(buffer.is_full());
        assert_eq!(buffer.append(&[1]), [1]);
    }

    #[test]
    fn a_frozen_crumb_does_not_hold_a_whole_buffer() {
        let pool = pool();
        let mut buffer = pool.take();
        buffer.append(b"crumb");
        let bytes = buffer.freeze();
        assert_eq!(bytes, "crumb");
        assert_eq!(pool.gauge.now.load(Ordering::Relaxed), 5);
    }

    #[test]
    fn what_frames_a_payload_lies_beside_it() {
        let pool = pool();
        for len in [0, 5, BUFFER_SIZE] {
            let mut buffer = pool.take();
            buffer.append(&vec![7; len]);
            assert_eq!(buffer.filled().as_ptr().align_offset(PAGE), 0);
            let framed = buffer.framed(b"head", &[9; BEHIND]);
            let expected = [&b"head"[..], &vec![7; len], &[9; BEHIND]].concat();
            assert!(framed == expected);
            assert!(pool.free.lock().unwrap().is_empty(), "it is in use");
            drop(framed);
            assert_eq!(pool.free.lock().unwrap().len(), 1);
        }
    }
}
