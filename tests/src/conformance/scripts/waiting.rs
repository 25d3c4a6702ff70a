//! Deadlines, and consumers who take their time.

use std::num::{NonZeroU16, NonZeroU64};
use std::time::Duration;

use sans3_core::transfer::{Download, Order};

use super::{
    Act, BIG, ENDED, HELLO, MEBIBYTE, New, PAUSE, Same, Script, Shows, Silence, answer, big,
    content, download, downloaded_in, ended, found, get, line, put, ranged, recheck, send, small,
    stored, upload,
};
use crate::conformance::job::{Pace, Work};
use crate::conformance::{Features, Rule};

/// What a deadline is shortened to.
const SHORT: Duration = Duration::from_millis(300);
/// How long the pauses of a slow consumer are, and how long a server may be silent meanwhile.
const LONG_PAUSE: Duration = Duration::from_millis(800);
const IDLE: Duration = Duration::from_millis(500);
/// A run that heeds a short deadline is over within this time.
const SOON: Duration = Duration::from_secs(4);

pub(super) fn scripts(features: Features) -> Vec<Script> {
    let mut scripts = vec![
        no_head(),
        half_a_head(),
        dripping_head(),
        no_body(),
        dripping_body(),
        unread_body(features),
        slow_reader(features),
        refused(),
        slow_ranges(),
        slow_stream(),
    ];
    if cfg!(target_os = "linux") {
        scripts.push(silent());
    }
    scripts
}

/// A download that meets a deadline, and how it fails then.
fn late(name: &str, acts: impl IntoIterator<Item = Act>, how: &str) -> Script {
    let mut script = Script::new(Rule::Deadlines, name)
        .work(download(5))
        .within(SOON);
    script = script.connection(acts.into_iter().chain([Act::Quiet]));
    let failed = get(New).note(ENDED).failed(&format!("{how}; given up"));
    script.log(1, [failed, ended(&format!("{how} (after 1)"))])
}

fn no_head() -> Script {
    late(
        "a server that never answers is a HeadTimeout",
        [Act::Head],
        "HeadTimeout",
    )
    .tune(|config| config.timeouts.head = SHORT)
}

fn half_a_head() -> Script {
    let acts = [Act::Head, send("HTTP/1.1 200 OK\r\ncontent-le")];
    late("a head that stops is a HeadTimeout", acts, "HeadTimeout")
        .tune(|config| config.timeouts.head = SHORT)
}

fn dripping_head() -> Script {
    let head = format!("HTTP/1.1 200 OK\r\n{}", "x: y\r\n".repeat(60));
    let drip = Act::Pieces(head.into(), 6, Duration::from_millis(20));
    let name = "a head that drips has one deadline for all of it";
    let script = Script::new(Rule::Deadlines, name)
        .tune(|config| config.timeouts.head = SHORT)
        .within(SOON)
        .work(download(5))
        .connection([Act::Head, drip, Act::Drain]);
    script.log(
        1,
        [
            get(New).failed("HeadTimeout; given up"),
            ended("HeadTimeout (after 1)"),
        ],
    )
}

fn no_body() -> Script {
    let whole = answer(HELLO);
    let acts = [Act::Head, send(&whole[..whole.len() - 1])];
    late("a body that stops is an IdleTimeout", acts, "IdleTimeout")
        .tune(|config| config.timeouts.idle = SHORT)
}

fn dripping_body() -> Script {
    let bytes = content(1000);
    let whole = answer(&bytes);
    let (front, tail) = whole.split_at(whole.len() - 200);
    let tail = Act::Pieces(tail.to_vec().into(), 1, Duration::from_millis(20));
    let drip = [Act::Head, send(front), tail, Act::Drain];
    Script::new(
        Rule::Deadlines,
        "a body that drips more slowly than the least rate is an IdleTimeout",
    )
    .tune(|config| config.timeouts.stall_window = SHORT)
    .within(SOON)
    .work(download(1000))
    .connection(drip)
    .log(
        1,
        [
            get(New).failed("IdleTimeout; given up"),
            ended("IdleTimeout (after 1)"),
        ],
    )
}

