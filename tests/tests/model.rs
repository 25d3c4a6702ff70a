//! The model as a client sees it: one test per rule of S3 that clients trip over.

use std::fmt::Write as _;

use http::Method;
use sans3_testkit::model::digest::{Algorithm, hex, md5};
use sans3_testkit::model::{
    Access, ChecksumKind, Etags, Limits, Model, ModelConfig, Quirks, Request, Response, Route,
    synthetic,
};

fn model() -> Model {
    let limits = Limits {
        min_part: 5,
        page: 3,
        ..Limits::default()
    };
    let mut model = Model::new(ModelConfig {
        limits,
        ..ModelConfig::default()
    });
    model.create_bucket("bucket");
    model
}

fn request(method: Method, target: &str) -> Request {
    Request::new(method, target.to_owned())
}

fn get(target: &str) -> Request {
    request(Method::GET, target)
}

fn put(target: &str, body: &str) -> Request {
    request(Method::PUT, target).body(body.to_owned())
}

fn text(response: &Response) -> String {
    String::from_utf8(response.body.to_vec()).unwrap()
}

/// All texts of an element.
fn elements(response: &Response, name: &str) -> Vec<String> {
    let document = text(response);
    let (start, end) = (format!("<{name}>"), format!("</{name}>"));
    document
        .split(&start)
        .skip(1)
        .filter_map(|piece| piece.split_once(&end))
        .map(|(text, _)| text.to_owned())
        .collect()
}

fn code(response: &Response) -> (u16, String) {
    let code = elements(response, "Code").pop().unwrap_or_default();
    (response.status.as_u16(), code)
}

fn refused(status: u16, name: &str) -> (u16, String) {
    (status, name.to_owned())
}

struct Multipart {
    model: Model,
    id: String,
}

impl Multipart {
    fn new(headers: &[(&str, &str)]) -> Self {
        let mut model = model();
        let mut create = request(Method::POST, "/bucket/key?uploads");
        for (name, value) in headers {
            create = create.header(name, value);
        }
        let answer = model.handle(create);
        let id = elements(&answer, "UploadId").pop().unwrap();
        Self { model, id }
    }

    fn part(&mut self, number: u32, body: &str) -> Response {
        let target = format!("/bucket/key?partNumber={number}&uploadId={}", self.id);
        self.model.handle(put(&target, body))
    }

    fn complete(&mut self, parts: &[(u32, &str, &str)], headers: &[(&str, &str)]) -> Response {
        let mut list = String::from("<CompleteMultipartUpload>");
        for (number, etag, more) in parts {
            let etag = etag.replace('"', "&quot;");
            write!(
                list,
                "<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag>{more}</Part>"
            )
            .unwrap();
        }
        list.push_str("</CompleteMultipartUpload>");
        let target = format!("/bucket/key?uploadId={}", self.id);
        let mut complete = request(Method::POST, &target).body(list);
        for (name, value) in headers {
            complete = complete.header(name, value);
        }
        self.model.handle(complete)
    }

    /// Two parts, with their entity tags.
    fn filled(headers: &[(&str, &str)]) -> (Self, String, String) {
        let mut upload = Self::new(headers);
        let first = upload.part(1, "12345").header("etag").unwrap().to_owned();
        let second = upload.part(4, "678").header("etag").unwrap().to_owned();
        (upload, first, second)
    }
}

#[test]
fn an_object_comes_back_with_its_headers() {
    let mut model = model();
    let etag = format!("\"{}\"", hex(&md5(&["hello".into()])));
    let answer = model.handle(put("/bucket/a%2Fb%20c", "hello").header("x-amz-meta-name", "value"));
    assert_eq!(answer.header("etag"), Some(etag.as_str()));
    let answer = model.handle(get("/bucket/a/b%20c"));
    assert_eq!(text(&answer), "hello");
    assert_eq!(answer.header("x-amz-meta-name"), Some("value"));
    assert_eq!(answer.header("content-type"), Some("binary/octet-stream"));
    assert_eq!(answer.header("content-length"), Some("5"));
    assert_eq!(answer.header("x-amz-checksum-crc64nvme"), None);
    let head = model
        .handle(request(Method::HEAD, "/bucket/a/b%20c").header("x-amz-checksum-mode", "ENABLED"));
    assert_eq!(
        (head.header("content-length"), head.body.len()),
        (Some("5"), 0)
    );
    assert_eq!(head.header("x-amz-checksum-type"), Some("FULL_OBJECT"));
    let crc = Algorithm::Crc64Nvme.digest(&["hello".into()]).base64();
    assert_eq!(head.header("x-amz-checksum-crc64nvme"), Some(crc.as_str()));
}

