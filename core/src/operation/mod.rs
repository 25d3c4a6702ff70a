//! The S3 operations that transfers need, one file each: a request builder and a strict parser.
//!
//! An operation is a value. It says what to request ([`Operation::request`], unsigned) and judges
//! the answer ([`Operation::parse`]); what it says depends on nothing but its fields, so that a
//! retry is the same request. [`GetObject`] stands apart: its answer's body is the object and never
//! passes through here, so it only judges heads.

mod abort_multipart_upload;
mod answer;
mod complete_multipart_upload;
mod create_bucket;
mod create_multipart_upload;
mod delete_object;
mod document;
mod get_object;
mod head_bucket;
mod head_object;
mod header;
mod kind;
mod list_multipart_uploads;
mod list_objects_v2;
mod list_parts;
mod number;
mod put_object;
mod put_options;
mod response;
#[cfg(test)]
mod testing;
mod upload_id;
mod upload_part;

use core::fmt::Debug;

use bytes::Bytes;
use http::response::Parts;

use crate::endpoint::Endpoint;
use crate::request::Unsigned;

pub use abort_multipart_upload::{AbortMultipartUpload, AbortMultipartUploadOutput};
pub use answer::Answer;
pub use complete_multipart_upload::{
    CompleteMultipartUpload, CompleteMultipartUploadOutput, CompletedPart,
};
pub use create_bucket::CreateBucket;
pub use create_multipart_upload::{CreateMultipartUpload, CreateMultipartUploadOutput};
pub use delete_object::{DeleteObject, DeleteObjectOutput};
pub use get_object::{GetObject, GetObjectHead};
pub use head_bucket::{HeadBucket, HeadBucketOutput};
pub use head_object::{HeadObject, HeadObjectOutput};
pub(crate) use header::content_length;
pub use kind::OperationKind;
pub use list_multipart_uploads::{ListMultipartUploads, ListMultipartUploadsOutput, ListedUpload};
pub use list_objects_v2::{ListObjectsV2, ListObjectsV2Output, ListedObject};
pub use list_parts::{ListParts, ListPartsOutput, ListedPart};
pub use put_object::{PutObject, PutObjectOutput};
pub use put_options::PutOptions;
pub use response::{MAX_ERROR_BODY, ResponseError, refusal};
pub(crate) use response::{add_body, refusal_by_head};
pub use upload_id::UploadId;
pub use upload_part::{UploadPart, UploadPartOutput};

/// An operation whose answer is a head and a small body.
pub trait Operation: Clone + Debug + Send + Sync + 'static {
    /// Which operation it is.
    const KIND: OperationKind;

    /// The most bytes of a successful answer's body; a longer one is a violation. Never less than
    /// the 64 KiB of an error document that are looked at.
    const BODY_LIMIT: usize;

    /// What a successful answer says.
    type Output: Clone + Debug + PartialEq + Send + 'static;

    /// The request, but for what depends on its bytes: `content-length`, the payload's checksum,
    /// and all that signing adds.
    fn request(&self, endpoint: &Endpoint) -> Unsigned;

    /// The request's body. Empty also for [`PutObject`] and [`UploadPart`], whose bodies are
    /// payload and come from a source.
    fn payload(&self) -> Bytes {
        Bytes::new()
    }

    /// Judges an answer by its head and its whole body (empty where the request was a HEAD).
    ///
    /// # Errors
    /// [`ResponseError::S3`] where the server refused, be it in the body of a 200;
    /// [`ResponseError::Violation`] where the answer is not one to this operation.
    fn parse(&self, head: &Parts, body: &[u8]) -> Result<Self::Output, ResponseError>;

    /// The output as one of the answers that an attempt can have.
    fn into_answer(output: Self::Output) -> Answer;

    /// The output again, unless the answer is another operation's.
    fn from_answer(answer: Answer) -> Option<Self::Output>;
}

/// The body limit of operations whose answers say little: as much as is looked at of an error.
const SMALL_BODY: usize = MAX_ERROR_BODY;

/// The body limit of a page of a listing. A page of 1,000 keys of 1,024 bytes that are all escaped
/// takes 4 MiB.
const PAGE_BODY: usize = 8 << 20;

/// The most entries of a page. S3 sends 1,000; a server that sends more than ten times that does
/// not page.
const PAGE_ENTRIES: usize = 10_000;
