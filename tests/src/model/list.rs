//! Listings: buckets, objects, open uploads.

use super::multipart::Upload;
use super::refusal::Refusal;
use super::response::Response;
use super::store::Object;
use super::{Call, Model, Quirks, date, digest, encode, xml};

impl Model {
    pub(super) fn list_buckets(&self) -> Response {
        let mut document = xml::Writer::namespaced("ListAllMyBucketsResult");
        document.open("Buckets");
        for name in self.buckets.keys() {
            document.open("Bucket");
            document.text("Name", name);
            document.text("CreationDate", &date::iso(self.now));
            document.close();
        }
        let mut response = Response::new(200);
        response.xml(document);
        response
    }

    pub(super) fn list_objects(&self, call: &Call<'_>) -> Result<Response, Refusal> {
        let route = &call.route;
        let page = self.config.limits.page;
        let wanted = call.number("max-keys")?.unwrap_or(page).min(page);
        let spelling = Spelling::of(call, self.config.quirks)?;
        let query = Query {
            prefix: route.param("prefix").unwrap_or_default(),
            delimiter: route.param("delimiter").filter(|text| !text.is_empty()),
            after: match route.param("continuation-token") {
                Some(token) => Some(read_token(token)?),
                None => route.param("start-after").map(str::to_owned),
            },
            by_token: route.param("continuation-token").is_some(),
            wanted: usize::try_from(wanted).unwrap_or(usize::MAX),
        };
        let listed = self.buckets.get(&route.bucket);
        let (entries, truncated) = match listed {
            Some(bucket) => query.run(bucket.live()),
            None => (Vec::new(), false),
        };
        let mut document = xml::Writer::namespaced("ListBucketResult");
        document.text("Name", &route.bucket);
        document.text("Prefix", &spelling.write(query.prefix));
        let echoed = |name| route.param(name).map(|text| spelling.write(text));
        document.maybe("Delimiter", echoed("delimiter").as_deref());
        document.maybe("StartAfter", echoed("start-after").as_deref());
        document.maybe("ContinuationToken", route.param("continuation-token"));
        document.maybe("EncodingType", spelling.url.then_some("url"));
        document.text("KeyCount", &entries.len().to_string());
        document.text("MaxKeys", &wanted.to_string());
        document.text("IsTruncated", if truncated { "true" } else { "false" });
        if let Some(last) = entries.last().filter(|_| truncated) {
            document.text("NextContinuationToken", &write_token(last.name()));
        }
        for entry in &entries {
            entry.write(&mut document, spelling);
        }
        let mut response = Response::new(200);
        response.xml(document);
        Ok(response)
    }

    pub(super) fn list_uploads(&self, call: &Call<'_>) -> Result<Response, Refusal> {
        let route = &call.route;
        let spelling = Spelling::of(call, self.config.quirks)?;
        let prefix = route.param("prefix").unwrap_or_default();
        let key_marker = route.param("key-marker").unwrap_or_default();
        let id_marker = route.param("upload-id-marker").unwrap_or_default();
        let page = self.config.limits.page;
        let wanted = call.number("max-uploads")?.unwrap_or(page).min(page);
        let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);

        let mut open: Vec<&Upload> = self
            .uploads
            .values()
            .filter(|upload| upload.bucket == route.bucket && upload.key.starts_with(prefix))
            .filter(|upload| is_after(upload, key_marker, id_marker))
            .collect();
        open.sort_by_key(|upload| (&upload.key, &upload.id));
        let truncated = open.len() > wanted;
        open.truncate(wanted);

        let mut document = xml::Writer::namespaced("ListMultipartUploadsResult");
        document.text("Bucket", &route.bucket);
        document.text("KeyMarker", &spelling.write(key_marker));
        document.text("UploadIdMarker", id_marker);
        if let Some(last) = open.last().filter(|_| truncated) {
            document.text("NextKeyMarker", &spelling.write(&last.key));
            document.text("NextUploadIdMarker", &last.id);
        }
        document.text("Prefix", &spelling.write(prefix));
        document.maybe("EncodingType", spelling.url.then_some("url"));
        document.text("MaxUploads", &wanted.to_string());
        document.text("IsTruncated", if truncated { "true" } else { "false" });
        for upload in open {
            document.open("Upload");
            document.text("Key", &spelling.write(&upload.key));
            document.text("UploadId", &upload.id);
            document.text("StorageClass", "STANDARD");
            document.text("Initiated", &date::iso(upload.initiated));
            document.close();
        }
        let mut response = Response::new(200);
        response.xml(document);
        Ok(response)
    }
}

