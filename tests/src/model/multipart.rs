//! Multipart uploads: create, upload part, list parts, abort. Completion has its own file.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderValue, header};

use super::digest::{Algorithm, Value};
use super::refusal::Refusal;
use super::request::Payload;
use super::response::Response;
use super::store::Data;
use super::write::{check_put_size, require_length, set_value, stored_headers};
use super::{Call, Model, date, names, xml};

/// An upload that is neither completed nor aborted.
#[derive(Clone, Debug)]
pub struct Upload {
    /// The bucket.
    pub bucket: String,
    /// The key.
    pub key: String,
    /// The upload id.
    pub id: String,
    /// When it was created, in seconds since 1970.
    pub initiated: i64,
    /// The algorithm that was declared at its creation.
    pub algorithm: Option<Algorithm>,
    /// Whether the object's checksum will be made of the parts' checksums.
    pub composite: bool,
    /// Headers for the object.
    pub headers: HeaderMap,
    /// The parts that are there, by number.
    pub parts: BTreeMap<u64, UploadedPart>,
}

impl Upload {
    /// What parts are hashed with: S3 takes CRC64NVME where nothing was declared.
    pub fn part_algorithm(&self) -> Algorithm {
        self.algorithm.unwrap_or(Algorithm::Crc64Nvme)
    }

    fn is_of(&self, call: &Call<'_>) -> bool {
        self.bucket == call.route.bucket && self.key == call.route.key
    }
}

/// A part that was uploaded; a later one of the same number replaces it.
#[derive(Clone, Debug)]
pub struct UploadedPart {
    /// The bytes.
    pub data: Data,
    /// The entity tag, quotes included.
    pub etag: String,
    /// By the upload's algorithm.
    pub checksum: Value,
    /// When it was stored, in seconds since 1970.
    pub modified: i64,
}

impl Model {
    pub(super) fn create_upload(&mut self, call: &Call<'_>) -> Result<Response, Refusal> {
        let (algorithm, composite) = declared_checksum(call)?;
        let upload = Upload {
            bucket: call.route.bucket.clone(),
            key: call.route.key.clone(),
            id: self.ids.ordered(),
            initiated: self.now,
            algorithm,
            composite,
            headers: stored_headers(call)?,
            parts: BTreeMap::new(),
        };
        let mut document = xml::Writer::namespaced("InitiateMultipartUploadResult");
        document.text("Bucket", &upload.bucket);
        document.text("Key", &upload.key);
        document.text("UploadId", &upload.id);
        let mut response = Response::new(200);
        response.xml(document);
        if let Some(algorithm) = algorithm {
            response.put(
                names::CHECKSUM_ALGORITHM,
                HeaderValue::from_static(algorithm.name()),
            );
            response.put(
                names::CHECKSUM_TYPE,
                HeaderValue::from_static(kind_name(composite)),
            );
        }
        self.uploads.insert(upload.id.clone(), upload);
        Ok(response)
    }

    pub(super) fn upload_part(
        &mut self,
        call: &Call<'_>,
        payload: Payload,
    ) -> Result<Response, Refusal> {
        require_length(call)?;
        let limits = self.config.limits;
        check_put_size(payload.len, limits.max_part)?;
        let number = call.number("partNumber")?.unwrap_or(0);
        if !(1..=limits.max_parts).contains(&number) {
            return Err(Refusal::invalid_argument(format!(
                "Part number must be an integer between 1 and {}, inclusive",
                limits.max_parts
            )));
        }
        let (tag, now, told) = (self.config.etags, self.now, self.config.checksums);
        let upload = self.upload_mut(call)?;
        let algorithm = upload.part_algorithm();
        if let Some(declared) = &payload.declared
            && declared.algorithm() != algorithm
        {
            let expected = upload.algorithm.map_or("null", Algorithm::name);
            return Err(Refusal::invalid_request(format!(
                "Checksum Type mismatch occurred, expected checksum Type: {expected}, \
                 actual checksum Type: {}",
                declared.algorithm().name()
            )));
        }
        let checksum = payload.checksum(algorithm);
        let part = UploadedPart {
            etag: tag.tag(payload.md5, payload.crc64.as_bytes(), payload.len),
            data: Data::from(payload.segments),
            checksum,
            modified: now,
        };
        let mut response = Response::new(200);
        response.put(header::ETAG, part.etag.as_str());
        if told {
            set_value(&mut response, &checksum);
        }
        upload.parts.insert(number, part);
        Ok(response)
    }

