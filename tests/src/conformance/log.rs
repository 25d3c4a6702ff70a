//! The event log of a run: in words for people, and equal for all adapters.

use crc_fast::CrcAlgorithm;
use sans3_core::error::{Cause, TransferError, TransportErrorKind};
use sans3_core::session::{Notice, Reaction};

use super::job::{Done, End, Report};
use super::stage::{Head, Heard, Record};

/// Bytes, in a few words.
pub(super) fn sum(bytes: &[u8]) -> String {
    let crc = crc_fast::checksum(CrcAlgorithm::Crc32IsoHdlc, bytes);
    format!("{} bytes (crc32 {crc:08x})", bytes.len())
}

/// What was asked and how it failed, attempt by attempt; then how each work ended.
pub(super) fn whole(record: &Record, report: &Report, port: u16) -> Vec<String> {
    let mut lines = Vec::new();
    let mut notices = report.notices.iter().peekable();
    let mut known = 0;
    for (serial, heard) in numbered(&record.heard, &report.notices) {
        let failed = notices.next_if(|notice| number(notice) == serial);
        if let Some(heard) = heard {
            let new = heard.connection >= known;
            known = known.max(heard.connection + 1);
            lines.extend(request(heard, new, port));
        }
        lines.extend(failed.map(failure));
    }
    lines.extend(notices.map(failure));
    lines.extend(ends(report));
    lines.push(format!("connections: {}", record.connections));
    lines
}

/// How each work ended.
pub(super) fn ends(report: &Report) -> impl Iterator<Item = String> {
    report.ends.iter().map(end)
}

/// The lines of one request.
pub(super) fn request(heard: &Heard, new: bool, port: u16) -> Vec<String> {
    let text = String::from_utf8_lossy(&heard.head).into_owned();
    let head = Head(text.replace(&format!(":{port}"), ":{port}"));
    let first = head.0.lines().next().unwrap_or_default();
    let connection = if new {
        "a new connection"
    } else {
        "the same connection"
    };
    let mut fields: Vec<String> = head
        .fields()
        .map(|(name, value)| format!("    {name}: {}", placeholder(&name, value)))
        .collect();
    fields.sort();
    let mut lines = vec![format!("{first} on {connection}")];
    lines.append(&mut fields);
    lines.extend(heard.notes.iter().map(|note| format!("  {note}")));
    lines
}

/// The requests in the order of attempts. One that failed before anything was sent was never heard;
/// the CONNECT to a proxy belongs to the attempt that follows.
fn numbered<'a>(heard: &'a [Heard], notices: &[Notice]) -> Vec<(u64, Option<&'a Heard>)> {
    let unheard: Vec<u64> = notices
        .iter()
        .filter(|notice| is_unheard(notice))
        .map(number)
        .collect();
    let mut serial = 0;
    let mut tunnel = false;
    let mut numbered = Vec::new();
    for heard in heard {
        let connect = heard.head.starts_with(b"CONNECT");
        // Of two tunnels in a row, the first one failed.
        while unheard.contains(&serial) && (tunnel || !connect) {
            numbered.push((serial, None));
            serial += 1;
            tunnel = false;
        }
        tunnel = connect;
        if connect {
            numbered.push((u64::MAX, Some(heard)));
        } else {
            numbered.push((serial, Some(heard)));
            serial += 1;
        }
    }
    numbered
}

fn is_unheard(notice: &Notice) -> bool {
    use TransportErrorKind::{Connect, ConnectTimeout, Dns, Tls};
    matches!(
        &notice.cause,
        Cause::Transport {
            kind: Dns | Connect | ConnectTimeout | Tls,
            ..
        }
    )
}

/// Attempts of a session are numbered through; the number is what stands behind the dot.
fn number(notice: &Notice) -> u64 {
    let name = notice.attempt.to_string();
    let serial = name.rsplit('.').next().and_then(|text| text.parse().ok());
    serial.unwrap_or(u64::MAX)
}

fn failure(notice: &Notice) -> String {
    let reaction = match notice.reaction {
        Reaction::Retry { .. } => "sent again",
        Reaction::GiveUp => "given up",
        Reaction::Stream => "read as a stream",
        Reaction::Reread => "read again",
        Reaction::Reconcile => "looked into",
        _ => "something else was done",
    };
    format!("  failed: {}; {reaction}", cause(&notice.cause))
}

fn end(end: &End) -> String {
    match &end.result {
        Ok(Done::Downloaded(found)) => format!(
            "downloaded: {} of {}, verified: {}, ranges: {}",
            sum(&end.bytes),
            found.size,
            found.verified,
            found.parts
        ),
        Ok(Done::Uploaded(made)) => {
            format!("uploaded: {} bytes, parts: {}", made.size, made.parts)
        }
        Ok(Done::Found(found)) => format!("found: {} bytes", found.size),
        Ok(Done::Deleted(_)) => "deleted".into(),
        Err(error) => failed(error),
    }
}

fn failed(error: &TransferError) -> String {
    let left = match &error.leftover {
        Some(_) => ", and an upload left behind",
        None => "",
    };
    format!("failed: {}{left}", cause(&error.cause))
}

fn cause(cause: &Cause) -> String {
    match cause {
        Cause::S3(error) => match &error.code {
            Some(code) => format!("{} {code}", error.status),
            None => error.status.to_string(),
        },
        Cause::Violation(violation) => format!("violation of {:?}", violation.rule()),
        Cause::Transport { kind, .. } => format!("{kind:?}"),
        Cause::GaveUp { attempts, last, .. } => {
            format!("{} (after {attempts})", self::cause(last))
        }
        Cause::Cancelled => "cancelled".into(),
        Cause::Outage { .. } => "outage".into(),
        other => other.to_string(),
    }
}

/// Dates, signatures and versions differ between runs and crates.
fn placeholder(name: &str, value: &str) -> String {
    match name {
        "user-agent" if value.starts_with("sans3/") => "{the core's}".into(),
        "x-amz-date" => "{now}".into(),
        "authorization" => {
            let signed = value.split("SignedHeaders=").nth(1).unwrap_or_default();
            let signed = signed.split(',').next().unwrap_or_default();
            format!("{{signature of {signed}}}")
        }
        _ => value.to_owned(),
    }
}

/// Two logs beside each other, where they differ and a little around that.
pub(super) fn beside(expected: &[String], seen: &[String]) -> String {
    const AROUND: usize = 4;
    const WIDTH: usize = 70;
    const MOST: usize = 30;
    let front = expected
        .iter()
        .zip(seen)
        .take_while(|(a, b)| a == b)
        .count();
    let back = expected[front..]
        .iter()
        .rev()
        .zip(seen[front..].iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    let from = front.saturating_sub(AROUND);
    let (end_a, end_b) = (expected.len() - back, seen.len() - back);
    let more = back.min(AROUND);
    let mut text = format!("    {:WIDTH$} | seen\n", "expected");
    let mut rows = Vec::new();
    for row in 0..(end_a - from).max(end_b - from) {
        let left = expected[..end_a].get(from + row).map_or("", String::as_str);
        let right = seen[..end_b].get(from + row).map_or("", String::as_str);
        rows.push((left, right));
    }
    for row in 0..more {
        rows.push((&expected[end_a + row], &seen[end_b + row]));
    }
    for (left, right) in rows.iter().take(MOST) {
        let mark = if left == right { ' ' } else { '!' };
        text += &format!("  {mark} {left:WIDTH$} | {right}\n");
    }
    if rows.len() > MOST {
        text += "    and so on\n";
    }
    text
}
