use std::fmt;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::sync::Arc;

use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};
use rustls::{ClientConfig, Error};

use crate::Pages;
use crate::pages::PAGE;

/// The plaintext of a full record (RFC 8446, section 5.1).
const RECORD: usize = 1 << 14;

/// More than a header, an explicit nonce and a tag make of it.
const OVERHEAD: usize = 64;

/// How much ciphertext is taken in at once, and the room for the messages of a handshake, which
/// rustls limits to 64 KiB each.
const RECEIVED: usize = 128 * 1024;

/// Where ciphertext is received: the rest of a record is moved in front of it, so that what the
/// socket brings begins with a page.
const FRONT: usize = 20 * 1024;

/// How much ciphertext leaves at once.
const LEAVING: usize = 8 * (RECORD + OVERHEAD);

/// TLS on a connection without its socket: whoever has the socket carries ciphertext.
///
/// - What is received goes to [`room`](Self::room), and is told by [`received`](Self::received). It
///   is deciphered where it lies, and [`read`](Self::read) gives it out.
/// - What [`unsent`](Self::unsent) shows has to leave, and is told by [`sent`](Self::sent). Some of it
///   is nobody's payload: look after each call, also after one that has failed, since an alert tells
///   the server why.
///
/// It begins with the handshake: [`shake_hands`](Self::shake_hands).
pub struct Secure {
    session: UnbufferedClientConnection,
    input: Pages,
    /// Ciphertext that has not been deciphered.
    undeciphered: Range<usize>,
    /// Plaintext for which there was no room where it was wanted.
    spare: Vec<u8>,
    given: usize,
    output: Output,
    /// The socket brings no more.
    is_cut: bool,
    /// The server has said that it sends no more.
    is_closed: bool,
    failure: Option<Error>,
}

/// Ciphertext on its way to the socket.
#[derive(Default)]
struct Output {
    memory: Pages,
    unsent: Range<usize>,
}

/// Why nothing was enciphered.
enum Refusal {
    TooSmall { needed: usize },
    Failed(Error),
}

/// What became of a step.
enum Step {
    /// There is something to do still.
    More,
    /// So many bytes of plaintext were read.
    Read(usize),
    /// So many bytes of plaintext were enciphered.
    Wrote(usize),
    /// Nothing can be done before more is received, or before what is unsent has left.
    Stuck,
}

impl Secure {
    /// A connection to `name`, before its handshake.
    ///
    /// # Errors
    /// Rustls can't use the configuration, as an error of I/O.
    pub fn new(config: &Arc<ClientConfig>, name: ServerName<'static>) -> io::Result<Self> {
        let session = UnbufferedClientConnection::new(Arc::clone(config), name);
        Ok(Self {
            session: session.map_err(refused)?,
            input: Pages::new(FRONT + RECEIVED),
            undeciphered: FRONT..FRONT,
            spare: Vec::new(),
            given: 0,
            output: Output::default(),
            is_cut: false,
            is_closed: false,
            failure: None,
        })
    }

