//! The answers that the tests are about.

use super::Expected;
use crate::error::TransportErrorKind;

const OK: &str = "HTTP/1.1 200 OK\r\n";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

/// All answers to GET, and what is to come of them.
pub(super) fn all() -> Vec<(Vec<u8>, Expected)> {
    let refused = [
        ("", REFUSED),
        (OK, REFUSED_FIELDS),
        (CHUNKED, REFUSED_CHUNKS),
    ];
    let refused = refused.into_iter().flat_map(|(start, rests)| {
        let whole = move |(rest, text): &(&str, _)| (format!("{start}{rest}").into_bytes(), *text);
        rests.iter().map(whole)
    });
    let refused =
        refused.map(|(bytes, text)| (bytes, Expected::Bad(TransportErrorKind::BadHttp, text)));
    let short = SHORT.iter().map(|(bytes, text)| {
        let expected = Expected::Bad(TransportErrorKind::Closed, text);
        (bytes.as_bytes().to_vec(), expected)
    });
    let good = GOOD
        .iter()
        .map(|&(bytes, status, body, keep_alive, leftover)| {
            let expected = Expected::Good {
                status,
                body,
                keep_alive,
                leftover,
            };
            (bytes.as_bytes().to_vec(), expected)
        });
    good.chain(short).chain(refused).collect()
}

/// Status, body, whether the connection is kept, bytes behind the body.
const GOOD: &[(&str, u16, &str, bool, usize)] = &[
    (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nraw",
        101,
        "",
        false,
        3,
    ),
    (
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        200,
        "hello",
        true,
        0,
    ),
    (
        "HTTP/1.1 200\r\ncontent-length:5 \t\r\n\r\nhello",
        200,
        "hello",
        true,
        0,
    ),
    (
        "HTTP/1.1 200 \r\nContent-Length: 0005\r\n\r\nhello",
        200,
        "hello",
        true,
        0,
    ),
    (
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        200,
        "",
        true,
        0,
    ),
    (
        "HTTP/1.1 999 \u{e9}t\u{e9}\r\nContent-Length: 1\r\nx: \u{e9}\r\n\r\na",
        999,
        "a",
        true,
        0,
    ),
    (
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello\r\n",
        200,
        "hello",
        true,
        2,
    ),
    (
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\naHTTP/1.1 200 OK\r\n",
        200,
        "a",
        true,
        17,
    ),
    ("HTTP/1.1 200 OK\r\n\r\nhello", 200, "hello", false, 0),
    (
        "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nhello",
        200,
        "hello",
        false,
        0,
    ),
    ("HTTP/1.1 200 OK\r\n\r\n", 200, "", false, 0),
    ("HTTP/1.1 204 No Content\r\n\r\n", 204, "", true, 0),
    (
        "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
        204,
        "",
        true,
        0,
    ),
    (
        "HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n",
        204,
        "",
        false,
        0,
    ),
    (
        "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
        204,
        "",
        false,
        0,
    ),
    (
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n",
        304,
        "",
        true,
        0,
    ),
    (
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\nhello",
        304,
        "",
        true,
        5,
    ),
    (
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\na",
        200,
        "a",
        false,
        0,
    ),
    (
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: x, CLOSE ,y\r\n\r\na",
        200,
        "a",
        false,
        0,
    ),
    (
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\nConnection: close\r\n\r\na",
        200,
        "a",
        false,
        0,
    ),
    (
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: closed\r\n\r\na",
        200,
        "a",
        true,
        0,
    ),
    (
        "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na",
        200,
        "a",
        false,
        0,
    ),
    (
        "HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: x,Keep-Alive\r\n\r\na",
        200,
        "a",
        true,
        0,
    ),
    (
        "HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive, close\r\n\r\na",
        200,
        "a",
        false,
        0,
    ),
    (
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        200,
        "hello",
        true,
        0,
    ),
    (
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n2\r\nhe\r\n003;a=\"b c\";d\r\nllo\r\n000\r\n\r\n",
        200,
        "hello",
        true,
        0,
    ),
    (
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nA \t; x\r\n0123456789\r\n0000000000000001\r\na\r\n0;e\r\nX-Sum: 1\r\ny:\r\n\r\n",
        200,
        "0123456789a",
        true,
        0,
    ),
    (
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n!",
        200,
        "",
        true,
        1,
    ),
    (
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na",
        200,
        "a",
        true,
        0,
    ),
    (
        "HTTP/1.1 100 Continue\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na",
        200,
        "a",
        true,
        0,
    ),
];

