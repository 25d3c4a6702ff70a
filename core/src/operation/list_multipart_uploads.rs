use http::response::Parts;
use http::{HeaderMap, Method};

use super::answer::answers_as;
use super::document::{
    KeyEncoding, boolean, check_entries, opaque, read_answer, required, trimmed,
};
use super::{Operation, OperationKind, PAGE_BODY, ResponseError, UploadId};
use crate::endpoint::{BucketName, Endpoint};
use crate::error::Violation;
use crate::request::{Query, Unsigned};
use crate::time::UnixTime;
use crate::xml::Reader;

/// Asks for a page of the unfinished uploads of a bucket (API_ListMultipartUploads).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub struct ListMultipartUploads {
    /// The bucket.
    pub bucket: BucketName,
    /// Only uploads to keys that begin with these bytes.
    #[cfg_attr(feature = "trace", serde(with = "crate::trace::opaque"))]
    pub prefix: Vec<u8>,
    /// Only keys behind this one; the key itself as well where there is an `upload_id_marker`.
    #[cfg_attr(feature = "trace", serde(with = "crate::trace::opaque"))]
    pub key_marker: Option<Vec<u8>>,
    /// Of the `key_marker`'s uploads only those behind this one.
    pub upload_id_marker: Option<String>,
}

/// A page of uploads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub struct ListMultipartUploadsOutput {
    /// The uploads, in no order that could be relied on.
    pub uploads: Vec<ListedUpload>,
    /// Whether there are more pages.
    pub is_truncated: bool,
    /// Where the next page begins: the key, decoded. See [`ListMultipartUploads::next_page`].
    #[cfg_attr(feature = "trace", serde(with = "crate::trace::opaque"))]
    pub next_key_marker: Option<Vec<u8>>,
    /// Where the next page begins: the upload of that key.
    pub next_upload_id_marker: Option<String>,
}

/// An unfinished upload.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub struct ListedUpload {
    /// The key's bytes, decoded.
    #[cfg_attr(feature = "trace", serde(with = "crate::trace::opaque"))]
    pub key: Vec<u8>,
    /// Its name.
    pub upload_id: UploadId,
    /// When it was begun.
    pub initiated: Option<UnixTime>,
}

impl ListMultipartUploads {
    /// Asks for the first page of all uploads.
    pub const fn new(bucket: BucketName) -> Self {
        Self {
            bucket,
            prefix: Vec::new(),
            key_marker: None,
            upload_id_marker: None,
        }
    }

    /// The request for the page behind `page`, the answer to this one; `None` where it was the
    /// last, or where the markers are empty or do not move: some servers call every page
    /// truncated. Longer cycles are for the caller to notice; some servers do not sort, so that
    /// the markers' order tells nothing.
    pub fn next_page(&self, page: &ListMultipartUploadsOutput) -> Option<Self> {
        let next = Self {
            key_marker: page.next_key_marker.clone(),
            upload_id_marker: page.next_upload_id_marker.clone(),
            ..self.clone()
        };
        let moves = next.key_marker.is_some() && next != *self;
        (page.is_truncated && moves).then_some(next)
    }
}

impl Operation for ListMultipartUploads {
    const KIND: OperationKind = OperationKind::ListMultipartUploads;
    const BODY_LIMIT: usize = PAGE_BODY;
    type Output = ListMultipartUploadsOutput;

    fn request(&self, endpoint: &Endpoint) -> Unsigned {
        let mut query = Query::new()
            .with("uploads", "")
            .with("encoding-type", "url");
        if !self.prefix.is_empty() {
            query.push("prefix", &self.prefix);
        }
        if let Some(key) = &self.key_marker {
            query.push("key-marker", key);
        }
        if let Some(upload) = &self.upload_id_marker {
            query.push("upload-id-marker", upload);
        }
        Unsigned {
            method: Method::GET,
            address: endpoint.address(&self.bucket, None),
            query,
            headers: HeaderMap::new(),
        }
    }

    fn parse(&self, head: &Parts, body: &[u8]) -> Result<Self::Output, ResponseError> {
        read_answer::<Self, _>("ListMultipartUploadsResult", head, body, read_page)
    }

    answers_as!(ListMultipartUploads);
}

/// Reads the children of `<ListMultipartUploadsResult>`. Keys are decoded at the end only, because
/// `EncodingType` may follow them.
fn read_page(xml: &mut Reader<'_>) -> Result<ListMultipartUploadsOutput, Violation> {
    let mut encoding = KeyEncoding::default();
    let mut uploads: Vec<EncodedUpload> = Vec::new();
    let mut is_truncated = false;
    let (mut next_key_marker, mut next_upload_id_marker) = (None, None);
    while let Some(name) = xml.child()? {
        match name.as_str() {
            "EncodingType" => encoding = KeyEncoding::from_element(&xml.text()?),
            "IsTruncated" => is_truncated = boolean("IsTruncated", &xml.text()?)?,
            "NextKeyMarker" => next_key_marker = opaque(xml.text()?.into_owned()),
            "NextUploadIdMarker" => next_upload_id_marker = opaque(xml.text()?.into_owned()),
            "Upload" => {
                check_entries(uploads.len())?;
                uploads.push(EncodedUpload::read(xml)?);
            }
            _ => xml.skip()?,
        }
    }
    Ok(ListMultipartUploadsOutput {
        uploads: uploads.into_iter().map(|u| u.decode(encoding)).collect(),
        is_truncated,
        next_key_marker: next_key_marker.map(|key| encoding.decode(key)),
        next_upload_id_marker,
    })
}

