//! Runs the simulator in bulk, or one run of it with all that happens there.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use lexopt::prelude::*;
use mimalloc::MiMalloc;
use sans3_testkit::simulate::{
    Broken, Choices, Enumerated, Invariant, Scope, Subject, Summary, enumerate, run, run_twice,
    shrink, tell,
};

/// A run allocates thousands of small things, which costs a fifth of its time in glibc.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const HELP: &str = "\
Runs S3 transfers against a simulated world, and sees to it that every promise is kept.

  simulate --seeds N [--first S] [--minutes M] [--jobs J] [--anonymous] [--until PROMISE]
      Runs with the seeds S, S+1, ... (S is 0 by default): N of them, at most M minutes long, on J
      threads (one a core by default). --anonymous leaves signed requests out. --until ends at the
      first run that breaks this promise, and lists no others.
  simulate --seed S [--anonymous]
      One run, with everything that happens in it; one that breaks a promise is also made smaller.
  simulate --choices A.B.C [--anonymous]
      The run that these choices make, as printed for one that was made smaller.
  simulate --exhaustive [--faults F] [--most N]
      Every run of at most three parts and F faults (2 by default), in every order of events; at most
      N runs (1 million by default) of each kind of transfer.

The exit code is 1 where a promise is broken, 2 where the arguments make no sense.
";

/// How this program is called.
const COMMAND: &str = "cargo run --release -p sans3-testkit --bin simulate --";

/// Runs that a thread takes at once.
const BATCH: u64 = 64;

/// One of so many runs is carried out twice, and must be the same; where that is what is asked for,
/// all are.
const REPEATED: u64 = 32;

/// Broken promises after which a thread runs no more.
const ENOUGH: usize = 100;

/// The most runs that making one smaller takes.
const SHRINKING: u32 = 20_000;

fn main() -> ExitCode {
    match Task::parse() {
        Ok(Task::Help) => {
            print!("{HELP}");
            ExitCode::SUCCESS
        }
        Ok(task) => task.carry_out(),
        Err(error) => {
            eprintln!("simulate: {error}\n\n{HELP}");
            ExitCode::from(2)
        }
    }
}

enum Task {
    Help,
    Bulk(Bulk),
    One(Scope, Choices),
    Exhaustive { faults: u64, most: u64 },
}

/// Many runs.
struct Bulk {
    scope: Scope,
    first: u64,
    count: u64,
    within: Duration,
    jobs: usize,
    /// The promise whose first break ends it.
    until: Option<Invariant>,
}

impl Task {
    fn parse() -> Result<Self, lexopt::Error> {
        let mut scope = Scope::All;
        let (mut seeds, mut first, mut minutes) = (None, 0, None);
        let (mut jobs, mut one, mut exhaustive, mut until) = (None, None, false, None);
        let (mut faults, mut most) = (2, 1_000_000);
        let mut arguments = lexopt::Parser::from_env();
        while let Some(argument) = arguments.next()? {
            match argument {
                Long("seeds") => seeds = Some(arguments.value()?.parse()?),
                Long("first") => first = arguments.value()?.parse()?,
                Long("minutes") => minutes = Some(arguments.value()?.parse::<u64>()?),
                Long("jobs") => jobs = Some(arguments.value()?.parse()?),
                Long("until") => until = Some(arguments.value()?.parse_with(promise)?),
                Long("anonymous") => scope = Scope::Anonymous,
                Long("seed") => one = Some(Choices::seeded(arguments.value()?.parse()?)),
                Long("choices") => {
                    let values = arguments.value()?.parse_with(|text| {
                        let values = text.split('.').filter(|value| !value.is_empty());
                        values.map(str::parse).collect::<Result<Vec<u64>, _>>()
                    })?;
                    one = Some(Choices::listed(values));
                }
                Long("exhaustive") => exhaustive = true,
                Long("faults") => faults = arguments.value()?.parse()?,
                Long("most") => most = arguments.value()?.parse()?,
                Long("help") | Short('h') => return Ok(Self::Help),
                other => return Err(other.unexpected()),
            }
        }
        let kinds = [
            exhaustive,
            one.is_some(),
            seeds.is_some() || minutes.is_some(),
        ];
        if kinds.iter().filter(|kind| **kind).count() != 1 {
            let expected = "say one thing to run: --seeds or --minutes, --seed, --choices, or \
                            --exhaustive";
            return Err(expected.into());
        }
        if seeds == Some(0) || minutes == Some(0) {
            return Err("expected at least one seed, and one minute, got 0".into());
        }
        if exhaustive {
            return Ok(Self::Exhaustive { faults, most });
        }
        if let Some(choices) = one {
            return Ok(Self::One(scope, choices));
        }
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let within = minutes.map_or(Duration::MAX, |minutes| {
            Duration::from_secs(minutes.saturating_mul(60))
        });
        Ok(Self::Bulk(Bulk {
            scope,
            first,
            count: seeds.unwrap_or(u64::MAX),
            within,
            jobs: jobs.unwrap_or(cores).max(1),
            until,
        }))
    }

