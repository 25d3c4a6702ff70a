//! S3 as a pure state machine.
//!
//! [`Model::handle`] takes a request and gives S3's answer. There is no clock, socket or
//! randomness inside: wall time is set with [`Model::set_time`], and identifiers follow from a
//! seed, so that the same requests always get the same answers. Payloads are shared, never copied:
//! an object is a list of the slices that came in, and an answer is a list of slices of objects.
//!
//! ```
//! use http::Method;
//! use sans3_testkit::model::{Model, ModelConfig, Request};
//!
//! let mut model = Model::new(ModelConfig::default());
//! model.create_bucket("bucket");
//! model.handle(Request::new(Method::PUT, "/bucket/key").body("hello"));
//! let answer = model.handle(Request::new(Method::GET, "/bucket/key").header("range", "bytes=1-2"));
//! assert_eq!(answer.status, 206);
//! assert_eq!(answer.body.to_vec(), b"el");
//! ```

pub(crate) mod chunked;
mod complete;
mod config;
pub(crate) mod date;
pub mod digest;
pub(crate) mod encode;
pub(crate) mod ids;
mod list;
mod multipart;
mod names;
mod read;
mod refusal;
mod request;
mod response;
mod route;
pub(crate) mod sigv4;
mod store;
pub mod synthetic;
mod write;
mod xml;

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderValue, Method, header};

pub use config::{Etags, Limits, ModelConfig, Quirks};
pub use multipart::{Upload, UploadedPart};
pub(crate) use read::parse_range;
pub(crate) use refusal::error_document;
pub use request::{Hashes, Prepared, Request};
pub use response::{Body, Response};
pub use route::{Operation, Route};
pub use sigv4::{Access, AccessKey, Anonymous};
pub use store::{ChecksumKind, Data, Object, StoredChecksum};

pub(crate) use digest::Algorithm;
use ids::Ids;
use refusal::Refusal;
use request::Payload;
use store::{Bucket, Version};

/// The state of an S3 server.
#[derive(Clone, Debug)]
pub struct Model {
    config: ModelConfig,
    ids: Ids,
    /// Seconds since 1970.
    now: i64,
    buckets: BTreeMap<String, Bucket>,
    uploads: BTreeMap<String, Upload>,
}

impl Model {
    /// An empty server. Its clock stands at 2024-01-01T00:00:00Z until it is set.
    pub fn new(config: ModelConfig) -> Self {
        Self {
            ids: Ids::new(config.seed),
            config,
            now: 1_704_067_200,
            buckets: BTreeMap::new(),
            uploads: BTreeMap::new(),
        }
    }

    /// How this server was set up.
    pub const fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// The settings, for tests that change them midway: a key that expires, for example.
    pub const fn config_mut(&mut self) -> &mut ModelConfig {
        &mut self.config
    }

    /// Sets wall time, in seconds since 1970. It judges signatures and dates objects.
    pub const fn set_time(&mut self, seconds: i64) {
        self.now = seconds;
    }

    /// Wall time, in seconds since 1970.
    pub const fn time(&self) -> i64 {
        self.now
    }

    /// Answers a request.
    pub fn handle(&mut self, request: Request) -> Response {
        let prepared = request.prepare(self.config.hashes());
        self.handle_prepared(prepared)
    }

    /// As [`handle`](Self::handle), where [`Request::prepare`] has done the hashing already.
    pub fn handle_prepared(&mut self, prepared: Prepared) -> Response {
        let request = &prepared.request;
        let suffix = self.config.virtual_host_suffix.as_deref();
        let host = suffix.and_then(|_| request.text(header::HOST));
        let route = Route::parse(&request.method, &request.target, host, suffix);
        self.handle_routed(prepared, route.as_ref())
    }

