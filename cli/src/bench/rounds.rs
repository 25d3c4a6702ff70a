//! All runs, one after the other.

use std::num::NonZeroU64;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::measure::Row;
use super::plan::{Batch, Cell, Direction, Plan};
use super::work::{Bench, Halt};
use crate::bounds::DEFAULT_PART_SIZE;
use crate::exit::{Failure, Kind};
use crate::output::Output;
use crate::signals::Interrupt;
use crate::size::Size;
use crate::span;

/// What came of all runs.
#[derive(Debug)]
pub(super) struct Measured {
    /// In the order of the plan.
    pub(super) rows: Vec<Row>,
    pub(super) ended: Ended,
    /// The batches of which objects may be on the server.
    pub(super) begun: Vec<Batch>,
    /// Why the command fails, if it does.
    pub(super) failure: Option<Failure>,
}

/// Why there were no more runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Complete,
    TimeUp,
    Interrupted,
    /// Something failed that would fail with any setting.
    Failed,
}

impl Ended {
    /// Its stable name.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::TimeUp => "time",
            Self::Interrupted => "interrupted",
            Self::Failed => "failed",
        }
    }
}

/// Runs each cell once, and then each once more: what changes on the way, on the server or on the
/// network, is spread over all of them, and where time is short, each has had its turn.
///
/// A setting that fails is not tried again, and the others are still measured.
pub(super) async fn run(
    plan: &Plan,
    bench: &Bench<'_>,
    output: &Output,
    interrupt: &mut Interrupt,
) -> Measured {
    let row = |cell: &Cell| Row {
        cell: *cell,
        runs: Vec::new(),
        failure: None,
    };
    let mut course = Course {
        bench,
        bar: bar(plan, output),
        stored: Vec::new(),
        measured: Measured {
            rows: plan.cells.iter().map(row).collect(),
            ended: Ended::Complete,
            begun: Vec::new(),
            failure: None,
        },
    };
    let halt = course.run(plan.repeat, interrupt).await.err();
    course.bar.finish_and_clear();
    let mut measured = course.measured;
    measured.conclude(halt, plan);
    measured
}

struct Course<'a> {
    bench: &'a Bench<'a>,
    bar: ProgressBar,
    /// The batches that are on the server, whole.
    stored: Vec<Batch>,
    measured: Measured,
}

impl Course<'_> {
    async fn run(&mut self, repeat: u32, interrupt: &mut Interrupt) -> Result<(), Halt> {
        for _ in 0..repeat {
            for index in 0..self.measured.rows.len() {
                self.run_cell(index, interrupt).await?;
                self.bar.inc(1);
            }
        }
        Ok(())
    }

    async fn run_cell(&mut self, index: usize, interrupt: &mut Interrupt) -> Result<(), Halt> {
        let row = &self.measured.rows[index];
        if row.failure.is_some() {
            return Ok(());
        }
        let cell = row.cell;
        self.bar.set_message(describe(&cell));
        let run = self.carry_out(&cell, interrupt).await;
        let row = &mut self.measured.rows[index];
        match run {
            Ok(run) => row.runs.push(run),
            Err(Halt::Failed(failure)) if !is_hopeless(failure.kind) => {
                row.failure = Some(failure.message.clone());
                self.measured.failure.get_or_insert(failure);
            }
            Err(halt) => return Err(halt),
        }
        Ok(())
    }

    async fn carry_out(
        &mut self,
        cell: &Cell,
        interrupt: &mut Interrupt,
    ) -> Result<super::measure::Run, Halt> {
        if cell.direction == Direction::Down && !self.stored.contains(&cell.batch) {
            self.upload(&storing(cell), interrupt).await?;
        }
        match cell.direction {
            Direction::Up => self.upload(cell, interrupt).await,
            Direction::Down => self.bench.run(cell, interrupt).await,
        }
    }

    async fn upload(
        &mut self,
        cell: &Cell,
        interrupt: &mut Interrupt,
    ) -> Result<super::measure::Run, Halt> {
        if !self.measured.begun.contains(&cell.batch) {
            self.measured.begun.push(cell.batch);
        }
        let run = self.bench.run(cell, interrupt).await?;
        if !self.stored.contains(&cell.batch) {
            self.stored.push(cell.batch);
        }
        Ok(run)
    }
}

impl Measured {
    /// How many runs were finished.
    pub(super) fn runs(&self) -> usize {
        self.rows.iter().map(|row| row.runs.len()).sum()
    }

    fn conclude(&mut self, halt: Option<Halt>, plan: &Plan) {
        let failed = self.rows.iter().filter(|row| row.failure.is_some()).count();
        let first = self.failure.take().map(|failure| Failure {
            message: format!(
                "{failed} of {} settings failed, first by this: {}",
                self.rows.len(),
                failure.message
            ),
            ..failure
        });
        (self.ended, self.failure) = match halt {
            None => (Ended::Complete, first),
            Some(Halt::TimeUp) if self.runs() == 0 && first.is_none() => {
                let time = span::short(plan.time);
                let message = format!("no run was over within {time}");
                let failure = Failure::new(Kind::Transfer, message);
                let advice = "give more --time, or smaller --sizes";
                (Ended::TimeUp, Some(failure.with_advice(advice)))
            }
            Some(Halt::TimeUp) => (Ended::TimeUp, first),
            Some(Halt::Interrupted) => (Ended::Interrupted, Some(Failure::interrupted())),
            Some(Halt::Failed(failure)) => (Ended::Failed, Some(failure)),
        };
    }
}

/// Whether other settings would fail in the same way.
const fn is_hopeless(kind: Kind) -> bool {
    matches!(kind, Kind::Usage | Kind::Configuration | Kind::Interrupted)
}

/// A cell that uploads what another one downloads.
fn storing(cell: &Cell) -> Cell {
    /// No upload has more (Amazon S3 User Guide, "Amazon S3 multipart upload limits").
    const PARTS: u64 = 10_000;
    let least = cell.batch.size.div_ceil(PARTS);
    let part = NonZeroU64::new(DEFAULT_PART_SIZE.max(least));
    Cell {
        direction: Direction::Up,
        part: part.unwrap_or(cell.part),
        ..*cell
    }
}

fn describe(cell: &Cell) -> String {
    let (direction, size) = (cell.direction.name(), Size(cell.batch.size));
    let objects = match cell.batch.count {
        1 => size.to_string(),
        count => format!("{count} x {size}"),
    };
    let parts = if cell.is_whole() {
        String::new()
    } else {
        format!(" in parts of {}", Size(cell.part.get()))
    };
    format!("{direction} {objects}{parts}, {} at once", cell.at_once)
}

fn bar(plan: &Plan, output: &Output) -> ProgressBar {
    if !output.wants_bar() {
        return ProgressBar::hidden();
    }
    let runs = plan.cells.len() as u64 * u64::from(plan.repeat);
    let target = ProgressDrawTarget::stderr_with_hz(10);
    let style = ProgressStyle::with_template("[{bar:30}] {pos} of {len} runs: {msg}");
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(Some(runs), target).with_style(style.progress_chars("=> "))
}
