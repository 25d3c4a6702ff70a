//! What an answer says, as plain names and bytes, by the client's reading and by the slow one.

use sans3_core::checksum::Declared;
use sans3_core::endpoint::{BucketName, ObjectKey};
use sans3_core::etag::ETag;
use sans3_core::operation::{
    CompleteMultipartUpload, CompletedPart, CreateMultipartUpload, ListMultipartUploads,
    ListObjectsV2, ListParts, Operation, ResponseError, UploadId,
};
use sans3_core::part::PartNumber;
use sans3_core::time::UnixTime;

use super::tree::{Element, Tree};
use crate::model::date;

/// The upload whose parts are listed.
pub(super) const UPLOAD: &str = "u1";

/// The operations whose answers are documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Objects,
    Uploads,
    Parts,
    Complete,
    Create,
}

/// Elements with their texts.
pub(super) type Fields = Vec<(&'static str, Vec<u8>)>;

/// An answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// What stands in the root.
    pub(super) fields: Fields,
    /// The entries of a page.
    pub(super) records: Vec<(&'static str, Fields)>,
}

impl Kind {
    pub(super) const ALL: [Self; 5] = [
        Self::Objects,
        Self::Uploads,
        Self::Parts,
        Self::Complete,
        Self::Create,
    ];

    pub(super) const fn root(self) -> &'static str {
        match self {
            Self::Objects => "ListBucketResult",
            Self::Uploads => "ListMultipartUploadsResult",
            Self::Parts => "ListPartsResult",
            Self::Complete => "CompleteMultipartUploadResult",
            Self::Create => "InitiateMultipartUploadResult",
        }
    }

    /// What the client makes of an answer with this body.
    pub(super) fn parse(self, status: u16, body: &[u8]) -> Result<Facts, ResponseError> {
        let head = http::Response::builder().status(status).body(());
        let (head, ()) = head
            .unwrap_or_else(|e| panic!("{status}: {e}"))
            .into_parts();
        match self {
            Self::Objects => ListObjectsV2::new(bucket()).parse(&head, body).map(objects),
            Self::Uploads => ListMultipartUploads::new(bucket())
                .parse(&head, body)
                .map(uploads),
            Self::Parts => ListParts::new(bucket(), key(), upload())
                .parse(&head, body)
                .map(parts),
            Self::Complete => complete().parse(&head, body).map(|answer| Facts {
                fields: tag_and_checksums(answer.etag.as_ref(), &answer.declared),
                records: Vec::new(),
            }),
            Self::Create => CreateMultipartUpload::new(bucket(), key())
                .parse(&head, body)
                .map(|answer| Facts {
                    fields: vec![("UploadId", answer.upload_id.as_str().into())],
                    records: Vec::new(),
                }),
        }
    }

    /// What a document means that the client took, but for checksums; `None` where it is none of
    /// this kind.
    pub(super) fn read(self, tree: &Tree) -> Option<Facts> {
        let root = &tree.root;
        if root.name != self.root() {
            return None;
        }
        let url = root.last("EncodingType").map(trimmed);
        let url = url.is_some_and(|text| text.eq_ignore_ascii_case("url"));
        let name = |text: &str| if url { decoded(text) } else { text.into() };
        let mut facts = Facts::default();
        match self {
            Self::Objects => {
                for object in root.all("Contents") {
                    facts.records.push(("Contents", read_object(object, name)?));
                }
                for prefix in root.all("CommonPrefixes") {
                    let fields = vec![("Prefix", name(prefix.last("Prefix")?))];
                    facts.records.push(("CommonPrefixes", fields));
                }
                facts.truncated(read_truth(root)?);
                facts.maybe("NextContinuationToken", opaque(root));
            }
            Self::Uploads => {
                for upload in root.all("Upload") {
                    let mut fields = vec![
                        ("Key", name(upload.last("Key")?)),
                        ("UploadId", upload.last("UploadId")?.into()),
                    ];
                    let begun = upload.last("Initiated").and_then(moment);
                    fields.extend(begun.map(|begun| ("Initiated", begun)));
                    facts.records.push(("Upload", fields));
                }
                facts.truncated(read_truth(root)?);
                let marker = root.last("NextKeyMarker").filter(|text| !text.is_empty());
                facts.maybe("NextKeyMarker", marker.map(name));
                let marker = root.last("NextUploadIdMarker").map(Vec::from);
                facts.maybe("NextUploadIdMarker", marker.filter(|text| !text.is_empty()));
            }
            Self::Parts => {
                for part in root.all("Part") {
                    let mut fields = vec![
                        ("PartNumber", number(part.last("PartNumber")?)?),
                        ("Size", number(part.last("Size")?)?),
                    ];
                    fields.extend(part.last("ETag").and_then(tag).map(|tag| ("ETag", tag)));
                    facts.records.push(("Part", fields));
                }
                facts.truncated(read_truth(root)?);
                let marker = root.last("NextPartNumberMarker").and_then(number);
                let is_part = |text: &[u8]| {
                    let text = std::str::from_utf8(text).ok();
                    let number = text.and_then(|text| text.parse::<u64>().ok());
                    number.is_some_and(|number| (1..=10_000).contains(&number))
                };
                facts.maybe("NextPartNumberMarker", marker.filter(|text| is_part(text)));
            }
            Self::Complete => facts.maybe("ETag", root.last("ETag").and_then(tag)),
            Self::Create => facts.maybe("UploadId", Some(root.last("UploadId")?.into())),
        }
        Some(facts)
    }
}

