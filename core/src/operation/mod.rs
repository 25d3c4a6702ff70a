//! The S3 operations that transfers need, one file each: a request builder and a strict parser.

mod kind;
mod upload_id;

pub use kind::OperationKind;
pub use upload_id::UploadId;
