//! Faults that were found in the core, each by the run that showed it.

use std::num::NonZeroU16;
use std::time::Duration;

use crate::common::{bucket, download, honest, model_with, noise, sink_for, small, upload};
use http::Method;
use sans3_core::endpoint::ObjectKey;
use sans3_core::error::{Cause, CredentialsError, TransportErrorKind};
use sans3_core::etag::ETag;
use sans3_core::operation::HeadObject;
use sans3_core::session::{CredentialSource, Input, Machine, Notice, Session, Step};
use sans3_core::sign::Credentials;
use sans3_core::time::Instant;
use sans3_core::transfer::{Call, Download, Length, Order, Verified};
use sans3_testkit::drive::{ModelPeer, Reply, Rig, Sent, Sink, Source};
use sans3_testkit::model::{Model, ModelConfig, Quirks};

const MIB: usize = 1 << 20;
const PART: usize = 5 << 20;
const SIZE: usize = PART + 1_000;

fn is_complete(request: &Sent) -> bool {
    request.method == "POST" && request.target.contains("uploadId=")
}

fn error_body(code: &str) -> String {
    format!("<Error><Code>{code}</Code></Error>")
}

fn stored(model: &Model) -> Vec<u8> {
    let object = model.object("b", "up");
    object.map_or_else(Vec::new, |object| object.data.to_vec())
}

/// A range that says nothing of being one.
fn called_whole(reply: Reply) -> Reply {
    let mut reply = reply.without("content-range");
    if let Ok((status, _)) = &mut reply.head {
        *status = 200;
    }
    reply
}

/// The numbers of the attempts whose connection broke.
fn broken_attempts(notices: &[Notice]) -> Vec<u32> {
    let broken = |notice: &&Notice| matches!(notice.cause, Cause::Transport { .. });
    let numbers = notices.iter().filter(broken).map(|notice| notice.number);
    numbers.collect()
}

fn key() -> ObjectKey {
    ObjectKey::new("k").unwrap()
}

#[test]
fn another_version_than_asked_for_is_an_error_also_where_if_match_is_ignored() {
    for order in [Order::Random, Order::InOrder] {
        for hint in [None, Some(100)] {
            let mut model = Model::new(ModelConfig {
                quirks: Quirks {
                    ignores_if_match: true,
                    ..Quirks::default()
                },
                ..ModelConfig::default()
            });
            model.put("b", "k", noise(100, 1));
            let wanted = Download {
                if_match: ETag::new("\"another\"").ok(),
                size_hint: hint,
                ..download(order)
            };
            let (result, sink) = Rig::new(small(), honest(model)).download(wanted, sink_for(order));
            let error = result.unwrap_err();
            assert!(
                matches!(error.root(), Cause::ObjectChanged { .. }),
                "{error}"
            );
            assert!(sink.bytes.is_empty());
        }
    }
}

#[test]
fn a_stream_that_ends_within_what_was_delivered_before_is_another_version() {
    // Nothing pins the version; the first stream breaks off, and the object is then a shorter one.
    let mut answers = 0;
    let model = model_with(&noise(3 * MIB, 1));
    let mut rig = Rig::new(
        small(),
        ModelPeer::new(
            model,
            move |_, request: &Sent, ask: &mut dyn FnMut() -> Reply| {
                if request.method == Method::HEAD || request.headers.contains_key("range") {
                    return ask().without("etag");
                }
                answers += 1;
                if answers == 1 {
                    ask()
                        .without("etag")
                        .cut(2 * MIB, Err(TransportErrorKind::Closed))
                } else {
                    Reply::new(200, &[("content-length", "10")], noise(10, 1))
                }
            },
        ),
    );
    let (result, sink) = rig.download(download(Order::InOrder), Sink::in_order());
    assert!(sink.bytes.len() >= 2 * MIB);
    assert!(result.is_err(), "{result:?}");
}

#[test]
fn a_small_object_whose_stream_broke_goes_on_where_the_server_ignores_ranges() {
    for order in [Order::Random, Order::InOrder] {
        let mut answers = 0;
        let mut model = model_with(&noise(100, 1));
        model.config_mut().quirks.ignores_range = true;
        let mut rig = Rig::new(
            small(),
            ModelPeer::new(model, move |_, _: &Sent, ask: &mut dyn FnMut() -> Reply| {
                answers += 1;
                if answers == 1 {
                    ask().cut(60, Err(TransportErrorKind::Closed))
                } else {
                    ask()
                }
            }),
        );
        let wanted = Download {
            size_hint: Some(100),
            ..download(order)
        };
        let (result, sink) = rig.download(wanted, sink_for(order));
        assert!(matches!(result.unwrap().verified, Verified::FullObject(_)));
        assert!(sink.bytes == noise(100, 1));
    }
}

