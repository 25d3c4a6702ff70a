//! The report for a browser: one file that needs no other, and no script.

use std::fmt::Write as _;
use std::time::Duration;

use super::plot::{Frame, Point, Series, bars, lines};
use super::{LEGEND, Line, Report, figures, title};
use crate::bench::measure::{Percentiles, Summary};
use crate::output::plain;
use crate::size::Size;
use crate::span::short;

/// Colours that differ for most eyes, on light ground and on dark.
const STYLE: &str = "\
:root{color-scheme:light dark;--fg:#1d2126;--bg:#fff;--dim:#5d6570;--grid:#dde1e6;--good:#e8f3ec;\
--c0:#2563b8;--c1:#c2570c;--c2:#14805e;--c3:#8a3fa8;--c4:#a8831a;--c5:#5d6570}\
@media(prefers-color-scheme:dark){:root{--fg:#e4e7eb;--bg:#15181c;--dim:#9aa3ad;--grid:#30363d;\
--good:#1c3327;--c0:#6ea8f5;--c1:#f39a57;--c2:#4cc39a;--c3:#cf93e6;--c4:#dcbd5c;--c5:#9aa3ad}}\
body{font:15px/1.5 system-ui,sans-serif;color:var(--fg);background:var(--bg);max-width:60rem;\
margin:2rem auto;padding:0 1rem}h1{font-size:1.5rem;margin:0}h2{font-size:1.15rem;\
margin:2.5rem 0 .5rem}p{margin:.4rem 0}.dim,figcaption{color:var(--dim)}code{font-size:.92em}\
ul{padding-left:1.2rem}.plots{display:grid;gap:1rem;grid-template-columns:\
repeat(auto-fit,minmax(min(28rem,100%),1fr))}figure{margin:0}svg{width:100%;height:auto;\
font-size:12px}svg text{fill:var(--dim)}.end{text-anchor:end}.mid{text-anchor:middle}\
.grid{stroke:var(--grid)}polyline{fill:none;stroke-width:2}polyline,circle,g line{stroke:\
currentColor}circle,rect{fill:currentColor}.legend span{margin-right:1rem}.legend i{display:\
inline-block;width:.8em;height:.8em;margin-right:.35em;background:currentColor}\
.s0{color:var(--c0)}.s1{color:var(--c1)}.s2{color:var(--c2)}.s3{color:var(--c3)}\
.s4{color:var(--c4)}.s5{color:var(--c5)}.wide{overflow-x:auto}table{border-collapse:collapse;\
font-variant-numeric:tabular-nums;white-space:nowrap}th,td{padding:.2rem .6rem;text-align:right;\
border-bottom:1px solid var(--grid)}th{font-weight:600;color:var(--dim)}tr.best td{background:\
var(--good)}";

/// The whole report.
pub(super) fn document(report: &Report) -> String {
    let environment = &report.environment;
    let endpoint = escape(&environment.endpoint);
    let mut html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>\
         <meta name=\"viewport\" content=\"width=device-width\"/><title>sans3 bench: {endpoint}\
         </title><style>{STYLE}</style></head><body>\n<h1>sans3 bench</h1>\n<p><code>{endpoint}\
         </code>, measured in <code>{}</code></p>\n<p class=\"dim\">sans3 {} by {} on {} {}, {} \
         cores; region {}; {} of {} runs, {} of each setting</p>\n",
        escape(&environment.uri),
        escape(environment.version),
        escape(environment.runtime),
        escape(environment.os),
        escape(environment.arch),
        environment.cores,
        escape(&environment.region),
        report.runs,
        report.settings.runs,
        report.settings.repeat,
    );
    html += &advice(report);
    if !report.notes.is_empty() {
        html += "<h2>To be known</h2>\n";
        html += &list(report.notes.iter().map(|note| escape(note)));
    }
    for lines in report.groups() {
        html += &section(report, lines);
    }
    html += "<h2>What the figures mean</h2>\n";
    html += &list(LEGEND.iter().map(|text| escape(text)));
    html + "</body></html>\n"
}

/// Text that stands in an element or in a quoted attribute (HTML, section 13.3), and can't hide what
/// is around it.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in plain(text).chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

fn advice(report: &Report) -> String {
    if report.advice.is_empty() {
        return String::new();
    }
    let advice = report.advice.iter().map(|advice| {
        let (title, flags) = (title(&advice.cell), advice.cell.flags());
        let rate = Size(advice.summary.rate.median);
        let why = advice.confidence.text();
        format!(
            "{}: <code>{}</code><br/><span class=\"dim\">{rate}/s; {}</span>",
            escape(&title),
            escape(&flags),
            escape(&why)
        )
    });
    format!("<h2>Recommended</h2>\n{}", list(advice))
}

/// All about one size in one direction.
fn section(report: &Report, lines: &[Line]) -> String {
    let Some(first) = lines.first() else {
        return String::new();
    };
    let title = title(&first.cell);
    let mut html = format!("<h2>{}</h2>\n", escape(&title));
    if lines.iter().any(|line| line.summary.is_some()) {
        let [rates, latencies, cpu] = plots(&title, lines);
        html += "<div class=\"plots\">\n";
        for (caption, plot) in [
            ("Throughput over requests at once", rates),
            ("Time of a request", latencies),
            ("CPU time for each GiB", cpu),
        ] {
            let figure = format!("<figure><figcaption>{caption}</figcaption>{plot}</figure>\n");
            html += &figure;
        }
        html += "</div>\n";
    }
    html + &table(report, lines)
}

