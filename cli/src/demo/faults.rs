//! What went wrong in a demo with faults, and what was done about it.

use std::collections::BTreeMap;
use std::time::Duration;

use sans3_core::error::{Cause, TransportErrorKind};
use sans3_core::operation::OperationKind;
use sans3_core::session::{Notice, Reaction};
use sans3_testkit::faults::{Fault, Injected};

use super::report::{Report, Run, table};
use crate::exit::Failure;
use crate::output::{Event, Output};
use crate::span;

/// A fault on an operation, and the client's answer to it.
type Kind = (String, &'static str, &'static str);

/// Shows every fault that the servers injected, each with the client's answer to it. `replay` is the
/// command that shows the same again.
pub(super) fn print(
    report: &Report,
    seed: u64,
    replay: &str,
    output: &Output,
) -> Result<(), Failure> {
    if output.is_json() {
        let mut runs = report.runs.iter();
        return runs.try_for_each(|run| print_events(run, seed, replay, output));
    }
    let mut kinds: BTreeMap<Kind, Vec<u64>> = BTreeMap::new();
    for (column, run) in report.runs.iter().enumerate() {
        for (injected, notice) in pairs(run) {
            let kind = (
                name(injected),
                injected.hit.operation.name(),
                remedy(notice).0,
            );
            let counts = kinds.entry(kind);
            counts.or_insert_with(|| vec![0; report.runs.len()])[column] += 1;
        }
    }
    let say = |text: String| output.data(|| text, || Event::new("text"));
    say(format!("{:10} seed {seed}; again: {replay}\n", "faults"))?;
    let runtimes = report.runs.iter();
    let runtimes = runtimes.map(|run| run.runtime.name().to_owned());
    let mut head: Vec<String> = vec!["of".to_owned()];
    head.extend(runtimes);
    head.push("what was done".to_owned());
    let mut rows = vec![("fault", head)];
    for ((fault, operation, done), counts) in &kinds {
        let mut cells = vec![(*operation).to_owned()];
        cells.extend(counts.iter().map(u64::to_string));
        cells.push((*done).to_owned());
        rows.push((fault, cells));
    }
    table(&rows).into_iter().try_for_each(say)
}

fn print_events(run: &Run, seed: u64, replay: &str, output: &Output) -> Result<(), Failure> {
    let mut kinds: BTreeMap<String, u64> = BTreeMap::new();
    let of = |event: &str| Event::new(event).text("runtime", run.runtime.name());
    for (injected, notice) in pairs(run) {
        let fault = name(injected);
        let seen = notice.map(|notice| notice.cause.to_string());
        let (done, after) = remedy(notice);
        let done = match after {
            Some(after) => format!("{done} after {}", span::short(after)),
            None => done.to_owned(),
        };
        output.event(
            of("fault")
                .text("fault", &fault)
                .number("request", injected.request)
                .text("operation", injected.hit.operation.name())
                .maybe_text("piece", injected.hit.piece.as_deref())
                .text("seen", &seen.unwrap_or_default())
                .text("done", &done),
        )?;
        *kinds.entry(fault).or_default() += 1;
    }
    let event = of("faults").number("seed", seed).text("replay", replay);
    output.event(kinds.iter().fold(event, |event, (name, count)| {
        event.number(&name.replace(' ', "_"), *count)
    }))
}

/// Each fault that was injected, and what the client noticed of it.
fn pairs(run: &Run) -> Vec<(&Injected, Option<&Notice>)> {
    let mut unmatched: Vec<Option<&Notice>> = run.notices.iter().map(Some).collect();
    let mut pair = |injected| {
        let found = unmatched
            .iter_mut()
            .find(|notice| notice.is_some_and(|notice| fits(injected, notice)));
        (injected, found.and_then(Option::take))
    };
    run.injected.iter().map(&mut pair).collect()
}

/// The fault's name. An answer that is dropped has been truncated to nothing.
fn name(injected: &Injected) -> String {
    match &injected.fault {
        Fault::DropAnswer => Fault::TruncateBody { after: 0 }.name(),
        fault => fault.name(),
    }
}

/// Whether a failed attempt can be what a fault led to. Two faults of one kind on one operation
/// may be told in each other's place: they read the same.
fn fits(injected: &Injected, notice: &Notice) -> bool {
    let same_operation = injected.hit.operation.name() == notice.operation.to_string();
    same_operation && as_named(&name(injected), notice)
}

fn as_named(fault: &str, notice: &Notice) -> bool {
    let transport = |kinds: &[TransportErrorKind]| match notice.cause.root() {
        Cause::Transport { kind, .. } => kinds.contains(kind),
        _ => false,
    };
    match fault {
        "stalled" => transport(&[
            TransportErrorKind::IdleTimeout,
            TransportErrorKind::HeadTimeout,
        ]),
        "reset" | "truncated" => transport(&[
            TransportErrorKind::Closed,
            TransportErrorKind::BadHttp,
            TransportErrorKind::Other,
        ]),
        "wrong range" => matches!(notice.cause.root(), Cause::Violation(_)),
        "wrong bytes" => matches!(notice.reaction, Reaction::Reread),
        status => match notice.cause.root() {
            Cause::S3(error) => error.status.to_string() == status,
            _ => false,
        },
    }
}

/// What was done about it, and after which wait.
const fn remedy(notice: Option<&Notice>) -> (&'static str, Option<Duration>) {
    let Some(notice) = notice else {
        return ("nothing: its answer was no longer needed", None);
    };
    let done = match notice.reaction {
        Reaction::Retry { after } => {
            let done = match notice.operation {
                OperationKind::GetObject => "what was missing asked for",
                _ => "sent again",
            };
            return (done, Some(after));
        }
        Reaction::Reread => "found by the whole object's checksum, read again, replaced",
        Reaction::Stream => "read as one stream instead",
        Reaction::Reconcile => "looked at the object to find out",
        Reaction::GiveUp => "given up: the transfer did without it",
        _ => "dealt with",
    };
    (done, None)
}