#[test]
fn a_range_that_is_lost_when_a_stream_takes_over_ends_an_in_order_download() {
    // The second range is under way, and may have delivered bytes, when the first one shows that
    // the server ignores ranges: its state is lost with the abort. What follows must not deliver
    // them again.
    let now = Instant::ZERO;
    let mut session = Session::new(small(), 1);
    let mut peer = honest(model_with(&noise(3 * MIB, 1)));
    let handle = session.insert(download(Order::InOrder), now);
    let Step::Start(head) = session.poll(now) else {
        panic!("the HEAD");
    };
    let wall = sans3_testkit::drive::EPOCH;
    let mut sink = Sink::in_order();
    let outcome = sans3_testkit::drive::run(head, wall, &mut peer, None, &mut sink, &mut vec![]);
    session.input(Input::Outcome(outcome), now);
    let (Step::Start(first), Step::Start(second)) = (session.poll(now), session.poll(now)) else {
        panic!("two ranges");
    };
    while !matches!(session.poll(now), Step::Wait { .. }) {}
    let mut whole = |request: Sent| {
        let reply = sans3_testkit::drive::Peer::answer(&mut peer, request);
        let length = (3 * MIB).to_string();
        Reply::new(200, &[("content-length", &length)], reply.bytes())
    };
    let outcome = sans3_testkit::drive::run(first, wall, &mut whole, None, &mut sink, &mut vec![]);
    session.input(Input::Outcome(outcome), now);
    let Step::Abort(id) = session.poll(now) else {
        panic!("the other ranges are ended");
    };
    assert_eq!(id, second.id());
    session.input(Input::Outcome(id.aborted()), now);
    while let Step::Abort(id) = session.poll(now) {
        session.input(Input::Outcome(id.aborted()), now);
    }
    assert!(session.take(handle).is_err());
}

#[test]
fn a_provider_without_credentials_is_not_asked_again_while_transfers_wind_down() {
    let mut config = small();
    config.credentials = CredentialSource::Provided;
    let mut session = Session::new(config, 1);
    let now = Instant::ZERO;
    let head = || Call::new(HeadObject::new(bucket(), key()));
    session.insert(head(), now);
    assert!(matches!(session.poll(now), Step::NeedCredentials));
    let good = Credentials::new("AKID", "secret", None).unwrap();
    session.input(Input::Credentials(Ok(good)), now);
    let Step::Start(attempt) = session.poll(now) else {
        panic!("a request");
    };
    // Another transfer finds that they have expired.
    session.insert(Call::new(HeadObject::new(bucket(), key())), now);
    let Step::Start(other) = session.poll(now) else {
        panic!("a request");
    };
    let mut expired = |_: Sent| Reply::new(400, &[], error_body("ExpiredToken"));
    let mut sink = Sink::random();
    let wall = sans3_testkit::drive::EPOCH;
    let outcome =
        sans3_testkit::drive::run(other, wall, &mut expired, None, &mut sink, &mut vec![]);
    session.input(Input::Outcome(outcome), now);
    assert!(matches!(session.poll(now), Step::NeedCredentials));
    let none = Err(CredentialsError("none".into()));
    session.input(Input::Credentials(none), now);
    let mut steps = Vec::new();
    for _ in 0..3 {
        steps.push(format!("{:?}", session.poll(now)));
    }
    assert!(
        steps.iter().any(|step| step.starts_with("Abort")),
        "{steps:?}"
    );
    assert!(
        steps.iter().all(|step| step != "NeedCredentials"),
        "{steps:?}"
    );
    session.input(Input::Outcome(attempt.id().aborted()), now);
    while !matches!(session.poll(now), Step::Done) {}
    // The next transfer is worth asking for.
    session.insert(head(), now);
    assert!(matches!(session.poll(now), Step::NeedCredentials));
}

