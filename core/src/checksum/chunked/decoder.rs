use core::ops::Range;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::error::{Rule, Violation};

/// The longest line that names a chunk's length; a signed one has 87 bytes.
const MAX_CHUNK_LINE: usize = 256;
/// The longest trailer section.
const MAX_TRAILERS: usize = 8 * 1024;
/// The most trailer fields.
const MAX_TRAILER_FIELDS: usize = 16;

/// Decodes a chunked body as it arrives, and copies nothing: it says where in the input the
/// payload is.
///
/// Strict (RFC 9112, section 7.1): lines end in CRLF and nothing else, lengths are 1 to 16
/// hexadecimal digits, and no space stands around them. Chunk extensions are skipped, as the RFC
/// demands; those of signed chunks are not verified. Memory is bounded: 256 bytes for a chunk's
/// line, 8 KiB and 16 fields for the trailers.
///
/// ```
/// use sans3_core::checksum::chunked::Decoder;
///
/// let mut input = &b"4\r\nsans\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\nnext"[..];
/// let mut decoder = Decoder::new(Some(4));
/// let mut payload = Vec::new();
/// while !input.is_empty() && !decoder.is_done() {
///     let decoded = decoder.decode(input)?;
///     payload.extend_from_slice(&input[decoded.payload]);
///     input = &input[decoded.consumed..];
/// }
/// assert_eq!(payload, b"sans");
/// assert_eq!(input, b"next");
/// assert_eq!(decoder.finish()?["x-amz-checksum-crc32"], "AAAAAA==");
/// # Ok::<(), sans3_core::error::Violation>(())
/// ```
#[derive(Clone, Debug)]
pub struct Decoder {
    state: State,
    /// The length that the head declares.
    expected: Option<u64>,
    decoded: u64,
    /// The line under way; of the trailers all lines.
    line: Vec<u8>,
    trailers: HeaderMap,
}

/// A step through the input: see [`Decoder::decode`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// How much of the input is dealt with.
    pub consumed: usize,
    /// Where in the input payload stands; it may be empty.
    pub payload: Range<usize>,
}

#[derive(Clone, Debug)]
enum State {
    ChunkLine,
    Payload { left: u64 },
    ChunkEnd,
    Trailers,
    Done,
    Failed(Violation),
}

impl Decoder {
    /// A decoder at the start of a body of `expected` bytes of payload
    /// (`x-amz-decoded-content-length`), or of any number.
    pub fn new(expected: Option<u64>) -> Self {
        Self {
            state: State::ChunkLine,
            expected,
            decoded: 0,
            line: Vec::new(),
            trailers: HeaderMap::new(),
        }
    }

    /// Takes the next bytes of the body: framing up to and with the next run of payload, if there
    /// is one. Call it again with what was not consumed, until [`is_done`](Self::is_done); bytes
    /// behind the end are never consumed.
    ///
    /// # Errors
    /// Anything that is not the chunked coding, is beyond the limits, or has another length than
    /// expected. The error stays: there is no way on from it.
    pub fn decode(&mut self, input: &[u8]) -> Result<Decoded, Violation> {
        let step = self.step(input);
        if let Err(fault) = &step {
            self.state = State::Failed(fault.clone());
        }
        step
    }

    /// Whether the body is complete.
    pub const fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// How many bytes of payload have been decoded.
    pub const fn decoded_len(&self) -> u64 {
        self.decoded
    }

    /// The trailer fields of a complete body. They are not headers, and must not be merged with
    /// them (RFC 9110, section 6.5.1).
    ///
    /// # Errors
    /// A body that ended early, or the error that decoding has met.
    pub fn finish(self) -> Result<HeaderMap, Violation> {
        match self.state {
            State::Done => Ok(self.trailers),
            State::Failed(fault) => Err(fault),
            _ => Err(Violation::new(
                Rule::BodyLength,
                "a chunked body up to its last chunk and trailers",
                format!("its end after {} bytes of payload", self.decoded),
            )),
        }
    }

