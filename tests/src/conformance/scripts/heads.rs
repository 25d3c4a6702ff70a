//! What is sent, and that statuses are no errors.

use bytes::Bytes;

use super::{
    Act, Lines, MEBIBYTE, New, On, Same, Script, answers, content, delete, delete_key, download,
    downloaded, ended, found, get, head, line, look, put, recheck, request, send, stored, upload,
};
use crate::conformance::{Features, Rule};

/// What is signed of a request without a body.
const SIGNED: &str = "host;x-amz-checksum-mode;x-amz-content-sha256;x-amz-date";
/// The SHA-256 of nothing.
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

pub(super) fn scripts(features: Features) -> Vec<Script> {
    let mut scripts = vec![
        fields(),
        signed(),
        signed_upload(features),
        empty_upload(features),
        targets(),
        no_bodies(),
        empty_object(),
        gzip(),
    ];
    scripts.extend(redirects());
    scripts.push(switch());
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
    script.log(1, [get(New).signed(SIGNED, EMPTY), downloaded(b"hello")])
}

fn signed_upload(features: Features) -> Script {
    let bytes = content(MEBIBYTE);
    let mut script = Script::new(
        Rule::Head,
        "what an adapter adds to a request is not signed",
    )
    .work(upload(&bytes))
    .connection(
        [
            &[Act::Head, Act::Continue, Act::Body, stored()][..],
            &found(bytes.len()),
        ]
        .concat(),
    );
    script.signed = true;
    let asked = put(New, &bytes, features).signed(
        "content-length;host;x-amz-checksum-crc64nvme;x-amz-content-sha256;x-amz-date",
        "UNSIGNED-PAYLOAD",
    );
    let rechecked = recheck(Same).signed(SIGNED, EMPTY);
    script.log(
        1,
        [
            asked.body(&bytes),
            rechecked,
            line("uploaded: 1048576 bytes, parts: 0"),
        ],
    )
}

fn empty_upload(features: Features) -> Script {
    let none = Bytes::new();
    Script::new(Rule::Head, "an upload without bytes says so")
        .work(upload(&none))
        .connection([&[Act::Head, stored()][..], &found(0)].concat())
        .log(
            1,
            [
                put(New, b"", features),
                recheck(Same),
                line("uploaded: 0 bytes, parts: 0"),
            ],
        )
}

fn targets() -> Script {
    let keys = ["a/../b", "//x", "/x", ".", "..", "a b?c#d", "%2f", "é+&=~"];
    let encoded = [
        "a/../b",
        "//x",
        "/x",
        ".",
        "..",
        "a%20b%3Fc%23d",
        "%252f",
        "%C3%A9%2B%26%3D~",
    ];
    let mut script = Script::new(
        Rule::Target,
        "a target is sent byte for byte, dots and slashes included",
    );
    let mut acts = Vec::new();
    for key in keys {
        script = script.work(delete_key(key));
        acts.extend([Act::Head, send("HTTP/1.1 204 No Content\r\n\r\n")]);
    }
    let mut on = [New].into_iter().chain([Same; 7]);
    let asked = encoded.map(|key| {
        request(
            &format!("DELETE /bucket/{key}"),
            on.next().unwrap_or(Same),
            &[],
        )
    });
    script
        .connection(acts)
        .log(1, asked.into_iter().chain(keys.map(|_| line("deleted"))))
}

fn no_bodies() -> Script {
    Script::new(
        Rule::Target,
        "answers to HEAD have no body, whatever they say, nor have answers with 204",
    )
    .work(look())
    .work(delete())
    .work(delete())
    .work(look())
    .connection(
        [
            &found(1 << 30)[..],
            &[Act::Head, send("HTTP/1.1 204 No Content\r\n\r\n")],
            &[Act::Head, send("HTTP/1.1 204 No Content\r\n\r\n")],
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

fn switch() -> Script {
    let answer = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n";
    Script::new(
        Rule::Target,
        "a switch to a protocol that nobody asked for is an error, and no interim answer",
    )
    .work(download(5))
    .connection([Act::Head, send(answer), Act::Quiet])
    .says("101")
    .log(
        1,
        [
            get(New)
                .note("then the client ended the connection")
                .failed("violation of Status; given up"),
            ended("violation of Status (after 1)"),
        ],
    )
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