fn unread_body(features: Features) -> Script {
    let bytes = big();
    Script::new(
        Rule::Deadlines,
        "a server that stops to take a body is an IdleTimeout",
    )
    .tune(|config| config.timeouts.idle = SHORT)
    .within(SOON)
    .work(upload(&bytes))
    .connection([
        Act::Head,
        Act::Continue,
        Act::Read(1000),
        Act::Sleep(2 * SHORT),
        PAUSE,
        Act::Fewer(BIG),
    ])
    .log(
        1,
        [
            put(New, &bytes, features)
                .note("the rest of the body was not sent")
                .failed("IdleTimeout; given up"),
            ended("IdleTimeout (after 1)"),
        ],
    )
}

fn slow_reader(features: Features) -> Script {
    let bytes = big();
    let nap = Act::Sleep(Duration::from_millis(700));
    let third = Act::Read(BIG / 3);
    let acts = [
        Act::Head,
        Act::Continue,
        nap.clone(),
        third.clone(),
        nap,
        third,
        Act::Body,
        stored(),
    ];
    Script::new(
        Rule::Deadlines,
        "the wait for the head begins when the body is sent, however long that took",
    )
    .tune(|config| config.timeouts.head = Duration::from_secs(1))
    .work(upload(&bytes))
    .connection([&acts[..], &found(BIG)].concat())
    .log(
        1,
        [
            put(New, &bytes, features).body(&bytes),
            recheck(Same),
            line(format!("uploaded: {BIG} bytes, parts: 0")),
        ],
    )
}

fn refused() -> Script {
    let mut script = Script::new(
        Rule::Deadlines,
        "a port where nobody listens is Connect, at once",
    );
    script.endpoint = "http://127.0.0.1:{dead}".into();
    script
        .attempts(2)
        .within(SOON)
        .work(download(5))
        .says("127.0.0.1")
        .log(
            0,
            [
                line("  failed: Connect; sent again"),
                line("  failed: Connect; given up"),
                ended("Connect (after 2)"),
            ],
        )
}

fn silent() -> Script {
    let mut script = Script::new(
        Rule::Deadlines,
        "a server that never accepts is a ConnectTimeout",
    );
    script.silent = Some(Silence::Server);
    script
        .tune(|config| config.timeouts.connect = SHORT)
        .within(SOON)
        .work(download(5))
        .log(
            0,
            [
                line("  failed: ConnectTimeout; given up"),
                ended("ConnectTimeout (after 1)"),
            ],
        )
}

/// Ranges of 256 KiB by two exchanges, in 2 MiB of memory, for somebody who pauses for longer than
/// any peer may.
fn slow_ranges() -> Script {
    const RANGE: u64 = 256 << 10;
    const MEMORY: u64 = 2 << 20;
    const COUNT: u64 = 16;
    let object = content(4 * MEBIBYTE);
    let pace = Pace::new(LONG_PAUSE, 1 << 20);
    let spec = Download {
        part_size: NonZeroU64::new(RANGE),
        order: Order::InOrder,
        ..ranged()
    };
    let name = "a slow consumer gets all bytes in order, and is never waited for in vain";
    let mut script = Script::new(Rule::InOrder, name)
        .tune(|config| {
            config.concurrency = NonZeroU16::MIN.saturating_add(1).into();
            config.memory = MEMORY;
            config.exchange_memory = 64 << 10;
            config.timeouts.idle = IDLE;
        })
        .work(Work::InOrder { spec, pace });
    script.ahead = Some(MEMORY);
    script.shows = Shows::Requests;
    for _ in 0..4 {
        script = script.connection([Act::Serve(object.clone())]);
    }
    let ranges = (0..COUNT).map(|n| line(format!("GET {:08}-{:08}", n * RANGE, (n + 1) * RANGE)));
    let end = downloaded_in(16, &object);
    script.log(2, ranges.chain([line("HEAD"), end]))
}

/// One answer of 4 MiB in 2 MiB of memory.
fn slow_stream() -> Script {
    let object = content(4 * MEBIBYTE);
    let spec = Download {
        part_size: NonZeroU64::new(8 << 20),
        order: Order::InOrder,
        ..small(object.len())
    };
    let script = Script::new(
        Rule::InOrder,
        "the time that a consumer takes within one answer does not count",
    )
    .tune(|config| {
        config.memory = 2 << 20;
        config.exchange_memory = 64 << 10;
        config.timeouts.idle = IDLE;
        config.timeouts.stall_window = IDLE;
    })
    .work(Work::InOrder {
        spec,
        pace: Pace::new(LONG_PAUSE, 1 << 20),
    })
    .connection([Act::Serve(object.clone())]);
    script.log(1, [get(New), downloaded_in(1, &object)])
}
