//! The body of a request, as ureq asks for it.

use std::io::{self, Read};

use bytes::Bytes;
use sans3_core::error::SourceError;
use sans3_runtime::Body;

use crate::course::Course;

/// A request's body, as ureq reads it.
pub(crate) struct Payload<'a> {
    course: &'a Course,
    body: Body,
    slice: Bytes,
    left: u64,
    error: Option<SourceError>,
}

impl<'a> Payload<'a> {
    pub(crate) const fn new(course: &'a Course, body: Body) -> Self {
        Self {
            course,
            left: body.left(),
            body,
            slice: Bytes::new(),
            error: None,
        }
    }

    /// Bytes that ureq has not asked for yet.
    pub(crate) const fn left(&self) -> u64 {
        self.left
    }

    /// Why the source could not be read, if so.
    pub(crate) fn into_error(self) -> Option<SourceError> {
        self.error
    }

    /// Sees to it that there are bytes to send.
    fn fetch(&mut self) -> io::Result<()> {
        let broken = || io::Error::other("the source could not be read");
        while self.slice.is_empty() {
            let (until, late) = self.course.overdue();
            match self.course.block_on(self.body.next(), Some(until), || late) {
                Ok(Some(Ok(slice))) => self.slice = slice,
                Ok(Some(Err(error))) => {
                    self.error = Some(error);
                    return Err(broken());
                }
                Ok(None) => return Err(broken()),
                Err(fault) => {
                    self.course.on_fault(fault);
                    return Err(broken());
                }
            }
        }
        Ok(())
    }
}

impl Read for Payload<'_> {
    /// Writes nothing to `buf`: the bytes are handed over to the transport as they are, and ureq is
    /// told how many there are.
    ///
    /// Where the server takes nothing more, the rest is claimed without being read: the transport
    /// throws it away, and ureq, which wants to see a body sent before it reads an answer, goes on
    /// to that.
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let room = usize::try_from(self.left).map_or(buf.len(), |left| left.min(buf.len()));
        let taken = if self.course.is_deaf() {
            room
        } else {
            self.fetch()?;
            let slice = self.slice.split_to(self.slice.len().min(room));
            let taken = slice.len();
            self.course.hand_over(slice);
            taken
        };
        self.left -= taken as u64;
        Ok(taken)
    }
}
