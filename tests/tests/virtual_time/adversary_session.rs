//! What the world does to whole sessions: refusals in mid-way, storms, clocks, credentials, odd
//! keys, and whoever looks for secrets. Each test carries the number of the line in the list of
//! adversaries that it stands for.

use std::num::{NonZeroU16, NonZeroU64};
use std::time::Duration;

use crate::common::{bucket, download, honest, model_with, noise, small, upload};
use sans3_core::attempt::{Attempt, AttemptId, Ready, Sent as Left};
use sans3_core::endpoint::ObjectKey;
use sans3_core::error::{Cause, CredentialsError, Rule, TransferError, TransportErrorKind};
use sans3_core::operation::{DeleteObject, HeadObject, ListObjectsV2};
use sans3_core::session::{
    Accepted, CredentialSource, Input, Machine, Notice, Reaction, Session, SessionConfig, Step,
};
use sans3_core::sign::Credentials;
use sans3_core::time::Instant;
use sans3_core::transfer::{Call, Download, Length, Listing, Order, Upload, Verified};
use sans3_testkit::drive::{self, EPOCH, ModelPeer, Peer, Reply, Rig, Sent, Sink, Source};
use sans3_testkit::model::{Access, Model, ModelConfig};

const MIB: usize = 1 << 20;
/// By hand, nothing takes time.
const NOW: Instant = Instant::ZERO;

fn error_body(code: &str) -> String {
    format!("<Error><Code>{code}</Code></Error>")
}

fn starts_at(request: &Sent, offset: usize) -> bool {
    let range = request.headers.get("range");
    range.is_some_and(|range| {
        range
            .as_bytes()
            .starts_with(format!("bytes={offset}-").as_bytes())
    })
}

fn credentials(id: &str) -> Credentials {
    Credentials::new(id, "secret", None).unwrap()
}

/// Whether a request was signed with this key.
fn is_signed_by(request: &Sent, id: &str) -> bool {
    let signature = request.headers.get("authorization");
    let credential = format!("Credential={id}/");
    signature.is_some_and(|value| value.to_str().unwrap().contains(&credential))
}

/// A session whose exchanges end in the order that the test chooses, each told twice.
struct ByHand<P> {
    session: Session,
    peer: P,
    sink: Sink,
    under_way: Vec<Attempt>,
    aborted: Vec<AttemptId>,
    /// How often credentials were asked for; the test answers.
    asked: u32,
    has_ended: bool,
}

impl<P: Peer> ByHand<P> {
    fn new(config: SessionConfig, peer: P, sink: Sink) -> Self {
        Self {
            session: Session::new(config, 1),
            peer,
            sink,
            under_way: Vec::new(),
            aborted: Vec::new(),
            asked: 0,
            has_ended: false,
        }
    }

    /// Takes all steps that there are.
    fn poll(&mut self) {
        loop {
            match self.session.poll(NOW) {
                Step::Start(attempt) => self.under_way.push(attempt),
                Step::Abort(id) => self.aborted.push(id),
                Step::NeedCredentials => self.asked += 1,
                Step::Ended(_) => self.has_ended = true,
                Step::Wait { .. } | Step::Done => return,
                step @ Step::Fill { .. } => panic!("{step:?}"),
            }
        }
    }

    /// Carries out one of the exchanges under way, whether or not it was to be ended.
    fn finish(&mut self, at: usize) {
        let attempt = self.under_way.remove(at);
        let transfer = attempt.id().transfer();
        let sink = &mut self.sink;
        let outcome = drive::run(attempt, EPOCH, &mut self.peer, None, sink, &mut Vec::new());
        let again = Input::Outcome(outcome.clone());
        let first = self.session.input(Input::Outcome(outcome), NOW);
        assert_eq!(first, Accepted::Counted);
        assert_eq!(self.session.input(again, NOW), Accepted::Stale);
        let up_to = self.front();
        self.session.input(Input::Released { transfer, up_to }, NOW);
        self.poll();
    }

