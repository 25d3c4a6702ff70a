//! What is measured: which objects, with which settings, how often.

use std::num::{NonZeroU16, NonZeroU64};
use std::time::Duration;

use clap::ValueEnum;
use sans3_core::part::Limits;

use crate::args::BenchArgs;
use crate::bounds::DEFAULT_PART_SIZE;
use crate::exit::Failure;
use crate::size::Size;

/// Objects are that many that they make so many bytes together: one is too little to measure where
/// it is small, and no number of large ones tells more than one does.
const BATCH: u64 = 64 << 20;

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Direction {
    /// To the server
    Up,
    /// From the server, verified and dropped
    Down,
}

/// Everything that is to be measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// The smallest objects first.
    pub(super) batches: Vec<Batch>,
    /// In the order in which they are run: uploads first, whose objects are then downloaded.
    pub(super) cells: Vec<Cell>,
    /// Runs of each cell.
    pub(super) repeat: u32,
    /// The longest time for all of them.
    pub(super) time: Duration,
}

/// Objects of one size, which a run moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Batch {
    /// Bytes of each.
    pub(super) size: u64,
    pub(super) count: u32,
}

/// One setting, for one batch in one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) direction: Direction,
    pub(super) batch: Batch,
    /// Bytes a part or range.
    pub(super) part: NonZeroU64,
    /// The most requests at once.
    pub(super) at_once: NonZeroU16,
}

impl Direction {
    /// Its name on the command line.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

impl Plan {
    /// Makes the matrix, without settings that would do the same as others.
    ///
    /// # Errors
    /// Usage: sizes that S3 does not take, or more bytes than the user wants to move.
    pub(super) fn new(args: &BenchArgs, limits: &Limits) -> Result<Self, Failure> {
        let sizes = distinct(args.sizes.iter().map(|size| size.0));
        let mut parts = Vec::new();
        for part in distinct(args.part_sizes.iter().map(|size| size.0)) {
            parts.push(NonZeroU64::new(part).ok_or_else(|| at_least("--part-sizes", Size(1)))?);
        }
        let at_once = distinct(args.concurrency.iter().copied());
        if sizes.first() == Some(&0) {
            return Err(at_least("--sizes", Size(1)));
        }
        let batches: Vec<Batch> = sizes
            .iter()
            .map(|size| Batch::new(*size, args.small.get()))
            .collect();
        let mut cells = Vec::new();
        for direction in distinct(args.direction.iter().copied()) {
            for batch in &batches {
                for part in distinct_parts(&parts, batch.size) {
                    check_part(direction, batch.size, part, limits)?;
                    let cell = |at_once| Cell {
                        direction,
                        batch: *batch,
                        part,
                        at_once,
                    };
                    cells.extend(distinct_numbers(&at_once, cell));
                }
            }
        }
        let plan = Self {
            batches,
            cells,
            repeat: args.repeat.get(),
            time: args.time.0,
        };
        plan.check_total(args.max_total)?;
        Ok(plan)
    }

    /// Bytes that go up and down in all.
    pub(super) fn bytes(&self) -> [u64; 2] {
        let mut up = self.sum(Direction::Up, Cell::bytes);
        if up == 0 {
            // What is downloaded must be there.
            let stored = self.batches.iter().map(|batch| batch.bytes());
            up = stored.fold(0, u64::saturating_add);
        }
        [up, self.sum(Direction::Down, Cell::bytes)]
    }

    /// Requests in all, about: without those for cleaning up, and without retries.
    pub(super) fn requests(&self) -> u64 {
        let sum = |direction| self.sum(direction, Cell::requests);
        sum(Direction::Up).saturating_add(sum(Direction::Down))
    }

    fn sum(&self, direction: Direction, of: impl Fn(&Cell) -> u64) -> u64 {
        let cells = self.cells.iter().filter(|cell| cell.direction == direction);
        let once = cells.map(of).fold(0, u64::saturating_add);
        once.saturating_mul(u64::from(self.repeat))
    }

    fn check_total(&self, most: Size) -> Result<(), Failure> {
        let [up, down] = self.bytes();
        let total = up.saturating_add(down);
        if total <= most.0 {
            return Ok(());
        }
        let total = Size(total);
        Err(Failure::usage(format!(
            "--max-total: expected at least {total}, which the matrix moves, got {most}"
        ))
        .with_advice("leave out sizes, settings or runs (--repeat), or allow more"))
    }
}

impl Batch {
    fn new(size: u64, most: u32) -> Self {
        let count = u32::try_from(BATCH / size.max(1)).unwrap_or(u32::MAX);
        Self {
            size,
            count: count.clamp(1, most),
        }
    }

