use core::fmt;
use std::collections::BTreeMap;

use super::{Asked, Head, Heard, Record, Request, Spec, VERSION};
use crate::attempt::{Attempt, AttemptId, Context, Exchange, Outcome, Proof, Sendable, TransferId};
use crate::error::TransferError;
use crate::session::{Accepted, Blocked, Input, Session, SessionConfig, Step};
use crate::time::Instant;
use crate::transfer::Transfer;

/// Tells what a session does to whoever wants to know, if anybody does.
#[derive(Default)]
pub(crate) struct Recorder {
    sink: Option<Sink>,
    /// What was started and has not ended: requests are told when it is known what was sent.
    flights: BTreeMap<u64, Flight>,
    /// What the last poll said, where it was to wait.
    wait: Option<(Option<Instant>, Blocked)>,
}

type Sink = Box<dyn FnMut(Record) + Send>;

/// What an attempt's request follows from.
struct Flight {
    id: AttemptId,
    context: Context,
    exchange: Exchange,
}

impl Session {
    /// As [`new`](Self::new), and tells `sink` what it does: first how it begins, then each thing
    /// as it happens, within the call that it is about.
    pub fn recorded(
        config: SessionConfig,
        seed: u64,
        mut sink: impl FnMut(Record) + Send + 'static,
    ) -> Self {
        sink(Record::Head(Head {
            version: VERSION,
            core: env!("CARGO_PKG_VERSION").into(),
            seed,
            config: (&config).into(),
        }));
        let mut session = Self::new(config, seed);
        session.recorder.sink = Some(Box::new(sink));
        session
    }
}

impl Recorder {
    /// A transfer was added.
    pub(crate) fn inserted<T: Transfer>(&mut self, id: TransferId, transfer: &T, now: Instant) {
        self.tell(|| Record::Insert(now, id, Spec::of(transfer)));
    }

    /// A step was handed out.
    pub(crate) fn polled(&mut self, step: &Step, now: Instant) {
        if self.sink.is_none() {
            return;
        }
        let before = self.wait.take();
        let asked = match step {
            Step::Start(attempt) => {
                let flight = Flight::of(attempt);
                self.flights.insert(attempt.id.serial, flight);
                Asked::Start(attempt.id, attempt.operation())
            }
            Step::Abort(id) => Asked::Abort(*id),
            Step::Fill {
                transfer,
                offset,
                len,
            } => Asked::Fill(*transfer, *offset, *len),
            Step::Wait { until, why } => {
                self.wait = Some((*until, *why));
                if self.wait == before {
                    Asked::Same
                } else {
                    Asked::Wait(*until, *why)
                }
            }
            Step::NeedCredentials => Asked::Credentials,
            Step::Ended(id) => Asked::Ended(*id),
            Step::Done => Asked::Done,
        };
        self.tell(|| Record::Poll(now, asked));
    }

    /// An input has come; [`heard`](Self::heard) tells it when it is known what became of it.
    pub(crate) fn hear(&mut self, input: &Input) -> Option<Heard> {
        self.sink.as_ref()?;
        Some(match input {
            Input::Outcome(outcome) => Heard::Outcome(outcome.clone(), self.request_of(outcome)),
            Input::Progress { attempt, bytes } => Heard::Progress(*attempt, *bytes),
            Input::Released { transfer, up_to } => Heard::Released(*transfer, *up_to),
            Input::Supplied {
                transfer,
                up_to,
                end,
            } => Heard::Supplied(*transfer, *up_to, *end),
            Input::SupplyFailed { transfer, error } => {
                Heard::SupplyFailed(*transfer, error.clone())
            }
            Input::Credentials(result) => {
                Heard::Credentials(result.as_ref().map(|_| ()).map_err(Clone::clone))
            }
            Input::Concurrency(bound) => Heard::Concurrency(*bound),
            Input::Cancel(transfer) => Heard::Cancel(*transfer),
        })
    }

    /// What became of an input.
    pub(crate) fn heard(&mut self, heard: Option<Heard>, accepted: Accepted, now: Instant) {
        if let Some(heard) = heard {
            self.tell(|| match accepted {
                Accepted::Counted => Record::Input(now, heard),
                Accepted::Stale => Record::Stale(now, heard),
            });
        }
    }

    /// A result was taken.
    pub(crate) fn taken(&mut self, id: TransferId, error: Option<&TransferError>) {
        self.tell(|| Record::Take(id, error.map(ToString::to_string)));
    }

    fn tell(&mut self, record: impl FnOnce() -> Record) {
        if let Some(sink) = &mut self.sink {
            sink(record());
        }
    }

    /// The request that `outcome` is the end of. It is made again: from the same attempt, signed
    /// for the same time, it is the same.
    fn request_of(&mut self, outcome: &Outcome) -> Option<Request> {
        let serial = outcome.id.serial;
        self.flights
            .get(&serial)
            .filter(|flight| flight.id == outcome.id)?;
        let flight = self.flights.remove(&serial)?;
        let proof = match outcome.payload {
            _ if outcome.framed => Proof::trailer(),
            Some((_, _, checksum)) => Proof::Header(checksum),
            None => Proof::None,
        };
        let sendable = Sendable::new(flight.id, flight.context, flight.exchange, proof);
        let request = sendable.request(outcome.signed_at?).ok()?;
        Some(Request::of(&request))
    }
}

impl Flight {
    fn of(attempt: &Attempt) -> Self {
        Self {
            id: attempt.id,
            context: attempt.context.clone(),
            exchange: attempt.exchange.clone(),
        }
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder")
            .field("on", &self.sink.is_some())
            .finish_non_exhaustive()
    }
}
