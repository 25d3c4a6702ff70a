//! Which connections are used again.

use std::num::NonZeroU16;
use std::time::Duration;

use super::{
    Act, ENDED, HELLO, New, PART, Same, Script, Shows, answer, answers, content, download,
    downloaded, get, line, ranged, send,
};
use crate::conformance::job::{Gate, Work};
use crate::conformance::{Rule, log};

pub(super) fn scripts() -> Vec<Script> {
    vec![
        kept(),
        kept_old(),
        refused(),
        closed_meanwhile(),
        closed_at_once(),
        idle_for_long(),
        garbage(),
        overloaded(),
        at_most_four(),
    ]
}

fn kept() -> Script {
    Script::new(
        Rule::Reuse,
        "a connection serves one request after the other",
    )
    .work(download(5))
    .work(download(5))
    .work(download(5))
    .connection([answers(HELLO), answers(HELLO), answers(HELLO)].concat())
    .log(
        1,
        [
            get(New),
            get(Same),
            get(Same),
            downloaded(HELLO),
            downloaded(HELLO),
            downloaded(HELLO),
        ],
    )
}

/// Whether it serves another request is left to the adapter: it may, but HTTP libraries then speak
/// HTTP/1.0 themselves.
fn kept_old() -> Script {
    let old = "HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 5\r\netag: \"e\"\r\n\r\nhello";
    let mut script = Script::new(
        Rule::Reuse,
        "a connection of HTTP/1.0 that is kept open does no harm",
    )
    .work(download(5))
    .work(download(5))
    .connection([&[Act::Head, send(old)][..], &answers(HELLO)].concat())
    .connection(answers(HELLO));
    script.shows = Shows::Requests;
    script.log(
        2,
        [
            line("GET"),
            line("GET"),
            downloaded(HELLO),
            downloaded(HELLO),
        ],
    )
}

fn refused() -> Script {
    let heads = [
        "HTTP/1.1 200 OK\r\nconnection: close",
        "HTTP/1.1 200 OK\r\nconnection: x, Close",
        "HTTP/1.0 200 OK",
    ];
    let mut script = Script::new(
        Rule::Reuse,
        "a connection that the server will close, and one of HTTP/1.0, is not used again",
    );
    for head in heads {
        let text = format!("{head}\r\ncontent-length: 5\r\netag: \"e\"\r\n\r\nhello");
        // The client need not wait for the server to close.
        script = script
            .work(download(5))
            .connection([Act::Head, send(text), Act::Quiet]);
    }
    let asked = heads.map(|_| get(New).note(ENDED));
    script.log(3, asked.into_iter().chain(heads.map(|_| downloaded(HELLO))))
}

fn closed_meanwhile() -> Script {
    let [first, second] = [Gate::default(), Gate::default()];
    Script::new(
        Rule::Reuse,
        "a connection that the server closed meanwhile is not used, nor is anything sent again",
    )
    .work(download(5))
    .work(Work::Wait(first.clone()))
    .work(download(5))
    .work(Work::Wait(second.clone()))
    .work(download(5))
    .connection([&answers(HELLO)[..], &[Act::Close, Act::Open(first)]].concat())
    .connection([&answers(HELLO)[..], &[Act::Reset, Act::Open(second)]].concat())
    .connection(answers(HELLO))
    .log(
        3,
        [
            get(New),
            get(New),
            get(New),
            downloaded(HELLO),
            downloaded(HELLO),
            downloaded(HELLO),
        ],
    )
}

fn garbage() -> Script {
    let gate = Gate::default();
    let smuggled = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
    let mut scripts = Script::new(
        Rule::Reuse,
        "bytes behind an answer end their connection, in the same piece or later",
    );
    scripts = scripts
        .work(download(5))
        .work(download(5))
        .work(Work::Wait(gate.clone()))
        .work(download(5))
        .connection([
            Act::Head,
            send([&answer(HELLO)[..], smuggled].concat()),
            Act::Drain,
        ])
        .connection(
            [
                &answers(HELLO)[..],
                &[send(*smuggled), Act::Open(gate), Act::Drain],
            ]
            .concat(),
        )
        .connection(answers(HELLO));
    scripts.log(
        3,
        [
            get(New),
            get(New),
            get(New),
            downloaded(HELLO),
            downloaded(HELLO),
            downloaded(HELLO),
        ],
    )
}

fn at_most_four() -> Script {
    const RANGES: usize = 16;
    let object = content(RANGES * PART);
    let mut script = Script::new(
        Rule::Reuse,
        "four exchanges at once need no more than four connections",
    )
    .tune(|config| config.concurrency = NonZeroU16::MIN.saturating_add(3).into())
    .work(Work::Download(ranged()));
    script.shows = Shows::Requests;
    for _ in 0..5 {
        script = script.connection([Act::Serve(object.clone())]);
    }
    let ranges = (0..RANGES).map(|n| line(format!("GET {:08}-{:08}", n * PART, (n + 1) * PART)));
    let end = format!(
        "downloaded: {} of {}, verified: length, ranges: 16",
        log::sum(&object),
        object.len()
    );
    script.log(4, ranges.chain([line("HEAD"), line(end)]))
}

/// After these a connection is not used again although its answer was complete.
fn overloaded() -> Script {
    Script::new(
        Rule::Reuse,
        "an overloaded server's answer ends its connection",
    )
    .attempts(2)
    .work(download(5))
    .connection([
        Act::Head,
        send("HTTP/1.1 503 Slow Down\r\ncontent-length: 0\r\n\r\n"),
        Act::Quiet,
    ])
    .connection(answers(HELLO))
    .log(
        2,
        [
            get(New)
                .note("then the client ended the connection")
                .failed("503; sent again"),
            get(New),
            downloaded(HELLO),
        ],
    )
}

fn closed_at_once() -> Script {
    let name = "a connection that the server closes as a request arrives is reported, and only the session tries again";
    Script::new(Rule::Reuse, name)
        .attempts(2)
        .work(download(5))
        .work(download(5))
        .connection([&answers(HELLO)[..], &[Act::Head, Act::Close]].concat())
        .connection(answers(HELLO))
        .log(
            2,
            [
                get(New),
                get(Same).failed("Closed; sent again"),
                get(New),
                downloaded(HELLO),
                downloaded(HELLO),
            ],
        )
}

fn idle_for_long() -> Script {
    let gate = Gate::default();
    let wait = Act::Sleep(Duration::from_millis(4200));
    Script::new(
        Rule::Reuse,
        "a connection that was idle for more than 4 s is not used again",
    )
    .work(download(5))
    .work(Work::Wait(gate.clone()))
    .work(download(5))
    .connection([&answers(HELLO)[..], &[wait, Act::Open(gate), Act::Drain]].concat())
    .connection(answers(HELLO))
    .log(
        2,
        [get(New), get(New), downloaded(HELLO), downloaded(HELLO)],
    )
}
