//! What the world does to uploads: each test carries the number of the line in the list of
//! adversaries that it stands for.

use std::time::Duration;

use crate::common::{bucket, honest, model_with, noise, small, upload};
use bytes::Bytes;
use http::Method;
use sans3_core::checksum::Algorithm;
use sans3_core::endpoint::ObjectKey;
use sans3_core::error::{Cause, SourceError, TransferError, TransportErrorKind};
use sans3_core::operation::{AbortMultipartUpload, ListMultipartUploads, UploadId};
use sans3_core::session::Input;
use sans3_core::transfer::{Call, Length, Upload, Uploaded, Verified};
use sans3_testkit::drive::{ModelPeer, Reply, Rig, Sent, Source};
use sans3_testkit::model::Model;

pub(crate) const PART: usize = 5 << 20;
pub(crate) const SIZE: usize = 2 * PART + 1000;

pub(crate) type Hooked<F> = Rig<ModelPeer<F>>;

pub(crate) fn rig<F>(hook: F) -> Hooked<F>
where
    F: FnMut(usize, &Sent, &mut dyn FnMut() -> Reply) -> Reply,
{
    Rig::new(small(), ModelPeer::new(model_with(b""), hook))
}

/// Uploads `SIZE` bytes, and checks that a success means that they are there, and that whatever
/// the result, no upload is left that is not reported.
pub(crate) fn send<F>(rig: &mut Hooked<F>, wanted: Upload) -> Result<Uploaded, TransferError>
where
    F: FnMut(usize, &Sent, &mut dyn FnMut() -> Reply) -> Reply,
{
    let bytes = noise(SIZE, 31);
    let result = rig.upload(wanted, Source::new(bytes.clone()));
    if result.is_ok() {
        assert!(stored(&rig.peer.model) == bytes, "success with wrong bytes");
    }
    let reported = result
        .as_ref()
        .err()
        .and_then(|error| error.leftover.as_ref());
    let lost = result.as_ref().map_or(0, |made| made.lost_creates) as usize;
    let left = rig.peer.model.uploads().count();
    assert!(
        left <= usize::from(reported.is_some()) + lost,
        "{left} uploads are left behind"
    );
    result
}

pub(crate) fn known() -> Upload {
    upload(Length::Known(SIZE as u64))
}

pub(crate) fn stored(model: &Model) -> Vec<u8> {
    model
        .object("b", "up")
        .map(|object| object.data.to_vec())
        .unwrap_or_default()
}

fn is_complete(request: &Sent) -> bool {
    request.method == "POST" && request.target.contains("uploadId=")
}

fn is_create(request: &Sent) -> bool {
    request.method == "POST" && request.target.contains("uploads")
}

fn is_part(request: &Sent, number: u32) -> bool {
    request.target.contains(&format!("partNumber={number}&"))
}

pub(crate) fn error_body(code: &str) -> String {
    format!("<Error><Code>{code}</Code><Message>m</Message></Error>")
}

/// Does `then` to the first request that `which` names, and lets the others pass.
fn once(
    which: impl Fn(&Sent) -> bool,
    then: impl Fn(&mut dyn FnMut() -> Reply) -> Reply,
) -> impl FnMut(usize, &Sent, &mut dyn FnMut() -> Reply) -> Reply {
    let mut done = false;
    move |_, request, ask| {
        if which(request) && !core::mem::replace(&mut done, true) {
            then(ask)
        } else {
            ask()
        }
    }
}

#[test]
fn adversary_29_an_error_in_a_200_is_an_error() {
    let mut transient = rig(once(is_complete, |_| {
        Reply::new(200, &[], error_body("InternalError"))
    }));
    assert!(send(&mut transient, known()).is_ok());
    assert_eq!(
        transient
            .log
            .iter()
            .filter(|line| line.contains("uploadId=") && line.starts_with("POST"))
            .count(),
        2
    );

    let mut refused = rig(|_, request, ask| {
        if is_complete(request) {
            Reply::new(200, &[], error_body("AccessDenied"))
        } else {
            ask()
        }
    });
    assert!(send(&mut refused, known()).is_err());
}

#[test]
fn adversary_30_white_space_before_the_result_is_waited_through() {
    let mut padded = rig(once(is_complete, |ask| {
        let mut reply = ask();
        reply.body.insert(0, Bytes::from(" \n".repeat(200)));
        reply
    }));
    assert!(send(&mut padded, known()).is_ok());
}

