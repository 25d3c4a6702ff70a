//! How large a head may be, and how many interim answers may come before it.

use super::{Act, HELLO, New, Script, answer, download, downloaded, ended, get, send};
use crate::conformance::Rule;

const MAX_HEAD: usize = 64 << 10;
const MAX_FIELDS: usize = 128;

pub(super) fn scripts() -> Vec<Script> {
    let good = |name, answer| one(name, answer, None);
    let large = |name, answer| one(name, answer, Some("HeadTooLarge"));
    vec![
        good("a head just below 64 KiB is read", of_length(MAX_HEAD - 64)),
        large(
            "a head just above 64 KiB is HeadTooLarge",
            of_length(MAX_HEAD + 64),
        ),
        good("a head of 128 fields is read", of_fields(MAX_FIELDS)),
        large(
            "a head of 129 fields is HeadTooLarge",
            of_fields(MAX_FIELDS + 1),
        ),
        large("a head of 10,000 fields is HeadTooLarge", of_fields(10_000)),
        large("a value of 1 MiB is HeadTooLarge", of_length(1 << 20)),
        large("a name of 1 MiB is HeadTooLarge", line("", "x", ": y")),
        large("a reason of 1 MiB is HeadTooLarge", reason()),
        good("100s and 103s are passed over", interim(1, 1)),
        good("a hundred interim answers are passed over", interim(50, 50)),
        good(
            "256 KiB of interim answers are passed over",
            storm(256 << 10),
        ),
        large("1 MiB of interim answers is HeadTooLarge", storm(1 << 20)),
    ]
}

fn one(name: &str, answer: Vec<u8>, failed: Option<&str>) -> Script {
    let script = Script::new(Rule::Limits, name)
        .attempts(2)
        .work(download(5))
        .connection([Act::Head, send(answer)]);
    match failed {
        None => script.log(1, [get(New), downloaded(HELLO)]),
        // It would be as large again: not sent again.
        Some(how) => script.log(
            1,
            [get(New).failed(&format!("{how}; given up")), ended(how)],
        ),
    }
}

/// An answer whose head has so many bytes.
fn of_length(len: usize) -> Vec<u8> {
    let least = "HTTP/1.1 200 OK\r\nx-long: \r\ncontent-length: 5\r\netag: \"e\"\r\n\r\n";
    let long = "x".repeat(len - least.len());
    let head = least.replace("x-long: ", &format!("x-long: {long}"));
    [head.as_bytes(), HELLO].concat()
}

/// An answer whose head has so many fields.
fn of_fields(count: usize) -> Vec<u8> {
    let more = "x-field: y\r\n".repeat(count - 2);
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n{more}etag: \"e\"\r\n\r\n");
    [head.as_bytes(), HELLO].concat()
}

/// An answer with a line of 1 MiB.
fn line(before: &str, filling: &str, after: &str) -> Vec<u8> {
    let long = filling.repeat(1 << 20);
    format!("HTTP/1.1 200 OK\r\n{before}{long}{after}\r\ncontent-length: 5\r\n\r\nhello")
        .into_bytes()
}

fn reason() -> Vec<u8> {
    let long = "O".repeat(1 << 20);
    format!("HTTP/1.1 200 {long}\r\ncontent-length: 5\r\n\r\nhello").into_bytes()
}

fn interim(continues: usize, hints: usize) -> Vec<u8> {
    let continues = "HTTP/1.1 100 Continue\r\n\r\n".repeat(continues);
    let hints = "HTTP/1.1 103 Early Hints\r\nlink: </x>; rel=preload\r\n\r\n".repeat(hints);
    [continues.as_bytes(), hints.as_bytes(), &answer(HELLO)].concat()
}

/// So many bytes of interim answers, then a good one.
fn storm(len: usize) -> Vec<u8> {
    let one = "HTTP/1.1 102 Processing\r\n\r\n";
    [one.repeat(len / one.len()).as_bytes(), &answer(HELLO)].concat()
}