    /// Below this all bytes have come.
    fn front(&self) -> u64 {
        let mut writes = self.sink.writes.clone();
        writes.sort_unstable();
        writes.iter().fold(0, |front, &(start, end)| {
            if start <= front {
                front.max(end)
            } else {
                front
            }
        })
    }
}

#[test]
fn adversary_13_a_failed_precondition_ends_all_ranges_under_way() {
    let bytes = noise(6 * MIB, 13);
    let peer = ModelPeer::new(
        model_with(&bytes),
        |_, request: &Sent, ask: &mut dyn FnMut() -> Reply| {
            if starts_at(request, 2 * MIB) {
                Reply::new(412, &[], "")
            } else {
                ask()
            }
        },
    );
    let mut hand = ByHand::new(small(), peer, Sink::random());
    let handle = hand.session.insert(download(Order::Random), NOW);
    hand.poll();
    // The first range and the HEAD, then the second range; the third one is refused.
    for _ in 0..3 {
        hand.finish(0);
    }
    assert_eq!(hand.under_way.len(), 4);
    let others: Vec<AttemptId> = hand.under_way[1..].iter().map(Attempt::id).collect();
    hand.finish(0);
    assert_eq!(hand.aborted, others);
    for left in (0..3).rev() {
        assert!(
            !hand.has_ended,
            "exchanges that may place bytes are under way"
        );
        hand.finish(0);
        assert_eq!(hand.under_way.len(), left, "nothing new is begun");
    }
    assert!(hand.has_ended);
    let error = hand.session.take(handle).unwrap_err();
    assert!(
        matches!(error.cause, Cause::ObjectChanged { .. }),
        "{error}"
    );
}

/// A download of six small ranges, whose exchanges end in the order that `pick` says.
fn in_this_order(order: Order, mut pick: impl FnMut(usize) -> usize) {
    let bytes = noise(5_500, 27);
    let sink = crate::common::sink_for(order);
    let mut hand = ByHand::new(small(), honest(model_with(&bytes)), sink);
    let wanted = Download {
        part_size: NonZeroU64::new(1_000),
        ..download(order)
    };
    let handle = hand.session.insert(wanted, NOW);
    hand.poll();
    while !hand.under_way.is_empty() {
        hand.finish(pick(hand.under_way.len()));
    }
    let found = hand.session.take(handle).unwrap();
    assert!(matches!(found.verified, Verified::FullObject(_)));
    assert!(hand.sink.bytes == bytes && !hand.sink.wrote_twice());
}

#[test]
fn adversary_27_parts_may_finish_in_every_order() {
    // Seven exchanges, at most four at once: which of them is the next to end, as digits.
    for order in [Order::Random, Order::InOrder] {
        for mut digits in 0..4_usize.pow(6) {
            in_this_order(order, |choices| {
                let digit = digits % 4;
                digits /= 4;
                digit % choices
            });
        }
    }
}

#[test]
fn adversary_27_what_comes_after_a_cancellation_changes_nothing() {
    let bytes = noise(6 * MIB, 27);
    let mut hand = ByHand::new(small(), honest(model_with(&bytes)), Sink::random());
    let handle = hand.session.insert(download(Order::Random), NOW);
    hand.poll();
    hand.finish(0);
    hand.finish(0);
    let under_way: Vec<AttemptId> = hand.under_way.iter().map(Attempt::id).collect();
    hand.session.input(Input::Cancel(None), NOW);
    hand.poll();
    assert_eq!(hand.aborted, under_way);
    // These were too far to be ended: all of their bytes come, and their ends are told.
    while !hand.under_way.is_empty() {
        assert!(!hand.has_ended);
        hand.finish(0);
    }
    assert!(hand.has_ended);
    assert_eq!(
        hand.session.take(handle).unwrap_err().cause,
        Cause::Cancelled
    );
    assert_eq!(hand.session.memory_reserved(), 0);
}

