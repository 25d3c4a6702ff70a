//! The account that a demo gives of itself: the runtimes side by side.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use sans3_core::session::Notice;
use sans3_core::transfer::{Downloaded, Uploaded, Verified};
use sans3_testkit::faults::Injected;
use sans3_testkit::server::Stats;

use super::files;
use crate::engine::Runtime;
use crate::exit::Failure;
use crate::output::{Event, Output};
use crate::progress::Finished;
use crate::report::{count, proof};
use crate::size::Size;
use crate::span;

/// What happened.
pub(super) struct Report {
    pub(super) runs: Vec<Run>,
    pub(super) with_faults: bool,
}

/// What happened on one runtime.
pub(super) struct Run {
    pub(super) runtime: Runtime,
    pub(super) up: Finished<()>,
    pub(super) uploaded: Uploaded,
    pub(super) upload_part: u64,
    pub(super) down: Finished<()>,
    pub(super) downloaded: Downloaded,
    pub(super) range: u64,
    /// The most payload that was allowed.
    pub(super) memory: u64,
    /// What both transfers took of all processors, the server's share included.
    pub(super) cpu: Option<Duration>,
    pub(super) server: Stats,
    pub(super) injected: Vec<Injected>,
    pub(super) notices: Vec<Notice>,
    /// Of the copy, which is the same as the file.
    pub(super) sha256: String,
}

impl Report {
    /// Prints the table, for people alone.
    pub(super) fn print(&self, output: &Output) -> Result<(), Failure> {
        let Some(first) = self.runs.first().filter(|_| !output.is_json()) else {
            return Ok(());
        };
        let say = |text: String| output.data(|| text, || Event::new("text"));
        let pieces = format!("{} up, {} down", first.parts(), first.ranges());
        say(format!("{:10} {pieces}", "pieces"))?;
        let server = match self.runs.len() {
            1 => "in this process",
            _ => "in this process, a new one for each runtime",
        };
        say(format!("{:10} {server}\n", "server"))?;
        let mut rows: Vec<(&str, Vec<String>)> = vec![("", self.cells(|run| run.runtime.name()))];
        rows.push(("upload", self.cells(|run| run.up_text())));
        rows.push(("download", self.cells(|run| run.down_text())));
        rows.push(("requests", self.cells(|run| run.server.total())));
        if self.with_faults {
            let failed = self.cells(|run| run.injected.len());
            rows.push(("  made to fail", failed));
        }
        rows.push(("retries", self.cells(Run::retries)));
        rows.push(("connections", self.cells(|run| run.server.connections)));
        rows.push(("peak payload", self.cells(|run| Size(run.peak_memory()))));
        if self.runs.iter().all(|run| run.cpu.is_some()) {
            let cpu = |run: &Run| span::short(run.cpu.unwrap_or_default());
            rows.push(("CPU time", self.cells(cpu)));
        }
        rows.push(("verified by", self.cells(Run::proof_text)));
        rows.push(("identical", self.cells(|_| "yes")));
        for line in table(&rows) {
            say(line)?;
        }
        say(format!(
            "\n{:10} byte for byte; SHA-256 {}",
            "identical", first.sha256
        ))?;
        let process = files::peak_rss().map_or_else(String::new, |bytes| {
            let bytes = Size(bytes);
            format!(
                "; the process had {bytes} at its peak, with the server and its copy of the file"
            )
        });
        let allowed = Size(first.memory);
        say(format!(
            "{:10} {allowed} allowed for payload{process}",
            "memory"
        ))?;
        say(format!("{:10} CPU time includes the server's", "note"))
    }

    fn cells<T: ToString>(&self, cell: impl Fn(&Run) -> T) -> Vec<String> {
        self.runs.iter().map(|run| cell(run).to_string()).collect()
    }
}

impl Run {
    /// Tells programs what happened.
    pub(super) fn print_events(&self, output: &Output) -> Result<(), Failure> {
        if !output.is_json() {
            return Ok(());
        }
        let of = |name: &str| Event::new(name).text("runtime", self.runtime.name());
        let Self {
            uploaded: up,
            downloaded: down,
            ..
        } = self;
        let event = transfer_event(of("uploaded"), up.size, up.parts, &self.up);
        output.event(with_proof(event, up.verified))?;
        let event = transfer_event(of("downloaded"), down.size, down.parts, &self.down);
        output.event(with_proof(event, down.verified))?;
        let event = of("requests")
            .number("total", self.server.total())
            .number("retries", self.retries().into())
            .number("faults", self.injected.len() as u64)
            .number("connections", self.server.connections);
        let mut by_operation: BTreeMap<&str, u64> = BTreeMap::new();
        for ((operation, _), count) in &self.server.requests {
            *by_operation.entry(operation.name()).or_default() += count;
        }
        let counts = by_operation.iter();
        output.event(counts.fold(event, |event, (name, count)| event.number(name, *count)))?;
        output.event(
            of("resources")
                .number("peak_payload_bytes", self.peak_memory())
                .number("allowed_bytes", self.memory)
                .maybe_number("cpu_milliseconds", self.cpu.map(millis))
                .maybe_number("peak_process_bytes", files::peak_rss()),
        )?;
        let event = of("identical").flag("identical", true);
        output.event(event.text("sha256", &self.sha256))
    }