    fn step(&mut self, input: &[u8]) -> Result<Decoded, Violation> {
        let mut at = 0;
        while let Some(&byte) = input.get(at) {
            match &mut self.state {
                State::Payload { left } => {
                    let here = input.len() - at;
                    let len = usize::try_from(*left).map_or(here, |left| left.min(here));
                    // Both fit: `len` is at most `left`, whose chunk was added up when it began.
                    let count = u64::try_from(len).unwrap_or(*left);
                    *left -= count;
                    self.decoded += count;
                    if *left == 0 {
                        self.state = State::ChunkEnd;
                    }
                    return Ok(Decoded {
                        consumed: at + len,
                        payload: at..at + len,
                    });
                }
                State::Done => break,
                State::Failed(fault) => return Err(fault.clone()),
                State::ChunkLine => self.chunk_line(byte)?,
                State::ChunkEnd => self.chunk_end(byte)?,
                State::Trailers => self.trailer(byte)?,
            }
            at += 1;
        }
        Ok(Decoded {
            consumed: at,
            payload: at..at,
        })
    }

    fn chunk_line(&mut self, byte: u8) -> Result<(), Violation> {
        if !self.push(byte, MAX_CHUNK_LINE)? {
            return Ok(());
        }
        let len = chunk_length(&self.line)?;
        self.line.clear();
        let total = self.decoded.checked_add(len);
        let fits = match (total, self.expected) {
            (Some(total), Some(expected)) if len == 0 => total == expected,
            (Some(total), Some(expected)) => total <= expected,
            (total, None) => total.is_some(),
            (None, Some(_)) => false,
        };
        if !fits {
            let most = self.expected.unwrap_or(u64::MAX);
            return Err(Violation::new(
                Rule::BodyLength,
                format!("chunks of {most} bytes in all"),
                format!("a chunk of {len} bytes after {}", self.decoded),
            ));
        }
        self.state = if len == 0 {
            State::Trailers
        } else {
            State::Payload { left: len }
        };
        Ok(())
    }

    fn chunk_end(&mut self, byte: u8) -> Result<(), Violation> {
        if self.push(byte, b"\r\n".len())? {
            self.line.clear();
            self.state = State::ChunkLine;
        } else if self.line != b"\r" {
            return Err(Violation::new(
                Rule::BodyLength,
                "CRLF at the end of a chunk",
                &self.line,
            ));
        }
        Ok(())
    }

    fn trailer(&mut self, byte: u8) -> Result<(), Violation> {
        let ended = self.push(byte, MAX_TRAILERS)?;
        if ended && (self.line == b"\r\n" || self.line.ends_with(b"\r\n\r\n")) {
            self.trailers = trailers(&self.line)?;
            self.line = Vec::new();
            self.state = State::Done;
        }
        Ok(())
    }

    /// Takes a byte of a line, and says whether it was the last. CR and LF come together or not at
    /// all: implementations that disagree on the end of a line disagree on where a body ends.
    fn push(&mut self, byte: u8, limit: usize) -> Result<bool, Violation> {
        if self.line.len() == limit {
            let expected = format!("framing of at most {limit} bytes");
            return Err(Violation::new(Rule::Size, expected, &self.line));
        }
        let after_cr = self.line.last() == Some(&b'\r');
        self.line.push(byte);
        if after_cr != (byte == b'\n') {
            let expected = "lines of a chunked body that end in CRLF";
            return Err(Violation::new(Rule::BodyLength, expected, &self.line));
        }
        Ok(after_cr)
    }
}

