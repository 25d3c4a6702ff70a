//! Where the bytes of an upload come from.

mod file;
mod pull;
mod slices;

use std::sync::Arc;

use bytes::Bytes;
use sans3_core::attempt::{BodyCheck, Hashing, Outcome, Sendable};
use sans3_core::error::SourceError;
use tokio_util::sync::CancellationToken;

pub(crate) use file::FileSource;
pub(crate) use pull::PullSource;
pub(crate) use slices::Slices;

/// A transfer's source.
#[derive(Clone, Default)]
pub(crate) enum Source {
    /// The transfer sends no bytes.
    #[default]
    None,
    /// Bytes in memory.
    Memory(Bytes),
    /// A file: each part is read twice, once for its checksum and once to be sent.
    File(Arc<FileSource>),
    /// A stream that is read once, part by part.
    Pull(Arc<PullSource>),
}

impl Source {
    /// The bytes of a part, one slice after the other.
    pub(crate) fn slices(&self, offset: u64, len: u64, check: BodyCheck) -> Slices {
        match self.in_memory(offset, len) {
            Ok(Some(bytes)) => Slices::of_memory(bytes),
            Ok(None) => match self {
                Self::File(file) => Slices::of_file(Arc::clone(file), offset, len, check),
                _ => Slices::failed(absent()),
            },
            Err(error) => Slices::failed(error),
        }
    }

    /// Computes the checksum of a part; `stop` ends it early. Blocks.
    pub(crate) fn hash(
        &self,
        mut hashing: Hashing,
        stop: &CancellationToken,
    ) -> Result<Sendable, Outcome> {
        let (offset, len) = (hashing.offset(), hashing.len());
        let update = |bytes: &[u8]| {
            hashing.update(bytes);
            !stop.is_cancelled()
        };
        let read = match self.in_memory(offset, len) {
            Ok(Some(bytes)) => {
                bytes.chunks(slices::SLICE).all(update);
                Ok(())
            }
            Ok(None) => match self {
                Self::File(file) => file.read_through(offset, len, update),
                _ => Err(absent()),
            },
            Err(error) => Err(error),
        };
        match read {
            _ if stop.is_cancelled() => Err(hashing.on_abort()),
            Ok(()) => hashing.finish(),
            Err(error) => Err(hashing.on_source_error(error)),
        }
    }

    /// The server has these bytes: they are not needed for a retry any more.
    pub(crate) fn release(&self, (offset, _len): (u64, u64)) {
        if let Self::Pull(pull) = self {
            pull.release(offset);
        }
    }

    fn in_memory(&self, offset: u64, len: u64) -> Result<Option<Bytes>, SourceError> {
        match self {
            Self::Memory(bytes) => slice(bytes, offset, len).map(Some),
            Self::Pull(pull) => pull.bytes(offset, len).map(Some),
            Self::File(_) => Ok(None),
            Self::None if len == 0 => Ok(Some(Bytes::new())),
            Self::None => Err(absent()),
        }
    }
}

/// The `len` bytes of `bytes` at `offset`.
fn slice(bytes: &Bytes, offset: u64, len: u64) -> Result<Bytes, SourceError> {
    let range = usize::try_from(offset).ok().zip(
        offset
            .checked_add(len)
            .and_then(|end| usize::try_from(end).ok()),
    );
    match range {
        Some((start, end)) if end <= bytes.len() => Ok(bytes.slice(start..end)),
        _ => Err(SourceError::Length {
            expected: offset.saturating_add(len),
            seen: bytes.len() as u64,
        }),
    }
}

fn absent() -> SourceError {
    SourceError::Read("the transfer has no source".into())
}
