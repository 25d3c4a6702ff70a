use std::fmt;
use std::time::Duration;

use sans3_core::attempt::{Outcome, Placement, Receiving, StopReading};
use sans3_core::error::{SinkError, TransportErrorKind};

use crate::net::Fault;
use crate::sink::Writer;
use crate::task::Work;

/// The receiving half of an exchange: checks an answer's body and puts it where it belongs.
///
/// An exchange calls [`ready`](Self::ready), reads from its socket within
/// [`patience`](Self::patience), and hands the bytes to [`take`](Self::take), until one of them says
/// that it is over or the body has ended; then [`finish`](Self::finish).
pub struct Intake {
    receiving: Receiving,
    writer: Writer,
}

/// Why no more is read of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The body has ended as it should.
    Complete,
    /// The rest is of no use.
    Stopped,
    /// The exchange broke.
    Fault(Fault),
    /// The bytes can't be put where they belong.
    Sink(SinkError),
}

impl Intake {
    /// Takes in an answer whose head was accepted.
    pub fn new(receiving: Receiving, work: &Work) -> Self {
        Self {
            receiving,
            writer: work.writer(),
        }
    }

    /// Waits until there is room for more, which is the consumer's time and no deadline's. Loses
    /// nothing where it is dropped while it waits.
    ///
    /// # Errors
    /// [`End::Sink`].
    pub async fn ready(&mut self) -> Result<(), End> {
        self.writer.ready().await.map_err(End::Sink)
    }

    /// How long the next bytes may take to come.
    pub fn patience(&self) -> Duration {
        self.receiving.patience()
    }

    /// The end of a body that has used up its [`patience`](Self::patience).
    pub fn stalled(&self) -> End {
        let patience = self.patience();
        let detail = format!("too few bytes came, the last ones {patience:?} ago");
        End::Fault(Fault::new(TransportErrorKind::IdleTimeout, detail))
    }

    /// Takes bytes that came after a wait of `waited`.
    ///
    /// # Errors
    /// Why no more is to be read.
    pub fn take(&mut self, bytes: &[u8], waited: Duration) -> Result<(), End> {
        match self.receiving.admit(bytes, waited) {
            Ok(Placement::Internal) => Ok(()),
            Ok(Placement::Object { at, span }) => {
                self.writer.put(at, &bytes[span]).map_err(End::Sink)
            }
            Err(StopReading) => Err(End::Stopped),
        }
    }

    /// What the exchange came to, once all bytes are where they belong. Its connection may be used
    /// again where `end` is [`End::Complete`] and
    /// [`Outcome::may_reuse_connection`] says so.
    pub async fn finish(mut self, end: &End) -> Outcome {
        // Also where the exchange broke: what the outcome counts as placed must be in place.
        let finished = self.writer.finish().await;
        let receiving = self.receiving;
        match (end, finished) {
            (End::Sink(error), _) => receiving.on_sink_error(error.clone()),
            (_, Err(error)) => receiving.on_sink_error(error),
            (End::Fault(fault), Ok(())) => {
                receiving.on_transport_error(fault.kind, fault.detail.clone())
            }
            (End::Stopped | End::Complete, Ok(())) => receiving.finish(),
        }
    }
}

impl From<Fault> for End {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl fmt::Debug for Intake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Intake").finish_non_exhaustive()
    }
}
