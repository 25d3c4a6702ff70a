//! What a signer refuses, and what holds for everything that it signs.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use sans3_core::endpoint::{BucketName, Endpoint, ObjectKey, Region};
use sans3_core::metadata::Metadata;
use sans3_core::request::{Query, Unsigned};
use sans3_core::sign::{Credentials, PayloadHash, Signer, header_value};
use sans3_core::time::UnixTime;

#[test]
fn adversary_67_metadata_with_crlf_nul_or_beyond_ascii_is_refused() {
    let long = "x".repeat(8192);
    for value in [
        "a\r\nx-amz-acl: public-read",
        "a\nb",
        "a\rb",
        "a\0b",
        "a\tb",
        "é",
        "\u{1f980}",
        "\u{7f}",
        " a",
        "a ",
        "a  b",
        &long,
    ] {
        let error = Metadata::new().with("name", value).unwrap_err();
        assert!(!error.to_string().contains(['\r', '\n', '\0']), "{error}");
    }
}

#[test]
fn adversary_67_metadata_names_that_are_no_tokens_are_refused() {
    for name in [
        "", "a:b", "a b", " a", "a\r\nb", "a\0", "é", "a/b", "(a)", "a=b",
    ] {
        assert!(Metadata::new().with(name, "x").is_err(), "{name:?}");
    }
}

#[test]
fn adversary_67_values_of_other_headers_obey_the_same_rule() {
    for value in ["text/plain\r\nx: y", "a\0b", "é", "a  b"] {
        assert!(header_value("content type", value).is_err(), "{value:?}");
    }
}

#[test]
fn adversary_68_a_metadata_name_in_another_case_is_a_repetition() {
    let metadata = Metadata::new().with("Colour", "red").unwrap();
    assert!(metadata.clone().with("colour", "blue").is_err());
    assert_eq!(metadata.get("COLOUR"), Some("red"));
}

#[test]
fn adversary_68_the_canonical_form_of_every_header_is_what_is_sent() {
    let mut unsigned = get("k");
    for (name, value) in [
        ("x-amz-meta-a", "one   two"),
        ("x-amz-meta-b", "  \"q  q\"  "),
        ("x-amz-meta-c", "first"),
        ("x-amz-meta-c", " second "),
        ("x-amz-meta-d", ""),
        ("user-agent", "left  alone"),
    ] {
        let name = HeaderName::from_static(name);
        let value = HeaderValue::from_static(value);
        unsigned.headers.append(name, value);
    }
    let sent = sign(&signer("secret", None), &unsigned);
    let sent = sent.headers();
    assert_eq!(sent["x-amz-meta-a"], "one two");
    assert_eq!(sent["x-amz-meta-b"], "\"q q\"");
    assert_eq!(sent["x-amz-meta-c"], "first,second");
    assert_eq!(sent["x-amz-meta-d"], "");
    assert_eq!(sent["user-agent"], "left  alone");

    let authorization = sent["authorization"].to_str().unwrap();
    let (_, rest) = authorization.split_once("SignedHeaders=").unwrap();
    let (signed, _) = rest.split_once(',').unwrap();
    let mut names: Vec<&str> = sent
        .keys()
        .map(HeaderName::as_str)
        .filter(|name| !matches!(*name, "authorization" | "user-agent"))
        .collect();
    names.sort_unstable();
    assert_eq!(signed, names.join(";"), "all but these two is signed");
    assert_eq!(sent.len(), names.len() + 2, "every name is sent once");
}

#[test]
fn adversary_88_no_region_leads_to_another_host() {
    let long = "a".repeat(200);
    for name in [
        "us-east-1.evil.com/#",
        "a b",
        "",
        &long,
        "-a",
        "a-",
        "US",
        "a.b",
        "a_b",
        "a@b",
        "a\r\n",
        "é",
        "a/b",
    ] {
        assert!(Region::new(name).is_err(), "{name:?}");
    }
    for name in ["us-gov-west-1", "garage", "auto", &long[..63]] {
        assert!(Region::new(name).is_ok(), "{name:?}");
    }
}

#[test]
fn adversary_89_no_bucket_leads_to_another_host_or_path() {
    let long = "a".repeat(256);
    for name in [
        "evil.com/x",
        ".",
        "..",
        "a@b",
        "",
        "a b",
        "a\0",
        "a%2f",
        "a#",
        "a?b",
        "é",
        "a\\b",
        "[::1]",
        "arn:aws:s3:::b",
        &long,
    ] {
        assert!(BucketName::new(name).is_err(), "{name:?}");
    }
    let aws = Endpoint::aws(region());
    for name in [
        "192.168.0.1",
        "Upper",
        "with.dots",
        &long[..64],
        "aa",
        "a_b",
        "-ab",
        "...",
    ] {
        let address = aws.address(&BucketName::new(name).unwrap(), None);
        assert_eq!(address.authority(), "s3.us-east-1.amazonaws.com");
        assert_eq!(address.path(), format!("/{name}"));
    }
}