    pub(super) fn bytes(self) -> u64 {
        self.size.saturating_mul(self.count.into())
    }
}

impl Cell {
    /// Whether each object goes by one request.
    pub(super) const fn is_whole(&self) -> bool {
        self.batch.size <= self.part.get()
    }

    /// Bytes that a run moves.
    pub(super) fn bytes(&self) -> u64 {
        self.batch.bytes()
    }

    /// Requests of a run that carry payload.
    fn pieces(&self) -> u64 {
        let each = self.batch.size.div_ceil(self.part.get());
        each.saturating_mul(self.batch.count.into())
    }

    /// Requests of a run.
    fn requests(&self) -> u64 {
        // Create and Complete, or a HEAD.
        let others = match (self.is_whole(), self.direction) {
            (true, _) => 0,
            (false, Direction::Up) => 2,
            (false, Direction::Down) => 1,
        };
        let others = u64::from(self.batch.count) * others;
        self.pieces().saturating_add(others)
    }

    /// The options of `sans3 cp` that this is.
    pub(super) fn flags(&self) -> String {
        let at_once = self.at_once;
        if self.is_whole() && self.batch.size <= DEFAULT_PART_SIZE {
            return format!("--concurrency {at_once}");
        }
        let part = Size(self.part.get()).to_string().replace(' ', "");
        format!("--part-size {part} --concurrency {at_once}")
    }
}

/// All parts that hold a whole object are the same: the smallest of them is enough.
fn distinct_parts(parts: &[NonZeroU64], size: u64) -> Vec<NonZeroU64> {
    let smaller = parts.iter().take_while(|part| part.get() < size).count();
    parts[..(smaller + 1).min(parts.len())].to_vec()
}

/// More at once than there are requests are the same: the smallest such number is enough.
fn distinct_numbers(numbers: &[NonZeroU16], cell: impl Fn(NonZeroU16) -> Cell) -> Vec<Cell> {
    let mut cells: Vec<Cell> = Vec::new();
    for number in numbers {
        let is_same = |before: &Cell| u64::from(before.at_once.get()) >= before.pieces();
        if !cells.last().is_some_and(is_same) {
            cells.push(cell(*number));
        }
    }
    cells
}

fn check_part(
    direction: Direction,
    size: u64,
    part: NonZeroU64,
    limits: &Limits,
) -> Result<(), Failure> {
    let (most, seen) = (Size(limits.max_part), Size(part.get()));
    if size <= part.get() {
        if size > limits.max_part {
            let message = format!("--part-sizes: expected at most {most}, got {seen}");
            return Err(Failure::usage(message));
        }
        return Ok(());
    }
    if direction == Direction::Up && part.get() < limits.min_part {
        let least = Size(limits.min_part);
        let message = format!("--part-sizes: expected at least {least} for uploads, got {seen}");
        return Err(Failure::usage(message).with_advice("measure it by --direction down alone"));
    }
    if direction == Direction::Up && part.get() > limits.max_part {
        let message = format!("--part-sizes: expected at most {most} for uploads, got {seen}");
        return Err(Failure::usage(message));
    }
    let count = size.div_ceil(part.get());
    if count > u64::from(limits.max_parts) {
        let most = limits.max_parts;
        return Err(Failure::usage(format!(
            "--part-sizes: expected at most {most} parts of {}, got {count} of {seen}",
            Size(size)
        )));
    }
    Ok(())
}

fn at_least(option: &str, least: Size) -> Failure {
    Failure::usage(format!("{option}: expected at least {least}, got 0 B"))
}

fn distinct<T: Ord>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut values: Vec<T> = values.collect();
    values.sort();
    values.dedup();
    values
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::{Cli, Command};

    fn plan(words: &[&str]) -> Result<Plan, Failure> {
        let all = [&["sans3", "bench", "s3://b"], words].concat();
        let Command::Bench(args) = Cli::try_parse_from(all).unwrap().command else {
            unreachable!();
        };
        Plan::new(&args, &Limits::default())
    }