#[test]
fn adversary_30_minutes_of_white_space_are_waited_through() {
    let mut slow = rig(|_, request, ask| {
        let mut reply = ask();
        if is_complete(request) {
            let spaces = std::iter::repeat_n(Bytes::from_static(b" "), 28);
            reply.body = spaces.chain([reply.bytes().into()]).collect();
            reply.pace = Duration::from_secs(10);
        }
        reply
    });
    assert!(send(&mut slow, known()).is_ok());
    assert_eq!(slow.log.len(), 1 + 3 + 1, "{:?}", slow.log);
    assert_eq!(slow.notices(), []);
}

#[test]
fn adversary_30_an_answer_that_ends_within_white_space_is_reconciled() {
    let mut cut = rig(once(is_complete, |ask| {
        ask();
        Reply::new(200, &[], "    ")
    }));
    let made = send(&mut cut, known()).unwrap();
    assert_eq!(made.verified, Verified::FullObject(Algorithm::Crc64Nvme));
}

#[test]
fn adversary_31_error_codes_within_a_key_are_no_errors() {
    let wanted = Upload {
        key: ObjectKey::new("InternalError<Error>SlowDown").unwrap(),
        ..known()
    };
    let mut rig = rig(|_, _, ask| ask());
    let made = rig.upload(wanted, Source::new(noise(SIZE, 31))).unwrap();
    assert_eq!(made.parts, 3);
}

#[test]
fn adversary_32_a_lost_answer_to_complete_is_reconciled() {
    for kind in [TransportErrorKind::Closed, TransportErrorKind::HeadTimeout] {
        let mut lost = rig(once(is_complete, move |ask| {
            ask();
            Reply::broken(kind)
        }));
        let made = send(&mut lost, known()).unwrap();
        assert_eq!(made.verified, Verified::FullObject(Algorithm::Crc64Nvme));
    }
}

#[test]
fn adversary_32_whatever_a_second_complete_is_answered_the_object_decides() {
    for (status, code) in [
        (404, "NoSuchUpload"),
        (403, "AccessDenied"),
        (500, "InternalError"),
    ] {
        let mut sent = 0;
        let mut lost = rig(move |_, request: &Sent, ask: &mut dyn FnMut() -> Reply| {
            if !is_complete(request) {
                return ask();
            }
            sent += 1;
            if sent == 1 {
                ask();
                return Reply::broken(TransportErrorKind::Closed);
            }
            Reply::new(status, &[], error_body(code))
        });
        let made = send(&mut lost, known());
        assert_eq!(
            made.unwrap().verified,
            Verified::FullObject(Algorithm::Crc64Nvme),
            "{code}"
        );
    }
}

#[test]
fn adversary_33_another_writers_object_is_a_conflict_never_a_success() {
    // The upload was completed, its answer lost, and the object replaced before anybody looked.
    let mut other = model_with(b"");
    other.put("b", "up", noise(SIZE, 99));
    let mut sent = 0;
    let mut lost = rig(move |_, request: &Sent, ask: &mut dyn FnMut() -> Reply| {
        if request.method == "HEAD" {
            let response = other.handle(
                sans3_testkit::model::Request::new(Method::HEAD, "/b/up")
                    .header("x-amz-checksum-mode", "ENABLED"),
            );
            let mut reply = Reply::new(200, &[], "");
            reply.head = Ok((200, response.headers));
            return reply;
        }
        if !is_complete(request) {
            return ask();
        }
        sent += 1;
        if sent == 1 {
            ask();
            return Reply::broken(TransportErrorKind::Closed);
        }
        Reply::new(404, &[], error_body("NoSuchUpload"))
    });
    let result = lost.upload(known(), Source::new(noise(SIZE, 31)));
    assert!(matches!(result.unwrap_err().cause, Cause::Conflict { .. }));
}

