//! What a request is about: operation, bucket and key, told from method and target alone.

use std::fmt;

use http::Method;

use super::encode;

/// An operation of S3's API that the model knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// `GET /`
    ListBuckets,
    /// `PUT /bucket`
    CreateBucket,
    /// `HEAD /bucket`
    HeadBucket,
    /// `GET /bucket?list-type=2`
    ListObjectsV2,
    /// `GET /bucket?uploads`
    ListMultipartUploads,
    /// `GET /bucket/key`
    GetObject,
    /// `HEAD /bucket/key`
    HeadObject,
    /// `PUT /bucket/key`
    PutObject,
    /// `DELETE /bucket/key`
    DeleteObject,
    /// `POST /bucket/key?uploads`
    CreateMultipartUpload,
    /// `PUT /bucket/key?partNumber=…&uploadId=…`
    UploadPart,
    /// `GET /bucket/key?uploadId=…`
    ListParts,
    /// `POST /bucket/key?uploadId=…`
    CompleteMultipartUpload,
    /// `DELETE /bucket/key?uploadId=…`
    AbortMultipartUpload,
    /// Anything else: answered with 501 `NotImplemented`.
    Other,
}

impl Operation {
    /// S3's name of the operation.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ListBuckets => "ListBuckets",
            Self::CreateBucket => "CreateBucket",
            Self::HeadBucket => "HeadBucket",
            Self::ListObjectsV2 => "ListObjectsV2",
            Self::ListMultipartUploads => "ListMultipartUploads",
            Self::GetObject => "GetObject",
            Self::HeadObject => "HeadObject",
            Self::PutObject => "PutObject",
            Self::DeleteObject => "DeleteObject",
            Self::CreateMultipartUpload => "CreateMultipartUpload",
            Self::UploadPart => "UploadPart",
            Self::ListParts => "ListParts",
            Self::CompleteMultipartUpload => "CompleteMultipartUpload",
            Self::AbortMultipartUpload => "AbortMultipartUpload",
            Self::Other => "Other",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A request's target, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// What is asked for.
    pub operation: Operation,
    /// The bucket; empty for `ListBuckets`.
    pub bucket: String,
    /// The key; empty for operations on a bucket.
    pub key: String,
    /// The path exactly as sent, percent-encoding included.
    pub raw_path: Vec<u8>,
    /// The query, decoded, in the order sent. A name without `=` has an empty value.
    pub query: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Route {
    /// Takes a target apart. `host` is the `Host` header, looked at only where `suffix` is set:
    /// then `bucket.suffix` addresses a bucket by host ("virtual host style").
    ///
    /// # Errors
    /// `None` for what is no target at all: no leading slash, broken percent-encoding, or a path
    /// that is not UTF-8 when decoded (S3's keys are).
    pub fn parse(
        method: &Method,
        target: &[u8],
        host: Option<&str>,
        suffix: Option<&str>,
    ) -> Option<Self> {
        let (raw_path, raw_query) = split_once(target, b'?');
        let path = String::from_utf8(encode::decode(raw_path)?).ok()?;
        let path = path.strip_prefix('/')?;
        let (bucket, key) = match virtual_bucket(host, suffix) {
            Some(bucket) => (bucket.to_owned(), path),
            None => {
                let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
                (bucket.to_owned(), key)
            }
        };
        let query = parse_query(raw_query)?;
        let mut route = Self {
            operation: Operation::Other,
            bucket,
            key: key.to_owned(),
            raw_path: raw_path.to_vec(),
            query,
        };
        route.operation = route.classify(method);
        Some(route)
    }

    /// The value of the first query parameter of this name, if it is UTF-8.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(present, _)| present == name.as_bytes())
            .and_then(|(_, value)| std::str::from_utf8(value).ok())
    }

