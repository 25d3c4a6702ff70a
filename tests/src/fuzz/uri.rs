use std::net::{Ipv4Addr, Ipv6Addr};

use http::Uri;
use sans3_core::endpoint::{AddressingStyle, BucketName, Endpoint, ObjectKey, Region, S3Uri};

use super::Draw;
use crate::model::encode;

/// What people say about where things are: `s3://` addresses, endpoints, regions, bucket names.
/// The first byte says which of them the rest is.
///
/// Holds: what is taken has one meaning, the one that a grammar written anew gives it, and is taken
/// again as it is shown; requests go to the host that was named and to no other, with the bucket
/// and the key where the addressing style has them; no error repeats a password.
///
/// # Panics
/// Where one of these is broken.
pub fn uri(bytes: &[u8]) {
    let mut draw = Draw::new(bytes);
    match draw.byte() % 4 {
        0 => address(draw.rest()),
        1 => names(&draw.text(300)),
        2 => {
            let style = *draw.pick(&[
                AddressingStyle::Auto,
                AddressingStyle::Path,
                AddressingStyle::VirtualHost,
            ]);
            let bucket = draw.text(70);
            let key = draw.bytes(20);
            endpoint(&draw.text(255), style, &bucket, key);
        }
        _ => aws(&mut draw),
    }
}

fn address(bytes: &[u8]) {
    let seen = S3Uri::parse(bytes).ok();
    let slow = bytes.strip_prefix(b"s3://").and_then(|rest| {
        let end = rest
            .iter()
            .position(|byte| *byte == b'/')
            .unwrap_or(rest.len());
        let bucket = std::str::from_utf8(&rest[..end]).ok()?;
        let key = rest.get(end + 1..).unwrap_or_default();
        (is_bucket(bucket) && key.len() <= 1024).then(|| (bucket.to_owned(), key.to_vec()))
    });
    let pair = seen
        .as_ref()
        .map(|uri| (uri.bucket.as_str().to_owned(), uri.key.clone()));
    assert_eq!(pair, slow, "{}", bytes.escape_ascii());
    let Some(uri) = seen else { return };
    let shown = uri.to_string();
    assert!(!shown.contains(char::is_control), "{shown:?}");
    let again = [b"s3://", uri.bucket.as_str().as_bytes(), b"/", &uri.key].concat();
    assert_eq!(S3Uri::parse(&again), Ok(uri));
}

fn names(text: &str) {
    assert_eq!(BucketName::new(text).is_ok(), is_bucket(text), "{text:?}");
    assert_eq!(Region::new(text).is_ok(), is_region(text), "{text:?}");
    if let Ok(bucket) = BucketName::new(text) {
        assert_eq!(bucket.to_string(), text);
        assert_eq!(bucket.is_dns_compatible(), is_hostable(text), "{text}");
        assert_eq!(bucket.has_dots(), text.contains('.'));
    }
    let key = ObjectKey::new(text);
    assert_eq!(key.is_ok(), !text.is_empty(), "up to 1,024 bytes");
}

fn endpoint(url: &str, style: AddressingStyle, bucket: &str, key: &[u8]) {
    let region = Region::new("us-east-1").unwrap_or_else(|error| panic!("{error}"));
    let seen = Endpoint::custom(url, region.clone());
    let slow = Url::read(url);
    assert_eq!(seen.is_ok(), slow.is_some(), "{url:?}");
    let (endpoint, slow) = match (seen, slow) {
        (Ok(endpoint), Some(slow)) => (endpoint, slow),
        (Err(error), _) => return no_secret(url, &error.to_string()),
        (Ok(_), None) => return,
    };
    assert_eq!(endpoint.to_string(), slow.text(), "{url}");
    assert_eq!(
        Endpoint::custom(&slow.text(), region).as_ref(),
        Ok(&endpoint),
        "{url}"
    );
    assert_eq!(endpoint.scheme().as_str(), slow.scheme);
    let styled = endpoint.with_style(style);
    let is_host = style == AddressingStyle::VirtualHost;
    assert_eq!(styled.is_ok(), !(is_host && slow.is_ip), "{url}");
    let (Ok(endpoint), Ok(bucket)) = (styled, BucketName::new(bucket)) else {
        return;
    };
    // An encrypted connection to a name with dots matches no certificate.
    let fits = slow.scheme == "http" || !bucket.as_str().contains('.');
    let in_host = is_host && fits && is_hostable(bucket.as_str());
    let (host, path) = match in_host {
        true => (format!("{bucket}.{}", slow.host), slow.path.clone()),
        false => (slow.host.clone(), format!("{}/{bucket}", slow.path)),
    };
    goes_to(
        &endpoint,
        &bucket,
        key,
        slow.scheme,
        &slow.with_port(&host),
        &path,
    );
}

/// Checks where a request about the bucket, and one about the key, would go.
fn goes_to(
    endpoint: &Endpoint,
    bucket: &BucketName,
    key: &[u8],
    scheme: &str,
    authority: &str,
    path: &str,
) {
    let key = ObjectKey::new(key).ok();
    let address = endpoint.address(bucket, key.as_ref());
    let path = match &key {
        Some(key) => format!("{path}/{}", encode::encode(key.as_bytes(), b"/")),
        None if path.is_empty() => "/".to_owned(),
        None => path.to_owned(),
    };
    assert_eq!(address.authority(), authority);
    assert_eq!(address.path(), path);
    let shown = address.to_string();
    assert_eq!(shown, format!("{scheme}://{authority}{path}"));
    // A host may be longer than a library takes, but it may not be another.
    if let Ok(uri) = shown.parse::<Uri>() {
        assert_eq!(
            uri.authority().map(|a| a.as_str()),
            Some(authority),
            "{shown}"
        );
        assert_eq!(uri.path(), path, "{shown}");
        assert_eq!(uri.query(), None, "{shown}");
    } else {
        panic!("{shown} is no URL");
    }
}