#[test]
fn an_object_that_is_put_without_a_request_has_the_checksum_that_was_asked_for() {
    let mut model = model();
    for algorithm in Algorithm::ALL {
        let etag = model.put_hashed("bucket", "key", "hello", algorithm);
        let object = model.object("bucket", "key").unwrap();
        let checksum = object.checksum.as_ref().unwrap();
        assert_eq!(checksum.value, algorithm.digest(&["hello".into()]));
        let stored = model.handle(put("/bucket/other", "hello"));
        assert_eq!(stored.header("etag"), Some(etag.as_str()));
    }
}

#[test]
fn a_route_that_is_known_is_taken_as_it_is() {
    let mut model = model();
    model.handle(put("/bucket/key", "hello"));
    let prepared = || get("/bucket/key").prepare(ModelConfig::default().hashes());
    let route = Route::parse(&Method::GET, b"/bucket/key", None, None);
    let answer = model.handle_routed(prepared(), route.as_ref());
    assert_eq!(text(&answer), "hello");
    let answer = model.handle_routed(prepared(), None);
    assert_eq!(code(&answer), refused(400, "InvalidURI"));
}

#[test]
fn ranges_carry_no_checksum_and_an_impossible_one_says_the_size() {
    let mut model = model();
    model.put("bucket", "key", "0123456789");
    model.put("bucket", "empty", "");
    let ranged = |key: &str, range: &str| {
        get(&format!("/bucket/{key}"))
            .header("range", range)
            .header("x-amz-checksum-mode", "ENABLED")
    };
    let answer = model.handle(ranged("key", "bytes=7-20"));
    assert_eq!((answer.status.as_u16(), text(&answer)), (206, "789".into()));
    assert_eq!(answer.header("content-range"), Some("bytes 7-9/10"));
    assert_eq!(answer.header("x-amz-checksum-crc64nvme"), None);
    for (key, range, size) in [("key", "bytes=10-", 10), ("empty", "bytes=0-9", 0)] {
        let answer = model.handle(ranged(key, range));
        assert_eq!(code(&answer), refused(416, "InvalidRange"));
        let unsatisfied = format!("bytes */{size}");
        assert_eq!(answer.header("content-range"), Some(unsatisfied.as_str()));
    }
}

#[test]
fn conditions_pin_a_version() {
    let mut model = model();
    let first = model.put("bucket", "key", "one");
    let old = model.object("bucket", "key").unwrap().version_id.clone();
    let second = model.put("bucket", "key", "two");
    assert_ne!(first, second);
    let stale = model.handle(get("/bucket/key").header("if-match", &first));
    assert_eq!(code(&stale), refused(412, "PreconditionFailed"));
    let fresh = model.handle(get("/bucket/key").header("if-match", &second));
    assert_eq!(text(&fresh), "two");
    let unchanged = model.handle(get("/bucket/key").header("if-none-match", &second));
    assert_eq!((unchanged.status.as_u16(), unchanged.body.len()), (304, 0));
    let versioned = model.handle(get(&format!("/bucket/key?versionId={old}")));
    assert_eq!(text(&versioned), "one");
    assert_eq!(versioned.header("x-amz-version-id"), Some(old.as_str()));

    let create = model.handle(put("/bucket/key", "three").header("if-none-match", "*"));
    assert_eq!(code(&create), refused(412, "PreconditionFailed"));
    let missing = model.handle(put("/bucket/other", "x").header("if-match", &first));
    assert_eq!(code(&missing), refused(404, "NoSuchKey"));
    let update = model.handle(put("/bucket/key", "three").header("if-match", &second));
    assert_eq!(update.status, 200);
    assert_eq!(model.versions("bucket", "key").len(), 3);
}

