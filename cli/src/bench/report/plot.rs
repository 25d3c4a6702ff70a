//! Plots as SVG that stands inside a page, whose style sheet has the colours.
//!
//! Each figure is also a word: marks have titles, which browsers show where the pointer is, and the
//! page has a table of all.

use std::fmt::Write as _;

use super::html::escape;

const WIDTH: u64 = 640;
const HEIGHT: u64 = 252;
/// Room for the labels.
const LEFT: u64 = 92;
const RIGHT: u64 = 16;
const TOP: u64 = 14;
const BOTTOM: u64 = 46;
/// Labels that have room beside each other.
const IN_A_ROW: usize = 6;
/// Lines across.
const STEPS: u64 = 4;

/// What is plotted above a label.
#[derive(Clone, Debug)]
pub(super) struct Point {
    pub(super) value: u64,
    /// The ends of what it stands for, if it is a middle.
    pub(super) spread: Option<(u64, u64)>,
}

/// Points of one kind, at most one above each label.
#[derive(Clone, Debug)]
pub(super) struct Series {
    pub(super) name: String,
    pub(super) points: Vec<Option<Point>>,
}

/// How a value is written.
pub(super) type Unit = fn(u64) -> String;

/// What all plots have.
#[derive(Clone, Debug)]
pub(super) struct Frame<'a> {
    /// For those who don't see it.
    pub(super) title: &'a str,
    pub(super) labels: &'a [String],
    /// What the labels are.
    pub(super) axis: &'a str,
    pub(super) unit: Unit,
    /// Whether lines across are at powers of two.
    pub(super) binary: bool,
}