fn plots(title: &str, all: &[Line]) -> [String; 3] {
    let mut at_once: Vec<u16> = all.iter().map(|line| line.cell.at_once.get()).collect();
    at_once.sort_unstable();
    at_once.dedup();
    let numbers: Vec<String> = at_once.iter().map(u16::to_string).collect();
    let by_part: Vec<Series> = all
        .chunk_by(|a, b| a.cell.part == b.cell.part)
        .map(|lines| over_requests(lines, &at_once))
        .collect();
    let settings: Vec<String> = all.iter().map(Line::setting).collect();
    let series = |name: &str, of: &dyn Fn(&Summary) -> Option<Duration>| Series {
        name: name.to_owned(),
        points: all
            .iter()
            .map(|line| time(of(line.summary.as_ref()?)?))
            .collect(),
    };
    let latency = |name: &str, of: fn(&Percentiles) -> Duration| {
        series(name, &|summary| summary.latency.as_ref().map(of))
    };
    let latencies = [
        latency("p50", |times| times.p50),
        latency("p90", |times| times.p90),
        latency("p99", |times| times.p99),
    ];
    let cpu = [series("CPU", &|summary| summary.cpu_per_gib)];
    let rates = Frame {
        title: &format!("{title}: throughput"),
        labels: &numbers,
        axis: "requests at once",
        unit: |rate| format!("{}/s", Size(rate)),
        binary: true,
    };
    let times = Frame {
        title: &format!("{title}: time of a request"),
        labels: &settings,
        axis: "part x requests at once",
        unit: |nanos| short(Duration::from_nanos(nanos)),
        binary: false,
    };
    let processor = Frame {
        title: &format!("{title}: CPU time for each GiB"),
        ..times.clone()
    };
    [
        lines(&rates, &by_part),
        bars(&times, &latencies),
        bars(&processor, &cpu),
    ]
}

/// The throughput of settings that have the same parts.
fn over_requests(lines: &[Line], at_once: &[u16]) -> Series {
    let point = |number: &u16| {
        let line = lines.iter().find(|line| line.cell.at_once.get() == *number);
        let rate = line?.summary.as_ref()?.rate;
        Some(Point {
            value: rate.median,
            spread: Some((rate.slowest, rate.fastest)),
        })
    };
    let part = lines.first().and_then(Line::part);
    Series {
        name: part.map_or_else(
            || "one request each".to_owned(),
            |part| format!("parts of {}", Size(part)),
        ),
        points: at_once.iter().map(point).collect(),
    }
}

fn time(time: Duration) -> Option<Point> {
    let value = u64::try_from(time.as_nanos()).ok()?;
    Some(Point {
        value,
        spread: None,
    })
}

fn table(report: &Report, lines: &[Line]) -> String {
    const HEADS: [&str; 13] = [
        "part", "at once", "runs", "median", "slowest", "fastest", "p50", "p90", "p99", "retries",
        "CPU/GiB", "buffers", "process",
    ];
    let mut html = "<div class=\"wide\"><table><tr>".to_owned();
    for head in HEADS {
        let _ = write!(html, "<th>{head}</th>");
    }
    html += "</tr>\n";
    for line in lines {
        let best = report.advice.iter().any(|advice| advice.cell == line.cell);
        html += if best { "<tr class=\"best\">" } else { "<tr>" };
        for cell in [
            line.part_cell(),
            line.cell.at_once.to_string(),
            line.runs.to_string(),
        ] {
            let _ = write!(html, "<td>{}</td>", escape(&cell));
        }
        html += &measured(line);
        html += "</tr>\n";
    }
    html + "</table></div>\n"
}

fn measured(line: &Line) -> String {
    let Some(summary) = &line.summary else {
        let failure = line.failure.as_deref().unwrap_or("not measured");
        return format!("<td colspan=\"10\">{}</td>", escape(failure));
    };
    let [median, slowest, fastest, rest @ ..] = figures(summary);
    let rates = [median, slowest, fastest].map(|rate| format!("{rate}/s"));
    let cells = rates.iter().chain(&rest);
    cells
        .map(|cell| format!("<td>{}</td>", escape(cell)))
        .collect()
}

fn list(items: impl Iterator<Item = String>) -> String {
    let items: String = items.map(|item| format!("<li>{item}</li>\n")).collect();
    format!("<ul>\n{items}</ul>\n")
}

#[cfg(test)]
mod tests {
    use quick_xml::Reader;
    use quick_xml::events::Event;

    use super::*;

    #[test]
    fn the_page_is_well_formed_and_needs_nothing_else() {
        let page = document(&super::super::tests::report());
        let mut reader = Reader::from_str(&page);
        let (mut names, mut depth) = (Vec::new(), 0_u32);
        loop {
            match reader.read_event().unwrap() {
                Event::Start(tag) => {
                    depth += 1;
                    names.push(tag.name().as_ref().to_owned());
                    for attribute in tag.attributes() {
                        let attribute = attribute.unwrap();
                        let name = attribute.key.as_ref();
                        assert!(!matches!(name, "src" | "href" | "onload"), "{attribute:?}");
                    }
                }
                Event::End(_) => depth -= 1,
                Event::Eof => break,
                _ => {}
            }
        }
        assert_eq!(depth, 0);
        assert!(!names.iter().any(|name| name == "script" || name == "link"));
        assert_eq!(names.iter().filter(|name| *name == "svg").count(), 3);
        assert!(!page.contains("url(") && !page.contains("@import"));
        assert!(page.contains("prefers-color-scheme:dark"));
    }

    #[test]
    fn what_others_wrote_is_escaped() {
        let page = document(&super::super::tests::report());
        assert!(page.contains("s3://bucket/&lt;script&gt;&amp;amp;&#39;&quot;/"));
        assert!(page.contains("http://host/?&lt;&amp;&quot;&gt;"));
        assert!(page.contains("gave up\\u{1b}[2J&lt;b&gt;"));
        assert!(!page.contains("<script") && !page.contains("<b>"));
    }
}
