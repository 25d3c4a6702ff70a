//! Exchanges: requests on their way, and answers on theirs.

use sans3_core::attempt::{AttemptId, Outcome, Sendable, Sent as Left};
use sans3_core::error::TransportErrorKind;
use sans3_core::time::UnixTime;

use super::choices::{Choices, index};
use crate::drive::{Reply, Sent, Sink, receive};

/// How an exchange ends.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ending {
    /// As the server lets it.
    Normal,
    /// The adapter ends it, and keeps what came by then: so many of 1,000 bytes.
    Cut(u64),
    /// Its state is lost before the answer.
    LostBefore,
    /// Its state is lost after so much of the answer.
    LostAfter(u64),
}

/// An exchange under way.
pub(super) struct Flight {
    pub(super) state: State,
    pub(super) ending: Ending,
}

pub(super) enum State {
    /// The request has not reached the server.
    Sent(Sendable, Sent),
    /// The answer is on its way.
    Answered(Sendable, Reply),
    /// It was over before anything was sent.
    Over(Outcome),
}

impl Ending {
    /// How an exchange ends that nobody asked to end.
    pub(super) fn draw(choices: &mut Choices) -> Self {
        match choices.below(60) {
            59 => Self::LostBefore,
            58 => Self::LostAfter(choices.below(1_001)),
            _ => Self::Normal,
        }
    }

    /// How an exchange ends that the session wants to end.
    pub(super) fn draw_abort(choices: &mut Choices) -> Self {
        match choices.below(5) {
            4 => Self::LostBefore,
            3 => Self::LostAfter(choices.below(1_001)),
            2 => Self::Normal,
            _ => Self::Cut(choices.below(1_001)),
        }
    }
}

/// The end of an exchange whose request the server has not seen; with the request, where it will
/// see it all the same.
pub(super) fn give_up(
    sendable: Sendable,
    request: Sent,
    ending: Ending,
    choices: &mut Choices,
) -> (Outcome, Option<Sent>) {
    let left = choices.pick(&[Left::None, Left::Part, Left::All]);
    let arrives = left != Left::None && choices.one_in(2);
    let outcome = match ending {
        Ending::LostBefore => sendable.id().aborted(),
        _ => sendable.on_transport_error(TransportErrorKind::Aborted, left, ""),
    };
    (outcome, arrives.then_some(request))
}

/// The end of an exchange that has its answer.
pub(super) fn take(
    sendable: Sendable,
    mut reply: Reply,
    ending: Ending,
    wall: UnixTime,
    sink: &mut Sink,
) -> Outcome {
    let id: AttemptId = sendable.id();
    if let Ending::Cut(share) | Ending::LostAfter(share) = ending {
        let len = reply.bytes().len() as u64;
        reply = reply.cut(index(len * share / 1_000), Err(TransportErrorKind::Aborted));
    }
    let outcome = receive(sendable, wall, reply, sink);
    match ending {
        Ending::LostAfter(_) => id.aborted(),
        _ => outcome,
    }
}