/// Whether an upload comes after the markers. An upload id without a key is ignored (AWS,
/// ListMultipartUploads).
fn is_after(upload: &Upload, key_marker: &str, id_marker: &str) -> bool {
    match upload.key.as_str().cmp(key_marker) {
        std::cmp::Ordering::Greater => true,
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Equal => {
            !key_marker.is_empty() && !id_marker.is_empty() && upload.id.as_str() > id_marker
        }
    }
}

/// How keys are written: as they are, or percent-encoded on request.
#[derive(Clone, Copy)]
struct Spelling {
    url: bool,
    quirks: Quirks,
}

impl Spelling {
    fn of(call: &Call<'_>, quirks: Quirks) -> Result<Self, Refusal> {
        match call.route.param("encoding-type") {
            None => Ok(Self { url: false, quirks }),
            Some("url") => Ok(Self { url: true, quirks }),
            Some(_) => Err(Refusal::invalid_argument(
                "Invalid Encoding Method specified in Request",
            )),
        }
    }

    /// S3 writes a space as `+` and leaves slashes alone.
    fn write(self, text: &str) -> String {
        if self.url && !self.quirks.lists_unencoded_keys {
            encode::encode(text.as_bytes(), b"/*").replace("%20", "+")
        } else {
            text.to_owned()
        }
    }
}

struct Query<'a> {
    prefix: &'a str,
    delimiter: Option<&'a str>,
    after: Option<String>,
    /// Whether `after` is the last entry of a page, and not just any name.
    by_token: bool,
    wanted: usize,
}

enum Entry<'a> {
    Object(&'a str, &'a Object),
    Prefix(&'a str),
}

impl Query<'_> {
    /// The entries of one page, and whether there are more.
    fn run<'a>(
        &self,
        objects: impl Iterator<Item = (&'a str, &'a Object)>,
    ) -> (Vec<Entry<'a>>, bool) {
        let mut entries: Vec<Entry<'a>> = Vec::new();
        for (key, object) in objects {
            if !key.starts_with(self.prefix) || self.after.as_deref().is_some_and(|a| key <= a) {
                continue;
            }
            let entry = match self.common_prefix(key) {
                Some(prefix) if self.was_shown(prefix, entries.last()) => continue,
                Some(prefix) => Entry::Prefix(prefix),
                None => Entry::Object(key, object),
            };
            if entries.len() == self.wanted {
                // A page of no keys is complete, whatever there is (AWS, max-keys=0).
                return (entries, self.wanted > 0);
            }
            entries.push(entry);
        }
        (entries, false)
    }

    fn common_prefix<'a>(&self, key: &'a str) -> Option<&'a str> {
        let delimiter = self.delimiter?;
        let rest = key.get(self.prefix.len()..)?;
        let end = self.prefix.len() + rest.find(delimiter)? + delimiter.len();
        key.get(..end)
    }

    fn was_shown(&self, prefix: &str, last: Option<&Entry<'_>>) -> bool {
        let on_this_page = last.is_some_and(|entry| entry.name() == prefix);
        on_this_page || (self.by_token && self.after.as_deref() == Some(prefix))
    }
}

impl Entry<'_> {
    const fn name(&self) -> &str {
        match self {
            Self::Object(name, _) | Self::Prefix(name) => name,
        }
    }

    fn write(&self, document: &mut xml::Writer, spelling: Spelling) {
        match self {
            Self::Prefix(prefix) => {
                document.open("CommonPrefixes");
                document.text("Prefix", &spelling.write(prefix));
            }
            Self::Object(key, object) => {
                document.open("Contents");
                document.text("Key", &spelling.write(key));
                document.text("LastModified", &date::iso(object.modified));
                let etag = object.etag.as_str();
                let bare = spelling.quirks.lists_unquoted_etags;
                document.text("ETag", if bare { etag.trim_matches('"') } else { etag });
                if let Some(checksum) = &object.checksum {
                    document.text("ChecksumAlgorithm", checksum.value.algorithm().name());
                    document.text("ChecksumType", checksum.kind.name());
                }
                document.text("Size", &object.data.len().to_string());
                document.text("StorageClass", "STANDARD");
            }
        }
        document.close();
    }
}

/// Tokens are opaque to clients: here, the last name of the page in hexadecimal.
fn write_token(name: &str) -> String {
    format!("t{}", digest::hex(name.as_bytes()))
}

fn read_token(token: &str) -> Result<String, Refusal> {
    let refused = || Refusal::invalid_argument("The continuation token provided is incorrect");
    let digits = token.strip_prefix('t').ok_or_else(refused)?;
    let escaped: String = digits
        .as_bytes()
        .chunks(2)
        .map(|pair| format!("%{}", String::from_utf8_lossy(pair)))
        .collect();
    let bytes = encode::decode(escaped.as_bytes()).ok_or_else(refused)?;
    String::from_utf8(bytes).map_err(|_| refused())
}