    fn parts(&self) -> String {
        match self.uploaded.parts {
            0 => "one request".to_owned(),
            parts => pieces(count(parts, "part", "parts"), parts, self.upload_part),
        }
    }

    fn ranges(&self) -> String {
        let ranges = self.downloaded.parts;
        pieces(count(ranges, "range", "ranges"), ranges, self.range)
    }

    fn up_text(&self) -> String {
        speed(self.uploaded.size, self.up.elapsed)
    }

    fn down_text(&self) -> String {
        speed(self.downloaded.size, self.down.elapsed)
    }

    fn retries(&self) -> u32 {
        self.up.progress.retries + self.down.progress.retries
    }

    fn peak_memory(&self) -> u64 {
        self.up.stats.peak_memory.max(self.down.stats.peak_memory)
    }

    /// By what both directions were proved.
    fn proof_text(&self) -> String {
        let name = |verified| match proof(verified) {
            ("full_object", Some(algorithm)) => format!("whole {algorithm}"),
            (how, Some(algorithm)) => format!("{how} {algorithm}"),
            (how, None) => how.to_owned(),
        };
        let (up, down) = (name(self.uploaded.verified), name(self.downloaded.verified));
        if up == down {
            return up;
        }
        format!("{up} up, {down} down")
    }
}

/// What this process has taken of all processors so far, where the system tells (Linux, proc(5)).
pub(super) fn cpu_time() -> Option<Duration> {
    /// Ticks a second: what Linux shows to programs, whatever its own clock does (times(2)).
    const TICKS: u64 = 100;
    if !cfg!(target_os = "linux") {
        return None;
    }
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // Fields 14 and 15. The second one is the program's name, which may hold anything.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let (user, system): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    let ticks = user.checked_add(system)?;
    Some(Duration::from_millis(ticks.checked_mul(1_000 / TICKS)?))
}

/// Rows as lines, in columns as wide as their widest cell.
pub(super) fn table(rows: &[(&str, Vec<String>)]) -> Vec<String> {
    let columns = rows.iter().map(|(_, cells)| cells.len()).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|(_, cells)| cells.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let labels = rows.iter().map(|(label, _)| label.chars().count()).max();
    let labels = labels.unwrap_or(0);
    let line = |(label, cells): &(&str, Vec<String>)| {
        let mut line = format!("{label:labels$}");
        for (cell, width) in cells.iter().zip(&widths) {
            line = format!("{line}  {cell:width$}");
        }
        line.trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

fn pieces(counted: String, number: u32, size: u64) -> String {
    match number {
        0 => counted,
        _ => format!("{counted} of {}", Size(size)),
    }
}

fn speed(size: u64, elapsed: Duration) -> String {
    let took = span::short(elapsed);
    match span::rate(size, elapsed) {
        Some(rate) => format!("{took}, {}/s", Size(rate)),
        None => took,
    }
}

fn transfer_event(event: Event, size: u64, parts: u32, finished: &Finished<()>) -> Event {
    event
        .number("size", size)
        .number("parts", parts.into())
        .number("requests", finished.progress.attempts.into())
        .number("retries", finished.progress.retries.into())
        .number("milliseconds", millis(finished.elapsed))
}

fn with_proof(event: Event, verified: Verified) -> Event {
    let (how, algorithm) = proof(verified);
    event
        .text("verified", how)
        .maybe_text("checksum", algorithm)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let cells = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        let rows = [
            ("", cells(["one", "two"])),
            ("time", cells(["3 µs", "12 min 01 s"])),
            ("n", cells(["1", ""])),
        ];
        assert_eq!(
            table(&rows),
            ["      one   two", "time  3 µs  12 min 01 s", "n     1"]
        );
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn work_takes_time_of_a_processor() {
        let before = cpu_time().unwrap();
        let mut hasher = sans3_core::checksum::Hasher::new(sans3_core::checksum::Algorithm::Sha256);
        while cpu_time().unwrap() == before {
            hasher.update(&[0; 1 << 16]);
        }
        assert!(cpu_time().unwrap() > before);
    }
}
