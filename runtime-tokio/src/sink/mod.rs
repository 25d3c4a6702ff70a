//! Where the bytes of a download go.

mod file;
mod memory;
mod ordered;

use std::sync::Arc;

use sans3_core::error::SinkError;

pub(crate) use file::FileSink;
pub(crate) use memory::MemorySink;
pub(crate) use ordered::OrderedSink;

/// A transfer's sink.
#[derive(Clone, Default)]
pub(crate) enum Sink {
    /// The transfer brings no bytes.
    #[default]
    None,
    /// A file, each byte at its own offset.
    File(Arc<FileSink>),
    /// Memory, each byte at its own offset.
    Memory(Arc<MemorySink>),
    /// A consumer who takes the bytes from first to last.
    Ordered(Arc<OrderedSink>),
}

/// One exchange's way into the sink.
///
/// [`put`](Self::put) never waits, so that bytes which were admitted can't be lost to an end of
/// the exchange between the two. [`ready`](Self::ready) waits instead, before more bytes are read
/// from the socket, which is how the pace of a sink becomes that of the server.
pub(crate) enum Writer {
    None,
    File(file::FileWriter),
    Memory(Arc<MemorySink>),
    Ordered(ordered::OrderedWriter),
}

impl Sink {
    pub(crate) fn writer(&self) -> Writer {
        match self {
            Self::None => Writer::None,
            Self::File(sink) => Writer::File(file::FileWriter::new(Arc::clone(sink))),
            Self::Memory(sink) => Writer::Memory(Arc::clone(sink)),
            Self::Ordered(sink) => Writer::Ordered(ordered::OrderedWriter::new(Arc::clone(sink))),
        }
    }
}

impl Writer {
    /// Waits until the sink has room. Loses nothing where it is dropped while it waits.
    pub(crate) async fn ready(&mut self) -> Result<(), SinkError> {
        match self {
            Self::None | Self::Memory(_) => Ok(()),
            Self::File(writer) => writer.ready().await,
            Self::Ordered(writer) => {
                writer.ready().await;
                Ok(())
            }
        }
    }

    /// Takes `bytes`, which belong at the offset `at` of the object.
    pub(crate) fn put(&mut self, at: u64, bytes: &[u8]) -> Result<(), SinkError> {
        match self {
            Self::None => Err(SinkError("the transfer has no target".into())),
            Self::File(writer) => {
                writer.put(at, bytes);
                Ok(())
            }
            Self::Memory(sink) => sink.put(at, bytes),
            Self::Ordered(writer) => {
                writer.put(at, bytes);
                Ok(())
            }
        }
    }

    /// Sees to it that all bytes are where they belong.
    pub(crate) async fn finish(&mut self) -> Result<(), SinkError> {
        match self {
            Self::None | Self::Memory(_) => Ok(()),
            Self::File(writer) => writer.finish().await,
            Self::Ordered(writer) => {
                writer.finish();
                Ok(())
            }
        }
    }
}
