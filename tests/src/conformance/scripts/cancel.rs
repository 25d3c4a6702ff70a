//! Cancelling at each stage of an exchange.

use std::time::Duration;

use super::{
    Act, BIG, ENDED, MEBIBYTE, New, PAUSE, Same, Script, Silence, answer, big, content, download,
    download_in_one, ended, get, put, put_to, request, send, upload, upload_in,
};
use crate::conformance::{Features, Rule};

/// Nothing that is cancelled may take longer.
const SOON: Duration = Duration::from_secs(4);

pub(super) fn scripts(features: Features) -> Vec<Script> {
    let mut scripts = vec![
        handshake(),
        before_the_head(),
        in_the_body(),
        while_sending(features),
        within_a_part(features),
        while_backing_off(),
    ];
    if features.expect_continue {
        scripts.push(before_continue());
    }
    if cfg!(target_os = "linux") {
        scripts.push(connecting());
    }
    scripts
}

fn cancelled(name: &str) -> Script {
    Script::new(Rule::Abort, name).within(SOON)
}

fn connecting() -> Script {
    let mut script = cancelled("cancelled while it connects");
    script.silent = Some(Silence::Server);
    script.cancelled = true;
    script.work(download(5)).log(0, [ended("cancelled")])
}

fn handshake() -> Script {
    cancelled("cancelled in the TLS handshake")
        .tls()
        .work(download(5))
        .connection([Act::Cancel, Act::Drain])
        .log(1, [ended("cancelled")])
}

fn before_the_head() -> Script {
    cancelled("cancelled while it waits for the head")
        .work(download(5))
        .connection([Act::Head, Act::Cancel, Act::Quiet])
        .log(1, [get(New).note(ENDED), ended("cancelled")])
}

fn in_the_body() -> Script {
    let bytes = content(MEBIBYTE);
    let front = &answer(&bytes)[..MEBIBYTE / 2];
    cancelled("cancelled in the body")
        .work(download_in_one(MEBIBYTE))
        .connection([Act::Head, send(front), Act::Cancel, Act::Quiet])
        .log(1, [get(New).note(ENDED), ended("cancelled")])
}

fn before_continue() -> Script {
    let bytes = big();
    cancelled("cancelled while it waits for 100 Continue")
        .work(upload(&bytes))
        .connection([Act::Head, Act::Cancel, Act::Quiet])
        .log(
            1,
            [
                put(New, &bytes, Features::all())
                    .note(ENDED)
                    .failed("Aborted; given up"),
                ended("cancelled"),
            ],
        )
}

fn while_sending(features: Features) -> Script {
    let bytes = big();
    cancelled("cancelled while it sends")
        .work(upload(&bytes))
        .connection([
            Act::Head,
            Act::Continue,
            Act::Read(1000),
            Act::Cancel,
            PAUSE,
            Act::Fewer(BIG),
        ])
        .log(
            1,
            [
                put(New, &bytes, features)
                    .note("the rest of the body was not sent")
                    .failed("Aborted; given up"),
                ended("cancelled"),
            ],
        )
}

fn within_a_part(features: Features) -> Script {
    const UPLOAD: &str = "uploadId=u";
    let bytes = big();
    let part = &bytes[..BIG - 1];
    let created = "<InitiateMultipartUploadResult><Bucket>bucket</Bucket><Key>key</Key>\
         <UploadId>u</UploadId></InitiateMultipartUploadResult>";
    let created = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{created}",
        created.len()
    );
    let gone = "<Error><Code>NoSuchUpload</Code></Error>";
    let gone = format!(
        "HTTP/1.1 404 Not Found\r\ncontent-length: {}\r\n\r\n{gone}",
        gone.len()
    );
    let create = [
        "content-length: 0",
        "x-amz-checksum-algorithm: CRC64NVME",
        "x-amz-checksum-type: FULL_OBJECT",
    ];
    let target = format!("/bucket/key?partNumber=1&{UPLOAD}");
    cancelled("an upload that is cancelled in a part is aborted on the server")
        .work(upload_in(&bytes, BIG as u64 - 1))
        .connection([
            Act::Head,
            send(created),
            Act::Head,
            Act::Continue,
            Act::Read(1000),
            Act::Cancel,
            PAUSE,
            Act::Fewer(BIG),
        ])
        .connection([
            Act::Head,
            send("HTTP/1.1 204 No Content\r\n\r\n"),
            Act::Head,
            send(gone),
        ])
        .log(
            2,
            [
                request("POST /bucket/key?uploads=", New, &create),
                put_to(&target, Same, part, features).note("the rest of the body was not sent"),
                request(&format!("DELETE /bucket/key?{UPLOAD}"), New, &[]),
                request(&format!("GET /bucket/key?{UPLOAD}"), Same, &[]),
                ended("cancelled"),
            ],
        )
}

fn while_backing_off() -> Script {
    let busy = "HTTP/1.1 503 Slow Down\r\nx-amz-retry-after: 20000\r\ncontent-length: 0\r\n\r\n";
    cancelled("cancelled while it waits to try again")
        .attempts(2)
        .work(download(5))
        .connection([Act::Head, send(busy), Act::Quiet, Act::Cancel])
        .log(
            1,
            [
                get(New).note(ENDED).failed("503; sent again"),
                ended("cancelled"),
            ],
        )
}
