use http::response::Parts;
use http::{HeaderMap, Method};

use super::answer::answers_as;
use super::document::{
    ChecksumElements, boolean, check_entries, etag, number, read_answer, required, trimmed,
};
use super::{Operation, OperationKind, PAGE_BODY, ResponseError, UploadId};
use crate::checksum::Declared;
use crate::endpoint::{BucketName, Endpoint, ObjectKey};
use crate::error::{Rule, Violation};
use crate::etag::ETag;
use crate::part::PartNumber;
use crate::request::{Query, Unsigned};
use crate::xml::Reader;

/// Asks for a page of the parts that the server has of an upload (API_ListParts).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub struct ListParts {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: ObjectKey,
    /// The upload.
    pub upload_id: UploadId,
    /// Only parts with a higher number.
    pub part_number_marker: Option<PartNumber>,
}

/// A page of parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub struct ListPartsOutput {
    /// The parts, in no order that could be relied on.
    pub parts: Vec<ListedPart>,
    /// Whether there are more pages.
    pub is_truncated: bool,
    /// Where the next page begins; see [`ListParts::next_page`].
    pub next_part_number_marker: Option<PartNumber>,
}

/// A part as the server has it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub struct ListedPart {
    /// Its number.
    pub number: PartNumber,
    /// Its size in bytes.
    pub size: u64,
    /// Its tag. A part without one can't be completed and has to be sent again.
    pub etag: Option<ETag>,
    /// Its checksums.
    pub declared: Declared,
}

impl ListParts {
    /// Asks for the first page.
    pub const fn new(bucket: BucketName, key: ObjectKey, upload_id: UploadId) -> Self {
        Self {
            bucket,
            key,
            upload_id,
            part_number_marker: None,
        }
    }

    /// The request for the page behind `page`, the answer to this one; `None` where it was the
    /// last, or where the marker does not move forward: a part that is not seen for that reason is
    /// sent again, which costs time and nothing else.
    pub fn next_page(&self, page: &ListPartsOutput) -> Option<Self> {
        let marker = page.next_part_number_marker;
        let moves = page.is_truncated && marker > self.part_number_marker;
        moves.then(|| Self {
            part_number_marker: marker,
            ..self.clone()
        })
    }
}

impl Operation for ListParts {
    const KIND: OperationKind = OperationKind::ListParts;
    const BODY_LIMIT: usize = PAGE_BODY;
    type Output = ListPartsOutput;

    fn request(&self, endpoint: &Endpoint) -> Unsigned {
        let mut query = Query::new().with("uploadId", self.upload_id.as_str());
        if let Some(marker) = self.part_number_marker {
            query.push("part-number-marker", marker.get().to_string());
        }
        Unsigned {
            method: Method::GET,
            address: endpoint.address(&self.bucket, Some(&self.key)),
            query,
            headers: HeaderMap::new(),
        }
    }

    fn parse(&self, head: &Parts, body: &[u8]) -> Result<Self::Output, ResponseError> {
        read_answer::<Self, _>("ListPartsResult", head, body, |xml| self.read_page(xml))
    }

    answers_as!(ListParts);
}

impl ListParts {
    fn read_page(&self, xml: &mut Reader<'_>) -> Result<ListPartsOutput, Violation> {
        let mut page = ListPartsOutput::default();
        while let Some(name) = xml.child()? {
            match name.as_str() {
                "UploadId" => self.check_upload(&xml.text()?)?,
                "IsTruncated" => page.is_truncated = boolean("IsTruncated", &xml.text()?)?,
                "NextPartNumberMarker" => page.next_part_number_marker = marker(&xml.text()?)?,
                "Part" => {
                    check_entries(page.parts.len())?;
                    page.parts.push(read_part(xml)?);
                }
                _ => xml.skip()?,
            }
        }
        Ok(page)
    }

    /// Parts of another upload must never be taken for this one's.
    fn check_upload(&self, seen: &str) -> Result<(), Violation> {
        if seen.is_empty() || seen == self.upload_id.as_str() {
            return Ok(());
        }
        let expected = format!("the parts of upload {}", self.upload_id);
        Err(Violation::new(Rule::Identity, expected, seen))
    }
}

/// A marker; `None` for nothing, and for what can't be the number of a part: 0 stands in the last
/// page.
fn marker(text: &str) -> Result<Option<PartNumber>, Violation> {
    if trimmed(text).is_empty() {
        return Ok(None);
    }
    let number = number("NextPartNumberMarker", text)?;
    Ok(u16::try_from(number).ok().and_then(PartNumber::new))
}

fn read_part(xml: &mut Reader<'_>) -> Result<ListedPart, Violation> {
    let (mut part_number, mut size, mut tag) = (None, None, None);
    let mut checksums = ChecksumElements::default();
    while let Some(name) = xml.child()? {
        match name.as_str() {
            "PartNumber" => part_number = Some(read_number(&xml.text()?)?),
            "Size" => size = Some(number("Size", &xml.text()?)?),
            "ETag" => tag = etag(&xml.text()?),
            name => checksums.take_or_skip(name, xml)?,
        }
    }
    Ok(ListedPart {
        number: required("PartNumber", part_number)?,
        size: required("Size", size)?,
        etag: tag,
        declared: checksums.declared(),
    })
}