#[test]
fn a_deleted_object_is_gone_and_its_versions_stay() {
    let mut model = model();
    model.put("bucket", "key", "one");
    let answer = model.handle(request(Method::DELETE, "/bucket/key"));
    assert_eq!(answer.status, 204);
    let gone = model.handle(get("/bucket/key"));
    assert_eq!(code(&gone), refused(404, "NoSuchKey"));
    assert_eq!(gone.header("x-amz-delete-marker"), Some("true"));
    assert_eq!(model.versions("bucket", "key").len(), 1);
    assert_eq!(model.keys("bucket"), Vec::<&str>::new());
    let again = model.handle(request(Method::DELETE, "/bucket/never-there"));
    assert_eq!(again.status, 204);
}

#[test]
fn every_declared_checksum_is_compared() {
    let mut model = model();
    for algorithm in Algorithm::ALL {
        let right = algorithm.digest(&["hello".into()]).base64();
        let wrong = algorithm.digest(&["hellp".into()]).base64();
        let send = |value: &str| put("/bucket/key", "hello").header(algorithm.header(), value);
        let answer = model.handle(send(&right));
        assert_eq!(answer.header(algorithm.header()), Some(right.as_str()));
        assert_eq!(code(&model.handle(send(&wrong))), refused(400, "BadDigest"));
        let malformed = code(&model.handle(send("AAAA")));
        assert_eq!(malformed, refused(400, "InvalidRequest"));
    }
    let headers = [
        ("content-md5", "XUFAKrxLKna5cZ2REBfFkg==", 200, ""),
        (
            "content-md5",
            "XUFAKrxLKna5cZ2REBfFkh==",
            400,
            "InvalidDigest",
        ),
        ("content-md5", "XUFAKrxLKna5cZ2REBfFkw==", 400, "BadDigest"),
        (
            "x-amz-content-sha256",
            &"0".repeat(64),
            400,
            "XAmzContentSHA256Mismatch",
        ),
        (
            "x-amz-sdk-checksum-algorithm",
            "CRC32",
            400,
            "InvalidRequest",
        ),
    ];
    for (name, value, status, expected) in headers {
        let answer = model.handle(put("/bucket/key", "hello").header(name, value));
        assert_eq!(code(&answer), refused(status, expected), "{name}");
    }
    let short = put("/bucket/key", "hello");
    let mut cut = short;
    cut.body = vec!["hell".into()];
    assert_eq!(code(&model.handle(cut)), refused(400, "IncompleteBody"));
}

