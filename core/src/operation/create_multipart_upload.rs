use http::response::Parts;
use http::{HeaderMap, HeaderValue, Method};

use super::answer::answers_as;
use super::document::{read_answer, required};
use super::{Operation, OperationKind, PutOptions, ResponseError, SMALL_BODY, UploadId, header};
use crate::checksum::Algorithm;
use crate::endpoint::{BucketName, Endpoint, ObjectKey};
use crate::error::Violation;
use crate::request::{Query, Unsigned};
use crate::xml::Reader;

/// Begins a multipart upload (API_CreateMultipartUpload).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub struct CreateMultipartUpload {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: ObjectKey,
    /// What is written besides the bytes. The conditions are not sent here but by the Complete.
    pub options: PutOptions,
    /// The algorithm of the parts' checksums. Over the whole object a CRC is then a full-object
    /// checksum and a SHA-256 a composite one, the only type that S3 has for each of them that
    /// needs no second algorithm. MD5 is not announced: its header stands by itself.
    pub checksum: Option<Algorithm>,
}

/// An upload that was begun.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub struct CreateMultipartUploadOutput {
    /// Its name.
    pub upload_id: UploadId,
}

impl CreateMultipartUpload {
    /// Begins an upload with nothing besides the bytes, and without checksums.
    pub fn new(bucket: BucketName, key: ObjectKey) -> Self {
        Self {
            bucket,
            key,
            options: PutOptions::default(),
            checksum: None,
        }
    }
}

impl Operation for CreateMultipartUpload {
    const KIND: OperationKind = OperationKind::CreateMultipartUpload;
    const BODY_LIMIT: usize = SMALL_BODY;
    type Output = CreateMultipartUploadOutput;

    fn request(&self, endpoint: &Endpoint) -> Unsigned {
        let mut headers = HeaderMap::new();
        self.options.describe(&mut headers);
        if let Some(algorithm) = self
            .checksum
            .filter(|&algorithm| algorithm != Algorithm::Md5)
        {
            let name = HeaderValue::from_static(algorithm.name());
            let scope = match algorithm.is_combinable() {
                true => HeaderValue::from_static("FULL_OBJECT"),
                false => HeaderValue::from_static("COMPOSITE"),
            };
            headers.insert(header::CHECKSUM_ALGORITHM, name);
            headers.insert(header::CHECKSUM_TYPE, scope);
        }
        Unsigned {
            method: Method::POST,
            address: endpoint.address(&self.bucket, Some(&self.key)),
            query: Query::new().with("uploads", ""),
            headers,
        }
    }

    fn parse(&self, head: &Parts, body: &[u8]) -> Result<Self::Output, ResponseError> {
        read_answer::<Self, _>("InitiateMultipartUploadResult", head, body, read_upload)
    }

    answers_as!(CreateMultipartUpload);
}

fn read_upload(xml: &mut Reader<'_>) -> Result<CreateMultipartUploadOutput, Violation> {
    let mut upload_id = None;
    while let Some(name) = xml.child()? {
        match name.as_str() {
            "UploadId" => upload_id = Some(UploadId::new(&xml.text()?)?),
            _ => xml.skip()?,
        }
    }
    let upload_id = required("UploadId", upload_id)?;
    Ok(CreateMultipartUploadOutput { upload_id })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Rule;
    use crate::operation::testing::{aws, bucket, fields, head, key, line, refused, rule};

    fn parse(body: &str) -> Result<CreateMultipartUploadOutput, ResponseError> {
        CreateMultipartUpload::new(bucket(), key()).parse(&head(200, &[]), body.as_bytes())
    }

    #[test]
    fn the_request_describes_the_object() {
        let mut operation = CreateMultipartUpload::new(bucket(), key());
        let request = operation.request(&aws());
        assert_eq!(line(&request), "POST /a/../b%20c%2Bd?uploads=");
        assert!(fields(&request).is_empty());

        let options = PutOptions::default().with_content_type("text/plain");
        operation.options = options.unwrap();
        operation.options.if_none_match = true;
        operation.options.metadata.insert("token", "x").unwrap();
        let expected = ["content-type: text/plain", "x-amz-meta-token: x"];
        assert_eq!(fields(&operation.request(&aws())), expected);
    }

    #[test]
    fn the_checksum_has_the_type_that_its_algorithm_allows() {
        let announced = |algorithm| {
            let operation = CreateMultipartUpload {
                checksum: Some(algorithm),
                ..CreateMultipartUpload::new(bucket(), key())
            };
            fields(&operation.request(&aws())).join(", ")
        };
        for (algorithm, name, scope) in [
            (Algorithm::Crc64Nvme, "CRC64NVME", "FULL_OBJECT"),
            (Algorithm::Crc32, "CRC32", "FULL_OBJECT"),
            (Algorithm::Crc32c, "CRC32C", "FULL_OBJECT"),
            (Algorithm::Sha256, "SHA256", "COMPOSITE"),
        ] {
            let expected =
                format!("x-amz-checksum-algorithm: {name}, x-amz-checksum-type: {scope}");
            assert_eq!(announced(algorithm), expected);
        }
        assert_eq!(announced(Algorithm::Md5), "");
    }

    #[test]
    fn the_upload_id_is_kept_exactly() {
        let body = "<InitiateMultipartUploadResult xmlns=\"x\"><Bucket>bucket</Bucket>\
            <Key>&lt;Error&gt;</Key><UploadId>a&amp;b+/=~ c</UploadId>\
            </InitiateMultipartUploadResult>";
        assert_eq!(parse(body).unwrap().upload_id.as_str(), "a&b+/=~ c");
    }

    #[test]
    fn an_answer_without_an_upload_id_is_none() {
        for id in ["", "<UploadId></UploadId>", "<UploadId/>"] {
            let body =
                format!("<InitiateMultipartUploadResult>{id}</InitiateMultipartUploadResult>");
            assert_eq!(rule(parse(&body).unwrap_err()), Rule::Xml, "{id}");
        }
        assert_eq!(rule(parse("").unwrap_err()), Rule::Xml);
        let refusal = parse("<Error><Code>InternalError</Code></Error>").unwrap_err();
        assert!(refused(refusal).is("InternalError"));
    }
}