/// A download of 64 ranges, all at once, each of which is refused whenever it is asked for.
/// Returns how many repetitions were granted before it failed, and why it did.
fn storm(code: &str) -> (usize, Cause) {
    const RANGE: usize = 4_096;
    let mut config = small();
    config.concurrency = NonZeroU16::new(64).unwrap().into();
    let peer = ModelPeer::new(
        model_with(&noise(65 * RANGE, 49)),
        |_, request: &Sent, ask: &mut dyn FnMut() -> Reply| {
            if request.method == "HEAD" || starts_at(request, 0) {
                ask()
            } else {
                Reply::new(503, &[], error_body(code))
            }
        },
    );
    let mut rig = Rig::new(config, peer);
    let wanted = Download {
        part_size: NonZeroU64::new(RANGE as u64),
        ..download(Order::Random)
    };
    let (result, _) = rig.download(wanted, Sink::random());
    assert!(
        rig.elapsed() < Duration::from_secs(60),
        "{:?}",
        rig.elapsed()
    );
    let retried = |notice: &Notice| matches!(notice.reaction, Reaction::Retry { .. });
    let notices = rig.notices();
    let retries = notices.iter().filter(|notice| retried(notice)).count();
    (retries, result.unwrap_err().cause)
}

#[test]
fn adversary_49_all_ranges_of_a_download_share_one_budget() {
    let (retries, cause) = storm("InternalError");
    assert_eq!(retries, 500 / 14);
    let Cause::GaveUp { budget_empty, .. } = cause else {
        panic!("{cause}");
    };
    assert!(budget_empty);
}

#[test]
fn adversary_49_a_server_that_throttles_everything_is_given_up() {
    let (retries, cause) = storm("SlowDown");
    // The first 64 are on their way together; from then on they go at the rate that is learnt.
    assert!((64..100).contains(&retries), "{retries}");
    assert!(matches!(cause, Cause::Outage { .. }), "{cause}");
    let told = cause.to_string();
    assert!(told.contains("the server at http://s3.test"), "{told}");
}

#[test]
fn adversary_50_after_a_storm_the_download_goes_on() {
    let bytes = noise(20 * MIB, 50);
    for order in [Order::Random, Order::InOrder] {
        let mut refused = 0;
        let storm = |_: usize, request: &Sent, ask: &mut dyn FnMut() -> Reply| {
            if request.method == "GET" && !starts_at(request, 0) && refused < 24 {
                refused += 1;
                return Reply::new(503, &[], error_body("SlowDown"));
            }
            ask()
        };
        let mut config = small();
        config.concurrency = NonZeroU16::new(16).unwrap().into();
        let mut rig = Rig::new(config, ModelPeer::new(model_with(&bytes), storm));
        let (result, sink) = rig.download(download(order), crate::common::sink_for(order));
        assert!(result.is_ok(), "{result:?}");
        assert!(sink.bytes == bytes);
        assert_eq!(rig.log.len(), 21 + 24);
        // Two waits of at most 1 s and 2 s for some of the ranges, and at the beginning a rate of few
        // requests a second, since all were refused.
        assert!(
            rig.elapsed() < Duration::from_secs(15),
            "{:?}",
            rig.elapsed()
        );
    }
}

#[test]
fn adversary_52_a_clock_that_jumps_by_an_hour_costs_requests_at_most() {
    const HOUR: Duration = Duration::from_secs(3_600);
    let bytes = noise(12 * MIB, 52);
    for (there, back) in [(2, 5), (3, 4), (5, 9)] {
        let mut rig = Rig::new(small(), honest(model_with(&bytes)));
        let handle = rig.session.insert(download(Order::Random), rig.now);
        let mut rounds = 0;
        rig.run_until(|rig| {
            rounds += 1;
            if rounds == there {
                rig.now = rig.now + HOUR;
            } else if rounds == back {
                rig.now = NOW + rig.elapsed().saturating_sub(HOUR);
            }
            let progress = rig.session.progress(handle.id(), rig.now);
            assert!(progress.is_none_or(|progress| progress.bytes <= bytes.len() as u64));
            false
        });
        let found = rig.session.take(handle).unwrap();
        assert!(matches!(found.verified, Verified::FullObject(_)));
    }
}