    /// As [`handle_prepared`](Self::handle_prepared), where [`Route::parse`] has taken the target
    /// apart already, to the same or to nothing.
    pub fn handle_routed(&mut self, prepared: Prepared, route: Option<&Route>) -> Response {
        let request_id = self.ids.request();
        let Prepared {
            request,
            payload,
            disturbed,
        } = prepared;
        let result = self.respond(&request, disturbed.as_ref(), route, payload);
        let refused = result.is_err();
        let mut response = result.unwrap_or_else(|refusal| {
            let path = request.target.split(|byte| *byte == b'?').next();
            refusal.into_response(path.unwrap_or_default(), &request_id)
        });
        if !self.config.quirks.no_request_ids {
            response.put(names::REQUEST_ID, request_id.as_str());
            response.put(names::HOST_ID, request_id + "/host");
        }
        response.put(header::DATE, &date::http(self.now)[..]);
        response.put(header::SERVER, HeaderValue::from_static("sans3-testkit"));
        let bodyless = response.status == 204 || response.status == 304;
        if request.method == Method::HEAD && refused {
            response.body = Body::default();
            response.headers.remove(header::CONTENT_TYPE);
        } else if !bodyless && !response.headers.contains_key(header::CONTENT_LENGTH) {
            response.put(header::CONTENT_LENGTH, response.body.len());
        }
        response
    }

    /// Creates a bucket; an existing one stays as it is.
    pub fn create_bucket(&mut self, name: &str) {
        self.bucket(name);
    }

    /// Stores an object as if it had been PUT, in a bucket that is created if need be, and says
    /// its entity tag.
    pub fn put(&mut self, bucket: &str, key: &str, bytes: impl Into<Bytes>) -> String {
        self.put_hashed(bucket, key, bytes, Algorithm::Crc64Nvme)
    }

    /// As [`put`](Self::put), with a checksum of this algorithm.
    pub fn put_hashed(
        &mut self,
        bucket: &str,
        key: &str,
        bytes: impl Into<Bytes>,
        algorithm: Algorithm,
    ) -> String {
        let bytes = bytes.into();
        let whole = std::slice::from_ref(&bytes);
        let checksum = algorithm.digest(whole);
        let crc64 = match algorithm {
            Algorithm::Crc64Nvme => checksum,
            _ => Algorithm::Crc64Nvme.digest(whole),
        };
        let md5 = self.config.hashes().md5.then(|| digest::md5(whole));
        let etags = self.config.etags;
        let object = Object {
            etag: etags.tag(md5, crc64.as_bytes(), bytes.len() as u64),
            checksum: Some(StoredChecksum::full(checksum)),
            ..Object::new(Data::from(vec![bytes]))
        };
        self.insert(bucket, key, object)
    }

    /// Stores an object of `len` bytes of the [synthetic] pattern, which costs no memory, and says
    /// its entity tag.
    pub fn put_synthetic(&mut self, bucket: &str, key: &str, len: u64) -> String {
        let checksum = synthetic::checksum(Algorithm::Crc64Nvme, len);
        let object = Object {
            etag: format!("\"synthetic.{len:x}\""),
            checksum: Some(StoredChecksum::full(checksum)),
            ..Object::new(Data::Synthetic { len })
        };
        self.insert(bucket, key, object)
    }

    /// The newest version of an object.
    pub fn object(&self, bucket: &str, key: &str) -> Option<&Object> {
        self.buckets.get(bucket)?.current(key)
    }

    /// The newest version of an object, to be changed: its checksum, say, without its bytes.
    pub fn object_mut(&mut self, bucket: &str, key: &str) -> Option<&mut Object> {
        self.buckets.get_mut(bucket)?.current_mut(key)
    }

    /// All versions of an object, oldest first, without delete markers.
    pub fn versions(&self, bucket: &str, key: &str) -> Vec<&Object> {
        let versions = self.buckets.get(bucket).and_then(|b| b.keys.get(key));
        let versions = versions.map(Vec::as_slice).unwrap_or_default();
        versions.iter().filter_map(Version::object).collect()
    }

    /// The keys of a bucket that have an object, in order.
    pub fn keys(&self, bucket: &str) -> Vec<&str> {
        self.buckets
            .get(bucket)
            .map(|bucket| bucket.live().map(|(key, _)| key).collect())
            .unwrap_or_default()
    }

