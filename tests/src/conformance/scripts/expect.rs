//! `Expect: 100-continue` on large bodies.

use std::time::Duration;

use bytes::Bytes;

use super::{
    Act, ENDED, MEBIBYTE, New, Same, Script, big, content, ended, found, line, put, recheck, send,
    stored, upload,
};
use crate::conformance::{Features, Rule};

const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";
const A_MOMENT: Act = Act::Hold(Duration::from_millis(200));
const NOTHING: &str = "nothing came meanwhile";

pub(super) fn scripts(features: Features) -> Vec<Script> {
    let mut scripts = vec![
        continued(),
        silent(),
        late(),
        once(),
        small(features),
        closed(),
    ];
    let denied = "<Error><Code>AccessDenied</Code></Error>";
    let refusals = [
        ("403 Forbidden", denied, "403 AccessDenied"),
        ("417 Expectation Failed", "", "417"),
        ("307 Temporary Redirect", "", "307"),
        ("503 Slow Down", "", "503 (after 1)"),
    ];
    scripts.extend(refusals.map(refused));
    for script in &mut scripts {
        script.needs.expect_continue = true;
    }
    scripts
}

/// A script of one upload.
fn sending(name: &str, bytes: &Bytes) -> Script {
    Script::new(Rule::Expect, name).work(upload(bytes))
}

/// The end of a connection over which an upload went well.
fn good(bytes: &Bytes) -> Vec<Act> {
    [&[Act::Body, stored()][..], &found(bytes.len())].concat()
}

fn continued() -> Script {
    let bytes = content(MEBIBYTE);
    let acts = [&[Act::Head, A_MOMENT, send(CONTINUE)][..], &good(&bytes)].concat();
    sending(
        "a body of 1 MiB is sent when 100 has come, and not before",
        &bytes,
    )
    .connection(acts)
    .log(
        1,
        [
            put(New, &bytes, Features::all()).note(NOTHING).body(&bytes),
            recheck(Same),
            line("uploaded: 1048576 bytes, parts: 0"),
        ],
    )
}

fn silent() -> Script {
    let bytes = content(2 * MEBIBYTE);
    let acts = [&[Act::Head, Act::AwaitBody][..], &good(&bytes)].concat();
    sending(
        "where no 100 comes, the body is sent after a second",
        &bytes,
    )
    .connection(acts)
    .log(
        1,
        [
            put(New, &bytes, Features::all())
                .note("its body came after about a second")
                .body(&bytes),
            recheck(Same),
            line("uploaded: 2097152 bytes, parts: 0"),
        ],
    )
}

fn late() -> Script {
    let bytes = content(2 * MEBIBYTE);
    let acts = [
        &[Act::Head, Act::AwaitBody, send(CONTINUE)][..],
        &good(&bytes),
    ]
    .concat();
    sending(
        "a 100 that comes when the body is under way is passed over",
        &bytes,
    )
    .connection(acts)
    .log(
        1,
        [
            put(New, &bytes, Features::all())
                .note("its body came after about a second")
                .body(&bytes),
            recheck(Same),
            line("uploaded: 2097152 bytes, parts: 0"),
        ],
    )
}

fn once() -> Script {
    let bytes = content(MEBIBYTE);
    let asked = [&[Act::Head, send(CONTINUE)][..], &good(&bytes)].concat();
    let unasked = [&[Act::Head][..], &good(&bytes)].concat();
    let uploaded = || line("uploaded: 1048576 bytes, parts: 0");
    // Which fields go out where nothing is asked.
    let without = Features {
        expect_continue: false,
        ..Features::all()
    };
    sending(
        "where a server has stored a large body, the next one goes out at once",
        &bytes,
    )
    .work(upload(&bytes))
    .connection([asked, unasked].concat())
    .log(
        1,
        [
            put(New, &bytes, Features::all()).body(&bytes),
            recheck(Same),
            put(Same, &bytes, without).body(&bytes),
            recheck(Same),
            uploaded(),
            uploaded(),
        ],
    )
}

fn small(features: Features) -> Script {
    let bytes = content(MEBIBYTE - 1);
    let acts = [&[Act::Head, Act::AwaitBody][..], &good(&bytes)].concat();
    sending("a body of less than 1 MiB waits for nothing", &bytes)
        .connection(acts)
        .log(
            1,
            [
                put(New, &bytes, features)
                    .note("its body came at once")
                    .body(&bytes),
                recheck(Same),
                line("uploaded: 1048575 bytes, parts: 0"),
            ],
        )
}

fn closed() -> Script {
    let bytes = content(MEBIBYTE);
    sending(
        "an end of the connection in the place of 100 is Closed",
        &bytes,
    )
    .connection([Act::Head, Act::Close])
    .log(
        1,
        [
            put(New, &bytes, Features::all()).failed("Closed; given up"),
            ended("Closed (after 1)"),
        ],
    )
}

/// A final answer takes the place of 100: the body stays where it is.
fn refused((status, body, how): (&str, &str, &str)) -> Script {
    let bytes = big();
    let length = body.len();
    let refusal = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n{body}");
    let name =
        format!("a {status} in the place of 100 is the answer, and nothing of the body is sent");
    let given_up = how.trim_end_matches(" (after 1)");
    sending(&name, &bytes)
        .connection([Act::Head, A_MOMENT, send(refusal), Act::Quiet])
        .log(
            1,
            [
                put(New, &bytes, Features::all())
                    .note(NOTHING)
                    .note(ENDED)
                    .failed(&format!("{given_up}; given up")),
                ended(how),
            ],
        )
}
