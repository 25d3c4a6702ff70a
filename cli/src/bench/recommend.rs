//! Which setting to use.

use super::measure::{Row, Summary};
use super::plan::Cell;

/// How much less than the best is as good, in percent.
const TOLERANCE: u128 = 5;

/// The setting to use for objects of one size in one direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Advice {
    pub(super) cell: Cell,
    pub(super) summary: Summary,
    pub(super) confidence: Confidence,
}

/// What the measurement says about the choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Confidence {
    /// There was nothing to choose from.
    Only,
    /// One run of each: nobody knows how far they differ by chance.
    Unknown,
    /// Of no setting were all runs faster or slower than of this one.
    Alike,
    /// So many settings were as fast as this one within what runs differ by chance, and the others
    /// were not.
    Among(usize),
    /// All others were slower or faster beyond what runs differ by chance.
    Clear,
}

impl Confidence {
    /// Its stable name.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Only => "only",
            Self::Unknown => "unknown",
            Self::Alike => "alike",
            Self::Among(_) => "among",
            Self::Clear => "clear",
        }
    }

    /// In words.
    pub(super) fn text(self) -> String {
        match self {
            Self::Only => "the only setting that was measured".to_owned(),
            Self::Unknown => {
                "one run of each setting: how far runs differ by chance is not known".to_owned()
            }
            Self::Alike => {
                "all settings are within the noise: runs of one differ as much as settings do"
                    .to_owned()
            }
            Self::Among(1) => "one other setting is within the noise of this one".to_owned(),
            Self::Among(others) => {
                format!("{others} other settings are within the noise of this one")
            }
            Self::Clear => "no other setting is within the noise of this one".to_owned(),
        }
    }
}

/// The settings to use, for each size and direction in which one was measured.
///
/// Of those whose throughput is within 5 % of the best, those whose CPU time is within 5 % of the
/// least of them; of these the one with the fewest requests at once, and then with the largest parts,
/// which need the fewest requests.
pub(super) fn recommend(rows: &[Row]) -> Vec<Advice> {
    let same =
        |a: &Row, b: &Row| (a.cell.direction, a.cell.batch) == (b.cell.direction, b.cell.batch);
    rows.chunk_by(same).filter_map(choose).collect()
}

fn choose(rows: &[Row]) -> Option<Advice> {
    let measured: Vec<(Cell, Summary)> = sound(rows)
        .filter_map(|row| Some((row.cell, row.summary()?)))
        .collect();
    let best = measured
        .iter()
        .map(|(_, summary)| summary.rate.median)
        .max()?;
    let fast = measured.iter().filter(|(_, summary)| {
        u128::from(summary.rate.median) * 100 >= u128::from(best) * (100 - TOLERANCE)
    });
    let cost = |summary: &Summary| summary.cpu_per_gib.unwrap_or_default().as_nanos();
    let least = fast.clone().map(|(_, summary)| cost(summary)).min()?;
    let cheap = fast.filter(|(_, summary)| cost(summary) * 100 <= least * (100 + TOLERANCE));
    let (cell, summary) =
        cheap.min_by_key(|(cell, _)| (cell.at_once, std::cmp::Reverse(cell.part)))?;
    Some(Advice {
        cell: *cell,
        summary: summary.clone(),
        confidence: confidence(*cell, summary, rows, &measured),
    })
}

/// What failed once is not to be recommended, however fast it was before.
fn sound(rows: &[Row]) -> impl Iterator<Item = &Row> {
    rows.iter().filter(|row| row.failure.is_none())
}

fn confidence(
    chosen: Cell,
    summary: &Summary,
    rows: &[Row],
    measured: &[(Cell, Summary)],
) -> Confidence {
    let others = measured.iter().filter(|(cell, _)| *cell != chosen);
    let count = others.clone().count();
    let near = others.filter(|(_, other)| other.rate.overlaps(summary.rate));
    let near = near.count();
    if count == 0 {
        Confidence::Only
    } else if sound(rows).any(|row| row.runs.len() == 1) {
        Confidence::Unknown
    } else if near == count {
        Confidence::Alike
    } else if near > 0 {
        Confidence::Among(near)
    } else {
        Confidence::Clear
    }
}

