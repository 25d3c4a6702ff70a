//! Signed transfers against a server of other people's making: a second judge of our signatures,
//! our XML and our idea of S3.

use sans3_testkit::fixture as common;

use std::io::{Read as _, Write as _};
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use common::{BUCKET, bucket, bytes, key, owned, root, session};
use http::Uri;
use sans3_core::checksum::Algorithm;
use sans3_core::endpoint::ObjectKey;
use sans3_core::error::{Cause, S3Error};
use sans3_core::operation::{
    DeleteObject, GetObject, HeadBucket, HeadObject, ListMultipartUploads, ListObjectsV2,
};
use sans3_core::part::Limits;
use sans3_core::session::CredentialSource;
use sans3_core::sign::Credentials;
use sans3_core::transfer::{Download, Length, Upload, Verified};
use sans3_testkit::s3s::{ACCESS_KEY_ID, S3sServer, SECRET_ACCESS_KEY};
use sans3_tokio::{Client, ClientConfig, Error};
use tokio::io::AsyncWriteExt as _;

/// The least part that this server takes, as S3 does.
const PART: u64 = 5 << 20;

/// Keys that are hard to sign, to encode or to put into XML.
const KEYS: [&str; 12] = [
    "a b",
    " lead",
    "trail ",
    "a&b<c>'\"d\"",
    "ü/é",
    "汉字 🦀",
    "100%",
    "~-_.!*'()",
    "q?x=y#z",
    "k=v;w,x:y@z",
    "semi[1]{2}|\\^`",
    "deep/er/down",
];

#[tokio::test]
async fn one_put_is_stored_and_read_back_by_every_way() {
    let server = server();
    let client = client(&server);
    for len in [0, 1, 65_535, 65_536, 300_000] {
        let content = bytes(len);
        let upload = Upload::new(bucket(), key(), Length::Known(0));
        let uploaded = client.upload_bytes(upload, owned(&content)).await.unwrap();
        assert_eq!((uploaded.size, uploaded.parts), (len, 0));
        let proof = Verified::FullObject(Algorithm::Crc64Nvme);
        assert_eq!(uploaded.verified, proof);
        assert!(stored(&server, &key()) == content);

        let ranged = Download {
            part_size: NonZeroU64::new(65_536),
            ..Download::new(bucket(), key())
        };
        let (found, memory) = client
            .download_to_memory(ranged.clone(), len)
            .await
            .unwrap();
        assert!(memory == content);
        assert_eq!((found.size, found.verified), (len, proof));
        assert_eq!(u64::from(found.parts), len.div_ceil(65_536).max(1));
        assert_eq!(found.etag, uploaded.etag);

        let mut stream = client.download_stream(ranged.clone());
        let mut seen = Vec::new();
        while let Some(piece) = stream.next().await {
            seen.extend_from_slice(&piece.unwrap());
        }
        assert!(seen == content);
        assert_eq!(stream.summary().unwrap().verified, proof);

        let plain = Download {
            size_hint: Some(len),
            ..ranged
        };
        let (found, memory) = client.download_to_memory(plain, len).await.unwrap();
        assert!(memory == content);
        assert_eq!(found.size, len);
    }
    assert!(client.notices().iter().all(|notice| {
        // A range of nothing can't be had.
        matches!(&notice.cause, Cause::S3(error) if error.status == 416)
    }));
}

#[tokio::test]
async fn every_checksum_is_signed_and_checked() {
    let server = server();
    let client = client(&server);
    let content = bytes(100_000);
    for checksum in [
        Algorithm::Crc64Nvme,
        Algorithm::Crc32,
        Algorithm::Crc32c,
        // This one also signs the payload.
        Algorithm::Sha256,
        Algorithm::Md5,
    ] {
        let upload = Upload {
            checksum,
            ..Upload::new(bucket(), key(), Length::Known(0))
        };
        let uploaded = client.upload_bytes(upload, owned(&content)).await.unwrap();
        assert_eq!(uploaded.verified, Verified::FullObject(checksum));
        assert!(stored(&server, &key()) == content);
    }
}

#[tokio::test]
async fn parts_become_one_object() {
    let server = server();
    let client = client(&server);
    let content = bytes(2 * PART + 7);
    let streamed = ObjectKey::new("streamed").unwrap();
    let upload = |key: ObjectKey| Upload {
        part_size: NonZeroU64::new(PART),
        ..Upload::new(bucket(), key, Length::Unknown { equal_parts: true })
    };
    let known = client.upload_bytes(upload(key()), owned(&content));
    let reader = std::io::Cursor::new(content.clone());
    let unknown = client.upload_reader(upload(streamed.clone()), reader);
    for uploaded in [known.await.unwrap(), unknown.await.unwrap()] {
        assert_eq!((uploaded.size, uploaded.parts), (content.len() as u64, 3));
        // Its answers have no checksum of the whole; the entity tag is that of our parts.
        assert_eq!(uploaded.verified, Verified::Length);
        assert!(uploaded.etag.unwrap().unquoted().ends_with("-3"));
    }
    for key in [key(), streamed] {
        assert!(stored(&server, &key) == content);
        let download = Download {
            part_size: NonZeroU64::new(PART),
            ..Download::new(bucket(), key)
        };
        let (found, memory) = client.download_to_memory(download, 1 << 30).await.unwrap();
        assert!(memory == content);
        assert_eq!(found.parts, 3);
    }
    assert!(client.notices().is_empty(), "{:?}", client.notices());
}

