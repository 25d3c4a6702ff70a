//! A second attempt at a range whose first one brings nothing for too long. The two race to the first
//! byte; the one that loses places nothing, and is ended.

use super::Order;
use super::ranges::{Piece, read};
use super::work::{Known, Task};
use crate::attempt::{Ending, Failure, Outcome};
use crate::retry::FailureClass;
use crate::time::Instant;
use crate::transfer::flights::Flights;
use crate::transfer::{Cx, Next};

/// Whether a second attempt is worth it.
#[derive(Debug)]
pub(super) enum Hedge {
    /// One begins.
    Now(Next),
    /// Not yet.
    Later(Next),
    /// Not that anybody knows.
    Never,
}

/// Begins a second attempt at the range that has waited longest, if that is too long.
pub(super) fn hedge(flights: &mut Flights<Task>, known: &Known, cx: &mut Cx<'_>) -> Hedge {
    if known.total_if_settled().is_none() {
        return Hedge::Never;
    }
    // Those that began first have the lowest numbers.
    let waiting = flights.iter().find_map(|(serial, task)| match task {
        Task::Piece(piece) if is_waiting(piece) => Some((piece.began, serial)),
        _ => None,
    });
    let Some((began, serial)) = waiting else {
        return Hedge::Never;
    };
    let Some(due) = due_at(began, cx) else {
        return Hedge::Never;
    };
    if let Some(wait) = cx.until(cx.payload_at(due)) {
        return Hedge::Later(wait);
    }
    let Some(Task::Piece(piece)) = flights.get_mut(serial) else {
        return Hedge::Never;
    };
    let policy = cx.shared.config.retry;
    let paid = cx.shared.budget.try_spend(&policy, FailureClass::Timeout);
    if paid.is_none() {
        return Hedge::Never;
    }
    cx.shared.pace.hedged();
    let number = piece.tries.start();
    piece.twin = Some(cx.serial);
    let twin = Piece {
        twin: Some(serial),
        ..piece.clone()
    };
    let next = Next::read(read(&twin, known), number);
    flights.insert(cx.serial, Task::Piece(twin));
    Hedge::Now(next)
}

/// Whether an outcome is nobody's business, because the other attempt at the same range goes on.
/// Where it brought bytes it is that one which is of no use any more.
pub(super) fn leaves_it_to_twin(
    piece: &Piece,
    outcome: &Outcome,
    flights: &mut Flights<Task>,
    known: &Known,
    cx: &mut Cx<'_>,
) -> bool {
    let Some(task) = piece.twin.and_then(|twin| flights.get_mut(twin)) else {
        return false;
    };
    let Task::Piece(other) = task else {
        return false;
    };
    other.twin = None;
    match &outcome.ending {
        Ending::Read { report, .. } if report.range.is_some() => *task = Task::Outrun,
        // No attempt at ranges leads any further; the other one may bring bytes before it ends.
        Ending::Failed(Failure::RangeIgnored | Failure::Sink(_)) => return false,
        // What a consumer in order has had of it can't be told.
        Ending::Lost if known.spec.order == Order::InOrder => return false,
        _ => return true,
    }
    if outcome.is_success() {
        let cost = cx.shared.config.retry.cost(FailureClass::Timeout);
        cx.shared.budget.refund(cost);
    }
    false
}

const fn is_waiting(piece: &Piece) -> bool {
    piece.twin.is_none() && !piece.moves && piece.tries.has_more()
}

/// When a piece that began then has waited too long; `None` where there may be no second attempt.
fn due_at(began: Instant, cx: &Cx<'_>) -> Option<Instant> {
    let cost = cx.shared.config.retry.cost(FailureClass::Timeout)?;
    let affordable = cx.shared.budget.available() >= cost.units();
    cx.shared.pace.hedge_at(began).filter(|_| affordable)
}