#[test]
fn adversary_52_a_wall_clock_that_is_set_midway_is_followed() {
    let bytes = noise(12 * MIB, 52);
    for jump in [3_600, -3_600] {
        let mut model = Model::new(ModelConfig {
            access: Access::key("AKID", "secret"),
            ..ModelConfig::default()
        });
        model.put("b", "k", bytes.clone());
        model.set_time(EPOCH.as_seconds());
        let mut config = small();
        config.credentials = CredentialSource::Static(credentials("AKID").into());
        let dated = |_: usize, _: &Sent, ask: &mut dyn FnMut() -> Reply| {
            ask().with("date", "Thu, 01 Jan 2026 00:00:00 GMT")
        };
        let mut rig = Rig::new(config, ModelPeer::new(model, dated));
        let handle = rig.session.insert(download(Order::Random), rig.now);
        let mut rounds = 0;
        rig.run_until(|rig| {
            rounds += 1;
            if rounds == 4 {
                rig.clock_error = jump;
            }
            false
        });
        assert!(rig.session.take(handle).is_ok());
        let skewed = rig.notices().len();
        assert!(
            (1..=4).contains(&skewed),
            "{skewed} requests were signed anew"
        );
    }
}

#[test]
fn adversary_54_a_refusal_midway_stops_the_download_at_once() {
    let peer = ModelPeer::new(
        model_with(&noise(8 * MIB, 54)),
        |_, request: &Sent, ask: &mut dyn FnMut() -> Reply| {
            if starts_at(request, 2 * MIB) {
                Reply::new(403, &[], error_body("AccessDenied"))
            } else {
                ask()
            }
        },
    );
    let mut rig = Rig::new(small(), peer);
    let (result, _) = rig.download(download(Order::Random), Sink::random());
    let error = result.unwrap_err();
    let refused = matches!(&error.cause, Cause::S3(error) if error.is("AccessDenied"));
    assert!(refused, "{error}");
    assert!(rig.log.len() <= 7, "{:?}", rig.log);
}

/// Transfers whose first key expires after `good` requests, in both directions.
fn expiring(
    good: usize,
    status: u16,
    expires: &'static [&'static str],
) -> Vec<(Result<(), TransferError>, Vec<Sent>)> {
    let run = |is_upload: bool| {
        let (bytes, mut seen) = (noise(11 * MIB, 55), Vec::new());
        let hook = |number: usize, request: &Sent, ask: &mut dyn FnMut() -> Reply| {
            seen.push(Sent {
                body: bytes::Bytes::new(),
                ..request.clone()
            });
            let gone = expires.iter().any(|id| is_signed_by(request, id));
            if number < good || !gone {
                return ask();
            }
            let body = if request.method == "HEAD" {
                String::new()
            } else {
                error_body("ExpiredToken")
            };
            Reply::new(status, &[], body)
        };
        let mut config = small();
        config.credentials = CredentialSource::Provided;
        let mut rig = Rig::new(config, ModelPeer::new(model_with(&bytes), hook));
        rig.credentials = ["FIRST", "SECOND", "THIRD"]
            .map(|id| Ok(credentials(id)))
            .into();
        let result = if is_upload {
            let wanted = upload(Length::Known(bytes.len() as u64));
            let made = rig.upload(wanted, Source::new(bytes));
            made.map(drop)
        } else {
            rig.download(download(Order::Random), Sink::random())
                .0
                .map(drop)
        };
        drop(rig);
        (result, seen)
    };
    vec![run(false), run(true)]
}

#[test]
fn adversary_55_credentials_that_expire_midway_are_renewed_once() {
    for status in [400, 403] {
        for good in [0, 1, 2, 3] {
            for (result, seen) in expiring(good, status, &["FIRST"]) {
                assert!(result.is_ok(), "{good} {status}: {result:?}");
                let by = |id| {
                    seen.iter()
                        .filter(|request| is_signed_by(request, id))
                        .count()
                };
                assert!(by("SECOND") > 0, "{good} {status}");
                // All that were under way were refused, and for all of them others were got once.
                assert_eq!(by("THIRD"), 0, "{good} {status}");
                assert_eq!(by("FIRST") + by("SECOND"), seen.len());
            }
        }
    }
}