#[tokio::test]
async fn odd_keys_are_signed_listed_and_deleted() {
    let server = server();
    let client = client(&server);
    // This server says that it encodes keys in listings and does not, so these two get lost there.
    let unlisted = ["one+one", "%41"];
    for text in KEYS.into_iter().chain(unlisted) {
        let key = ObjectKey::new(text).unwrap();
        let upload = Upload::new(bucket(), key.clone(), Length::Known(0));
        client
            .upload_bytes(upload, owned(text.as_bytes()))
            .await
            .unwrap();
        assert!(stored(&server, &key) == text.as_bytes(), "{text}");
        let (_, memory) = client
            .download_to_memory(Download::new(bucket(), key.clone()), 100)
            .await
            .unwrap();
        assert_eq!(memory, text);
        let head = client.call(HeadObject::new(bucket(), key)).await.unwrap();
        assert_eq!(head.size, text.len() as u64);
    }
    for text in unlisted {
        let key = ObjectKey::new(text).unwrap();
        client.call(DeleteObject::new(bucket(), key)).await.unwrap();
    }
    assert_eq!(listed(&client).await, sorted(&KEYS));

    let prefix = ListObjectsV2 {
        prefix: "deep/".into(),
        delimiter: Some("/".into()),
        ..ListObjectsV2::new(bucket())
    };
    let page = client.call(prefix).await.unwrap();
    assert_eq!(page.prefixes, [b"deep/er/".to_vec()]);
    assert!(page.objects.is_empty());

    for text in KEYS {
        let key = ObjectKey::new(text).unwrap();
        let delete = DeleteObject::new(bucket(), key.clone());
        client.call(delete).await.unwrap();
        let error = client
            .call(HeadObject::new(bucket(), key))
            .await
            .unwrap_err();
        assert_eq!(refusal(&error).status, 404);
    }
    assert!(listed(&client).await.is_empty());
}

#[tokio::test]
async fn metadata_and_conditions_are_kept() {
    let server = server();
    let client = client(&server);
    let mut upload = Upload::new(bucket(), key(), Length::Known(0));
    upload.options = upload
        .options
        .with_content_type("text/x-odd; a=\"b c\"")
        .unwrap();
    upload
        .options
        .metadata
        .insert("colour", "light blue")
        .unwrap();
    upload.options.if_none_match = true;
    let uploaded = client
        .upload_bytes(upload.clone(), owned(b"first"))
        .await
        .unwrap();
    let head = client.call(HeadObject::new(bucket(), key())).await.unwrap();
    assert_eq!(head.etag, uploaded.etag);
    assert_eq!(
        head.metadata.get("colour").map(String::as_str),
        Some("light blue")
    );

    let error = client
        .upload_bytes(upload, owned(b"second"))
        .await
        .unwrap_err();
    assert_eq!(refusal(&error).status, 412);
    assert!(stored(&server, &key()) == b"first");

    let gone = Download {
        if_match: uploaded.etag,
        ..Download::new(bucket(), key())
    };
    client
        .upload_bytes(
            Upload::new(bucket(), key(), Length::Known(0)),
            owned(b"third"),
        )
        .await
        .unwrap();
    let error = client.download_to_memory(gone, 100).await.unwrap_err();
    assert!(
        matches!(root(&error), Cause::ObjectChanged { .. }),
        "{error}"
    );
}

#[tokio::test]
async fn a_presigned_url_is_good_for_whoever_has_it() {
    let server = server();
    let client = client(&server);
    for text in KEYS {
        let key = ObjectKey::new(text).unwrap();
        let upload = Upload::new(bucket(), key.clone(), Length::Known(0));
        client
            .upload_bytes(upload, owned(text.as_bytes()))
            .await
            .unwrap();
        let url = client
            .presign_get(&GetObject::new(bucket(), key), Duration::from_secs(60))
            .await
            .unwrap();
        let (status, body) = fetch(&url);
        assert_eq!((status, body.as_slice()), (200, text.as_bytes()), "{url}");
        let (status, _) = fetch(&url.replace("X-Amz-Expires=60", "X-Amz-Expires=61"));
        assert_eq!(status, 403);
    }
}