#[test]
fn adversary_34_a_412_after_a_lost_answer_is_decided_by_the_token() {
    for size in [100, SIZE] {
        let mut wanted = upload(Length::Known(size as u64));
        wanted.options.if_none_match = true;
        let mut done = false;
        let mut lost = rig(move |_, request: &Sent, ask: &mut dyn FnMut() -> Reply| {
            let write = is_complete(request)
                || (request.method == "PUT" && !request.target.contains("partNumber"));
            if write && !core::mem::replace(&mut done, true) {
                ask();
                return Reply::broken(TransportErrorKind::Closed);
            }
            ask()
        });
        let made = lost.upload(wanted.clone(), Source::new(noise(size, 31)));
        assert!(made.is_ok(), "{made:?}");

        // Somebody else's object is left alone, and its being there is said.
        let mut taken = rig(|_, _, ask| ask());
        taken.peer.model.put("b", "up", "theirs");
        let error = taken
            .upload(wanted, Source::new(noise(size, 31)))
            .unwrap_err();
        assert!(
            matches!(error.root(), Cause::S3(error) if error.status == 412),
            "{error}"
        );
        assert_eq!(stored(&taken.peer.model), b"theirs");
        assert_eq!(taken.peer.model.uploads().count(), 0);
    }
}

#[test]
fn adversary_35_a_conflicting_write_restarts_the_upload_or_repeats_the_put() {
    let conflict = || Reply::new(409, &[], error_body("ConditionalRequestConflict"));
    let mut rig_put = rig(once(|request| request.method == "PUT", move |_| conflict()));
    let mut wanted = upload(Length::Known(10));
    wanted.options.if_none_match = true;
    assert!(rig_put.upload(wanted, Source::new(noise(10, 1))).is_ok());

    let mut restarted = rig(once(is_complete, move |_| conflict()));
    let mut wanted = known();
    wanted.options.if_none_match = true;
    assert!(send(&mut restarted, wanted).is_ok());
    assert_eq!(
        restarted
            .log
            .iter()
            .filter(|line| line.contains("?uploads"))
            .count(),
        2
    );
}

#[test]
fn adversary_36_a_part_without_an_etag_is_no_part() {
    let mut rig_once = rig(once(
        |request| is_part(request, 2),
        |ask| ask().without("etag"),
    ));
    assert!(send(&mut rig_once, known()).is_ok());
    let mut never = rig(|_, request, ask| {
        if is_part(request, 2) {
            ask().without("etag")
        } else {
            ask()
        }
    });
    assert!(send(&mut never, known()).is_err());
}

#[test]
fn adversary_36_an_etag_that_is_not_the_md5_fails_unless_the_object_is_encrypted() {
    let wanted = || Upload {
        checksum: Algorithm::Md5,
        ..upload(Length::Known(10))
    };
    let wrong = "\"00000000000000000000000000000000\"";
    let mut plain = rig(move |_, request, ask| {
        if request.method == "PUT" {
            ask().with("etag", wrong)
        } else {
            ask()
        }
    });
    assert!(plain.upload(wanted(), Source::new(noise(10, 1))).is_err());
    let mut encrypted = rig(move |_, request, ask| {
        if request.method != "PUT" {
            return ask();
        }
        ask()
            .with("etag", wrong)
            .with("x-amz-server-side-encryption", "aws:kms")
    });
    assert!(
        encrypted
            .upload(wanted(), Source::new(noise(10, 1)))
            .is_ok()
    );
}

#[test]
fn adversary_37_a_retried_part_is_listed_with_the_etag_that_was_acknowledged_last() {
    let mut twice = rig(once(
        |request| is_part(request, 2),
        |ask| {
            ask();
            Reply::broken(TransportErrorKind::Closed)
        },
    ));
    assert!(send(&mut twice, known()).is_ok());
    assert_eq!(
        twice
            .log
            .iter()
            .filter(|line| line.contains("partNumber=2&"))
            .count(),
        2
    );

    // Where tags are not made of the bytes, each writing of a part has its own.
    let (mut sent, mut listed) = (0, String::new());
    let mut tagged = rig(|_, request: &Sent, ask: &mut dyn FnMut() -> Reply| {
        if is_complete(request) {
            listed = String::from_utf8(request.body.to_vec()).unwrap();
            return Reply::new(403, &[], error_body("AccessDenied"));
        }
        if !is_part(request, 2) {
            return ask();
        }
        sent += 1;
        let reply = ask().with("etag", &format!("\"written-{sent}\""));
        if sent == 1 {
            reply.with("x-amz-checksum-crc64nvme", "AAAAAAAAAAA=")
        } else {
            reply
        }
    });
    assert!(send(&mut tagged, known()).is_err());
    drop(tagged);
    assert_eq!(sent, 2);
    assert!(
        listed.contains("written-2") && !listed.contains("written-1"),
        "{listed}"
    );
}