    /// The multipart uploads that are open, in the order of their creation.
    pub fn uploads(&self) -> impl Iterator<Item = &Upload> {
        self.uploads.values()
    }

    /// Removes an upload, as a lifecycle rule would. Says whether it was there.
    pub fn expire_upload(&mut self, upload_id: &str) -> bool {
        self.uploads.remove(upload_id).is_some()
    }

    /// Marks an access key as expired, or as good again. Says whether the key exists.
    pub fn set_expired(&mut self, key_id: &str, expired: bool) -> bool {
        let Access::Checked { keys, .. } = &mut self.config.access else {
            return false;
        };
        let key = keys.iter_mut().find(|key| key.id == key_id);
        key.map(|key| key.expired = expired).is_some()
    }

    fn insert(&mut self, bucket: &str, key: &str, mut object: Object) -> String {
        object.version_id = self.ids.ordered();
        object.modified = self.now;
        let etag = object.etag.clone();
        let keep = self.config.versioning;
        let version = Version::Object(Box::new(object));
        self.bucket(bucket).insert(key, version, keep);
        etag
    }

    /// A bucket, which is created if need be.
    fn bucket(&mut self, name: &str) -> &mut Bucket {
        self.buckets.entry(name.to_owned()).or_default()
    }

    /// The signature is verified on `request`, and the rest is done with what it was `disturbed`
    /// to be.
    fn respond(
        &mut self,
        request: &Request,
        disturbed: Option<&Request>,
        route: Option<&Route>,
        payload: Result<Payload, Refusal>,
    ) -> Result<Response, Refusal> {
        let route = route
            .ok_or_else(|| Refusal::new(400, "InvalidURI", "Couldn't parse the specified URI."))?;
        sigv4::verify(request, &self.config.access, &self.config.region, self.now)?;
        if route.key.len() > 1_024 {
            return Err(Refusal::new(400, "KeyTooLongError", "Your key is too long"));
        }
        let needs_bucket = !matches!(
            route.operation,
            Operation::ListBuckets | Operation::CreateBucket | Operation::Other
        );
        if needs_bucket && !self.buckets.contains_key(&route.bucket) {
            let message = "The specified bucket does not exist";
            return Err(
                Refusal::new(404, "NoSuchBucket", message).detail("BucketName", &route.bucket)
            );
        }
        let request = disturbed.unwrap_or(request);
        let call = Call { request, route };
        match route.operation {
            Operation::ListBuckets => Ok(self.list_buckets()),
            Operation::CreateBucket => self.create(&call),
            Operation::HeadBucket => Ok(self.head_bucket()),
            Operation::ListObjectsV2 => self.list_objects(&call),
            Operation::ListMultipartUploads => self.list_uploads(&call),
            Operation::GetObject => self.get_object(&call),
            Operation::HeadObject => self.head_object(&call),
            Operation::PutObject => self.put_object(&call, payload?),
            Operation::DeleteObject => Ok(self.delete_object(&call)),
            Operation::CreateMultipartUpload => self.create_upload(&call),
            Operation::UploadPart => self.upload_part(&call, payload?),
            Operation::ListParts => self.list_parts(&call),
            Operation::CompleteMultipartUpload => self.complete(&call, &payload?.segments),
            Operation::AbortMultipartUpload => self.abort(&call),
            Operation::Other => Err(Refusal::new(
                501,
                "NotImplemented",
                "A header or query you provided implies functionality that is not implemented",
            )),
        }
    }
}

/// A request that was let in.
struct Call<'a> {
    request: &'a Request,
    route: &'a Route,
}

impl Call<'_> {
    /// A query parameter that must be a number where it is present.
    fn number(&self, name: &str) -> Result<Option<u64>, Refusal> {
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        match self.route.param(name) {
            None => Ok(None),
            Some(text) if digits(text) => text
                .parse()
                .map(Some)
                .map_err(|_| Refusal::invalid_argument(format!("{name} is too large"))),
            Some(_) => Err(Refusal::invalid_argument(format!(
                "{name} must be a number of 0 or more"
            ))),
        }
    }
}
