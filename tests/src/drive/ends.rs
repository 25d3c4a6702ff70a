use std::collections::BTreeMap;

use bytes::Bytes;

/// What an upload reads from.
#[derive(Clone, Debug, Default)]
pub struct Source {
    bytes: Bytes,
    /// The bytes that later reads find, after `changes_after` of them.
    changed: Option<Bytes>,
    reads: std::cell::Cell<u32>,
    changes_after: u32,
}

impl Source {
    /// A source that never changes.
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        Self {
            bytes: bytes.into(),
            ..Self::default()
        }
    }

    /// A source whose bytes are replaced by `changed` after `reads` reads.
    pub fn changing(bytes: impl Into<Bytes>, changed: impl Into<Bytes>, reads: u32) -> Self {
        Self {
            changed: Some(changed.into()),
            changes_after: reads,
            ..Self::new(bytes)
        }
    }

    /// How long it is at first.
    pub fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// As many of the `len` bytes at `offset` as there are.
    pub fn read(&self, offset: u64, len: u64) -> Bytes {
        let reads = self.reads.replace(self.reads.get() + 1);
        let bytes = match &self.changed {
            Some(changed) if reads >= self.changes_after => changed,
            _ => &self.bytes,
        };
        let clamp = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
        bytes.slice(clamp(offset)..clamp(offset.saturating_add(len)))
    }
}

/// What a download writes to. Notes each write, so that a byte that came twice is seen.
#[derive(Clone, Debug, Default)]
pub struct Sink {
    /// The bytes, as far as they were written.
    pub bytes: Vec<u8>,
    /// How often each range was written, by its start and end.
    pub writes: Vec<(u64, u64)>,
    in_order: bool,
    pieces: BTreeMap<u64, u64>,
    front: u64,
    /// The write, counted from 1, that fails.
    pub fails_at: Option<usize>,
}

impl Sink {
    /// A sink that takes bytes at any place.
    pub fn random() -> Self {
        Self::default()
    }

    /// A sink whose consumer takes the bytes from first to last.
    pub fn in_order() -> Self {
        Self {
            in_order: true,
            ..Self::default()
        }
    }

    /// Whether any byte was written more than once.
    pub fn wrote_twice(&self) -> bool {
        let mut writes = self.writes.clone();
        writes.sort_unstable();
        writes.windows(2).any(|pair| pair[0].1 > pair[1].0)
    }

    pub(super) fn place(&mut self, at: u64, piece: &[u8]) -> Result<(), String> {
        if self.fails_at == Some(self.writes.len() + 1) {
            return Err("No space left on device (os error 28)".into());
        }
        let start = usize::try_from(at).map_err(|_| "an offset beyond memory")?;
        let end = start + piece.len();
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        let taken = self.in_order && at < self.front;
        self.bytes[start..end].copy_from_slice(piece);
        self.writes.push((at, end as u64));
        if taken {
            return Err("bytes that the consumer has taken came again".into());
        }
        self.pieces.insert(at, end as u64);
        Ok(())
    }

    /// All bytes below were placed.
    pub(crate) fn front(&self) -> u64 {
        let mut front = self.front;
        for (start, end) in &self.pieces {
            if *start > front {
                break;
            }
            front = front.max(*end);
        }
        front
    }

    /// Whether every byte below `size` was placed.
    pub(crate) fn covers(&self, size: u64) -> bool {
        self.in_order && self.front >= size || self.front() >= size
    }

    /// Bytes that wait for others before them: what an adapter has to hold for an in-order consumer.
    pub(crate) fn waiting(&self) -> u64 {
        let mut front = self.front;
        let mut waiting = 0;
        for (start, end) in &self.pieces {
            if *start == front {
                front = *end;
            } else {
                waiting += end - start;
            }
        }
        if self.in_order { waiting } else { 0 }
    }

    /// What an in-order consumer takes now: the offset up to which nothing is missing.
    pub(crate) fn release(&mut self) -> Option<u64> {
        while let Some(end) = self.pieces.remove(&self.front) {
            self.front = end;
        }
        self.in_order.then_some(self.front)
    }
}
