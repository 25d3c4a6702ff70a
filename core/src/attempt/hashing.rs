use std::sync::Arc;

use super::outcome::{Failure, Outcome};
use super::sendable::Proof;
use super::{AttemptId, Context, ErasedOperation, Exchange, Payload, Sendable};
use crate::checksum::{Algorithm, Checksum, Hasher};
use crate::error::SourceError;

/// An attempt whose payload must be read once before it is sent, because its checksum stands in a
/// header.
///
/// A header is the one place for a checksum that every S3 server stores right; a trailer needs a
/// framing that several store as object data.
#[derive(Debug)]
pub struct Hashing {
    id: AttemptId,
    context: Context,
    operation: Arc<dyn ErasedOperation>,
    payload: Payload,
    hasher: Hasher,
    seen: u64,
}

impl Hashing {
    pub(super) fn new(
        id: AttemptId,
        context: Context,
        operation: Arc<dyn ErasedOperation>,
        payload: Payload,
    ) -> Self {
        let hasher = Hasher::new(payload.algorithm);
        Self {
            id,
            context,
            operation,
            payload,
            hasher,
            seen: 0,
        }
    }

    /// The attempt's name.
    pub const fn id(&self) -> AttemptId {
        self.id
    }

    /// Where the payload begins in the source.
    pub const fn offset(&self) -> u64 {
        self.payload.offset
    }

    /// How long the payload is.
    pub const fn len(&self) -> u64 {
        self.payload.len
    }

    /// Whether there is nothing to read.
    pub const fn is_empty(&self) -> bool {
        self.payload.len == 0
    }

    /// What is computed.
    pub const fn algorithm(&self) -> Algorithm {
        self.payload.algorithm
    }

    /// The next bytes of the payload.
    pub fn update(&mut self, bytes: &[u8]) {
        self.seen = self.seen.saturating_add(bytes.len() as u64);
        self.hasher.update(bytes);
    }

    /// All bytes are in.
    ///
    /// # Errors
    /// The outcome, where the source is shorter or longer than announced, or where its bytes are
    /// not those of an earlier attempt.
    pub fn finish(self) -> Result<Sendable, Outcome> {
        let Self {
            id,
            context,
            operation,
            mut payload,
            hasher,
            seen,
        } = self;
        if seen != payload.len {
            let error = SourceError::Length {
                expected: payload.len,
                seen,
            };
            return Err(Outcome::failed(id, &context, Failure::Source(error)));
        }
        let checksum = hasher.finish();
        if let Some(first) = payload.first.filter(|first| *first != checksum) {
            let error = changed(payload.offset, &first, &checksum);
            return Err(Outcome::failed(id, &context, Failure::Source(error)));
        }
        payload.first = Some(checksum);
        Ok(Sendable::new(
            id,
            context,
            Exchange::Write(operation, payload),
            Proof::Header(checksum),
        ))
    }

    /// The source could not be read.
    pub fn on_source_error(self, error: SourceError) -> Outcome {
        Outcome::failed(self.id, &self.context, Failure::Source(error))
    }

    /// The session asked for an end before anything was sent.
    pub fn on_abort(self) -> Outcome {
        Outcome::failed(self.id, &self.context, Failure::ended())
    }
}

/// Checks, while a body is sent, that its bytes are those that were hashed. Needed by an adapter
/// that reads its source twice; one that keeps the bytes in memory has no use for it.
#[derive(Debug)]
pub struct BodyCheck {
    offset: u64,
    hasher: Hasher,
    expected: Checksum,
}

impl BodyCheck {
    pub(super) fn new(payload: &Payload, expected: Checksum) -> Self {
        Self {
            offset: payload.offset,
            hasher: Hasher::new(payload.algorithm),
            expected,
        }
    }

    /// What is computed.
    pub const fn algorithm(&self) -> Algorithm {
        self.expected.algorithm
    }

    /// The next bytes that are about to be sent.
    pub fn update(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
    }

    /// To be asked before the last bytes leave: a body that is cut short is never stored.
    ///
    /// # Errors
    /// The bytes are not those that were hashed; the exchange must be broken off.
    pub fn finish(self) -> Result<(), SourceError> {
        let seen = self.hasher.finish();
        if seen == self.expected {
            Ok(())
        } else {
            Err(changed(self.offset, &self.expected, &seen))
        }
    }
}

pub(super) fn changed(offset: u64, expected: &Checksum, seen: &Checksum) -> SourceError {
    SourceError::Changed(format!(
        "the bytes at offset {offset} had {expected} and now have {seen}"
    ))
}
