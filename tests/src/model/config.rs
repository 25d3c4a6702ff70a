//! How a model behaves.

use bytes::Bytes;

use super::digest::{Algorithm, hex, md5, push_hex, push_hex_bytes};
use super::encode::nibble;
use super::request::Hashes;
use super::sigv4::Access;

/// How a [`Model`](super::Model) behaves. The default: any signature, real MD5 entity tags,
/// versions kept, S3's limits, region `us-east-1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelConfig {
    /// Where identifiers come from.
    pub seed: u64,
    /// The region that signatures must name.
    pub region: String,
    /// Who may do what.
    pub access: Access,
    /// What entity tags are made of.
    pub etags: Etags,
    /// Sizes and counts.
    pub limits: Limits,
    /// Whether overwritten and deleted versions are kept, and `x-amz-version-id` is sent.
    pub versioning: bool,
    /// Whether checksums are stored and told. Older servers know none.
    pub checksums: bool,
    /// `s3.test` makes `Host: bucket.s3.test` address a bucket; path style works in any case.
    pub virtual_host_suffix: Option<String>,
    /// Where this server is not like S3.
    pub quirks: Quirks,
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self {
            seed: 1,
            region: "us-east-1".to_owned(),
            access: Access::Unchecked,
            etags: Etags::Md5,
            limits: Limits::default(),
            versioning: true,
            checksums: true,
            virtual_host_suffix: None,
            quirks: Quirks::default(),
        }
    }
}

impl ModelConfig {
    /// Settings for large transfers: opaque entity tags, since MD5 costs 2 s per GiB, and old
    /// versions forgotten, since they cost memory.
    pub fn fast() -> Self {
        Self {
            etags: Etags::Opaque,
            versioning: false,
            ..Self::default()
        }
    }

    /// What [`Request::prepare`](super::Request::prepare) has to compute.
    pub const fn hashes(&self) -> Hashes {
        Hashes {
            md5: matches!(self.etags, Etags::Md5),
            min_chunk: self.limits.min_chunk,
        }
    }
}

/// Deviations from S3 that real servers were seen to have. All are off by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a server's habit of its own, in any combination"
)]
pub struct Quirks {
    /// GET and HEAD ignore `If-Match`.
    pub ignores_if_match: bool,
    /// GET ignores `Range`: 200, and the whole object.
    pub ignores_range: bool,
    /// A ranged answer has status 200, with a right `Content-Range`.
    pub ranges_with_200: bool,
    /// 416 comes without `Content-Range`.
    pub bare_416: bool,
    /// The result of a Complete has an empty `ETag`.
    pub complete_without_etag: bool,
    /// Listings have entity tags without quotes.
    pub lists_unquoted_etags: bool,
    /// Listings say `url` for their encoding, and don't encode.
    pub lists_unencoded_keys: bool,
    /// No answer has a request id.
    pub no_request_ids: bool,
}

/// What entity tags are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Etags {
    /// The MD5 of the content, and for multipart uploads the MD5 of the parts' MD5s with `-N`.
    Md5,
    /// Of CRC-64 and length: different for different content, and nothing like an MD5.
    Opaque,
    /// Looks like an MD5 and is none, as with server-side encryption by SSE-KMS or SSE-C.
    LikeMd5,
}

impl Etags {
    /// The tag of content whose digests are known; where the MD5 is wanted it must be there.
    pub(crate) fn tag(self, md5: Option<[u8; 16]>, crc64: &[u8], len: u64) -> String {
        let mut tag = String::with_capacity(36);
        tag.push('"');
        match (self, md5) {
            (Self::Md5, Some(md5)) => push_hex_bytes(&mut tag, &md5),
            (Self::LikeMd5, _) => {
                push_hex_bytes(&mut tag, crc64);
                push_hex(&mut tag, !len, 16);
            }
            (Self::Md5 | Self::Opaque, _) => {
                tag.push('o');
                push_hex_bytes(&mut tag, crc64);
                tag.push('.');
                push_hex(&mut tag, len, 1);
            }
        }
        tag.push('"');
        tag
    }

    /// The tag of an object made of parts with these tags.
    pub(crate) fn of_parts(self, parts: &[&str]) -> String {
        let count = parts.len();
        let mut raw = Vec::with_capacity(16 * count);
        parts.iter().for_each(|tag| unhex_into(tag, &mut raw));
        let raw = [Bytes::from(raw)];
        match self {
            Self::Md5 => format!("\"{}-{count}\"", hex(&md5(&raw))),
            Self::Opaque | Self::LikeMd5 => {
                let crc = hex(Algorithm::Crc64Nvme.digest(&raw).as_bytes());
                format!("\"{crc}{crc}-{count}\"")
            }
        }
    }
}

/// Appends the bytes of the hexadecimal digits of a tag; for an opaque one, its characters.
fn unhex_into(tag: &str, bytes: &mut Vec<u8>) {
    let inner = tag.trim_matches('"').as_bytes();
    let start = bytes.len();
    for pair in inner.chunks(2) {
        let [Some(high), Some(low)] = [pair.first(), pair.get(1)].map(|digit| nibble(*digit?))
        else {
            bytes.truncate(start);
            bytes.extend_from_slice(inner);
            return;
        };
        bytes.push(high << 4 | low);
    }
}

/// S3's limits, which a test may scale down (AWS, "Amazon S3 multipart upload limits").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Every part but the last has at least so many bytes.
    pub min_part: u64,
    /// The largest part.
    pub max_part: u64,
    /// Part numbers end here.
    pub max_parts: u64,
    /// The largest object that one PUT may carry.
    pub max_put: u64,
    /// The largest object.
    pub max_object: u64,
    /// The longest page of a listing.
    pub page: u64,
    /// Every chunk of a framed body but the last has at least so many bytes.
    pub min_chunk: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            min_part: 5 << 20,
            max_part: 5 << 30,
            max_parts: 10_000,
            max_put: 5 << 30,
            max_object: 50 << 40,
            page: 1_000,
            min_chunk: 8_192,
        }
    }
}
