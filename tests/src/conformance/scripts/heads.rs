//! What is sent, and that statuses are no errors.

use bytes::Bytes;

use super::{
    Act, Lines, New, On, Same, Script, answers, delete, download, downloaded, ended, found, get,
    head, line, look, put, recheck, request, send, stored, upload,
};
use crate::conformance::{Features, Rule};

pub(super) fn scripts() -> Vec<Script> {
    let mut scripts = vec![fields(), signed(), no_bodies(), empty_object(), gzip()];
    scripts.extend(redirects());
    scripts
}

fn fields() -> Script {
    let bytes = Bytes::from_static(b"hello");
    Script::new(
        Rule::Head,
        "GET, PUT, HEAD and DELETE have the core's fields and no others",
    )
    .work(download(5))
    .work(upload(&bytes))
    .work(delete())
    .connection(
        [
            &answers(b"hello")[..],
            &[Act::Head, Act::Body, stored()],
            &found(5),
            &[
                Act::Head,
                send("HTTP/1.1 204 No Content\r\n\r\n"),
                Act::Quiet,
            ],
        ]
        .concat(),
    )
    .log(
        1,
        [
            get(New),
            put(Same, b"hello", Features::all()).body(b"hello"),
            recheck(Same),
            removed(Same).note("then the client ended the connection"),
            downloaded(b"hello"),
            line("uploaded: 5 bytes, parts: 0"),
            line("deleted"),
        ],
    )
}

fn signed() -> Script {
    let mut script = Script::new(
        Rule::Head,
        "a signed request has its signature's fields besides",
    )
    .work(download(5))
    .connection(answers(b"hello"));
    script.signed = true;
    let signed = "host;x-amz-checksum-mode;x-amz-content-sha256;x-amz-date";
    // The SHA-256 of nothing.
    let hash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let fields = [
        &format!("authorization: {{signature of {signed}}}"),
        "x-amz-checksum-mode: ENABLED",
        &format!("x-amz-content-sha256: {hash}"),
        "x-amz-date: {now}",
    ];
    script.log(
        1,
        [
            request("GET /bucket/key", New, &fields),
            downloaded(b"hello"),
        ],
    )
}

fn no_bodies() -> Script {
    Script::new(
        Rule::Target,
        "answers to HEAD and answers with 204 have no body, whatever they say",
    )
    .work(look())
    .work(delete())
    .work(delete())
    .work(look())
    .connection(
        [
            &found(1 << 30)[..],
            &[Act::Head, send("HTTP/1.1 204 No Content\r\n\r\n")],
            &[
                Act::Head,
                send("HTTP/1.1 204 No Content\r\ncontent-length: 7\r\n\r\n"),
            ],
            &found(1),
        ]
        .concat(),
    )
    .log(
        1,
        [
            head(New),
            removed(Same),
            removed(Same),
            head(Same),
            line("found: 1073741824 bytes"),
            line("deleted"),
            line("deleted"),
            line("found: 1 bytes"),
        ],
    )
}

fn empty_object() -> Script {
    Script::new(Rule::Target, "an object without bytes is downloaded")
        .work(download(0))
        .work(download(0))
        .connection([answers(b""), answers(b"")].concat())
        .log(1, [get(New), get(Same), downloaded(b""), downloaded(b"")])
}

fn gzip() -> Script {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-encoding: gzip\r\netag: \"e\"\r\n";
    Script::new(
        Rule::Target,
        "compressed bytes stay compressed, and nobody asked for them",
    )
    .work(download(5))
    .connection([Act::Head, send(format!("{head}\r\nhello"))])
    .log(1, [get(New), downloaded(b"hello")])
}

/// The request of [`delete`].
fn removed(on: On) -> Lines {
    request("DELETE /bucket/key", on, &[])
}

fn redirects() -> Vec<Script> {
    let statuses = [
        "301 Moved Permanently",
        "302 Found",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
    ];
    let script = |status: &'static str| {
        let refusal =
            format!("HTTP/1.1 {status}\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n");
        let code = &status[..3];
        Script::new(
            Rule::Target,
            format!("{code} with a Location is an error, and is not followed"),
        )
        .work(download(5))
        .connection([Act::Head, send(refusal), Act::Quiet])
        .says(code)
        .log(
            1,
            [
                get(New)
                    .note("then the client ended the connection")
                    .failed(&format!("{code}; given up")),
                ended(code),
            ],
        )
    };
    statuses.into_iter().map(script).collect()
}