#[test]
fn a_trailer_is_decoded_and_verified() {
    let mut model = model();
    let send = |body: &str| {
        put("/bucket/key", body)
            .header("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
            .header("content-encoding", "aws-chunked")
            .header("x-amz-decoded-content-length", "5")
            .header("x-amz-trailer", "x-amz-checksum-crc32")
    };
    let good = "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n";
    assert_eq!(model.handle(send(good)).status, 200);
    assert_eq!(text(&model.handle(get("/bucket/key"))), "hello");
    assert_eq!(
        model.handle(get("/bucket/key")).header("content-encoding"),
        None
    );
    for (body, expected) in [
        (
            "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n",
            "BadDigest",
        ),
        ("5\r\nhello\r\n0\r\n\r\n", "MalformedTrailerError"),
        (
            "4\r\nhell\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n",
            "IncompleteBody",
        ),
        ("5\r\nhello\r\n", "IncompleteBody"),
    ] {
        let answer = model.handle(send(body));
        assert_eq!(code(&answer), refused(400, expected));
    }
}

#[test]
fn a_multipart_upload_becomes_one_object() {
    let (mut upload, first, second) = Multipart::filled(&[("x-amz-meta-a", "b")]);
    let whole = Algorithm::Crc64Nvme.digest(&["12345678".into()]).base64();
    let answer = upload.complete(
        &[(1, &first, ""), (4, &second, "")],
        &[
            ("x-amz-checksum-crc64nvme", &whole),
            ("x-amz-checksum-type", "FULL_OBJECT"),
            ("x-amz-mp-object-size", "8"),
        ],
    );
    assert_eq!(answer.status, 200, "{}", text(&answer));
    assert_eq!(elements(&answer, "ChecksumCRC64NVME")[0], whole);
    let object = upload.model.object("bucket", "key").unwrap();
    assert_eq!(object.data.to_vec(), b"12345678");
    assert_eq!(object.headers["x-amz-meta-a"], "b");
    assert_eq!(object.checksum.as_ref().unwrap().value.base64(), whole);
    let tags = [md5(&["12345".into()]), md5(&["678".into()])].concat();
    assert_eq!(object.etag, format!("\"{}-2\"", hex(&md5(&[tags.into()]))));
    let part = upload.model.handle(get("/bucket/key?partNumber=2"));
    assert_eq!((part.status.as_u16(), text(&part)), (206, "678".into()));
    assert_eq!(part.header("x-amz-mp-parts-count"), Some("2"));
    let replayed = upload.complete(&[(1, &first, ""), (4, &second, "")], &[]);
    assert_eq!(code(&replayed), refused(404, "NoSuchUpload"));
}

#[test]
fn a_complete_that_does_not_fit_is_refused_and_changes_nothing() {
    let (mut upload, first, second) = Multipart::filled(&[]);
    let tiny = upload.part(2, "abc").header("etag").unwrap().to_owned();
    let right: &[(u32, &str, &str)] = &[(1, &first, ""), (4, &second, "")];
    let wrong_sum = [("x-amz-checksum-crc64nvme", "AAAAAAAAAAA=")];
    let other_sum = [("x-amz-checksum-crc32", "AAAAAA==")];
    let wrong_part = "<ChecksumCRC64NVME>AAAAAAAAAAA=</ChecksumCRC64NVME>";
    type Case<'a> = (
        &'a [(u32, &'a str, &'a str)],
        &'a [(&'a str, &'a str)],
        &'a str,
    );
    let cases: &[Case<'_>] = &[
        (&[], &[], "MalformedXML"),
        (
            &[(4, &second, ""), (1, &first, "")],
            &[],
            "InvalidPartOrder",
        ),
        (&[(1, &first, ""), (1, &first, "")], &[], "InvalidPartOrder"),
        (&[(1, &second, "")], &[], "InvalidPart"),
        (&[(3, &second, "")], &[], "InvalidPart"),
        (&[(1, &first, wrong_part)], &[], "InvalidPart"),
        (
            &[(1, &first, ""), (2, &tiny, ""), (4, &second, "")],
            &[],
            "EntityTooSmall",
        ),
        (right, &[("x-amz-mp-object-size", "9")], "InvalidRequest"),
        (right, &wrong_sum, "BadDigest"),
        (right, &other_sum, "InvalidRequest"),
        (
            right,
            &[("x-amz-checksum-type", "COMPOSITE")],
            "InvalidRequest",
        ),
    ];
    for (parts, headers, expected) in cases {
        let answer = upload.complete(parts, headers);
        assert_eq!(code(&answer), refused(400, expected));
    }
    upload.model.put("bucket", "key", "there");
    let exists = upload.complete(right, &[("if-none-match", "*")]);
    assert_eq!(code(&exists), refused(412, "PreconditionFailed"));
    assert_eq!(upload.model.uploads().count(), 1);
    assert_eq!(upload.complete(right, &[]).status, 200);
    assert_eq!(upload.model.uploads().count(), 0);
}

