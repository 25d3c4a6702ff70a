//! What the benchmarks work on. Nothing here is counted.

pub mod peers;
pub mod playing;

use std::fmt::Write as _;
use std::num::NonZeroU64;
use std::sync::Arc;

use http::response::Parts;
use http::{Response, header};
use sans3_core::endpoint::{BucketName, Endpoint, ObjectKey, Region};
use sans3_core::operation::{GetObject, ListObjectsV2};
use sans3_core::request::Unsigned;
use sans3_core::session::{CredentialSource, SessionConfig};
use sans3_core::sign::{Credentials, Signer};
use sans3_core::time::UnixTime;

/// The example credentials of the AWS documentation.
pub const KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";
pub const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
pub const REGION: &str = "us-east-1";
pub const ENDPOINT: &str = "http://127.0.0.1:9000";
pub const BUCKET: &str = "data";
pub const KEY: &str = "2026/11/measurements-000042.parquet";
pub const RANGE: &str = "bytes=8388608-16777215";

/// When requests are signed.
pub const WALL: UnixTime = UnixTime::from_seconds(SIGNED_AT);
/// The same in seconds since 1970.
pub const SIGNED_AT: i64 = 1_767_225_600;

/// Keys on a page of a listing: as many as S3 sends.
pub const PAGE_KEYS: usize = 1_000;

/// # Panics
/// The name is one.
pub fn bucket() -> BucketName {
    BucketName::new(BUCKET).expect("a name")
}

/// # Panics
/// The key is one.
pub fn key() -> ObjectKey {
    ObjectKey::new(KEY).expect("a key")
}

/// # Panics
/// The region is one.
pub fn region() -> Region {
    Region::new(REGION).expect("a region")
}

/// # Panics
/// The URL is one.
pub fn endpoint() -> Endpoint {
    Endpoint::custom(ENDPOINT, region()).expect("a URL")
}

/// # Panics
/// They can be sent.
pub fn credentials() -> Arc<Credentials> {
    Arc::new(Credentials::new(KEY_ID, SECRET, None).expect("credentials"))
}

/// A signer whose key is derived already, as it is for all requests of a day but the first.
///
/// # Panics
/// The request can be signed.
pub fn signer() -> Signer {
    let signer = Signer::new(credentials(), region());
    let request = get(&endpoint());
    let payload = sans3_core::sign::PayloadHash::Unsigned;
    signer.sign(&request, &payload, WALL).expect("a request");
    signer
}

/// A request for a range.
///
/// # Panics
/// The range is a value.
pub fn get(endpoint: &Endpoint) -> Unsigned {
    let mut unsigned = GetObject::new(bucket(), key()).request(endpoint);
    unsigned
        .headers
        .insert(header::RANGE, RANGE.parse().expect("a value"));
    unsigned
}

/// A session's configuration, signing or not.
pub fn config(signed: bool) -> SessionConfig {
    let credentials = match signed {
        true => CredentialSource::Static(credentials()),
        false => CredentialSource::Anonymous,
    };
    SessionConfig::new(endpoint(), credentials)
}

/// The answer to a listing: [`PAGE_KEYS`] keys, as S3 writes them.
///
/// # Panics
/// Never: a string takes all.
pub fn page() -> (ListObjectsV2, Parts, String) {
    let mut body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult \
         xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>{BUCKET}</Name><Prefix></Prefix>\
         <KeyCount>{PAGE_KEYS}</KeyCount><MaxKeys>1000</MaxKeys><EncodingType>url</EncodingType>\
         <IsTruncated>false</IsTruncated>"
    );
    for number in 0..PAGE_KEYS {
        write!(
            body,
            "<Contents><Key>2026/11/measurements-{number:06}.parquet</Key>\
             <LastModified>2026-11-01T12:00:00.000Z</LastModified>\
             <ETag>&quot;d41d8cd98f00b204e9800998ecf8{number:04}&quot;</ETag><Size>{}</Size>\
             <StorageClass>STANDARD</StorageClass></Contents>",
            number * 4097
        )
        .expect("a string takes all");
    }
    body.push_str("</ListBucketResult>");
    let head = Response::builder().header("content-type", "application/xml");
    let head = head.body(()).expect("an answer").into_parts().0;
    (ListObjectsV2::new(bucket()), head, body)
}

/// A part of 8 MiB.
///
/// # Panics
/// It is not zero.
pub fn part() -> NonZeroU64 {
    NonZeroU64::new(8 << 20).expect("not zero")
}