#[test]
fn an_upload_that_is_made_while_the_credentials_give_out_is_told() {
    let mut config = small();
    config.credentials = CredentialSource::Provided;
    let mut rig = Rig::new(config, honest(model_with(b"")));
    let good = Credentials::new("AKID", "secret", None).unwrap();
    rig.credentials = vec![Ok(good), Err(CredentialsError("none".into()))];
    let handle = rig
        .session
        .insert(upload(Length::Known(SIZE as u64)), rig.now);
    rig.feed(handle.id(), Source::new(noise(SIZE, 3)));
    // The Create is on its way when another transfer finds that the credentials have expired.
    let now = rig.now;
    assert!(matches!(rig.session.poll(now), Step::NeedCredentials));
    rig.input(Input::Credentials(Ok(Credentials::new(
        "AKID", "secret", None,
    )
    .unwrap())));
    let Step::Start(create) = rig.session.poll(now) else {
        panic!("a Create");
    };
    rig.session
        .insert(Call::new(HeadObject::new(bucket(), key())), now);
    let Step::Start(head) = rig.session.poll(now) else {
        panic!("a HEAD");
    };
    let wall = sans3_testkit::drive::EPOCH;
    let mut expired = |_: Sent| Reply::new(400, &[], error_body("ExpiredToken"));
    let mut sink = Sink::random();
    let outcome = sans3_testkit::drive::run(head, wall, &mut expired, None, &mut sink, &mut vec![]);
    rig.input(Input::Outcome(outcome));
    assert!(matches!(rig.session.poll(now), Step::NeedCredentials));
    rig.input(Input::Credentials(Err(CredentialsError("none".into()))));
    while !matches!(rig.session.poll(now), Step::Wait { .. }) {}
    let outcome =
        sans3_testkit::drive::run(create, wall, &mut rig.peer, None, &mut sink, &mut vec![]);
    rig.input(Input::Outcome(outcome));
    rig.run();
    let error = rig.session.take(handle).unwrap_err();
    assert!(matches!(error.root(), Cause::Credentials(_)), "{error}");
    let left: Vec<&str> = rig.peer.model.uploads().map(|u| u.id.as_str()).collect();
    assert_eq!(
        error.leftover.as_ref().map(|id| vec![id.as_str()]),
        Some(left)
    );
}

#[test]
fn a_conditional_put_that_nobody_can_look_at_is_ambiguous_and_no_bug() {
    let mut done = false;
    let mut rig = Rig::new(
        small(),
        ModelPeer::new(
            model_with(b""),
            move |_, request: &Sent, ask: &mut dyn FnMut() -> Reply| match request.method.as_str() {
                "HEAD" => Reply::new(403, &[], ""),
                "PUT" if !core::mem::replace(&mut done, true) => {
                    ask();
                    Reply::broken(TransportErrorKind::Closed)
                }
                _ => ask(),
            },
        ),
    );
    let mut wanted = upload(Length::Known(100));
    wanted.options.if_none_match = true;
    let error = rig.upload(wanted, Source::new(noise(100, 1))).unwrap_err();
    assert_eq!(error.cause, Cause::Ambiguous { upload: None });
}

#[test]
fn a_complete_whose_result_has_another_checksum_is_no_success_where_nobody_can_look() {
    let mut rig = Rig::new(
        small(),
        ModelPeer::new(
            model_with(b""),
            |_, request: &Sent, ask: &mut dyn FnMut() -> Reply| {
                if request.method == "HEAD" {
                    return Reply::new(403, &[], "");
                }
                let reply = ask();
                if !is_complete(request) {
                    return reply;
                }
                let text = String::from_utf8(reply.bytes()).unwrap();
                let at = text.find("<ChecksumCRC64NVME>").unwrap() + "<ChecksumCRC64NVME>".len();
                let forged = format!("{}rosUhgp5mIg={}", &text[..at], &text[at + 12..]);
                Reply::new(200, &[], forged)
            },
        ),
    );
    let result = rig.upload(
        upload(Length::Known(SIZE as u64)),
        Source::new(noise(SIZE, 3)),
    );
    assert!(matches!(result.unwrap_err().cause, Cause::Ambiguous { .. }));
}

#[test]
fn an_upload_that_can_not_be_discarded_before_it_begins_again_is_told() {
    let mut rig = Rig::new(
        small(),
        ModelPeer::new(
            model_with(b""),
            |_, request: &Sent, ask: &mut dyn FnMut() -> Reply| match request.method.as_str() {
                "DELETE" => Reply::new(403, &[], error_body("AccessDenied")),
                _ if is_complete(request) => {
                    Reply::new(409, &[], error_body("ConditionalRequestConflict"))
                }
                _ => ask(),
            },
        ),
    );
    let mut wanted = upload(Length::Known(SIZE as u64));
    wanted.options.if_none_match = true;
    let error = rig.upload(wanted, Source::new(noise(SIZE, 3))).unwrap_err();
    let left: Vec<&str> = rig.peer.model.uploads().map(|u| u.id.as_str()).collect();
    assert_eq!(
        error.leftover.as_ref().map(|id| vec![id.as_str()]),
        Some(left)
    );
}

