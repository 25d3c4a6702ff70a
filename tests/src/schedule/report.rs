//! What is measured, and how numbers are written for people.

use std::collections::BTreeMap;
use std::time::Duration;

use sans3_core::attempt::TransferId;
use sans3_core::error::Cause;
use sans3_core::pace::PaceChange;
use sans3_core::time::Instant;

use super::Scenario;

/// What became of a scenario. Bytes are real ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The size of the first range or part.
    pub part_size: u64,
    /// Requests that were sent.
    pub requests: u64,
    /// Those of them that were retries.
    pub retries: u64,
    /// Those of them that the server refused for its overload.
    pub refused: u64,
    /// Bytes of objects that crossed the network beyond one time each; `None` where a transfer
    /// failed.
    pub again: Option<u64>,
    /// From the start to the end of the last transfer, its consumer included.
    pub elapsed: Duration,
    /// Bytes of objects a second.
    pub goodput: u64,
    /// `goodput` in thousandths of what the network could carry.
    pub of_network: u64,
    /// Exchanges under way in thousandths of the concurrency, on average.
    pub busy: u64,
    /// The most exchanges at once.
    pub peak: usize,
    /// The most bytes that waited at once: for their turn or their consumer in a download in order,
    /// for their upload in a pull source. The buffers of exchanges are not counted.
    pub held: u64,
    /// `ok`, or how the first transfer that failed did.
    pub result: String,
    /// What the session changed of its pace.
    pub changes: Vec<PaceChange>,
    /// When what happened.
    pub trace: Trace,
}

/// When what happened, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// Requests were sent.
    pub requests: Vec<Instant>,
    /// Requests were refused for the server's overload.
    pub refusals: Vec<Instant>,
    /// So many bytes of objects had come through.
    pub bytes: Vec<(Instant, u64)>,
}

impl Trace {
    /// The bytes of objects that came in each span of `width` from the start.
    pub fn bytes_per(&self, width: Duration) -> Vec<u64> {
        let mut spans = Vec::new();
        for (at, bytes) in &self.bytes {
            *slot(&mut spans, *at, width) += bytes;
        }
        spans
    }

    /// The requests in each span of `width` from the start.
    pub fn requests_per(&self, width: Duration) -> Vec<u64> {
        count(&self.requests, width)
    }

    /// The most requests in any time of `window` that ends in each span of `width`: how much retries
    /// bunch.
    pub fn bursts_per(&self, width: Duration, window: Duration) -> Vec<u64> {
        let mut spans = Vec::new();
        let mut first = 0;
        for (index, at) in self.requests.iter().enumerate() {
            while at.since(self.requests[first]) >= window {
                first += 1;
            }
            let most = slot(&mut spans, *at, width);
            *most = (*most).max((index - first + 1) as u64);
        }
        spans
    }

    /// The refusals in each span of `width` from the start.
    pub fn refusals_per(&self, width: Duration) -> Vec<u64> {
        count(&self.refusals, width)
    }
}

fn count(times: &[Instant], width: Duration) -> Vec<u64> {
    let mut spans = Vec::new();
    for at in times {
        *slot(&mut spans, *at, width) += 1;
    }
    spans
}

fn slot(spans: &mut Vec<u64>, at: Instant, width: Duration) -> &mut u64 {
    let index = at.since(Instant::ZERO).as_nanos() / width.as_nanos().max(1);
    let index = usize::try_from(index).unwrap_or(usize::MAX);
    if spans.len() <= index {
        spans.resize(index + 1, 0);
    }
    &mut spans[index]
}

/// The counters of a run.
#[derive(Debug, Default)]
pub(super) struct Tally {
    trace: Trace,
    moved: u64,
    /// Exchanges times nanoseconds.
    under_way: u128,
    peak: usize,
    held: u64,
    retries: BTreeMap<TransferId, u32>,
    failure: Option<Cause>,
    succeeded: u64,
}

impl Tally {
    pub(super) fn started(&mut self, under_way: usize, now: Instant) {
        self.trace.requests.push(now);
        self.peak = self.peak.max(under_way);
    }

    pub(super) fn refused(&mut self, now: Instant) {
        self.trace.refusals.push(now);
    }

    pub(super) fn moved(&mut self, bytes: u64, now: Instant) {
        self.moved += bytes;
        self.trace.bytes.push((now, bytes));
    }

    pub(super) const fn passed(&mut self, under_way: usize, time: Duration) {
        self.under_way += time.as_nanos() * under_way as u128;
    }

    pub(super) fn held(&mut self, bytes: u64) {
        self.held = self.held.max(bytes);
    }

    pub(super) fn retried(&mut self, transfer: TransferId, retries: u32) {
        self.retries.insert(transfer, retries);
    }

