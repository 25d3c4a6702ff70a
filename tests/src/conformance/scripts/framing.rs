//! Where an answer begins and ends: every split, every kind of length, and all that breaks them.

use std::time::Duration;

use super::{
    Act, HELLO, Lines, New, On, Same, Script, answer, download, downloaded, downloaded_in, ended,
    get, send,
};
use crate::conformance::Rule;

/// An answer's head up to the fields that say where it ends.
const OK: &str = "HTTP/1.1 200 OK\r\netag: \"e\"\r\n";
/// The same for answers whose head does not say how long they are.
const RANGE: &str = "HTTP/1.1 206 Partial Content\r\ncontent-range: bytes 0-4/5\r\netag: \"e\"\r\n";

pub(super) fn scripts() -> Vec<Script> {
    vec![
        split(
            "an answer cut in two at any byte is the same answer",
            &answer(HELLO),
        ),
        split(
            "a chunked answer cut in two at any byte is the same answer",
            &chunked("2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"),
        ),
        drip(),
        odd_heads(),
        good_chunks(),
        bad(
            "chunks whose sizes are none are BadHttp",
            bad_chunks(),
            "BadHttp",
        ),
        bad(
            "chunks that end too early are Closed",
            short_chunks(),
            "Closed",
        ),
        bad(
            "a body that ends too early is Closed",
            short_bodies(),
            "Closed",
        ),
        bad(
            "a connection that ends before or in the head is Closed",
            short_heads(),
            "Closed",
        ),
        bad(
            "lengths that contradict each other are BadHttp",
            bad_lengths(),
            "BadHttp",
        ),
        bad("what is not HTTP is BadHttp", not_http(), "BadHttp"),
        until_close(),
        lost_tail(),
        reset_in_body(),
    ]
}

fn chunked(body: &str) -> Vec<u8> {
    format!("{RANGE}transfer-encoding: chunked\r\n\r\n{body}").into_bytes()
}

/// One download for each place to cut at, all over one connection.
fn split(name: &str, answer: &[u8]) -> Script {
    const MOMENT: Duration = Duration::from_millis(2);
    let mut script = Script::new(Rule::Framing, name);
    let (mut acts, mut asked, mut came) = (Vec::new(), Vec::new(), Vec::new());
    for at in 1..answer.len() {
        let (front, tail) = answer.split_at(at);
        acts.extend([Act::Head, send(front), Act::Sleep(MOMENT), send(tail)]);
        script = script.work(download(HELLO.len()));
        asked.push(get(if at == 1 { New } else { Same }));
        came.push(downloaded(HELLO));
    }
    script
        .connection(acts)
        .log(1, asked.into_iter().chain(came))
}

fn drip() -> Script {
    let pause = Duration::from_millis(1);
    Script::new(
        Rule::Framing,
        "an answer that comes byte by byte is the same answer",
    )
    .work(download(5))
    .work(download(5))
    .connection([
        Act::Head,
        Act::Pieces(answer(HELLO).into(), 1, pause),
        Act::Head,
        Act::Pieces(chunked("5\r\nhello\r\n0\r\n\r\n").into(), 1, pause),
    ])
    .log(
        1,
        [get(New), get(Same), downloaded(HELLO), downloaded(HELLO)],
    )
}

/// Valid by RFC 9112, section 4, and RFC 9110, section 5.5.
fn odd_heads() -> Script {
    let heads: [&[u8]; 4] = [
        b"HTTP/1.1 200 \r\netag: \"e\"\r\ncontent-length: 5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nETAG:\"e\"\r\nContent-LENGTH:\t 5 \t\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx-empty:\r\netag: \"e\"\r\ncontent-length: 5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx-latin: caf\xe9\r\netag: \"e\"\r\ncontent-length: 5\r\n\r\n",
    ];
    let name = "reasons and values may be empty, names in any case, values beyond ASCII";
    let mut script = Script::new(Rule::Framing, name);
    let mut acts = Vec::new();
    for head in heads {
        script = script.work(download(5));
        acts.extend([Act::Head, send([head, HELLO].concat())]);
    }
    script.connection(acts).log(1, ok(&[New, Same, Same, Same]))
}