#[test]
fn adversary_40_a_source_that_changes_is_an_error_and_leaves_nothing() {
    let (before, after) = (noise(SIZE, 31), noise(SIZE, 32));
    for reads in 0..7 {
        let mut rig = rig(once(
            |request| is_part(request, 3),
            |_| Reply::new(503, &[], ""),
        ));
        let source = Source::changing(before.clone(), after.clone(), reads);
        let result = rig.upload(known(), source);
        let found = stored(&rig.peer.model);
        match result {
            Ok(_) => {
                assert!(found == before || found == after || is_mixture(&found, &before, &after));
            }
            Err(error) => {
                let changed = matches!(error.cause, Cause::Source(SourceError::Changed(_)));
                assert!(changed, "{error}");
                assert_eq!(rig.peer.model.uploads().count(), 0);
            }
        }
    }
}

/// Whole parts of one and of the other: what the core alone can't see, since it reads each part
/// once. The adapters compare the file's fingerprint after each part.
fn is_mixture(found: &[u8], before: &[u8], after: &[u8]) -> bool {
    found.len() == before.len()
        && found
            .chunks(PART)
            .zip(before.chunks(PART).zip(after.chunks(PART)))
            .all(|(part, (a, b))| part == a || part == b)
}

#[test]
fn adversary_40_a_source_that_shrinks_is_an_error_and_leaves_nothing() {
    let before = noise(SIZE, 31);
    let mut rig = rig(|_, _, ask| ask());
    let source = Source::changing(before.clone(), before[..PART].to_vec(), 3);
    let error = rig.upload(known(), source).unwrap_err();
    assert!(matches!(error.cause, Cause::Source(_)), "{error}");
    assert_eq!(rig.peer.model.uploads().count(), 0);
}

#[test]
fn adversary_41_a_stream_goes_up_whatever_its_length() {
    for size in [0, 1, PART - 1, PART, PART + 1, 4 * PART] {
        let bytes = noise(size, 41);
        let mut rig = rig(once(
            |request| is_part(request, 1),
            |_| Reply::new(503, &[], ""),
        ));
        let made = rig.upload(
            upload(Length::Unknown { equal_parts: false }),
            Source::new(bytes.clone()),
        );
        assert_eq!(made.unwrap().size, size as u64);
        assert!(stored(&rig.peer.model) == bytes);
    }
}

#[test]
fn adversary_43_cancelled_at_any_step_an_upload_is_completed_aborted_or_recorded() {
    for stop_after in 0..12 {
        for lost in [false, true] {
            let mut done = false;
            let mut cancelled = rig(
                move |number, request: &Sent, ask: &mut dyn FnMut() -> Reply| {
                    let reply = ask();
                    let hit = lost && number == stop_after && request.method != "DELETE";
                    if hit && !core::mem::replace(&mut done, true) {
                        Reply::broken(TransportErrorKind::Closed)
                    } else {
                        reply
                    }
                },
            );
            let handle = cancelled.session.insert(known(), cancelled.now);
            cancelled.feed(handle.id(), Source::new(noise(SIZE, 31)));
            let mut steps = 0;
            cancelled.run_until(|rig| {
                steps += 1;
                if steps == stop_after {
                    rig.input(Input::Cancel(None));
                }
                false
            });
            let result = cancelled.session.take(handle);
            let uploads: Vec<String> = cancelled
                .peer
                .model
                .uploads()
                .map(|upload| upload.id.clone())
                .collect();
            match result {
                Ok(made) => assert!(
                    uploads.len() <= made.lost_creates as usize
                        && stored(&cancelled.peer.model) == noise(SIZE, 31)
                ),
                Err(error) => {
                    let reported = error.leftover.iter().any(|id| uploads == [id.as_str()]);
                    // The id of an upload whose Create was lost is known to nobody.
                    let unknown = lost && stop_after <= 1;
                    assert!(
                        uploads.is_empty() || reported || unknown,
                        "after {stop_after}: {error}"
                    );
                }
            }
        }
    }
}

