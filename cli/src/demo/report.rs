//! The account that a demo gives of itself.

use std::collections::BTreeMap;

use sans3_core::session::Notice;
use sans3_core::transfer::{Downloaded, Uploaded, Verified};
use sans3_testkit::faults::Injected;
use sans3_testkit::server::Stats;

use super::files;
use crate::exit::Failure;
use crate::output::{Event, Output, plain};
use crate::progress::Finished;
use crate::report::{count, proof, proof_text};
use crate::size::Size;
use crate::span;

/// What happened.
pub(super) struct Report {
    pub(super) up: Finished<()>,
    pub(super) uploaded: Uploaded,
    pub(super) upload_part: u64,
    pub(super) down: Finished<()>,
    pub(super) downloaded: Downloaded,
    pub(super) range: u64,
    pub(super) memory: u64,
    pub(super) stats: Stats,
    pub(super) injected: Vec<Injected>,
    pub(super) notices: Vec<Notice>,
}

impl Report {
    pub(super) fn print(&self, output: &Output, with_faults: bool) -> Result<(), Failure> {
        let Self {
            uploaded,
            downloaded,
            ..
        } = self;
        let line = |name: &str, text: String, event: Event| {
            output.data(|| format!("{name:10} {}", plain(&text)), || event)
        };
        let up = transfer_text(uploaded.size, &self.up, uploaded.verified);
        let parts = match uploaded.parts {
            0 => "one request".to_owned(),
            parts => format!(
                "{} of {}",
                count(parts, "part", "parts"),
                Size(self.upload_part)
            ),
        };
        let event = transfer_event("uploaded", uploaded.size, uploaded.parts, &self.up);
        line(
            "upload",
            format!("{parts}, {up}"),
            with_proof(event, uploaded.verified),
        )?;
        let down = transfer_text(downloaded.size, &self.down, downloaded.verified);
        let ranges = count(downloaded.parts, "range", "ranges");
        let ranges = format!("{ranges} of {}", Size(self.range));
        let event = transfer_event("downloaded", downloaded.size, downloaded.parts, &self.down);
        line(
            "download",
            format!("{ranges}, {down}"),
            with_proof(event, downloaded.verified),
        )?;
        self.print_requests(output, with_faults)?;
        self.print_memory(output)
    }

    fn print_requests(&self, output: &Output, with_faults: bool) -> Result<(), Failure> {
        let mut by_operation: BTreeMap<&str, u64> = BTreeMap::new();
        for ((operation, _), count) in &self.stats.requests {
            *by_operation.entry(operation.name()).or_default() += count;
        }
        let list: Vec<String> = by_operation
            .iter()
            .map(|(name, count)| format!("{name} {count}"))
            .collect();
        let total = self.stats.total();
        let retries = self.up.progress.retries + self.down.progress.retries;
        let faults = match with_faults {
            true => format!("{} of them made to fail, ", self.injected.len()),
            false => String::new(),
        };
        output.data(
            || {
                let connections = match self.stats.connections {
                    1 => "1 connection".to_owned(),
                    connections => format!("{connections} connections"),
                };
                let retries = count(retries, "retry", "retries");
                format!(
                    "{:10} {total} ({faults}{retries}) over {connections}: {}",
                    "requests",
                    list.join(", ")
                )
            },
            || {
                let event = Event::new("requests")
                    .number("total", total)
                    .number("retries", retries.into())
                    .number("faults", self.injected.len() as u64)
                    .number("connections", self.stats.connections);
                by_operation
                    .iter()
                    .fold(event, |event, (name, count)| event.number(name, *count))
            },
        )
    }

    fn print_memory(&self, output: &Output) -> Result<(), Failure> {
        let payload = self.up.stats.peak_memory.max(self.down.stats.peak_memory);
        let process = files::peak_rss();
        output.data(
            || {
                let process = process.map_or_else(String::new, |bytes| {
                    format!(
                        "; whole process {} at its peak, with the server and its copy of the file",
                        Size(bytes)
                    )
                });
                let allowed = Size(self.memory);
                format!(
                    "{:10} {} of payload at most, of {allowed} allowed{process}",
                    "memory",
                    Size(payload)
                )
            },
            || {
                Event::new("memory")
                    .number("peak_payload_bytes", payload)
                    .number("allowed_bytes", self.memory)
                    .maybe_number("peak_process_bytes", process)
            },
        )
    }
}

fn transfer_text(size: u64, finished: &Finished<()>, verified: Verified) -> String {
    let took = span::short(finished.elapsed);
    let speed = match span::rate(size, finished.elapsed) {
        Some(rate) => format!("{took}, {}/s", Size(rate)),
        None => took,
    };
    format!("{speed}, {}", proof_text(verified))
}

fn transfer_event(name: &str, size: u64, parts: u32, finished: &Finished<()>) -> Event {
    Event::new(name)
        .number("size", size)
        .number("parts", parts.into())
        .number("requests", finished.progress.attempts.into())
        .number("retries", finished.progress.retries.into())
        .number(
            "milliseconds",
            u64::try_from(finished.elapsed.as_millis()).unwrap_or(u64::MAX),
        )
}

fn with_proof(event: Event, verified: Verified) -> Event {
    let (how, algorithm) = proof(verified);
    event
        .text("verified", how)
        .maybe_text("checksum", algorithm)
}