#[test]
fn checksums_of_parts_become_the_one_that_was_declared() {
    for (name, kind, composite) in [
        ("CRC64NVME", None, false),
        ("CRC32", Some("FULL_OBJECT"), false),
        ("CRC32C", None, true),
        ("SHA256", Some("COMPOSITE"), true),
    ] {
        let algorithm = Algorithm::parse(name).unwrap();
        let mut headers = vec![("x-amz-checksum-algorithm", name)];
        headers.extend(kind.map(|kind| ("x-amz-checksum-type", kind)));
        let (mut upload, first, second) = Multipart::filled(&headers);
        let sums = ["12345", "678"].map(|part| algorithm.digest(&[part.into()]));
        let [one, two] =
            sums.map(|sum| format!("<Checksum{name}>{}</Checksum{name}>", sum.base64()));
        if composite {
            let bare = upload.complete(&[(1, &first, ""), (4, &second, "")], &[]);
            assert_eq!(code(&bare), refused(400, "InvalidRequest"));
        }
        let answer = upload.complete(&[(1, &first, &one), (4, &second, &two)], &[]);
        assert_eq!(answer.status, 200, "{}", text(&answer));
        let stored = upload
            .model
            .object("bucket", "key")
            .unwrap()
            .checksum
            .clone();
        let stored = stored.unwrap();
        if composite {
            let all = [sums[0].as_bytes(), sums[1].as_bytes()].concat();
            assert_eq!(stored.value, algorithm.digest(&[all.into()]));
            assert_eq!(stored.kind, ChecksumKind::Composite(2));
            assert!(stored.text().ends_with("-2"));
        } else {
            assert_eq!(stored.value, algorithm.digest(&["12345678".into()]));
        }
    }
    let mut model = model();
    let mismatch = request(Method::POST, "/bucket/key?uploads")
        .header("x-amz-checksum-algorithm", "CRC64NVME")
        .header("x-amz-checksum-type", "COMPOSITE");
    assert_eq!(
        code(&model.handle(mismatch)),
        refused(400, "InvalidRequest")
    );
}

#[test]
fn parts_are_judged_one_by_one() {
    let mut upload = Multipart::new(&[("x-amz-checksum-algorithm", "CRC32C")]);
    for number in [0, 10_001] {
        let answer = upload.part(number, "12345");
        assert_eq!(code(&answer), refused(400, "InvalidArgument"));
    }
    let target = format!("/bucket/key?partNumber=1&uploadId={}", upload.id);
    let crc32 = Algorithm::Crc32.digest(&["12345".into()]).base64();
    let other = put(&target, "12345").header("x-amz-checksum-crc32", &crc32);
    assert_eq!(
        code(&upload.model.handle(other)),
        refused(400, "InvalidRequest")
    );
    let elsewhere = put(&target.replace("key", "other"), "12345");
    assert_eq!(
        code(&upload.model.handle(elsewhere)),
        refused(404, "NoSuchUpload")
    );
    // The last one stored counts.
    upload.part(1, "first");
    upload.part(1, "again");
    let open = upload.model.uploads().next().unwrap();
    assert_eq!(open.parts[&1].data.to_vec(), b"again");
    let target = format!("/bucket/key?uploadId={}", upload.id);
    for status in [204, 404] {
        let abort = upload.model.handle(request(Method::DELETE, &target));
        assert_eq!(abort.status, status);
    }
}

#[test]
fn parts_are_listed_page_by_page() {
    let mut upload = Multipart::new(&[]);
    for number in [2, 3, 5, 8] {
        upload.part(number, "12345");
    }
    let mut seen = Vec::new();
    let mut marker = String::new();
    loop {
        let target = format!(
            "/bucket/key?uploadId={}&part-number-marker={marker}",
            upload.id
        );
        let target = target.trim_end_matches("&part-number-marker=").to_owned();
        let page = upload.model.handle(get(&target));
        seen.extend(elements(&page, "PartNumber"));
        match elements(&page, "NextPartNumberMarker").pop() {
            Some(next) => marker = next,
            None => break,
        }
    }
    assert_eq!(seen, ["2", "3", "5", "8"]);
}

