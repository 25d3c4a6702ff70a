//! Where the bytes of an upload come from.

mod body;
mod file;
mod hash;
mod push;
mod reader;

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use sans3_core::attempt::{Hashing, Outcome, TransferId};
use sans3_core::error::SourceError;
use sans3_core::session::Input;

pub use body::Body;
pub(crate) use file::FileSource;
pub(crate) use hash::Hashed;
use hash::{From, Pass};
pub use push::PushWriter;
pub(crate) use push::{PushSource, pushed};

use crate::Offload;
use crate::inbox::Inbox;
use crate::stop::Stop;

/// A transfer's source. Clones are of the same source.
#[derive(Clone, Default)]
pub(crate) struct Source(Kind);

#[derive(Clone, Default)]
enum Kind {
    /// The transfer sends no bytes.
    #[default]
    None,
    /// Bytes in memory.
    Memory(Bytes),
    /// A file, or what can be read like one: a part that is larger than a buffer is read twice, once
    /// for its checksum and once to be sent.
    File(Arc<FileSource>),
    /// A stream that comes once, part by part.
    Push(Arc<PushSource>),
}

impl Source {
    pub(crate) const fn memory(bytes: Bytes) -> Self {
        Self(Kind::Memory(bytes))
    }

    pub(crate) fn file(file: FileSource) -> Self {
        Self(Kind::File(Arc::new(file)))
    }

    pub(crate) const fn push(source: Arc<PushSource>) -> Self {
        Self(Kind::Push(source))
    }

    /// Computes the checksum of a payload; `stop` ends it early. What blocks, or takes long, goes
    /// to `offload`.
    pub(crate) async fn hash(
        &self,
        hashing: Hashing,
        stop: &Stop,
        offload: &dyn Offload,
    ) -> Result<Hashed, Outcome> {
        let (offset, len) = (hashing.offset(), hashing.len());
        let from = match &self.0 {
            Kind::File(file) => From::file(file, offset, len),
            _ => match self.in_memory(offset, len) {
                Ok(pieces) => From::Memory(pieces),
                Err(error) => return Err(hashing.on_source_error(error)),
            },
        };
        Pass::new(from, hashing, stop).run(offload).await
    }

    /// Grants a stream room for `len` bytes at `offset`. Returns what there is to tell at once.
    pub(crate) fn fill(
        &self,
        transfer: TransferId,
        offset: u64,
        len: u64,
        inbox: &Arc<Inbox>,
    ) -> Option<Input> {
        match &self.0 {
            Kind::Push(push) => push.grant(transfer, offset, len, inbox),
            // A session asks this of streams alone; anything else ends at once.
            _ => Some(Input::Supplied {
                transfer,
                up_to: offset,
                end: true,
            }),
        }
    }

    /// The server has the part at `offset`: it is not needed for a retry any more.
    pub(crate) fn release(&self, offset: u64) {
        if let Kind::Push(push) = &self.0 {
            push.release(offset);
        }
    }

    /// Nobody needs the bytes any more.
    pub(crate) fn close(&self) {
        if let Kind::Push(push) = &self.0 {
            push.close();
        }
    }

    fn in_memory(&self, offset: u64, len: u64) -> Result<VecDeque<Bytes>, SourceError> {
        match &self.0 {
            Kind::Memory(bytes) => slice(bytes, offset, len).map(|bytes| VecDeque::from([bytes])),
            Kind::Push(push) => push.bytes(offset, len),
            Kind::None if len == 0 => Ok(VecDeque::new()),
            Kind::None | Kind::File(_) => {
                Err(SourceError::Read("the transfer has no source".into()))
            }
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Kind::None => "Source::None",
            Kind::Memory(_) => "Source::Memory",
            Kind::File(_) => "Source::File",
            Kind::Push(_) => "Source::Push",
        })
    }
}

/// The `len` bytes of `bytes` at `offset`.
fn slice(bytes: &Bytes, offset: u64, len: u64) -> Result<Bytes, SourceError> {
    let end = offset.checked_add(len);
    let end = end.and_then(|end| usize::try_from(end).ok());
    match usize::try_from(offset).ok().zip(end) {
        Some((start, end)) if end <= bytes.len() => Ok(bytes.slice(start..end)),
        _ => Err(SourceError::Length {
            expected: offset.saturating_add(len),
            seen: bytes.len() as u64,
        }),
    }
}
