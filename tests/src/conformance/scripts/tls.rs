//! TLS: whom it trusts, and where it ends.

use std::time::Duration;

use super::{
    Act, HELLO, MEBIBYTE, New, PAUSE, Same, Script, answer, answers, big, content, download,
    downloaded, ended, found, get, line, put, recheck, send, stored, upload,
};
use crate::conformance::certificates::Identity;
use crate::conformance::job::{Gate, Work};
use crate::conformance::{Features, Rule};

const SECURE: Act = Act::Tls(Identity::Good);

pub(super) fn scripts(features: Features) -> Vec<Script> {
    vec![
        good(),
        large(features),
        early(features),
        distrusted("an expired certificate is Tls", Identity::Expired),
        distrusted("a certificate for another name is Tls", Identity::Misnamed),
        distrusted(
            "a certificate of an unknown authority is Tls",
            Identity::UnknownAuthority,
        ),
        plain_port(),
        closed_in_handshake(),
        silent_handshake(),
        cut_after_the_body(),
        cut(
            "a body that TLS cuts short is Closed",
            answer(b"hello, world"),
            Act::Close,
        ),
        cut(
            "a body that TLS ends too early is Closed",
            answer(b"hello, world"),
            Act::CloseNotified,
        ),
        cut(
            "chunks that TLS cuts short are Closed",
            chunks(),
            Act::Close,
        ),
        cut(
            "a body that lasts until the end is Closed where TLS does not say that this is the end",
            until_close(),
            Act::Close,
        ),
        ended_well(),
    ]
}

fn script(name: &str) -> Script {
    Script::new(Rule::Tls, name).tls()
}

fn good() -> Script {
    let drip = Act::Pieces(answer(HELLO).into(), 1, Duration::ZERO);
    script("a good certificate is good for several requests")
        .work(download(5))
        .work(download(5))
        .connection([&[SECURE][..], &answers(HELLO), &[Act::Head, drip]].concat())
        .log(
            1,
            [get(New), get(Same), downloaded(HELLO), downloaded(HELLO)],
        )
}

fn large(features: Features) -> Script {
    let bytes = content(4 * MEBIBYTE);
    let length = bytes.len();
    let acts = [SECURE, Act::Head, Act::Continue, Act::Body, stored()];
    script("large bodies go through TLS in both directions")
        .work(upload(&bytes))
        .work(super::download_in_one(length))
        .connection([&acts[..], &found(length), &answers(&bytes)].concat())
        .log(
            1,
            [
                put(New, &bytes, features).body(&bytes),
                recheck(Same),
                get(Same),
                line(format!("uploaded: {length} bytes, parts: 0")),
                downloaded(&bytes),
            ],
        )
}

fn early(features: Features) -> Script {
    let bytes = big();
    let refusal = "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n";
    script("a 403 in the middle of a body is read under TLS too, although a reset follows")
        .work(upload(&bytes))
        .connection([
            SECURE,
            Act::Head,
            Act::Continue,
            Act::Read(1000),
            send(refusal),
            PAUSE,
            Act::Reset,
        ])
        .log(
            1,
            [
                put(New, &bytes, features).failed("403; given up"),
                ended("403"),
            ],
        )
}

fn distrusted(name: &str, identity: Identity) -> Script {
    script(name)
        .attempts(2)
        .work(download(5))
        .connection([Act::Tls(identity), Act::Head])
        .says("certificate")
        .log(1, [line("  failed: Tls; given up"), ended("Tls")])
}

fn plain_port() -> Script {
    script("a port where nobody speaks TLS is Tls")
        .attempts(2)
        .work(download(5))
        .connection([
            send("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"),
            Act::Drain,
        ])
        .log(1, [line("  failed: Tls; given up"), ended("Tls")])
}

fn closed_in_handshake() -> Script {
    script("an end within the handshake is Connect")
        .work(download(5))
        .connection([Act::Close])
        .log(
            1,
            [
                line("  failed: Connect; given up"),
                ended("Connect (after 1)"),
            ],
        )
}

fn silent_handshake() -> Script {
    script("a handshake that never ends is a ConnectTimeout")
        .tune(|config| config.timeouts.connect = Duration::from_millis(300))
        .within(Duration::from_secs(4))
        .work(download(5))
        .connection([Act::Drain])
        .log(
            1,
            [
                line("  failed: ConnectTimeout; given up"),
                ended("ConnectTimeout (after 1)"),
            ],
        )
}

fn cut_after_the_body() -> Script {
    let gate = Gate::default();
    script("an end without close_notify after a whole body is an end, and the connection is not used again")
        .work(download(5))
        .work(Work::Wait(gate.clone()))
        .work(download(5))
        .connection([&[SECURE][..], &answers(HELLO), &[Act::Close, Act::Open(gate)]].concat())
        .connection([&[SECURE][..], &answers(HELLO), &[Act::Close]].concat())
        .log(2, [get(New), get(New), downloaded(HELLO), downloaded(HELLO)])
}

/// What should be twelve bytes ends after five.
fn cut(name: &str, answer: Vec<u8>, ending: Act) -> Script {
    let seven = ", world".len();
    let front = &answer[..answer.len() - seven];
    script(name)
        .work(download(12))
        .connection([SECURE, Act::Head, send(front), ending])
        .log(
            1,
            [
                get(New).failed("Closed; given up"),
                ended("Closed (after 1)"),
            ],
        )
}

fn chunks() -> Vec<u8> {
    let head = "HTTP/1.1 206 Partial Content\r\ncontent-range: bytes 0-11/12\r\netag: \"e\"\r\n";
    format!("{head}transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n7\r\n, world").into_bytes()
}

/// All twelve bytes are there before the seven that are cut off.
fn until_close() -> Vec<u8> {
    let head = "HTTP/1.1 206 Partial Content\r\ncontent-range: bytes 0-11/12\r\netag: \"e\"\r\n";
    format!("{head}connection: close\r\n\r\nhello, world, world").into_bytes()
}

fn ended_well() -> Script {
    let all = until_close();
    let front = &all[..all.len() - ", world".len()];
    script("a body that lasts until the end is whole where TLS says that this is the end")
        .work(download(12))
        .connection([SECURE, Act::Head, send(front), Act::CloseNotified])
        .log(1, [get(New), downloaded(b"hello, world")])
}
