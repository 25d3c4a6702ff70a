use core::num::NonZeroU64;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderName};
use http::{HeaderMap, HeaderValue};

use crate::checksum::{Algorithm, Checksum, Hasher};
use crate::error::{SourceError, SpecError};

/// The bytes of payload in a chunk, if nothing else is asked for.
pub const CHUNK_SIZE: NonZeroU64 = NonZeroU64::new(64 * 1024).expect("not zero");

const DECODED_LENGTH: HeaderName = HeaderName::from_static("x-amz-decoded-content-length");
const TRAILER: HeaderName = HeaderName::from_static("x-amz-trailer");

/// The end of every line, of every chunk, and of the whole.
const CRLF: &str = "\r\n";

/// Encodes a payload of known length as aws-chunked, without copying it: the framer says which
/// bytes to send before which bytes of the payload, and computes the checksum as they pass.
///
/// ```
/// use sans3_core::checksum::{Algorithm, chunked::Framer};
///
/// let mut framer = Framer::new(Algorithm::Crc32, 9)?;
/// let mut sent = Vec::new();
/// for mut piece in [&b"1234"[..], b"56789"] {
///     while !piece.is_empty() {
///         let frame = framer.frame(piece)?;
///         let (payload, rest) = piece.split_at(frame.payload);
///         sent.extend_from_slice(&frame.before);
///         sent.extend_from_slice(payload);
///         piece = rest;
///     }
/// }
/// let len = framer.encoded_len();
/// sent.extend_from_slice(&framer.finish()?);
/// assert_eq!(sent, b"9\r\n123456789\r\n0\r\nx-amz-checksum-crc32:y/Q5Jg==\r\n\r\n");
/// assert_eq!(len, 50);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Framer {
    algorithm: Algorithm,
    hasher: Hasher,
    digest: TrailerDigest,
    chunk_size: NonZeroU64,
    decoded_len: u64,
    encoded_len: u64,
    /// Payload bytes framed so far.
    framed: u64,
    /// Those of the chunk under way that are still to come.
    chunk_left: u64,
    /// The end of a chunk and the line of a full one: the same bytes again and again.
    between: Bytes,
}

/// What to send next: see [`Framer::frame`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Goes first; empty in the middle of a chunk.
    pub before: Bytes,
    /// How many bytes of the payload that was passed in follow.
    pub payload: usize,
}

/// Where the checksum of a framed payload will be once it is complete. Whoever started the request
/// keeps a clone: the framer itself goes away with the body.
#[derive(Clone, Debug, Default)]
pub struct TrailerDigest(Arc<OnceLock<Checksum>>);

/// The length of `decoded_len` bytes as aws-chunked in chunks of [`CHUNK_SIZE`], with the checksum
/// of this algorithm in the trailer; `None` beyond 2^64.
pub fn encoded_len(decoded_len: u64, trailer: Algorithm) -> Option<u64> {
    encoded_len_of(decoded_len, CHUNK_SIZE, trailer)
}

impl Framer {
    /// A framer of `decoded_len` bytes in chunks of [`CHUNK_SIZE`].
    ///
    /// # Errors
    /// An algorithm that has no trailer (MD5), and a length whose encoding would be 2^64 bytes or
    /// longer.
    pub fn new(algorithm: Algorithm, decoded_len: u64) -> Result<Self, SpecError> {
        Self::with_chunk_size(algorithm, decoded_len, CHUNK_SIZE)
    }

    /// As [`new`](Self::new), in chunks of another size. S3 takes none below 8 KiB but the last.
    ///
    /// # Errors
    /// Those of [`new`](Self::new).
    pub fn with_chunk_size(
        algorithm: Algorithm,
        decoded_len: u64,
        chunk_size: NonZeroU64,
    ) -> Result<Self, SpecError> {
        if algorithm == Algorithm::Md5 {
            return Err(SpecError::new(
                "checksum algorithm",
                "one that S3 takes in a trailer (x-amz-checksum-*)",
                algorithm.name(),
            ));
        }
        let encoded_len = encoded_len_of(decoded_len, chunk_size, algorithm).ok_or_else(|| {
            let seen = format!("{decoded_len} bytes");
            SpecError::new("payload length", "less than 2^64 bytes when encoded", seen)
        })?;
        Ok(Self {
            algorithm,
            hasher: Hasher::new(algorithm),
            digest: TrailerDigest::default(),
            chunk_size,
            decoded_len,
            encoded_len,
            framed: 0,
            chunk_left: 0,
            between: Bytes::from(format!("{CRLF}{chunk_size:x}{CRLF}")),
        })
    }

