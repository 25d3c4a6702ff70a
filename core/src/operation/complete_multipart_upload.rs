use bytes::Bytes;
use http::Method;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use http::response::Parts;

use super::answer::answers_as;
use super::document::{ChecksumElements, etag, read_answer};
use super::{Operation, OperationKind, ResponseError, UploadId, header};
use crate::checksum::{Algorithm, Checksum, Declared};
use crate::endpoint::{BucketName, Endpoint, ObjectKey};
use crate::error::{SpecError, Violation};
use crate::etag::ETag;
use crate::part::PartNumber;
use crate::request::{Query, Unsigned};
use crate::xml::{Reader, Writer};

/// Makes the object out of its parts (API_CompleteMultipartUpload).
///
/// S3 answers 200 before it begins, sends white space to keep the connection, and only then says
/// how it ended. [`parse`](Operation::parse) therefore takes nothing but a closed result for a
/// success. A violation here, an answer that was cut short above all, leaves open whether the
/// object was made: look at the object before anything else.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub struct CompleteMultipartUpload {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: ObjectKey,
    /// The upload.
    pub upload_id: UploadId,
    #[cfg_attr(feature = "trace", serde(deserialize_with = "checked"))]
    parts: Vec<CompletedPart>,
    /// The checksum of the whole object, which the server compares. Only a CRC can be one: the
    /// SHA-256 of a multipart upload is a composite, and is not sent.
    pub checksum: Option<Checksum>,
    /// The size of the whole object, which the server compares (`x-amz-mp-object-size`).
    pub object_size: Option<u64>,
    /// Replace only the version with this tag (`If-Match`).
    pub if_match: Option<ETag>,
    /// Write only where there is no object (`If-None-Match: *`).
    pub if_none_match: bool,
}

/// A part as its upload was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub struct CompletedPart {
    /// Its number.
    pub number: PartNumber,
    /// Its tag, exactly as the server sent it.
    pub etag: ETag,
    /// Its checksum. An upload that was begun with an algorithm needs that of every part.
    pub checksum: Option<Checksum>,
}

/// An object that was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub struct CompleteMultipartUploadOutput {
    /// The tag that the result names. Some servers name none, or another than the object has
    /// afterwards: it proves nothing.
    pub etag: Option<ETag>,
    /// The checksums of the object.
    pub declared: Declared,
    /// Its version, where the bucket has versions.
    pub version_id: Option<String>,
}

impl CompleteMultipartUpload {
    /// Makes the object out of `parts`, unconditionally and without comparing.
    ///
    /// # Errors
    /// Parts that are not numbered 1, 2, 3 and so on without a gap, in this order; none at all;
    /// or some with a checksum and others without, or with another algorithm's. S3 would refuse
    /// them, or worse, make an object with a hole.
    pub fn new(
        bucket: BucketName,
        key: ObjectKey,
        upload_id: UploadId,
        parts: Vec<CompletedPart>,
    ) -> Result<Self, SpecError> {
        check_parts(&parts)?;
        Ok(Self {
            bucket,
            key,
            upload_id,
            parts,
            checksum: None,
            object_size: None,
            if_match: None,
            if_none_match: false,
        })
    }

    /// The parts, numbered from 1 without a gap.
    pub fn parts(&self) -> &[CompletedPart] {
        &self.parts
    }
}

impl Operation for CompleteMultipartUpload {
    const KIND: OperationKind = OperationKind::CompleteMultipartUpload;
    /// S3 works on a Complete for minutes, with a byte of white space every few seconds; 1 MiB of
    /// them is a day.
    const BODY_LIMIT: usize = 1 << 20;
    type Output = CompleteMultipartUploadOutput;

    fn request(&self, endpoint: &Endpoint) -> Unsigned {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        if let Some(size) = self.object_size {
            headers.insert(header::OBJECT_SIZE, HeaderValue::from(size));
        }
        if let Some(checksum) = self.checksum.filter(|c| c.algorithm.is_combinable()) {
            let scope = HeaderValue::from_static("FULL_OBJECT");
            headers.insert(header::CHECKSUM_TYPE, scope);
            headers.insert(checksum.algorithm.header(), checksum.header_value());
        }
        header::set_conditions(&mut headers, self.if_match.as_ref(), self.if_none_match);
        Unsigned {
            method: Method::POST,
            address: endpoint.address(&self.bucket, Some(&self.key)),
            query: Query::new().with("uploadId", self.upload_id.as_str()),
            headers,
        }
    }

