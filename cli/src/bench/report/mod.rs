//! What was measured, for people, for programs and for a browser.

mod html;
mod json;
mod plot;
mod text;

use std::path::Path;
use std::thread;
use std::time::Duration;

use sans3_core::transfer::Verified;
use sans3_platform::place::{Options, Placement};
use sans3_runtime::Error;

use super::measure::{Row, Summary};
use super::plan::{Cell, Direction, Plan};
use super::recommend::{Advice, recommend};
use super::rounds::{Ended, Measured};
use super::work::Bench;
use crate::exit::{Failure, Kind};
use crate::output::Output;
use crate::size::Size;
use crate::span;

/// A run that is shorter tells more of its beginning than of the throughput.
const SHORT: Duration = Duration::from_millis(500);

/// What each figure means; the same in all forms of the report.
const LEGEND: [&str; 4] = [
    "Each run begins without connections, as a command does. Throughput is payload over the time from \
     the first request to the last object that is whole and verified: the median of the runs, with \
     the slowest and the fastest.",
    "p50, p90 and p99 are over single requests with payload that succeeded, of all runs: from when \
     the request was begun (connection and checksum included) to the end of its answer. Of objects \
     that go by one request each they are over objects, retries included.",
    "CPU is the time that this process took of all processors for each GiB, in the median run; \
     uploads are read from files, downloads are verified and dropped. Buffers and process are the \
     most bytes that payload, and the whole process, had in any run.",
    "Recommended is, of the settings within 5 % of the best throughput, the one with the least CPU \
     time; within 5 % of that, the one with the fewest requests at once and then the largest parts.",
];

/// Everything that can be told.
#[derive(Debug)]
pub(super) struct Report {
    environment: Environment,
    settings: Settings,
    ended: Ended,
    runs: usize,
    lines: Vec<Line>,
    advice: Vec<Advice>,
    /// What a reader of the figures should know.
    notes: Vec<String>,
}

#[derive(Clone, Debug)]
struct Environment {
    version: &'static str,
    os: &'static str,
    arch: &'static str,
    cores: usize,
    runtime: &'static str,
    /// Without credentials: an address that has some is refused.
    endpoint: String,
    region: String,
    uri: String,
}

#[derive(Clone, Debug)]
struct Settings {
    repeat: u32,
    time: Duration,
    /// Runs in all.
    runs: u64,
}

/// A setting and its figures, if there are any.
#[derive(Clone, Debug)]
struct Line {
    cell: Cell,
    runs: usize,
    summary: Option<Summary>,
    failure: Option<String>,
}

/// The file of the HTML report, which gets its name when it is whole.
pub(super) struct Page(Placement);

impl Page {
    /// Finds out whether there can be such a file before anything is measured.
    ///
    /// # Errors
    /// There can't.
    pub(super) fn begin(path: &Path) -> Result<Self, Failure> {
        let page = Placement::create(path, Options::default());
        page.map(Self).map_err(|error| {
            let message = format!("--html: {}", Error::File(error));
            Failure::new(Kind::Transfer, message)
        })
    }

    fn finish(self, text: &str) -> Result<(), Failure> {
        let written = self.0.write_all_at(text.as_bytes(), 0);
        written.and_then(|()| self.0.commit()).map_err(|error| {
            let message = format!("the HTML report is not there: {}", Error::File(error));
            Failure::new(Kind::Transfer, message)
        })
    }
}

impl Report {
    pub(super) fn new(plan: &Plan, bench: &Bench<'_>, measured: &Measured) -> Self {
        let endpoint = &bench.connection.endpoint;
        let lines: Vec<Line> = measured.rows.iter().map(Line::new).collect();
        let settings = Settings {
            repeat: plan.repeat,
            time: plan.time,
            runs: plan.cells.len() as u64 * u64::from(plan.repeat),
        };
        Self {
            environment: Environment {
                version: env!("CARGO_PKG_VERSION"),
                os: std::env::consts::OS,
                arch: std::env::consts::ARCH,
                cores: thread::available_parallelism().map_or(1, usize::from),
                runtime: bench.connection.runtime().name(),
                endpoint: endpoint.to_string(),
                region: endpoint.region().to_string(),
                uri: bench.place.uri(),
            },
            ended: measured.ended,
            runs: measured.runs(),
            notes: notes(&settings, measured, &lines),
            settings,
            advice: recommend(&measured.rows),
            lines,
        }
    }

    /// Prints the report, and puts the page in place. Without a finished run there is neither.
    ///
    /// # Errors
    /// stdout or the page can't be written.
    pub(super) fn publish(&self, page: Option<Page>, output: &Output) -> Result<(), Failure> {
        if self.runs == 0 {
            return Ok(());
        }
        let printed = if output.is_json() {
            output.document(&json::document(self))
        } else {
            output.document(&text::document(self))
        };
        // One that can't be written must not keep the other from being.
        let put = page.map_or(Ok(()), |page| page.finish(&html::document(self)));
        printed.and(put)
    }

    /// The lines of each size in each direction.
    fn groups(&self) -> impl Iterator<Item = &[Line]> {
        let key = |line: &Line| (line.cell.direction, line.cell.batch);
        self.lines.chunk_by(move |a, b| key(a) == key(b))
    }
}

impl Line {
    fn new(row: &Row) -> Self {
        Self {
            cell: row.cell,
            runs: row.runs.len(),
            summary: row.summary(),
            failure: row.failure.clone(),
        }
    }

