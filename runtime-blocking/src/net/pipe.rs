//! The transport inside of ureq: it knows which exchange it serves, never blocks for good, and
//! lets ureq see nothing that could be read in two ways.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use sans3_core::attempt::Sent;
use sans3_core::error::TransportErrorKind;
use sans3_core::http1::{self, BodyRead, BodyReader, HeadRead, HeadReader};
use sans3_runtime::net::Fault;
use ureq::unversioned::transport::{Buffers, NextTimeout, Transport};

use super::Line;
use super::buffers::InOut;
use super::stream::{Stream, is_block};
use crate::course::Course;
use crate::park::deadline;

/// How much is received at once where it is looked at before ureq sees it.
const PIECE: usize = 16 * 1024;

/// The end of a head.
const EMPTY_LINE: &[u8] = b"\r\n\r\n";

/// A connection, as ureq uses it.
///
/// - A response head is shown to ureq when it is complete and checked, and interim ones are not:
///   ureq takes a 100 with fields for an error, and knows no limit of interim answers.
/// - A chunked body is framed anew: ureq's reader takes an end within the last chunk for a good
///   one, and refuses long chunk extensions.
/// - A write that fails, and an answer that comes while the request is sent, end the sending and
///   not the exchange: the answer still tells what the server makes of the request.
/// - Every fault is kept in the [`Course`] in our words. What ureq is told only ends its call: its
///   own reader would take a reset for the end of a body that has no length.
#[derive(Debug)]
pub(super) struct Pipe {
    line: Arc<Line>,
    stream: Stream,
    buffers: InOut,
    stage: Stage,
    course: Option<Arc<Course>>,
    /// Bytes of the request's body that have not left yet.
    unsent: u64,
    /// How long the body waits for the server's permission.
    patience: Duration,
    before_target: Option<String>,
    /// What was received and not yet taken apart.
    raw: Vec<u8>,
    /// How the answer broke while the request was still being sent.
    broken: Option<Fault>,
}

