//! What answers' XML documents have in common.

use http::response::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::number::decimal;
use super::response::{ResponseError, expect_status, s3_error};
use super::{Operation, PAGE_ENTRIES};
use crate::checksum::Declared;
use crate::endpoint::decode_query;
use crate::error::{Rule, Violation};
use crate::etag::ETag;
use crate::xml::Reader;

/// Reads the document of a 200 whose root element is `root`; `read` consumes its children.
///
/// S3 sends the head of some answers before it knows how the work ends, so that an `<Error>` can
/// stand in the body of a 200 (API_CompleteMultipartUpload, API_CopyObject). It is looked for in
/// every answer, and only as the root of a closed document: a key may well contain "InternalError".
pub(super) fn read_answer<O: Operation, T>(
    root: &'static str,
    head: &Parts,
    body: &[u8],
    read: impl FnOnce(&mut Reader<'_>) -> Result<T, Violation>,
) -> Result<T, ResponseError> {
    expect_status(&[200], O::KIND, head, body)?;
    let mut xml = Reader::new(body, O::BODY_LIMIT)?;
    let name = xml.root()?;
    if name == "Error" {
        let document = ErrorDocument::read(&mut xml)?;
        xml.end()?;
        return Err(s3_error(O::KIND, head, document).into());
    }
    if name != root {
        let expected = format!("<{root}> or <Error>");
        return Err(Violation::new(Rule::Xml, expected, format!("<{name}>")).into());
    }
    let output = read(&mut xml)?;
    xml.end()?;
    Ok(output)
}

/// The elements of an `<Error>` that are of use (Amazon S3 API Reference, "Error responses").
#[derive(Debug, Default)]
pub(super) struct ErrorDocument {
    pub(super) code: Option<String>,
    pub(super) message: Option<String>,
    pub(super) request_id: Option<String>,
    pub(super) region: Option<String>,
}

impl ErrorDocument {
    /// Reads the children of the open root.
    pub(super) fn read(xml: &mut Reader<'_>) -> Result<Self, Violation> {
        let mut document = Self::default();
        while let Some(name) = xml.child()? {
            match name.as_str() {
                "Code" => document.code = words(&xml.text()?, 128),
                "Message" => document.message = words(&xml.text()?, 1024),
                "RequestId" => document.request_id = words(&xml.text()?, 256),
                "Region" => document.region = words(&xml.text()?, 256),
                _ => xml.skip()?,
            }
        }
        Ok(document)
    }
}

/// The checksums that stand in a document: `<ChecksumCRC32>` says what the header
/// `x-amz-checksum-crc32` says, and `<ChecksumType>` what `x-amz-checksum-type` says. They are
/// therefore read by the rules of the headers.
#[derive(Debug, Default)]
pub(super) struct ChecksumElements(HeaderMap);

impl ChecksumElements {
    /// S3 has ten algorithms.
    const MAX: usize = 32;

    /// Reads the open element if it is a checksum, and skips it if it is anything else.
    pub(super) fn take_or_skip(
        &mut self,
        name: &str,
        xml: &mut Reader<'_>,
    ) -> Result<(), Violation> {
        let header = match name.strip_prefix("Checksum") {
            None | Some("Algorithm") => return xml.skip(),
            Some(suffix) => format!("x-amz-checksum-{}", suffix.to_ascii_lowercase()),
        };
        let text = xml.text()?;
        let text = trimmed(&text);
        if text.is_empty() {
            return Ok(());
        }
        if self.0.len() == Self::MAX {
            let expected = format!("at most {} checksums", Self::MAX);
            return Err(Violation::new(Rule::Size, expected, "more"));
        }
        let wrong = |_| Violation::new(Rule::ChecksumFormat, "a checksum in base64", text);
        let value = HeaderValue::from_str(text).map_err(wrong)?;
        let Ok(header) = HeaderName::from_bytes(header.as_bytes()) else {
            return Ok(());
        };
        self.0.append(header, value);
        Ok(())
    }

    /// What they declare.
    pub(super) fn declared(&self) -> Declared {
        Declared::from_headers(&self.0)
    }
}

/// How the keys of a page are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum KeyEncoding {
    /// As they are: the server does not know `encoding-type`.
    #[default]
    Plain,
    /// Percent-encoded.
    Url,
}

impl KeyEncoding {
    /// Reads `<EncodingType>`.
    pub(super) fn from_element(text: &str) -> Self {
        if trimmed(text).eq_ignore_ascii_case("url") {
            Self::Url
        } else {
            Self::Plain
        }
    }

    /// The bytes of a key or prefix. A server that claims to encode and does not is understood as
    /// far as can be: only a `+`, and a `%` before two hexadecimal digits, are lost.
    pub(super) fn decode(self, text: String) -> Vec<u8> {
        match self {
            Self::Plain => text.into_bytes(),
            Self::Url => decode_query(&text),
        }
    }
}