/// The length that a chunk's line says. The digits are read here: a library's parser that takes a
/// space behind them, or none at all for zero, is too kind.
fn chunk_length(line: &[u8]) -> Result<u64, Violation> {
    let fault = || {
        let expected = "a chunk's length of 1 to 16 hexadecimal digits";
        Violation::new(Rule::Number, expected, line)
    };
    let content = line.strip_suffix(b"\r\n").ok_or_else(fault)?;
    let digits = content.iter().take_while(|b| b.is_ascii_hexdigit()).count();
    let (digits, extension) = content.split_at(digits);
    let visible = |b: &u8| b.is_ascii_graphic() || matches!(b, b' ' | b'\t');
    let skippable = extension.is_empty() || extension.starts_with(b";");
    if !(1..=16).contains(&digits.len()) || !skippable || !extension.iter().all(visible) {
        return Err(fault());
    }
    let digits = core::str::from_utf8(digits).map_err(|_| fault())?;
    u64::from_str_radix(digits, 16).map_err(|_| fault())
}

/// The fields of a trailer section, with the empty line that ends it.
fn trailers(section: &[u8]) -> Result<HeaderMap, Violation> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_TRAILER_FIELDS];
    let fault = |rule, expected| Violation::new(rule, expected, section);
    let fields = match httparse::parse_headers(section, &mut fields) {
        Ok(httparse::Status::Complete((len, fields))) if len == section.len() => fields,
        Err(httparse::Error::TooManyHeaders) => {
            return Err(fault(Rule::Size, "at most 16 trailer fields"));
        }
        _ => return Err(fault(Rule::BodyLength, "trailer fields")),
    };
    let mut map = HeaderMap::with_capacity(fields.len());
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes());
        let value = HeaderValue::from_bytes(field.value);
        let (Ok(name), Ok(value)) = (name, value) else {
            return Err(fault(Rule::BodyLength, "trailer fields"));
        };
        map.append(name, value);
    }
    Ok(map)
}

#[cfg(test)]
mod tests {
    use core::num::NonZeroU64;

    use super::super::Framer;
    use super::*;
    use crate::checksum::{Algorithm, Declared, of};
    use crate::rng::Rng;

    /// The payload, the trailers, and how much of the input belongs to the body.
    type Body = (Vec<u8>, HeaderMap, usize);

    /// Decodes pieces of a stream.
    #[expect(clippy::panic_in_result_fn, reason = "the assertions are the test's")]
    fn decode<'a>(
        expected: Option<u64>,
        pieces: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Body, Violation> {
        let mut decoder = Decoder::new(expected);
        let mut payload = Vec::new();
        let mut consumed = 0;
        for mut piece in pieces {
            while !piece.is_empty() && !decoder.is_done() {
                let decoded = decoder.decode(piece)?;
                assert!(decoded.consumed > 0, "a step makes progress");
                payload.extend_from_slice(&piece[decoded.payload]);
                piece = &piece[decoded.consumed..];
                consumed += decoded.consumed;
            }
        }
        assert_eq!(decoder.decoded_len(), u64::try_from(payload.len()).unwrap());
        Ok((payload, decoder.finish()?, consumed))
    }

    fn whole(stream: &[u8]) -> Result<Body, Violation> {
        decode(None, [stream])
    }

    /// A payload and its encoding, both from a seed.
    fn sample(seed: u64) -> (Vec<u8>, Vec<u8>) {
        let mut rng = Rng::new(seed);
        let len = rng.below(120);
        let payload: Vec<u8> = (0..len).map(|_| rng.next_u64().to_le_bytes()[0]).collect();
        let size = NonZeroU64::new(rng.below(40) + 1).unwrap();
        let mut framer = Framer::with_chunk_size(Algorithm::Crc64Nvme, len, size).unwrap();
        let mut stream = Vec::new();
        let mut rest = &payload[..];
        while !rest.is_empty() {
            let frame = framer.frame(rest).unwrap();
            stream.extend_from_slice(&frame.before);
            stream.extend_from_slice(&rest[..frame.payload]);
            rest = &rest[frame.payload..];
        }
        stream.extend_from_slice(&framer.finish().unwrap());
        (payload, stream)
    }

