//! Traces that are cut, bent or not for us: each is told apart in words, and none harms.

use crate::common::*;
use sans3_core::operation::{HeadBucket, ListObjectsV2};
use sans3_core::rng::Rng;
use sans3_core::transfer::{Call, Length, Order};
use sans3_testkit::drive::{Rig, Sink, Source};
use sans3_testkit::trace::{Failure, Unreadable, replay};

/// A recording of three calls, one of them sent twice.
fn tiny() -> String {
    let tape = Tape::default();
    let mut rig = Rig::new(signed(), moody());
    rig.session = tape.session(signed(), 1);
    rig.call(Call::new(HeadBucket { bucket: bucket() }))
        .unwrap();
    rig.call(Call::new(HeadBucket { bucket: bucket() }))
        .unwrap();
    rig.call(Call::new(HeadBucket { bucket: bucket() }))
        .unwrap();
    tape.text()
}

/// A recording in which there is a bit of everything.
fn short() -> String {
    let tape = Tape::default();
    let mut rig = Rig::new(signed(), moody());
    rig.session = tape.session(signed(), 1);
    rig.download(download(Order::InOrder), Sink::in_order())
        .0
        .unwrap();
    let source = Source::new(payload(1_500));
    rig.upload(upload(Length::Known(1_500)), source).unwrap();
    rig.call(Call::new(ListObjectsV2::new(bucket()))).unwrap();
    tape.text()
}

fn unreadable(trace: &[u8]) -> Unreadable {
    match replay(trace) {
        Err(Failure::Unreadable(failure)) => failure,
        other => panic!("expected a trace that can't be read, got {other:?}"),
    }
}

#[test]
fn a_trace_that_is_cut_is_replayed_as_far_as_it_goes() {
    let text = tiny();
    let mut line = 1;
    for cut in 0..text.len() {
        let whole = cut == 0 || text.as_bytes()[cut - 1] == b'\n';
        if whole && cut > 0 {
            let found = replay(&text.as_bytes()[..cut]).unwrap();
            assert_eq!((found.records, found.is_complete), (line, false));
            line += 1;
            continue;
        }
        let failure = unreadable(&text.as_bytes()[..cut]);
        assert_eq!(failure.record, line, "{cut}");
    }
    assert!(replay(text.as_bytes()).unwrap().is_complete);
}

#[test]
fn no_flipped_bit_harms() {
    let text = short();
    let mut rng = Rng::new(1);
    let (mut same, mut tried) = (0, 0);
    for at in (0..text.len()).step_by(11) {
        let mut bent = text.clone().into_bytes();
        bent[at] ^= 1 << (rng.next_u64() % 8);
        // A letter in an error's text may be another, and nobody minds; most bits are minded.
        same += usize::from(replay(&bent[..]).is_ok());
        tried += 1;
    }
    assert!(same < tried / 2, "{same} of {tried}");
}

#[test]
fn numbers_that_cannot_be_do_no_harm() {
    const ODD: [&str; 5] = [
        "0",
        "1",
        "4294967295",
        "9223372036854775807",
        "18446744073709551615",
    ];
    let text = short();
    let mut rng = Rng::new(2);
    let (mut at, mut tried) = (0, 0);
    while let Some(start) = text[at..].find(|c: char| c.is_ascii_digit()) {
        let start = at + start;
        let len = text[start..].find(|c: char| !c.is_ascii_digit()).unwrap();
        at = start + len;
        let pick = rng.next_u64();
        if pick.is_multiple_of(3) {
            let number = ODD[usize::try_from(pick >> 8).unwrap() % ODD.len()];
            let bent = format!("{}{number}{}", &text[..start], &text[at..]);
            // Any answer will do, as long as there is one.
            let _ = replay(bent.as_bytes());
            tried += 1;
        }
    }
    assert!(tried > 300, "{tried}");
}

