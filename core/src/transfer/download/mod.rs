//! Downloads: an object's bytes by parallel ranges, of one version, proved where they can be.
//!
//! The first range also discovers the object; a HEAD beside it (ahead of it, for a consumer in
//! order, who can't give bytes back) brings the checksum of the whole,
//! which no ranged answer carries. Further ranges are cut when the HEAD is settled, each pinned to
//! the version seen. Servers that ignore ranges, or have no usable ETag, are read as one stream.

mod hedge;
mod probe;
mod ranges;
mod recheck;
mod stream;
mod work;

use core::num::NonZeroU64;

use super::Verified;
use super::sealed::IntoWork;
use super::{Transfer, Work};
use crate::endpoint::{BucketName, ObjectKey};
use crate::etag::ETag;
use crate::time::UnixTime;

/// The size of ranges where the caller does not say.
pub(crate) const DEFAULT_PART_SIZE: NonZeroU64 = NonZeroU64::new(8 << 20).unwrap();

/// A download of one object.
///
/// ```
/// use sans3_core::endpoint::{BucketName, ObjectKey};
/// use sans3_core::transfer::{Download, Order};
///
/// let bucket = BucketName::new("data")?;
/// let key = ObjectKey::new("2026/report.parquet")?;
/// let download = Download { order: Order::InOrder, ..Download::new(bucket, key) };
/// # Ok::<_, sans3_core::error::SpecError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub struct Download {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: ObjectKey,
    /// The order in which bytes may be placed.
    pub order: Order,
    /// Bytes a range; 8 MiB where it is `None`.
    pub part_size: Option<NonZeroU64>,
    /// The object's size, where the caller knows it from a listing. If it fits one range, the
    /// object is read by one plain GET without a HEAD. Only a hint: a wrong one costs time.
    pub size_hint: Option<u64>,
    /// The version that must be there: another one is an error.
    pub if_match: Option<ETag>,
}

/// The order in which the bytes of a download are placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub enum Order {
    /// Any: each byte goes to its own offset, and may be written again.
    Random,
    /// The consumer takes them from first to last, and reports what it is done with by
    /// [`Input::Released`](crate::session::Input::Released). Ranges are requested only so far
    /// ahead as memory allows.
    InOrder,
}

/// What a download found.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Downloaded {
    /// The object's size in bytes. A target for random access must be cut to it: where no entity tag
    /// held the answers together, a first one may have been of a longer version.
    pub size: u64,
    /// Its entity tag.
    pub etag: Option<ETag>,
    /// Its `Last-Modified`.
    pub last_modified: Option<UnixTime>,
    /// How the bytes were proved to be the object's.
    pub verified: Verified,
    /// By how many ranges it came; 1 where it was read as one stream.
    pub parts: u32,
}

impl Download {
    /// A download of `key` to random access, with the defaults.
    pub const fn new(bucket: BucketName, key: ObjectKey) -> Self {
        Self {
            bucket,
            key,
            order: Order::Random,
            part_size: None,
            size_hint: None,
            if_match: None,
        }
    }
}

impl Transfer for Download {
    type Output = Downloaded;
}

impl IntoWork for Download {
    fn into_work(self) -> Box<dyn Work> {
        Box::new(work::DownloadWork::new(self))
    }
}
