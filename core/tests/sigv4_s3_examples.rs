//! The signing examples of the S3 API reference ("Authenticating requests (AWS Signature Version
//! 4)"), and the answers of two other signers, botocore 1.44.5 and aws-c-auth (awscrt 0.38.1),
//! which agreed with each other on every header-signed request here.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use sans3_core::endpoint::{
    AddressingStyle, BucketName, Endpoint, ObjectKey, Region, decode_query,
};
use sans3_core::request::{Query, Unsigned};
use sans3_core::sign::sigv4::{CanonicalRequest, Scope, SigningKey};
use sans3_core::sign::{Credentials, PayloadHash, RequestHeaders, Signer};
use sans3_core::time::UnixTime;
use sha2::{Digest, Sha256};

const KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

#[test]
fn get_with_a_range() {
    let request = sign(example(Method::GET, Some("test.txt")).header("range", "bytes=0-9"));
    let uri = "https://examplebucket.s3.amazonaws.com/test.txt";
    assert_eq!(request.uri().to_string(), uri);
    assert_eq!(
        request.headers()["authorization"].to_str().unwrap(),
        concat!(
            "AWS4-HMAC-SHA256 ",
            "Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, ",
            "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, ",
            "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
        )
    );
}

#[test]
fn put_with_a_body() {
    let put = example(Method::PUT, Some("test$file.text"))
        .header("date", "Fri, 24 May 2013 00:00:00 GMT")
        .header("x-amz-storage-class", "REDUCED_REDUNDANCY");
    let payload = PayloadHash::of(b"Welcome to Amazon S3.");
    let request = signer(None).sign(&put.0, &payload, now()).unwrap();
    assert_eq!(request.uri().path(), "/test%24file.text");
    assert_eq!(
        signature(&request),
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"
    );
}

#[test]
fn get_of_a_subresource() {
    let request = sign(example(Method::GET, None).query("lifecycle", ""));
    assert_eq!(request.uri().query(), Some("lifecycle="));
    assert_eq!(
        signature(&request),
        "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"
    );
}

#[test]
fn get_of_a_listing() {
    let listing = example(Method::GET, None);
    let request = sign(listing.query("prefix", "J").query("max-keys", "2"));
    assert_eq!(
        signature(&request),
        "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
    );
}

#[test]
fn presigned_get() {
    let get = example(Method::GET, Some("test.txt"));
    let day = Duration::from_secs(86_400);
    assert_eq!(
        signer(None).presign(&get.0, day, now()).unwrap(),
        concat!(
            "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256",
            "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request",
            "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host",
            "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
        )
    );
}

#[test]
fn canonical_requests() {
    let hash = |method, target, headers: &[_], payload: &PayloadHash| {
        let host = ("host", "examplebucket.s3.amazonaws.com");
        let headers = [&[host], headers].concat();
        let request = canonical(method, target, &headers, &payload.text());
        hex(&Sha256::digest(request.text()))
    };
    let range = ("range", "bytes=0-9");
    assert_eq!(
        hash(Method::GET, "/test.txt", &[range], &PayloadHash::EMPTY),
        "7344ae5b7ee6c3e7e6b0fe0640412a37625d1fbfff95c48bbb2dc43964946972"
    );
    let put = [
        ("date", "Fri, 24 May 2013 00:00:00 GMT"),
        ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
    ];
    let payload = PayloadHash::of(b"Welcome to Amazon S3.");
    assert_eq!(
        hash(Method::PUT, "/test%24file.text", &put, &payload),
        "9e0e90d9c76de8fa5b200d8c849cd5b8dc7a3be3951ddb7f6a76b4158342019d"
    );
    assert_eq!(
        hash(Method::GET, "/?lifecycle=", &[], &PayloadHash::EMPTY),
        "9766c798316ff2757b517bc739a67f6213b4ab36dd5da2f94eaebf79c77395ca"
    );
    assert_eq!(
        hash(
            Method::GET,
            "/?max-keys=2&prefix=J",
            &[],
            &PayloadHash::EMPTY
        ),
        "df57d21db20da04d7fa30298dd4488ba3a2b47ca3a489c74750e0f1e7df1b9b7"
    );
}