#[test]
fn adversary_55_who_is_refused_while_credentials_are_awaited_asks_for_no_others() {
    let mut refused = 0;
    let bytes = noise(8 * MIB, 55);
    let peer = ModelPeer::new(
        model_with(&bytes),
        |number: usize, request: &Sent, ask: &mut dyn FnMut() -> Reply| {
            if number < 3 || !is_signed_by(request, "FIRST") {
                return ask();
            }
            refused += 1;
            Reply::new(400, &[], error_body("ExpiredToken"))
        },
    );
    let mut config = small();
    config.credentials = CredentialSource::Provided;
    let mut hand = ByHand::new(config, peer, Sink::random());
    let handle = hand.session.insert(download(Order::Random), NOW);
    hand.poll();
    assert_eq!((hand.asked, hand.under_way.len()), (1, 0));
    let provided = |id| Input::Credentials(Ok(credentials(id)));
    assert_eq!(
        hand.session.input(provided("FIRST"), NOW),
        Accepted::Counted
    );
    hand.poll();
    for _ in 0..3 {
        hand.finish(0);
    }
    for left in (0..4).rev() {
        hand.finish(0);
        assert_eq!((hand.asked, hand.under_way.len()), (2, left));
    }
    assert_eq!(
        hand.session.input(provided("SECOND"), NOW),
        Accepted::Counted
    );
    assert_eq!(hand.session.input(provided("THIRD"), NOW), Accepted::Stale);
    hand.poll();
    while !hand.under_way.is_empty() {
        hand.finish(0);
    }
    assert!(hand.session.take(handle).is_ok());
    assert!(hand.sink.bytes == bytes);
    assert_eq!(hand.asked, 2);
    drop(hand);
    assert_eq!(refused, 4);
}

#[test]
fn adversary_55_new_credentials_that_are_refused_as_well_are_not_renewed_for_ever() {
    for (result, seen) in expiring(2, 400, &["FIRST", "SECOND", "THIRD"]) {
        let error = result.unwrap_err();
        let expired = matches!(error.root(), Cause::S3(error) if error.is("ExpiredToken"));
        assert!(expired, "{error}");
        assert!(seen.len() <= 24, "{} requests", seen.len());
    }
}

#[test]
fn adversary_56_without_credentials_nothing_is_sent() {
    let mut config = small();
    config.credentials = CredentialSource::Provided;
    let mut rig = Rig::new(config, honest(model_with(b"x")));
    rig.credentials = vec![Err(CredentialsError("no such role".into()))];
    let (result, _) = rig.download(download(Order::Random), Sink::random());
    let error = result.unwrap_err();
    assert!(matches!(error.root(), Cause::Credentials(_)), "{error}");
    assert!(error.to_string().contains("no such role"), "{error}");
    assert_eq!(rig.log, Vec::<String>::new());
}

#[test]
fn adversary_59_a_name_that_is_unknown_for_a_moment_costs_a_retry() {
    let mut failed = false;
    let first = |_: usize, _: &Sent, ask: &mut dyn FnMut() -> Reply| {
        if std::mem::replace(&mut failed, true) {
            ask()
        } else {
            Reply::broken(TransportErrorKind::Dns)
        }
    };
    let mut rig = Rig::new(small(), ModelPeer::new(model_with(&noise(100, 59)), first));
    let (result, sink) = rig.download(download(Order::Random), Sink::random());
    assert!(result.is_ok() && sink.bytes == noise(100, 59));
    let notices = rig.notices();
    assert!(
        matches!(
            &notices[..],
            [Notice {
                reaction: Reaction::Retry { .. },
                ..
            }]
        ),
        "{notices:?}"
    );
}

