//! Buckets, objects and their versions.

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::Bytes;
use http::HeaderMap;

use super::digest::Value;
use super::synthetic;

/// The bytes of an object.
#[derive(Clone, Debug)]
pub enum Data {
    /// The slices that came in.
    Stored {
        /// Each slice with the offset at which it ends.
        pieces: Vec<(u64, Bytes)>,
    },
    /// The [`synthetic`] pattern.
    Synthetic {
        /// Bytes in all.
        len: u64,
    },
}

impl Data {
    /// Bytes in all.
    pub fn len(&self) -> u64 {
        match self {
            Self::Stored { pieces } => pieces.last().map_or(0, |(end, _)| *end),
            Self::Synthetic { len } => *len,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes of `range`, clamped to what there is, as slices that share memory.
    pub fn slices(&self, range: Range<u64>) -> Vec<Bytes> {
        let range = range.start.min(self.len())..range.end.min(self.len());
        match self {
            Self::Synthetic { .. } => synthetic::segments(range),
            Self::Stored { pieces } => {
                let first = pieces.partition_point(|(end, _)| *end <= range.start);
                pieces[first..]
                    .iter()
                    .map(|(end, piece)| (end - piece.len() as u64, piece))
                    .take_while(|(start, _)| *start < range.end)
                    .map(|(start, piece)| {
                        let from = index(range.start.saturating_sub(start));
                        let to = index(range.end - start).min(piece.len());
                        piece.slice(from..to)
                    })
                    .collect()
            }
        }
    }

    /// Everything in one piece: a copy.
    pub fn to_vec(&self) -> Vec<u8> {
        self.slices(0..self.len()).concat()
    }
}

impl From<Vec<Bytes>> for Data {
    fn from(segments: Vec<Bytes>) -> Self {
        let mut end = 0;
        let pieces = segments
            .into_iter()
            .filter(|piece| !piece.is_empty())
            .map(|piece| {
                end += piece.len() as u64;
                (end, piece)
            })
            .collect();
        Self::Stored { pieces }
    }
}

fn index(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

/// What a stored checksum covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChecksumKind {
    /// `FULL_OBJECT`: all bytes in order.
    FullObject,
    /// `COMPOSITE`: the digests of so many parts.
    Composite(usize),
}

impl ChecksumKind {
    /// S3's spelling in `x-amz-checksum-type`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::FullObject => "FULL_OBJECT",
            Self::Composite(_) => "COMPOSITE",
        }
    }
}

/// A checksum that is stored with an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredChecksum {
    /// The value.
    pub value: Value,
    /// What it covers.
    pub kind: ChecksumKind,
}

impl StoredChecksum {
    /// A checksum of all bytes.
    pub const fn full(value: Value) -> Self {
        Self {
            value,
            kind: ChecksumKind::FullObject,
        }
    }

    /// As headers and documents carry it: base64, and `-N` for a composite one.
    pub fn text(&self) -> String {
        match self.kind {
            ChecksumKind::FullObject => self.value.base64(),
            ChecksumKind::Composite(parts) => format!("{}-{parts}", self.value.base64()),
        }
    }
}

/// One version of an object.
#[derive(Clone, Debug)]
pub struct Object {
    /// The bytes.
    pub data: Data,
    /// The entity tag, quotes included.
    pub etag: String,
    /// The version id.
    pub version_id: String,
    /// When it was stored, in seconds since 1970.
    pub modified: i64,
    /// Headers that are stored and given back: content type, metadata and the like.
    pub headers: HeaderMap,
    /// The checksum; none on servers that know none.
    pub checksum: Option<StoredChecksum>,
    /// The lengths of the parts; empty for an object that was PUT.
    pub parts: Vec<u64>,
}

impl Object {
    pub(crate) fn new(data: Data) -> Self {
        Self {
            data,
            etag: String::new(),
            version_id: String::new(),
            modified: 0,
            headers: HeaderMap::new(),
            checksum: None,
            parts: Vec::new(),
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Version {
    Object(Box<Object>),
    DeleteMarker { version_id: String },
}

impl Version {
    pub(crate) fn object(&self) -> Option<&Object> {
        match self {
            Self::Object(object) => Some(object),
            Self::DeleteMarker { .. } => None,
        }
    }

    pub(crate) fn id(&self) -> &str {
        match self {
            Self::Object(object) => &object.version_id,
            Self::DeleteMarker { version_id } => version_id,
        }
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Bucket {
    /// Versions from oldest to newest; never an empty list.
    pub(crate) keys: BTreeMap<String, Vec<Version>>,
}

impl Bucket {
    pub(crate) fn current(&self, key: &str) -> Option<&Object> {
        self.keys.get(key)?.last()?.object()
    }

    pub(crate) fn current_mut(&mut self, key: &str) -> Option<&mut Object> {
        match self.keys.get_mut(key)?.last_mut()? {
            Version::Object(object) => Some(object),
            Version::DeleteMarker { .. } => None,
        }
    }

    /// Keys with an object, in byte order.
    pub(crate) fn live(&self) -> impl Iterator<Item = (&str, &Object)> {
        self.keys
            .iter()
            .filter_map(|(key, versions)| Some((key.as_str(), versions.last()?.object()?)))
    }

    pub(crate) fn insert(&mut self, key: &str, version: Version, keep: bool) {
        let versions = self.keys.entry(key.to_owned()).or_default();
        if !keep {
            versions.clear();
        }
        versions.push(version);
    }

    pub(crate) fn remove_version(&mut self, key: &str, version_id: &str) {
        if let Some(versions) = self.keys.get_mut(key) {
            versions.retain(|version| version.id() != version_id);
            if versions.is_empty() {
                self.keys.remove(key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_range_of_pieces_is_cut_right() {
        let pieces: Vec<Bytes> = ["ab", "", "cde", "f"].map(Bytes::from).into();
        let data = Data::from(pieces);
        let whole = data.to_vec();
        assert_eq!(whole, b"abcdef");
        for start in 0..=7_u64 {
            for end in start..=7 {
                let seen = data.slices(start..end).concat();
                let from = index(start).min(6);
                assert_eq!(seen, &whole[from..index(end).min(6)], "{start}..{end}");
            }
        }
    }
}