impl Facts {
    /// The same without what only the client reads.
    pub(super) fn without_checksums(mut self) -> Self {
        self.fields
            .retain(|(name, _)| !name.starts_with("Checksum"));
        for (_, fields) in &mut self.records {
            fields.retain(|(name, _)| !name.starts_with("Checksum"));
        }
        self
    }

    pub(super) fn truncated(&mut self, is_truncated: bool) {
        let text = if is_truncated { "true" } else { "false" };
        self.fields.push(("IsTruncated", text.into()));
    }

    pub(super) fn maybe(&mut self, name: &'static str, value: Option<Vec<u8>>) {
        self.fields.extend(value.map(|value| (name, value)));
    }
}

fn objects(page: sans3_core::operation::ListObjectsV2Output) -> Facts {
    let mut facts = Facts::default();
    for object in page.objects {
        let mut fields = vec![
            ("Key", object.key),
            ("Size", object.size.to_string().into_bytes()),
        ];
        fields.extend(object.etag.map(|tag| ("ETag", tag.as_str().into())));
        fields.extend(object.last_modified.map(|time| ("LastModified", iso(time))));
        fields.extend(
            object
                .storage_class
                .map(|class| ("StorageClass", class.into())),
        );
        facts.records.push(("Contents", fields));
    }
    for prefix in page.prefixes {
        facts
            .records
            .push(("CommonPrefixes", vec![("Prefix", prefix)]));
    }
    facts.truncated(page.is_truncated);
    let token = page.next_continuation_token.map(String::into_bytes);
    facts.maybe("NextContinuationToken", token);
    facts
}

fn uploads(page: sans3_core::operation::ListMultipartUploadsOutput) -> Facts {
    let mut facts = Facts::default();
    for upload in page.uploads {
        let mut fields = vec![
            ("Key", upload.key),
            ("UploadId", upload.upload_id.as_str().into()),
        ];
        fields.extend(upload.initiated.map(|time| ("Initiated", iso(time))));
        facts.records.push(("Upload", fields));
    }
    facts.truncated(page.is_truncated);
    facts.maybe("NextKeyMarker", page.next_key_marker);
    let marker = page.next_upload_id_marker.map(String::into_bytes);
    facts.maybe("NextUploadIdMarker", marker);
    facts
}

fn parts(page: sans3_core::operation::ListPartsOutput) -> Facts {
    let mut facts = Facts::default();
    for part in page.parts {
        let mut fields = vec![
            ("PartNumber", part.number.get().to_string().into_bytes()),
            ("Size", part.size.to_string().into_bytes()),
        ];
        fields.extend(tag_and_checksums(part.etag.as_ref(), &part.declared));
        facts.records.push(("Part", fields));
    }
    facts.truncated(page.is_truncated);
    let marker = page
        .next_part_number_marker
        .map(|number| number.get().to_string());
    facts.maybe("NextPartNumberMarker", marker.map(String::into_bytes));
    facts
}

