//! Names of headers that are S3's own.

use http::HeaderName;

pub(super) const CHECKSUM_ALGORITHM: HeaderName =
    HeaderName::from_static("x-amz-checksum-algorithm");
pub(super) const CHECKSUM_CRC32: HeaderName = HeaderName::from_static("x-amz-checksum-crc32");
pub(super) const CHECKSUM_CRC32C: HeaderName = HeaderName::from_static("x-amz-checksum-crc32c");
pub(super) const CHECKSUM_CRC64NVME: HeaderName =
    HeaderName::from_static("x-amz-checksum-crc64nvme");
pub(super) const CHECKSUM_MODE: HeaderName = HeaderName::from_static("x-amz-checksum-mode");
pub(super) const CHECKSUM_SHA256: HeaderName = HeaderName::from_static("x-amz-checksum-sha256");
pub(super) const CHECKSUM_TYPE: HeaderName = HeaderName::from_static("x-amz-checksum-type");
pub(super) const CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");
pub(super) const CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");
pub(super) const DECODED_LENGTH: HeaderName =
    HeaderName::from_static("x-amz-decoded-content-length");
pub(super) const DELETE_MARKER: HeaderName = HeaderName::from_static("x-amz-delete-marker");
pub(super) const HOST_ID: HeaderName = HeaderName::from_static("x-amz-id-2");
pub(super) const OBJECT_SIZE: HeaderName = HeaderName::from_static("x-amz-mp-object-size");
pub(super) const PARTS_COUNT: HeaderName = HeaderName::from_static("x-amz-mp-parts-count");
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-request-id");
pub(super) const SDK_CHECKSUM_ALGORITHM: HeaderName =
    HeaderName::from_static("x-amz-sdk-checksum-algorithm");
pub(super) const TRAILER: HeaderName = HeaderName::from_static("x-amz-trailer");
pub(super) const VERSION_ID: HeaderName = HeaderName::from_static("x-amz-version-id");