    pub(super) fn list_parts(&self, call: &Call<'_>) -> Result<Response, Refusal> {
        let upload = self.upload(call)?;
        let marker = call.number("part-number-marker")?.unwrap_or(0);
        let page = self.config.limits.page;
        let wanted = call.number("max-parts")?.unwrap_or(page).min(page);
        let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
        let mut later = upload.parts.range(marker.saturating_add(1)..);
        let shown: Vec<(&u64, &UploadedPart)> = later.by_ref().take(wanted).collect();
        let truncated = later.next().is_some();
        let mut document = xml::Writer::namespaced("ListPartsResult");
        document.text("Bucket", &upload.bucket);
        document.text("Key", &upload.key);
        document.text("UploadId", &upload.id);
        document.text("PartNumberMarker", &marker.to_string());
        if truncated {
            let next = shown.last().map_or(marker, |(number, _)| **number);
            document.text("NextPartNumberMarker", &next.to_string());
        }
        document.text("MaxParts", &wanted.to_string());
        document.text("IsTruncated", if truncated { "true" } else { "false" });
        document.text("StorageClass", "STANDARD");
        document.maybe("ChecksumAlgorithm", upload.algorithm.map(Algorithm::name));
        let kind = upload.algorithm.map(|_| kind_name(upload.composite));
        document.maybe("ChecksumType", kind);
        for (number, part) in shown {
            document.open("Part");
            document.text("PartNumber", &number.to_string());
            document.text("LastModified", &date::iso(part.modified));
            document.text("ETag", &part.etag);
            document.text("Size", &part.data.len().to_string());
            if self.config.checksums {
                let element = part.checksum.algorithm().element();
                document.text(element, &part.checksum.base64());
            }
            document.close();
        }
        let mut response = Response::new(200);
        response.xml(document);
        Ok(response)
    }

    pub(super) fn abort(&mut self, call: &Call<'_>) -> Result<Response, Refusal> {
        let id = self.upload(call)?.id.clone();
        self.uploads.remove(&id);
        Ok(Response::new(204))
    }

    /// The upload that a request names, which must also be of its bucket and key.
    pub(super) fn upload(&self, call: &Call<'_>) -> Result<&Upload, Refusal> {
        let id = call.route.param("uploadId").unwrap_or_default();
        self.uploads
            .get(id)
            .filter(|upload| upload.is_of(call))
            .ok_or_else(Refusal::no_such_upload)
    }

    fn upload_mut(&mut self, call: &Call<'_>) -> Result<&mut Upload, Refusal> {
        let id = call.route.param("uploadId").unwrap_or_default();
        self.uploads
            .get_mut(id)
            .filter(|upload| upload.is_of(call))
            .ok_or_else(Refusal::no_such_upload)
    }
}

pub(super) const fn kind_name(composite: bool) -> &'static str {
    if composite {
        "COMPOSITE"
    } else {
        "FULL_OBJECT"
    }
}

/// Algorithm and type of a new upload. CRC64NVME is always over the full object, SHA-256 always
/// composite, and the other CRCs are composite unless told otherwise (AWS, "Checking object
/// integrity for data uploads").
fn declared_checksum(call: &Call<'_>) -> Result<(Option<Algorithm>, bool), Refusal> {
    let kind = call.request.text(names::CHECKSUM_TYPE);
    let Some(name) = call.request.text(names::CHECKSUM_ALGORITHM) else {
        return match kind {
            None => Ok((None, false)),
            Some(_) => Err(Refusal::invalid_request(
                "The x-amz-checksum-type header can only be used \
                 with the x-amz-checksum-algorithm header.",
            )),
        };
    };
    let algorithm = Algorithm::parse(name)
        .ok_or_else(|| Refusal::invalid_request("Checksum algorithm provided is unsupported."))?;
    let composite = match (algorithm, kind) {
        (Algorithm::Crc64Nvme, None | Some("FULL_OBJECT")) => false,
        (Algorithm::Crc32 | Algorithm::Crc32c, Some("FULL_OBJECT")) => false,
        (Algorithm::Crc32 | Algorithm::Crc32c | Algorithm::Sha256, None | Some("COMPOSITE")) => {
            true
        }
        (_, kind) => {
            return Err(Refusal::invalid_request(format!(
                "The {} checksum type cannot be used with the {} checksum algorithm.",
                kind.unwrap_or("null"),
                algorithm.name()
            )));
        }
    };
    Ok((Some(algorithm), composite))
}
