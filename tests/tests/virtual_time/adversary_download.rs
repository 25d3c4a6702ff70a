//! What the world does to downloads: each test carries the number of the line in the list of
//! adversaries that it stands for.

use std::time::Duration;

use crate::common::{download, honest, model_with, noise, sink_for, small};
use sans3_core::checksum::Algorithm;
use sans3_core::error::{Cause, Rule, TransferError, TransportErrorKind};
use sans3_core::session::Reaction;
use sans3_core::transfer::{Download, Downloaded, Order, Verified};
use sans3_testkit::drive::{ModelPeer, Reply, Rig, Sent, Sink};

const SIZE: usize = 4 * (1 << 20) + 999;
const MIB: usize = 1 << 20;

type Run = (Result<Downloaded, TransferError>, Sink, Vec<String>);

/// Downloads an object of `SIZE` bytes in both orders, while `hook` disturbs the answers. Whatever
/// it does, a success must have the right bytes.
fn disturbed(hook: impl Fn(usize, &Sent, &mut dyn FnMut() -> Reply) -> Reply + Copy) -> [Run; 2] {
    [Order::Random, Order::InOrder].map(|order| {
        let bytes = noise(SIZE, 21);
        let mut rig = Rig::new(small(), ModelPeer::new(model_with(&bytes), hook));
        let (result, sink) = rig.download(download(order), sink_for(order));
        if result.is_ok() {
            assert!(sink.bytes == bytes, "{order:?}: success with wrong bytes");
        }
        (result, sink, rig.log)
    })
}

fn is_range(request: &Sent, from: usize) -> bool {
    range(request).is_some_and(|range| range.starts_with(&format!("bytes={from}-")))
}

fn range(request: &Sent) -> Option<&str> {
    request
        .headers
        .get("range")
        .and_then(|range| range.to_str().ok())
}

fn rule(cause: &Cause) -> Option<Rule> {
    match cause.root() {
        Cause::Violation(violation) => Some(violation.rule()),
        _ => None,
    }
}

/// A range that is answered with another value of a header breaks this rule.
fn refused_with(name: &'static str, text: &'static str, broken: Rule) {
    for (result, ..) in disturbed(move |_, request, ask| {
        if !is_range(request, MIB) {
            return ask();
        }
        ask().with(name, text)
    }) {
        assert_eq!(rule(&result.unwrap_err().cause), Some(broken), "{text}");
    }
}

#[test]
fn adversary_01_a_server_without_ranges_is_read_as_one_stream() {
    for (result, sink, log) in disturbed(|_, request, ask| {
        if request.method != "GET" {
            return ask();
        }
        let mut whole = model_with(&noise(SIZE, 21));
        let request = Sent {
            headers: {
                let mut h = request.headers.clone();
                h.remove("range");
                h
            },
            ..request.clone()
        };
        let mut peer = honest_once(&mut whole);
        peer(request)
    }) {
        let found = result.unwrap();
        assert_eq!(found.verified, Verified::FullObject(Algorithm::Crc64Nvme));
        assert!(!sink.wrote_twice());
        assert!(log.len() <= 4, "{log:?}");
    }
}

/// One answer of `model`, as it is.
fn honest_once(model: &mut sans3_testkit::model::Model) -> impl FnMut(Sent) -> Reply {
    |request: Sent| {
        let mut asked = sans3_testkit::model::Request::new(request.method, request.target);
        asked.headers = request.headers;
        let response = model.handle(asked);
        let mut reply = Reply::new(response.status.as_u16(), &[], "");
        reply.head = Ok((response.status.as_u16(), response.headers));
        reply.body = response.body.into_segments();
        reply
    }
}

#[test]
fn adversary_01_a_200_with_the_right_content_range_is_taken() {
    for (result, _, log) in disturbed(|_, _, ask| {
        let mut reply = ask();
        if let Ok((status @ 206, _)) = &mut reply.head {
            *status = 200;
        }
        reply
    }) {
        assert_eq!(
            result.unwrap().verified,
            Verified::FullObject(Algorithm::Crc64Nvme)
        );
        assert_eq!(log.len(), 6);
    }
}

#[test]
fn adversary_02_a_partial_answer_without_content_range_is_refused() {
    for (result, ..) in disturbed(|_, _, ask| ask().without("content-range")) {
        assert_eq!(rule(&result.unwrap_err().cause), Some(Rule::ContentRange));
    }
}

