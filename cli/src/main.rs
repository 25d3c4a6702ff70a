//! `sans3`: copies files to and from S3, whole or not at all.

#![forbid(unsafe_code)]

mod args;
mod bench;
mod bounds;
mod calls;
mod circle;
mod clock;
mod config;
mod cp;
mod demo;
mod engine;
mod exit;
mod ls;
mod mb;
mod operand;
mod output;
mod plan;
mod presign;
mod progress;
mod report;
mod resolve;
mod rm;
mod signals;
mod size;
mod span;
mod stdio;
mod trace;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::{Cli, Command};
use crate::exit::Failure;
use crate::output::Output;
use crate::signals::Interrupt;
use crate::trace::Recording;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let output = Output::new(cli.output);
    match run(&cli, output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Ended { failure, output }) => {
            output.failure(&failure);
            ExitCode::from(failure.kind.code())
        }
    }
}

/// A failure, and where to tell it.
struct Ended {
    failure: Failure,
    output: Output,
}

fn run(cli: &Cli, output: Output) -> Result<(), Ended> {
    let output = match &cli.command {
        Command::Cp(args) if args.target == "-" => output.with_data_on_stdout(),
        // stdout has one document then, and no events.
        Command::Bench(_) if cli.output.json => output.with_data_on_stdout(),
        _ => output,
    };
    let result = dispatch(cli, &output);
    let recorded = cli.connection.recording.end();
    let result = match (result, recorded) {
        (Err(failure), Err(unrecorded)) => output.warn(&unrecorded.message).and(Err(failure)),
        (result, recorded) => result.and(recorded),
    };
    result.map_err(|failure| Ended { failure, output })
}

fn dispatch(cli: &Cli, output: &Output) -> Result<(), Failure> {
    let connection = &cli.connection;
    let recording = &connection.recording;
    let is_unrecorded = matches!(
        cli.command,
        Command::Plan(_) | Command::Presign(_) | Command::Demo(_) | Command::Bench(_)
    );
    if is_unrecorded && connection.trace.is_some() {
        let message = "--trace: expected cp, ls, rm or mb; no other command can be recorded";
        return Err(Failure::usage(message));
    }
    match &cli.command {
        Command::Plan(args) => plan::run(args, output),
        Command::Presign(args) => presign::run(args, connection, output),
        Command::Cp(args) => block_on(recording, async |interrupt| {
            cp::run(args, connection, output, interrupt).await
        }),
        Command::Ls(args) => block_on(recording, async |interrupt| {
            ls::run(args, connection, output, interrupt).await
        }),
        Command::Rm(args) => block_on(recording, async |interrupt| {
            rm::run(args, connection, output, interrupt).await
        }),
        Command::Mb(args) => block_on(recording, async |interrupt| {
            mb::run(args, connection, output, interrupt).await
        }),
        Command::Bench(args) => block_on(recording, async |interrupt| {
            bench::run(args, connection, output, interrupt).await
        }),
        Command::Demo(args) => {
            let runtime = connection.runtime;
            block_on(recording, async |interrupt| {
                demo::run(args, runtime, output, interrupt).await
            })
        }
    }
}

/// Runs a command. The program itself is on tokio, on whatever its transfers are: it waits for
/// signals, for the clock of the progress bar, and for results.
fn block_on(
    recording: &Recording,
    command: impl AsyncFnOnce(&mut Interrupt) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let start = |error: std::io::Error| {
        Failure::new(
            exit::Kind::Transfer,
            format!("the runtime could not be started: {error}"),
        )
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(start)?;
    let result = runtime.block_on(async {
        let mut interrupt = Interrupt::listen(recording.clone()).map_err(start)?;
        command(&mut interrupt).await
    });
    // A read from stdin can't be interrupted, and must not keep the program from ending.
    runtime.shutdown_background();
    result
}
