//! What is told of a copy that has ended, in words and as events.

use sans3_core::etag::ETag;
use sans3_core::session::{Notice, Reaction};
use sans3_core::transfer::{Downloaded, Uploaded, Verified};

use crate::operand::Object;
use crate::output::Event;
use crate::progress::Finished;
use crate::size::Size;
use crate::span;

/// What both kinds of results have in common.
pub(crate) struct Facts<'a> {
    size: u64,
    etag: Option<&'a ETag>,
    parts: u32,
    verified: Verified,
}

impl<'a> From<&'a Uploaded> for Facts<'a> {
    fn from(uploaded: &'a Uploaded) -> Self {
        let Uploaded {
            size,
            etag,
            parts,
            verified,
            ..
        } = uploaded;
        Self {
            size: *size,
            etag: etag.as_ref(),
            parts: *parts,
            verified: *verified,
        }
    }
}

impl<'a> From<&'a Downloaded> for Facts<'a> {
    fn from(downloaded: &'a Downloaded) -> Self {
        let Downloaded {
            size,
            etag,
            parts,
            verified,
            ..
        } = downloaded;
        Self {
            size: *size,
            etag: etag.as_ref(),
            parts: *parts,
            verified: *verified,
        }
    }
}

/// A result as an event, whose name `event` has.
pub(crate) fn result_event(
    event: Event,
    object: &Object,
    facts: &Facts<'_>,
    finished: &Finished<()>,
) -> Event {
    let (how, algorithm) = proof(facts.verified);
    event
        .text("bucket", object.bucket.as_str())
        .key("key", object.key.as_bytes())
        .number("size", facts.size)
        .maybe_text("etag", facts.etag.map(ETag::as_str))
        .number("parts", facts.parts.into())
        .text("verified", how)
        .maybe_text("checksum", algorithm)
        .number("requests", finished.progress.attempts.into())
        .number("retries", finished.progress.retries.into())
        .number(
            "milliseconds",
            u64::try_from(finished.elapsed.as_millis()).unwrap_or(u64::MAX),
        )
        .number("peak_payload_bytes", finished.stats.peak_memory)
}

/// How a result was proved, by its stable name, and by which algorithm.
pub(crate) fn proof(verified: Verified) -> (&'static str, Option<&'static str>) {
    match verified {
        Verified::FullObject(algorithm) => ("full_object", Some(algorithm.name())),
        Verified::Composite(algorithm) => ("composite", Some(algorithm.name())),
        Verified::Length => ("length", None),
        Verified::Acknowledged => ("acknowledged", None),
        _ => ("other", None),
    }
}

/// How a result was proved, in words.
pub(crate) fn proof_text(verified: Verified) -> String {
    match verified {
        Verified::FullObject(algorithm) => {
            format!("verified by the whole object's {}", algorithm.name())
        }
        Verified::Composite(algorithm) => format!("verified by each part's {}", algorithm.name()),
        Verified::Length => "verified by its length alone".to_owned(),
        Verified::Acknowledged => "acknowledged by the server".to_owned(),
        other => format!("verified by {other}"),
    }
}

/// A result in a line.
pub(crate) fn summary(
    size: u64,
    pieces: &str,
    verified: Verified,
    finished: &Finished<()>,
) -> String {
    let mut text = format!("{} in {}", Size(size), span::short(finished.elapsed));
    if let Some(rate) = span::rate(size, finished.elapsed) {
        text = format!("{text} ({}/s)", Size(rate));
    }
    text = format!("{text}, {pieces}, {}", proof_text(verified));
    match finished.progress.retries {
        0 => text,
        retries => format!("{text}, {}", count(retries, "retry", "retries")),
    }
}

/// A number and what it counts.
pub(crate) fn count(number: u32, one: &str, many: &str) -> String {
    let noun = if number == 1 { one } else { many };
    format!("{number} {noun}")
}

/// A failed attempt as an event.
pub(crate) fn notice_event(notice: &Notice) -> Event {
    let (reaction, delay) = match notice.reaction {
        Reaction::Retry { after } => ("retry", u64::try_from(after.as_millis()).ok()),
        Reaction::Stream => ("stream", None),
        Reaction::Reread => ("reread", None),
        Reaction::Reconcile => ("reconcile", None),
        Reaction::GiveUp => ("give_up", None),
        _ => ("other", None),
    };
    Event::new("attempt_failed")
        .text("operation", &notice.operation.to_string())
        .number("attempt", notice.number.into())
        .text("error", &notice.cause.to_string())
        .text("reaction", reaction)
        .maybe_number("delay_milliseconds", delay)
}
