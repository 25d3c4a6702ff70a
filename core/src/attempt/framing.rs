use http::HeaderMap;

use super::hashing::changed;
use super::{Payload, Slice};
use crate::checksum::chunked::{Frame, Framer, TrailerDigest};
use crate::checksum::{Algorithm, Checksum};
use crate::error::{SourceError, SpecError};

/// A body that is read, hashed and sent at once: aws-chunked, with its checksum in the trailer.
///
/// ```text
/// frame(bytes) -> what goes before them   as often as it takes
/// finish()     -> what goes behind them   once, before the last bytes leave
/// ```
///
/// The body on the wire is [`encoded_len`](Self::encoded_len) bytes long, which is also the request's
/// `Content-Length`.
#[derive(Debug)]
pub struct Framing {
    offset: u64,
    framer: Framer,
    /// The digest of an earlier attempt: another one now means that the source changed.
    first: Option<Checksum>,
    kept: TrailerDigest,
}

impl Framing {
    /// The framing of a payload, whose digest `kept` will have.
    pub(super) fn new(
        payload: &Payload,
        slice: Slice,
        kept: &TrailerDigest,
    ) -> Result<Self, SpecError> {
        Ok(Self {
            offset: payload.offset,
            framer: Framer::with_chunk_size(payload.algorithm, payload.len, slice)?,
            first: payload.first,
            kept: kept.clone(),
        })
    }

    /// Where the payload begins in the source.
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// How long the payload is, without what frames it.
    pub const fn len(&self) -> u64 {
        self.framer.decoded_len()
    }

    /// Whether there is no payload.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How long the body is on the wire.
    pub const fn encoded_len(&self) -> u64 {
        self.framer.encoded_len()
    }

    /// What is computed.
    pub const fn algorithm(&self) -> Algorithm {
        self.framer.algorithm()
    }

    /// How many bytes of the payload the next call of [`frame`](Self::frame) takes at most: those
    /// that the chunk under way, or else the next one, still needs.
    pub const fn room(&self) -> u64 {
        self.framer.room()
    }

    /// Takes the next bytes of the payload, as many as fit the chunk under way; to be called again
    /// with the rest.
    ///
    /// # Errors
    /// There are more bytes than were announced: the source has grown, and the exchange must be
    /// broken off.
    pub fn frame(&mut self, payload: &[u8]) -> Result<Frame, SourceError> {
        self.framer.frame(payload)
    }

    /// What to send behind the payload. To be asked before the last bytes of it leave: a body that
    /// is cut short is never stored.
    ///
    /// # Errors
    /// The payload ended early, or its bytes are not those of an earlier attempt: the exchange must
    /// be broken off.
    pub fn finish(self) -> Result<bytes::Bytes, SourceError> {
        let computed = self.framer.digest();
        let end = self.framer.finish()?;
        let Some(seen) = computed.get() else {
            return Ok(end);
        };
        match self.first.or_else(|| self.kept.get()) {
            Some(first) if first != seen => Err(changed(self.offset, &first, &seen)),
            _ => {
                self.kept.keep(seen);
                Ok(end)
            }
        }
    }

    /// Adds the headers that announce it.
    pub(super) fn announce(&self, headers: &mut HeaderMap) {
        self.framer.announce(headers);
    }
}