fn read_number(text: &str) -> Result<PartNumber, Violation> {
    let number = number("PartNumber", text)?;
    let part = u16::try_from(number).ok().and_then(PartNumber::new);
    part.ok_or_else(|| Violation::new(Rule::Number, "a part number of 1 to 10,000", text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::testing::{aws, bucket, head, key, line, refused, rule};

    fn request() -> ListParts {
        ListParts::new(bucket(), key(), UploadId::new("u1").unwrap())
    }

    fn parse(inner: &str) -> Result<ListPartsOutput, ResponseError> {
        let body = format!("<ListPartsResult>{inner}</ListPartsResult>");
        request().parse(&head(200, &[]), body.as_bytes())
    }

    #[test]
    fn the_request_names_upload_and_marker() {
        let mut operation = request();
        let bare = "GET /a/../b%20c%2Bd?uploadId=u1";
        assert_eq!(line(&operation.request(&aws())), bare);
        operation.part_number_marker = PartNumber::new(1000);
        let marked = "GET /a/../b%20c%2Bd?part-number-marker=1000&uploadId=u1";
        assert_eq!(line(&operation.request(&aws())), marked);
    }

    #[test]
    fn a_page_is_read() {
        let page = parse(
            "<Bucket>bucket</Bucket><Key>&lt;k&gt;</Key><UploadId>u1</UploadId>\
             <PartNumberMarker>0</PartNumberMarker><MaxParts>2</MaxParts>\
             <NextPartNumberMarker>2</NextPartNumberMarker><IsTruncated>true</IsTruncated>\
             <ChecksumAlgorithm>CRC32</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType>\
             <Part><PartNumber>2</PartNumber><ETag>\"b\"</ETag><Size>9</Size>\
             <ChecksumCRC32>y/Q5Jg==</ChecksumCRC32></Part>\
             <Part><Size>5242880</Size><ETag>&quot;a&quot;</ETag><PartNumber>1</PartNumber></Part>",
        )
        .unwrap();
        let [second, first] = &page.parts[..] else {
            panic!("not two parts: {page:?}");
        };
        assert_eq!((second.number.get(), second.size), (2, 9));
        assert_eq!(second.declared.best().unwrap().digest.base64(), "y/Q5Jg==");
        assert_eq!((first.number.get(), first.size), (1, 5_242_880));
        assert_eq!(first.etag, ETag::new("\"a\"").ok());
        assert_eq!(first.declared.best(), None);
        let next = request().next_page(&page).unwrap();
        assert_eq!(next.part_number_marker, PartNumber::new(2));
    }

    #[test]
    fn adversary_46_pages_end_where_the_marker_does_not_move() {
        let next = |inner: &str, from| {
            let operation = ListParts {
                part_number_marker: PartNumber::new(from),
                ..request()
            };
            let page = operation.next_page(&parse(inner).unwrap())?;
            page.part_number_marker
        };
        let page = |marker: &str| {
            format!(
                "<IsTruncated>true</IsTruncated>\
                 <NextPartNumberMarker>{marker}</NextPartNumberMarker>"
            )
        };
        assert_eq!(next(&page("7"), 0), PartNumber::new(7));
        assert_eq!(next(&page("7"), 6), PartNumber::new(7));
        for (marker, from) in [("7", 7), ("6", 7), ("", 7), ("0", 0), ("2147483647", 7)] {
            assert_eq!(next(&page(marker), from), None, "{marker} from {from}");
        }
        assert_eq!(next("<IsTruncated>true</IsTruncated>", 7), None);
        let last = "<IsTruncated>false</IsTruncated><NextPartNumberMarker>9</NextPartNumberMarker>";
        assert_eq!(next(last, 7), None);
        let error = parse(&page("x")).unwrap_err();
        assert_eq!(rule(error), Rule::Number);
    }

    #[test]
    fn numbers_are_those_of_parts() {
        for bad in ["0", "10001", "-1", "5.0", "65537"] {
            let part = format!("<Part><PartNumber>{bad}</PartNumber><Size>1</Size></Part>");
            assert_eq!(rule(parse(&part).unwrap_err()), Rule::Number, "{bad}");
        }
        let without = parse("<Part><PartNumber>1</PartNumber></Part>").unwrap_err();
        assert_eq!(rule(without), Rule::Xml);
    }

    #[test]
    fn parts_of_another_upload_are_refused() {
        let error = parse("<UploadId>u2</UploadId>").unwrap_err();
        assert_eq!(rule(error), Rule::Identity);
        assert!(parse("<UploadId/>").is_ok());
    }

    #[test]
    fn adversary_64_a_page_is_limited() {
        let part = "<Part><PartNumber>1</PartNumber><Size>1</Size></Part>";
        assert_eq!(parse(&part.repeat(10_000)).unwrap().parts.len(), 10_000);
        assert_eq!(rule(parse(&part.repeat(10_001)).unwrap_err()), Rule::Size);
    }

    #[test]
    fn an_upload_that_is_gone_is_a_refusal() {
        let body = b"<Error><Code>NoSuchUpload</Code></Error>";
        let error = request().parse(&head(404, &[]), body).unwrap_err();
        assert!(refused(error).is("NoSuchUpload"));
    }
}