/// The first signatures of uploads in signed chunks. This crate doesn't send such bodies, but the
/// seed is a signature like any other.
#[test]
fn seeds_of_signed_chunks() {
    let common = [
        ("host", "s3.amazonaws.com"),
        ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
        ("content-encoding", "aws-chunked"),
        ("x-amz-decoded-content-length", "66560"),
    ];
    for (payload, header, hash, seed) in [
        (
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
            ("content-length", "66824"),
            "cee3fed04b70f867d036f722359b0b1f2f0e5dc0efadbc082b76c4c60e316455",
            "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
        ),
        (
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
            ("x-amz-trailer", "x-amz-checksum-crc32c"),
            "44d48b8c2f70eae815a0198cc73d7a546a73a93359c070abbaa5e6c7de112559",
            "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
        ),
    ] {
        let headers = [&common[..], &[header]].concat();
        let target = "/examplebucket/chunkObject.txt";
        let request = canonical(Method::PUT, target, &headers, payload);
        assert_eq!(hex(&Sha256::digest(request.text())), hash);

        let credentials = Credentials::new(KEY_ID, SECRET, None).unwrap();
        let scope = Scope::new(now(), &region(), "s3");
        let key = SigningKey::derive(&credentials, &scope);
        assert_eq!(key.sign(&scope.string_to_sign(&request)), seed);
    }
}

const ODD_KEYS: [(&[u8], &str); 19] = [
    (
        b"a/../b",
        "763f553632836a1e0c2451341c79d4d1af144da75ee391b95f00cc8293ef7891",
    ),
    (
        b"//x",
        "21489227281ba05aa02a349864c9bee4bdfde1a42ed2d5a950cdd5ff37a5e800",
    ),
    (
        b"/x",
        "578561b1c4d0abc9af938d4c99ae7952ef200a99e70a45fa4da2d93f442d74a9",
    ),
    (
        b".",
        "1eac630463b37277b0bf929fa3b4f7571f54c4b5adf6795fe8371abb42fc0819",
    ),
    (
        b"..",
        "1ae8ec23daba6e313ff5ec2b7dcf77d287c18f96b89e128fc628c48a9da0bfc3",
    ),
    (
        b"%25",
        "325437c3059d4ccb96dd047e4a506d17523545e4248b5aa4c1b04b65dc4440ee",
    ),
    (
        b"+",
        "65f6f6cfac8bc2f587ee6683e3aa9a1a646337fd7debffb9a3ef9081c7cf3c68",
    ),
    (
        b" lead and trail ",
        "272c5640b2835d78713c28222d525fef9c9735d09df148ecdbad52fe77ee61a7",
    ),
    (
        b"a&b<c'd\"",
        "57fdbc5796bb3778295363ef8e467feb7634aef4cb1890f8f5e40d48e1ef57d8",
    ),
    (
        b"\r\n\t\x01",
        "2480e40283fe15f02c4e2982947179fb904b6a4158e1259bae68981c036cbc2a",
    ),
    (
        "\u{fffe}".as_bytes(),
        "56f20bf1815c9e5ced493d1cb10caf6818d0c46822f932e503607faee8eaa6fa",
    ),
    (
        b"\xff\xfe",
        "ebbd1dcd0f75540dc79b3822890a6fd03d1fc91d549f76f04f1527441b485bec",
    ),
    (
        "\u{1f980}".as_bytes(),
        "e4a0b9a2755685bee4d3bbbdf780820813f907fbff7b5f5730a88fa1fc4673c7",
    ),
    (
        "é".as_bytes(),
        "4d6fc4f9845c6d616619ca611d934a8386b68efd08d4691260d31829e09a5638",
    ),
    (
        b"a?b#c",
        "a845dc0c648c7b59dea65126bc4a5ae1231a606970294f6586653eb3c0537740",
    ),
    (
        b"a//",
        "10b365f41c76384de0805441b1ba25cc07abf1828f4247eeba9d7bed5ad6a299",
    ),
    (
        b"*!'();:@$,[]",
        "0939b651d67ecbc9230aa817f04332e12d5b23ac23ee4b10c7c4909ffa018db2",
    ),
    (
        b"a\\b",
        "0df511850d54e781bef4df107fc5d06c0fbae843ad4e8dc26ebf68de3a598c40",
    ),
    (
        b"dir/./f",
        "5fcb7af437ff8b8366a4668b4225dffaad3f9ba72e806ebd45d69c4ee85e009b",
    ),
];

