//! Uploads whose checksums stand in trailers, and how much of their proof callers can do without.

use http::{HeaderValue, Method};
use sans3_core::checksum::Algorithm;
use sans3_core::error::{Cause, SourceError, TransportErrorKind};
use sans3_core::session::ChecksumPlacement;
use sans3_core::transfer::{Confirm, Length, Upload, Verified};
use sans3_testkit::drive::{ModelPeer, Reply, Rig, Sent, Source};
use sans3_testkit::model::{Model, ModelConfig};

use crate::adversary_upload::{Hooked, PART, SIZE, error_body, known, rig, send, stored};
use crate::common::{honest, model_with, noise, small, upload};

/// A rig whose checksums stand in trailers.
fn trailing<F>(hook: F) -> Hooked<F>
where
    F: FnMut(usize, &Sent, &mut dyn FnMut() -> Reply) -> Reply,
{
    let mut config = small();
    config.checksums = ChecksumPlacement::Trailer;
    Rig::new(config, ModelPeer::new(model_with(b""), hook))
}

/// Whether the body of a request is framed.
fn is_framed(request: &Sent) -> bool {
    request.headers.contains_key("x-amz-trailer")
}

#[test]
fn adversary_47_a_trailer_that_is_refused_is_one_clear_error() {
    for (status, code) in [
        (400, "InvalidRequest"),
        (400, "XAmzContentSHA256Mismatch"),
        (411, "MissingContentLength"),
        (501, "NotImplemented"),
    ] {
        for size in [PART, SIZE] {
            let mut old = trailing(move |_, request: &Sent, ask: &mut dyn FnMut() -> Reply| {
                if is_framed(request) {
                    Reply::new(status, &[], error_body(code))
                } else {
                    ask()
                }
            });
            let wanted = upload(Length::Known(size as u64));
            let error = old.upload(wanted, Source::new(noise(size, 1))).unwrap_err();
            let text = error.to_string();
            assert!(text.contains(code), "{text}");
            assert!(
                text.contains("set the checksum placement to `header`"),
                "{text}"
            );
            // No part of it, and nothing of the same in another form.
            let puts = |log: &[String], what: &str| {
                log.iter()
                    .filter(|line| line.starts_with("PUT") && line.contains(what))
                    .count()
            };
            let parts = puts(&old.log, "partNumber=");
            assert_eq!(puts(&old.log, "/up") - parts, usize::from(size == PART));
            assert!(parts <= 3, "{:?}", old.log);
            assert!(stored(&old.peer.model).is_empty());
            assert_eq!(old.peer.model.uploads().count(), 0);
        }
    }
}

#[test]
fn adversary_47_a_framing_that_is_stored_as_data_is_no_success() {
    for size in [PART, SIZE] {
        let bytes = noise(size, 2);
        let mut naive = trailing(|_, request: &Sent, ask: &mut dyn FnMut() -> Reply| {
            let mut reply = ask();
            if is_framed(request) || reply.head.as_ref().is_ok_and(|(status, _)| *status == 200) {
                // It knows no checksums either.
                if let Ok((_, headers)) = &mut reply.head {
                    headers.remove("x-amz-checksum-crc64nvme");
                    headers.remove("x-amz-checksum-type");
                    if request.method == Method::HEAD {
                        let longer = HeaderValue::from(size + 60);
                        headers.insert("content-length", longer);
                    }
                }
            }
            if request.target.contains("uploadId") && request.method == Method::POST {
                reply.body = vec![
                    b"<CompleteMultipartUploadResult><ETag>&quot;t&quot;</ETag>\
                    </CompleteMultipartUploadResult>"[..]
                        .into(),
                ];
            }
            reply
        });
        for confirm in [Confirm::Unproved, Confirm::Never] {
            let wanted = Upload {
                confirm,
                ..upload(Length::Known(size as u64))
            };
            let error = naive
                .upload(wanted, Source::new(bytes.clone()))
                .unwrap_err();
            assert!(matches!(error.root(), Cause::Conflict { .. }), "{error}");
        }
    }
}