#[test]
fn adversary_03_a_shifted_range_is_refused_before_its_first_byte_is_written() {
    for shift in [1, 4096] {
        for (result, sink, _) in disturbed(move |_, request, ask| {
            if !is_range(request, MIB) {
                return ask();
            }
            let range = format!("bytes {}-{}/{SIZE}", MIB + shift, 2 * MIB - 1 + shift);
            ask().with("content-range", &range)
        }) {
            assert_eq!(rule(&result.unwrap_err().cause), Some(Rule::ContentRange));
            let second = MIB as u64..2 * MIB as u64;
            assert!(!sink.writes.iter().any(|(start, _)| second.contains(start)));
        }
    }
}

#[test]
fn adversary_03_once_a_wrong_range_costs_a_retry_and_nothing_else() {
    let bytes = noise(SIZE, 21);
    let mut done = false;
    let peer = ModelPeer::new(
        model_with(&bytes),
        move |_, request: &Sent, ask: &mut dyn FnMut() -> Reply| {
            let reply = ask();
            if is_range(request, MIB) && !core::mem::replace(&mut done, true) {
                return reply.with("content-range", &format!("bytes 0-{}/{SIZE}", MIB - 1));
            }
            reply
        },
    );
    let mut rig = Rig::new(small(), peer);
    let (result, sink) = rig.download(download(Order::Random), Sink::random());
    assert!(result.is_ok());
    assert!(sink.bytes == bytes && !sink.wrote_twice());
    assert_eq!(rig.notices().len(), 1);
}

#[test]
fn adversary_04_a_range_that_ends_elsewhere_is_refused() {
    for end in [2 * MIB - 2, 2 * MIB] {
        for (result, ..) in disturbed(move |_, request, ask| {
            if !is_range(request, MIB) {
                return ask();
            }
            ask().with("content-range", &format!("bytes {MIB}-{end}/{SIZE}"))
        }) {
            assert_eq!(rule(&result.unwrap_err().cause), Some(Rule::ContentRange));
        }
    }
}

#[test]
fn adversary_05_a_total_that_differs_is_another_version() {
    for (result, ..) in disturbed(|_, request, ask| {
        if !is_range(request, MIB) {
            return ask();
        }
        ask().with(
            "content-range",
            &format!("bytes {MIB}-{}/{}", 2 * MIB - 1, SIZE + 1),
        )
    }) {
        assert!(matches!(
            result.unwrap_err().cause,
            Cause::ObjectChanged { .. }
        ));
    }
}

#[test]
fn adversary_05_a_head_that_tells_another_size_is_of_another_version() {
    for length in [SIZE - 1, SIZE + 1] {
        for (result, ..) in disturbed(move |_, request, ask| {
            let reply = ask();
            if request.method == "HEAD" {
                reply.with("content-length", &length.to_string())
            } else {
                reply
            }
        }) {
            let error = result.unwrap_err();
            let changed = matches!(error.root(), Cause::ObjectChanged { .. });
            assert!(changed, "{length}: {error}");
        }
    }
}

#[test]
fn adversary_06_a_content_range_that_is_not_one_is_an_error() {
    for text in [
        "bytes 0-9/*",
        "items 0-9/10",
        "bytes 9-0/10",
        "bytes 0-9/99999999999999999999",
        " bytes 0 - 9 / 10",
        "",
    ] {
        refused_with("content-range", text, Rule::ContentRange);
    }
}

#[test]
fn adversary_07_only_the_missing_tail_is_asked_for_again() {
    for end in [Ok(()), Err(TransportErrorKind::Closed)] {
        for (result, sink, log) in disturbed(move |_, request, ask| {
            if range(request) != Some("bytes=1048576-2097151") {
                return ask();
            }
            ask().cut(1000, end)
        }) {
            assert_eq!(
                result.unwrap().verified,
                Verified::FullObject(Algorithm::Crc64Nvme)
            );
            assert!(!sink.wrote_twice());
            assert!(sink.writes.contains(&(MIB as u64, MIB as u64 + 1000)));
            assert_eq!(log.len(), 7);
        }
    }
}