#[test]
fn adversary_65_odd_keys_are_signed_as_two_other_signers_do() {
    let ascii: Vec<u8> = (1..128).collect();
    let all = "7c17bc6a472e687bd654b417e000323a83cbf0e59ad7df74a405cabc38aeb934";
    for (key, expected) in ODD_KEYS.into_iter().chain([(&*ascii, all)]) {
        let request = sign(plain(Method::GET, Some(key)));
        assert_eq!(signature(&request), expected, "{}", key.escape_ascii());
        let path = request.uri().path().strip_prefix("/bucket/").unwrap();
        assert_eq!(decode_query(path), key, "sent so that it decodes to itself");
        assert_eq!(request.uri().query(), None);
    }
}

#[test]
fn adversary_68_headers_are_signed_as_two_other_signers_do() {
    let request = sign(
        plain(Method::PUT, Some(b"k"))
            .header("x-amz-meta-a", "one two")
            .header("x-amz-meta-b", "\"q  q\""),
    );
    assert_eq!(
        signature(&request),
        "6fab79e8fb1d4013042f82aaad4f55ba3dd3c2f0ab437e1e4cde273a5c655b71"
    );
    let request = sign(
        plain(Method::PUT, Some(b"k"))
            .header("x-amz-meta-b", "\"q q\"")
            .header("x-amz-meta-c", "a,b")
            .header("content-type", "text/plain")
            .header("user-agent", "x  y")
            .header("range", "bytes=0-9"),
    );
    assert_eq!(
        signature(&request),
        "b03d89dbfb72ce4574a70b08b48bf1cad9f2accd1f83bb5aaa644b2cfef9b3a7"
    );
}

#[test]
fn adversary_69_queries_are_signed_as_two_other_signers_do() {
    let check = |pairs: &[(&str, &[u8])], expected: &str| {
        let mut request = plain(Method::GET, None);
        for &(name, value) in pairs {
            request = request.query(name, value);
        }
        let canonical = request.0.query.canonical();
        let request = sign(request);
        assert_eq!(signature(&request), expected, "{canonical}");
        assert_eq!(request.uri().query(), Some(&*canonical), "signed is sent");
    };
    check(
        &[("uploads", b"")],
        "cdeb3beaa388fb6192538d2fdbf3138a69137bac55cd7c9079e3781bad6e1ae2",
    );
    check(
        &[("a", b"2"), ("a", b"1"), ("a", b"")],
        "84f3c523366e7103212871baf395b81cfa855d5c016b95409e4f581175342f49",
    );
    check(
        &[("b", b"1"), ("a", b"2"), ("B", b"3"), ("a-", b"1")],
        "edd7ebc6408913735468fd516cf1d440fa2f88eab756f66ecacb4e4f0ff4fe9f",
    );
    check(
        &[("prefix", b"a/b c+%2f&=?#")],
        "de0517a392c3a1222e9e8d28cffa9a4d453bfcb51f82acb869c6ff6c166ef8f5",
    );
    check(
        &[("prefix", b"%2f"), ("delimiter", b"/")],
        "b002446a59db12061e9c7b2b2095b30728b3387777919c9109c4bc177ec297cc",
    );
    check(
        &[("prefix", b"\xff\x00\r\n")],
        "977f3da3f42be0e513972d23f23b1fe847d343294cad4234454b52ab62c6008d",
    );
    check(
        &[("key name", b"1"), ("key", b"~"), ("\u{1234}", b"bar")],
        "74ed56a4e7d09ae22ca77e7a412b71e020a83da660e6d3ecb2bfb16c97f2489f",
    );
}

#[test]
fn session_tokens_are_signed_as_two_other_signers_do() {
    let token = "FwoGZXIvYXdzE//+=";
    let get = plain(Method::GET, Some(b"k"));
    let request = signer(Some(token)).sign(&get.0, &PayloadHash::EMPTY, now());
    let request = request.unwrap();
    assert_eq!(request.headers()["x-amz-security-token"], token);
    assert_eq!(
        signature(&request),
        "1463825c8689f85c6fdcf6424ffbbfc1f9bfb6eea3785cc072b4d0cdc3651962"
    );
}