    /// The exact length of the encoded body: its `Content-Length`.
    pub const fn encoded_len(&self) -> u64 {
        self.encoded_len
    }

    /// The length of the payload.
    pub const fn decoded_len(&self) -> u64 {
        self.decoded_len
    }

    /// What is computed.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// How many bytes the next call of [`frame`](Self::frame) takes at most: what the chunk under way
    /// still needs, or else the next one.
    pub const fn room(&self) -> u64 {
        if self.chunk_left > 0 {
            return self.chunk_left;
        }
        let (left, full) = (self.decoded_len - self.framed, self.chunk_size.get());
        if left < full { left } else { full }
    }

    /// A handle on the checksum, which [`finish`](Self::finish) sets.
    pub fn digest(&self) -> TrailerDigest {
        self.digest.clone()
    }

    /// Adds the headers that announce the coding: `Content-Encoding` (before the caller's own, as
    /// S3 documents it), `Content-Length`, `x-amz-decoded-content-length` and `x-amz-trailer`.
    pub fn announce(&self, headers: &mut HeaderMap) {
        let mut encoding = b"aws-chunked".to_vec();
        for own in headers.get_all(CONTENT_ENCODING) {
            encoding.push(b',');
            encoding.extend_from_slice(own.as_bytes());
        }
        let encoding = HeaderValue::from_bytes(&encoding).expect("a list of values is a value");
        let trailer = self.algorithm.header();
        let trailer = HeaderValue::from_str(trailer.as_str()).expect("a name is a value");
        headers.insert(CONTENT_ENCODING, encoding);
        headers.insert(CONTENT_LENGTH, HeaderValue::from(self.encoded_len));
        headers.insert(DECODED_LENGTH, HeaderValue::from(self.decoded_len));
        headers.insert(TRAILER, trailer);
    }

    /// Takes the next bytes of the payload, as many as fit the chunk under way. Call it again with
    /// the rest. Only the bytes that the frame counts are checksummed.
    ///
    /// # Errors
    /// Bytes beyond the announced length: the source has grown. What was sent is no prefix of a
    /// good body, and the connection must be closed.
    pub fn frame(&mut self, payload: &[u8]) -> Result<Frame, SourceError> {
        let given = u64::try_from(payload.len()).unwrap_or(u64::MAX);
        if given > self.decoded_len - self.framed {
            return Err(SourceError::Length {
                expected: self.decoded_len,
                seen: self.framed.saturating_add(given),
            });
        }
        let before = if given > 0 && self.chunk_left == 0 {
            self.start_chunk()
        } else {
            Bytes::new()
        };
        let fits = usize::try_from(self.chunk_left).unwrap_or(usize::MAX);
        let taken = &payload[..fits.min(payload.len())];
        let count = given.min(self.chunk_left);
        self.hasher.update(taken);
        self.framed += count;
        self.chunk_left -= count;
        Ok(Frame {
            before,
            payload: taken.len(),
        })
    }

    /// What to send behind the payload: the end of the last chunk and the trailer. Sets the
    /// [`digest`](Self::digest).
    ///
    /// # Errors
    /// A payload that ended before its announced length. Sending on would make a body that the
    /// server could take for a whole one.
    pub fn finish(self) -> Result<Bytes, SourceError> {
        if self.framed != self.decoded_len {
            return Err(SourceError::Length {
                expected: self.decoded_len,
                seen: self.framed,
            });
        }
        let checksum = self.hasher.finish();
        let end = if self.framed == 0 { "" } else { CRLF };
        let name = self.algorithm.header();
        let value = checksum.digest.base64();
        self.digest.keep(checksum);
        Ok(Bytes::from(format!(
            "{end}0{CRLF}{name}:{value}{CRLF}{CRLF}"
        )))
    }