#[test]
fn keys_are_listed_page_by_page() {
    let mut model = model();
    for key in ["a", "a b", "b/1", "b/2", "b/3", "c/1", "d", "e+", "é"] {
        model.put("bucket", key, "x");
    }
    let mut list = |query: &str, follow: bool| {
        let mut seen = Vec::new();
        let mut token = String::new();
        loop {
            let target = format!("/bucket?list-type=2{query}{token}");
            let page = model.handle(get(&target));
            assert_eq!(page.status, 200, "{}", text(&page));
            seen.extend(elements(&page, "Key"));
            let prefixes = elements(&page, "CommonPrefixes");
            seen.extend(prefixes.iter().map(|xml| {
                let inner = xml.trim_start_matches("<Prefix>");
                inner.trim_end_matches("</Prefix>").to_owned()
            }));
            match elements(&page, "NextContinuationToken").pop() {
                Some(next) if follow => token = format!("&continuation-token={next}"),
                _ => break,
            }
        }
        seen.sort();
        seen
    };
    let all = ["a", "a b", "b/1", "b/2", "b/3", "c/1", "d", "e+", "é"];
    assert_eq!(list("", true), all);
    assert_eq!(
        list("&delimiter=/", true),
        ["a", "a b", "b/", "c/", "d", "e+", "é"]
    );
    assert_eq!(
        list("&delimiter=/&max-keys=1", true),
        ["a", "a b", "b/", "c/", "d", "e+", "é"]
    );
    assert_eq!(list("&prefix=b%2F", true), ["b/1", "b/2", "b/3"]);
    assert_eq!(list("&start-after=c", true), ["c/1", "d", "e+", "é"]);
    assert_eq!(list("&max-keys=2", false), ["a", "a b"]);
    assert_eq!(list("&max-keys=0", true), Vec::<String>::new());
    assert_eq!(
        list("&encoding-type=url&start-after=d", true),
        ["%C3%A9", "e%2B"]
    );
    let bad = model.handle(get("/bucket?list-type=2&max-keys=-1"));
    assert_eq!(code(&bad), refused(400, "InvalidArgument"));
    let bad = model.handle(get("/bucket?list-type=2&continuation-token=x"));
    assert_eq!(code(&bad), refused(400, "InvalidArgument"));
}

#[test]
fn uploads_are_listed_page_by_page_with_both_markers() {
    let mut model = model();
    for key in ["b", "a", "b", "b", "c", "b", "a"] {
        model.handle(request(Method::POST, &format!("/bucket/{key}?uploads")));
    }
    let mut seen = Vec::new();
    let mut markers = String::new();
    loop {
        let page = model.handle(get(&format!("/bucket?uploads&{markers}")));
        let keys = elements(&page, "Key");
        seen.extend(keys.into_iter().zip(elements(&page, "UploadId")));
        let key = elements(&page, "NextKeyMarker").pop();
        let id = elements(&page, "NextUploadIdMarker").pop();
        match key.zip(id) {
            Some((key, id)) => markers = format!("key-marker={key}&upload-id-marker={id}"),
            None => break,
        }
    }
    let keys: Vec<&str> = seen.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, ["a", "a", "b", "b", "b", "b", "c"]);
    seen.dedup();
    assert_eq!(seen.len(), 7);
}

#[test]
fn refusals_are_documents_except_in_answers_to_head() {
    let mut model = model();
    let missing = model.handle(get("/bucket/a%3Cb"));
    assert_eq!(code(&missing), refused(404, "NoSuchKey"));
    assert_eq!(elements(&missing, "Resource"), ["/bucket/a%3Cb"]);
    let id = missing.header("x-amz-request-id").unwrap();
    assert_eq!(elements(&missing, "RequestId"), [id]);
    let head = model.handle(request(Method::HEAD, "/bucket/none"));
    assert_eq!((head.status.as_u16(), head.body.len()), (404, 0));
    let bucket = model.handle(get("/nowhere/key"));
    assert_eq!(code(&bucket), refused(404, "NoSuchBucket"));
    let unknown = model.handle(get("/bucket/key?acl"));
    assert_eq!(code(&unknown), refused(501, "NotImplemented"));
    let long = model.handle(get(&format!("/bucket/{}", "k".repeat(1_025))));
    assert_eq!(code(&long), refused(400, "KeyTooLongError"));
}

#[test]
fn the_same_requests_always_get_the_same_answers() {
    let run = || {
        let (mut upload, first, second) = Multipart::filled(&[]);
        let done = upload.complete(&[(1, &first, ""), (4, &second, "")], &[]);
        format!("{done:?} {}", upload.id)
    };
    assert_eq!(run(), run());
}