/// Lists a bucket whose server has a page for every token, and says that more follow. Returns how
/// many it was asked for until the listing failed.
fn endless_pages(content: &str, token: impl Fn(u32) -> u32) -> u32 {
    let mut pages = 0;
    let endless = |_: usize, _: &Sent, _: &mut dyn FnMut() -> Reply| {
        let token = token(pages);
        pages += 1;
        assert!(pages < 100, "it goes on and on");
        let body = format!(
            "<ListBucketResult><IsTruncated>true</IsTruncated>{content}\
             <NextContinuationToken>{token}</NextContinuationToken></ListBucketResult>"
        );
        Reply::new(200, &[], body)
    };
    let mut rig = Rig::new(small(), ModelPeer::new(model_with(b""), endless));
    let mut next = Some(Listing::new(ListObjectsV2::new(bucket())));
    let error = loop {
        match rig.call(next.take().unwrap()) {
            Ok(page) => next = page.next,
            Err(error) => break error,
        }
    };
    let is_paging = matches!(error.root(), Cause::Violation(seen) if seen.rule() == Rule::Paging);
    assert!(is_paging, "{error}");
    drop(rig);
    pages
}

#[test]
fn adversary_64_pages_that_go_round_in_a_circle_end() {
    let key = "<Contents><Key>k</Key><Size>1</Size></Contents>";
    for circle in [1, 2, 7] {
        // A few pages lead into the circle.
        let asked = endless_pages(key, |page| page.min(3 + (page.max(3) - 3) % circle));
        assert!((4 + circle..=40).contains(&asked), "{asked} pages");
    }
}

#[test]
fn adversary_64_a_page_without_keys_is_the_last() {
    assert_eq!(endless_pages("", |page| page), 1);
}

#[test]
fn adversary_65_odd_keys_go_there_and_back_byte_for_byte() {
    let keys = [
        "&<>'\"",
        "\r\n\t",
        "\u{1}",
        "\u{fffe}",
        "\u{1f600}",
        "%25%2F",
        "a+b c",
        " around ",
        "a/../b//./c",
        "?uploads&x=#",
    ];
    let mut rig = Rig::new(small(), honest(model_with(b"")));
    for key in keys {
        let wanted = Upload {
            key: ObjectKey::new(key).unwrap(),
            ..upload(Length::Known(10))
        };
        rig.upload(wanted, Source::new(noise(10, 65))).unwrap();
        assert!(rig.peer.model.object("b", key).is_some(), "{key:?}");
        let wanted = Download {
            key: ObjectKey::new(key).unwrap(),
            ..download(Order::Random)
        };
        let (result, sink) = rig.download(wanted, Sink::random());
        assert!(result.is_ok() && sink.bytes == noise(10, 65), "{key:?}");
    }
    let listed = rig.call(Call::new(ListObjectsV2::new(bucket()))).unwrap();
    let listed: Vec<Vec<u8>> = listed
        .objects
        .into_iter()
        .map(|object| object.key)
        .collect();
    let mut expected: Vec<Vec<u8>> = keys.iter().map(|key| key.as_bytes().to_vec()).collect();
    expected.push(b"k".to_vec());
    expected.sort();
    assert_eq!(listed, expected);
}

#[test]
fn adversary_87_no_location_is_followed() {
    let key = || ObjectKey::new("k").unwrap();
    for status in [301, 302, 303, 307, 308] {
        for location in [
            "http://evil.test/b/k",
            "https://s3.test/b/k",
            "http://s3.test:1/b/k",
            "//evil.test/b/k",
            "http://s3.test@evil.test/",
            "http://xn--53-7ia.test/",
            "/b/k",
            "",
        ] {
            let redirect = move |_: usize, _: &Sent, _: &mut dyn FnMut() -> Reply| {
                let fields = [("location", location), ("x-amz-bucket-region", "eu-west-1")];
                Reply::new(status, &fields, error_body("PermanentRedirect"))
            };
            let mut rig = Rig::new(small(), ModelPeer::new(model_with(b"x"), redirect));
            let (read, _) = rig.download(download(Order::Random), Sink::random());
            let written = rig.upload(upload(Length::Known(3)), Source::new(noise(3, 87)));
            let removed = rig.call(Call::new(DeleteObject::new(bucket(), key())));
            for error in [
                read.unwrap_err(),
                written.unwrap_err(),
                removed.unwrap_err(),
            ] {
                let told = matches!(error.root(), Cause::S3(error) if error.status == status);
                assert!(told, "{error}");
            }
            let expected = ["GET /b/k", "HEAD /b/k", "PUT /b/up", "DELETE /b/k"];
            assert_eq!(rig.log, expected, "{status} {location:?}");
        }
    }
}