    #[test]
    fn adversary_48_what_was_framed_is_decoded() {
        for len in [0_usize, 1, 65_535, 65_536, 65_537] {
            let payload = vec![b'a'; len];
            let expected = u64::try_from(len).unwrap();
            let mut framer = Framer::new(Algorithm::Crc32, expected).unwrap();
            let mut stream = Vec::new();
            let mut rest = &payload[..];
            while !rest.is_empty() {
                let frame = framer.frame(rest).unwrap();
                stream.extend_from_slice(&frame.before);
                stream.extend_from_slice(&rest[..frame.payload]);
                rest = &rest[frame.payload..];
            }
            let encoded_len = framer.encoded_len();
            stream.extend_from_slice(&framer.finish().unwrap());
            let (decoded, trailers, consumed) = decode(Some(expected), [&stream[..]]).unwrap();
            assert!(decoded == payload, "{len} bytes");
            assert_eq!(u64::try_from(consumed).unwrap(), encoded_len);
            let declared = Declared::from_headers(&trailers).best();
            assert_eq!(declared, Some(of(Algorithm::Crc32, &payload)));
        }
    }

    #[test]
    fn any_split_of_a_stream_decodes_the_same() {
        for seed in 0..60 {
            let (payload, stream) = sample(seed);
            let expected = Some(u64::try_from(payload.len()).unwrap());
            let body = whole(&stream).unwrap();
            assert_eq!(body.0, payload, "seed {seed}");
            for cut in 0..=stream.len() {
                let (a, b) = stream.split_at(cut);
                let split = decode(expected, [a, b]);
                assert_eq!(split.as_ref(), Ok(&body), "seed {seed}, cut at {cut}");
            }
            let single = decode(expected, stream.chunks(1));
            assert_eq!(single.as_ref(), Ok(&body), "seed {seed}, byte by byte");
        }
    }

    #[test]
    fn a_stream_cut_anywhere_is_incomplete() {
        for seed in 0..20 {
            let (_, stream) = sample(seed);
            for end in 0..stream.len() {
                let error = whole(&stream[..end]).unwrap_err();
                assert_eq!(error.rule(), Rule::BodyLength, "seed {seed}, end {end}");
            }
        }
    }

    #[test]
    fn the_bytes_behind_the_end_are_left_alone() {
        let stream = b"1\r\na\r\n0\r\n\r\n1\r\nb\r\n";
        let (payload, trailers, consumed) = whole(stream).unwrap();
        assert_eq!((&payload[..], trailers.len(), consumed), (&b"a"[..], 0, 11));
    }

    #[test]
    fn garbage_is_an_error_or_a_body_but_never_a_panic() {
        let mut bodies = 0;
        for seed in 0..3000 {
            let mut rng = Rng::new(seed);
            let (_, mut stream) = sample(seed % 50);
            for _ in 0..=rng.below(3) {
                let at = rng.below(u64::try_from(stream.len()).unwrap());
                let [byte, ..] = rng.next_u64().to_le_bytes();
                stream[usize::try_from(at).unwrap()] = byte;
            }
            let once = whole(&stream);
            let again = decode(None, stream.chunks(3));
            assert_eq!(once.is_ok(), again.is_ok(), "seed {seed}");
            if let (Ok(once), Ok(again)) = (once, again) {
                assert_eq!(once, again, "seed {seed}");
                bodies += 1;
            }
        }
        assert!(bodies > 0, "a changed byte of payload is still a body");
    }

    #[test]
    fn lengths_are_read_strictly() {
        let bad = [
            "",
            " 1",
            "1 ",
            "+1",
            "-1",
            "0x1",
            "1;\u{e9}",
            "g",
            ";x",
            "1 ;x",
            "1\t",
            "1\0",
            "1:",
            "00000000000000001",
            "11111111111111111",
        ];
        for line in bad {
            let stream = format!("{line}\r\na\r\n0\r\n\r\n");
            let error = whole(stream.as_bytes()).unwrap_err();
            assert_eq!(error.rule(), Rule::Number, "{line:?}");
        }
        let signed = format!("1;chunk-signature={}", "0f".repeat(32));
        for line in ["1", "01", "0000000000000001", "1;a", "1;a=\"b c\"", &signed] {
            let stream = format!("{line}\r\na\r\n0\r\n\r\n");
            assert_eq!(whole(stream.as_bytes()).unwrap().0, b"a", "{line:?}");
        }
        let stream = format!("aA\r\n{}\r\n0\r\n\r\n", "x".repeat(0xaa));
        assert_eq!(whole(stream.as_bytes()).unwrap().0.len(), 0xaa);
    }