#[test]
fn an_object_of_the_same_bytes_does_not_hide_the_upload_that_did_not_make_it() {
    // The Completes never take effect, and the key has the same bytes from an earlier upload.
    for aborts in [true, false] {
        let mut model = model_with(b"");
        model.put("b", "up", noise(SIZE, 3));
        let mut rig = Rig::new(
            small(),
            ModelPeer::new(
                model,
                move |_, request: &Sent, ask: &mut dyn FnMut() -> Reply| {
                    if is_complete(request) {
                        return Reply::broken(TransportErrorKind::Closed);
                    }
                    if request.method == "DELETE" && !aborts {
                        return Reply::new(403, &[], error_body("AccessDenied"));
                    }
                    ask()
                },
            ),
        );
        let made = rig.upload(
            upload(Length::Known(SIZE as u64)),
            Source::new(noise(SIZE, 3)),
        );
        let made = made.unwrap();
        assert!(stored(&rig.peer.model) == noise(SIZE, 3));
        let left: Vec<String> = rig.peer.model.uploads().map(|u| u.id.clone()).collect();
        let told: Vec<String> = made.leftover.iter().map(ToString::to_string).collect();
        assert_eq!((left.len(), left), (usize::from(!aborts), told));
    }
}

#[test]
fn an_object_that_a_head_found_empty_and_a_range_did_not_has_changed() {
    let model = model_with(&noise(100, 1));
    let mut session = Session::new(small(), 1);
    let mut peer = honest(model);
    let handle = session.insert(download(Order::Random), Instant::ZERO);
    let Step::Start(first) = session.poll(Instant::ZERO) else {
        panic!("the first range");
    };
    let Step::Start(head) = session.poll(Instant::ZERO) else {
        panic!("the HEAD");
    };
    let mut empty = |_: Sent| Reply::new(200, &[("content-length", "0"), ("etag", "\"e\"")], "");
    let wall = sans3_testkit::drive::EPOCH;
    let mut sink = Sink::random();
    let outcome = sans3_testkit::drive::run(head, wall, &mut empty, None, &mut sink, &mut vec![]);
    session.input(Input::Outcome(outcome), Instant::ZERO);
    assert!(matches!(session.poll(Instant::ZERO), Step::Wait { .. }));
    let outcome = sans3_testkit::drive::run(first, wall, &mut peer, None, &mut sink, &mut vec![]);
    session.input(Input::Outcome(outcome), Instant::ZERO);
    assert!(matches!(session.poll(Instant::ZERO), Step::Ended(_)));
    let error = session.take(handle).unwrap_err();
    assert!(
        matches!(error.root(), Cause::ObjectChanged { .. }),
        "{error}"
    );
}

#[test]
fn changes_of_the_concurrency_do_not_inflate_the_memory() {
    // An in-order download takes all memory; then the concurrency goes up and down. What a second
    // download may read ahead must still be nothing.
    let mut config = small();
    config.memory = 16 << 20;
    config.exchange_memory = 1 << 20;
    let mut session = Session::new(config, 1);
    let now = Instant::ZERO;
    let wide = Download {
        part_size: std::num::NonZeroU64::new(8 << 20),
        ..download(Order::InOrder)
    };
    session.insert(wide, now);
    assert!(matches!(session.poll(now), Step::Start(_)));
    let set = |session: &mut Session, count: u16| {
        session.input(Input::Concurrency(NonZeroU16::new(count).unwrap()), now);
    };
    for _ in 0..10 {
        set(&mut session, 12);
        set(&mut session, 4);
    }
    let account = format!("{session:?}");
    let used = account.split("MemoryAccount { limit: ").nth(1).unwrap();
    assert!(used.starts_with("12582912, used: "), "{used}");
}

