//! Which connections are used again, and answers that come too early.

use std::num::NonZeroU16;
use std::time::Duration;

use bytes::Bytes;

use super::{
    Act, MEBIBYTE, New, PART, Same, Script, Shows, answer, answers, content, delete, download,
    downloaded, ended, get, line, put, ranged, request, send, upload,
};
use crate::conformance::job::{Gate, Work};
use crate::conformance::{Features, Rule, log};

const HELLO: &[u8] = b"hello";

pub(super) fn scripts(features: Features) -> Vec<Script> {
    let mut scripts = vec![
        kept(),
        kept_old(),
        refused(),
        closed_meanwhile(),
        garbage(),
        at_most_four(),
    ];
    scripts.extend([404, 412].map(|status| half_sent(status, features)));
    scripts.push(overloaded());
    for ending in [Act::Fewer(BIG), Act::Close, Act::Reset] {
        scripts.push(early(ending, features));
    }
    scripts
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
    let asked = heads.map(|_| get(New).note("then the client ended the connection"));
    script.log(3, asked.into_iter().chain(heads.map(|_| downloaded(HELLO))))
}

fn closed_meanwhile() -> Script {
    let gates = [Gate::default(), Gate::default()];
    let [first, second] = gates.clone();
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
    const RANGES: u64 = 16;
    let object = content((RANGES * PART) as usize);
    let mut script = Script::new(
        Rule::Reuse,
        "four exchanges at once need no more than four connections",
    )
    .tune(|config| config.concurrency = NonZeroU16::MIN.saturating_add(3))
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

/// A refusal that says nothing of a broken connection, but the rest of the body is not sent.
fn half_sent(status: u16, features: Features) -> Script {
    let bytes = content(BIG);
    let refusal = format!("HTTP/1.1 {status} No\r\ncontent-length: 0\r\n\r\n");
    let name = format!("a {status} in the middle of a body leaves a connection that is of no use");
    Script::new(Rule::Early, name)
        .work(upload(&bytes))
        .work(delete())
        .connection([
            Act::Head,
            Act::Continue,
            Act::Read(1000),
            send(refusal),
            PAUSE,
            Act::Fewer(BIG),
        ])
        .connection([Act::Head, send("HTTP/1.1 204 No Content\r\n\r\n")])
        .log(
            2,
            [
                put(New, &bytes, features)
                    .note("the rest of the body was not sent")
                    .failed(&format!("{status}; given up")),
                request("DELETE /bucket/key", New, &[]),
                ended(&status.to_string()),
                line("deleted"),
            ],
        )
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

/// More than the buffers of both ends hold.
const BIG: usize = 24 * MEBIBYTE;
/// So long that a client which heeds the answer has stopped to send.
const PAUSE: Act = Act::Sleep(Duration::from_millis(300));

fn early(ending: Act, features: Features) -> Script {
    let bytes: Bytes = content(BIG);
    let body = "<Error><Code>AccessDenied</Code></Error>";
    let length = body.len();
    let refusal = format!("HTTP/1.1 403 Forbidden\r\ncontent-length: {length}\r\n\r\n{body}");
    let (name, note) = match ending {
        Act::Reset => (
            "a 403 in the middle of a body is read although a reset follows",
            None,
        ),
        Act::Close => (
            "a 403 in the middle of a body is read although the server closes",
            None,
        ),
        _ => (
            "a 403 in the middle of a body is the answer",
            Some("the rest of the body was not sent"),
        ),
    };
    let asked = put(New, &bytes, features);
    let asked = match note {
        Some(note) => asked.note(note),
        None => asked,
    };
    Script::new(Rule::Early, name)
        .work(upload(&bytes))
        .connection([
            Act::Head,
            Act::Continue,
            Act::Read(1000),
            send(refusal),
            PAUSE,
            ending,
        ])
        .log(
            1,
            [
                asked.failed("403 AccessDenied; given up"),
                ended("403 AccessDenied"),
            ],
        )
}