#[test]
fn checksums_in_trailers_prove_as_much_as_those_in_headers() {
    for size in [PART - 1, PART, SIZE] {
        for algorithm in [Algorithm::Crc64Nvme, Algorithm::Crc32, Algorithm::Sha256] {
            let (mut calm, bytes) = (
                trailing(move |_, request: &Sent, ask: &mut dyn FnMut() -> Reply| {
                    // What fits a slice stays as it is.
                    let carries = request.method == Method::PUT && request.body.len() > 1000;
                    let is_signed = algorithm == Algorithm::Sha256;
                    assert_eq!(is_framed(request), carries && !is_signed);
                    ask()
                }),
                noise(size, 3),
            );
            let wanted = Upload {
                checksum: algorithm,
                ..upload(Length::Known(size as u64))
            };
            let made = calm.upload(wanted, Source::new(bytes.clone())).unwrap();
            let parts = size.div_ceil(PART);
            let proved = if algorithm.is_combinable() || parts == 1 {
                Verified::FullObject(algorithm)
            } else {
                Verified::Composite(algorithm)
            };
            assert_eq!(made.verified, proved, "{size}");
            assert!(stored(&calm.peer.model) == bytes);
        }
    }
}

#[test]
fn a_source_that_changes_between_attempts_is_an_error_wherever_its_checksum_stands() {
    for placement in [ChecksumPlacement::Header, ChecksumPlacement::Trailer] {
        let mut config = small();
        config.checksums = placement;
        let mut failed = false;
        let hook = move |_, request: &Sent, ask: &mut dyn FnMut() -> Reply| {
            if request.method == Method::PUT && !std::mem::replace(&mut failed, true) {
                return Reply::new(503, &[], error_body("SlowDown"));
            }
            ask()
        };
        let mut rig = Rig::new(config, ModelPeer::new(model_with(b""), hook));
        // In a trailer the bytes are read once an attempt, and in a header twice.
        let reads = if placement == ChecksumPlacement::Header {
            2
        } else {
            1
        };
        let source = Source::changing(noise(PART, 4), noise(PART, 5), reads);
        let wanted = upload(Length::Known(PART as u64));
        let error = rig.upload(wanted, source).unwrap_err();
        let changed = matches!(error.root(), Cause::Source(SourceError::Changed(_)));
        assert!(changed, "{placement:?}: {error}");
        assert!(stored(&rig.peer.model).is_empty());
    }
}

#[test]
fn an_acknowledged_object_is_not_looked_at_where_the_caller_says_so() {
    for (confirm, heads) in [(Confirm::Unproved, 1), (Confirm::Never, 0)] {
        for size in [10, SIZE] {
            let mut silent = Rig::new(small(), {
                let mut model = Model::new(ModelConfig {
                    checksums: false,
                    ..ModelConfig::default()
                });
                model.create_bucket("b");
                honest(model)
            });
            let wanted = Upload {
                confirm,
                ..upload(Length::Known(size as u64))
            };
            let bytes = noise(size, 6);
            let made = silent.upload(wanted, Source::new(bytes.clone())).unwrap();
            let looked = silent.log.iter().filter(|line| line.starts_with("HEAD"));
            assert_eq!(looked.count(), heads, "{size}");
            let acknowledged = made.verified == Verified::Acknowledged;
            assert_eq!(
                acknowledged,
                confirm == Confirm::Never,
                "{:?}",
                made.verified
            );
            assert!(stored(&silent.peer.model) == bytes);
        }
    }
}

#[test]
fn a_lost_answer_is_looked_for_whatever_is_acknowledged_unseen() {
    let mut lost = false;
    let mut rig = rig(move |_, request: &Sent, ask: &mut dyn FnMut() -> Reply| {
        let reply = ask();
        if request.method == Method::POST
            && request.target.contains("uploadId")
            && !std::mem::replace(&mut lost, true)
        {
            return Reply::broken(TransportErrorKind::Closed);
        }
        reply
    });
    let wanted = Upload {
        confirm: Confirm::Never,
        ..known()
    };
    let made = send(&mut rig, wanted).unwrap();
    assert_eq!(made.verified, Verified::FullObject(Algorithm::Crc64Nvme));
    assert!(rig.log.iter().any(|line| line.starts_with("HEAD")));
}