#[test]
fn a_wrong_clock_does_not_cost_a_download_its_proof() {
    use sans3_testkit::model::Access;
    let mut model = Model::new(ModelConfig {
        access: Access::key("AKID", "secret"),
        ..ModelConfig::default()
    });
    model.put("b", "k", noise(3 * MIB, 1));
    model.set_time(sans3_testkit::drive::EPOCH.as_seconds());
    let mut config = small();
    config.credentials = CredentialSource::Static(std::sync::Arc::new(
        Credentials::new("AKID", "secret", None).unwrap(),
    ));
    let mut rig = Rig::new(config, honest(model));
    rig.clock_error = 1_200;
    let (result, _) = rig.download(download(Order::Random), Sink::random());
    assert!(matches!(result.unwrap().verified, Verified::FullObject(_)));
}

#[test]
fn a_put_that_arrives_although_it_was_cancelled_is_a_success_where_it_is_answered() {
    let mut session = Session::new(small(), 1);
    let mut peer = honest(model_with(b""));
    let now = Instant::ZERO;
    let handle = session.insert(upload(Length::Known(100)), now);
    let Step::Start(put) = session.poll(now) else {
        panic!("a PUT");
    };
    session.input(Input::Cancel(None), now);
    assert!(matches!(session.poll(now), Step::Abort(_)));
    let source = Source::new(noise(100, 3));
    let wall = sans3_testkit::drive::EPOCH;
    let mut sink = Sink::random();
    let outcome =
        sans3_testkit::drive::run(put, wall, &mut peer, Some(&source), &mut sink, &mut vec![]);
    session.input(Input::Outcome(outcome), now);
    assert!(matches!(session.poll(now), Step::Ended(_)));
    assert!(session.take(handle).is_ok());
}

#[test]
fn a_put_that_is_answered_without_an_etag_is_not_believed() {
    // A 200 of something on the way, over an older object of the same length, on a server that
    // tells no checksums.
    let mut model = model_with(b"");
    model.put("b", "up", noise(100, 9));
    let mut rig = Rig::new(
        small(),
        ModelPeer::new(
            model,
            |_, request: &Sent, ask: &mut dyn FnMut() -> Reply| match request.method.as_str() {
                "PUT" => Reply::new(200, &[], ""),
                _ => ask().without("x-amz-checksum-crc64nvme"),
            },
        ),
    );
    let result = rig.upload(upload(Length::Known(100)), Source::new(noise(100, 3)));
    assert!(result.is_err(), "{result:?}");
}

#[test]
fn an_attempt_whose_lease_ran_out_does_not_keep_the_others_from_being_ended() {
    let mut session = Session::new(small(), 1);
    let now = Instant::ZERO;
    session.insert(download(Order::Random), now);
    let (Step::Start(_), Step::Start(second)) = (session.poll(now), session.poll(now)) else {
        panic!("two requests");
    };
    // The second one gives a sign of life, so that only the lease of the first runs out.
    let alive = Input::Progress {
        attempt: second.id(),
        bytes: 0,
    };
    session.input(alive, now + Duration::from_secs(10));
    let Step::Wait {
        until: Some(until), ..
    } = session.poll(now)
    else {
        panic!("a lease");
    };
    assert!(matches!(session.poll(until), Step::Abort(_)));
    session.input(Input::Cancel(None), until);
    assert!(matches!(session.poll(until), Step::Abort(_)));
    assert!(matches!(session.poll(until), Step::Wait { .. }));
}

#[test]
fn an_empty_object_is_not_taken_for_the_version_that_is_wanted() {
    // The range is refused because there are no bytes, and the HEAD that would tell the tag is
    // refused too. The server ignores If-Match.
    let mut model = model_with(b"");
    model.config_mut().quirks.ignores_if_match = true;
    let mut rig = Rig::new(
        small(),
        ModelPeer::new(
            model,
            |_, request: &Sent, ask: &mut dyn FnMut() -> Reply| match request.method.as_str() {
                "HEAD" => Reply::new(403, &[], ""),
                _ => ask(),
            },
        ),
    );
    let wanted = Download {
        if_match: Some(ETag::new("\"another\"").unwrap()),
        ..download(Order::Random)
    };
    let (result, _) = rig.download(wanted, Sink::random());
    let error = result.unwrap_err();
    assert!(
        matches!(error.root(), Cause::ObjectChanged { .. }),
        "{error}"
    );
}

