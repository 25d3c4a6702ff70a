use http::{HeaderMap, Method};
use sans3_core::endpoint::{
    AddressingStyle, BucketName, Endpoint, ObjectKey, Region, S3Uri, decode_query, encode_path,
    encode_query,
};
use sans3_core::request::{Query, Unsigned};
use sans3_core::sign::{PayloadHash, Signer};
use sans3_core::time::UnixTime;

use super::Draw;
use crate::model::encode;

/// Keys and query parameters on their way into a request.
///
/// Holds: an independent decoder gets back the very bytes; nothing stands bare but what RFC 3986,
/// section 2.3, calls unreserved, and the slashes of a path; the query that is signed is the one
/// that is sent, sorted, with every pair; keys are never normalised; `s3://` addresses are read as
/// they are written.
///
/// # Panics
/// Where one of these is broken.
pub fn encode(bytes: &[u8]) {
    text(bytes);
    let mut draw = Draw::new(bytes);
    target(&mut draw);
    address(bytes);
}

fn text(raw: &[u8]) {
    for (encoded, keep) in [(encode_path(raw), &b"/"[..]), (encode_query(raw), b"")] {
        assert_eq!(encode::decode(encoded.as_bytes()).as_deref(), Some(raw));
        assert_eq!(encoded, encode::encode(raw, keep));
        assert_eq!(decode_query(&encoded), raw, "{encoded}");
        let bare = encoded.bytes().filter(|byte| *byte != b'%');
        for byte in bare {
            let plain = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
            assert!(plain || keep.contains(&byte), "{encoded}");
        }
        assert!(encoded.len() <= 3 * raw.len());
    }
    // What no encoder wrote is decoded as well, into something that is never longer.
    let text = String::from_utf8_lossy(raw);
    let decoded = decode_query(&text);
    assert!(decoded.len() <= text.len());
    let strict = encode::decode_query(text.as_bytes());
    assert!(strict.is_none_or(|strict| strict == decoded), "{text}");
}

fn target(draw: &mut Draw<'_>) {
    let style = *draw.pick(&[AddressingStyle::Path, AddressingStyle::VirtualHost]);
    let base = *draw.pick(&[
        "http://s3.test",
        "https://s3.test:9000/base",
        "http://[::1]:80",
    ]);
    let mut pairs = Vec::new();
    let mut query = Query::new();
    for _ in 0..draw.below(5) {
        let (name, value) = (draw.text(12), draw.bytes(12).to_vec());
        query.push(&name, &value);
        assert!(query.contains(&name));
        pairs.push((name.into_bytes(), value));
    }
    let key = ObjectKey::new(draw.rest());
    let region = Region::new("us-east-1").unwrap_or_else(|error| panic!("{error}"));
    let endpoint = Endpoint::custom(base, region).unwrap_or_else(|error| panic!("{error}"));
    let endpoint = endpoint.clone().with_style(style).unwrap_or(endpoint);
    let bucket = BucketName::new("bucket").unwrap_or_else(|error| panic!("{error}"));
    let unsigned = Unsigned {
        method: Method::GET,
        address: endpoint.address(&bucket, key.as_ref().ok()),
        query,
        headers: HeaderMap::new(),
    };
    let now = UnixTime::from_seconds(0);
    let sent = match Signer::anonymous().sign(&unsigned, &PayloadHash::Unsigned, now) {
        Ok(sent) => sent,
        // Parameters of signatures are for signing to add.
        Err(error) => {
            let reserved =
                |(name, _): &(Vec<u8>, _)| name.to_ascii_lowercase().starts_with(b"x-amz-");
            assert!(pairs.iter().any(reserved), "{error}");
            return;
        }
    };
    let target = sent
        .uri()
        .path_and_query()
        .map_or("", |target| target.as_str());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    assert_eq!(query, unsigned.query.canonical(), "signed and sent");
    assert_eq!(path, unsigned.address.path(), "signed and sent");
    assert_eq!(
        sent.uri().host(),
        sent.headers()["host"].to_str().ok().and_then(host)
    );

    let sent: Vec<&str> = query.split('&').filter(|pair| !pair.is_empty()).collect();
    let halves = |pair: &str| {
        pair.split_once('=')
            .map(|(n, v)| (n.to_owned(), v.to_owned()))
    };
    assert!(sent.is_sorted_by_key(|pair| halves(pair)), "{query}");
    let decode = |text: &str| encode::decode(text.as_bytes()).unwrap_or_default();
    let mut seen: Vec<_> = sent
        .iter()
        .filter_map(|pair| halves(pair))
        .map(|(name, value)| (decode(&name), decode(&value)))
        .collect();
    seen.sort();
    pairs.sort();
    assert_eq!(seen, pairs, "{query}");
    if let Ok(key) = key {
        assert!(decode(path).ends_with(key.as_bytes()), "{path}");
        assert!(
            decode(path).ends_with(&[b"/", key.as_bytes()].concat()),
            "{path}"
        );
    }
}

fn host(authority: &str) -> Option<&str> {
    let (host, port) = authority.rsplit_once(':').unwrap_or((authority, "0"));
    let is_port = port.bytes().all(|byte| byte.is_ascii_digit());
    Some(if is_port { host } else { authority })
}

fn address(key: &[u8]) {
    let uri = [b"s3://bucket/", key].concat();
    let Ok(uri) = S3Uri::parse(&uri) else {
        assert!(key.len() > 1024, "{}", key.escape_ascii());
        return;
    };
    assert_eq!(uri.key, key);
    assert_eq!(uri.object().is_some(), !key.is_empty());
    let shown = uri.to_string();
    assert!(!shown.contains(char::is_control), "{shown:?}");
    let is_plain = |c: char| !c.is_control() && c.is_ascii();
    let text = std::str::from_utf8(key).ok();
    if text.is_some_and(|text| text.len() <= 200 && text.chars().all(is_plain)) {
        assert_eq!(S3Uri::parse(&shown).as_ref(), Ok(&uri), "{shown}");
    }
    assert_eq!(S3Uri::parse([b"s3:/", key].concat()).is_ok(), is_uri(key));
}

/// Whether `s3:/` and these bytes are an address.
fn is_uri(rest: &[u8]) -> bool {
    let Some(rest) = rest.strip_prefix(b"/") else {
        return false;
    };
    let mut parts = rest.splitn(2, |byte| *byte == b'/');
    let bucket = parts.next().unwrap_or_default();
    let key = parts.next().unwrap_or_default();
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._".contains(byte);
    let is_bucket = (1..=255).contains(&bucket.len()) && bucket.iter().all(plain);
    is_bucket && bucket != b"." && bucket != b".." && key.len() <= 1024
}
