use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use sans3_core::endpoint::{AddressingStyle, BucketName, Endpoint, ObjectKey, Region};
use sans3_core::request::{Query, Unsigned};
use sans3_core::sign::{Credentials, PayloadHash, RequestHeaders, Signer};
use sans3_core::time::UnixTime;

use super::Draw;
use crate::model::sigv4::verify;
use crate::model::{Access, AccessKey, Anonymous, Request, encode};

const KEY_ID: &str = "AKIDEXAMPLE";
const SECRET: &str = "canary-wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const TOKEN: &str = "canary-token/AQoDYXdzEJr==";
const REGION: &str = "eu-west-3";

/// Signatures of random requests, in headers and in URLs.
///
/// Holds: an independent checker accepts each of them; with any one thing about the request changed
/// (a byte of the path, the query, a signed header, the signature, the method, the clock) it
/// refuses; neither requests nor errors show a secret.
///
/// # Panics
/// Where one of these is broken.
pub fn sign(bytes: &[u8]) {
    let mut draw = Draw::new(bytes);
    let mut scene = Scene::draw(&mut draw);
    // Then what a request shows may be its caller's.
    let secret = [SECRET, TOKEN].concat().into_bytes();
    let pieces = bytes.windows(6);
    scene.is_marked = pieces
        .filter(|piece| secret.windows(6).any(|own| own == *piece))
        .count()
        > 0;
    if draw.flag() {
        in_url(&scene, &mut draw);
    } else {
        in_headers(&scene, &mut draw);
    }
}

struct Scene {
    unsigned: Unsigned,
    signer: Signer,
    access: Access,
    now: UnixTime,
    /// Whether a piece of a secret stands in the request itself: fuzzers read what we compare with.
    is_marked: bool,
}

impl Scene {
    fn draw(draw: &mut Draw<'_>) -> Self {
        let session_token = draw.flag().then_some(TOKEN);
        let credentials = Credentials::new(KEY_ID, SECRET, session_token);
        let credentials = credentials.unwrap_or_else(|error| panic!("{error}"));
        let region = Region::new(REGION).unwrap_or_else(|error| panic!("{error}"));
        let key = AccessKey {
            session_token: session_token.map(str::to_owned),
            ..AccessKey::new(KEY_ID, SECRET)
        };
        // The year 10000 has no form that SigV4 could sign.
        let now = draw.number() % 253_400_000_000;
        Self {
            unsigned: unsigned(draw, region.clone()),
            signer: Signer::new(Arc::new(credentials), region),
            access: Access::Checked {
                keys: vec![key],
                anonymous: Anonymous::Nothing,
            },
            now: UnixTime::from_seconds(i64::try_from(now).unwrap_or(0)),
            is_marked: false,
        }
    }

    fn accepts(&self, request: &Request, later: i64) -> bool {
        verify(request, &self.access, REGION, self.now.as_seconds() + later).is_ok()
    }
}

fn unsigned(draw: &mut Draw<'_>, region: Region) -> Unsigned {
    let methods = [
        Method::GET,
        Method::PUT,
        Method::HEAD,
        Method::POST,
        Method::DELETE,
    ];
    let method = draw.pick(&methods).clone();
    let endpoint = match draw.byte() % 3 {
        0 => Endpoint::aws(region),
        1 => custom("http://s3.test:9000/base", region),
        _ => custom("https://s3.test", region),
    };
    let bucket = BucketName::new("bucket").unwrap_or_else(|error| panic!("{error}"));
    let mut query = Query::new();
    for _ in 0..draw.below(4) {
        query.push(&draw.text(10), draw.bytes(10));
    }
    let mut headers = HeaderMap::new();
    for _ in 0..draw.below(4) {
        let names = [
            "x-amz-meta-a",
            "content-type",
            "range",
            "x-amz-meta-b",
            "user-agent",
            "x-odd",
        ];
        let name = *draw.pick(&names);
        if let Ok(value) = HeaderValue::from_bytes(draw.bytes(16)) {
            headers.append(HeaderName::from_static(name), value);
        }
    }
    let key = ObjectKey::new(draw.bytes(40)).ok();
    Unsigned {
        method,
        address: endpoint.address(&bucket, key.as_ref()),
        query,
        headers,
    }
}

fn custom(url: &str, region: Region) -> Endpoint {
    let endpoint = Endpoint::custom(url, region).unwrap_or_else(|error| panic!("{error}"));
    let styled = endpoint.with_style(AddressingStyle::VirtualHost);
    styled.unwrap_or_else(|error| panic!("{error}"))
}