#[test]
fn adversary_08_a_body_shorter_than_the_range_is_no_part() {
    for (result, ..) in disturbed(|_, request, ask| {
        if !is_range(request, MIB) {
            return ask();
        }
        let cut = ask().cut(500, Ok(())).with("content-length", "500");
        cut.with(
            "content-range",
            &format!("bytes {MIB}-{}/{SIZE}", MIB + 499),
        )
    }) {
        assert_eq!(rule(&result.unwrap_err().cause), Some(Rule::ContentRange));
    }
}

#[test]
fn adversary_09_bytes_beyond_the_range_are_an_error() {
    for (result, sink, _) in disturbed(|_, request, ask| {
        if !is_range(request, 4 * MIB) {
            return ask();
        }
        let mut reply = ask();
        reply.body.push("more".into());
        reply
    }) {
        // All bytes of the range are there; what follows them is dropped with the connection.
        assert!(result.is_ok());
        assert_eq!(sink.bytes.len(), SIZE);
    }
}

#[test]
fn adversary_10_without_a_content_length_the_count_must_be_exact() {
    for (result, ..) in disturbed(|_, _, ask| {
        let reply = ask();
        if matches!(reply.head, Ok((206, _))) {
            reply.without("content-length")
        } else {
            reply
        }
    }) {
        assert!(result.is_ok());
    }
    // One byte less and only that byte is asked for again; one more is left with its connection.
    for (more, requests) in [(false, 7), (true, 6)] {
        for (result, sink, log) in disturbed(move |_, request, ask| {
            if range(request) != Some("bytes=1048576-2097151") {
                return ask();
            }
            let mut reply = ask().without("content-length");
            if more {
                reply.body.push("!".into());
                reply
            } else {
                reply.cut(MIB - 1, Ok(()))
            }
        }) {
            assert!(result.is_ok(), "{more}: {result:?}");
            assert!(!sink.wrote_twice());
            assert_eq!(log.len(), requests, "{log:?}");
        }
    }
}

#[test]
fn adversary_11_a_content_length_that_is_no_number_is_refused() {
    for text in ["-1", "+5", "0x10", "1048575", "5,5"] {
        refused_with("content-length", text, Rule::ContentLength);
    }
}

#[test]
fn adversary_12_another_etag_is_another_version() {
    for (result, ..) in disturbed(|_, request, ask| {
        if !is_range(request, 2 * MIB) {
            return ask();
        }
        ask().with("etag", "\"another\"")
    }) {
        assert!(matches!(
            result.unwrap_err().cause,
            Cause::ObjectChanged { .. }
        ));
    }
}

#[test]
fn adversary_12_a_version_that_changes_between_head_and_get_is_noticed() {
    for (result, ..) in disturbed(|_, request, ask| {
        let reply = ask();
        if request.method == "HEAD" {
            reply.with("etag", "\"another\"")
        } else {
            reply
        }
    }) {
        assert!(matches!(
            result.unwrap_err().cause,
            Cause::ObjectChanged { .. }
        ));
    }
}

#[test]
fn adversary_13_a_failed_precondition_ends_the_download_with_one_clear_error() {
    for (result, _, log) in disturbed(|_, request, ask| {
        if !is_range(request, 2 * MIB) {
            return ask();
        }
        Reply::new(412, &[], "")
    }) {
        let error = result.unwrap_err();
        assert!(matches!(error.cause, Cause::ObjectChanged { .. }));
        assert!(error.to_string().contains("changed"));
        assert!(log.len() <= 6);
    }
}

#[test]
fn adversary_14_without_a_strong_etag_the_object_is_read_once() {
    let long = format!("\"{}\"", "x".repeat(10_000));
    let tags: [&'static str; 4] = [
        "",
        "W/\"weak\"",
        "unquoted",
        Box::leak(long.into_boxed_str()),
    ];
    for tag in tags {
        for (result, _, log) in disturbed(move |_, _, ask| {
            if tag.is_empty() {
                ask().without("etag")
            } else {
                ask().with("etag", tag)
            }
        }) {
            assert_eq!(
                result.unwrap().verified,
                Verified::FullObject(Algorithm::Crc64Nvme),
                "{tag}"
            );
            assert!(log.len() <= 4, "{log:?}");
        }
    }
}