#[derive(Debug)]
enum Stage {
    /// Between two exchanges, or before the first.
    Idle,
    /// The head of a request is leaving.
    Asking(HeadReader),
    /// The head has left; a head is awaited.
    Answer(HeadReader),
    /// The final head has come.
    Content {
        body: BodyReader,
        /// Whether it comes in chunks.
        chunked: bool,
    },
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
            unsent: 0,
            patience: Duration::ZERO,
            before_target: None,
            raw: Vec::new(),
            broken: None,
        }
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

    fn send(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        if matches!(self.stage, Stage::Idle | Stage::Content { .. }) {
            self.begin();
        }
        let course = self.course()?;
        if course.is_deaf() {
            return Ok(());
        }
        if matches!(self.stage, Stage::Asking(_)) {
            match self.before_target.take() {
                Some(before) => self.write(&course, &in_absolute_form(bytes, &before))?,
                None => self.write(&course, bytes)?,
            }
            if bytes.ends_with(EMPTY_LINE) {
                self.on_head_sent();
            }
        } else {
            self.look(&course);
            self.write(&course, bytes)?;
            if !course.is_deaf() {
                self.unsent = self.unsent.saturating_sub(bytes.len() as u64);
            }
        }
        if self.unsent == 0 && !course.is_deaf() && matches!(self.stage, Stage::Answer(_)) {
            course.on_sent_in_full();
        }
        Ok(())
    }

    /// Takes up the exchange that is about to begin, if one is: an early answer ends the sending of
    /// a request, but not that ureq hands over the rest of it.
    fn begin(&mut self) {
        if let Some(order) = self.line.take_order() {
            self.course = Some(order.course);
            self.unsent = order.length;
            self.patience = order.patience.unwrap_or_default();
            self.before_target = order.before_target;
            self.stage = Stage::Asking(order.answer);
        }
    }

    fn on_head_sent(&mut self) {
        self.stage = match std::mem::replace(&mut self.stage, Stage::Idle) {
            Stage::Asking(reader) => Stage::Answer(reader),
            other => other,
        };
    }

    /// Sends all of `bytes`, unless the peer stops to take them or answers meanwhile.
    fn write(&mut self, course: &Course, mut bytes: &[u8]) -> Result<(), Fault> {
        while !course.is_deaf() {
            let before = self.stream.written();
            let socket = self.line.socket();
            let written = if bytes.is_empty() {
                self.stream.flush(socket).map(|()| 0)
            } else {
                self.stream.write(socket, bytes)
            };
            course.on_written(self.stream.written() - before);
            match written {
                Ok(_) if bytes.is_empty() => return Ok(()),
                Ok(written) => bytes = &bytes[written..],
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
        let answers = matches!(self.stage, Stage::Answer(_));
        let interest = if answers {
            PollFlags::OUT | PollFlags::IN
        } else {
            PollFlags::OUT
        };
        let ready = self.line.wait(course, interest, until)?.ok_or(late)?;
        if answers && ready.contains(PollFlags::IN) {
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
            match self.receive_raw() {
                Ok(0) => {
                    let Stage::Answer(reader) = &self.stage else {
                        return Ok(Found::Nothing);
                    };
                    return Err(fault(&reader.eof(&self.raw)));
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
        while !self.raw.is_empty() {
            match reader.read(&self.raw).map_err(|error| fault(&error))? {
                HeadRead::Incomplete => break,
                HeadRead::Interim { status, consumed } => {
                    self.raw.drain(..consumed);
                    if status == http::StatusCode::CONTINUE {
                        return Ok(Found::GoOn);
                    }
                }
                HeadRead::Final { consumed, body, .. } => {
                    self.buffers.push(&self.raw[..consumed]);
                    self.raw.drain(..consumed);
                    self.stage = Stage::Content {
                        chunked: !body.is_complete() && body.direct().is_none(),
                        body,
                    };
                    self.show_content()?;
                    return Ok(Found::Answer);
                }
            }
        }
        Ok(Found::Nothing)
    }

    /// Shows ureq what was received of the body.
    fn show_content(&mut self) -> Result<(), Fault> {
        let Stage::Content { body, chunked } = &mut self.stage else {
            return Ok(());
        };
        let (raw, buffers) = (&self.raw, &mut self.buffers);
        let was_complete = body.is_complete();
        let mut seen = 0;
        loop {
            match body.read(&raw[seen..]).map_err(|error| fault(&error))? {
                BodyRead::Data { consumed, span } => {
                    let payload = &raw[seen..][span];
                    if *chunked {
                        buffers.push(format!("{:x}\r\n", payload.len()).as_bytes());
                        buffers.push(payload);
                        buffers.push(b"\r\n");
                    } else {
                        buffers.push(payload);
                    }
                    seen += consumed;
                }
                BodyRead::Incomplete { consumed } | BodyRead::Complete { consumed } => {
                    seen += consumed;
                    break;
                }
            }
        }
        if *chunked && body.is_complete() && !was_complete {
            buffers.push(b"0\r\n\r\n");
        }
        self.raw.drain(..seen);
        Ok(())
    }

    fn receive_raw(&mut self) -> io::Result<usize> {
        let len = self.raw.len();
        self.raw.resize(len + PIECE, 0);
        let received = self.stream.read(self.line.socket(), &mut self.raw[len..]);
        self.raw.truncate(len + *received.as_ref().unwrap_or(&0));
        received
    }

    /// Waits for the head of the answer; for `limit` at most where the request's body waits for
    /// permission. `false` where it is to leave now.
    fn await_head(&mut self, limit: Option<Duration>) -> Result<bool, Fault> {
        let course = self.course()?;
        if let Some(fault) = self.broken.take() {
            course.check()?;
            return Err(fault);
        }
        let permission = limit.map(|limit| deadline(Instant::now(), limit));
        loop {
            match self.gather() {
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

    /// Waits for more of the answer's body. Returns without any at its end.
    fn await_content(&mut self) -> Result<(), Fault> {
        let course = self.course()?;
        let patience = course.patience();
        let until = deadline(Instant::now(), patience);
        let before = self.buffers.input().len();
        loop {
            match self.receive_content() {
                Ok(0) => {
                    course.check()?;
                    return self.on_end();
                }
                Ok(_) if self.buffers.input().len() > before => return Ok(()),
                // Framing alone.
                Ok(_) => {}
                Err(Trouble::Socket(error)) if is_block(&error) => {
                    if self.line.wait(&course, PollFlags::IN, until)?.is_none() {
                        let detail = format!("too few bytes came, the last ones {patience:?} ago");
                        return Err(Fault::new(TransportErrorKind::IdleTimeout, detail));
                    }
                }
                Err(trouble) => {
                    course.check()?;
                    return Err(trouble.into());
                }
            }
        }
    }

    /// Receives some of the body, framing included. 0 where nothing more can come.
    fn receive_content(&mut self) -> Result<usize, Trouble> {
        let Stage::Content { body, chunked } = &mut self.stage else {
            return Ok(0);
        };
        if body.is_complete() {
            return Ok(0);
        }
        if *chunked {
            let received = self.receive_raw().map_err(Trouble::Socket)?;
            self.show_content()?;
            return Ok(received);
        }
        let room = self.buffers.input_append_buf();
        let limit = body
            .direct()
            .and_then(|direct| usize::try_from(direct).ok());
        let limit = limit.map_or(room.len(), |limit| limit.min(room.len()));
        let received = self.stream.read(self.line.socket(), &mut room[..limit]);
        let received = received.map_err(Trouble::Socket)?;
        body.advance(received as u64)
            .map_err(|error| fault(&error))?;
        self.buffers.input_appended(received);
        Ok(received)
    }

    /// The server sends nothing more.
    fn on_end(&mut self) -> Result<(), Fault> {
        match &mut self.stage {
            Stage::Content { body, .. } => body.eof().map_err(|error| fault(&error)),
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

enum Trouble {
    Socket(io::Error),
    Fault(Fault),
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Trouble> for Fault {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Socket(error) => Self::from_io(&error),
            Trouble::Fault(fault) => fault,
        }
    }
}

impl Transport for Pipe {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, _: NextTimeout) -> Result<(), ureq::Error> {
        let output = self.buffers.take_output();
        let sent = self.send(&output[..amount]);
        self.buffers.put_back(output);
        sent.map_err(|fault| self.fail(fault))
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        // The wait for permission to send a body is the only one that ureq limits.
        let limit = (!timeout.after.is_not_happening()).then_some(self.patience);
        let come = match &self.stage {
            Stage::Content { .. } => self.await_content().map(|()| true),
            _ => self.await_head(limit),
        };
        match come {
            Ok(true) => Ok(true),
            Ok(false) => Err(ureq::Error::Timeout(timeout.reason)),
            Err(fault) => Err(self.fail(fault)),
        }
    }

    /// ureq asks this before it keeps a connection, and before it uses one that it kept.
    fn is_open(&mut self) -> bool {
        let sent = self.course.as_ref().map(|course| course.sent());
        let Stage::Content { body, .. } = &self.stage else {
            return false;
        };
        if !body.may_reuse(self.raw.len()) || sent != Some(Sent::All) {
            return false;
        }
        // Reads what TLS has to say between two answers.
        let received = self.stream.read(self.line.socket(), &mut [0]);
        received.is_err_and(|error| is_block(&error))
    }

    fn is_tls(&self) -> bool {
        self.stream.is_tls()
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        self.line.on_closed();
    }
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