#[test]
fn entity_tags_look_as_they_are_told_to() {
    let tag = |etags| {
        let mut model = Model::new(ModelConfig {
            etags,
            ..ModelConfig::default()
        });
        model.put("bucket", "key", "x")
    };
    let is_md5 = |tag: &str| {
        let inner = tag.trim_matches('"');
        inner.len() == 32 && inner.bytes().all(|b| b.is_ascii_hexdigit())
    };
    assert!(is_md5(&tag(Etags::Md5)) && is_md5(&tag(Etags::LikeMd5)));
    assert_ne!(tag(Etags::Md5), tag(Etags::LikeMd5));
    assert!(!is_md5(&tag(Etags::Opaque)));
}

#[test]
fn the_largest_object_costs_no_memory() {
    let mut model = model();
    let len = 50 << 40;
    model.put_synthetic("bucket", "huge", len);
    let start = len - 1_000_000;
    let range = format!("bytes={start}-");
    let answer = model.handle(get("/bucket/huge").header("range", &range));
    assert!(synthetic::matches(start, &answer.body.to_vec()));
    assert_eq!(answer.body.len(), 1_000_000);
    let stored = model.object("bucket", "huge").unwrap().checksum.clone();
    let expected = synthetic::checksum(Algorithm::Crc64Nvme, len);
    assert_eq!(stored.unwrap().value, expected);
}

#[test]
fn quirks_change_what_they_name() {
    let answer = |quirks, request: Request| {
        let mut model = Model::new(ModelConfig {
            quirks,
            ..ModelConfig::default()
        });
        model.put("bucket", "a b", "0123456789");
        model.handle(request)
    };
    let off = Quirks::default();
    let ranged = |range| {
        let request = get("/bucket/a%20b").header("if-match", "\"other\"");
        let quirks = Quirks {
            ignores_if_match: true,
            ..off
        };
        (quirks, request.header("range", range))
    };
    let (quirks, request) = ranged("bytes=2-3");
    assert_eq!(answer(off, request.clone()).status, 412);
    assert_eq!(text(&answer(quirks, request.clone())), "23");
    let whole = Quirks {
        ignores_range: true,
        ..quirks
    };
    assert_eq!(text(&answer(whole, request.clone())), "0123456789");
    let odd = Quirks {
        ranges_with_200: true,
        ..quirks
    };
    let seen = answer(odd, request);
    assert_eq!((seen.status.as_u16(), text(&seen)), (200, "23".into()));
    assert_eq!(seen.header("content-range"), Some("bytes 2-3/10"));
    let (quirks, request) = ranged("bytes=10-");
    let bare = Quirks {
        bare_416: true,
        no_request_ids: true,
        ..quirks
    };
    let seen = answer(bare, request);
    assert_eq!(code(&seen), refused(416, "InvalidRange"));
    assert_eq!(seen.header("content-range"), None);
    assert_eq!(seen.header("x-amz-request-id"), None);
    let list = get("/bucket?list-type=2&encoding-type=url");
    let odd = Quirks {
        lists_unquoted_etags: true,
        lists_unencoded_keys: true,
        ..off
    };
    assert_eq!(elements(&answer(off, list.clone()), "Key"), ["a+b"]);
    let seen = answer(odd, list);
    assert_eq!(elements(&seen, "Key"), ["a b"]);
    assert!(!elements(&seen, "ETag")[0].contains("quot"));
}

#[test]
fn a_key_can_expire_midway() {
    let mut model = Model::new(ModelConfig {
        access: Access::key(
            "AKIAIOSFODNN7EXAMPLE",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        ),
        virtual_host_suffix: Some("s3.amazonaws.com".into()),
        ..ModelConfig::default()
    });
    model.set_time(1_369_353_600);
    model.put("examplebucket", "test.txt", "0123456789abc");
    // The documented example of a presigned URL, which also addresses its bucket by host.
    let url = "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256\
        &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request\
        &X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
        &X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
    let request = get(url).header("host", "examplebucket.s3.amazonaws.com");
    assert_eq!(text(&model.handle(request.clone())), "0123456789abc");
    assert!(model.set_expired("AKIAIOSFODNN7EXAMPLE", true));
    let answer = model.handle(request);
    assert_eq!(code(&answer), refused(400, "ExpiredToken"));
}
