//! A connection, and how ureq uses it: it knows which exchange it serves, never blocks for good, and
//! lets ureq see nothing that could be read in two ways.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use sans3_core::attempt::Sent;
use sans3_core::error::TransportErrorKind;
use sans3_core::http1::{self, BodyRead, BodyReader, HeadRead, HeadReader};
use sans3_runtime::net::Fault;
use ureq::unversioned::transport::{Buffers, NextTimeout};

use super::Line;
use super::buffers::InOut;
use super::stream::{Stream, is_block};
use crate::course::Course;
use crate::park::deadline;

/// The end of a head.
const EMPTY_LINE: &[u8] = b"\r\n\r\n";

/// A connection.
///
/// - A response head is shown to ureq when it is complete and checked, and interim ones are not:
///   ureq takes a 100 with fields for an error, and knows no limit of interim answers.
/// - ureq writes heads and reads them. Of a request's body it is told the length alone, slice by
///   slice, and each slice leaves from where it is. An answer's body is [read](Self::read) past it:
///   it would copy each byte, take an end within the last chunk for a good one, and refuse long
///   chunk extensions.
/// - A write that fails, and an answer that comes while the request is sent, end the sending and
///   not the exchange: the answer still tells what the server makes of the request.
/// - Every fault is kept in the [`Course`] in our words. What ureq is told only ends its call.
#[derive(Debug)]
pub(super) struct Pipe {
    line: Arc<Line>,
    stream: Stream,
    buffers: InOut,
    stage: Stage,
    course: Option<Arc<Course>>,
    /// A head that leaves together with the first bytes of its body.
    head: Vec<u8>,
    /// Bytes of the request's body that have not left yet.
    unsent: u64,
    /// How long the body waits for the server's permission.
    patience: Option<Duration>,
    before_target: Option<String>,
    /// How the answer broke while the request was still being sent.
    broken: Option<Fault>,
}

/// An exchange that is about to begin.
pub(super) struct Order {
    pub(super) course: Arc<Course>,
    pub(super) answer: HeadReader,
    /// What stands before the target where it is sent in absolute form.
    pub(super) before_target: Option<String>,
    /// How long the request's body waits for the server's permission.
    pub(super) patience: Option<Duration>,
    /// The length of the request's body.
    pub(super) length: u64,
}

#[derive(Debug)]
enum Stage {
    /// Before the first exchange.
    Idle,
    /// The head of a request is leaving.
    Asking(HeadReader),
    /// The head has left; a head is awaited.
    Answer(HeadReader),
    /// The final head has come.
    Content(BodyReader),
}

/// What was found when answers were looked for.
enum Found {
    Nothing,
    /// The server wants the body that was held back.
    GoOn,
    Answer,
}

impl Pipe {
    pub(super) fn new(line: Arc<Line>, stream: Stream) -> Self {
        Self {
            line,
            stream,
            buffers: InOut::default(),
            stage: Stage::Idle,
            course: None,
            head: Vec::new(),
            unsent: 0,
            patience: None,
            before_target: None,
            broken: None,
        }
    }

    /// Takes up an exchange.
    pub(super) fn begin(&mut self, order: Order) {
        self.course = Some(order.course);
        self.head.clear();
        self.unsent = order.length;
        self.patience = order.patience;
        self.before_target = order.before_target;
        self.broken = None;
        self.stage = Stage::Asking(order.answer);
    }

    /// The next bytes of the answer's body; none at its end.
    pub(super) fn read(&mut self) -> Result<&[u8], Fault> {
        let course = self.course()?;
        let mut until = None;
        let (consumed, span) = loop {
            let Stage::Content(body) = &mut self.stage else {
                return Err(Fault::new(TransportErrorKind::Other, "no answer has come"));
            };
            let found = body.read(self.buffers.received());
            match found.map_err(|error| fault(&error))? {
                BodyRead::Data { consumed, span } => break (consumed, span),
                BodyRead::Complete { consumed } => break (consumed, 0..0),
                BodyRead::Incomplete { consumed } => self.buffers.use_up(consumed, 0..0),
            };
            match self.receive() {
                Ok(0) => {
                    course.check()?;
                    self.on_end()?;
                }
                Ok(_) => {}
                Err(error) if is_block(&error) => {
                    let patience = course.patience();
                    let until = *until.get_or_insert_with(|| deadline(Instant::now(), patience));
                    if self.line.wait(&course, PollFlags::IN, until)?.is_none() {
                        let detail = format!("too few bytes came, the last ones {patience:?} ago");
                        return Err(Fault::new(TransportErrorKind::IdleTimeout, detail));
                    }
                }
                Err(error) => {
                    course.check()?;
                    return Err(Fault::from_io(&error));
                }
            }
        };
        Ok(self.buffers.use_up(consumed, span))
    }

