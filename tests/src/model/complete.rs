//! CompleteMultipartUpload: the list is compared with the parts, the whole with its checksum.

use bytes::Bytes;

use super::digest::{Algorithm, Value};
use super::multipart::{Upload, UploadedPart, kind_name};
use super::refusal::Refusal;
use super::response::Response;
use super::store::{ChecksumKind, Data, Object, StoredChecksum};
use super::{Call, Limits, Model, names, xml};

/// The longest list that is read: 10,000 parts need about 2 MiB.
const MAX_DOCUMENT: usize = 4 << 20;
/// To read parts of fewer bytes again takes less time than to combine their checksums.
const WORTH_COMBINING: u64 = 1 << 20;
/// The most parts that an upload can have.
const MAX_PARTS: usize = 10_000;

impl Model {
    pub(super) fn complete(
        &mut self,
        call: &Call<'_>,
        body: &[Bytes],
    ) -> Result<Response, Refusal> {
        let upload = self.upload(call)?;
        let listed = match body {
            [whole] => parse_list(whole),
            pieces => parse_list(&pieces.concat()),
        }?;
        let chosen = choose(upload, &listed)?;
        check_sizes(&chosen, self.config.limits)?;
        let segments: Vec<Bytes> = chosen
            .iter()
            .flat_map(|part| part.data.slices(0..part.data.len()))
            .collect();
        let checksum = object_checksum(upload, &chosen, &segments);
        check_claims(call, upload, &chosen, &checksum)?;
        self.check_write_conditions(call)?;

        let tags: Vec<&str> = chosen.iter().map(|part| part.etag.as_str()).collect();
        let mut object = Object::new(Data::from(segments));
        object.etag = self.config.etags.of_parts(&tags);
        object.parts = chosen.iter().map(|part| part.data.len()).collect();
        object.checksum = self.config.checksums.then(|| checksum.clone());
        let id = upload.id.clone();
        if let Some(upload) = self.uploads.remove(&id) {
            object.headers = upload.headers;
        }
        let etag = self.insert(&call.route.bucket, &call.route.key, object);

        let (bucket, key) = (&call.route.bucket, &call.route.key);
        let mut document = xml::Writer::namespaced("CompleteMultipartUploadResult");
        document.text("Location", &format!("/{bucket}/{key}"));
        document.text("Bucket", bucket);
        document.text("Key", key);
        let told = !self.config.quirks.complete_without_etag;
        document.text("ETag", if told { &etag } else { "" });
        if self.config.checksums {
            document.text(checksum.value.algorithm().element(), &checksum.text());
            document.text("ChecksumType", checksum.kind.name());
        }
        let mut response = Response::new(200);
        response.xml(document);
        self.set_version(call, &mut response);
        Ok(response)
    }
}

/// A `Part` of the list: its number, its tag, and its checksums by [`Algorithm::ALL`].
#[derive(Debug)]
struct Listed {
    number: u64,
    etag: String,
    checksums: [Option<Value>; Algorithm::ALL.len()],
}

/// As [`Listed`], while it is read: the first of each field counts.
#[derive(Default)]
struct Draft {
    number: Option<u64>,
    etag: Option<String>,
    checksums: [Option<Value>; Algorithm::ALL.len()],
}

fn parse_list(document: &[u8]) -> Result<Vec<Listed>, Refusal> {
    let drafts: Vec<Draft> = (document.len() <= MAX_DOCUMENT)
        .then(|| xml::records(document, "CompleteMultipartUpload", "Part", Draft::take))
        .flatten()
        .unwrap_or_default();
    if drafts.is_empty() || drafts.len() > MAX_PARTS {
        return Err(Refusal::malformed_xml());
    }
    drafts
        .into_iter()
        .map(|draft| draft.whole().ok_or_else(Refusal::malformed_xml))
        .collect()
}

impl Draft {
    /// Takes a field; `None` where its text can't be read.
    fn take(&mut self, name: &str, text: &str) -> Option<()> {
        let text = text.trim();
        match name {
            "PartNumber" if self.number.is_none() => self.number = Some(text.parse().ok()?),
            "ETag" if self.etag.is_none() => self.etag = Some(text.to_owned()),
            _ => {
                let sums = Algorithm::ALL.into_iter().zip(&mut self.checksums);
                for (algorithm, sum) in sums.filter(|(_, sum)| sum.is_none()) {
                    if algorithm.element() == name {
                        *sum = Some(Value::from_base64(algorithm, text)?);
                    }
                }
            }
        }
        Some(())
    }

    fn whole(self) -> Option<Listed> {
        Some(Listed {
            number: self.number?,
            etag: self.etag?,
            checksums: self.checksums,
        })
    }
}

/// The parts that the list names. Gaps between numbers are allowed, as in S3.
fn choose<'a>(upload: &'a Upload, listed: &[Listed]) -> Result<Vec<&'a UploadedPart>, Refusal> {
    let mut chosen = Vec::with_capacity(listed.len());
    let mut previous = 0;
    for entry in listed {
        let (number, etag) = (entry.number, &entry.etag);
        if number <= previous {
            return Err(Refusal::new(
                400,
                "InvalidPartOrder",
                "The list of parts was not in ascending order. \
                 Parts must be ordered by part number.",
            )
            .detail("UploadId", &upload.id));
        }
        previous = number;
        let part = upload
            .parts
            .get(&number)
            .filter(|part| part.etag.trim_matches('"') == etag.trim_matches('"'))
            .ok_or_else(|| invalid_part(upload, number, etag))?;
        check_part_checksum(upload, entry, part)?;
        chosen.push(part);
    }
    Ok(chosen)
}

