//! GET and HEAD of objects: conditions, ranges, parts, headers.

use std::ops::Range;

use http::{HeaderValue, StatusCode, header};

use super::refusal::Refusal;
use super::response::{Body, Response};
use super::store::{Object, Version};
use super::{Call, Model, Quirks, date, names};

impl Model {
    pub(super) fn get_object(&self, call: &Call<'_>) -> Result<Response, Refusal> {
        self.read(call, true)
    }

    pub(super) fn head_object(&self, call: &Call<'_>) -> Result<Response, Refusal> {
        self.read(call, false)
    }

    fn read(&self, call: &Call<'_>, with_body: bool) -> Result<Response, Refusal> {
        let object = self.find(call)?;
        let quirks = self.config.quirks;
        check_conditions(call, object, quirks)?;
        let size = object.data.len();
        let selected = select(call, object, quirks)?;
        let range = selected.clone().unwrap_or(0..size);
        let partial = selected.is_some() && !quirks.ranges_with_200;
        let mut response = Response::new(if partial { 206 } else { 200 });
        response.headers = object.headers.clone();
        response.put(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        response.put(header::ETAG, object.etag.as_str());
        response.put(header::LAST_MODIFIED, &date::http(object.modified)[..]);
        response.put(header::CONTENT_LENGTH, range.end - range.start);
        if self.config.versioning {
            response.put(names::VERSION_ID, object.version_id.as_str());
        }
        if selected.is_some() {
            let last = range.end.saturating_sub(1);
            let text = format!("bytes {}-{last}/{size}", range.start);
            response.put(header::CONTENT_RANGE, text);
        }
        if call.route.param("partNumber").is_some() && !object.parts.is_empty() {
            response.put(names::PARTS_COUNT, object.parts.len());
        }
        if selected.is_none() {
            set_checksum(call, object, &mut response);
        }
        if with_body {
            response.body = Body::from(object.data.slices(range));
        }
        Ok(response)
    }

    fn find(&self, call: &Call<'_>) -> Result<&Object, Refusal> {
        let missing = || {
            Refusal::new(404, "NoSuchKey", "The specified key does not exist.")
                .detail("Key", &call.route.key)
        };
        let bucket = self.buckets.get(&call.route.bucket).ok_or_else(missing)?;
        let versions = bucket.keys.get(&call.route.key).ok_or_else(missing)?;
        let version = match call.route.param("versionId") {
            None => versions.last().ok_or_else(missing)?,
            Some(id) => versions
                .iter()
                .find(|version| version.id() == id)
                .ok_or_else(|| {
                    Refusal::new(
                        404,
                        "NoSuchVersion",
                        "The specified version does not exist.",
                    )
                })?,
        };
        match version {
            Version::Object(object) => Ok(object),
            Version::DeleteMarker { version_id } => Err(missing()
                .header("x-amz-delete-marker", "true")
                .header("x-amz-version-id", version_id)),
        }
    }
}

/// If-Match and If-None-Match (RFC 9110, section 13.1). `If-Range` is not looked at: a range is
/// pinned with `If-Match`.
fn check_conditions(call: &Call<'_>, object: &Object, quirks: Quirks) -> Result<(), Refusal> {
    if let Some(tags) = call.request.text(header::IF_MATCH)
        && !quirks.ignores_if_match
        && !matches_tag(tags, &object.etag)
    {
        return Err(Refusal::precondition("If-Match"));
    }
    if let Some(tags) = call.request.text(header::IF_NONE_MATCH)
        && matches_tag(tags, &object.etag)
    {
        return Err(Refusal::new(304, "NotModified", "Not Modified").header("etag", &object.etag));
    }
    Ok(())
}

/// Whether a list of tags has this one. S3 also takes a tag without its quotes.
pub(super) fn matches_tag(list: &str, etag: &str) -> bool {
    list.split(',')
        .map(str::trim)
        .any(|tag| tag == "*" || tag == etag || tag == etag.trim_matches('"'))
}

/// The range that is asked for by `Range` or `partNumber`; `None` for the whole object.
fn select(call: &Call<'_>, object: &Object, quirks: Quirks) -> Result<Option<Range<u64>>, Refusal> {
    let header = call
        .request
        .text(header::RANGE)
        .filter(|_| !quirks.ignores_range);
    let size = object.data.len();
    if let Some(number) = call.number("partNumber")? {
        if header.is_some() {
            return Err(Refusal::invalid_request(
                "Cannot specify both Range header and partNumber query parameter",
            ));
        }
        return part_range(object, number).map(Some);
    }
    match header.and_then(|text| parse_range(text, size)) {
        None => Ok(None),
        Some(Some(range)) => Ok(Some(range)),
        Some(None) => Err(unsatisfiable(header.unwrap_or_default(), size, quirks)),
    }
}

fn unsatisfiable(header: &str, size: u64, quirks: Quirks) -> Refusal {
    let refusal = Refusal::new(
        StatusCode::RANGE_NOT_SATISFIABLE.as_u16(),
        "InvalidRange",
        "The requested range is not satisfiable",
    )
    .detail("RangeRequested", header)
    .detail("ActualObjectSize", size.to_string());
    if quirks.bare_416 {
        return refusal;
    }
    refusal.header("content-range", format!("bytes */{size}"))
}

fn part_range(object: &Object, number: u64) -> Result<Range<u64>, Refusal> {
    let unsatisfiable = || {
        Refusal::new(
            416,
            "InvalidPartNumber",
            "The requested partnumber is not satisfiable",
        )
    };
    let before = usize::try_from(number)
        .ok()
        .and_then(|number| number.checked_sub(1))
        .ok_or_else(unsatisfiable)?;
    if object.parts.is_empty() && before == 0 {
        return Ok(0..object.data.len());
    }
    let len = object.parts.get(before).ok_or_else(unsatisfiable)?;
    let start: u64 = object.parts[..before].iter().sum();
    Ok(start..start + len)
}

/// What a `Range` header asks of `size` bytes: `None` where it is to be ignored, which is how S3
/// treats several ranges and broken syntax; `Some(None)` where it can't be satisfied.
pub(crate) fn parse_range(text: &str, size: u64) -> Option<Option<Range<u64>>> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    if first.is_empty() {
        let wanted = decimal(last)?;
        return Some((wanted > 0 && size > 0).then(|| size.saturating_sub(wanted)..size));
    }
    let start = decimal(first)?;
    let end = match last {
        "" => u64::MAX,
        last => decimal(last)?.saturating_add(1),
    };
    if end <= start {
        return None;
    }
    Some((start < size).then(|| start..end.min(size)))
}