    /// The bytes between the chunk before, if there is one, and the next.
    fn start_chunk(&mut self) -> Bytes {
        let first = self.framed == 0;
        let full = self.chunk_size.get();
        self.chunk_left = full.min(self.decoded_len - self.framed);
        let line = if self.chunk_left == full {
            self.between.clone()
        } else {
            Bytes::from(format!("{CRLF}{:x}{CRLF}", self.chunk_left))
        };
        if first {
            line.slice(CRLF.len()..)
        } else {
            line
        }
    }
}

impl TrailerDigest {
    /// The checksum of the whole payload; `None` until it has been framed to its end.
    pub fn get(&self) -> Option<Checksum> {
        self.0.get().copied()
    }

    /// Sets it, where it is not set yet.
    pub(crate) fn keep(&self, checksum: Checksum) {
        self.0.get_or_init(|| checksum);
    }
}

fn encoded_len_of(decoded_len: u64, chunk_size: NonZeroU64, trailer: Algorithm) -> Option<u64> {
    let full = decoded_len / chunk_size;
    let last = decoded_len % chunk_size;
    let mut len = full.checked_mul(chunk_len(chunk_size.get())?)?;
    if last > 0 {
        len = len.checked_add(chunk_len(last)?)?;
    }
    let name = trailer.header().as_str().len();
    let lines = ["0\r\n", ":", "\r\n\r\n"]
        .map(str::len)
        .iter()
        .sum::<usize>();
    let end = lines + name + trailer.base64_len();
    len.checked_add(u64::try_from(end).ok()?)
}