#[cfg(test)]
mod tests {
    use std::num::{NonZeroU16, NonZeroU64};

    use super::super::measure::tests::row;
    use super::super::plan::Direction;
    use super::*;

    const MB: u64 = 1_000_000;

    /// A row of runs that fast, with parts of so many MiB and so much at once.
    fn setting(rates: [u64; 3], cpu_millis: u64, part: u64, at_once: u16) -> Row {
        let mut row = row(&rates.map(|rate| rate * MB), cpu_millis);
        row.cell.part = NonZeroU64::new(part << 20).unwrap();
        row.cell.at_once = NonZeroU16::new(at_once).unwrap();
        row
    }

    #[track_caller]
    fn chosen(rows: &[Row]) -> (u64, u16, Confidence) {
        let [advice] = &recommend(rows)[..] else {
            panic!("expected one recommendation");
        };
        let Cell { part, at_once, .. } = advice.cell;
        (part.get() >> 20, at_once.get(), advice.confidence)
    }

    #[test]
    fn the_fastest_wins_where_it_is_faster_by_far() {
        let rows = [
            setting([100, 101, 102], 500, 8, 4),
            setting([200, 201, 202], 900, 8, 16),
            setting([150, 151, 152], 500, 32, 16),
        ];
        assert_eq!(chosen(&rows), (8, 16, Confidence::Clear));
    }

    #[test]
    fn of_what_is_nearly_as_fast_the_cheapest_wins() {
        let rows = [
            setting([96, 96, 97], 500, 8, 16),
            setting([94, 94, 94], 100, 8, 4),
            setting([99, 100, 101], 600, 8, 64),
        ];
        assert_eq!(chosen(&rows), (8, 16, Confidence::Clear));
        let rows = [
            setting([96, 96, 97], 1000, 8, 64),
            setting([99, 100, 101], 1040, 8, 16),
            setting([99, 100, 101], 1049, 32, 16),
        ];
        assert_eq!(chosen(&rows), (32, 16, Confidence::Among(1)));
    }

    #[test]
    fn noise_is_called_noise() {
        let rows = [
            setting([50, 100, 150], 500, 8, 16),
            setting([60, 110, 140], 500, 8, 4),
        ];
        assert_eq!(chosen(&rows), (8, 4, Confidence::Alike));
        let mut once = rows.clone();
        once[0].runs.truncate(1);
        assert_eq!(chosen(&once).2, Confidence::Unknown);
        assert_eq!(chosen(&rows[..1]).2, Confidence::Only);
    }

    #[test]
    fn what_failed_or_was_not_measured_is_not_recommended() {
        let mut rows = [
            setting([500, 500, 500], 500, 8, 64),
            setting([100, 101, 102], 500, 8, 4),
        ];
        rows[0].failure = Some("gave up".to_owned());
        assert_eq!(chosen(&rows), (8, 4, Confidence::Only));
        rows[1].runs.clear();
        assert_eq!(recommend(&rows), []);
    }

    #[test]
    fn each_size_and_direction_has_its_own() {
        let mut rows = [
            setting([500, 500, 500], 500, 8, 64),
            setting([100, 101, 102], 500, 8, 4),
            setting([100, 101, 102], 500, 8, 16),
        ];
        rows[0].cell.direction = Direction::Up;
        rows[2].cell.batch.size *= 2;
        assert_eq!(recommend(&rows).len(), 3);
    }

    #[test]
    fn without_times_of_processors_the_fewest_requests_win() {
        let mut rows = [
            setting([100, 100, 100], 1, 8, 64),
            setting([99, 99, 99], 1, 8, 16),
        ];
        for run in rows.iter_mut().flat_map(|row| &mut row.runs) {
            run.cpu = None;
        }
        assert_eq!(chosen(&rows).1, 16);
    }
}