fn in_headers(scene: &Scene, draw: &mut Draw<'_>) {
    let payload = match draw.byte() % 3 {
        0 => PayloadHash::Unsigned,
        1 => PayloadHash::of(draw.bytes(8)),
        _ => PayloadHash::StreamingUnsignedTrailer,
    };
    let sent = match scene.signer.sign(&scene.unsigned, &payload, scene.now) {
        Ok(sent) => sent,
        Err(error) => return refused(scene, &error.to_string()),
    };
    let shown = format!("{sent:?} {:?} {:?}", scene.signer, scene.unsigned);
    assert!(scene.is_marked || !shown.contains("canary"), "{shown}");
    let (parts, ()) = sent.into_parts();
    let target = parts
        .uri
        .path_and_query()
        .map_or("/", |target| target.as_str());
    let mut request = Request::new(parts.method, target.to_owned());
    request.headers = parts.headers;
    check(scene, &request, draw);

    // A byte of a signed header.
    let signed: Vec<HeaderName> = request.headers.keys().cloned().collect();
    let name = draw.pick(&signed).clone();
    let mut value = request.headers[&name].as_bytes().to_vec();
    if value.is_empty() || RequestHeaders::is_never_signed(&name) {
        return;
    }
    let at = draw.below(value.len());
    value[at] ^= 1 << (draw.byte() % 7);
    if let Ok(value) = HeaderValue::from_bytes(&value) {
        let mut changed = request.clone();
        changed.headers.insert(&name, value);
        assert!(!scene.accepts(&changed, 0), "another {name}: {changed:?}");
    }
}

fn in_url(scene: &Scene, draw: &mut Draw<'_>) {
    let seconds = 1 + draw.below(604_800);
    let expires = Duration::from_secs(seconds as u64);
    let url = match scene.signer.presign(&scene.unsigned, expires, scene.now) {
        Ok(url) => url,
        Err(error) => return refused(scene, &error.to_string()),
    };
    assert!(scene.is_marked || !url.contains("wJalrXUtn"), "{url}");
    let authority = scene.unsigned.address.authority();
    let (_, target) = url.split_once(authority).unwrap_or_default();
    let mut request = Request::new(scene.unsigned.method.clone(), target.to_owned());
    let headers = RequestHeaders::new(&scene.unsigned.headers);
    assert!(
        headers.is_ok(),
        "what can be presigned has canonical headers"
    );
    request.headers = scene.unsigned.headers.clone();
    let request = request.header("host", authority);
    check(scene, &request, draw);
    let end = i64::try_from(seconds).unwrap_or(0);
    assert!(
        scene.accepts(&request, end),
        "good for the time that was asked for"
    );
    assert!(!scene.accepts(&request, end + 1), "and no longer");
}

/// The request is accepted as it is, and not in another form.
fn check(scene: &Scene, request: &Request, draw: &mut Draw<'_>) {
    let now = scene.now.as_seconds();
    if let Err(refusal) = verify(request, &scene.access, REGION, now) {
        panic!("{refusal:?}: {request:?}");
    }
    assert!(!scene.accepts(request, -16 * 60), "signed in the future");

    let mut changed = request.clone();
    changed.method = match request.method {
        Method::GET => Method::PUT,
        _ => Method::GET,
    };
    assert!(!scene.accepts(&changed, 0), "another method: {changed:?}");

    let mut target = request.target.to_vec();
    let at = draw.below(target.len());
    target[at] ^= 1 << (draw.byte() % 8);
    if meaning(&target) != meaning(&request.target) {
        let changed = Request {
            target: target.into(),
            ..request.clone()
        };
        assert!(!scene.accepts(&changed, 0), "another target: {changed:?}");
    }

    let mut changed = request.clone();
    changed
        .headers
        .insert("x-amz-acl", HeaderValue::from_static("public-read"));
    assert!(
        !scene.accepts(&changed, 0),
        "a header that was not signed: {changed:?}"
    );
}

/// What a target stands for, so that a digit in another case is no other target.
fn meaning(target: &[u8]) -> Option<(Vec<u8>, Vec<Vec<u8>>)> {
    let mut halves = target.splitn(2, |byte| *byte == b'?');
    let path = encode::decode(halves.next()?)?;
    let query = halves.next().unwrap_or_default();
    let pairs = query
        .split(|byte| *byte == b'&')
        .filter(|pair| !pair.is_empty());
    let mut pairs = pairs
        .map(|pair| {
            let mut halves = pair.splitn(2, |byte| *byte == b'=');
            let name = encode::decode_query(halves.next()?)?;
            let value = encode::decode_query(halves.next().unwrap_or_default())?;
            Some([&name[..], b"=", &value].concat())
        })
        .collect::<Option<Vec<_>>>()?;
    pairs.sort();
    Some((path, pairs))
}

/// A request may be refused only for what its caller put into it.
fn refused(scene: &Scene, error: &str) {
    assert!(scene.is_marked || !error.contains("canary"), "{error}");
    let query = scene.unsigned.query.canonical().to_ascii_lowercase();
    let reserved = query.contains("x-amz-");
    let headers = scene.unsigned.headers.values();
    let plain = |byte: &u8| *byte == b' ' || byte.is_ascii_graphic();
    let odd = headers
        .filter(|value| !value.as_bytes().iter().all(plain))
        .count();
    assert!(reserved || odd > 0, "{error}: {:?}", scene.unsigned);
}