fn good_chunks() -> Script {
    let bodies = [
        "5\r\nhello\r\n0\r\n\r\n",
        "1\r\nh\r\n1\r\ne\r\n3\r\nllo\r\n0\r\n\r\n",
        "00000005\r\nhello\r\n000\r\n\r\n",
        "5;name=value\r\nhello\r\n0;last\r\n\r\n",
        "5;name=\"quoted value\"\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\r\nx-trailer: one\r\ncontent-length: 99\r\n\r\n",
    ];
    let name = "chunks may have odd sizes, leading zeros, extensions and trailers";
    let mut script = Script::new(Rule::Framing, name);
    let (mut acts, mut asked, mut came) = (Vec::new(), Vec::new(), Vec::new());
    for (index, body) in bodies.into_iter().enumerate() {
        script = script.work(download(5));
        acts.extend([Act::Head, send(chunked(body))]);
        asked.push(get(if index == 0 { New } else { Same }));
        came.push(downloaded(HELLO));
    }
    script
        .connection(acts)
        .log(1, asked.into_iter().chain(came))
}

fn bad_chunks() -> Vec<Vec<u8>> {
    let bodies = [
        "g\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "\r\nhello\r\n0\r\n\r\n",
        "10000000000000005\r\nhello\r\n0\r\n\r\n",
        "4\r\nhello\r\n0\r\n\r\n",
        "5\r\nhelloxx0\r\n\r\n",
        "5 5\r\nhello\r\n0\r\n\r\n",
    ];
    bodies.map(chunked).to_vec()
}

fn short_chunks() -> Vec<Vec<u8>> {
    let bodies = [
        "",
        "5",
        "5\r\n",
        "5\r\nhel",
        "5\r\nhello\r\n",
        "5\r\nhello\r\n0\r\n",
        "5\r\nhello\r\n0\r\nx-trailer",
    ];
    bodies.map(chunked).to_vec()
}

fn short_bodies() -> Vec<Vec<u8>> {
    let heads = [
        format!("{OK}content-length: 5\r\n\r\n"),
        format!("{OK}content-length: 5\r\nconnection: close\r\n\r\n"),
        "HTTP/1.0 200 OK\r\netag: \"e\"\r\ncontent-length: 5\r\n\r\n".into(),
    ];
    let cut = |head: &String| ["", "h", "hell"].map(|body| format!("{head}{body}").into_bytes());
    heads.iter().flat_map(cut).collect()
}

fn short_heads() -> Vec<Vec<u8>> {
    let heads = [
        "",
        "H",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n",
    ];
    heads.map(|head| head.as_bytes().to_vec()).to_vec()
}

fn bad_lengths() -> Vec<Vec<u8>> {
    let fields = [
        "content-length: 5\r\ncontent-length: 6",
        "content-length: 5, 6",
        "content-length: +5",
        "content-length: -5",
        "content-length: 0x5",
        "content-length: 5.0",
        "content-length: 18446744073709551616",
        "content-length:",
        "content-length: 5\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\ncontent-length: 10",
    ];
    let answer = |fields: &str| match fields.contains("chunked") {
        true => format!("{OK}{fields}\r\n\r\n5\r\nhello\r\n0\r\n\r\n").into_bytes(),
        false => format!("{OK}{fields}\r\n\r\nhello").into_bytes(),
    };
    fields.map(answer).to_vec()
}