#[test]
fn adversary_44_a_lost_create_is_told_and_can_be_found_and_aborted() {
    let mut lost = rig(once(is_create, |ask| {
        ask();
        Reply::broken(TransportErrorKind::Closed)
    }));
    let made = send(&mut lost, known()).unwrap();
    assert_eq!(made.lost_creates, 1);
    assert_eq!(
        lost.log
            .iter()
            .filter(|line| line.starts_with("POST") && line.contains("uploadId="))
            .count(),
        1
    );
    let listed = lost
        .call(Call::new(ListMultipartUploads::new(bucket())))
        .unwrap();
    assert_eq!(listed.uploads.len(), 1);
    for upload in listed.uploads {
        let key = ObjectKey::new(upload.key).unwrap();
        lost.call(Call::new(AbortMultipartUpload::new(
            bucket(),
            key,
            upload.upload_id,
        )))
        .unwrap();
    }
    assert_eq!(lost.peer.model.uploads().count(), 0);
}

#[test]
fn adversary_45_an_abort_that_is_answered_404_is_fine() {
    let mut gone = rig(|_, request, ask| match request.method.as_str() {
        "PUT" if is_part(request, 2) => Reply::new(403, &[], error_body("AccessDenied")),
        "DELETE" => {
            ask();
            Reply::new(404, &[], error_body("NoSuchUpload"))
        }
        _ => ask(),
    });
    let error = send(&mut gone, known()).unwrap_err();
    assert_eq!(error.leftover, None);
}

#[test]
fn adversary_45_an_abort_that_always_fails_is_bounded_and_the_id_told() {
    let mut stuck = rig(|_, request, ask| match request.method.as_str() {
        "PUT" if is_part(request, 2) => Reply::new(403, &[], error_body("AccessDenied")),
        "DELETE" => Reply::new(500, &[], error_body("InternalError")),
        _ => ask(),
    });
    let error = send(&mut stuck, known()).unwrap_err();
    let left: Vec<UploadId> = stuck
        .peer
        .model
        .uploads()
        .map(|upload| UploadId::new(&upload.id).unwrap())
        .collect();
    assert_eq!(error.leftover.as_slice(), left);
    assert!(stuck.requests("DELETE") <= 10);
    assert!(error.to_string().contains(left[0].as_str()));
}

#[test]
fn adversary_46_parts_that_come_back_after_an_abort_are_aborted_again() {
    // A part whose answer was lost is stored after the abort.
    let mut aborts = 0;
    let mut late = rig(move |_, request: &Sent, ask: &mut dyn FnMut() -> Reply| {
        match request.method.as_str() {
            "PUT" if is_part(request, 1) => Reply::broken(TransportErrorKind::Closed),
            "PUT" if is_part(request, 2) => Reply::new(403, &[], error_body("AccessDenied")),
            "DELETE" => {
                aborts += 1;
                if aborts == 1 {
                    Reply::new(204, &[], "")
                } else {
                    ask()
                }
            }
            _ => ask(),
        }
    });
    let error = send(&mut late, known()).unwrap_err();
    assert_eq!(error.leftover, None);
}

#[test]
fn adversary_57_what_will_not_change_is_not_retried() {
    for status in [400, 403, 404, 405, 501] {
        let mut refused = rig(move |_, _, _| Reply::new(status, &[], error_body("NotAtAll")));
        assert!(
            refused
                .upload(upload(Length::Known(10)), Source::new(noise(10, 1)))
                .is_err()
        );
        assert_eq!(refused.log.len(), 1, "{status}");
    }
}

#[test]
fn adversary_58_a_reset_after_complete_was_sent_is_reconciled_not_repeated_blindly() {
    // The server never acted on it: the object is not there, the upload is, and Complete is sent
    // again.
    let mut unsent = rig(once(is_complete, |_| {
        Reply::broken(TransportErrorKind::Closed)
    }));
    assert!(send(&mut unsent, known()).is_ok());
}

#[test]
fn a_complete_whose_result_has_another_checksum_is_looked_at() {
    let mut wrong = rig(once(is_complete, |ask| {
        let text = String::from_utf8(ask().bytes()).unwrap();
        let at = text.find("<ChecksumCRC64NVME>").unwrap() + "<ChecksumCRC64NVME>".len();
        let forged = format!("{}rosUhgp5mIg={}", &text[..at], &text[at + 12..]);
        Reply::new(200, &[], forged)
    }));
    assert!(
        send(&mut wrong, known()).is_ok(),
        "the object itself is right"
    );
}