#[test]
fn headers_that_signing_adds_are_refused_from_callers() {
    for name in [
        "authorization",
        "host",
        "x-amz-content-sha256",
        "x-amz-date",
        "x-amz-security-token",
    ] {
        let mut unsigned = get("k");
        let value = HeaderValue::from_static("hunter2");
        unsigned.headers.insert(name, value);
        for signer in [signer("secret", None), Signer::anonymous()] {
            let signed = signer.sign(&unsigned, &PayloadHash::Unsigned, noon());
            let error = signed.unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}

#[test]
fn query_parameters_that_presigning_adds_are_refused_from_callers() {
    for name in [
        "X-Amz-Algorithm",
        "X-Amz-Credential",
        "x-amz-date",
        "X-Amz-Expires",
        "X-AMZ-SIGNATURE",
        "X-Amz-SignedHeaders",
        "X-Amz-Security-Token",
    ] {
        let mut unsigned = get("k");
        unsigned.query.push(name, "x");
        let signer = signer("secret", None);
        let hour = Duration::from_secs(3600);
        let signed = signer.sign(&unsigned, &PayloadHash::Unsigned, noon());
        assert!(signed.is_err(), "{name}");
        assert!(signer.presign(&unsigned, hour, noon()).is_err(), "{name}");
    }
}

#[test]
fn anonymous_requests_carry_nothing_of_a_signature() {
    let request = sign(&Signer::anonymous(), &get("k"));
    let names: Vec<&str> = request.headers().keys().map(HeaderName::as_str).collect();
    assert_eq!(names, ["host"]);
    let hour = Duration::from_secs(3600);
    let presigned = Signer::anonymous().presign(&get("k"), hour, noon());
    assert!(presigned.is_err());
    assert!(Signer::anonymous().is_anonymous());
    assert!(!signer("secret", None).is_anonymous());
}

#[test]
fn presigned_urls_live_a_second_to_a_week() {
    let presign = |expires| signer("secret", None).presign(&get("k"), expires, noon());
    let week = Duration::from_secs(604_800);
    assert!(presign(Duration::from_secs(1)).is_ok());
    assert!(presign(week).is_ok());
    assert!(presign(Duration::from_millis(999)).is_err());
    assert!(presign(week + Duration::from_secs(1)).is_err());
}

#[test]
fn a_kept_key_is_never_used_on_another_day() {
    let midnight = noon().offset(12 * 3600);
    let at = |signer: &Signer, time| {
        let request = signer.sign(&get("k"), &PayloadHash::EMPTY, time).unwrap();
        request.headers()["authorization"].clone()
    };
    let kept = signer("secret", None);
    for time in [
        noon(),
        midnight,
        midnight.offset(-1),
        midnight.offset(1),
        noon(),
    ] {
        let fresh = signer("secret", None);
        assert_eq!(at(&kept, time), at(&fresh, time), "{time}");
    }
    assert_ne!(at(&kept, noon()), at(&kept, midnight));
    assert_ne!(at(&kept, noon()), at(&signer("other", None), noon()));
}

#[test]
fn debug_shows_no_secret_and_no_signature() {
    let signer = signer("hunter2", Some("t0ken"));
    let request = sign(&signer, &get("k"));
    let authorization = request.headers()["authorization"].to_str().unwrap();
    let (_, signature) = authorization.split_once("Signature=").unwrap();
    let shown = format!("{signer:?}");
    assert!(
        shown.contains("AKIDEXAMPLE") && shown.contains("us-east-1"),
        "{shown}"
    );
    for shown in [format!("{signer:?}"), format!("{request:?}")] {
        for secret in ["hunter2", "t0ken", signature] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}

#[test]
fn the_uri_is_absolute_and_never_joined() {
    let endpoint = Endpoint::custom("http://[::1]:9000/base", region()).unwrap();
    let bucket = BucketName::new("b").unwrap();
    for (key, path) in [
        ("//evil.com/x", "/base/b///evil.com/x"),
        ("../../x", "/base/b/../../x"),
        ("http://evil.com", "/base/b/http%3A//evil.com"),
    ] {
        let mut unsigned = get("k");
        let key = ObjectKey::new(key).unwrap();
        unsigned.address = endpoint.address(&bucket, Some(&key));
        let request = sign(&signer("secret", None), &unsigned);
        let uri = request.uri();
        assert_eq!(uri.to_string(), format!("http://[::1]:9000{path}"));
        assert_eq!(uri.path(), path);
        assert_eq!(request.headers()["host"], "[::1]:9000");
    }
}

#[test]
fn a_url_beyond_all_limits_is_an_error() {
    let mut unsigned = get("k");
    unsigned.query.push("prefix", vec![b' '; 30_000]);
    let signed = signer("secret", None).sign(&unsigned, &PayloadHash::EMPTY, noon());
    assert!(signed.is_err());
}

fn get(key: &str) -> Unsigned {
    let bucket = BucketName::new("bucket").unwrap();
    let key = ObjectKey::new(key).unwrap();
    Unsigned {
        method: Method::GET,
        address: Endpoint::aws(region()).address(&bucket, Some(&key)),
        query: Query::new(),
        headers: HeaderMap::new(),
    }
}

fn sign(signer: &Signer, unsigned: &Unsigned) -> Request<()> {
    signer.sign(unsigned, &PayloadHash::EMPTY, noon()).unwrap()
}

fn signer(secret: &str, token: Option<&str>) -> Signer {
    let credentials = Credentials::new("AKIDEXAMPLE", secret, token).unwrap();
    Signer::new(Arc::new(credentials), region())
}

fn region() -> Region {
    Region::new("us-east-1").unwrap()
}

fn noon() -> UnixTime {
    UnixTime::parse_iso8601("2013-05-24T12:00:00Z").unwrap()
}
