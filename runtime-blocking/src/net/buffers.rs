use sans3_runtime::Pages;
use ureq::unversioned::transport::Buffers;

/// How much is received before ureq takes it: more than the largest response head and what came
/// along with it.
pub(super) const INPUT: usize = 128 * 1024;

/// How much of a request is sent at once.
const OUTPUT: usize = 64 * 1024;

/// The buffers between ureq and the socket. Nothing is allocated before it is needed.
#[derive(Debug, Default)]
pub(super) struct InOut {
    input: Pages,
    start: usize,
    end: usize,
    /// Whether ureq has not yet seen all of the input, or took some of it when it did.
    fresh: bool,
    output: Pages,
}

impl InOut {
    /// Adds bytes that ureq is to see.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.input.grow(self.end + bytes.len());
        self.input[self.end..self.end + bytes.len()].copy_from_slice(bytes);
        self.input_appended(bytes.len());
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
        &self.input[self.start..self.end]
    }

    fn input_append_buf(&mut self) -> &mut [u8] {
        if self.start > 0 {
            self.input.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        self.input.grow(INPUT);
        &mut self.input[self.end..]
    }

    fn input_appended(&mut self, amount: usize) {
        self.end = self.end.saturating_add(amount).min(self.input.len());
        self.fresh |= amount > 0;
    }

    fn input_consume(&mut self, amount: usize) {
        self.start = self.start.saturating_add(amount).min(self.end);
        self.fresh = amount > 0;
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
    }

    /// Scratch space is for chunked bodies alone, which are never sent.
    fn tmp_and_output(&mut self) -> (&mut [u8], &mut [u8]) {
        (&mut [], self.output())
    }

    fn can_use_input(&self) -> bool {
        self.fresh && self.start < self.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_is_shown_again_only_with_more_behind_it() {
        let mut buffers = InOut::default();
        assert!(!buffers.can_use_input());
        buffers.push(b"abc");
        assert!(buffers.can_use_input());
        buffers.input_consume(0);
        assert!(!buffers.can_use_input(), "ureq could do nothing with it");
        buffers.push(b"def");
        assert!(buffers.can_use_input());
        buffers.input_consume(4);
        assert_eq!(buffers.input(), b"ef");
        assert!(buffers.can_use_input(), "it went on, and may again");
        buffers.input_consume(2);
        assert!(!buffers.can_use_input());
    }

    #[test]
    fn what_is_received_goes_behind_what_is_left() {
        let mut buffers = InOut::default();
        buffers.push(b"abcdef");
        buffers.input_consume(5);
        let room = buffers.input_append_buf();
        assert_eq!(room.len(), INPUT - 1);
        room[..2].copy_from_slice(b"gh");
        buffers.input_appended(2);
        assert_eq!(buffers.input(), b"fgh");
        buffers.push(&[b'x'; INPUT]);
        assert_eq!(
            buffers.input().len(),
            INPUT + 3,
            "what is pushed is never cut"
        );
        assert!(buffers.input_append_buf().is_empty());
    }
}