fn tag_and_checksums(tag: Option<&ETag>, declared: &Declared) -> Fields {
    let mut fields = Fields::new();
    fields.extend(tag.map(|tag| ("ETag", tag.as_str().into())));
    for checksum in &declared.full_object {
        let name = match checksum.algorithm.name() {
            "CRC64NVME" => "ChecksumCRC64NVME",
            "CRC32C" => "ChecksumCRC32C",
            "CRC32" => "ChecksumCRC32",
            _ => "ChecksumSHA256",
        };
        fields.push((name, checksum.digest.base64().into_bytes()));
    }
    fields
}

fn read_object(object: &Element, name: impl Fn(&str) -> Vec<u8>) -> Option<Fields> {
    let mut fields = vec![
        ("Key", name(object.last("Key")?)),
        ("Size", number(object.last("Size")?)?),
    ];
    fields.extend(object.last("ETag").and_then(tag).map(|tag| ("ETag", tag)));
    let modified = object.last("LastModified").and_then(moment);
    fields.extend(modified.map(|modified| ("LastModified", modified)));
    let class = object.last("StorageClass").map(trimmed);
    let class = class.filter(|class| !class.is_empty());
    fields.extend(class.map(|class| ("StorageClass", class.into())));
    Some(fields)
}

fn opaque(root: &Element) -> Option<Vec<u8>> {
    let text = root.last("NextContinuationToken")?;
    (!text.is_empty()).then(|| text.into())
}

fn read_truth(root: &Element) -> Option<bool> {
    let Some(text) = root.last("IsTruncated") else {
        return Some(false);
    };
    match trimmed(text).to_ascii_lowercase().as_str() {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

/// A number of 64 bits in its shortest form.
fn number(text: &str) -> Option<Vec<u8>> {
    let text = trimmed(text);
    let value = text.bytes().try_fold(0_u128, |value, byte| {
        let digit = char::from(byte).to_digit(10)?;
        Some((value * 10 + u128::from(digit)).min(1 << 100))
    })?;
    let fits = !text.is_empty() && u64::try_from(value).is_ok();
    fits.then(|| value.to_string().into_bytes())
}

fn tag(text: &str) -> Option<Vec<u8>> {
    let text = trimmed(text);
    let usable = (1..=1024).contains(&text.len()) && text.chars().all(|c| c.is_ascii_graphic());
    usable.then(|| text.into())
}

/// A date as the client writes it; `None` where it is none.
fn moment(text: &str) -> Option<Vec<u8>> {
    let text = trimmed(text);
    let digits = text.strip_suffix('Z')?;
    let (seconds, fraction) = match digits.split_once('.') {
        Some((seconds, fraction)) => (seconds, Some(fraction)),
        None => (digits, None),
    };
    let shape: String = seconds
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    let whole = fraction.is_none_or(|digits| {
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
    });
    if shape != "0000-00-00T00:00:00" || !whole {
        return None;
    }
    let seconds = date::parse_amz(&format!("{}Z", seconds.replace(['-', ':'], "")))?;
    Some(iso(UnixTime::from_seconds(seconds)))
}

fn iso(time: UnixTime) -> Vec<u8> {
    date::iso(time.as_seconds()).into_bytes()
}

/// Percent-decoding that leaves alone what is no code, with `+` for a space.
fn decoded(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let digit = |at: usize| {
        bytes
            .get(at)
            .and_then(|byte| char::from(*byte).to_digit(16))
    };
    let mut raw = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        match (bytes[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                raw.extend(u8::try_from(high * 16 + low));
                at += 3;
                continue;
            }
            (b'+', ..) => raw.push(b' '),
            (byte, ..) => raw.push(byte),
        }
        at += 1;
    }
    raw
}

fn trimmed(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\r', '\n'])
}

fn complete() -> CompleteMultipartUpload {
    let tag = ETag::new("\"e\"").unwrap_or_else(|error| panic!("{error}"));
    let part = CompletedPart {
        number: PartNumber::new(1).unwrap_or_else(|| panic!("1 is a part's number")),
        etag: tag,
        checksum: None,
    };
    CompleteMultipartUpload::new(bucket(), key(), upload(), vec![part])
        .unwrap_or_else(|error| panic!("{error}"))
}

fn bucket() -> BucketName {
    BucketName::new("bucket").unwrap_or_else(|error| panic!("{error}"))
}

fn key() -> ObjectKey {
    ObjectKey::new("key").unwrap_or_else(|error| panic!("{error}"))
}

fn upload() -> UploadId {
    UploadId::new(UPLOAD).unwrap_or_else(|error| panic!("{error}"))
}