fn aws(draw: &mut Draw<'_>) {
    let region = draw.word(63, b"abcdeu-west1iof");
    let bucket = draw.word(64, b"ab0.-_AB");
    let (Ok(name), Ok(bucket)) = (Region::new(&region), BucketName::new(&bucket)) else {
        return;
    };
    let suffix = match region.split('-').collect::<Vec<_>>()[..] {
        ["cn", _, ..] => "amazonaws.com.cn",
        ["eusc", _, ..] => "amazonaws.eu",
        ["us", "iso", _, ..] => "c2s.ic.gov",
        ["us", "isob", _, ..] => "sc2s.sgov.gov",
        ["us" | "eu", "isof", _, ..] => "csp.hci.ic.gov",
        ["eu", "isoe", _, ..] => "cloud.adc-e.uk",
        _ => "amazonaws.com",
    };
    let endpoint = Endpoint::aws(name);
    let host = format!("s3.{region}.{suffix}");
    let key = draw.bytes(16);
    if is_hostable(bucket.as_str()) && !bucket.as_str().contains('.') {
        goes_to(
            &endpoint,
            &bucket,
            key,
            "https",
            &format!("{bucket}.{host}"),
            "",
        );
    } else {
        goes_to(
            &endpoint,
            &bucket,
            key,
            "https",
            &host,
            &format!("/{bucket}"),
        );
    }
}

/// An endpoint's URL by a grammar of its own.
struct Url {
    scheme: &'static str,
    /// In the form in which it is shown.
    host: String,
    port: Option<u16>,
    path: String,
    is_ip: bool,
}

impl Url {
    fn read(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let (scheme, usual) = match scheme {
            scheme if scheme.eq_ignore_ascii_case("http") => ("http", 80),
            scheme if scheme.eq_ignore_ascii_case("https") => ("https", 443),
            _ => return None,
        };
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        // What an IPv6 address has between its brackets is no port.
        let bracket = authority.rfind(']').map_or(0, |at| at + 1);
        let (host, port) = match authority[bracket..].rfind(':') {
            Some(colon) => {
                let (host, port) = authority.split_at(bracket + colon);
                (host, Some(&port[1..]))
            }
            None => (authority, None),
        };
        let port = match port {
            None => None,
            Some(text) => {
                let digits = text.bytes().all(|byte| byte.is_ascii_digit());
                let port = text.parse::<u32>().ok().filter(|_| digits)?;
                Some(u16::try_from(port).ok().filter(|port| *port > 0)?)
            }
        };
        let (host, is_ip) = read_host(host)?;
        let path = path.trim_end_matches('/');
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        let segments = path.split('/').skip(1);
        let sound = |segment: &str| {
            !segment.is_empty() && segment != "." && segment != ".." && segment.bytes().all(plain)
        };
        segments.clone().all(sound).then(|| Self {
            scheme,
            host,
            port: port.filter(|port| *port != usual),
            path: path.to_owned(),
            is_ip,
        })
    }

    fn with_port(&self, host: &str) -> String {
        match self.port {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        }
    }

    fn text(&self) -> String {
        format!(
            "{}://{}{}",
            self.scheme,
            self.with_port(&self.host),
            self.path
        )
    }
}

fn read_host(host: &str) -> Option<(String, bool)> {
    if let Some(inner) = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
    {
        let address = inner.parse::<Ipv6Addr>().ok()?;
        return Some((format!("[{address}]"), true));
    }
    let labels: Vec<&str> = host.split('.').collect();
    let last = labels.last()?.to_ascii_lowercase();
    let is_number = match last.strip_prefix("0x") {
        Some(hex) => hex.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit()),
    };
    if is_number {
        let address = host.parse::<Ipv4Addr>().ok()?;
        return Some((address.to_string(), true));
    }
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let sound = |label: &&str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let all = labels.iter().all(sound) && host.len() <= 253;
    all.then(|| (host.to_ascii_lowercase(), false))
}

fn is_bucket(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let length = (1..=255).contains(&text.len());
    length && text.bytes().all(plain) && text != "." && text != ".."
}

/// Whether a bucket's name can stand before a host.
fn is_hostable(bucket: &str) -> bool {
    let letter = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let sound = |label: &str| {
        let bytes = label.as_bytes();
        let ends = [bytes.first(), bytes.last()];
        ends.iter().all(|end| end.is_some_and(letter))
            && bytes.iter().all(|byte| letter(byte) || *byte == b'-')
    };
    let numbers = bucket
        .split('.')
        .all(|label| label.bytes().all(|b| b.is_ascii_digit()));
    let is_address = numbers && bucket.split('.').count() == 4;
    (3..=63).contains(&bucket.len()) && bucket.split('.').all(sound) && !is_address
}

fn is_region(text: &str) -> bool {
    let letter = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    (1..=63).contains(&bytes.len())
        && bytes.iter().all(|byte| letter(byte) || *byte == b'-')
        && [bytes[0], bytes[bytes.len() - 1]].iter().all(letter)
}

/// A URL with a password, or with a signature in its query, is not repeated.
fn no_secret(url: &str, error: &str) {
    assert!(!error.contains(char::is_control), "{error:?}");
    let secret = url
        .find(['?', '#'])
        .map(|at| &url[at + 1..])
        .unwrap_or_default();
    if secret.contains("canary") && !url[..url.len() - secret.len()].contains("canary") {
        assert!(!error.contains("canary"), "{error}");
    }
    if url.contains('@') {
        assert!(!error.contains("canary"), "{error}");
    }
}