    fn carry_out(self) -> ExitCode {
        let broken = match self {
            Self::Help => false,
            Self::Bulk(runs) => bulk(&runs),
            Self::One(scope, choices) => one(scope, &choices),
            Self::Exhaustive { faults, most } => exhaustive(faults, most),
        };
        ExitCode::from(u8::from(broken))
    }
}

/// The promise of this name.
fn promise(name: &str) -> Result<Invariant, String> {
    let mut all = Invariant::ALL.into_iter();
    all.find(|invariant| invariant.name() == name)
        .ok_or_else(|| {
            let names = Invariant::ALL.map(Invariant::name).join(", ");
            format!("expected one of {names}, not {name}")
        })
}

/// What many runs come to.
#[derive(Default)]
struct Total {
    runs: u64,
    succeeded: u64,
    failed: u64,
    /// How many runs had so many attempts, and so many KiB of payload: the last ones are for more.
    attempts: Histogram,
    kibibytes: Histogram,
    broken: Vec<(u64, Broken)>,
}

#[derive(Default)]
struct Histogram(Vec<u64>);

impl Histogram {
    fn count(&mut self, value: u64) {
        let at = usize::try_from(value).unwrap_or(usize::MAX).min(10_000);
        if self.0.len() <= at {
            self.0.resize(at + 1, 0);
        }
        self.0[at] += 1;
    }

    fn add(&mut self, other: &Self) {
        self.0.resize(self.0.len().max(other.0.len()), 0);
        for (ours, theirs) in self.0.iter_mut().zip(&other.0) {
            *ours += theirs;
        }
    }

    /// The value that so much of 100 stays at or below.
    fn percentile(&self, share: u64) -> usize {
        let total: u64 = self.0.iter().sum();
        let mut seen = 0;
        let reached = |count: &u64| {
            seen += count;
            seen * 100 >= total * share
        };
        self.0.iter().position(reached).unwrap_or(0)
    }
}

impl Total {
    fn count(&mut self, summary: &Summary) {
        self.runs += 1;
        self.succeeded += u64::from(summary.succeeded);
        self.failed += u64::from(summary.failed);
        self.attempts.count(summary.attempts.into());
        self.kibibytes.count(summary.payload.div_ceil(1024));
    }

    fn add(&mut self, other: Self) {
        self.runs += other.runs;
        self.succeeded += other.succeeded;
        self.failed += other.failed;
        self.attempts.add(&other.attempts);
        self.kibibytes.add(&other.kibibytes);
        self.broken.extend(other.broken);
    }
}

fn bulk(runs: &Bulk) -> bool {
    let &Bulk {
        scope,
        first,
        count,
        within,
        jobs,
        until,
    } = runs;
    // What breaks is told at the end; where the core panics, replaying the seed tells the place.
    std::panic::set_hook(Box::new(|_| {}));
    let began = Instant::now();
    let (next, total) = (AtomicU64::new(0), Mutex::new(Total::default()));
    let found = AtomicBool::new(false);
    let repeated = match until {
        Some(Invariant::SameLog) => 1,
        _ => REPEATED,
    };
    let work = || {
        let mut ours = Total::default();
        while !found.load(Ordering::Relaxed) && began.elapsed() <= within {
            let from = next.fetch_add(BATCH, Ordering::Relaxed);
            if from >= count || (until.is_none() && ours.broken.len() > ENOUGH) {
                break;
            }
            for seed in first.saturating_add(from)..first.saturating_add(count.min(from + BATCH)) {
                match run_seed(scope, seed, repeated) {
                    Ok(summary) => ours.count(&summary),
                    Err(broken) if until.is_none_or(|until| until == broken.invariant) => {
                        found.fetch_or(until.is_some(), Ordering::Relaxed);
                        ours.broken.push((seed, broken));
                    }
                    Err(_) => {}
                }
            }
        }
        if let Ok(mut total) = total.lock() {
            total.add(ours);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(work);
        }
    });
    let total = total.into_inner().unwrap_or_default();
    report(&total, began.elapsed(), jobs);
    tell_broken(scope, total.broken)
}