    #[test]
    fn lines_end_in_crlf_and_nothing_else() {
        for bad in [
            &b"1\na\r\n0\r\n\r\n"[..],
            b"1\r\na\n0\r\n\r\n",
            b"1\r\nab\r\n0\r\n\r\n",
            b"1\r\na\r\r\n0\r\n\r\n",
            b"1\r\na0\r\n\r\n",
            b"1\rx\na\r\n0\r\n\r\n",
            b"0\n\n",
            b"0\r\na:b\n\r\n",
            b"0\r\na:b\rc\r\n\r\n",
            b"0\r\n\n",
        ] {
            let error = whole(bad).unwrap_err();
            assert_eq!(error.rule(), Rule::BodyLength, "{bad:?}");
        }
    }

    #[test]
    fn trailers_are_read_strictly() {
        let read = |section: &str| whole(format!("0\r\n{section}\r\n\r\n").as_bytes());
        let (_, trailers, _) = read("A: 1 \r\nb:2\r\na:\t3").unwrap();
        let values: Vec<_> = trailers.get_all("a").iter().collect();
        assert_eq!(values, ["1", "3"]);
        assert_eq!(trailers["b"], "2");
        for bad in [
            "a",
            ":b",
            "a :b",
            " a:b",
            "a:b\r\n c",
            "a:\0",
            "a\u{e9}:b",
            "a:b\r\n:c",
        ] {
            let error = read(bad).unwrap_err();
            assert_eq!(error.rule(), Rule::BodyLength, "{bad:?}");
        }
    }

    #[test]
    fn framing_is_bounded() {
        let endless = [
            format!("1;{}", "x".repeat(MAX_CHUNK_LINE)),
            "0".repeat(MAX_CHUNK_LINE + 1),
            format!("0\r\na:{}", "x".repeat(MAX_TRAILERS)),
            format!("0\r\n{}\r\n", "a:b\r\n".repeat(MAX_TRAILER_FIELDS + 1)),
        ];
        for stream in endless {
            let error = whole(stream.as_bytes()).unwrap_err();
            assert_eq!(error.rule(), Rule::Size, "{}", stream.len());
        }
        let most = format!("0\r\n{}\r\n", "a:b\r\n".repeat(MAX_TRAILER_FIELDS));
        assert_eq!(whole(most.as_bytes()).unwrap().1.len(), MAX_TRAILER_FIELDS);
        let value = "x".repeat(8_192 - "a:\r\n\r\n".len());
        let longest = format!("0\r\na:{value}\r\n\r\n");
        assert_eq!(whole(longest.as_bytes()).unwrap().1["a"], value);
    }

    #[test]
    fn the_payload_has_the_expected_length() {
        let stream = b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n";
        assert_eq!(decode(Some(3), [&stream[..]]).unwrap().0, b"abc");
        for wrong in [0, 1, 2, 4, u64::MAX] {
            let error = decode(Some(wrong), [&stream[..]]).unwrap_err();
            assert_eq!(error.rule(), Rule::BodyLength, "{wrong}");
        }
        let huge = b"1\r\na\r\nffffffffffffffff\r\n";
        assert_eq!(whole(huge).unwrap_err().rule(), Rule::BodyLength);
    }

    #[test]
    fn an_error_stays() {
        let mut decoder = Decoder::new(None);
        let error = decoder.decode(b"x\r\n").unwrap_err();
        assert_eq!(decoder.decode(b"1\r\na").unwrap_err(), error);
        assert!(!decoder.is_done());
        assert_eq!(decoder.finish().unwrap_err(), error);
    }
}