/// What is missing at the end.
const SHORT: &[(&str, &str)] = &[
    (
        "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello",
        "Content-Length",
    ),
    (
        "HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775807\r\n\r\nhello",
        "Content-Length",
    ),
    (
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "the last chunk",
    ),
    (
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "the last chunk",
    ),
    (
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
        "the last chunk",
    ),
    (
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7fffFFFFffffFFFF\r\nhello",
        "the last chunk",
    ),
    ("HTTP/1.1 100 Continue\r\n\r\n", "the final answer"),
    ("", "an answer"),
    ("HT", "the rest of the response head"),
    (
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n",
        "the rest of the response head",
    ),
    ("HTTP/1.1 200 OK\r\n\r", "the rest of the response head"),
];

/// Chunked bodies, and what their errors say.
const REFUSED_CHUNKS: &[(&str, &str)] = &[
    ("5\r\nhello0\r\n\r\n", "behind a chunk's data"),
    ("5\r\nhello\r0\r\n\r\n", "behind a chunk's data"),
    ("5\r\nhello\n0\r\n\r\n", "behind a chunk's data"),
    ("5\nhello\r\n0\r\n\r\n", "behind a chunk's size"),
    ("5;a\nhello\r\n0\r\n\r\n", "extension"),
    ("5;\0\r\nhello\r\n0\r\n\r\n", "extension"),
    ("5 \r\nhello\r\n0\r\n\r\n", "an extension"),
    ("5\r\rhello\r\n0\r\n\r\n", "behind a chunk's size"),
    (" 5\r\nhello\r\n0\r\n\r\n", "hexadecimal"),
    ("+5\r\nhello\r\n0\r\n\r\n", "hexadecimal"),
    ("-1\r\nhello\r\n0\r\n\r\n", "hexadecimal"),
    ("0x5\r\nhello\r\n0\r\n\r\n", "behind a chunk's size"),
    ("5_0\r\nhello\r\n0\r\n\r\n", "behind a chunk's size"),
    ("\r\n0\r\n\r\n", "hexadecimal"),
    ("00000000000000005\r\nhello\r\n0\r\n\r\n", "16 digits"),
    ("10000000000000005\r\nhello\r\n0\r\n\r\n", "16 digits"),
    ("8000000000000000\r\nhello", "2^63-1"),
    ("0\r\n x: folded\r\n\r\n", "trailer"),
    ("0\r\nx : 1\r\n\r\n", "trailer"),
    ("0\r\n: 1\r\n\r\n", "trailer"),
    ("0\r\nx: \0\r\n\r\n", "trailer"),
    ("0\r\nx: 1\n\r\n", "trailer"),
    ("0\r\n\n", "trailer"),
    ("0\r\nHTTP/1.1 200 OK\r\n\r\n", "trailer"),
];

