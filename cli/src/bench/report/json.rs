//! The report for programs: one document, described in the program's README.

use serde_json::{Value, json};

use super::{Line, Report};
use crate::bench::measure::{Percentiles, Summary};
use crate::bench::plan::Cell;
use crate::report::proof;

/// The version of the document. Members may be added without another one.
const SCHEMA: u32 = 1;

/// The whole report, in one line.
pub(super) fn document(report: &Report) -> String {
    let environment = &report.environment;
    let settings = &report.settings;
    let advice = report.advice.iter().map(|advice| {
        let mut object = setting(&advice.cell);
        let members = json!({
            "flags": advice.cell.flags(),
            "bytes_per_second": advice.summary.rate.median,
            "confidence": advice.confidence.name(),
            "why": advice.confidence.text(),
        });
        join(&mut object, members);
        object
    });
    json!({
        "schema": SCHEMA,
        "environment": {
            "program": "sans3",
            "version": environment.version,
            "os": environment.os,
            "arch": environment.arch,
            "cores": environment.cores,
            "runtime": environment.runtime,
            "endpoint": environment.endpoint,
            "region": environment.region,
            "uri": environment.uri,
        },
        "settings": {
            "repeat": settings.repeat,
            "seconds": settings.time.as_secs_f64(),
            "runs": settings.runs,
        },
        "ended": report.ended.name(),
        "runs": report.runs,
        "rows": report.lines.iter().map(row).collect::<Vec<_>>(),
        "recommendations": advice.collect::<Vec<_>>(),
        "notes": report.notes,
    })
    .to_string()
}

fn row(line: &Line) -> Value {
    let mut object = setting(&line.cell);
    let members = json!({
        "runs": line.runs,
        "failure": line.failure,
        "figures": line.summary.as_ref().map(figures),
    });
    join(&mut object, members);
    object
}

fn setting(cell: &Cell) -> Value {
    json!({
        "direction": cell.direction.name(),
        "object_bytes": cell.batch.size,
        "objects": cell.batch.count,
        "part_bytes": (!cell.is_whole()).then_some(cell.part),
        "concurrency": cell.at_once,
    })
}

fn figures(summary: &Summary) -> Value {
    let (how, algorithm) = summary.verified.map(proof).unzip();
    json!({
        "bytes_per_second": {
            "median": summary.rate.median,
            "slowest": summary.rate.slowest,
            "fastest": summary.rate.fastest,
        },
        "request_seconds": summary.latency.as_ref().map(percentiles),
        "requests": summary.requests,
        "retries": summary.retries,
        "connections": summary.connections,
        "cpu_seconds_per_gib": summary.cpu_per_gib.map(|cpu| cpu.as_secs_f64()),
        "peak_buffer_bytes": summary.peak_buffers,
        "peak_process_bytes": summary.peak_process,
        "verified": how,
        "checksum": algorithm.flatten(),
    })
}

fn percentiles(times: &Percentiles) -> Value {
    json!({
        "p50": times.p50.as_secs_f64(),
        "p90": times.p90.as_secs_f64(),
        "p99": times.p99.as_secs_f64(),
        "count": times.count,
    })
}

/// Adds the members of another object.
fn join(object: &mut Value, members: Value) {
    if let (Value::Object(object), Value::Object(members)) = (object, members) {
        object.extend(members);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_that_there_are_not_are_null() {
        let text = document(&super::super::tests::report());
        assert_eq!(text.lines().count(), 1);
        let document: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(document["schema"], 1);
        assert_eq!(document["ended"], "time");
        let [measured, failed] = &document["rows"].as_array().unwrap()[..] else {
            panic!("expected two rows");
        };
        assert_eq!(measured["figures"]["bytes_per_second"]["median"], 128 << 20);
        assert_eq!(measured["figures"]["peak_process_bytes"], Value::Null);
        assert_eq!(measured["figures"]["verified"], "full_object");
        assert_eq!(failed["figures"], Value::Null);
        assert_eq!(failed["failure"], "gave up\u{1b}[2J<b>");
        let advice = &document["recommendations"][0];
        assert_eq!(advice["flags"], "--part-size 8MiB --concurrency 4");
    }
}
