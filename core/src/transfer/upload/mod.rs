//! Uploads: one PUT where the object is small, a multipart upload where it is not.
//!
//! Whatever happens, an upload ends in one of three ways: completed, and proved as far as the
//! server lets it be proved; aborted, with nothing left on the server; or failed with the id of
//! what could not be aborted.

mod discard;
mod finish;
mod identity;
mod parts;
mod put;
mod work;

use core::num::NonZeroU64;

use super::Verified;
use super::sealed::IntoWork;
use super::{Transfer, Work};
use crate::checksum::Algorithm;
use crate::endpoint::{BucketName, ObjectKey};
use crate::etag::ETag;
use crate::operation::{PutOptions, UploadId};

/// An upload of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub struct Upload {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: ObjectKey,
    /// How long the source is, and whether it can be read again.
    pub length: Length,
    /// Bytes a part: an object of at most that many goes by one PUT. Where it is `None`, 8 MiB, or
    /// as many up to 64 MiB as keep a source of known length to 1,000 parts; in any case as many
    /// as 10,000 parts need. A source of unknown length begins with this size, and no part of it
    /// takes more than half of the session's memory.
    pub part_size: Option<NonZeroU64>,
    /// The checksum that each request carries. CRC-64/NVME by default.
    pub checksum: Algorithm,
    /// Whether to look at an object that the server has acknowledged.
    #[cfg_attr(feature = "trace", serde(default))]
    pub confirm: Confirm,
    /// Metadata and conditions.
    pub options: PutOptions,
}

/// Whether to look at an object, by a HEAD, once the server has acknowledged it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Confirm {
    /// Where no answer repeats the checksum that was sent: the object itself may prove more.
    #[default]
    Unproved,
    /// Never, where each request had its checksum in a header: what a server acknowledges it has
    /// compared, or does not know checksums. The result is [`Verified::Acknowledged`] then. A write
    /// whose answer was lost is looked for all the same, and so is one with its checksum in a trailer,
    /// since a server may have stored its framing.
    Never,
}

/// What is known of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub enum Length {
    /// So many bytes, and any of them can be read at any time.
    Known(u64),
    /// A pull source: read once, from first to last, by [`Step::Fill`](crate::session::Step).
    Unknown {
        /// Whether all parts but the last must be equal, as some servers ask for
        /// (<https://github.com/apache/opendal/issues/2904>). Otherwise parts grow, so that 10,000
        /// of them reach further.
        equal_parts: bool,
    },
}

/// What an upload made.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Uploaded {
    /// The object's size in bytes.
    pub size: u64,
    /// Its entity tag, where the server told.
    pub etag: Option<ETag>,
    /// By how many parts it went; 0 where it was one PUT.
    pub parts: u32,
    /// How the object was proved to have the source's bytes.
    pub verified: Verified,
    /// The multipart upload, where the object turned out to be there although the answer to
    /// CompleteMultipartUpload was lost, and the upload could not be aborted: it may be left.
    pub leftover: Option<UploadId>,
    /// How often the answer to CreateMultipartUpload was lost: each time an empty upload may have
    /// been left behind, whose id nobody knows. Listing the unfinished uploads finds it.
    pub lost_creates: u32,
}

impl Upload {
    /// An upload with the defaults.
    pub fn new(bucket: BucketName, key: ObjectKey, length: Length) -> Self {
        Self {
            bucket,
            key,
            length,
            part_size: None,
            checksum: Algorithm::Crc64Nvme,
            confirm: Confirm::default(),
            options: PutOptions::default(),
        }
    }
}

impl Transfer for Upload {
    type Output = Uploaded;
}

impl IntoWork for Upload {
    fn into_work(self) -> Box<dyn Work> {
        Box::new(work::UploadWork::new(self))
    }
}