/// Lines over labels that have an order.
pub(super) fn lines(frame: &Frame<'_>, series: &[Series]) -> String {
    let scale = Scale::new(frame, series);
    let mut svg = scale.begin(frame);
    for (number, one) in series.iter().enumerate() {
        let points = one.points.iter().enumerate();
        let points = points.filter_map(|(label, point)| Some((label, point.as_ref()?)));
        let path: Vec<String> = points
            .clone()
            .map(|(label, point)| format!("{},{}", scale.x(label), scale.y(point.value)))
            .collect();
        let class = class(number);
        put(&mut svg, format_args!(r#"<g class="{class}">"#));
        put(
            &mut svg,
            format_args!(r#"<polyline points="{}"/>"#, path.join(" ")),
        );
        for (label, point) in points {
            let x = scale.x(label);
            if let Some((low, high)) = point.spread {
                let (y1, y2) = (scale.y(low), scale.y(high));
                let line = format_args!(r#"<line x1="{x}" x2="{x}" y1="{y1}" y2="{y2}"/>"#);
                put(&mut svg, line);
            }
            let y = scale.y(point.value);
            let title = mark_title(frame, &one.name, label, point);
            let mark = format_args!(r#"<circle cx="{x}" cy="{y}" r="4">{title}</circle>"#);
            put(&mut svg, mark);
        }
        svg.push_str("</g>");
    }
    svg.push_str("</svg>");
    svg + &legend(series)
}

/// A group of bars above each label.
pub(super) fn bars(frame: &Frame<'_>, series: &[Series]) -> String {
    let scale = Scale::new(frame, series);
    let mut svg = scale.begin(frame);
    let count = series.len().max(1) as u64;
    let width = (scale.slot() * 7 / 10 / count).clamp(2, 40);
    for (number, one) in series.iter().enumerate() {
        put(&mut svg, format_args!(r#"<g class="{}">"#, class(number)));
        for (label, point) in one.points.iter().enumerate() {
            let Some(point) = point else { continue };
            let begin = (scale.x(label) + number as u64 * width).saturating_sub(width * count / 2);
            let y = scale.y(point.value);
            // A value that is small is not nothing.
            let height = (HEIGHT - BOTTOM).saturating_sub(y).max(1);
            let top = HEIGHT - BOTTOM - height;
            let title = mark_title(frame, &one.name, label, point);
            let inner = width.saturating_sub(1).max(1);
            let mark = format_args!(
                r#"<rect x="{begin}" y="{top}" width="{inner}" height="{height}">{title}</rect>"#
            );
            put(&mut svg, mark);
        }
        svg.push_str("</g>");
    }
    svg.push_str("</svg>");
    svg + &legend(series)
}

/// From values and labels to places.
struct Scale {
    labels: u64,
    top: u64,
}

impl Scale {
    fn new(frame: &Frame<'_>, series: &[Series]) -> Self {
        let points = series.iter().flat_map(|one| one.points.iter().flatten());
        let ends = points.map(|point| point.spread.map_or(point.value, |(_, high)| high));
        let largest = ends.max().unwrap_or_default();
        Self {
            labels: frame.labels.len().max(1) as u64,
            top: step(largest.div_ceil(STEPS), frame.binary).saturating_mul(STEPS),
        }
    }

    /// The room of a label.
    const fn slot(&self) -> u64 {
        (WIDTH - LEFT - RIGHT) / self.labels
    }

    const fn x(&self, label: usize) -> u64 {
        LEFT + self.slot() * label as u64 + self.slot() / 2
    }

    fn y(&self, value: u64) -> u64 {
        let room = u128::from(HEIGHT - TOP - BOTTOM);
        let up = room * u128::from(value) / u128::from(self.top.max(1));
        (HEIGHT - BOTTOM).saturating_sub(u64::try_from(up).unwrap_or(u64::MAX))
    }

    /// The plot without what is in it.
    fn begin(&self, frame: &Frame<'_>) -> String {
        let title = escape(frame.title);
        let mut svg =
            format!(r#"<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">"#);
        for number in 0..=STEPS {
            let value = self.top / STEPS * number;
            let (y, x1, x2) = (self.y(value), LEFT, WIDTH - RIGHT);
            let line =
                format_args!(r#"<line class="grid" x1="{x1}" x2="{x2}" y1="{y}" y2="{y}"/>"#);
            put(&mut svg, line);
            let (x, y, text) = (LEFT - 8, y + 4, escape(&(frame.unit)(value)));
            let text = format_args!(r#"<text class="end" x="{x}" y="{y}">{text}</text>"#);
            put(&mut svg, text);
        }
        for (number, label) in frame.labels.iter().enumerate() {
            // More labels than have room in a row stand in two, by turns.
            let is_low = frame.labels.len() > IN_A_ROW && number % 2 == 1;
            let y = HEIGHT - BOTTOM + if is_low { 27 } else { 14 };
            let (x, text) = (self.x(number), escape(label));
            let text = format_args!(r#"<text class="mid" x="{x}" y="{y}">{text}</text>"#);
            put(&mut svg, text);
        }
        let (x, y, text) = (
            LEFT + (WIDTH - LEFT - RIGHT) / 2,
            HEIGHT - 4,
            escape(frame.axis),
        );
        put(
            &mut svg,
            format_args!(r#"<text class="mid axis" x="{x}" y="{y}">{text}</text>"#),
        );
        svg
    }
}

/// The first number of a kind that reads well and is no less.
fn step(least: u64, binary: bool) -> u64 {
    if binary {
        return least.max(1).checked_next_power_of_two().unwrap_or(least);
    }
    let mut power = 1_u64;
    loop {
        for digit in [1, 2, 5] {
            let value = power.saturating_mul(digit);
            if value >= least {
                return value;
            }
        }
        power = power.saturating_mul(10);
    }
}

fn legend(series: &[Series]) -> String {
    if series.len() < 2 {
        return String::new();
    }
    let mut html = r#"<p class="legend">"#.to_owned();
    for (number, one) in series.iter().enumerate() {
        let (class, name) = (class(number), escape(&one.name));
        put(
            &mut html,
            format_args!(r#"<span class="{class}"><i></i>{name}</span> "#),
        );
    }
    html + "</p>"
}

fn mark_title(frame: &Frame<'_>, name: &str, label: usize, point: &Point) -> String {
    let (name, value) = (escape(name), escape(&(frame.unit)(point.value)));
    let label = escape(frame.labels.get(label).map_or("", String::as_str));
    let spread = point.spread.map(|(low, high)| {
        let (low, high) = ((frame.unit)(low), (frame.unit)(high));
        format!(" ({} to {})", escape(&low), escape(&high))
    });
    format!(
        "<title>{label}, {name}: {value}{}</title>",
        spread.unwrap_or_default()
    )
}

/// The colours come again after six.
fn class(number: usize) -> String {
    format!("s{}", number % 6)
}

/// Writing to a string can't fail.
fn put(text: &mut String, more: std::fmt::Arguments<'_>) {
    let _ = text.write_fmt(more);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_read_well() {
        for (least, decimal, binary) in
            [(0, 1, 1), (1, 1, 1), (3, 5, 4), (13, 20, 16), (51, 100, 64)]
        {
            assert_eq!(step(least, false), decimal);
            assert_eq!(step(least, true), binary);
        }
        assert_eq!(step(u64::MAX, false), u64::MAX);
        assert_eq!(step(u64::MAX, true), u64::MAX);
    }

    #[test]
    fn all_marks_are_within_the_frame() {
        let labels: Vec<String> = (0..5).map(|label| label.to_string()).collect();
        let frame = Frame {
            title: "title",
            labels: &labels,
            axis: "axis",
            unit: |value| value.to_string(),
            binary: false,
        };
        let series = [Series {
            name: "one".to_owned(),
            points: vec![],
        }];
        let scale = Scale::new(&frame, &series);
        assert_eq!(scale.y(0), HEIGHT - BOTTOM);
        let point = |value| {
            Some(Point {
                value,
                spread: Some((value / 2, value.saturating_mul(2))),
            })
        };
        for largest in [0, 1, 7, 1 << 40, u64::MAX / 2] {
            let series = [Series {
                name: "one".to_owned(),
                points: vec![point(largest), None, point(0)],
            }];
            let scale = Scale::new(&frame, &series);
            assert!(
                (TOP..=HEIGHT - BOTTOM).contains(&scale.y(largest)),
                "{largest}"
            );
            assert!((LEFT..WIDTH - RIGHT).contains(&scale.x(4)));
            assert_eq!(bars(&frame, &series).matches("<rect").count(), 2);
            assert_eq!(lines(&frame, &series).matches("<circle").count(), 2);
        }
    }
}