fn not_http() -> Vec<Vec<u8>> {
    let rest = "content-length: 5\r\netag: \"e\"";
    [
        "SSH-2.0-OpenSSH_9.9\r\n\r\n".to_owned(),
        format!("HTTP/3.1 200 OK\r\n{rest}\r\n\r\nhello"),
        format!("HTTP/1.1 20 OK\r\n{rest}\r\n\r\nhello"),
        format!("HTTP/1.1 abc OK\r\n{rest}\r\n\r\nhello"),
        format!("HTTP/1.1 200 OK\r\n folded: early\r\n{rest}\r\n\r\nhello"),
        format!("HTTP/1.1 200 OK\r\n{rest}\r\nx-folded: one\r\n two\r\n\r\nhello"),
        format!("HTTP/1.1 200 OK\r\n{rest}\r\nx-bare: one\rtwo\r\n\r\nhello"),
        format!("HTTP/1.1 200 OK\r\n{rest}\r\nx-nul: one\0two\r\n\r\nhello"),
        format!("HTTP/1.1 200 OK\r\n{rest}\r\nx-space : one\r\n\r\nhello"),
        format!("HTTP/1.1 200 OK\r\n{rest}\r\nno colon\r\n\r\nhello"),
        format!("HTTP/1.1 200 OK\r\n{rest}\r\n: no name\r\n\r\nhello"),
    ]
    .map(String::into_bytes)
    .to_vec()
}

/// Each of these answers fails like this, and ends its connection.
fn bad(name: &str, answers: Vec<Vec<u8>>, how: &str) -> Script {
    let mut script = Script::new(Rule::Framing, name);
    let (mut asked, mut came) = (Vec::new(), Vec::new());
    let count = answers.len();
    for answer in answers {
        script = script
            .work(download(5))
            .connection([Act::Head, send(answer)]);
        asked.push(get(New).failed(&format!("{how}; given up")));
        came.push(ended(&format!("{how} (after 1)")));
    }
    script.log(count, asked.into_iter().chain(came))
}

fn until_close() -> Script {
    let one = format!("{RANGE}connection: close\r\n\r\nhello");
    let two = format!("{RANGE}\r\nhello").replace("HTTP/1.1", "HTTP/1.0");
    Script::new(
        Rule::Framing,
        "a body without a length lasts until the connection ends",
    )
    .work(download(5))
    .work(download(5))
    .work(download(5))
    .connection([Act::Head, send(one)])
    .connection([Act::Head, send(two)])
    .connection([Act::Head, send(format!("{RANGE}\r\nhello"))])
    .log(3, ok(&[New, New, New]))
}

/// So many good downloads.
fn ok(connections: &[On]) -> Vec<Lines> {
    let asked = connections.iter().map(|on| get(*on));
    asked
        .chain(connections.iter().map(|_| downloaded(HELLO)))
        .collect()
}

fn lost_tail() -> Script {
    let front = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\netag: \"e\"\r\n\r\nhe";
    let tail = "HTTP/1.1 206 Partial Content\r\ncontent-range: bytes 2-4/5\r\ncontent-length: 3\r\netag: \"e\"\r\n\r\nllo";
    let asked = super::request(
        "GET /bucket/key",
        New,
        &["if-match: \"e\"", "range: bytes=2-4"],
    );
    Script::new(
        Rule::Framing,
        "what came before an early end is kept, and only the rest is asked for",
    )
    .attempts(2)
    .work(download(5))
    .connection([Act::Head, send(front)])
    .connection([Act::Head, send(tail)])
    .log(
        2,
        [
            get(New).failed("Closed; sent again"),
            asked,
            downloaded_in(2, HELLO),
        ],
    )
}

fn reset_in_body() -> Script {
    let moment = Act::Sleep(Duration::from_millis(30));
    Script::new(
        Rule::Framing,
        "a reset in the head or in the body is Closed",
    )
    .work(download(5))
    .work(download(5))
    .connection([
        Act::Head,
        send("HTTP/1.1 200 OK\r\n"),
        moment.clone(),
        Act::Reset,
    ])
    .connection([
        Act::Head,
        send(&answer(HELLO)[..answer(HELLO).len() - 1]),
        moment,
        Act::Reset,
    ])
    .log(
        2,
        [
            get(New).failed("Closed; given up"),
            get(New).failed("Closed; given up"),
            ended("Closed (after 1)"),
            ended("Closed (after 1)"),
        ],
    )
}