#[test]
fn a_first_part_that_breaks_off_in_order_is_continued_by_a_stream() {
    // The object fits the first range, so that nothing has shown yet that the server ignores ranges
    // or that its tags hold no two answers together.
    let bytes = noise(MIB / 2, 5);
    for weak in [false, true] {
        let mut model = model_with(&bytes);
        model.config_mut().quirks.ignores_range = !weak;
        let mut broken = false;
        let mut rig = Rig::new(
            small(),
            ModelPeer::new(
                model,
                move |_, request: &Sent, ask: &mut dyn FnMut() -> Reply| {
                    let mut reply = ask();
                    if weak {
                        reply = reply.with("etag", "W/\"weak\"");
                    }
                    if request.method == Method::GET && !std::mem::replace(&mut broken, true) {
                        reply = reply.cut(1_000, Err(TransportErrorKind::Closed));
                    }
                    reply
                },
            ),
        );
        let (result, sink) = rig.download(download(Order::InOrder), Sink::in_order());
        assert!(matches!(result.unwrap().verified, Verified::FullObject(_)));
        assert!(sink.bytes == bytes, "weak: {weak}");
    }
}

#[test]
fn a_range_that_is_replaced_has_attempts_of_its_own() {
    let bytes = noise(2 * MIB, 5);
    let mut reads = 0;
    let mut rig = Rig::new(
        small(),
        ModelPeer::new(
            model_with(&bytes),
            move |_, request: &Sent, ask: &mut dyn FnMut() -> Reply| {
                let second = request
                    .headers
                    .get("range")
                    .is_some_and(|range| range == "bytes=1048576-2097151");
                reads += u32::from(second);
                match reads {
                    // The first answer is wrong; the second one shows it; the third one breaks.
                    1 if second => ask().flipped(7),
                    3 if second => Reply::broken(TransportErrorKind::Closed),
                    _ => ask(),
                }
            },
        ),
    );
    let (result, sink) = rig.download(download(Order::Random), Sink::random());
    assert!(result.is_ok() && sink.bytes == bytes);
    assert_eq!(broken_attempts(&rig.notices()), [1]);
}

#[test]
fn a_range_without_its_content_range_is_not_taken_for_the_whole() {
    // A server that answers ranges with 200, as one does, behind a proxy that drops Content-Range;
    // nobody may ask for the size.
    let content = noise(3 * MIB, 1);
    for order in [Order::Random, Order::InOrder] {
        let peer = ModelPeer::new(
            model_with(&content),
            |_, request: &Sent, ask: &mut dyn FnMut() -> Reply| {
                if request.method == Method::HEAD {
                    return Reply::new(403, &[], "");
                }
                called_whole(ask())
            },
        );
        let (result, sink) = Rig::new(small(), peer).download(download(order), sink_for(order));
        assert_eq!(result.unwrap().size, content.len() as u64, "{order:?}");
        assert!(sink.bytes == content, "{order:?}");
    }
}

#[test]
fn a_stream_that_is_read_again_has_attempts_of_its_own() {
    let bytes = noise(2 * MIB, 5);
    let mut streams = 0;
    let mut rig = Rig::new(
        small(),
        ModelPeer::new(
            model_with(&bytes),
            move |_, request: &Sent, ask: &mut dyn FnMut() -> Reply| {
                // A weak tag, so that there is no way but a stream.
                let mut ask = || ask().with("etag", "W/\"any\"");
                if request.method == Method::HEAD || request.headers.contains_key("range") {
                    return ask();
                }
                streams += 1;
                match streams {
                    // The first one is wrong, and says nothing of it; the second one breaks.
                    1 => ask().flipped(7).without("x-amz-checksum-crc64nvme"),
                    2 => Reply::broken(TransportErrorKind::Closed),
                    _ => ask(),
                }
            },
        ),
    );
    let (result, sink) = rig.download(download(Order::Random), Sink::random());
    assert!(result.is_ok() && sink.bytes == bytes);
    assert_eq!(broken_attempts(&rig.notices()), [1]);
}

#[test]
fn a_range_of_a_newer_version_without_its_content_range_is_not_taken_for_the_whole() {
    // As above, and HEAD has told the size of the version before, with a tag that all have.
    let content = noise(MIB + 1, 1);
    let vague = |reply: Reply| reply.with("etag", "W/\"any\"").without("last-modified");
    let mut model = model_with(&content);
    model.object_mut("b", "k").unwrap().checksum = None;
    let peer = ModelPeer::new(
        model,
        move |_, request: &Sent, ask: &mut dyn FnMut() -> Reply| {
            if request.method == Method::HEAD {
                return vague(ask()).with("content-length", "1048576");
            }
            called_whole(vague(ask()))
        },
    );
    let (result, sink) =
        Rig::new(small(), peer).download(download(Order::InOrder), sink_for(Order::InOrder));
    assert!(result.is_err() || sink.bytes == content);
}