    fn payload(&self) -> Bytes {
        let mut xml = Writer::new("CompleteMultipartUpload");
        // MD5 has no element: its header protected the part on the way, and that was all.
        let algorithm = self.parts.iter().find_map(|part| part.checksum);
        let element = algorithm
            .map(|checksum| checksum.algorithm)
            .filter(|&algorithm| algorithm != Algorithm::Md5)
            .map(|algorithm| ["Checksum", algorithm.name()].concat());
        for part in &self.parts {
            xml.open("Part");
            if let (Some(element), Some(checksum)) = (&element, part.checksum) {
                xml.element(element, &checksum.digest.base64());
            }
            xml.element("ETag", part.etag.as_str());
            xml.element("PartNumber", &part.number.get().to_string());
            xml.close();
        }
        xml.finish().into()
    }

    fn parse(&self, head: &Parts, body: &[u8]) -> Result<Self::Output, ResponseError> {
        let output =
            read_answer::<Self, _>("CompleteMultipartUploadResult", head, body, read_result)?;
        Ok(CompleteMultipartUploadOutput {
            version_id: header::text(&head.headers, header::VERSION_ID),
            ..output
        })
    }

    answers_as!(CompleteMultipartUpload);
}

fn read_result(xml: &mut Reader<'_>) -> Result<CompleteMultipartUploadOutput, Violation> {
    let mut tag = None;
    let mut checksums = ChecksumElements::default();
    while let Some(name) = xml.child()? {
        match name.as_str() {
            "ETag" => tag = etag(&xml.text()?),
            name => checksums.take_or_skip(name, xml)?,
        }
    }
    Ok(CompleteMultipartUploadOutput {
        etag: tag,
        declared: checksums.declared(),
        version_id: None,
    })
}

/// Reads parts of a trace, which may have been edited.
#[cfg(feature = "trace")]
fn checked<'de, D: serde::Deserializer<'de>>(trace: D) -> Result<Vec<CompletedPart>, D::Error> {
    let parts: Vec<CompletedPart> = serde::Deserialize::deserialize(trace)?;
    check_parts(&parts).map_err(serde::de::Error::custom)?;
    Ok(parts)
}

