//! Buckets, PUT and DELETE.

use http::{HeaderMap, HeaderValue, header};

use super::digest::Value;
use super::read::matches_tag;
use super::refusal::Refusal;
use super::request::Payload;
use super::response::Response;
use super::store::{Data, Object, StoredChecksum, Version};
use super::{Call, Model, names};

/// Headers that are stored with an object beside `x-amz-meta-*`.
const STORED: [&str; 7] = [
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "expires",
    "x-amz-storage-class",
];

/// The most bytes that names and values of metadata may have together (AWS, "Working with object
/// metadata").
const MAX_METADATA: usize = 2_048;

impl Model {
    pub(super) fn create(&mut self, call: &Call<'_>) -> Result<Response, Refusal> {
        let name = &call.route.bucket;
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        if !(3..=63).contains(&name.len()) || !name.chars().all(plain) {
            let message = "The specified bucket is not valid.";
            return Err(Refusal::new(400, "InvalidBucketName", message));
        }
        if self.buckets.contains_key(name) {
            return Err(Refusal::new(
                409,
                "BucketAlreadyOwnedByYou",
                "Your previous request to create the named bucket succeeded and you already own it.",
            ));
        }
        self.create_bucket(name);
        let mut response = Response::new(200);
        response.put(header::LOCATION, format!("/{name}"));
        Ok(response)
    }

    pub(super) fn head_bucket(&self) -> Response {
        let mut response = Response::new(200);
        response.set("x-amz-bucket-region", &self.config.region);
        response
    }

    pub(super) fn put_object(
        &mut self,
        call: &Call<'_>,
        payload: Payload,
    ) -> Result<Response, Refusal> {
        require_length(call)?;
        check_put_size(payload.len, self.config.limits.max_put)?;
        let headers = stored_headers(call)?;
        self.check_write_conditions(call)?;
        let tag = self.config.etags;
        let value = payload.declared.unwrap_or(payload.crc64);
        let checksum = self.config.checksums.then(|| StoredChecksum::full(value));
        let mut object = Object::new(Data::from(payload.segments));
        object.etag = tag.tag(payload.md5, payload.crc64.as_bytes(), payload.len);
        object.headers = headers;
        object.checksum = checksum.clone();
        let etag = self.insert(&call.route.bucket, &call.route.key, object);
        let mut response = Response::new(200);
        response.put(header::ETAG, etag);
        self.set_version(call, &mut response);
        if let Some(checksum) = checksum {
            response.put_checksum(&checksum);
        }
        Ok(response)
    }

    pub(super) fn delete_object(&mut self, call: &Call<'_>) -> Response {
        let mut response = Response::new(204);
        let versioning = self.config.versioning;
        let marker = self.ids.ordered();
        let Some(bucket) = self.buckets.get_mut(&call.route.bucket) else {
            return response;
        };
        let key = &call.route.key;
        if let Some(id) = call.route.param("versionId") {
            bucket.remove_version(key, id);
            response.put(names::VERSION_ID, id);
        } else if versioning {
            response.put(names::DELETE_MARKER, HeaderValue::from_static("true"));
            response.put(names::VERSION_ID, marker.as_str());
            bucket.insert(key, Version::DeleteMarker { version_id: marker }, true);
        } else {
            bucket.keys.remove(key);
        }
        response
    }

    /// `If-None-Match: *` and `If-Match` of PUT and Complete (AWS, "How to prevent object
    /// overwrites with conditional writes").
    pub(super) fn check_write_conditions(&self, call: &Call<'_>) -> Result<(), Refusal> {
        let current = self.object(&call.route.bucket, &call.route.key);
        match call.request.text(header::IF_NONE_MATCH) {
            Some("*") if current.is_some() => return Err(Refusal::precondition("If-None-Match")),
            None | Some("*") => {}
            Some(_) => {
                let message = "If-None-Match of a write takes only *";
                return Err(Refusal::new(501, "NotImplemented", message));
            }
        }
        match (call.request.text(header::IF_MATCH), current) {
            (Some(_), None) => {
                let message = "The specified key does not exist.";
                Err(Refusal::new(404, "NoSuchKey", message))
            }
            (Some(tags), Some(object)) if !matches_tag(tags, &object.etag) => {
                Err(Refusal::precondition("If-Match"))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn set_version(&self, call: &Call<'_>, response: &mut Response) {
        if let Some(object) = self.object(&call.route.bucket, &call.route.key)
            && self.config.versioning
        {
            response.put(names::VERSION_ID, object.version_id.as_str());
        }
    }
}

/// S3 takes no body of unknown length: chunked transfer coding needs the decoded length.
pub(super) fn require_length(call: &Call<'_>) -> Result<(), Refusal> {
    let known = [header::CONTENT_LENGTH, names::DECODED_LENGTH];
    if known.iter().any(|name| call.request.text(name).is_some()) {
        return Ok(());
    }
    Err(Refusal::new(
        411,
        "MissingContentLength",
        "You must provide the Content-Length HTTP header.",
    ))
}

pub(super) fn check_put_size(len: u64, max: u64) -> Result<(), Refusal> {
    if len <= max {
        return Ok(());
    }
    Err(Refusal::new(
        400,
        "EntityTooLarge",
        "Your proposed upload exceeds the maximum allowed size",
    )
    .detail("ProposedSize", len.to_string())
    .detail("MaxSizeAllowed", max.to_string()))
}

/// Metadata and content headers as they are stored: `aws-chunked` was a coding of the request.
pub(super) fn stored_headers(call: &Call<'_>) -> Result<HeaderMap, Refusal> {
    let mut stored = HeaderMap::new();
    let mut metadata = 0;
    for (name, value) in &call.request.headers {
        if let Some(suffix) = name.as_str().strip_prefix("x-amz-meta-") {
            metadata += suffix.len() + value.len();
            stored.append(name, value.clone());
        } else if STORED.contains(&name.as_str()) {
            stored.append(name, value.clone());
        }
    }
    if metadata > MAX_METADATA {
        return Err(Refusal::new(
            400,
            "MetadataTooLarge",
            "Your metadata headers exceed the maximum allowed metadata size",
        ));
    }
    if let Some(coding) = call.request.text(header::CONTENT_ENCODING) {
        let kept: Vec<&str> = coding
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty() && *name != "aws-chunked")
            .collect();
        stored.remove(header::CONTENT_ENCODING);
        if let Ok(value) = kept.join(", ").parse()
            && !kept.is_empty()
        {
            stored.insert(header::CONTENT_ENCODING, value);
        }
    }
    if !stored.contains_key(header::CONTENT_TYPE) {
        let default = HeaderValue::from_static("binary/octet-stream");
        stored.insert(header::CONTENT_TYPE, default);
    }
    Ok(stored)
}

/// Says a part's checksum in an answer's headers.
pub(super) fn set_value(response: &mut Response, value: &Value) {
    response.put(value.algorithm().header_name(), value.base64());
}