#[tokio::test]
async fn a_wrong_secret_is_refused_and_said_so() {
    let server = server();
    let secret = "not-the-testkits-secret";
    for (id, code) in [
        (ACCESS_KEY_ID, "SignatureDoesNotMatch"),
        ("AKIAUNKNOWN", "NotSignedUp"),
    ] {
        let client = client_as(&server, id, secret);
        let upload = Upload::new(bucket(), key(), Length::Known(0));
        let list = client.call(ListObjectsV2::new(bucket())).await;
        let put = client.upload_bytes(upload, owned(b"x")).await;
        for error in [list.unwrap_err(), put.unwrap_err()] {
            let refusal = refusal(&error);
            assert_eq!((refusal.status, refusal.code.as_deref()), (403, Some(code)));
            let text = format!("{error} {error:?}");
            assert!(text.contains(code) && !text.contains(secret), "{text}");
        }
        assert_eq!(client.notices().len(), 2, "not retried");
    }
    assert!(!server.directory().join(BUCKET).join("folder").exists());
}

#[tokio::test]
async fn an_upload_that_is_given_up_leaves_nothing() {
    let server = server();
    let client = client(&server);
    let upload = Upload {
        part_size: NonZeroU64::new(PART),
        ..Upload::new(bucket(), key(), Length::Unknown { equal_parts: true })
    };
    let mut writer = client.upload_writer(upload);
    writer.write_all(&bytes(PART + 1)).await.unwrap();
    common::eventually("a part is stored", || {
        common::names(server.directory())
            .iter()
            .any(|name| name.ends_with(".part-1"))
    })
    .await;
    writer.abort().await.unwrap();
    let left = common::names(server.directory());
    assert_eq!(left, [BUCKET], "not even a part");
    assert!(common::names(&server.directory().join(BUCKET)).is_empty());
}

#[tokio::test]
async fn what_is_missing_is_told_apart() {
    let server = server();
    let client = client(&server);
    let missing = Download::new(bucket(), key());
    let error = client.download_to_memory(missing, 1).await.unwrap_err();
    assert_eq!(
        (refusal(&error).status, refusal(&error).code.as_deref()),
        (404, Some("NoSuchKey"))
    );
    let nowhere = sans3_core::endpoint::BucketName::new("nowhere").unwrap();
    let list = ListObjectsV2::new(nowhere.clone());
    let error = client.call(list).await.unwrap_err();
    assert_eq!(refusal(&error).code.as_deref(), Some("NoSuchBucket"));
    client.call(HeadBucket { bucket: bucket() }).await.unwrap();
    let error = client.call(HeadBucket { bucket: nowhere }).await;
    assert_eq!(refusal(&error.unwrap_err()).status, 404);
    // An operation that it lacks.
    let error = client.call(ListMultipartUploads::new(bucket())).await;
    assert_eq!(refusal(&error.unwrap_err()).status, 501);
}

fn server() -> S3sServer {
    S3sServer::start(&[BUCKET]).unwrap()
}

fn client(server: &S3sServer) -> Client {
    client_as(server, ACCESS_KEY_ID, SECRET_ACCESS_KEY)
}

fn client_as(server: &S3sServer, id: &str, secret: &str) -> Client {
    let mut session = session(&server.endpoint_url());
    let credentials = Credentials::new(id, secret, None).unwrap();
    session.credentials = CredentialSource::Static(Arc::new(credentials));
    session.limits = Limits::default();
    // It may have to wait for the disk.
    session.timeouts.head = Duration::from_secs(20);
    session.timeouts.idle = Duration::from_secs(20);
    Client::new(ClientConfig::new(session)).unwrap()
}

/// What the server has in the file of this key.
fn stored(server: &S3sServer, key: &ObjectKey) -> Vec<u8> {
    let key = std::str::from_utf8(key.as_bytes()).unwrap();
    std::fs::read(server.directory().join(BUCKET).join(key)).unwrap()
}

async fn listed(client: &Client) -> Vec<String> {
    let mut pages = client.list(ListObjectsV2 {
        max_keys: Some(5),
        ..ListObjectsV2::new(bucket())
    });
    let mut keys = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.unwrap();
        assert!(page.objects.len() <= 5);
        for object in page.objects {
            keys.push(String::from_utf8(object.key).unwrap());
        }
    }
    keys
}

fn sorted(keys: &[&str]) -> Vec<String> {
    let mut keys: Vec<String> = keys.iter().map(|&key| key.to_owned()).collect();
    keys.sort_unstable();
    keys
}

fn refusal(error: &Error) -> S3Error {
    match root(error) {
        Cause::S3(error) => *error,
        other => panic!("expected a refusal, got {other}"),
    }
}

/// Fetches a URL with nothing but a socket.
fn fetch(url: &str) -> (u16, Vec<u8>) {
    let uri: Uri = url.parse().unwrap();
    let authority = uri.authority().unwrap();
    let target = uri.path_and_query().unwrap();
    let mut socket = std::net::TcpStream::connect(authority.as_str()).unwrap();
    let request =
        format!("GET {target} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|at| at == b"\r\n\r\n").unwrap();
    let status = std::str::from_utf8(&answer[9..12]).unwrap().parse();
    (status.unwrap(), answer[end + 4..].to_vec())
}