/// What nobody may see: as it is, in hexadecimal, in base64 and encoded for URLs.
const CANARIES: [&str; 8] = [
    "canary/S+crt=",
    "63616e6172792f532b6372743d",
    "Y2FuYXJ5L1MrY3J0PQ",
    "canary%2FS%2Bcrt%3D",
    "finch/T+ken=",
    "66696e63682f542b6b656e3d",
    "ZmluY2gvVCtrZW49",
    "finch%2FT%2Bken%3D",
];

#[track_caller]
fn shows_no_secret(what: &dyn std::fmt::Debug, signatures: &[String]) {
    for text in [format!("{what:?}"), format!("{what:#?}")] {
        for secret in CANARIES {
            assert!(
                !text.to_lowercase().contains(&secret.to_lowercase()),
                "{text}"
            );
        }
        for signature in signatures {
            assert!(!text.contains(signature.as_str()), "{text}");
        }
    }
}

#[test]
fn adversary_92_no_state_of_a_session_shows_a_secret() {
    let secret = Credentials::new("AKID", CANARIES[0], Some(CANARIES[4])).unwrap();
    let mut config = small();
    config.credentials = CredentialSource::Static(secret.into());
    shows_no_secret(&config, &[]);
    let mut session = Session::new(config, 1);
    let handle = session.insert(
        Call::new(HeadObject::new(bucket(), ObjectKey::new("k").unwrap())),
        NOW,
    );
    let step = session.poll(NOW);
    shows_no_secret(&step, &[]);
    let Step::Start(attempt) = step else {
        panic!("a HEAD: {step:?}");
    };
    let ready = attempt.prepare();
    shows_no_secret(&ready, &[]);
    let Ready::Send(sendable) = ready else {
        panic!("a HEAD has no body");
    };
    let request = sendable.request(EPOCH).unwrap();
    let authorization = request.headers()["authorization"].to_str().unwrap();
    let (_, signature) = authorization.split_once("Signature=").unwrap();
    let signatures = [signature.to_owned()];
    assert_eq!(request.headers()["x-amz-security-token"], CANARIES[4]);
    shows_no_secret(&request, &signatures);
    shows_no_secret(&sendable, &signatures);
    let outcome = sendable.on_transport_error(TransportErrorKind::Tls, Left::None, "no");
    shows_no_secret(&outcome, &signatures);
    session.input(Input::Outcome(outcome), NOW);
    assert!(matches!(session.poll(NOW), Step::Ended(_)));
    shows_no_secret(&session, &signatures);
    shows_no_secret(&session.take_notices(), &signatures);
    let error = session.take(handle).unwrap_err();
    shows_no_secret(&error, &signatures);
    shows_no_secret(&error.to_string(), &signatures);
}

#[test]
fn adversary_98_one_object_that_fails_does_not_stop_a_thousand_others() {
    let mut rig = Rig::new(small(), honest(model_with(&noise(100, 98))));
    let handles: Vec<_> = (0..1_000)
        .map(|number| {
            let key = if number == 500 { "absent" } else { "k" };
            let wanted = Download {
                key: ObjectKey::new(key).unwrap(),
                size_hint: Some(100),
                ..download(Order::Random)
            };
            rig.session.insert(wanted, rig.now)
        })
        .collect();
    rig.run();
    for (number, handle) in handles.into_iter().enumerate() {
        let result = rig.session.take(handle);
        assert_eq!(result.is_ok(), number != 500, "{number}: {result:?}");
    }
    assert_eq!(rig.peak, 4, "never more than were allowed");
}
