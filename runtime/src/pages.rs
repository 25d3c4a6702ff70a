use std::fmt;
use std::ops::{Deref, DerefMut};

/// A buffer that begins in the middle of a page triples the kernel's cost of copying on common
/// processors, and that is where allocators put large ones.
pub(crate) const PAGE: usize = 4096;

/// Memory that begins with a page. Empty ones take none.
#[derive(Default)]
pub struct Pages {
    memory: Vec<u8>,
    /// Where the first page begins.
    base: usize,
    len: usize,
}

impl Pages {
    /// So many zeroes.
    pub fn new(len: usize) -> Self {
        let memory = vec![0; len + PAGE];
        // Where alignment can't be told the memory is merely slower.
        let base = Some(memory.as_ptr().align_offset(PAGE)).filter(|base| *base <= PAGE);
        Self {
            base: base.unwrap_or(0),
            memory,
            len,
        }
    }

    /// Makes it at least `len` bytes long. What is in it stays.
    pub fn grow(&mut self, len: usize) {
        if len > self.len {
            let mut grown = Self::new(len);
            grown[..self.len].copy_from_slice(self);
            *self = grown;
        }
    }
}

impl Deref for Pages {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.memory[self.base..self.base + self.len]
    }
}

impl DerefMut for Pages {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.memory[self.base..self.base + self.len]
    }
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").field("len", &self.len).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_begin_with_a_page_and_keep_what_is_in_them() {
        let mut pages = Pages::default();
        assert!(pages.is_empty() && pages.memory.is_empty());
        for len in [1, 100_000, 300_000, 7] {
            let before = pages.len();
            pages.grow(len);
            assert_eq!(pages.len(), before.max(len));
            assert_eq!(pages.as_ptr().align_offset(PAGE), 0);
            assert!(pages[..before].iter().all(|byte| *byte == 7));
            pages.fill(7);
        }
    }
}