/// The length of a chunk: a line, the payload, and the end of a line.
fn chunk_len(payload: u64) -> Option<u64> {
    let digits = u64::from(payload.max(1).ilog2() / 4 + 1);
    payload.checked_add(digits)?.checked_add(4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checksum::of;
    use crate::rng::Rng;

    /// The encoded body of `payload`, passed in pieces of at most `piece` bytes.
    fn encode(mut framer: Framer, payload: &[u8], piece: usize) -> Vec<u8> {
        let mut sent = Vec::new();
        for mut rest in payload.chunks(piece) {
            while !rest.is_empty() {
                let most = usize::try_from(framer.room()).unwrap();
                let frame = framer.frame(rest).unwrap();
                assert_eq!(
                    frame.payload,
                    most.min(rest.len()),
                    "a frame makes progress"
                );
                sent.extend_from_slice(&frame.before);
                sent.extend_from_slice(&rest[..frame.payload]);
                rest = &rest[frame.payload..];
            }
        }
        assert_eq!(framer.room(), 0);
        sent.extend_from_slice(&framer.finish().unwrap());
        sent
    }

    #[test]
    fn adversary_48_lengths_around_the_chunk_size_are_exact() {
        // The last chunk and the trailer: 3 + 24 + 1 + 12 + 4 bytes for CRC64NVME, 3 + 20 + 1 + 8
        // + 4 for CRC32.
        let cases: [(u64, u64, u64); 7] = [
            (0, 44, 36),
            (1, 50, 42),
            (65_535, 65_587, 65_579),
            (65_536, 65_589, 65_581),
            (65_537, 65_595, 65_587),
            (66_560, 66_620, 66_612),
            (131_072, 131_134, 131_126),
        ];
        for (decoded, nvme, crc32) in cases {
            assert_eq!(encoded_len(decoded, Algorithm::Crc64Nvme), Some(nvme));
            assert_eq!(encoded_len(decoded, Algorithm::Crc32), Some(crc32));
            let payload = vec![b'a'; usize::try_from(decoded).unwrap()];
            for algorithm in [Algorithm::Crc64Nvme, Algorithm::Crc32, Algorithm::Sha256] {
                let framer = Framer::new(algorithm, decoded).unwrap();
                let len = framer.encoded_len();
                assert_eq!(encoded_len(decoded, algorithm), Some(len));
                assert_eq!(framer.decoded_len(), decoded);
                let sent = encode(framer, &payload, 10_000);
                assert_eq!(u64::try_from(sent.len()).unwrap(), len, "{decoded} bytes");
            }
        }
    }

    #[test]
    fn adversary_48_a_body_is_framed_as_documented() {
        let framer = Framer::new(Algorithm::Crc32c, 66_560).unwrap();
        let digest = framer.digest();
        assert_eq!(digest.get(), None);
        let payload = [b'a'; 66_560];
        let sent = encode(framer, &payload, 66_560);
        let expected = [
            b"10000\r\n",
            &payload[..65_536],
            b"\r\n400\r\n",
            &payload[65_536..],
            b"\r\n0\r\nx-amz-checksum-crc32c:sOO8/Q==\r\n\r\n",
        ];
        assert!(sent == expected.concat());
        assert_eq!(digest.get(), Some(of(Algorithm::Crc32c, &payload)));
        let empty = encode(Framer::new(Algorithm::Crc32, 0).unwrap(), b"", 1);
        assert_eq!(empty, b"0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n");
    }

    #[test]
    fn no_bytes_begin_no_chunk() {
        let mut framer = Framer::with_chunk_size(Algorithm::Crc32, 2, NonZeroU64::MIN).unwrap();
        let nothing = Frame {
            before: Bytes::new(),
            payload: 0,
        };
        for byte in [&b"a"[..], b"b"] {
            assert_eq!(framer.frame(b"").as_ref(), Ok(&nothing));
            assert_eq!(framer.frame(byte).unwrap().payload, 1);
        }
        assert_eq!(framer.frame(b"").as_ref(), Ok(&nothing));
    }

    #[test]
    fn adversary_48_the_pieces_do_not_show_in_the_body() {
        for seed in 0..200 {
            let mut rng = Rng::new(seed);
            let len = rng.below(300);
            let payload: Vec<u8> = (0..len).map(|_| rng.next_u64().to_le_bytes()[0]).collect();
            let size = NonZeroU64::new(rng.below(80) + 1).unwrap();
            let framer = || Framer::with_chunk_size(Algorithm::Crc32, len, size).unwrap();
            let whole = encode(framer(), &payload, 1000);
            let piece = usize::try_from(rng.below(60)).unwrap() + 1;
            assert_eq!(encode(framer(), &payload, piece), whole, "seed {seed}");
            let len = framer().encoded_len();
            assert_eq!(u64::try_from(whole.len()), Ok(len), "seed {seed}");
        }
    }

    #[test]
    fn a_source_of_another_length_is_an_error() {
        let mut framer = Framer::new(Algorithm::Crc32, 3).unwrap();
        let digest = framer.digest();
        assert_eq!(
            framer.frame(b"1234"),
            Err(SourceError::Length {
                expected: 3,
                seen: 4
            })
        );
        assert_eq!(framer.frame(b"").unwrap().payload, 0);
        assert_eq!(framer.frame(b"12").unwrap().payload, 2);
        assert!(framer.frame(b"34").is_err());
        assert_eq!(
            framer.finish(),
            Err(SourceError::Length {
                expected: 3,
                seen: 2
            })
        );
        assert_eq!(digest.get(), None);
    }

    #[test]
    fn what_has_no_encoding_is_refused() {
        assert_eq!(encoded_len(u64::MAX, Algorithm::Crc32), None);
        assert!(Framer::new(Algorithm::Crc32, u64::MAX).is_err());
        assert!(Framer::new(Algorithm::Md5, 1).is_err());
        let one = NonZeroU64::MIN;
        assert!(Framer::with_chunk_size(Algorithm::Crc32, u64::MAX / 5, one).is_err());
    }

    #[test]
    fn the_coding_is_announced() {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        let framer = Framer::new(Algorithm::Crc64Nvme, 66_560).unwrap();
        framer.announce(&mut headers);
        assert_eq!(headers[CONTENT_ENCODING], "aws-chunked,gzip");
        assert_eq!(headers[CONTENT_LENGTH], "66620");
        assert_eq!(headers["x-amz-decoded-content-length"], "66560");
        assert_eq!(headers["x-amz-trailer"], "x-amz-checksum-crc64nvme");
        assert_eq!(headers.len(), 4);
    }
}
