//! Answers that come before the request is sent in full.

use super::{Act, BIG, New, PAUSE, Script, big, delete, ended, line, put, request, send, upload};
use crate::conformance::{Features, Rule};

pub(super) fn scripts(features: Features) -> Vec<Script> {
    let endings = [Act::Fewer(BIG), Act::Close, Act::Reset];
    let mut scripts: Vec<Script> = endings.map(|ending| early(ending, features)).into();
    scripts.extend([404, 412].map(|status| half_sent(status, features)));
    scripts
}

fn early(ending: Act, features: Features) -> Script {
    let bytes = big();
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

/// A refusal that says nothing of a broken connection, but the rest of the body is not sent.
fn half_sent(status: u16, features: Features) -> Script {
    let bytes = big();
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
