use super::{Error, MAX_EXTENSIONS, MAX_FIELDS, MAX_LENGTH, MAX_TRAILERS};

/// The chunked transfer coding (RFC 9112, section 7.1), byte by byte but for the data: no byte of
/// framing has to be kept for the next call.
#[derive(Clone, Debug, Default)]
pub(super) struct Chunks {
    state: State,
    /// Bytes of chunk extensions so far.
    extensions: usize,
    /// Bytes and lines of trailers so far.
    trailers: usize,
    trailer_lines: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Before the first digit of a size.
    #[default]
    Start,
    Size {
        size: u64,
        digits: u8,
    },
    /// White space behind a size, which only an extension may have before it.
    Space {
        size: u64,
    },
    Extension {
        size: u64,
    },
    SizeLf {
        size: u64,
    },
    Data {
        left: u64,
    },
    DataCr,
    DataLf,
    /// At the beginning of a line behind the last chunk.
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerLf,
    LastLf,
    Complete,
}

/// The most digits of a size: 64 bits.
const MAX_DIGITS: u8 = 16;

impl Chunks {
    /// Takes framing up to the next data, to the end of the body, or to the end of `input`; how
    /// many bytes it had.
    pub(super) fn skip_framing(&mut self, input: &[u8]) -> Result<usize, Error> {
        for (at, byte) in input.iter().enumerate() {
            if matches!(self.state, State::Data { .. } | State::Complete) {
                return Ok(at);
            }
            self.state = self.next(*byte)?;
        }
        Ok(input.len())
    }

    /// How many bytes of data come next.
    pub(super) const fn data(&self) -> Option<u64> {
        match self.state {
            State::Data { left } => Some(left),
            _ => None,
        }
    }

    /// So many bytes of data were passed over.
    pub(super) const fn take(&mut self, data: u64) {
        if let State::Data { left } = self.state {
            self.state = match left.saturating_sub(data) {
                0 => State::DataCr,
                left => State::Data { left },
            };
        }
    }

    pub(super) const fn is_complete(&self) -> bool {
        matches!(self.state, State::Complete)
    }

    fn next(&mut self, byte: u8) -> Result<State, Error> {
        match self.state {
            State::Start => match hex(byte) {
                Some(digit) => size(0, 0, digit),
                None => Err(Error::malformed("the hexadecimal size of a chunk", &[byte])),
            },
            State::Size { size, digits } => match (hex(byte), byte) {
                (Some(digit), _) => self::size(size, digits, digit),
                (None, b'\r') => Ok(State::SizeLf { size }),
                (None, b';') => self.extension(State::Extension { size }),
                (None, b' ' | b'\t') => self.extension(State::Space { size }),
                _ => Err(Error::malformed(
                    "CRLF or \";\" behind a chunk's size",
                    &[byte],
                )),
            },
            State::Space { size } => match byte {
                b';' => self.extension(State::Extension { size }),
                b' ' | b'\t' => self.extension(self.state),
                _ => Err(Error::malformed(
                    "an extension behind a chunk's size",
                    &[byte],
                )),
            },
            State::Extension { size } => match byte {
                b'\r' => Ok(State::SizeLf { size }),
                byte if is_value(byte) => self.extension(self.state),
                _ => Err(Error::malformed("CRLF behind a chunk's extension", &[byte])),
            },
            State::SizeLf { size } => match (byte, size) {
                (b'\n', 0) => Ok(State::TrailerStart),
                (b'\n', left) => Ok(State::Data { left }),
                _ => Err(Error::malformed(
                    "CRLF behind a chunk's size",
                    &[b'\r', byte],
                )),
            },
            State::DataCr if byte == b'\r' => Ok(State::DataLf),
            State::DataLf if byte == b'\n' => Ok(State::Start),
            State::DataCr | State::DataLf => {
                Err(Error::malformed("CRLF behind a chunk's data", &[byte]))
            }
            _ => self.trailer(byte),
        }
    }

    /// Counts a byte of an extension, which leads to `state`.
    fn extension(&mut self, state: State) -> Result<State, Error> {
        self.extensions += 1;
        if self.extensions > MAX_EXTENSIONS {
            return Err(Error::malformed(
                "at most 16 KiB of chunk extensions",
                b"more",
            ));
        }
        Ok(state)
    }

    /// Trailers are checked as fields are, and passed over.
    fn trailer(&mut self, byte: u8) -> Result<State, Error> {
        self.trailers += 1;
        if self.trailers > MAX_TRAILERS || self.trailer_lines > MAX_FIELDS {
            return Err(Error::malformed(
                "at most 16 KiB and 128 fields of trailers",
                b"more",
            ));
        }
        match (self.state, byte) {
            (State::TrailerStart, b'\r') => Ok(State::LastLf),
            (State::LastLf, b'\n') => Ok(State::Complete),
            (State::TrailerStart, byte) if is_token(byte) => {
                self.trailer_lines += 1;
                Ok(State::TrailerName)
            }
            (State::TrailerName, b':') => Ok(State::TrailerValue),
            (State::TrailerName, byte) if is_token(byte) => Ok(State::TrailerName),
            (State::TrailerValue, b'\r') => Ok(State::TrailerLf),
            (State::TrailerValue, byte) if is_value(byte) => Ok(State::TrailerValue),
            (State::TrailerLf, b'\n') => Ok(State::TrailerStart),
            _ => Err(Error::malformed(
                "a trailer or CRLF behind the last chunk",
                &[byte],
            )),
        }
    }
}

/// The size with one more digit.
fn size(size: u64, digits: u8, digit: u8) -> Result<State, Error> {
    let longer = size.checked_mul(16).map(|size| size | u64::from(digit));
    match longer {
        Some(size) if digits < MAX_DIGITS && size <= MAX_LENGTH => Ok(State::Size {
            size,
            digits: digits + 1,
        }),
        _ => {
            let seen = format!("{size:x}{digit:x}");
            let expected = "a chunk's size of at most 16 digits and 2^63-1";
            Err(Error::malformed(expected, seen.as_bytes()))
        }
    }
}

const fn hex(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// RFC 9110, section 5.6.2.
const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

/// What a field's value is made of (RFC 9110, section 5.5).
const fn is_value(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~' | 0x80..)
}
