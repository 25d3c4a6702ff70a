//! What went wrong in a demo with faults, and what was done about it.

use std::collections::BTreeMap;

use sans3_core::error::{Cause, TransportErrorKind};
use sans3_core::operation::OperationKind;
use sans3_core::session::{Notice, Reaction};
use sans3_testkit::faults::{Fault, Injected};

use super::report::Report;
use crate::args::DemoArgs;
use crate::exit::Failure;
use crate::output::{Event, Output, plain};
use crate::span;

/// Lists every fault that the server injected, each with the client's answer to it.
pub(super) fn print(
    report: &Report,
    seed: u64,
    args: &DemoArgs,
    output: &Output,
) -> Result<(), Failure> {
    let mut unmatched: Vec<Option<&Notice>> = report.notices.iter().map(Some).collect();
    for injected in &report.injected {
        let found = unmatched
            .iter_mut()
            .find(|notice| notice.is_some_and(|notice| fits(injected, notice)))
            .and_then(Option::take);
        print_one(injected, found, output)?;
    }
    let mut kinds: BTreeMap<String, u64> = BTreeMap::new();
    for injected in &report.injected {
        *kinds.entry(name(injected)).or_default() += 1;
    }
    let list: Vec<String> = kinds
        .iter()
        .map(|(name, count)| format!("{count} {name}"))
        .collect();
    let command = replay(seed, args);
    output.data(
        || {
            format!(
                "{:10} {} (seed {seed}; again: {command})",
                "faults",
                list.join(", ")
            )
        },
        || {
            let event = Event::new("faults")
                .number("seed", seed)
                .text("replay", &command);
            kinds.iter().fold(event, |event, (name, count)| {
                event.number(&name.replace(' ', "_"), *count)
            })
        },
    )
}

fn print_one(injected: &Injected, notice: Option<&Notice>, output: &Output) -> Result<(), Failure> {
    let fault = name(injected);
    let operation = injected.hit.operation.name();
    let piece = injected.hit.piece.as_deref().unwrap_or_default();
    let (seen, done) = match notice {
        Some(notice) => (notice.cause.to_string(), remedy(notice)),
        None => (
            String::new(),
            "nothing: its answer was no longer needed".to_owned(),
        ),
    };
    output.data(
        || format!("  {fault:12} {operation} {} -> {done}", plain(piece)),
        || {
            Event::new("fault")
                .text("fault", &fault)
                .number("request", injected.request)
                .text("operation", operation)
                .maybe_text("piece", injected.hit.piece.as_deref())
                .text("seen", &seen)
                .text("done", &done)
        },
    )
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

fn remedy(notice: &Notice) -> String {
    match notice.reaction {
        Reaction::Retry { after } => {
            let after = span::short(after);
            match notice.operation {
                OperationKind::GetObject => format!("what was missing asked for after {after}"),
                _ => format!("sent again after {after}"),
            }
        }
        Reaction::Reread => "found by the whole object's checksum, read again, replaced".to_owned(),
        Reaction::Stream => "read as one stream instead".to_owned(),
        Reaction::Reconcile => "looked at the object to find out".to_owned(),
        Reaction::GiveUp => "given up: the transfer did without it".to_owned(),
        _ => "dealt with".to_owned(),
    }
}

fn replay(seed: u64, args: &DemoArgs) -> String {
    match &args.file {
        Some(file) => format!("sans3 demo {} --faults --seed {seed}", file.display()),
        None => format!("sans3 demo --faults --seed {seed}"),
    }
}