    fn settings(plan: &Plan, direction: Direction) -> Vec<(u64, u64, u16)> {
        let cells = plan.cells.iter().filter(|cell| cell.direction == direction);
        cells
            .map(|cell| (cell.batch.size, cell.part.get(), cell.at_once.get()))
            .collect()
    }

    #[test]
    fn a_matrix_has_no_setting_twice() {
        let words = "--sizes 128MiB,64KiB,64KiB --part-sizes 32MiB,8MiB --concurrency 64,4,16";
        let words: Vec<&str> = words.split(' ').collect();
        let plan = plan(&words).unwrap();
        let (small, large) = (64 << 10, 128 << 20);
        let expected = [
            // Of a part's size nothing is seen where an object is smaller.
            (small, 8 << 20, 4),
            (small, 8 << 20, 16),
            (small, 8 << 20, 64),
            // Sixteen parts: more than 16 at once are 16.
            (large, 8 << 20, 4),
            (large, 8 << 20, 16),
            // Four parts.
            (large, 32 << 20, 4),
        ];
        assert_eq!(settings(&plan, Direction::Up), expected);
        assert_eq!(settings(&plan, Direction::Down), expected);
        let ups = plan
            .cells
            .partition_point(|cell| cell.direction == Direction::Up);
        assert_eq!(ups, expected.len(), "uploads come first");
    }

    #[test]
    fn the_defaults_stay_within_the_bound() {
        let plan = plan(&[]).unwrap();
        let counts: Vec<u32> = plan.batches.iter().map(|batch| batch.count).collect();
        assert_eq!(counts, [200, 1]);
        let [up, down] = plan.bytes();
        assert_eq!(up, down);
        // Three settings each, three times.
        assert_eq!(up, 9 * (200 * (64 << 10) + (128 << 20)));
        // 200 each, and 16, 16 and 4 parts with Create and Complete, or ranges with a HEAD.
        assert_eq!(plan.requests(), 3 * (2 * 3 * 200 + (36 + 6) + (36 + 3)));
    }

    #[test]
    fn middling_objects_are_several() {
        let plan = plan(&[
            "--sizes",
            "16MiB,1GiB",
            "--small",
            "10",
            "--max-total",
            "1TiB",
        ]);
        let counts: Vec<u32> = plan
            .unwrap()
            .batches
            .iter()
            .map(|batch| batch.count)
            .collect();
        assert_eq!(counts, [4, 1]);
    }

    #[test]
    fn what_is_only_downloaded_is_uploaded_once() {
        let plan = plan(&["--direction", "down", "--sizes", "1MiB", "--repeat", "2"]).unwrap();
        // 64 objects; four and sixteen and sixty-four at once.
        assert_eq!(plan.bytes(), [64 << 20, 3 * 2 * (64 << 20)]);
    }

    #[test]
    fn more_than_the_bound_is_refused_before_anything_is_sent() {
        let failure = plan(&["--max-total", "2GiB"]).unwrap_err();
        assert!(
            failure.message.contains("at least 2.4 GiB"),
            "{}",
            failure.message
        );
        assert_eq!(failure.kind.code(), 2);
    }

    #[test]
    fn sizes_that_s3_does_not_take_are_refused() {
        let small = ["--part-sizes", "1MiB", "--sizes", "2MiB"];
        assert!(plan(&small).unwrap_err().message.contains("5 MiB"));
        assert!(plan(&[&small[..], &["--direction", "down"]].concat()).is_ok());
        for (words, text) in [
            (["--sizes", "0", "--small", "1"], "--sizes"),
            (["--part-sizes", "0", "--small", "1"], "--part-sizes"),
            (["--sizes", "100GiB", "--part-sizes", "5MiB"], "10000 parts"),
            (["--sizes", "6GiB", "--part-sizes", "6GiB"], "at most 5 GiB"),
        ] {
            let words = [&words[..], &["--max-total", "1TiB"]].concat();
            let failure = plan(&words).unwrap_err();
            assert!(failure.message.contains(text), "{}", failure.message);
        }
    }

    #[test]
    fn flags_say_what_cp_needs_to_be_told() {
        let plan = plan(&[]).unwrap();
        let flags: Vec<String> = plan.cells.iter().map(Cell::flags).collect();
        assert_eq!(flags[0], "--concurrency 4");
        assert_eq!(flags[3], "--part-size 8MiB --concurrency 4");
    }
}