/// Digits alone; a number past 64 bits is as good as the largest.
fn decimal(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

fn set_checksum(call: &Call<'_>, object: &Object, response: &mut Response) {
    let asked = call.request.text(names::CHECKSUM_MODE);
    if let Some(checksum) = &object.checksum
        && asked.is_some_and(|mode| mode.eq_ignore_ascii_case("enabled"))
    {
        response.put_checksum(checksum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_s3_reads_them() {
        for (text, size, expected) in [
            ("bytes=0-9", 100, Some(Some(0..10))),
            ("bytes=90-200", 100, Some(Some(90..100))),
            ("bytes=90-", 100, Some(Some(90..100))),
            ("bytes=-5", 100, Some(Some(95..100))),
            ("bytes=-500", 100, Some(Some(0..100))),
            ("bytes=-0", 100, Some(None)),
            ("bytes=100-", 100, Some(None)),
            ("bytes=0-0", 0, Some(None)),
            ("bytes=-1", 0, Some(None)),
            ("bytes=0-99999999999999999999", 100, Some(Some(0..100))),
            ("bytes=9-0", 100, None),
            ("bytes=0-1,3-4", 100, None),
            ("items=0-1", 100, None),
            ("bytes=+0-1", 100, None),
            ("bytes=-", 100, None),
        ] {
            assert_eq!(parse_range(text, size), expected, "{text} of {size}");
        }
    }
}