/// What may not stand behind the status line.
const REFUSED_FIELDS: &[(&str, &str)] = &[
    (
        "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        "one Content-Length, saw \"5 and 5\"",
    ),
    (
        "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "one Content-Length",
    ),
    ("Content-Length: 5, 5\r\n\r\nhello", "digits"),
    ("Content-Length: +5\r\n\r\nhello", "digits"),
    ("Content-Length: -5\r\n\r\nhello", "digits"),
    ("Content-Length: 5 5\r\n\r\nhello", "digits"),
    ("Content-Length: 0x5\r\n\r\nhello", "digits"),
    ("Content-Length: 5.0\r\n\r\nhello", "digits"),
    ("Content-Length:\r\n\r\nhello", "digits"),
    ("Content-Length: \u{665}\r\n\r\nhello", "digits"),
    ("Content-Length: 9223372036854775808\r\n\r\nhello", "2^63-1"),
    (
        "Content-Length: 18446744073709551621\r\n\r\nhello",
        "2^63-1",
    ),
    (
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "either",
    ),
    (
        "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "either",
    ),
    (
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "one Transfer-Encoding",
    ),
    (
        "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        "no other",
    ),
    (
        "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "no other",
    ),
    ("Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", "no other"),
    (
        "Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n",
        "no other",
    ),
    ("Transfer-Encoding: identity\r\n\r\nhello", "no other"),
    ("Transfer-Encoding:\r\n\r\nhello", "no other"),
    ("Content-Length: 5\n\r\nhello", "CRLF"),
    ("Content-Length: 5\r\n\nhello", "CRLF"),
    ("x: a\rContent-Length: 5\r\n\r\nhello", "CRLF"),
    ("Content-Length: 5\r\r\n\r\nhello", "CRLF"),
    (
        "x: a\r\n folded\r\nContent-Length: 5\r\n\r\nhello",
        "a field name",
    ),
    (" x: a\r\nContent-Length: 5\r\n\r\nhello", "a field name"),
    (
        "Content-Length : 5\r\n\r\nhello",
        "a colon right behind it, saw \"Content-Length : 5\\r\\n\"",
    ),
    (": 5\r\n\r\nhello", "a field name"),
    ("Content-Length\r\n\r\nhello", "a field name"),
    ("Cont\u{e9}nt: 5\r\n\r\nhello", "a field name"),
    ("x: a\0b\r\n\r\nhello", "control characters"),
    ("x: a\x0bb\r\n\r\nhello", "control characters"),
    ("x: a\x7fb\r\n\r\nhello", "control characters"),
    (":\r\nx\ny\r\n\r\n", "a field name"),
    ("x\ny\r\n:\r\n\r\n", "CRLF"),
];

/// Whole answers.
const REFUSED: &[(&str, &str)] = &[
    (
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.0",
    ),
    (
        "HTTP/1.1 100 Continue\r\nContent-Length: 1\r\n\r\naHTTP/1.1 200 OK\r\n\r\n",
        "no body",
    ),
    (
        "HTTP/1.1 100 Continue\r\nTransfer-Encoding: chunked\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        "no body",
    ),
    ("HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", "CRLF"),
    ("\r\nHTTP/1.1 200 OK\r\n\r\n", "begins with HTTP/1.1"),
    ("\r\n\r\n", "begins with HTTP/1.1"),
    (" HTTP/1.1 200 OK\r\n\r\n", "begins with HTTP/1.1"),
    ("http/1.1 200 OK\r\n\r\n", "begins with HTTP/1.1"),
    ("HTTP/2.0 200 OK\r\n\r\n", "saw \"HTTP/2.0\""),
    ("SSH-2.0-OpenSSH_9.9\r\n", "saw \"SSH-2.0-\""),
    ("\x15\x03\x03\0\x02\x02F", "begins with HTTP/1.1"),
    ("OK\r\n", "saw \"OK\\r\\n\""),
    ("<html></html>", "begins with HTTP/1.1"),
    ("HTTP/1.2 200 OK\r\n\r\n", "HTTP/1.1 or HTTP/1.0"),
    ("HTTP/1.1  200 OK\r\n\r\n", "three digits"),
    ("HTTP/1.1 20 OK\r\n\r\n", "three digits"),
    ("HTTP/1.1 2000 OK\r\n\r\n", "three digits"),
    ("HTTP/1.1 099 OK\r\n\r\n", "at least 100"),
    ("HTTP/1.1 200 O\0K\r\n\r\n", "three digits"),
];
