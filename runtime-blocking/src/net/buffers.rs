use std::ops::Range;

use sans3_runtime::Pages;
use sans3_runtime::buffer::BUFFER_SIZE;
use ureq::unversioned::transport::Buffers;

/// How much is received at once: more than the largest response head.
pub(super) const INPUT: usize = 128 * 1024;

/// How much of a body ureq may be told of at once: a slice, and what frames it. No more of it than
/// a head is ever written to, and the rest of the memory never touched.
const OUTPUT: usize = BUFFER_SIZE + 4 * 1024;

/// The buffers between ureq and the socket. Nothing is allocated before it is needed.
#[derive(Debug, Default)]
pub(super) struct InOut {
    input: Pages,
    start: usize,
    end: usize,
    /// How much of the input ureq is to see.
    shown: usize,
    /// Whether ureq has not yet seen it, or took some of it when it did.
    fresh: bool,
    output: Pages,
}

impl InOut {
    /// What was received and is not used yet.
    pub(super) fn received(&self) -> &[u8] {
        &self.input[self.start..self.end]
    }

    /// Room for more.
    pub(super) fn room(&mut self) -> &mut [u8] {
        if self.start > 0 {
            self.input.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        self.input.grow(INPUT);
        &mut self.input[self.end..]
    }

    /// So many bytes of the room are filled.
    pub(super) fn filled(&mut self, amount: usize) {
        self.end = self.end.saturating_add(amount).min(self.input.len());
    }

    /// So many received bytes are used. Returns `part` of them.
    pub(super) fn use_up(&mut self, amount: usize, part: Range<usize>) -> &[u8] {
        let used = self.start + part.start..self.start + part.end;
        self.start = self.start.saturating_add(amount).min(self.end);
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
        &self.input[used]
    }

    /// The next so many bytes are a head that ureq is to see.
    pub(super) fn show(&mut self, head: usize) {
        self.shown = head.min(self.end - self.start);
        self.fresh = true;
    }

    /// Whatever ureq has left of what it was shown is none of its business any more.
    pub(super) fn hide(&mut self) {
        let left = std::mem::take(&mut self.shown);
        self.use_up(left, 0..0);
    }

    /// The output, until it is [put back](Self::put_back).
    pub(super) fn take_output(&mut self) -> Pages {
        std::mem::take(&mut self.output)
    }

    pub(super) fn put_back(&mut self, output: Pages) {
        self.output = output;
    }
}

impl Buffers for InOut {
    fn output(&mut self) -> &mut [u8] {
        self.output.grow(OUTPUT);
        &mut self.output
    }

    fn input(&self) -> &[u8] {
        &self.input[self.start..self.start + self.shown]
    }

    /// Scratch space for transports of ureq's own.
    fn input_append_buf(&mut self) -> &mut [u8] {
        &mut []
    }

    fn input_appended(&mut self, _: usize) {}

    fn input_consume(&mut self, amount: usize) {
        let amount = amount.min(self.shown);
        self.shown -= amount;
        self.fresh = amount > 0;
        self.use_up(amount, 0..0);
    }

    /// Scratch space is for chunked bodies alone, which are never sent.
    fn tmp_and_output(&mut self) -> (&mut [u8], &mut [u8]) {
        (&mut [], self.output())
    }

    fn can_use_input(&self) -> bool {
        self.fresh && self.shown > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receive(buffers: &mut InOut, bytes: &[u8]) {
        buffers.room()[..bytes.len()].copy_from_slice(bytes);
        buffers.filled(bytes.len());
    }

    #[test]
    fn ureq_sees_a_head_and_nothing_else() {
        let mut buffers = InOut::default();
        receive(&mut buffers, b"headbody");
        assert!(!buffers.can_use_input() && buffers.input().is_empty());
        buffers.show(4);
        assert!(buffers.can_use_input());
        assert_eq!(buffers.input(), b"head");
        buffers.input_consume(3);
        assert_eq!(buffers.input(), b"d");
        assert!(buffers.can_use_input(), "it went on, and may again");
        buffers.input_consume(0);
        assert!(!buffers.can_use_input(), "ureq could do nothing with it");
        buffers.input_consume(9);
        assert!(!buffers.can_use_input());
        assert_eq!(buffers.received(), b"body");
        buffers.show(2);
        buffers.hide();
        assert!(!buffers.can_use_input());
        assert_eq!(buffers.received(), b"dy");
    }

    #[test]
    fn what_is_used_up_makes_room() {
        let mut buffers = InOut::default();
        receive(&mut buffers, b"5\r\nabcdef");
        assert_eq!(buffers.use_up(8, 3..8), b"abcde");
        assert_eq!(buffers.received(), b"f");
        assert_eq!(buffers.room().len(), INPUT - 1);
        receive(&mut buffers, b"gh");
        assert_eq!(buffers.received(), b"fgh");
        assert_eq!(buffers.use_up(3, 1..3), b"gh");
        assert!(buffers.received().is_empty());
        assert_eq!(buffers.room().len(), INPUT);
    }
}