#[test]
fn adversary_15_a_flipped_byte_is_found_and_mended() {
    let bytes = noise(SIZE, 21);
    let mut flips = 0;
    let peer = ModelPeer::new(
        model_with(&bytes),
        move |_, request: &Sent, ask: &mut dyn FnMut() -> Reply| {
            let reply = ask();
            if is_range(request, MIB) && flips == 0 {
                flips += 1;
                return reply.flipped(77);
            }
            reply
        },
    );
    let mut rig = Rig::new(small(), peer);
    let (result, sink) = rig.download(download(Order::Random), Sink::random());
    assert_eq!(
        result.unwrap().verified,
        Verified::FullObject(Algorithm::Crc64Nvme)
    );
    assert!(sink.bytes == bytes);
    assert!(
        rig.notices()
            .iter()
            .any(|notice| notice.reaction == Reaction::Reread)
    );
    // Every range a second time, and the bad one a third.
    assert_eq!(rig.log.len(), 6 + 5 + 1);
}

#[test]
fn adversary_16_a_whole_that_stays_wrong_is_never_a_success() {
    for (result, ..) in disturbed(|_, request, ask| {
        let reply = ask();
        if is_range(request, MIB) {
            reply.flipped(77)
        } else {
            reply
        }
    }) {
        assert!(matches!(
            result.unwrap_err().cause,
            Cause::ChecksumMismatch { .. }
        ));
    }
}

#[test]
fn adversary_16_in_order_delivery_fails_at_its_end() {
    let bytes = noise(SIZE, 21);
    let mut flips = 0;
    let peer = ModelPeer::new(
        model_with(&bytes),
        move |_, request: &Sent, ask: &mut dyn FnMut() -> Reply| {
            let reply = ask();
            flips += usize::from(is_range(request, MIB));
            if is_range(request, MIB) && flips == 1 {
                reply.flipped(77)
            } else {
                reply
            }
        },
    );
    let mut rig = Rig::new(small(), peer);
    let (result, _) = rig.download(download(Order::InOrder), Sink::in_order());
    assert!(matches!(
        result.unwrap_err().cause,
        Cause::ChecksumMismatch { .. }
    ));
}

#[test]
fn adversary_17_a_composite_checksum_proves_nothing_of_ranges() {
    for (result, ..) in disturbed(|_, request, ask| {
        let reply = ask()
            .without("x-amz-checksum-crc64nvme")
            .with("x-amz-checksum-type", "COMPOSITE");
        if request.method == "HEAD" {
            reply.with("x-amz-checksum-crc32", "y/Q5Jg==-3")
        } else {
            reply
        }
    }) {
        assert_eq!(result.unwrap().verified, Verified::Length);
    }
}

#[test]
fn adversary_18_an_unknown_or_malformed_checksum_proves_nothing() {
    for (name, value) in [
        ("x-amz-checksum-xxhash3", "AAAAAAAAAAA="),
        ("x-amz-checksum-crc64nvme", "AAAA"),
        ("x-amz-checksum-crc64nvme", "%%%"),
    ] {
        for (result, ..) in disturbed(move |_, request, ask| {
            let reply = ask().without("x-amz-checksum-crc64nvme");
            if request.method == "HEAD" {
                reply.with(name, value)
            } else {
                reply
            }
        }) {
            assert_eq!(result.unwrap().verified, Verified::Length);
        }
    }
}

#[test]
fn adversary_19_an_empty_object_is_empty_however_a_range_of_it_is_answered() {
    let answers: [fn(Reply) -> Reply; 6] = [
        |reply| reply,
        |_| Reply::new(416, &[], ""),
        |_| Reply::new(200, &[("content-length", "0"), ("etag", "\"e\"")], ""),
        |_| {
            Reply::new(
                206,
                &[("content-range", "bytes 0--1/0"), ("etag", "\"e\"")],
                "",
            )
        },
        |_| {
            Reply::new(
                206,
                &[("content-range", "bytes 0-18446744073709551615/0")],
                "",
            )
        },
        |_| Reply::new(500, &[], "<Error><Code>InternalError</Code></Error>"),
    ];
    for answer in answers {
        for order in [Order::Random, Order::InOrder] {
            let peer = ModelPeer::new(
                model_with(b""),
                move |_, request: &Sent, ask: &mut dyn FnMut() -> Reply| match request
                    .method
                    .as_str()
                {
                    "GET" => answer(ask()),
                    _ => ask().with("etag", "\"e\""),
                },
            );
            let mut rig = Rig::new(small(), peer);
            let (result, sink) = rig.download(download(order), sink_for(order));
            assert_eq!(result.unwrap().size, 0);
            assert!(sink.bytes.is_empty());
        }
    }
}