    /// The setting in a few words.
    fn setting(&self) -> String {
        let at_once = self.cell.at_once;
        match self.part() {
            Some(part) => format!("{} x {at_once}", Size(part)),
            None => format!("x {at_once}"),
        }
    }

    /// Bytes a part, where objects have more than one.
    fn part(&self) -> Option<u64> {
        (!self.cell.is_whole()).then_some(self.cell.part.get())
    }

    fn part_cell(&self) -> String {
        self.part().map_or_else(none, |part| Size(part).to_string())
    }
}

/// What the tables tell of a setting: the median, slowest and fastest throughput in a second, p50,
/// p90 and p99 of its requests, retries, CPU time for each GiB, and the peaks of buffers and process.
fn figures(summary: &Summary) -> [String; 10] {
    let size = |bytes| Size(bytes).to_string();
    let [p50, p90, p99] = match summary.latency {
        Some(times) => [times.p50, times.p90, times.p99].map(span::short),
        None => std::array::from_fn(|_| none()),
    };
    [
        size(summary.rate.median),
        size(summary.rate.slowest),
        size(summary.rate.fastest),
        p50,
        p90,
        p99,
        summary.retries.to_string(),
        summary.cpu_per_gib.map_or_else(none, span::short),
        size(summary.peak_buffers),
        summary.peak_process.map_or_else(none, size),
    ]
}

/// A figure that there is not.
fn none() -> String {
    "-".to_owned()
}

/// What the lines of one size and direction are about.
fn title(cell: &Cell) -> String {
    let direction = match cell.direction {
        Direction::Up => "upload",
        Direction::Down => "download",
    };
    let size = Size(cell.batch.size);
    match cell.batch.count {
        1 => format!("{direction} of {size}"),
        count => format!("{direction} of {count} objects of {size}"),
    }
}

fn notes(settings: &Settings, measured: &Measured, lines: &[Line]) -> Vec<String> {
    let mut notes = Vec::new();
    let (made, planned) = (measured.runs(), settings.runs);
    match measured.ended {
        Ended::Complete => {}
        Ended::TimeUp => notes.push(format!(
            "Time was up after {}: {made} of {planned} runs were made. More --time, or smaller \
             --sizes, leave time for the others.",
            span::short(settings.time)
        )),
        Ended::Interrupted | Ended::Failed => {
            notes.push(format!("Ended early: {made} of {planned} runs were made."));
        }
    }
    let largest = measured.rows.iter().map(|row| row.cell.batch.size).max();
    let hasty = measured.rows.iter().filter(|row| {
        let is_short = row.runs.iter().any(|run| run.elapsed < SHORT);
        Some(row.cell.batch.size) == largest && is_short
    });
    if let Some(row) = hasty.max_by_key(|row| row.cell.batch.size) {
        notes.push(format!(
            "Runs of {} took less than half a second: larger --sizes tell more.",
            Size(row.cell.batch.size)
        ));
    }
    let proofs = lines
        .iter()
        .filter_map(|line| line.summary.as_ref()?.verified);
    if proofs.clone().any(|verified| verified == Verified::Length) {
        notes.push(
            "The server has no checksum of whole objects: downloads were verified by their length, \
             their version and a word in each 4 KiB."
                .to_owned(),
        );
    }
    notes
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;

    use super::*;
    use crate::bench::measure::tests::row;

    /// One setting that was measured, and one that failed.
    pub(super) fn report() -> Report {
        let rate = 128 << 20;
        let mut rows = vec![row(&[rate, rate, rate], 250), row(&[], 0)];
        rows[1].cell.at_once = NonZeroU16::new(16).unwrap();
        rows[1].failure = Some("gave up\u{1b}[2J<b>".to_owned());
        let measured = Measured {
            rows,
            ended: Ended::TimeUp,
            begun: Vec::new(),
            failure: None,
        };
        let lines: Vec<Line> = measured.rows.iter().map(Line::new).collect();
        let settings = Settings {
            repeat: 3,
            time: Duration::from_secs(60),
            runs: 6,
        };
        Report {
            environment: Environment {
                version: "1.2.3",
                os: "os",
                arch: "arch",
                cores: 2,
                runtime: "tokio",
                endpoint: "http://host/?<&\">".to_owned(),
                region: "region".to_owned(),
                uri: "s3://bucket/<script>&amp;'\"/".to_owned(),
            },
            ended: measured.ended,
            runs: measured.runs(),
            notes: notes(&settings, &measured, &lines),
            settings,
            advice: recommend(&measured.rows),
            lines,
        }
    }

    #[test]
    fn a_reader_is_told_what_the_figures_can_not_tell() {
        let mut report = report();
        assert_eq!(report.notes.len(), 1, "{:?}", report.notes);
        let mut short = row(&[1 << 32, 1 << 32], 1);
        short.runs[0].verified = Some(Verified::Length);
        report.lines = vec![Line::new(&short)];
        let measured = Measured {
            rows: vec![short],
            ended: Ended::Complete,
            begun: Vec::new(),
            failure: None,
        };
        let notes = notes(&report.settings, &measured, &report.lines);
        assert!(notes[0].contains("less than half a second"), "{notes:?}");
        assert!(notes[1].contains("no checksum"), "{notes:?}");
    }
}
