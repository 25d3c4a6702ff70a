//! Where the bytes of a download go.

mod file;
mod memory;
mod ordered;

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use sans3_core::error::SinkError;

pub(crate) use file::FileSink;
pub(crate) use memory::MemorySink;
pub(crate) use ordered::OrderedSink;

use crate::Offload;
use crate::task::Pulse;

/// A transfer's sink. Clones are of the same sink.
#[derive(Clone, Default)]
pub(crate) struct Sink(Kind);

#[derive(Clone, Default)]
enum Kind {
    /// The transfer brings no bytes.
    #[default]
    None,
    /// A file, or what can be written like one, each byte at its own offset.
    File(Arc<FileSink>),
    /// Memory, each byte at its own offset.
    Memory(Arc<MemorySink>),
    /// A consumer who takes the bytes from first to last.
    Ordered(Arc<OrderedSink>),
}

/// One exchange's way into the sink.
///
/// [`put`](Self::put) is no point of suspension, so that bytes which were admitted can't be lost to
/// an end of the exchange between the two. [`ready`](Self::ready) waits instead, before more bytes are read
/// from the socket, which is how the pace of a sink becomes that of the server.
#[derive(Debug)]
pub(crate) struct Writer {
    way: Way,
    pulse: Pulse,
}

enum Way {
    None,
    File(file::FileWriter),
    Memory(Arc<MemorySink>),
    Ordered(ordered::OrderedWriter),
}

impl Sink {
    pub(crate) const fn file(sink: Arc<FileSink>) -> Self {
        Self(Kind::File(sink))
    }

    pub(crate) const fn memory(sink: Arc<MemorySink>) -> Self {
        Self(Kind::Memory(sink))
    }

    pub(crate) const fn ordered(sink: Arc<OrderedSink>) -> Self {
        Self(Kind::Ordered(sink))
    }

    pub(crate) fn writer(&self, pulse: &Pulse, offload: &Arc<dyn Offload>) -> Writer {
        let way = match &self.0 {
            Kind::None => Way::None,
            Kind::File(sink) => {
                let offload = Arc::clone(offload);
                Way::File(file::FileWriter::new(Arc::clone(sink), offload))
            }
            Kind::Memory(sink) => Way::Memory(Arc::clone(sink)),
            Kind::Ordered(sink) => Way::Ordered(ordered::OrderedWriter::new(Arc::clone(sink))),
        };
        Writer {
            way,
            pulse: pulse.clone(),
        }
    }
}

impl Writer {
    /// Takes `bytes`, which belong at the offset `at` of the object.
    ///
    /// # Errors
    /// The sink can't take them, which ends the exchange.
    pub(crate) fn put(&mut self, at: u64, bytes: &[u8]) -> Result<(), SinkError> {
        self.pulse.moved(bytes.len());
        match &mut self.way {
            Way::None => Err(SinkError("the transfer has no target".into())),
            Way::File(writer) => writer.put(at, bytes),
            Way::Memory(sink) => sink.put(at, bytes),
            Way::Ordered(writer) => {
                writer.put(at, bytes);
                Ok(())
            }
        }
    }

    /// Ready when the sink has room.
    ///
    /// # Errors
    /// What was put before can't be written.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SinkError>> {
        match &mut self.way {
            Way::None | Way::Memory(_) => Poll::Ready(Ok(())),
            Way::File(writer) => writer.poll_ready(cx),
            Way::Ordered(writer) => writer.poll_ready(cx).map(Ok),
        }
    }

    /// Waits until the sink has room. Loses nothing where it is dropped while it waits.
    ///
    /// # Errors
    /// What was put before can't be written.
    pub(crate) async fn ready(&mut self) -> Result<(), SinkError> {
        poll_fn(|cx| self.poll_ready(cx)).await
    }

    /// Sees to it that all bytes are where they belong. To be called before
    /// [`Receiving::finish`](sans3_core::attempt::Receiving::finish), and also where an exchange
    /// broke: what its outcome counts as placed must be in place.
    ///
    /// # Errors
    /// Some of the bytes can't be written.
    pub(crate) async fn finish(&mut self) -> Result<(), SinkError> {
        match &mut self.way {
            Way::None | Way::Memory(_) => Ok(()),
            Way::File(writer) => poll_fn(|cx| writer.poll_finish(cx)).await,
            Way::Ordered(writer) => {
                writer.finish();
                Ok(())
            }
        }
    }
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Kind::None => "Sink::None",
            Kind::File(_) => "Sink::File",
            Kind::Memory(_) => "Sink::Memory",
            Kind::Ordered(_) => "Sink::Ordered",
        })
    }
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::File(_) => "File",
            Self::Memory(_) => "Memory",
            Self::Ordered(_) => "Ordered",
        })
    }
}