#[test]
fn adversary_20_an_object_that_shrank_has_changed() {
    for (result, ..) in disturbed(|_, request, ask| {
        if !is_range(request, 4 * MIB) {
            return ask();
        }
        Reply::new(416, &[("content-range", "bytes */1000")], "")
    }) {
        assert!(matches!(
            result.unwrap_err().cause,
            Cause::ObjectChanged { .. }
        ));
    }
}

#[test]
fn adversary_21_a_status_that_answers_no_range_is_refused() {
    for status in [203, 204, 299, 304] {
        for (result, ..) in disturbed(move |_, request, ask| {
            if !is_range(request, MIB) {
                return ask();
            }
            let mut reply = ask();
            reply.head = reply.head.map(|(_, headers)| (status, headers));
            reply
        }) {
            assert_eq!(
                rule(&result.unwrap_err().cause),
                Some(Rule::Status),
                "{status}"
            );
        }
    }
}

#[test]
fn adversary_22_bytes_are_stored_as_they_are_whatever_their_encoding() {
    for (result, ..) in disturbed(|_, _, ask| ask().with("content-encoding", "gzip")) {
        assert_eq!(
            result.unwrap().verified,
            Verified::FullObject(Algorithm::Crc64Nvme)
        );
    }
}

#[test]
fn adversary_23_a_drip_is_given_up_and_its_tail_fetched_elsewhere() {
    for order in [Order::Random, Order::InOrder] {
        let bytes = noise(SIZE, 21);
        let drip = |_: usize, request: &Sent, ask: &mut dyn FnMut() -> Reply| {
            let mut reply = ask();
            if range(request) == Some("bytes=1048576-2097151") {
                let whole = reply.bytes();
                let pieces = whole.chunks(1).take(100);
                reply.body = pieces.map(bytes::Bytes::copy_from_slice).collect();
                reply.pace = Duration::from_secs(10);
            }
            reply
        };
        let mut rig = Rig::new(small(), ModelPeer::new(model_with(&bytes), drip));
        let (result, sink) = rig.download(download(order), sink_for(order));
        assert!(result.is_ok());
        assert!(sink.bytes == bytes && !sink.wrote_twice());
        // No wait was longer than what is allowed for one, and yet all of them together were.
        let given_up = matches!(
            &rig.notices()[..],
            [notice] if matches!(
                notice.cause.root(),
                Cause::Transport { kind: TransportErrorKind::IdleTimeout, .. }
            )
        );
        assert!(given_up, "{order:?}");
        let second = MIB as u64..2 * MIB as u64;
        let came = sink
            .writes
            .iter()
            .filter(|(start, _)| second.contains(start));
        assert!(
            came.count() < 100,
            "{order:?}: the drip was read to its end"
        );
    }
}

#[test]
fn adversary_27_an_outcome_that_comes_twice_counts_once() {
    // The rig reports every outcome twice, and checks that the second one is stale.
    let bytes = noise(SIZE, 21);
    let mut rig = Rig::new(small(), honest(model_with(&bytes)));
    let (result, sink) = rig.download(download(Order::InOrder), Sink::in_order());
    assert!(result.is_ok() && sink.bytes == bytes && !sink.wrote_twice());
}

#[test]
fn adversary_28_sizes_at_the_edge_of_64_bits_are_errors() {
    for size in [
        "9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
    ] {
        for (result, sink, _) in disturbed(move |_, request, ask| {
            let reply = ask();
            if request.method == "HEAD" {
                reply.with("content-length", size)
            } else {
                reply.with("content-range", &format!("bytes 0-1048575/{size}"))
            }
        }) {
            assert!(result.is_err());
            assert!(sink.bytes.len() <= MIB);
        }
    }
}

