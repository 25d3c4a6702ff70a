//! A trace leads to the same steps and requests, and holds no secret.

use core::num::NonZeroU16;
use core::time::Duration;

use crate::common::*;
use sans3_core::attempt::Outcome;
use sans3_core::endpoint::Region;
use sans3_core::error::{CredentialsError, SourceError};
use sans3_core::etag::ETag;
use sans3_core::operation::*;
use sans3_core::part::PartNumber;
use sans3_core::session::{CredentialSource, Input, Machine as _, Step};
use sans3_core::time::Instant;
use sans3_core::trace::{Heard, Record};
use sans3_core::transfer::{Call, Length, Listing, Order};
use sans3_testkit::drive::{ModelPeer, Reply, Rig, Sink, Source};
use sans3_testkit::trace::{Failure, Replayed, replay};

fn replayed(tape: &Tape) -> Replayed {
    replay(tape.text().as_bytes()).unwrap_or_else(|failure| panic!("{failure}"))
}

#[test]
fn a_session_with_retries_is_replayed_to_the_same_requests() {
    for seed in [0, 1, u64::MAX] {
        let tape = eventful(seed);
        let found = replayed(&tape);
        assert_eq!(found.records, tape.records().len() as u64 + 1);
        assert!(found.requests >= 20, "{}", found.requests);
        assert!(found.is_complete);
    }
}

#[test]
fn the_requests_of_a_trace_are_those_that_were_sent() {
    let tape = Tape::default();
    let mut rig = Rig::new(signed(), moody());
    rig.session = tape.session(signed(), 3);
    rig.download(download(Order::Random), Sink::random())
        .0
        .unwrap();
    let text = tape.text();
    assert!(rig.log.len() >= 6);
    for line in &rig.log {
        let line = line.lines().next().unwrap();
        assert!(text.contains(&format!("\"{line}\"")), "{line}");
    }
    for field in [
        "range: bytes=1000-1999",
        "host: s3.test",
        "x-amz-date: 2026",
        "user-agent: ",
    ] {
        assert!(text.contains(field), "{field}");
    }
}

#[test]
fn another_seed_comes_to_something_else() {
    let text = eventful(1).text();
    let other = text.replacen("\"seed\":1,", "\"seed\":2,", 1);
    assert_ne!(text, other);
    // What follows from the seed is the delay before a retry, and the upload's token.
    let Err(Failure::Different(difference)) = replay(other.as_bytes()) else {
        panic!("expected a difference");
    };
    assert!(difference.place.starts_with("/poll/1"), "{difference}");
}

#[test]
fn nothing_secret_and_no_payload_is_told() {
    let tape = eventful(1);
    let text = tape.text();
    for canary in [
        KEY_ID,
        SECRET,
        TOKEN,
        PAYLOAD,
        "Signature=",
        "x-amz-security-token: ",
    ] {
        assert!(!text.contains(canary), "{canary}");
    }
    let signed = text.matches("x-amz-content-sha256: ").count();
    assert!(signed >= 20, "they were signed nevertheless");
}

#[test]
fn all_calls_and_listings_are_replayed() {
    let tape = Tape::default();
    let mut config = signed();
    let mut rig = Rig::new(config.clone(), ModelPeer::new(model(), |_, _, ask| ask()));
    rig.session = tape.session(config.clone(), 5);
    let endpoint = config.endpoint.clone();
    config.memory = 0;
    rig.call(Call::new(HeadBucket { bucket: bucket() }))
        .unwrap();
    let create = CreateBucket {
        location: Some(Region::new("eu-west-1").unwrap()),
        ..CreateBucket::new(bucket(), &endpoint)
    };
    let _ = rig.call(Call::new(create));
    rig.call(Call::new(PutObject::new(bucket(), key())))
        .unwrap();
    rig.call(Call::new(HeadObject::new(bucket(), key())))
        .unwrap();
    let list = ListObjectsV2 {
        prefix: b"odd/%".to_vec(),
        delimiter: Some(b" ".to_vec()),
        ..ListObjectsV2::new(bucket())
    };
    let page = rig.call(Call::new(list.clone())).unwrap();
    assert_eq!(page.prefixes, [b"odd/% ".to_vec()]);
    assert!(rig.call(Listing::new(list)).unwrap().next.is_none());
    let create = CreateMultipartUpload::new(bucket(), key());
    let id = rig.call(Call::new(create)).unwrap().upload_id;
    let part = UploadPart::new(bucket(), key(), id.clone(), PartNumber::FIRST);
    let _ = rig.call(Call::new(part));
    let listed = rig.call(Call::new(ListParts::new(bucket(), key(), id.clone())));
    listed.unwrap();
    rig.call(Call::new(ListMultipartUploads::new(bucket())))
        .unwrap();
    let done = CompletedPart {
        number: PartNumber::FIRST,
        etag: ETag::new("\"e\"").unwrap(),
        checksum: None,
    };
    let complete = CompleteMultipartUpload::new(bucket(), key(), id.clone(), vec![done]);
    let _ = rig.call(Call::new(complete.unwrap()));
    rig.call(Call::new(AbortMultipartUpload::new(bucket(), key(), id)))
        .unwrap();
    rig.call(Call::new(DeleteObject::new(bucket(), key())))
        .unwrap();
    assert!(replayed(&tape).requests >= 13);
    let foreign = |record: &Record| format!("{record:?}").contains("Foreign");
    assert!(!tape.records().iter().any(foreign), "each is known");
}