#[test]
fn lines_that_are_missing_doubled_or_moved_do_no_harm() {
    let text = short();
    let lines: Vec<&str> = text.lines().collect();
    let joined = |lines: &[&str]| {
        lines
            .iter()
            .flat_map(|line| [*line, "\n"])
            .collect::<String>()
    };
    assert!(replay(joined(&lines).as_bytes()).is_ok());
    for at in 1..lines.len() - 1 {
        let mut missing = lines.clone();
        missing.remove(at);
        let mut doubled = lines.clone();
        doubled.insert(at, lines[at]);
        let mut moved = lines.clone();
        moved.swap(at, at + 1);
        for bent in [missing, doubled, moved] {
            let _ = replay(joined(&bent).as_bytes());
        }
    }
}

#[test]
fn what_is_no_trace_is_said_to_be_none() {
    for (trace, record, expected, seen) in [
        ("", 1, "head of a trace", "an empty file"),
        ("\n", 1, "a record", "EOF"),
        ("{}\n", 1, "head of a trace", "something else"),
        ("\"end\"\n", 1, "head of a trace", "something else"),
        ("{\"sans3-trace\":{}}\n", 1, "version 1", "no version"),
        (
            "{\"sans3-trace\":{\"version\":2,\"x\":1}}\n",
            1,
            "version 1",
            "version 2; replay",
        ),
        (
            "{\"sans3-trace\":{\"version\":1}}\n",
            1,
            "a record",
            "missing field",
        ),
    ] {
        let failure = unreadable(trace.as_bytes());
        assert_eq!(failure.record, record, "{trace}");
        assert!(failure.expected.contains(expected), "{trace}: {failure:?}");
        assert!(failure.seen.contains(seen), "{trace}: {failure:?}");
    }
}

#[test]
fn an_edited_trace_never_makes_an_invalid_value() {
    let text = short();
    for (from, to, seen) in [
        ("\"bucket\":\"b\"", "\"bucket\":\"b/c\"", "bucket name"),
        ("\"key\":\"k\"", "\"key\":\"\"", "object key"),
        ("\"region\":\"us-east-1\"", "\"region\":\"US\"", "region"),
        ("\"part_size\":1000", "\"part_size\":0", "nonzero"),
        (
            "\"url\":\"http://s3.test\"",
            "\"url\":\"http://u:p@s3.test\"",
            "endpoint",
        ),
        ("\"range\":[0,1000]", "\"range\":[1000,0]", "no range"),
        ("[\"CRC64NVME ", "[\"CRC32 ", "checksum"),
        (
            "[\"colour\",\"a b\"]",
            "[\"col our\",\"a b\"]",
            "metadata name",
        ),
        (
            "\"concurrency\":{\"fixed\":4}",
            "\"concurrency\":{\"fixed\":0}",
            "nonzero",
        ),
        ("\"user_agent\":\"", "\"user_agent\":\"%0A", "header field"),
    ] {
        let bent = text.replacen(from, to, 1);
        assert_ne!(bent, text, "{from}");
        let failure = unreadable(bent.as_bytes());
        assert!(failure.seen.contains(seen), "{from}: {failure:?}");
    }
}

#[test]
fn a_difference_is_told_by_its_place() {
    let text = short();
    let bent = text.replacen("range: bytes=1000-1999", "range: bytes=1000-1998", 1);
    let Err(Failure::Different(difference)) = replay(bent.as_bytes()) else {
        panic!("expected a difference");
    };
    let line = text
        .lines()
        .nth(usize::try_from(difference.record).unwrap() - 1);
    assert!(line.unwrap().contains("range: bytes=1000-1999"));
    assert!(
        difference.place.starts_with("/input/1/outcome/1/1/"),
        "{difference}"
    );
    assert_eq!(difference.expected, "\"range: bytes=1000-1998\"");
    assert_eq!(difference.seen, "\"range: bytes=1000-1999\"");
}

#[test]
fn nothing_may_follow_the_end_or_come_before_the_head() {
    let text = short();
    let failure = unreadable(format!("{text}\"end\"\n").as_bytes());
    assert_eq!(failure.expected, "nothing after the end");
    let head = text.lines().next().unwrap();
    let failure = unreadable(format!("{head}\n{text}").as_bytes());
    assert_eq!(
        (failure.record, &*failure.seen),
        (2, "a trace can't begin twice")
    );
}