fn run_seed(scope: Scope, seed: u64, repeated: u64) -> Result<Summary, Broken> {
    let choices = || Choices::seeded(seed);
    if seed.is_multiple_of(repeated) {
        run_twice(scope, choices)
    } else {
        run(scope, &mut choices())
    }
}

/// Whether any run broke a promise.
fn tell_broken(scope: Scope, mut broken: Vec<(u64, Broken)>) -> bool {
    broken.sort_by_key(|(seed, broken)| (broken.invariant, *seed));
    for (seed, broken) in broken.iter().take(40) {
        println!("seed {seed} breaks {}: {}", broken.invariant, broken.how);
    }
    if let Some((seed, _)) = broken.first() {
        println!(
            "{} runs were seen to break a promise. Replay one:\n  {COMMAND} --seed {seed}{}",
            broken.len(),
            flag(scope)
        );
    }
    !broken.is_empty()
}

fn report(total: &Total, took: Duration, jobs: usize) {
    let transfers = total.succeeded + total.failed;
    let seconds = took.as_secs_f64().max(0.001);
    let rate = f64::from(u32::try_from(transfers).unwrap_or(u32::MAX)) / seconds;
    println!(
        "{} runs, {transfers} transfers ({} succeeded, {} failed) in {seconds:.1} s on {jobs} \
         threads: {rate:.0} transfers/s",
        total.runs, total.succeeded, total.failed
    );
    println!(
        "a run's attempts: median {}, 90 % up to {}, most {}; its payload: median {} KiB, 90 % up to \
         {} KiB, most {} KiB",
        total.attempts.percentile(50),
        total.attempts.percentile(90),
        total.attempts.percentile(100),
        total.kibibytes.percentile(50),
        total.kibibytes.percentile(90),
        total.kibibytes.percentile(100),
    );
}

fn one(scope: Scope, choices: &Choices) -> bool {
    let mut recorded = choices.clone().recorded();
    let (result, story) = tell(scope, &mut recorded);
    for line in story {
        println!("{line}");
    }
    // One that is the same twice is not told by a single run.
    let result = result.and_then(|_| run_twice(scope, || choices.clone()));
    let broken = match result {
        Ok(summary) => {
            println!("{summary:#?}");
            return false;
        }
        Err(broken) => broken,
    };
    println!("breaks {}: {}", broken.invariant, broken.how);
    std::panic::set_hook(Box::new(|_| {}));
    let values: Vec<u64> = recorded.into_taken().iter().map(|one| one.value).collect();
    let smaller = shrink(scope, values.clone(), &broken, SHRINKING);
    if smaller != values {
        println!("\nmade smaller:");
        let (result, story) = tell(scope, &mut Choices::listed(smaller.clone()));
        for line in story {
            println!("{line}");
        }
        println!(
            "{result:?}\n  {COMMAND} --choices {}{}",
            dotted(&smaller),
            flag(scope)
        );
    }
    true
}

fn exhaustive(faults: u64, most: u64) -> bool {
    let mut any = false;
    for subject in Subject::ALL {
        let began = Instant::now();
        let scope = Scope::Small { faults, subject };
        match enumerate(scope, most) {
            Ok(Enumerated { runs, complete }) => println!(
                "{subject:?}: {} {runs} runs with at most {faults} faults in {:.1} s",
                if complete { "all" } else { "only the first" },
                began.elapsed().as_secs_f64()
            ),
            Err((broken, values)) => {
                any = true;
                println!("{subject:?} breaks {}: {}", broken.invariant, broken.how);
                let (_, story) = tell(scope, &mut Choices::listed(values.clone()));
                for line in story {
                    println!("  {line}");
                }
                println!("  by the choices {}", dotted(&values));
            }
        }
    }
    any
}

/// Choices as the command line has them.
fn dotted(values: &[u64]) -> String {
    let text: Vec<String> = values.iter().map(u64::to_string).collect();
    text.join(".")
}

/// What has to be said again for the same runs.
fn flag(scope: Scope) -> &'static str {
    if scope == Scope::Anonymous {
        " --anonymous"
    } else {
        ""
    }
}