#[test]
fn credentials_that_are_provided_renewed_and_refused_are_replayed() {
    for refused in [false, true] {
        let tape = Tape::default();
        let mut config = signed();
        config.credentials = CredentialSource::Provided;
        let peer = ModelPeer::new(model(), |number, _, ask| match number {
            1 => Reply::new(400, &[], "<Error><Code>ExpiredToken</Code></Error>"),
            _ => ask(),
        });
        let mut rig = Rig::new(config.clone(), peer);
        let renewed = if refused {
            Err(CredentialsError("none today".into()))
        } else {
            Ok(credentials())
        };
        rig.credentials = vec![Ok(credentials()), renewed];
        rig.session = tape.session(config, 5);
        let (result, _) = rig.download(download(Order::Random), Sink::random());
        assert_eq!(result.is_err(), refused);
        assert_eq!(rig.times_asked(), 2);
        assert_eq!(tape.text().contains("none today"), refused);
        replayed(&tape);
        assert!(!tape.text().contains("canary"));
    }
}

#[test]
fn whatever_else_is_told_is_replayed() {
    let tape = Tape::default();
    let mut session = tape.session(signed(), 9);
    let second = |number| Instant::ZERO + Duration::from_secs(number);
    let down = session.insert(download(Order::InOrder), second(1));
    let up = session.insert(upload(Length::Unknown { equal_parts: true }), second(1));
    let mut started = Vec::new();
    let drain = |session: &mut sans3_core::session::Session, at, started: &mut Vec<_>| loop {
        match session.poll(at) {
            Step::Start(attempt) => started.push(attempt.id()),
            Step::Wait { .. } | Step::Done => break,
            _ => {}
        }
    };
    drain(&mut session, second(2), &mut started);
    let attempt = started[0];
    session.input(Input::Progress { attempt, bytes: 7 }, second(3));
    session.input(
        Input::Released {
            transfer: down.id(),
            up_to: 7,
        },
        second(3),
    );
    session.input(Input::Concurrency(NonZeroU16::MIN), second(3));
    let error = SourceError::Read("gone".into());
    session.input(
        Input::SupplyFailed {
            transfer: up.id(),
            error,
        },
        second(4),
    );
    let lost: Outcome = attempt.aborted();
    session.input(Input::Outcome(lost.clone()), second(5));
    session.input(Input::Outcome(lost), second(5));
    session.input(Input::Cancel(Some(down.id())), second(6));
    session.input(Input::Cancel(None), second(6));
    drain(&mut session, second(1000), &mut started);
    let _ = session.take(up);
    assert!(session.take(up).is_err());

    let records = tape.records();
    let stale = |record: &Record| matches!(record, Record::Stale(_, Heard::Outcome(_, None)));
    assert!(records.iter().any(stale));
    assert_eq!(replayed(&tape).records, records.len() as u64 + 1);
}

#[test]
fn the_same_wait_is_told_briefly() {
    let tape = Tape::default();
    let mut rig = Rig::new(signed(), moody());
    rig.session = tape.session(signed(), 1);
    rig.session.insert(download(Order::Random), Instant::ZERO);
    let _ = rig.session.poll(Instant::ZERO);
    for _ in 0..9 {
        let _ = rig.session.poll(Instant::ZERO);
    }
    let text = tape.text();
    assert_eq!(
        text.matches("{\"poll\":[0,\"same\"]}\n").count(),
        7,
        "{text}"
    );
    replayed(&tape);
}

#[test]
fn an_exchange_is_told_in_a_kilobyte() {
    const PARTS: usize = 128;
    let bytes = payload(PARTS * 1000);
    let mut model = model();
    model.put("b", "k", bytes.clone());
    let mut rig = Rig::new(signed(), ModelPeer::new(model, |_, _, ask| ask()));
    let told = |tape: &Tape| {
        let text = tape.text();
        // The rig tells everything twice; an adapter does not.
        let lines = text.lines().filter(|line| !line.starts_with("{\"stale\""));
        lines.map(|line| line.len() + 1).sum::<usize>()
    };

    let tape = Tape::default();
    rig.session = tape.session(signed(), 1);
    let (result, _) = rig.download(download(Order::Random), Sink::random());
    result.unwrap();
    let down = told(&tape) / PARTS;

    let tape = Tape::default();
    rig.session = tape.session(signed(), 1);
    let length = Length::Known(bytes.len() as u64);
    rig.upload(upload(length), Source::new(bytes)).unwrap();
    let up = told(&tape) / PARTS;

    println!("bytes of trace: {down} a range, {up} a part");
    assert!(down < 1_000 && up < 1_000, "{down} {up}");
}
