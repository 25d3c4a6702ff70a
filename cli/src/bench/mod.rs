//! `sans3 bench`: measures a server with many settings, and recommends the best.
//!
//! All happens in a folder of the bucket that only this run has. It is emptied at the end, whatever
//! that end is; a second Ctrl-C alone leaves it as it is, and says where it is.

mod cleanup;
mod measure;
mod pattern;
mod place;
mod plan;
mod prepare;
mod recommend;
mod report;
mod rounds;
mod work;

use std::time::{Duration, Instant};

use sans3_core::endpoint::ObjectKey;
use sans3_core::part::Limits;
use sans3_platform::Environment;

use self::cleanup::Sweep;
use self::place::Place;
pub(crate) use self::plan::Direction;
use self::plan::Plan;
use self::prepare::Unfit;
use self::report::{Page, Report};
use self::work::Bench;
use crate::args::{BenchArgs, ConnectionArgs};
use crate::config::Connection;
use crate::demo::files::Scratch;
use crate::demo::random;
use crate::engine::Engine;
use crate::exit::Failure;
use crate::operand::parse_uri;
use crate::output::Output;
use crate::signals::Interrupt;

/// What stands for no end of the time.
const YEAR: Duration = Duration::from_secs(365 * 86_400);

pub(crate) async fn run(
    args: &BenchArgs,
    connection: &ConnectionArgs,
    output: &Output,
    interrupt: &mut Interrupt,
) -> Result<(), Failure> {
    let uri = parse_uri(&args.uri)?;
    let plan = Plan::new(args, &Limits::default())?;
    let resolved = Connection::resolve(connection, &Environment::from_process(), output)?;
    let place = Place::beneath(&uri, random());
    place.probe()?;
    let page = args.html.as_deref().map(Page::begin).transpose()?;
    let scratch = Scratch::new("bench");
    let scratch = scratch.map_err(|(path, error)| Failure::io("making", &path, &error))?;
    let bench = Bench {
        connection: &resolved,
        args: connection,
        memory: args.memory,
        site: &resolved.site(&place.bucket, &place.prefix),
        place: &place,
        scratch: &scratch,
        seed: random(),
        deadline: Instant::now() + YEAR,
    };
    for cell in &plan.cells {
        bench.session(cell)?;
    }
    prepare::announce(&plan, &bench, output)?;
    prepare::write_files(&plan, &bench, interrupt).await?;
    interrupt.note_remains(format!(
        "objects and unfinished uploads may be left beneath {}",
        place.uri()
    ));
    let client = resolved.small_client(connection)?;
    let act = Act {
        plan: &plan,
        bench,
        client: &client,
        output,
    };
    act.play(page, interrupt).await
}

/// From the first object that is written to the last one that is removed.
struct Act<'a> {
    plan: &'a Plan,
    bench: Bench<'a>,
    /// For single requests.
    client: &'a Engine,
    output: &'a Output,
}

impl Act<'_> {
    async fn play(self, page: Option<Page>, interrupt: &mut Interrupt) -> Result<(), Failure> {
        let mut begun = vec![self.bench.place.probe()?.key];
        let done = match prepare::prove(&self.bench, self.client, interrupt).await {
            Err(Unfit::Clean(failure)) => return Err(failure),
            Err(Unfit::Unclean(failure)) => Err(failure),
            Ok(()) => self.measure(page, &mut begun, interrupt).await,
        };
        let sweep = Sweep {
            client: self.client,
            place: self.bench.place,
            site: self.bench.site,
            output: self.output,
        };
        match (done, sweep.run(begun).await) {
            (Err(failure), Err(left)) => Err(Failure {
                message: format!("{}; {}", failure.message, left.message),
                advice: left.advice,
                ..failure
            }),
            (done, swept) => done.and(swept),
        }
    }

    /// Measures and reports. Whatever is uploaded is noted in `begun`.
    async fn measure(
        &self,
        page: Option<Page>,
        begun: &mut Vec<ObjectKey>,
        interrupt: &mut Interrupt,
    ) -> Result<(), Failure> {
        let now = Instant::now();
        let bench = Bench {
            deadline: now.checked_add(self.plan.time).unwrap_or(now + YEAR),
            ..self.bench
        };
        let measured = rounds::run(self.plan, &bench, self.output, interrupt).await;
        for batch in &measured.begun {
            for number in 0..batch.count {
                begun.push(bench.place.member(*batch, number)?.key);
            }
        }
        let report = Report::new(self.plan, &bench, &measured);
        let published = report.publish(page, self.output);
        match measured.failure {
            Some(failure) => Err(failure),
            None => published,
        }
    }
}