    fn classify(&self, method: &Method) -> Operation {
        let has = |name: &str| self.param(name).is_some();
        let on_object = !self.key.is_empty();
        match (method.as_str(), on_object) {
            _ if SUBRESOURCES.iter().any(|name| has(name)) => Operation::Other,
            ("GET", false) if self.bucket.is_empty() => Operation::ListBuckets,
            _ if self.bucket.is_empty() => Operation::Other,
            ("PUT", false) => Operation::CreateBucket,
            ("HEAD", false) => Operation::HeadBucket,
            ("GET", false) if has("uploads") => Operation::ListMultipartUploads,
            ("GET", false) if self.param("list-type") == Some("2") => Operation::ListObjectsV2,
            ("GET", true) if has("uploadId") => Operation::ListParts,
            ("GET", true) => Operation::GetObject,
            ("HEAD", true) => Operation::HeadObject,
            ("PUT", true) if has("uploadId") || has("partNumber") => Operation::UploadPart,
            ("PUT", true) => Operation::PutObject,
            ("POST", true) if has("uploads") => Operation::CreateMultipartUpload,
            ("POST", true) if has("uploadId") => Operation::CompleteMultipartUpload,
            ("DELETE", true) if has("uploadId") => Operation::AbortMultipartUpload,
            ("DELETE", true) => Operation::DeleteObject,
            _ => Operation::Other,
        }
    }
}

/// Subresources that exist in S3 and not here. To take `PUT /b/k?acl` for a `PutObject` would
/// overwrite the object.
const SUBRESOURCES: [&str; 12] = [
    "acl",
    "attributes",
    "cors",
    "lifecycle",
    "location",
    "policy",
    "retention",
    "select",
    "tagging",
    "torrent",
    "versioning",
    "versions",
];

fn virtual_bucket<'a>(host: Option<&'a str>, suffix: Option<&str>) -> Option<&'a str> {
    let host = host?;
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let bucket = name.strip_suffix(suffix?)?.strip_suffix('.')?;
    (!bucket.is_empty()).then_some(bucket)
}

pub(crate) fn parse_query(raw: &[u8]) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    raw.split(|byte| *byte == b'&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = split_once(pair, b'=');
            Some((encode::decode_query(name)?, encode::decode_query(value)?))
        })
        .collect()
}

fn split_once(bytes: &[u8], mark: u8) -> (&[u8], &[u8]) {
    match bytes.iter().position(|byte| *byte == mark) {
        Some(at) => (&bytes[..at], &bytes[at + 1..]),
        None => (bytes, &[]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(method: Method, target: &str) -> Route {
        Route::parse(&method, target.as_bytes(), None, None).unwrap()
    }

    #[test]
    fn operations_follow_from_method_and_target() {
        for (method, target, operation) in [
            (Method::GET, "/", Operation::ListBuckets),
            (Method::PUT, "/b", Operation::CreateBucket),
            (Method::PUT, "/b/", Operation::CreateBucket),
            (
                Method::GET,
                "/b?list-type=2&prefix=a",
                Operation::ListObjectsV2,
            ),
            (Method::GET, "/b?uploads", Operation::ListMultipartUploads),
            (Method::GET, "/b/k?versionId=3", Operation::GetObject),
            (
                Method::PUT,
                "/b/k?partNumber=1&uploadId=u",
                Operation::UploadPart,
            ),
            (
                Method::POST,
                "/b/k?uploads=",
                Operation::CreateMultipartUpload,
            ),
            (
                Method::POST,
                "/b/k?uploadId=u",
                Operation::CompleteMultipartUpload,
            ),
            (
                Method::DELETE,
                "/b/k?uploadId=u",
                Operation::AbortMultipartUpload,
            ),
            (Method::PUT, "/b/k?acl", Operation::Other),
            (Method::GET, "/b", Operation::Other),
        ] {
            assert_eq!(route(method, target).operation, operation, "{target}");
        }
    }

    #[test]
    fn keys_stand_for_exactly_themselves() {
        for (target, key) in [
            ("/b//x", "/x"),
            ("/b/a/../b", "a/../b"),
            ("/b/a%2Fb", "a/b"),
            ("/b/%25+", "%+"),
        ] {
            assert_eq!(route(Method::GET, target).key, key);
        }
        for bad in ["b/k", "/b/%", "/b/%ff", ""] {
            let parsed = Route::parse(&Method::GET, bad.as_bytes(), None, None);
            assert_eq!(parsed, None, "{bad}");
        }
    }

    #[test]
    fn a_bucket_may_stand_in_the_host() {
        let parse = |host| Route::parse(&Method::GET, b"/k", Some(host), Some("s3.test")).unwrap();
        assert_eq!(parse("b.s3.test:9000").bucket, "b");
        assert_eq!(parse("b.s3.test:9000").key, "k");
        assert_eq!(parse("s3.test:9000").bucket, "k");
    }
}
