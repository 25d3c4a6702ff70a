//! The report for a terminal.

use super::{LEGEND, Line, Report, figures, none, title};
use crate::output::plain;
use crate::size::Size;

/// Columns that the text is kept to.
const WIDTH: usize = 100;
const HEADS: [&str; 12] = [
    "part", "at once", "median/s", "slowest", "fastest", "p50", "p90", "p99", "retries", "CPU/GiB",
    "buffers", "process",
];

/// The whole report.
pub(super) fn document(report: &Report) -> String {
    let mut text = String::new();
    for lines in report.groups() {
        let Some(first) = lines.first() else { continue };
        text += &format!("{}\n", title(&first.cell));
        for line in table(lines) {
            text += &format!("  {line}\n");
        }
        for line in lines {
            if let Some(failure) = &line.failure {
                text += &format!("  {} failed: {}\n", line.setting(), plain(failure));
            }
        }
        text.push('\n');
    }
    if !report.advice.is_empty() {
        text += "recommended\n";
    }
    for advice in &report.advice {
        text += &format!(
            "  {}: {}\n    {}/s; {}\n",
            title(&advice.cell),
            advice.cell.flags(),
            Size(advice.summary.rate.median),
            advice.confidence.text()
        );
    }
    for note in &report.notes {
        text += &format!("\n{}", wrap(note));
    }
    for line in LEGEND {
        text += &format!("\n{}", wrap(line));
    }
    text.trim_end().to_owned()
}

/// Figures as lines, each column as wide as its widest cell and set to the right.
fn table(lines: &[Line]) -> Vec<String> {
    let mut rows = vec![HEADS.map(str::to_owned)];
    rows.extend(lines.iter().map(cells));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..HEADS.len()).map(|at| width(at).unwrap_or(0)).collect();
    let line = |row: &[String; HEADS.len()]| {
        let cells = row.iter().zip(&widths);
        let cells: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:>width$}"))
            .collect();
        cells.join("  ")
    };
    rows.iter().map(line).collect()
}

fn cells(line: &Line) -> [String; HEADS.len()] {
    let setting = [line.part_cell(), line.cell.at_once.to_string()];
    let figures = line.summary.as_ref().map(figures);
    let figures = figures.unwrap_or_else(|| std::array::from_fn(|_| none()));
    let mut cells = setting.into_iter().chain(figures);
    std::array::from_fn(|_| cells.next().unwrap_or_default())
}

/// Lines of at most [`WIDTH`] columns.
fn wrap(text: &str) -> String {
    let mut wrapped = String::new();
    let mut column = 0;
    for word in text.split(' ') {
        let width = word.chars().count();
        if column > 0 && column + 1 + width > WIDTH {
            wrapped.push('\n');
            column = 0;
        } else if column > 0 {
            wrapped.push(' ');
            column += 1;
        }
        wrapped += word;
        column += width;
    }
    wrapped.push('\n');
    wrapped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_cut_between_words() {
        let text = LEGEND[0];
        let wrapped = wrap(text);
        assert!(wrapped.lines().all(|line| line.chars().count() <= WIDTH));
        assert!(wrapped.lines().count() > 1);
        let words: Vec<&str> = wrapped.split_whitespace().collect();
        assert_eq!(words, text.split(' ').collect::<Vec<_>>());
    }

    #[test]
    fn a_report_says_what_was_measured_and_what_was_not() {
        let text = document(&super::super::tests::report());
        for part in [
            "download of 1 GiB",
            "  8 MiB        4   128 MiB  128 MiB",
            "x 16 failed: gave up\\u{1b}[2J",
            "recommended\n  download of 1 GiB: --part-size 8MiB --concurrency 4\n",
            "Time was up",
        ] {
            assert!(text.contains(part), "{part:?} is not in:\n{text}");
        }
    }
}
