use std::io;
use std::ops::Range;
use std::task::{Context, Poll, ready};

use sans3_runtime::Pages;

use super::stream::Stream;

/// How much is received at once, and the room for a response head. With the three buffers of an
/// exchange's payload it stays within what `SessionConfig::exchange_memory` sets aside.
const SIZE: usize = 128 * 1024;

/// What a connection has received and nobody has used yet. The bytes stay where the socket put
/// them: whoever uses them does so from here.
#[derive(Debug)]
pub(super) struct Input {
    memory: Pages,
    unread: Range<usize>,
}

impl Input {
    pub(super) fn new() -> Self {
        Self {
            memory: Pages::new(SIZE),
            unread: 0..0,
        }
    }

    pub(super) fn unread(&self) -> &[u8] {
        &self.memory[self.unread.clone()]
    }

    pub(super) fn is_empty(&self) -> bool {
        self.unread.is_empty()
    }

    /// The first `count` unread bytes are of no use any more.
    pub(super) fn consume(&mut self, count: usize) {
        self.unread.start = self.unread.end.min(self.unread.start.saturating_add(count));
    }

    /// The first `count` unread bytes are in use: those of them in `span`.
    pub(super) fn take(&mut self, count: usize, span: Range<usize>) -> &[u8] {
        let start = self.unread.start;
        self.consume(count);
        &self.memory[start + span.start..start + span.end]
    }

    /// Receives up to `most` bytes behind those that are unread; 0 at the stream's end.
    pub(super) fn poll_receive(
        &mut self,
        stream: &mut Stream,
        cx: &mut Context<'_>,
        most: u64,
    ) -> Poll<io::Result<usize>> {
        let bytes = &mut self.memory;
        // To the front, where the page begins, as soon as that costs little or has to be.
        if self.unread.is_empty() || self.unread.end == SIZE {
            bytes.copy_within(self.unread.clone(), 0);
            self.unread = 0..self.unread.len();
        }
        let room = &mut bytes[self.unread.end..];
        if room.is_empty() {
            // The codec refuses heads long before.
            let text = "framing that does not fit into the buffer";
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, text)));
        }
        let most = usize::try_from(most).unwrap_or(SIZE).min(room.len());
        let received = ready!(stream.poll_read(cx, &mut room[..most]))?;
        self.unread.end += received;
        Poll::Ready(Ok(received))
    }
}
