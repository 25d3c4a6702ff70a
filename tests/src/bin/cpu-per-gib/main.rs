//! What moving a GiB costs in CPU time: each runtime beside a bare socket that does the same.
//!
//! A server with the model of S3 is another process, whose time does not count. Each job of each
//! contender is a process of its own too, so that start and end count. They take turns, round by
//! round; the figure to read is the ratio to the floor in the same round, since machines differ and
//! are seldom idle.

mod contest;
mod floor;
mod job;
mod measure;

use std::process::ExitCode;

use lexopt::prelude::*;

use contest::Contest;
use job::Job;

type Failure = Box<dyn std::error::Error + Send + Sync>;

const HELP: &str = "\
Measures CPU seconds of sans3's runtimes and of a bare socket (the floor) on the same transfers.

  cpu-per-gib [--rounds N] [--mib M] [--objects K] [--jobs J,..] [--runtimes R,..] [--dir DIR]

      --rounds N      rounds that count, after one that does not (5)
      --mib M         size of the large object (512)
      --objects K     how many small objects, of 64 KiB each (1000)
      --jobs J,..     of down, down-file, up, get-64k, put-64k (all)
      --runtimes R,.. of smol, tokio, blocking (all)
      --dir DIR       where files are; on Linux /dev/shm, which is memory, and else the directory for
                      temporary files

It runs the program bench-driver that lies beside it. Build both:

  cargo build --release -p sans3-testkit --features bench --bins
";

fn main() -> ExitCode {
    let done = parse().and_then(|task| match task {
        Task::Help => {
            print!("{HELP}");
            Ok(())
        }
        Task::Contest(contest) => contest.hold(),
        Task::Serve { mib, objects } => contest::serve(mib, objects),
        Task::Floor => floor::run(),
        Task::Measured(command) => measure::inside(&command),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cpu-per-gib: {error}");
            ExitCode::FAILURE
        }
    }
}

enum Task {
    Help,
    Contest(Contest),
    /// The roles of the processes that a contest starts.
    Serve {
        mib: u64,
        objects: u64,
    },
    Floor,
    Measured(Vec<std::ffi::OsString>),
}

fn parse() -> Result<Task, Failure> {
    let mut contest = Contest::default();
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("rounds") => contest.rounds = arguments.value()?.parse()?,
            Long("mib") => contest.mib = arguments.value()?.parse()?,
            Long("objects") => contest.objects = arguments.value()?.parse()?,
            Long("jobs") => contest.jobs = arguments.value()?.parse_with(list(Job::from_name))?,
            Long("runtimes") => {
                let known = |name: &str| contest::RUNTIMES.into_iter().find(|known| *known == name);
                contest.runtimes = arguments.value()?.parse_with(list(known))?;
            }
            Long("dir") => contest.dir = arguments.value()?.into(),
            Long("help") | Short('h') => return Ok(Task::Help),
            Long("serve") => {
                let sizes: Vec<u64> = arguments
                    .value()?
                    .parse_with(list(|size| size.parse().ok()))?;
                let [mib, objects] = sizes[..] else {
                    return Err("--serve MIB,OBJECTS".into());
                };
                return Ok(Task::Serve { mib, objects });
            }
            Long("floor") => return Ok(Task::Floor),
            Long("measured") => return Ok(Task::Measured(arguments.raw_args()?.collect())),
            other => return Err(other.unexpected().into()),
        }
    }
    if contest.rounds == 0 || contest.mib == 0 || contest.objects == 0 {
        return Err("expected at least one round, one MiB and one object, got 0".into());
    }
    Ok(Task::Contest(contest))
}

/// Reads a list of names with commas in between.
fn list<T>(known: impl Fn(&str) -> Option<T>) -> impl Fn(&str) -> Result<Vec<T>, Failure> {
    move |text| {
        let named = |name: &str| known(name).ok_or_else(|| format!("{name:?} is not known").into());
        text.split(',').map(named).collect()
    }
}