#[test]
fn a_server_that_stores_other_bytes_is_found_out() {
    // It answers 200 to everything, and the object is shorter than what was sent.
    let mut short = rig(|_, request, ask| match request.method.as_str() {
        "HEAD" => Reply::new(200, &[("content-length", "3"), ("etag", "\"x\"")], ""),
        "PUT" => Reply::new(200, &[("etag", "\"x\"")], ""),
        _ => ask(),
    });
    let error = short
        .upload(upload(Length::Known(10)), Source::new(noise(10, 1)))
        .unwrap_err();
    assert!(matches!(error.cause, Cause::Conflict { .. }), "{error}");
}

#[test]
fn an_honest_upload_asks_for_nothing_twice() {
    let mut plain = Rig::new(small(), honest(model_with(b"")));
    plain.upload(known(), Source::new(noise(SIZE, 31))).unwrap();
    assert_eq!(plain.log.len(), 1 + 3 + 1, "{:?}", plain.log);
}

#[test]
fn adversary_25_a_success_before_the_payload_was_sent_is_none() {
    for size in [10, SIZE] {
        let mut early = rig(|_, request, _| {
            if request.method != "PUT" {
                return Reply::new(
                    200,
                    &[],
                    "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>",
                );
            }
            let echo = request
                .headers
                .get("x-amz-checksum-crc64nvme")
                .unwrap()
                .to_str()
                .unwrap();
            let headers = [("etag", "\"x\""), ("x-amz-checksum-crc64nvme", echo)];
            Reply {
                early: true,
                ..Reply::new(200, &headers, "")
            }
        });
        let wanted = upload(Length::Known(size as u64));
        assert!(early.upload(wanted, Source::new(noise(size, 1))).is_err());
    }
}

#[test]
fn adversary_45_an_abort_that_is_forbidden_is_decided_by_the_list() {
    for gone in [true, false] {
        let mut refused = rig(move |_, request, ask| match request.method.as_str() {
            "PUT" if is_part(request, 2) => Reply::new(403, &[], error_body("AccessDenied")),
            "DELETE" => {
                if gone {
                    ask();
                }
                Reply::new(403, &[], error_body("AccessDenied"))
            }
            _ => ask(),
        });
        let error = send(&mut refused, known()).unwrap_err();
        assert_eq!(error.leftover.is_none(), gone, "{error}");
    }
}

#[test]
fn adversary_47_a_server_that_refuses_checksums_is_not_asked_without_them() {
    for (status, code) in [
        (400, "InvalidRequest"),
        (400, "InvalidArgument"),
        (501, "NotImplemented"),
    ] {
        for size in [10, SIZE] {
            let mut old = rig(move |_, request: &Sent, ask: &mut dyn FnMut() -> Reply| {
                let names = request.headers.keys();
                if names
                    .map(http::HeaderName::as_str)
                    .any(|name| name.contains("checksum"))
                {
                    Reply::new(status, &[], error_body(code))
                } else {
                    ask()
                }
            });
            let wanted = upload(Length::Known(size as u64));
            let error = old.upload(wanted, Source::new(noise(size, 1))).unwrap_err();
            assert!(
                matches!(error.root(), Cause::S3(error) if error.is(code)),
                "{error}"
            );
            assert_eq!(old.log.len(), 1, "{:?}", old.log);
            assert!(stored(&old.peer.model).is_empty());
        }
    }
}

#[test]
fn adversary_41_a_stream_without_end_is_given_up_and_aborted() {
    // Four parts of 5 MiB are all that there may be, and nobody knows how much is to come.
    let mut config = small();
    config.limits.max_parts = 4;
    config.memory = 20 << 20;
    for over in [0, 1] {
        let bytes = noise(4 * PART + over, 41);
        let mut endless = Rig::new(config.clone(), honest(model_with(b"")));
        let wanted = upload(Length::Unknown { equal_parts: true });
        let result = endless.upload(wanted, Source::new(bytes.clone()));
        assert_eq!(result.is_err(), over == 1, "{result:?}");
        assert_eq!(stored(&endless.peer.model) == bytes, over == 0);
        assert_eq!(endless.peer.model.uploads().count(), 0);
    }
}
