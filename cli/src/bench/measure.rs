//! What a run took, and what several runs come to.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sans3_core::operation::OperationKind;
use sans3_core::trace::{Asked, Heard, Record};
use sans3_core::transfer::Verified;

use super::plan::Cell;
use crate::demo::files::peak_rss;
use crate::span;

/// What one run of a cell took.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) elapsed: Duration,
    /// Of all processors, by this process; `None` where the system does not tell.
    pub(super) cpu: Option<Duration>,
    /// The most payload that was held in buffers.
    pub(super) peak_buffers: u64,
    /// The most memory of the process; `None` where the system does not tell.
    pub(super) peak_process: Option<u64>,
    pub(super) connections: u64,
    pub(super) requests: u64,
    pub(super) retries: u64,
    /// How long each request with payload took.
    pub(super) latencies: Vec<Duration>,
    /// How the objects were proved; the weakest of all.
    pub(super) verified: Option<Verified>,
}

/// A cell and what came of it.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) cell: Cell,
    pub(super) runs: Vec<Run>,
    /// Why it was given up.
    pub(super) failure: Option<String>,
}

/// What the runs of a cell come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Summary {
    pub(super) rate: Spread,
    pub(super) latency: Option<Percentiles>,
    /// Requests of all runs, those without payload and retries included.
    pub(super) requests: u64,
    pub(super) retries: u64,
    /// The median run's time of processors, for each GiB.
    pub(super) cpu_per_gib: Option<Duration>,
    /// Of the run that had the most.
    pub(super) peak_buffers: u64,
    pub(super) peak_process: Option<u64>,
    pub(super) connections: u64,
    /// The weakest proof of all.
    pub(super) verified: Option<Verified>,
}

/// Bytes a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spread {
    pub(super) slowest: u64,
    pub(super) median: u64,
    pub(super) fastest: u64,
}

/// How long requests took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Percentiles {
    pub(super) p50: Duration,
    pub(super) p90: Duration,
    pub(super) p99: Duration,
    /// How many were measured.
    pub(super) count: u64,
}

/// Takes the recording of a session in memory, which tells when each request began and ended.
#[derive(Clone, Debug, Default)]
pub(super) struct Log(Arc<Mutex<Vec<u8>>>);

impl Row {
    /// `None` where no run was finished.
    pub(super) fn summary(&self) -> Option<Summary> {
        let bytes = self.cell.bytes();
        let rates = self.runs.iter();
        let rates = rates.map(|run| span::rate(bytes, run.elapsed).unwrap_or(u64::MAX));
        let most = |of: fn(&Run) -> u64| self.runs.iter().map(of).max().unwrap_or_default();
        let all = |of: fn(&Run) -> u64| self.runs.iter().map(of).sum();
        let latencies = self.runs.iter().flat_map(|run| &run.latencies);
        let cpu: Option<Vec<Duration>> = self.runs.iter().map(|run| run.cpu).collect();
        let proofs = self.runs.iter().filter_map(|run| run.verified);
        Some(Summary {
            rate: Spread::of(rates.collect())?,
            latency: Percentiles::of(latencies.copied().collect()),
            requests: all(|run| run.requests),
            retries: all(|run| run.retries),
            cpu_per_gib: cpu.and_then(median).and_then(|cpu| per_gib(cpu, bytes)),
            peak_buffers: most(|run| run.peak_buffers),
            peak_process: self.runs.iter().filter_map(|run| run.peak_process).max(),
            connections: most(|run| run.connections),
            verified: proofs.reduce(weaker),
        })
    }
}

impl Spread {
    fn of(mut rates: Vec<u64>) -> Option<Self> {
        rates.sort_unstable();
        Some(Self {
            slowest: *rates.first()?,
            fastest: *rates.last()?,
            median: median(rates)?,
        })
    }

    /// Whether the runs of one were as fast as runs of the other.
    pub(super) const fn overlaps(self, other: Self) -> bool {
        self.slowest <= other.fastest && other.slowest <= self.fastest
    }
}

impl Percentiles {
    /// By the nearest rank: each is a time that a request really took.
    fn of(mut times: Vec<Duration>) -> Option<Self> {
        times.sort_unstable();
        let at = |percent: usize| {
            let rank = (times.len() * percent).div_ceil(100);
            times.get(rank.max(1) - 1).copied()
        };
        Some(Self {
            p50: at(50)?,
            p90: at(90)?,
            p99: at(99)?,
            count: times.len() as u64,
        })
    }
}

