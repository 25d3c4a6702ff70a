//! Reports as a table of aligned text.

use std::fmt::Write as _;
use std::time::Duration;

use sans3_core::pace::{Concurrency, Lever};

use super::{Job, Report, Scenario, amount, bytes, run, seconds};

/// A table in groups, each of which answers a question.
#[derive(Clone, Debug, Default)]
pub struct Table {
    text: String,
}

impl Table {
    /// An empty table under these lines.
    pub fn new(head: &str) -> Self {
        let mut table = Self::default();
        table.line(head);
        table
    }

    /// Begins a group: what it asks, and what its lines have in common.
    pub fn group(&mut self, question: &str, remark: &str) {
        self.line("");
        self.line(&format!("# {question}"));
        self.line(remark);
        self.line(&format!(
            "{:<22}{:>8}{:>14}{:>6}{:>8}{:>7} |{:>8}{:>8}{:>10}{:>12}{:>7}{:>6}{:>6}{:>6}{:>11}  {}",
            "job", "size", "part", "conns", "latency", "loss", "requests", "retries", "again",
            "time", "MB/s", "net%", "busy%", "peak", "held", "result",
        ));
    }

    /// Carries out a scenario and writes its line; `note` says what the columns don't.
    pub fn run(&mut self, scenario: &Scenario, note: &str) -> Report {
        let report = run(scenario);
        let part = bytes(report.part_size);
        let part = match scenario.part_size {
            Some(_) => part,
            None => format!("auto {part}"),
        };
        let again = report.again.map_or_else(|| "-".to_owned(), bytes);
        let note = if note.is_empty() {
            String::new()
        } else {
            format!("; {note}")
        };
        self.line(&format!(
            "{:<22}{:>8}{:>14}{:>6}{:>8}{:>7} |{:>8}{:>8}{:>10}{:>12}{:>7}{:>6}{:>6}{:>6}{:>11}  {}{note}",
            job(scenario),
            bytes(scenario.size),
            part,
            conns(scenario.concurrency),
            format!("{} ms", scenario.network.latency.as_millis()),
            percent(scenario.loss),
            amount(report.requests),
            amount(report.retries),
            again,
            seconds(report.elapsed),
            amount(report.goodput / 1_000_000),
            report.of_network / 10,
            report.busy / 10,
            report.peak,
            bytes(report.held),
            report.result,
        ));
        report
    }

    /// Adds a line as it is, without blanks at its end.
    pub fn line(&mut self, line: &str) {
        let _ = writeln!(self.text, "{}", line.trim_end());
    }

    /// Adds what a report tells of each of its first seconds.
    pub fn seconds(&mut self, report: &Report) {
        const SECOND: Duration = Duration::from_secs(1);
        let trace = &report.trace;
        let megabytes = trace
            .bytes_per(SECOND)
            .iter()
            .map(|n| n / 1_000_000)
            .collect();
        self.spans("MB each second", megabytes);
        self.spans("requests", trace.requests_per(SECOND));
        self.spans("refused", trace.refusals_per(SECOND));
        let bursts = trace.bursts_per(SECOND, Duration::from_millis(100));
        self.spans("most in 100 ms", bursts);
    }

    /// Adds how many exchanges a session let run at once, and from when.
    pub fn pace(&mut self, report: &Report) {
        let mut line = String::from("  at once");
        for change in &report.changes {
            if let Lever::Concurrency { to, .. } = change.what {
                let at = change.at.as_nanos() / 100_000_000;
                let _ = write!(line, "  {to} at {}.{} s", at / 10, at % 10);
            }
        }
        self.line(&line);
    }

    /// Adds all of another table.
    pub fn append(&mut self, other: &Self) {
        self.text.push_str(&other.text);
    }

    /// The text so far.
    pub fn text(&self) -> &str {
        &self.text
    }

    fn spans(&mut self, name: &str, mut numbers: Vec<u64>) {
        const SHOWN: usize = 24;
        let more = numbers.len().saturating_sub(SHOWN);
        numbers.truncate(SHOWN);
        let mut line = format!("  {name:<16}");
        for number in numbers {
            let _ = write!(line, "{number:>6}");
        }
        if more > 0 {
            let _ = write!(line, "  and {more} more");
        }
        self.line(&line);
    }
}

/// `~64` is as many as serve, up to 64.
fn conns(concurrency: Concurrency) -> String {
    let auto = if concurrency.is_auto() { "~" } else { "" };
    format!("{auto}{}", concurrency.most())
}

fn job(scenario: &Scenario) -> String {
    let name = match scenario.job {
        Job::Get => "get",
        Job::GetListed => "get, size known",
        Job::GetInOrder => "get in order",
        Job::Put => "put",
        Job::PutStream => "put stream",
    };
    match scenario.objects {
        1 => name.to_owned(),
        many => format!("{many} x {name}"),
    }
}

/// Of 10,000.
fn percent(loss: u32) -> String {
    match (loss / 100, loss % 100) {
        (0, 0) => "-".to_owned(),
        (whole, 0) => format!("{whole} %"),
        (whole, rest) if rest % 10 == 0 => format!("{whole}.{} %", rest / 10),
        (whole, rest) => format!("{whole}.{rest:02} %"),
    }
}
