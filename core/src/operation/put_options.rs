use http::header::{self, HeaderMap, HeaderValue};

use crate::error::SpecError;
use crate::etag::ETag;
use crate::metadata::Metadata;
use crate::sign::header_value;

use super::header::STORAGE_CLASS;

/// What is written with an object besides its bytes, and on what condition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub struct PutOptions {
    /// `Content-Type`; S3's default is `binary/octet-stream`.
    #[cfg_attr(feature = "trace", serde(with = "crate::trace::opaque"))]
    pub content_type: Option<HeaderValue>,
    /// User metadata: `x-amz-meta-*`.
    pub metadata: Metadata,
    /// `x-amz-storage-class`, `STANDARD_IA` for example.
    #[cfg_attr(feature = "trace", serde(with = "crate::trace::opaque"))]
    pub storage_class: Option<HeaderValue>,
    /// Replace only the version with this tag (`If-Match`).
    pub if_match: Option<ETag>,
    /// Write only where there is no object (`If-None-Match: *`).
    pub if_none_match: bool,
}

impl PutOptions {
    /// Sets the content type.
    ///
    /// # Errors
    /// A text that is empty, or no [`header_value`].
    pub fn with_content_type(mut self, text: &str) -> Result<Self, SpecError> {
        self.content_type = Some(value("content type", text)?);
        Ok(self)
    }

    /// Sets the storage class.
    ///
    /// # Errors
    /// As [`with_content_type`](Self::with_content_type).
    pub fn with_storage_class(mut self, text: &str) -> Result<Self, SpecError> {
        self.storage_class = Some(value("storage class", text)?);
        Ok(self)
    }

    /// The fields that describe the object. The conditions are not among them: a multipart upload
    /// has them on its Complete, not on its Create.
    pub(super) fn describe(&self, headers: &mut HeaderMap) {
        if let Some(content_type) = &self.content_type {
            headers.insert(header::CONTENT_TYPE, content_type.clone());
        }
        if let Some(class) = &self.storage_class {
            headers.insert(STORAGE_CLASS, class.clone());
        }
        for (name, value) in self.metadata.headers() {
            headers.insert(name, value);
        }
    }
}

fn value(subject: &'static str, text: &str) -> Result<HeaderValue, SpecError> {
    if text.is_empty() {
        return Err(SpecError::new(subject, "a value", "none"));
    }
    header_value(subject, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adversary_67_values_that_cannot_be_sent_are_refused() {
        for bad in [
            "",
            " a",
            "a ",
            "a\r\nx-evil: 1",
            "a\0",
            "\u{e9}",
            "a\tb",
            "a  b",
        ] {
            let options = PutOptions::default();
            assert!(options.clone().with_content_type(bad).is_err(), "{bad:?}");
            assert!(options.with_storage_class(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_description_has_no_conditions() {
        let mut options = PutOptions::default()
            .with_content_type("text/plain; charset=utf-8")
            .and_then(|options| options.with_storage_class("STANDARD_IA"))
            .unwrap();
        options.metadata.insert("token", "a b").unwrap();
        options.if_none_match = true;
        let mut headers = HeaderMap::new();
        options.describe(&mut headers);
        assert_eq!(headers.len(), 3);
        assert_eq!(headers["content-type"], "text/plain; charset=utf-8");
        assert_eq!(headers["x-amz-storage-class"], "STANDARD_IA");
        assert_eq!(headers["x-amz-meta-token"], "a b");
    }
}