impl Log {
    /// How long each request with payload took that was answered well: from when the session had it
    /// sent until it knew of the end of its answer.
    pub(super) fn latencies(&self) -> Vec<Duration> {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut begun = BTreeMap::new();
        let mut latencies = Vec::new();
        for line in bytes.split(|byte| *byte == b'\n') {
            match serde_json::from_slice(line) {
                Ok(Record::Poll(now, Asked::Start(id, kind))) if has_payload(kind) => {
                    begun.insert(id, now);
                }
                Ok(Record::Input(now, Heard::Outcome(outcome, _))) => {
                    let began = begun.remove(&outcome.id());
                    latencies.extend(
                        began
                            .filter(|_| outcome.is_success())
                            .map(|began| now - began),
                    );
                }
                _ => {}
            }
        }
        latencies
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        log.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What this process has taken of all processors so far (clock_gettime(2)).
#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "not every system tells")]
pub(super) fn cpu_time() -> Option<Duration> {
    use rustix::time::{ClockId, clock_gettime};
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let part = |number: i64| u64::try_from(number).unwrap_or_default();
    Some(Duration::from_secs(part(time.tv_sec)) + Duration::from_nanos(part(time.tv_nsec)))
}

#[cfg(not(unix))]
pub(super) const fn cpu_time() -> Option<Duration> {
    None
}

/// Has [`peak_process`] begin anew, where the system can (Linux, proc(5), `clear_refs`): elsewhere it
/// goes on from what was before.
pub(super) fn forget_peak() {
    if cfg!(target_os = "linux") {
        // It may be denied; then a run shows what one before it had.
        let _ = std::fs::write("/proc/self/clear_refs", "5");
    }
}

/// The most memory that this process had since it was forgotten.
pub(super) fn peak_process() -> Option<u64> {
    peak_rss()
}

/// The proof that says less.
pub(super) fn weaker(one: Verified, other: Verified) -> Verified {
    let strength = |verified| match verified {
        Verified::FullObject(_) => 3,
        Verified::Composite(_) => 2,
        Verified::Length => 1,
        _ => 0,
    };
    if strength(one) <= strength(other) {
        one
    } else {
        other
    }
}

fn has_payload(kind: OperationKind) -> bool {
    matches!(
        kind,
        OperationKind::GetObject | OperationKind::PutObject | OperationKind::UploadPart
    )
}

/// The middle one; of an even number the lower of the two in the middle, which somebody measured.
fn median<T: Ord + Copy>(mut values: Vec<T>) -> Option<T> {
    values.sort_unstable();
    let last = values.len().checked_sub(1)?;
    values.get(last / 2).copied()
}

fn per_gib(cpu: Duration, bytes: u64) -> Option<Duration> {
    let nanos = (cpu.as_nanos() << 30).checked_div(bytes.into())?;
    u64::try_from(nanos).ok().map(Duration::from_nanos)
}

#[cfg(test)]
pub(super) mod tests {
    use std::num::{NonZeroU16, NonZeroU64};

    use sans3_core::checksum::Algorithm;

    use super::super::plan::{Batch, Direction};
    use super::*;

    pub(in super::super) fn row(rates: &[u64], cpu_millis: u64) -> Row {
        let cell = Cell {
            direction: Direction::Down,
            batch: Batch {
                size: 1 << 30,
                count: 1,
            },
            part: NonZeroU64::new(8 << 20).unwrap(),
            at_once: NonZeroU16::new(4).unwrap(),
        };
        let run = |rate: &u64| Run {
            elapsed: Duration::from_micros((1 << 30) * 1_000_000 / rate),
            cpu: Some(Duration::from_millis(cpu_millis)),
            peak_buffers: *rate,
            peak_process: None,
            connections: 4,
            requests: 129,
            retries: 1,
            latencies: vec![Duration::from_micros(*rate)],
            verified: Some(Verified::FullObject(Algorithm::Crc64Nvme)),
        };
        Row {
            cell,
            runs: rates.iter().map(run).collect(),
            failure: None,
        }
    }

    #[test]
    fn a_row_is_summed_up_by_its_middle_and_its_ends() {
        let summary = row(&[1 << 20, 1 << 22, 1 << 21], 500).summary().unwrap();
        let Spread {
            slowest,
            median,
            fastest,
        } = summary.rate;
        assert_eq!([slowest, median, fastest], [1 << 20, 1 << 21, 1 << 22]);
        assert_eq!((summary.requests, summary.retries), (387, 3));
        assert_eq!(summary.peak_buffers, 1 << 22);
        assert_eq!(summary.cpu_per_gib, Some(Duration::from_millis(500)));
        assert_eq!(summary.latency.unwrap().count, 3);
        assert_eq!(row(&[], 0).summary(), None);
    }

    #[test]
    fn one_run_that_no_system_timed_leaves_no_time() {
        let mut row = row(&[1 << 20, 1 << 20], 500);
        row.runs[1].cpu = None;
        row.runs[0].verified = Some(Verified::Length);
        let summary = row.summary().unwrap();
        assert_eq!(summary.cpu_per_gib, None);
        assert_eq!(summary.verified, Some(Verified::Length));
    }

    #[test]
    fn percentiles_are_times_that_were_measured() {
        let of = |numbers: std::ops::RangeInclusive<u64>| {
            let all = Percentiles::of(numbers.rev().map(Duration::from_millis).collect())?;
            Some([all.p50, all.p90, all.p99].map(|time| time.as_millis()))
        };
        assert_eq!(of(1..=1000), Some([500, 900, 990]));
        assert_eq!(of(1..=10), Some([5, 9, 10]));
        assert_eq!(of(7..=7), Some([7, 7, 7]));
        assert_eq!(Percentiles::of(Vec::new()), None);
    }

    #[test]
    fn a_log_that_is_cut_off_tells_what_it_can() {
        let mut log = Log::default();
        log.write_all(b"{\"poll\":[5,{\"start\":[[1,1],\"GetObject\"]}]}\n{\"inp")
            .unwrap();
        assert_eq!(log.latencies(), Vec::<Duration>::new());
    }

    #[test]
    #[cfg(unix)]
    fn work_takes_time_of_a_processor() {
        let before = cpu_time().unwrap();
        while cpu_time().unwrap() < before + Duration::from_millis(1) {
            std::hint::black_box(before);
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn memory_of_before_is_forgotten() {
        let held = std::hint::black_box(vec![1_u8; 256 << 20]);
        let with = peak_process().unwrap();
        drop(held);
        forget_peak();
        assert!(peak_process().unwrap() < with);
    }
}