/// A decimal number, white space around it aside.
pub(super) fn number(element: &'static str, text: &str) -> Result<u64, Violation> {
    decimal(trimmed(text)).ok_or_else(|| {
        let expected = format!("a decimal number in <{element}>");
        Violation::new(Rule::Number, expected, text)
    })
}

/// A truth value (XML Schema Part 2, section 3.2.2), in whatever case a server's language writes
/// it.
pub(super) fn boolean(element: &'static str, text: &str) -> Result<bool, Violation> {
    match trimmed(text).to_ascii_lowercase().as_str() {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => {
            let expected = format!("true or false in <{element}>");
            Err(Violation::new(Rule::Xml, expected, text))
        }
    }
}

/// An entity tag, quoted or not; `None` where it is empty or could not be sent back. Several
/// servers leave it out or empty in documents although their headers have one.
pub(super) fn etag(text: &str) -> Option<ETag> {
    ETag::new(trimmed(text)).ok()
}

/// Opaque text, exactly; `None` where it is empty.
pub(super) fn opaque(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

/// What a document must have.
pub(super) fn required<T>(element: &'static str, value: Option<T>) -> Result<T, Violation> {
    value.ok_or_else(|| Violation::new(Rule::Xml, format!("<{element}>"), "none"))
}

/// Adds an entry to a page that holds `count` so far, unless that is all that a page may hold.
pub(super) fn check_entries(count: usize) -> Result<(), Violation> {
    if count < PAGE_ENTRIES {
        return Ok(());
    }
    let expected = format!("at most {PAGE_ENTRIES} entries in a page");
    Err(Violation::new(Rule::Size, expected, "more"))
}

/// `text` without XML's white space around it.
pub(super) fn trimmed(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\r', '\n'])
}

/// Words for people: cut to `limit` bytes at most, `None` where there are none.
fn words(text: &str, limit: usize) -> Option<String> {
    let text = trimmed(text);
    let cut = &text[..text.floor_char_boundary(limit)];
    (!cut.is_empty()).then(|| cut.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checksum::Algorithm;

    #[test]
    fn adversary_66_numbers_are_strict_but_for_white_space() {
        assert_eq!(number("Size", "  5 "), Ok(5));
        assert_eq!(number("Size", "\r\n\t5\n"), Ok(5));
        for bad in [
            "5.0",
            "-1",
            "+5",
            "",
            " ",
            "5 5",
            "0x5",
            "\u{a0}5",
            "99999999999999999999",
        ] {
            assert_eq!(
                number("Size", bad).unwrap_err().rule(),
                Rule::Number,
                "{bad}"
            );
        }
        assert_eq!(boolean("IsTruncated", " True\n"), Ok(true));
        assert_eq!(boolean("IsTruncated", "0"), Ok(false));
        assert!(boolean("IsTruncated", "yes").is_err());
        assert!(boolean("IsTruncated", "").is_err());
    }

    #[test]
    fn entity_tags_come_quoted_bare_or_not_at_all() {
        assert_eq!(etag("\n \"a-2\" ").unwrap().as_str(), "\"a-2\"");
        assert_eq!(etag("a").unwrap().as_str(), "a");
        assert_eq!(etag("  "), None);
        assert_eq!(etag("\"a\" b\u{e9}"), None);
    }

    #[test]
    fn adversary_63_checksums_are_limited() {
        let names = 0..40_000;
        let many: String = names
            .map(|n| format!("<ChecksumX{n}>1</ChecksumX{n}>"))
            .collect();
        let body = format!("<P>{many}</P>");
        let mut xml = Reader::new(body.as_bytes(), 4 << 20).unwrap();
        xml.root().unwrap();
        let mut checksums = ChecksumElements::default();
        let refused = loop {
            let name = xml.child().unwrap().unwrap();
            if let Err(refused) = checksums.take_or_skip(&name, &mut xml) {
                break refused;
            }
        };
        assert_eq!(refused.rule(), Rule::Size);
    }

    #[test]
    fn checksum_elements_are_read_as_headers() {
        let body = b"<P><ChecksumAlgorithm>CRC32</ChecksumAlgorithm><Size>9</Size>\
            <ChecksumCRC32>\ny/Q5Jg==\n</ChecksumCRC32><ChecksumCRC32C/>\
            <ChecksumCRC64NVME>?</ChecksumCRC64NVME></P>";
        let mut xml = Reader::new(body, 4096).unwrap();
        xml.root().unwrap();
        let mut checksums = ChecksumElements::default();
        while let Some(name) = xml.child().unwrap() {
            checksums.take_or_skip(&name, &mut xml).unwrap();
        }
        let declared = checksums.declared();
        let best = declared.best().unwrap();
        assert_eq!(best.algorithm, Algorithm::Crc32);
        assert_eq!(best.digest.base64(), "y/Q5Jg==");
        assert_eq!(declared.malformed.len(), 1);
    }
}