    /// Goes on with the handshake as far as possible, and says whether it is complete. If not, what
    /// is [unsent](Self::unsent) has to leave, and more has to be received.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn shake_hands(&mut self) -> io::Result<bool> {
        // To the last word of ours, which rustls has ready when all has been said to us.
        while !matches!(self.step(0, &mut |_| (), &[])?, Step::Stuck) {}
        if self.session.is_handshaking() {
            return self.may_go_on().map(|()| false);
        }
        Ok(true)
    }

    /// Where ciphertext is to be received; never empty unless the server sends what can't be right.
    pub fn room(&mut self) -> &mut [u8] {
        let left = self.undeciphered.len();
        // A page begins where the rest of a record ends. What is more waits for the rest of a message,
        // and is moved only where it has to be.
        let start = left.next_multiple_of(PAGE).max(FRONT) - left;
        if left <= RECORD + OVERHEAD || self.undeciphered.end == self.input.len() {
            self.input.copy_within(self.undeciphered.clone(), start);
            self.undeciphered = start..start + left;
        }
        &mut self.input[self.undeciphered.end..]
    }

    /// So many bytes were received to the beginning of [`room`](Self::room); 0 at the socket's end.
    pub fn received(&mut self, count: usize) {
        self.is_cut |= count == 0;
        let end = self.undeciphered.end.saturating_add(count);
        self.undeciphered.end = end.min(self.input.len());
    }

    /// Reads what was received: some of it, 0 bytes at the end that the server has announced, and
    /// `None` where more has to be received first.
    ///
    /// # Errors
    /// [`InvalidData`](ErrorKind::InvalidData) with an error of rustls inside.
    /// [`UnexpectedEof`](ErrorKind::UnexpectedEof): the socket has ended without the server's word
    /// (RFC 8446, section 6.1), which may be an attacker's doing.
    pub fn read(&mut self, into: &mut [u8]) -> io::Result<Option<usize>> {
        let (room, mut rest) = (into.len(), into);
        self.read_with(room, |piece| {
            let (now, later) = std::mem::take(&mut rest).split_at_mut(piece.len());
            now.copy_from_slice(piece);
            rest = later;
        })
    }

    /// As [`read`](Self::read), by `put`, which gets at most `room` bytes, in pieces.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_with(
        &mut self,
        room: usize,
        mut put: impl FnMut(&[u8]),
    ) -> io::Result<Option<usize>> {
        if room == 0 {
            return Ok(Some(0));
        }
        let mut filled = self.take_spare(room, &mut put);
        while filled == 0 || room - filled >= RECORD {
            match self.step(room - filled, &mut put, &[]) {
                Ok(Step::Read(count)) => filled += count,
                Ok(Step::More | Step::Wrote(_)) => {}
                Ok(Step::Stuck) => break,
                // What came before is good; the error comes back.
                Err(_) if filled > 0 => break,
                Err(error) => return Err(error),
            }
        }
        if filled > 0 || self.is_closed {
            return Ok(Some(filled));
        }
        self.may_go_on().map(|()| None)
    }

    /// Enciphers some of `pieces`, one after the other, and says how much. 0 where what is
    /// [unsent](Self::unsent) has to leave first.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn write(&mut self, pieces: &[io::IoSlice<'_>]) -> io::Result<usize> {
        let mut taken = 0;
        for piece in pieces {
            let mut left = &piece[..];
            while !left.is_empty() {
                match self.step(0, &mut |_| (), left)? {
                    Step::Wrote(count) => {
                        taken += count;
                        left = &left[count..];
                    }
                    Step::More | Step::Read(_) => {}
                    Step::Stuck => return Ok(taken),
                }
            }
        }
        Ok(taken)
    }

    /// Ciphertext that has to leave.
    pub fn unsent(&self) -> &[u8] {
        &self.output.memory[self.output.unsent.clone()]
    }

    /// So many bytes of [`unsent`](Self::unsent) have left.
    pub fn sent(&mut self, count: usize) {
        let unsent = &mut self.output.unsent;
        unsent.start = unsent.end.min(unsent.start.saturating_add(count));
        if unsent.start == unsent.end {
            *unsent = 0..0;
        }
    }

    /// Whether more may be received.
    fn may_go_on(&mut self) -> io::Result<()> {
        if self.is_cut || self.is_closed {
            let text = "the connection ended without the server's word";
            return Err(io::Error::new(ErrorKind::UnexpectedEof, text));
        }
        if self.room().is_empty() {
            let text = "a message of TLS that does not fit into the buffer";
            return Err(io::Error::new(ErrorKind::InvalidData, text));
        }
        Ok(())
    }

    fn take_spare(&mut self, room: usize, put: &mut impl FnMut(&[u8])) -> usize {
        let left = &self.spare[self.given..];
        let count = left.len().min(room);
        if count > 0 {
            put(&left[..count]);
            self.given += count;
        }
        if self.given == self.spare.len() {
            self.spare.clear();
            self.given = 0;
        }
        count
    }

    /// Has rustls do one thing. A failure stays.
    fn step(&mut self, room: usize, put: &mut dyn FnMut(&[u8]), from: &[u8]) -> io::Result<Step> {
        if let Some(error) = &self.failure {
            return Err(refused(error.clone()));
        }
        self.step_on(room, put, from).map_err(|error| {
            self.failure = Some(error.clone());
            // Rustls has the alert ready, if there is one to be sent.
            let _ = self.step_on(0, &mut |_| (), &[]);
            refused(error)
        })
    }

    fn step_on(
        &mut self,
        room: usize,
        put: &mut dyn FnMut(&[u8]),
        from: &[u8],
    ) -> Result<Step, Error> {
        let Self {
            session,
            input,
            undeciphered,
            spare,
            output,
            is_closed,
            ..
        } = self;
        let ciphertext = &mut input[undeciphered.clone()];
        let UnbufferedStatus { mut discard, state } = session.process_tls_records(ciphertext);
        let mut step = Step::More;
        match state? {
            ConnectionState::ReadTraffic(mut traffic) => {
                let mut filled = 0;
                while let Some(record) = traffic.next_record() {
                    let record = record?;
                    discard += record.discard;
                    let fits = record.payload.len().min(room - filled);
                    let (now, later) = record.payload.split_at(fits);
                    if fits > 0 {
                        put(now);
                    }
                    spare.extend_from_slice(later);
                    filled += fits;
                }
                if filled > 0 {
                    step = Step::Read(filled);
                }
            }
            ConnectionState::EncodeTlsData(mut message) => {
                output.put(|room| Ok(message.encode(room)?))?;
            }
            // What is encoded leaves in its order, whoever sends it.
            ConnectionState::TransmitTlsData(message) => message.done(),
            ConnectionState::WriteTraffic(mut traffic) => {
                let count = output.fits().min(from.len());
                step = if count == 0 {
                    Step::Stuck
                } else {
                    output.put(|room| Ok(traffic.encrypt(&from[..count], room)?))?;
                    Step::Wrote(count)
                };
            }
            ConnectionState::PeerClosed => *is_closed = true,
            ConnectionState::Closed | ConnectionState::BlockedHandshake => step = Step::Stuck,
            state => {
                return Err(Error::General(format!(
                    "{state:?} is nothing a client expects"
                )));
            }
        }
        let start = undeciphered.start.saturating_add(discard);
        undeciphered.start = undeciphered.end.min(start);
        Ok(step)
    }
}