fn check_part_checksum(
    upload: &Upload,
    entry: &Listed,
    part: &UploadedPart,
) -> Result<(), Refusal> {
    let number = entry.number;
    let mut told = entry.checksums.iter().flatten();
    if told.clone().any(|value| *value != part.checksum) {
        return Err(invalid_part(upload, number, &entry.etag));
    }
    match upload.algorithm {
        Some(algorithm) if upload.composite && told.next().is_none() => {
            Err(Refusal::invalid_request(format!(
                "The upload was created using a {} checksum. The complete request must include \
                 the checksum for each part. It was missing for part {number} in the request.",
                algorithm.name().to_ascii_lowercase()
            )))
        }
        _ => Ok(()),
    }
}

fn invalid_part(upload: &Upload, number: u64, etag: &str) -> Refusal {
    Refusal::new(
        400,
        "InvalidPart",
        "One or more of the specified parts could not be found. The part may not have been \
         uploaded, or the specified entity tag may not match the part's entity tag.",
    )
    .detail("UploadId", &upload.id)
    .detail("PartNumber", number.to_string())
    .detail("ETag", etag)
}

fn check_sizes(parts: &[&UploadedPart], limits: Limits) -> Result<(), Refusal> {
    let all_but_last = parts.split_last().map_or(&[][..], |(_, rest)| rest);
    if let Some(small) = all_but_last
        .iter()
        .find(|part| part.data.len() < limits.min_part)
    {
        return Err(Refusal::new(
            400,
            "EntityTooSmall",
            "Your proposed upload is smaller than the minimum allowed size",
        )
        .detail("ProposedSize", small.data.len().to_string())
        .detail("MinSizeAllowed", limits.min_part.to_string())
        .detail("ETag", &small.etag));
    }
    super::write::check_put_size(total_len(parts), limits.max_object)
}

fn total_len(parts: &[&UploadedPart]) -> u64 {
    parts
        .iter()
        .fold(0, |sum, part| sum.saturating_add(part.data.len()))
}

/// The checksum of an object of these parts, whose bytes are `segments`.
fn object_checksum(upload: &Upload, parts: &[&UploadedPart], segments: &[Bytes]) -> StoredChecksum {
    let algorithm = upload.part_algorithm();
    if upload.composite {
        let digests: Vec<u8> = parts
            .iter()
            .flat_map(|part| part.checksum.as_bytes())
            .copied()
            .collect();
        return StoredChecksum {
            value: algorithm.digest(&[Bytes::from(digests)]),
            kind: ChecksumKind::Composite(parts.len()),
        };
    }
    let count = u64::try_from(parts.len()).unwrap_or(u64::MAX);
    let combined = (total_len(parts) > WORTH_COMBINING.saturating_mul(count))
        .then(|| {
            parts.iter().try_fold(algorithm.empty(), |sum, part| {
                sum.combine(&part.checksum, part.data.len())
            })
        })
        .flatten();
    // Only CRCs are ever over the full object, and these can be combined; should that change,
    // reading everything is right too.
    let value = combined.unwrap_or_else(|| algorithm.digest(segments));
    StoredChecksum::full(value)
}

/// What the request's headers say about the object: its size, its checksum and the kind of it.
fn check_claims(
    call: &Call<'_>,
    upload: &Upload,
    parts: &[&UploadedPart],
    checksum: &StoredChecksum,
) -> Result<(), Refusal> {
    let len = total_len(parts);
    if let Some(size) = call.request.text(names::OBJECT_SIZE)
        && size.parse() != Ok(len)
    {
        return Err(Refusal::invalid_request(format!(
            "The provided 'x-amz-mp-object-size' header value {size} does not match what was \
             computed: {len}"
        )));
    }
    if let Some(kind) = call.request.text(names::CHECKSUM_TYPE)
        && kind != kind_name(upload.composite)
    {
        return Err(Refusal::invalid_request(format!(
            "The upload was created using the {} checksum mode. \
             The complete request must use the same checksum mode.",
            kind_name(upload.composite)
        )));
    }
    for algorithm in Algorithm::ALL {
        let Some(text) = call.request.text(algorithm.header_name()) else {
            continue;
        };
        if algorithm != checksum.value.algorithm() {
            return Err(Refusal::invalid_request(format!(
                "The upload was created using a {} checksum, and the request has one of {}",
                checksum.value.algorithm().name(),
                algorithm.name()
            )));
        }
        if text != checksum.text() {
            return Err(Refusal::new(
                400,
                "BadDigest",
                format!(
                    "The {} you specified did not match the calculated checksum.",
                    algorithm.name()
                ),
            )
            .detail("ExpectedDigest", text)
            .detail("CalculatedDigest", checksum.text()));
        }
    }
    Ok(())
}