#[test]
fn presigned_urls_are_signed_as_botocore_does() {
    let presign = |token, request: Builder, seconds| {
        let expires = Duration::from_secs(seconds);
        let url = signer(token).presign(&request.0, expires, now()).unwrap();
        let (url, signature) = url.split_once("&X-Amz-Signature=").unwrap();
        (url.to_owned(), signature.to_owned())
    };
    let odd_key = plain(Method::GET, Some(b"a/../ b"));
    let (url, signature) = presign(Some("FwoGZXIvYXdzE//+="), odd_key, 604_800);
    assert!(url.starts_with("https://s3.us-east-1.amazonaws.com/bucket/a/../%20b?"));
    assert!(url.contains("&X-Amz-Security-Token=FwoGZXIvYXdzE%2F%2F%2B%3D&"));
    assert_eq!(
        signature,
        "0f927e5674491560dc84997bf9f6721cf877d564360587925aeb99a27073e191"
    );

    let with_query = plain(Method::GET, Some(b"k"))
        .query("versionId", "a+b")
        .query("response-content-type", "text/plain");
    assert_eq!(
        presign(None, with_query, 1).1,
        "46f7dab80c2f9500d440f8e4121692ad65951ff47fd502d2a9a71ab723bccba4"
    );

    let with_header = plain(Method::GET, Some(b"k")).header("x-amz-checksum-mode", "ENABLED");
    let (url, signature) = presign(None, with_header, 60);
    assert!(url.ends_with("&X-Amz-SignedHeaders=host%3Bx-amz-checksum-mode"));
    assert_eq!(
        signature,
        "900e1e809c229913e4f5087d6d2a8c4a01794340e0c9fcfdc1ecdfba38750c1c"
    );
}

struct Builder(Unsigned);

impl Builder {
    fn header(mut self, name: &'static str, value: &'static str) -> Self {
        let name = HeaderName::from_static(name);
        self.0.headers.append(name, HeaderValue::from_static(value));
        self
    }

    fn query(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.0.query.push(name, value);
        self
    }
}

/// The host of AWS's examples: the bucket at the old endpoint without a region.
fn example(method: Method, key: Option<&str>) -> Builder {
    let endpoint = Endpoint::custom("https://s3.amazonaws.com", region())
        .and_then(|endpoint| endpoint.with_style(AddressingStyle::VirtualHost))
        .unwrap();
    build(method, &endpoint, "examplebucket", key.map(str::as_bytes))
}

/// The host that the other signers were asked about.
fn plain(method: Method, key: Option<&[u8]>) -> Builder {
    let endpoint = Endpoint::aws(region());
    let endpoint = endpoint.with_style(AddressingStyle::Path).unwrap();
    build(method, &endpoint, "bucket", key)
}

fn build(method: Method, endpoint: &Endpoint, bucket: &str, key: Option<&[u8]>) -> Builder {
    let bucket = BucketName::new(bucket).unwrap();
    let key = key.map(|key| ObjectKey::new(key).unwrap());
    Builder(Unsigned {
        method,
        address: endpoint.address(&bucket, key.as_ref()),
        query: Query::new(),
        headers: HeaderMap::new(),
    })
}

/// A canonical request of AWS's examples: out of path and query as they are sent.
fn canonical(
    method: Method,
    target: &str,
    headers: &[(&'static str, &'static str)],
    payload: &str,
) -> CanonicalRequest {
    let mut map = HeaderMap::new();
    for &(name, value) in headers {
        map.insert(name, HeaderValue::from_static(value));
    }
    map.insert("x-amz-date", HeaderValue::from_static("20130524T000000Z"));
    map.insert("x-amz-content-sha256", payload.parse().unwrap());
    let headers = RequestHeaders::new(&map).unwrap();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    CanonicalRequest::new(&method, path, query, &headers, payload)
}

fn sign(request: Builder) -> Request<()> {
    let signed = signer(None).sign(&request.0, &PayloadHash::EMPTY, now());
    signed.unwrap()
}

fn signature(request: &Request<()>) -> &str {
    let authorization = request.headers()["authorization"].to_str().unwrap();
    authorization.split_once("Signature=").unwrap().1
}

fn signer(token: Option<&str>) -> Signer {
    let credentials = Credentials::new(KEY_ID, SECRET, token).unwrap();
    Signer::new(Arc::new(credentials), region())
}

fn region() -> Region {
    Region::new("us-east-1").unwrap()
}

fn now() -> UnixTime {
    UnixTime::parse_iso8601("2013-05-24T00:00:00Z").unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