impl Output {
    /// How many bytes of plaintext may be enciphered before the rest has left.
    fn fits(&self) -> usize {
        // Whole records: a small one at the end would cost as much as a large one.
        LEAVING.saturating_sub(self.unsent.end) / (RECORD + OVERHEAD) * RECORD
    }

    /// Has `encode` write behind what is unsent.
    fn put(
        &mut self,
        mut encode: impl FnMut(&mut [u8]) -> Result<usize, Refusal>,
    ) -> Result<(), Error> {
        loop {
            match encode(&mut self.memory[self.unsent.end..]) {
                Ok(written) => {
                    self.unsent.end += written;
                    return Ok(());
                }
                Err(Refusal::TooSmall { needed }) => {
                    let len = self.unsent.end.saturating_add(needed);
                    self.memory.grow(len.next_multiple_of(PAGE));
                }
                Err(Refusal::Failed(error)) => return Err(error),
            }
        }
    }
}

impl From<EncodeError> for Refusal {
    fn from(error: EncodeError) -> Self {
        match error {
            EncodeError::InsufficientSize(size) => Self::TooSmall {
                needed: size.required_size,
            },
            error @ EncodeError::AlreadyEncoded => Self::Failed(Error::General(error.to_string())),
        }
    }
}

impl From<EncryptError> for Refusal {
    fn from(error: EncryptError) -> Self {
        match error {
            EncryptError::InsufficientSize(size) => Self::TooSmall {
                needed: size.required_size,
            },
            error @ EncryptError::EncryptExhausted => {
                Self::Failed(Error::General(error.to_string()))
            }
        }
    }
}

impl fmt::Debug for Secure {
    /// Shows nothing of what is said.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secure")
            .field("undeciphered", &self.undeciphered.len())
            .field("unsent", &self.output.unsent.len())
            .field("failure", &self.failure)
            .finish_non_exhaustive()
    }
}

fn refused(error: Error) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, error)
}