    pub(super) fn ended(&mut self, result: Result<(), Cause>) {
        match result {
            Ok(()) => self.succeeded += 1,
            Err(cause) => {
                self.failure.get_or_insert(cause);
            }
        }
    }

    pub(super) fn report(self, scenario: &Scenario, part_size: u64, elapsed: Duration) -> Report {
        // What the scale rounds up counts as it moves.
        let size = scenario.scaled(scenario.size) * scenario.scale;
        let good = self.succeeded * size;
        let nanos = elapsed.as_nanos().max(1);
        let goodput = u128::from(good) * 1_000_000_000 / nanos;
        let of_network = goodput * 1_000 / u128::from(scenario.fastest().max(1));
        let slots = nanos * u128::from(scenario.concurrency.most().get());
        let narrow = |wide: u128| u64::try_from(wide).unwrap_or(u64::MAX);
        Report {
            part_size,
            requests: self.trace.requests.len() as u64,
            retries: self.retries.values().map(|n| u64::from(*n)).sum(),
            refused: self.trace.refusals.len() as u64,
            again: self.failure.is_none().then(|| self.moved - good),
            elapsed,
            goodput: narrow(goodput),
            of_network: narrow(of_network),
            busy: narrow(self.under_way * 1_000 / slots),
            peak: self.peak,
            held: self.held,
            result: self.failure.as_ref().map_or_else(|| "ok".to_owned(), words),
            changes: Vec::new(),
            trace: self.trace,
        }
    }
}

/// A failure in a few words.
fn words(cause: &Cause) -> String {
    match cause {
        Cause::GaveUp {
            budget_empty: true, ..
        } => "failed: retry budget empty".to_owned(),
        Cause::GaveUp { attempts, .. } => format!("failed: {attempts} attempts at one request"),
        Cause::Outage { .. } => "failed: the server refuses everything".to_owned(),
        // Its numbers are scaled ones.
        Cause::Spec(error) => format!("failed: {}", error.subject()),
        other => format!("failed: {other}"),
    }
}

/// A number with commas: `1,234,567`.
pub fn amount(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Bytes in the largest binary unit of which there is one: `8 MiB`, `1.5 GiB`; whole gigabytes and
/// terabytes as such.
pub fn bytes(number: u64) -> String {
    const DECIMAL: [(u64, &str); 2] = [(1_000_000_000_000, "TB"), (1_000_000_000, "GB")];
    const BINARY: [(u64, &str); 4] = [
        (1 << 40, "TiB"),
        (1 << 30, "GiB"),
        (1 << 20, "MiB"),
        (1 << 10, "KiB"),
    ];
    for (unit, name) in DECIMAL {
        if number >= unit && number.is_multiple_of(unit) {
            return format!("{} {name}", number / unit);
        }
    }
    for (unit, name) in BINARY {
        if number >= unit {
            let tenths = u128::from(number) * 10 / u128::from(unit);
            return match (tenths / 10, tenths % 10) {
                (whole, 0) => format!("{whole} {name}"),
                (whole, tenth) => format!("{whole}.{tenth} {name}"),
            };
        }
    }
    number.to_string()
}

/// A time in seconds: to the millisecond below 100 s, beyond to the tenth.
pub fn seconds(time: Duration) -> String {
    let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let whole = amount(millis / 1_000);
    if millis < 100_000 {
        format!("{whole}.{:03} s", millis % 1_000)
    } else {
        format!("{whole}.{} s", millis % 1_000 / 100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!(amount(0), "0");
        assert_eq!(amount(1_234_567), "1,234,567");
        assert_eq!(amount(123), "123");
        assert_eq!(bytes(8 << 20), "8 MiB");
        assert_eq!(bytes(3 << 29), "1.5 GiB");
        assert_eq!(bytes(50_000_000_000_000), "50 TB");
        assert_eq!(bytes(100), "100");
        assert_eq!(seconds(Duration::from_millis(99_999)), "99.999 s");
        assert_eq!(seconds(Duration::from_millis(1_234_567)), "1,234.5 s");
    }

    #[test]
    fn a_trace_is_cut_into_spans() {
        let at = |millis| Instant::ZERO + Duration::from_millis(millis);
        let trace = Trace {
            requests: vec![at(0), at(99), at(100), at(350)],
            refusals: vec![at(350)],
            bytes: vec![(at(10), 5), (at(20), 6), (at(110), 7)],
        };
        let width = Duration::from_millis(100);
        assert_eq!(trace.requests_per(width), [2, 1, 0, 1]);
        let window = Duration::from_millis(50);
        assert_eq!(trace.bursts_per(width, window), [1, 2, 0, 1]);
        assert_eq!(trace.refusals_per(width), [0, 0, 0, 1]);
        assert_eq!(trace.bytes_per(width), [11, 7]);
    }
}
