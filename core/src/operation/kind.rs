use core::fmt;

/// Which S3 operation a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum OperationKind {
    /// Whether a bucket exists and may be used.
    HeadBucket,
    /// Makes a bucket.
    CreateBucket,
    /// An object's size, ETag, checksums and metadata.
    HeadObject,
    /// An object's bytes.
    GetObject,
    /// Writes an object in one request.
    PutObject,
    /// Removes an object.
    DeleteObject,
    /// A page of a bucket's keys.
    ListObjectsV2,
    /// Begins a multipart upload.
    CreateMultipartUpload,
    /// One part of a multipart upload.
    UploadPart,
    /// The parts that the server has of an upload.
    ListParts,
    /// Makes the object out of its parts.
    CompleteMultipartUpload,
    /// Discards an upload and its parts.
    AbortMultipartUpload,
    /// The unfinished uploads of a bucket.
    ListMultipartUploads,
}

impl fmt::Display for OperationKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