/// An upload whose key waits to be decoded.
struct EncodedUpload {
    key: String,
    upload_id: UploadId,
    initiated: Option<UnixTime>,
}

impl EncodedUpload {
    /// Reads the children of `<Upload>`.
    fn read(xml: &mut Reader<'_>) -> Result<Self, Violation> {
        let (mut key, mut upload_id, mut initiated) = (None, None, None);
        while let Some(name) = xml.child()? {
            match name.as_str() {
                "Key" => key = Some(xml.text()?.into_owned()),
                "UploadId" => upload_id = Some(UploadId::new(&xml.text()?)?),
                "Initiated" => initiated = UnixTime::parse_iso8601(trimmed(&xml.text()?)),
                _ => xml.skip()?,
            }
        }
        Ok(Self {
            key: required("Key", key)?,
            upload_id: required("UploadId", upload_id)?,
            initiated,
        })
    }

    fn decode(self, encoding: KeyEncoding) -> ListedUpload {
        ListedUpload {
            key: encoding.decode(self.key),
            upload_id: self.upload_id,
            initiated: self.initiated,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Rule;
    use crate::operation::testing::{aws, bucket, fields, head, line, refused, rule};

    fn parse(inner: &str) -> Result<ListMultipartUploadsOutput, ResponseError> {
        let body = format!("<ListMultipartUploadsResult>{inner}</ListMultipartUploadsResult>");
        ListMultipartUploads::new(bucket()).parse(&head(200, &[]), body.as_bytes())
    }

    #[test]
    fn the_request_has_both_markers() {
        let mut operation = ListMultipartUploads::new(bucket());
        let request = operation.request(&aws());
        assert_eq!(line(&request), "GET /?encoding-type=url&uploads=");
        assert!(fields(&request).is_empty());
        operation.prefix = b"p/".to_vec();
        operation.key_marker = Some(b"p/k".to_vec());
        operation.upload_id_marker = Some("u+1".to_owned());
        assert_eq!(
            line(&operation.request(&aws())),
            "GET /?encoding-type=url&key-marker=p%2Fk&prefix=p%2F&upload-id-marker=u%2B1&uploads="
        );
    }

    #[test]
    fn a_page_is_read() {
        let page = parse(
            "<Bucket>bucket</Bucket><KeyMarker/><UploadIdMarker/>\
             <NextKeyMarker>a%2Bb+c</NextKeyMarker><NextUploadIdMarker>a%2B</NextUploadIdMarker>\
             <MaxUploads>1</MaxUploads><IsTruncated>true</IsTruncated>\
             <Upload><Key>a%2Bb+c</Key><UploadId>u%2B1</UploadId>\
             <Initiator><ID>x</ID></Initiator><StorageClass>STANDARD</StorageClass>\
             <Initiated>2010-11-10T20:48:33.000Z</Initiated></Upload>\
             <EncodingType>url</EncodingType>",
        )
        .unwrap();
        let upload = ListedUpload {
            key: b"a+b c".to_vec(),
            upload_id: UploadId::new("u%2B1").unwrap(),
            initiated: UnixTime::parse_iso8601("2010-11-10T20:48:33Z"),
        };
        assert_eq!(page.uploads, [upload]);
        let next = ListMultipartUploads::new(bucket())
            .next_page(&page)
            .unwrap();
        assert_eq!(next.key_marker.as_deref(), Some(&b"a+b c"[..]));
        assert_eq!(next.upload_id_marker.as_deref(), Some("a%2B"));
    }

    #[test]
    fn adversary_64_pages_end_where_the_markers_do_not_move() {
        let first = ListMultipartUploads::new(bucket());
        let page = |key: &str, upload: &str, truncated: bool| {
            parse(&format!(
                "<NextKeyMarker>{key}</NextKeyMarker><IsTruncated>{truncated}</IsTruncated>\
                 <NextUploadIdMarker>{upload}</NextUploadIdMarker>"
            ))
            .unwrap()
        };
        assert_eq!(first.next_page(&page("", "", true)), None);
        assert_eq!(first.next_page(&page("", "u1", true)), None);
        assert_eq!(first.next_page(&page("k", "u1", false)), None);
        let second = first.next_page(&page("k", "u1", true)).unwrap();
        assert_eq!(second.next_page(&page("k", "u1", true)), None);
        let third = second.next_page(&page("k", "u2", true)).unwrap();
        assert!(third.next_page(&page("l", "", true)).is_some());
    }

    #[test]
    fn what_an_upload_needs_is_needed() {
        for bad in [
            "<Key>k</Key>",
            "<UploadId>u</UploadId>",
            "<Key>k</Key><UploadId/>",
        ] {
            let error = parse(&format!("<Upload>{bad}</Upload>")).unwrap_err();
            assert_eq!(rule(error), Rule::Xml, "{bad}");
        }
        let upload = "<Upload><Key>k</Key><UploadId>u</UploadId></Upload>";
        assert_eq!(parse(upload).unwrap().uploads.len(), 1);
        assert_eq!(rule(parse(&upload.repeat(10_001)).unwrap_err()), Rule::Size);
    }

    #[test]
    fn a_refusal_is_read() {
        let body = b"<Error><Code>AccessDenied</Code></Error>";
        let operation = ListMultipartUploads::new(bucket());
        let error = operation.parse(&head(403, &[]), body).unwrap_err();
        assert!(refused(error).is("AccessDenied"));
    }
}