#[test]
fn adversary_53_a_wrong_clock_is_corrected_once() {
    let refuse = |date: &'static str| {
        move |_: usize, _: &Sent, _: &mut dyn FnMut() -> Reply| {
            let body = "<Error><Code>RequestTimeTooSkewed</Code></Error>";
            Reply::new(403, &[("date", date)], body)
        }
    };
    for date in [
        "Thu, 01 Jan 1970 00:00:00 GMT",
        "Fri, 31 Dec 9999 23:59:59 GMT",
        "soon",
        "Thu, 01 Jan 2026 01:00:00 GMT",
    ] {
        let mut rig = Rig::new(small(), ModelPeer::new(model_with(b"x"), refuse(date)));
        let (result, _) = rig.download(download(Order::Random), Sink::random());
        assert!(result.is_err());
        assert!(rig.log.len() <= 12, "{date}: {} requests", rig.log.len());
    }
}

#[test]
fn a_sink_that_fails_ends_the_download_at_once() {
    let bytes = noise(SIZE, 21);
    let mut rig = Rig::new(small(), honest(model_with(&bytes)));
    let mut sink = Sink::random();
    sink.fails_at = Some(2);
    let (result, _) = rig.download(download(Order::Random), sink);
    let error = result.unwrap_err();
    assert!(matches!(error.cause, Cause::Sink(_)));
    assert!(error.to_string().contains("No space left"));
}

#[test]
fn a_missing_object_is_not_found_and_not_retried() {
    let wanted = Download {
        key: sans3_core::endpoint::ObjectKey::new("absent").unwrap(),
        ..download(Order::Random)
    };
    let mut rig = Rig::new(small(), honest(model_with(b"")));
    let (result, _) = rig.download(wanted, Sink::random());
    match result.unwrap_err().cause {
        Cause::S3(error) => assert!(error.is("NoSuchKey"), "{error}"),
        other => panic!("{other}"),
    }
    assert!(rig.log.len() <= 2);
}

#[test]
fn adversary_19_a_refused_range_that_tells_the_size_stands_for_a_refused_head() {
    for order in [Order::Random, Order::InOrder] {
        let hook = |_: usize, request: &Sent, ask: &mut dyn FnMut() -> Reply| match request
            .method
            .as_str()
        {
            "GET" => Reply::new(416, &[("content-range", "bytes */0")], ""),
            "HEAD" => Reply::new(403, &[], ""),
            _ => ask(),
        };
        let mut rig = Rig::new(small(), ModelPeer::new(model_with(b""), hook));
        let (result, sink) = rig.download(download(order), sink_for(order));
        assert_eq!(result.unwrap().verified, Verified::Length);
        assert!(sink.bytes.is_empty());
    }
}

#[test]
fn a_checksum_that_can_not_be_combined_is_compared_over_a_stream() {
    let bytes = noise(SIZE, 21);
    let digest = sans3_core::checksum::of(Algorithm::Sha256, &bytes)
        .digest
        .base64();
    for flipped in [false, true] {
        for (result, sink, _) in disturbed(|_, request, ask| {
            let reply = ask().without("x-amz-checksum-crc64nvme");
            let reply = match request.method.as_str() {
                "HEAD" => reply.with("x-amz-checksum-sha256", &digest),
                _ => reply,
            };
            if flipped && request.method == "GET" {
                reply.flipped(9)
            } else {
                reply
            }
        }) {
            match result {
                Ok(found) => {
                    assert!(!flipped && sink.bytes == bytes);
                    assert_eq!(found.verified, Verified::FullObject(Algorithm::Sha256));
                }
                Err(error) => assert!(flipped, "{error}"),
            }
        }
    }
}

#[test]
fn adversary_12_no_byte_of_another_version_reaches_a_consumer_in_order() {
    // The first range is of another version than the HEAD and all other ranges.
    let hook = |_: usize, request: &Sent, ask: &mut dyn FnMut() -> Reply| {
        let reply = ask();
        if is_range(request, 0) {
            reply.with("etag", "\"another\"")
        } else {
            reply
        }
    };
    let mut rig = Rig::new(small(), ModelPeer::new(model_with(&noise(SIZE, 21)), hook));
    let (result, sink) = rig.download(download(Order::InOrder), Sink::in_order());
    assert!(matches!(
        result.unwrap_err().cause,
        Cause::ObjectChanged { .. }
    ));
    assert!(!sink.writes.iter().any(|(start, _)| *start < MIB as u64));
}