    /// Lets go of an exchange that is over. `false` where the connection can't take another one.
    pub(super) fn end(&mut self) -> bool {
        let sent = self.course.take().map(|course| course.sent());
        let Stage::Content(body) = &self.stage else {
            return false;
        };
        if !body.may_reuse(self.buffers.received().len()) || sent != Some(Sent::All) {
            return false;
        }
        // Reads what TLS has to say between two answers. What else comes is seen before the
        // connection is used again.
        !self.stream.is_tls() || self.receive().is_err_and(|error| is_block(&error))
    }

    pub(super) const fn is_tls(&self) -> bool {
        self.stream.is_tls()
    }

    pub(super) fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    /// Sends what ureq has written: a head, or nothing but the length of the slice of the body that
    /// [the exchange](Course::take_slice) has beside it.
    pub(super) fn transmit(&mut self, amount: usize) -> Result<(), ureq::Error> {
        let output = self.buffers.take_output();
        let sent = match &self.stage {
            Stage::Asking(_) => self.send_head(&output[..amount]),
            _ => self.send_body(amount),
        };
        self.buffers.put_back(output);
        sent.map_err(|fault| self.fail(fault))
    }

    /// Waits until there is a head for ureq.
    pub(super) fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        // The wait for permission to send a body is the only one that ureq limits.
        let asks = !timeout.after.is_not_happening();
        let limit = asks.then(|| self.patience.unwrap_or_default());
        match self.await_head(limit) {
            Ok(true) => Ok(true),
            Ok(false) => Err(ureq::Error::Timeout(timeout.reason)),
            Err(fault) => Err(self.fail(fault)),
        }
    }

    /// ureq has done its part.
    pub(super) fn give_back(&mut self) {
        self.buffers.hide();
    }

    fn course(&self) -> Result<Arc<Course>, Fault> {
        let missing = || Fault::new(TransportErrorKind::Other, "no exchange is under way");
        self.course.clone().ok_or_else(missing)
    }

    /// Tells ureq that the exchange is over, and the exchange why.
    fn fail(&self, fault: Fault) -> ureq::Error {
        if let Some(course) = &self.course {
            course.on_fault(fault);
        }
        ureq::Error::Io(io::Error::other("the exchange broke"))
    }

    /// Sends a head, or keeps it for the first bytes of its body where nothing is awaited between
    /// them: a call less, and one packet in place of two.
    fn send_head(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        match self.before_target.take() {
            Some(before) => self.head.extend(in_absolute_form(bytes, &before)),
            None => self.head.extend_from_slice(bytes),
        }
        if !bytes.ends_with(EMPTY_LINE) {
            return Ok(());
        }
        self.stage = match std::mem::replace(&mut self.stage, Stage::Idle) {
            Stage::Asking(reader) => Stage::Answer(reader),
            other => other,
        };
        if self.unsent == 0 || self.patience.is_some() {
            let course = self.course()?;
            self.write(&course, &[])?;
            self.on_sent(&course);
        }
        Ok(())
    }

    fn send_body(&mut self, amount: usize) -> Result<(), Fault> {
        let course = self.course()?;
        let slice = course.take_slice();
        if course.is_deaf() {
            return Ok(());
        }
        if slice.len() != amount {
            let detail = format!("a slice of {} bytes was told to have {amount}", slice.len());
            return Err(Fault::new(TransportErrorKind::Other, detail));
        }
        if self.head.is_empty() {
            self.look(&course);
        }
        self.write(&course, &slice)?;
        if !course.is_deaf() {
            self.unsent = self.unsent.saturating_sub(amount as u64);
        }
        self.on_sent(&course);
        Ok(())
    }

    fn on_sent(&self, course: &Course) {
        if self.unsent == 0 && !course.is_deaf() && matches!(self.stage, Stage::Answer(_)) {
            course.on_sent_in_full();
        }
    }

    /// Sends the head, if it waits, and all of `bytes`, unless the peer stops to take them or
    /// answers meanwhile.
    fn write(&mut self, course: &Course, bytes: &[u8]) -> Result<(), Fault> {
        let head = std::mem::take(&mut self.head);
        let mut pieces = &mut [IoSlice::new(&head), IoSlice::new(bytes)][..];
        // Passes over a head that has left already.
        IoSlice::advance_slices(&mut pieces, 0);
        let mut left = head.len() + bytes.len();
        while !course.is_deaf() {
            let before = self.stream.written();
            let socket = self.line.socket();
            let written = if left == 0 {
                self.stream.flush(socket).map(|()| 0)
            } else {
                self.stream.write(socket, pieces)
            };
            course.on_written(self.stream.written() - before);
            match written {
                Ok(_) if left == 0 => return Ok(()),
                Ok(written) => {
                    IoSlice::advance_slices(&mut pieces, written);
                    left -= written;
                }
                Err(error) if is_block(&error) => self.wait_to_write(course)?,
                Err(_) => {
                    course.check()?;
                    course.on_deaf();
                }
            }
        }
        Ok(())
    }

    fn wait_to_write(&mut self, course: &Course) -> Result<(), Fault> {
        let (until, late) = course.overdue();
        let ready = self
            .line
            .wait(course, PollFlags::OUT | PollFlags::IN, until)?;
        if ready.ok_or(late)?.contains(PollFlags::IN) {
            self.look(course);
        }
        Ok(())
    }

    /// Looks whether an answer has come, or can't come any more: the rest of the request is of no
    /// use then.
    fn look(&mut self, course: &Course) {
        if !matches!(self.stage, Stage::Answer(_)) {
            return;
        }
        loop {
            match self.gather() {
                // A permission that comes late, or twice.
                Ok(Found::GoOn) => {}
                Ok(Found::Nothing) => return,
                Ok(Found::Answer) => return course.on_deaf(),
                Err(fault) => {
                    self.broken = Some(fault);
                    return course.on_deaf();
                }
            }
        }
    }

    /// Receives what is there, until the final head is complete.
    fn gather(&mut self) -> Result<Found, Fault> {
        loop {
            let found = self.find_head()?;
            if !matches!(found, Found::Nothing) {
                return Ok(found);
            }
            match self.receive() {
                Ok(0) => {
                    let Stage::Answer(reader) = &self.stage else {
                        return Ok(Found::Nothing);
                    };
                    return Err(fault(&reader.eof(self.buffers.received())));
                }
                Ok(_) => {}
                Err(error) if is_block(&error) => return Ok(Found::Nothing),
                Err(error) => return Err(Fault::from_io(&error)),
            }
        }
    }

    fn find_head(&mut self) -> Result<Found, Fault> {
        let Stage::Answer(reader) = &mut self.stage else {
            return Ok(Found::Answer);
        };
        while !self.buffers.received().is_empty() {
            let found = reader.read(self.buffers.received());
            match found.map_err(|error| fault(&error))? {
                HeadRead::Incomplete => break,
                HeadRead::Interim { status, consumed } => {
                    self.buffers.use_up(consumed, 0..0);
                    if status == http::StatusCode::CONTINUE {
                        return Ok(Found::GoOn);
                    }
                }
                HeadRead::Final { consumed, body, .. } => {
                    self.buffers.show(consumed);
                    self.stage = Stage::Content(body);
                    return Ok(Found::Answer);
                }
            }
        }
        Ok(Found::Nothing)
    }

    /// Receives what is there, behind what was received before.
    fn receive(&mut self) -> io::Result<usize> {
        let room = self.buffers.room();
        let received = self.stream.read(self.line.socket(), room)?;
        self.buffers.filled(received);
        Ok(received)
    }

    /// Waits for the head of the answer; for `limit` at most where the request's body waits for
    /// permission. `false` where it is to leave now.
    fn await_head(&mut self, limit: Option<Duration>) -> Result<bool, Fault> {
        let course = self.course()?;
        if let Some(fault) = self.broken.take() {
            course.check()?;
            return Err(fault);
        }
        if matches!(self.stage, Stage::Content(_)) {
            let text = "ureq could do nothing with a complete head";
            return Err(Fault::new(TransportErrorKind::BadHttp, text));
        }
        let permission = limit.map(|limit| deadline(Instant::now(), limit));
        // Nothing can have come yet, but for what a TLS session has read ahead.
        let mut is_early = !self.stream.is_tls() && self.buffers.received().is_empty();
        loop {
            let found = if std::mem::take(&mut is_early) {
                Ok(Found::Nothing)
            } else {
                self.gather()
            };
            match found {
                Ok(Found::Answer) => return Ok(true),
                Ok(Found::GoOn) if permission.is_some() => break,
                Ok(Found::GoOn) => continue,
                Ok(Found::Nothing) => {}
                Err(fault) => {
                    course.check()?;
                    return Err(fault);
                }
            }
            let (until, late) = course.overdue();
            let until = permission.unwrap_or(until);
            if self.line.wait(&course, PollFlags::IN, until)?.is_none() {
                if permission.is_some() {
                    break;
                }
                return Err(late);
            }
        }
        course.touch();
        Ok(false)
    }

    /// The server sends nothing more.
    fn on_end(&mut self) -> Result<(), Fault> {
        match &mut self.stage {
            Stage::Content(body) => body.eof().map_err(|error| fault(&error)),
            _ => Ok(()),
        }
    }
}

fn fault(error: &http1::Error) -> Fault {
    Fault::new(error.kind(), error.to_string())
}

/// A head whose target is what ureq wrote, and `before` in front of it. ureq writes the origin form
/// alone; a proxy needs the absolute one (RFC 9112, section 3.2.2).
fn in_absolute_form(head: &[u8], before: &str) -> Vec<u8> {
    let method = head
        .iter()
        .position(|byte| *byte == b' ')
        .map_or(0, |at| at + 1);
    let (method, rest) = head.split_at(method);
    [method, before.as_bytes(), rest].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_in_absolute_form_is_the_same_one() {
        let head = b"GET /a/../b?c HTTP/1.1\r\nhost: x\r\n\r\n";
        let seen = in_absolute_form(head, "http://x:81");
        assert_eq!(
            seen,
            b"GET http://x:81/a/../b?c HTTP/1.1\r\nhost: x\r\n\r\n"
        );
    }
}