fn check_parts(parts: &[CompletedPart]) -> Result<(), SpecError> {
    let subject = "parts of a multipart upload";
    let Some(first) = parts.first() else {
        return Err(SpecError::new(subject, "at least one part", "none"));
    };
    let algorithm = |part: &CompletedPart| part.checksum.map(|checksum| checksum.algorithm);
    for (expected, part) in (1_u32..).zip(parts) {
        let seen = u32::from(part.number.get());
        if seen != expected {
            let expected = format!("part {expected}, as they are numbered without a gap");
            return Err(SpecError::new(subject, expected, format!("part {seen}")));
        }
        if algorithm(part) != algorithm(first) {
            let expected = "checksums of one algorithm, for all or for none";
            let seen = format!("another at part {seen}");
            return Err(SpecError::new(subject, expected, seen));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Rule;
    use crate::operation::testing::{aws, bucket, fields, head, key, line, refused, rule};

    const RESULT: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
        <CompleteMultipartUploadResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
        <Location>http://bucket.s3.amazonaws.com/k</Location><Bucket>bucket</Bucket><Key>k</Key>\
        <ETag>&quot;3858f62230ac3c915f300c664312c11f-9&quot;</ETag>\
        <ChecksumCRC64NVME>rosUhgp5mIg=</ChecksumCRC64NVME>\
        <ChecksumType>FULL_OBJECT</ChecksumType></CompleteMultipartUploadResult>";

    fn part(number: u16, checksum: Option<Checksum>) -> CompletedPart {
        CompletedPart {
            number: PartNumber::new(number).unwrap(),
            etag: ETag::new(&format!("\"e{number}&\"")).unwrap(),
            checksum,
        }
    }

    fn new(parts: Vec<CompletedPart>) -> Result<CompleteMultipartUpload, SpecError> {
        CompleteMultipartUpload::new(bucket(), key(), UploadId::new("u 1").unwrap(), parts)
    }

    fn crc(text: &str) -> Checksum {
        Checksum::from_base64(Algorithm::Crc64Nvme, text).unwrap()
    }

    fn parse(body: &str) -> Result<CompleteMultipartUploadOutput, ResponseError> {
        let operation = new(vec![part(1, None)]).unwrap();
        operation.parse(&head(200, &[]), body.as_bytes())
    }

    #[test]
    fn the_request_lists_all_parts() {
        let checksum = Some(crc("rosUhgp5mIg="));
        let operation = new(vec![part(1, checksum), part(2, checksum)]).unwrap();
        let request = operation.request(&aws());
        assert_eq!(line(&request), "POST /a/../b%20c%2Bd?uploadId=u%201");
        assert_eq!(fields(&request), ["content-type: application/xml"]);
        assert_eq!(
            operation.payload(),
            "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
             <Part><ChecksumCRC64NVME>rosUhgp5mIg=</ChecksumCRC64NVME>\
             <ETag>&quot;e1&amp;&quot;</ETag><PartNumber>1</PartNumber></Part>\
             <Part><ChecksumCRC64NVME>rosUhgp5mIg=</ChecksumCRC64NVME>\
             <ETag>&quot;e2&amp;&quot;</ETag><PartNumber>2</PartNumber></Part>\
             </CompleteMultipartUpload>"
        );
    }

    #[test]
    fn the_request_says_what_the_object_must_be() {
        let mut operation = new(vec![part(1, None)]).unwrap();
        operation.checksum = Some(crc("rosUhgp5mIg="));
        operation.object_size = Some(u64::MAX);
        operation.if_none_match = true;
        assert_eq!(
            fields(&operation.request(&aws())),
            [
                "content-type: application/xml",
                "if-none-match: *",
                "x-amz-checksum-crc64nvme: rosUhgp5mIg=",
                "x-amz-checksum-type: FULL_OBJECT",
                "x-amz-mp-object-size: 18446744073709551615",
            ]
        );

        let sha = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
        operation.checksum = Checksum::from_base64(Algorithm::Sha256, sha).ok();
        operation.object_size = None;
        operation.if_none_match = false;
        operation.if_match = ETag::new("\"t\"").ok();
        let expected = ["content-type: application/xml", "if-match: \"t\""];
        assert_eq!(fields(&operation.request(&aws())), expected);
    }

    #[test]
    fn adversary_38_parts_out_of_order_are_refused_before_sending() {
        let parts = |numbers: &[u16]| numbers.iter().map(|&n| part(n, None)).collect();
        assert!(new(parts(&[1, 2, 3])).is_ok());
        for bad in [&[][..], &[2], &[1, 3], &[1, 1], &[2, 1], &[1, 2, 2]] {
            assert!(new(parts(bad)).is_err(), "{bad:?}");
        }
        let all: Vec<u16> = (1..=10_000).collect();
        assert_eq!(new(parts(&all)).unwrap().parts().len(), 10_000);
        assert!(PartNumber::new(10_001).is_none());
    }

    #[test]
    fn checksums_are_for_all_parts_or_for_none() {
        let crc64 = Some(crc("rosUhgp5mIg="));
        let crc32 = Checksum::from_base64(Algorithm::Crc32, "y/Q5Jg==").ok();
        assert!(new(vec![part(1, crc64), part(2, crc64)]).is_ok());
        assert!(new(vec![part(1, crc64), part(2, None)]).is_err());
        assert!(new(vec![part(1, None), part(2, crc64)]).is_err());
        assert!(new(vec![part(1, crc64), part(2, crc32)]).is_err());
    }

    #[test]
    fn a_result_is_read() {
        let operation = new(vec![part(1, None)]).unwrap();
        let head = head(200, &[("x-amz-version-id", "v1")]);
        let output = operation.parse(&head, RESULT.as_bytes()).unwrap();
        let tag = "\"3858f62230ac3c915f300c664312c11f-9\"";
        assert_eq!(output.etag, ETag::new(tag).ok());
        assert_eq!(output.declared.best(), Some(crc("rosUhgp5mIg=")));
        assert_eq!(output.version_id.as_deref(), Some("v1"));
    }

    #[test]
    fn adversary_17_a_composite_is_no_full_object_checksum() {
        let sha = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=-2";
        for kind in ["", "<ChecksumType>COMPOSITE</ChecksumType>"] {
            let body = format!(
                "<CompleteMultipartUploadResult>{kind}<ChecksumSHA256>{sha}</ChecksumSHA256>\
                 </CompleteMultipartUploadResult>"
            );
            let declared = parse(&body).unwrap().declared;
            assert_eq!(declared.best(), None);
            assert_eq!(declared.composite.len(), 1);
        }
    }

    #[test]
    fn adversary_29_an_error_in_a_200_is_no_success() {
        for code in ["InternalError", "AccessDenied"] {
            let body = format!("<Error><Code>{code}</Code><RequestId>R</RequestId></Error>");
            let error = refused(parse(&format!("  \n{body}")).unwrap_err());
            assert_eq!(error.status, 200);
            assert!(error.is(code));
            assert_eq!(error.request_id.as_deref(), Some("R"));
            let cut = &body[..body.len() - 1];
            assert_eq!(rule(parse(cut).unwrap_err()), Rule::Xml);
        }
    }

    #[test]
    fn adversary_30_padding_is_nothing_and_a_cut_is_no_success() {
        let padding = " \r\n".repeat(100_000);
        assert!(parse(&format!("{padding}{RESULT}\n")).is_ok());
        assert_eq!(rule(parse(&padding).unwrap_err()), Rule::Xml);
        assert_eq!(rule(parse("").unwrap_err()), Rule::Xml);
        for cut in 0..RESULT.len() {
            let error = parse(&RESULT[..cut]).unwrap_err();
            assert_eq!(rule(error), Rule::Xml, "cut at {cut}");
        }
        let endless = " ".repeat(2 << 20);
        assert_eq!(rule(parse(&endless).unwrap_err()), Rule::Size);
    }

    #[test]
    fn adversary_31_a_key_that_looks_like_an_error_is_a_key() {
        for key in [
            "InternalError",
            "SlowDown",
            "&lt;Error&gt;&lt;Code&gt;InternalError&lt;/Code&gt;&lt;/Error&gt;",
            "<![CDATA[<Error><Code>SlowDown</Code></Error>]]>",
        ] {
            let body = format!(
                "<CompleteMultipartUploadResult><Key>{key}</Key><ETag>\"t\"</ETag>\
                 <!--<Error>--></CompleteMultipartUploadResult>"
            );
            assert_eq!(parse(&body).unwrap().etag, ETag::new("\"t\"").ok(), "{key}");
        }
    }

    #[test]
    fn odd_tags_are_tolerated() {
        for (tag, expected) in [
            ("<ETag></ETag>", None),
            ("<ETag/>", None),
            ("", None),
            ("<ETag>\"\u{e9}\"</ETag>", None),
            ("<ETag>bare</ETag>", Some("bare")),
            ("<ETag>\"no-suffix\"</ETag>", Some("\"no-suffix\"")),
            ("<ETag>&#34;t-1&#34;</ETag>", Some("\"t-1\"")),
        ] {
            let body =
                format!("<CompleteMultipartUploadResult>{tag}</CompleteMultipartUploadResult>");
            let etag = parse(&body).unwrap().etag;
            assert_eq!(etag.as_ref().map(ETag::as_str), expected, "{tag}");
        }
    }

    #[test]
    fn other_answers_are_no_success() {
        for body in ["<html></html>", "<Result/>", "OK", "{}"] {
            assert_eq!(rule(parse(body).unwrap_err()), Rule::Xml, "{body}");
        }
        let operation = new(vec![part(1, None)]).unwrap();
        for status in [202, 204] {
            let error = operation.parse(&head(status, &[]), RESULT.as_bytes());
            assert_eq!(rule(error.unwrap_err()), Rule::Status);
        }
        let body = b"<Error><Code>NoSuchUpload</Code></Error>";
        let error = operation.parse(&head(404, &[]), body).unwrap_err();
        assert!(refused(error).is("NoSuchUpload"));
    }
}
