use http::response::Parts;
use http::{HeaderMap, Method};

use super::answer::answers_as;
use super::document::{
    KeyEncoding, boolean, check_entries, etag, number, opaque, read_answer, required, trimmed,
};
use super::{Operation, OperationKind, PAGE_BODY, ResponseError};
use crate::endpoint::{BucketName, Endpoint};
use crate::error::{Rule, Violation};
use crate::etag::ETag;
use crate::request::{Query, Unsigned};
use crate::time::UnixTime;
use crate::xml::Reader;

/// Asks for a page of a bucket's keys (API_ListObjectsV2).
///
/// Keys are always asked for percent-encoded: in plain XML most control characters can't be
/// written at all.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub struct ListObjectsV2 {
    /// The bucket.
    pub bucket: BucketName,
    /// Only keys that begin with these bytes.
    #[cfg_attr(feature = "trace", serde(with = "crate::trace::opaque"))]
    pub prefix: Vec<u8>,
    /// Keys that are equal up to the first of these behind the prefix are folded into one common
    /// prefix.
    #[cfg_attr(feature = "trace", serde(with = "crate::trace::opaque"))]
    pub delimiter: Option<Vec<u8>>,
    /// Where the page before said that it goes on.
    pub continuation_token: Option<String>,
    /// Only keys behind this one. S3 ignores it once there is a token.
    #[cfg_attr(feature = "trace", serde(with = "crate::trace::opaque"))]
    pub start_after: Option<Vec<u8>>,
    /// The most keys of a page; S3's default and ceiling is 1,000.
    pub max_keys: Option<u16>,
}

/// A page of keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub struct ListObjectsV2Output {
    /// The objects. Not every server puts them in the order of their keys' bytes.
    pub objects: Vec<ListedObject>,
    /// The common prefixes, decoded.
    #[cfg_attr(feature = "trace", serde(with = "crate::trace::opaque"))]
    pub prefixes: Vec<Vec<u8>>,
    /// Whether there are more pages.
    pub is_truncated: bool,
    /// Where the next page begins; see [`ListObjectsV2::next_page`].
    pub next_continuation_token: Option<String>,
}

/// An object as a listing shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub struct ListedObject {
    /// The key's bytes, decoded. They are what the server says: possibly empty, or longer than a
    /// request can name.
    #[cfg_attr(feature = "trace", serde(with = "crate::trace::opaque"))]
    pub key: Vec<u8>,
    /// The size in bytes.
    pub size: u64,
    /// The tag, which some servers leave out and others write without its quotes: compare
    /// [`unquoted`](ETag::unquoted) texts.
    pub etag: Option<ETag>,
    /// When it was written.
    pub last_modified: Option<UnixTime>,
    /// The storage class, `GLACIER` for example.
    pub storage_class: Option<String>,
}

impl ListObjectsV2 {
    /// Asks for the first page of all keys.
    pub const fn new(bucket: BucketName) -> Self {
        Self {
            bucket,
            prefix: Vec::new(),
            delimiter: None,
            continuation_token: None,
            start_after: None,
            max_keys: None,
        }
    }

    /// The request for the page behind `page`, the answer to this one; `None` where it was the
    /// last.
    ///
    /// # Errors
    /// A page that says that there are more without saying where, or that names the place where it
    /// began itself. Stopping there would pass for a complete listing. Longer cycles are for the
    /// caller to notice.
    pub fn next_page(&self, page: &ListObjectsV2Output) -> Result<Option<Self>, Violation> {
        if !page.is_truncated {
            return Ok(None);
        }
        let stuck = |seen: &str| {
            let expected = "a new NextContinuationToken in a truncated page";
            Err(Violation::new(Rule::Paging, expected, seen))
        };
        match &page.next_continuation_token {
            None => stuck("none"),
            same if *same == self.continuation_token => stuck("the token that was sent"),
            token => Ok(Some(Self {
                continuation_token: token.clone(),
                ..self.clone()
            })),
        }
    }
}

impl Operation for ListObjectsV2 {
    const KIND: OperationKind = OperationKind::ListObjectsV2;
    const BODY_LIMIT: usize = PAGE_BODY;
    type Output = ListObjectsV2Output;

    fn request(&self, endpoint: &Endpoint) -> Unsigned {
        let mut query = Query::new()
            .with("list-type", "2")
            .with("encoding-type", "url");
        if !self.prefix.is_empty() {
            query.push("prefix", &self.prefix);
        }
        if let Some(delimiter) = &self.delimiter {
            query.push("delimiter", delimiter);
        }
        if let Some(token) = &self.continuation_token {
            query.push("continuation-token", token);
        }
        if let Some(key) = &self.start_after {
            query.push("start-after", key);
        }
        if let Some(most) = self.max_keys {
            query.push("max-keys", most.to_string());
        }
        Unsigned {
            method: Method::GET,
            address: endpoint.address(&self.bucket, None),
            query,
            headers: HeaderMap::new(),
        }
    }

    fn parse(&self, head: &Parts, body: &[u8]) -> Result<Self::Output, ResponseError> {
        read_answer::<Self, _>("ListBucketResult", head, body, read_page)
    }

    answers_as!(ListObjectsV2);
}

/// Reads the children of `<ListBucketResult>`. Keys are decoded at the end only, because
/// `EncodingType` may follow them.
fn read_page(xml: &mut Reader<'_>) -> Result<ListObjectsV2Output, Violation> {
    let mut encoding = KeyEncoding::default();
    let mut objects: Vec<EncodedObject> = Vec::new();
    let mut prefixes = Vec::new();
    let mut is_truncated = false;
    let mut next_continuation_token = None;
    while let Some(name) = xml.child()? {
        match name.as_str() {
            "EncodingType" => encoding = KeyEncoding::from_element(&xml.text()?),
            "IsTruncated" => is_truncated = boolean("IsTruncated", &xml.text()?)?,
            "NextContinuationToken" => next_continuation_token = opaque(xml.text()?.into_owned()),
            "Contents" => {
                check_entries(objects.len() + prefixes.len())?;
                objects.push(EncodedObject::read(xml)?);
            }
            "CommonPrefixes" => {
                check_entries(objects.len() + prefixes.len())?;
                prefixes.push(read_prefix(xml)?);
            }
            _ => xml.skip()?,
        }
    }
    Ok(ListObjectsV2Output {
        objects: objects.into_iter().map(|o| o.decode(encoding)).collect(),
        prefixes: prefixes.into_iter().map(|p| encoding.decode(p)).collect(),
        is_truncated,
        next_continuation_token,
    })
}

/// An object whose key waits to be decoded.
struct EncodedObject {
    key: String,
    size: u64,
    etag: Option<ETag>,
    last_modified: Option<UnixTime>,
    storage_class: Option<String>,
}

impl EncodedObject {
    /// Reads the children of `<Contents>`.
    fn read(xml: &mut Reader<'_>) -> Result<Self, Violation> {
        let (mut key, mut size, mut tag) = (None, None, None);
        let (mut last_modified, mut storage_class) = (None, None);
        while let Some(name) = xml.child()? {
            match name.as_str() {
                "Key" => key = Some(xml.text()?.into_owned()),
                "Size" => size = Some(number("Size", &xml.text()?)?),
                "ETag" => tag = etag(&xml.text()?),
                "LastModified" => {
                    last_modified = UnixTime::parse_iso8601(trimmed(&xml.text()?));
                }
                "StorageClass" => storage_class = opaque(trimmed(&xml.text()?).to_owned()),
                _ => xml.skip()?,
            }
        }
        Ok(Self {
            key: required("Key", key)?,
            size: required("Size", size)?,
            etag: tag,
            last_modified,
            storage_class,
        })
    }

    fn decode(self, encoding: KeyEncoding) -> ListedObject {
        ListedObject {
            key: encoding.decode(self.key),
            size: self.size,
            etag: self.etag,
            last_modified: self.last_modified,
            storage_class: self.storage_class,
        }
    }
}

/// Reads the children of `<CommonPrefixes>`.
fn read_prefix(xml: &mut Reader<'_>) -> Result<String, Violation> {
    let mut prefix = None;
    while let Some(name) = xml.child()? {
        match name.as_str() {
            "Prefix" => prefix = Some(xml.text()?.into_owned()),
            _ => xml.skip()?,
        }
    }
    required("Prefix", prefix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::testing::{aws, bucket, fields, head, line, refused, rule};

    fn parse(inner: &str) -> Result<ListObjectsV2Output, ResponseError> {
        let body = format!("<ListBucketResult>{inner}</ListBucketResult>");
        ListObjectsV2::new(bucket()).parse(&head(200, &[]), body.as_bytes())
    }

    /// The keys of a page with one object for each of `keys`, which are XML.
    fn keys(encoding: &str, keys: &[&str]) -> Vec<Vec<u8>> {
        let object = |key: &&str| format!("<Contents><Key>{key}</Key><Size>1</Size></Contents>");
        let objects: String = keys.iter().map(object).collect();
        let output = parse(&format!("{objects}{encoding}")).unwrap();
        output.objects.into_iter().map(|o| o.key).collect()
    }

    #[test]
    fn the_request_asks_for_encoded_keys() {
        let request = ListObjectsV2::new(bucket()).request(&aws());
        assert_eq!(line(&request), "GET /?encoding-type=url&list-type=2");
        assert!(fields(&request).is_empty(), "not even a content-length");

        let operation = ListObjectsV2 {
            prefix: b"a b/\xff".to_vec(),
            delimiter: Some(b"/".to_vec()),
            continuation_token: Some("1+/=".to_owned()),
            start_after: Some(b"k&".to_vec()),
            max_keys: Some(10),
            ..ListObjectsV2::new(bucket())
        };
        assert_eq!(
            line(&operation.request(&aws())),
            "GET /?continuation-token=1%2B%2F%3D&delimiter=%2F&encoding-type=url&list-type=2\
             &max-keys=10&prefix=a%20b%2F%FF&start-after=k%26"
        );
    }

    #[test]
    fn a_page_is_read() {
        let body = "\n<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
            <ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\n\
            <Name>bucket</Name><Prefix/><KeyCount>2</KeyCount><MaxKeys>1000</MaxKeys>\n\
            <Delimiter>%2F</Delimiter><EncodingType>url</EncodingType>\n\
            <IsTruncated>true</IsTruncated><NextContinuationToken>t==</NextContinuationToken>\n\
            <Contents><Key>a+b%2Bc</Key><LastModified>2009-10-12T17:50:30.000Z</LastModified>\n\
            <ETag>&quot;t&#34;</ETag><Size> 5 </Size><StorageClass>STANDARD</StorageClass>\n\
            <Owner><ID>x</ID><DisplayName>y</DisplayName></Owner></Contents>\n\
            <CommonPrefixes><Prefix>p%2F</Prefix></CommonPrefixes></ListBucketResult>\n";
        let output = ListObjectsV2::new(bucket())
            .parse(&head(200, &[]), body.as_bytes())
            .unwrap();
        let object = ListedObject {
            key: b"a b+c".to_vec(),
            size: 5,
            etag: ETag::new("\"t\"").ok(),
            last_modified: UnixTime::parse_iso8601("2009-10-12T17:50:30Z"),
            storage_class: Some("STANDARD".to_owned()),
        };
        let expected = ListObjectsV2Output {
            objects: vec![object],
            prefixes: vec![b"p/".to_vec()],
            is_truncated: true,
            next_continuation_token: Some("t==".to_owned()),
        };
        assert_eq!(output, expected);
    }

    #[test]
    fn adversary_65_keys_survive_byte_for_byte() {
        let url = "<EncodingType>url</EncodingType>";
        let names: [&[u8]; 9] = [
            b" &<'>\" ",
            b"\r\n\t\x01",
            "\u{fffe}\u{1f600}".as_bytes(),
            b"%25+%2B",
            b"\xff\x00\xfe",
            b"a/../b//c",
            b" lead and trail ",
            b"100%",
            b"<Error>InternalError</Error>",
        ];
        for name in names {
            let encoded = crate::endpoint::encode_query(name);
            assert_eq!(keys(url, &[&encoded]), [name], "{}", name.escape_ascii());
        }
        assert_eq!(keys(url, &["a+b%20c"]), [b"a b c"]);
    }

    #[test]
    fn a_server_that_does_not_encode_is_understood() {
        let plain = [" a+b%20", "&lt;Error&gt;", "\u{e9}\u{1f600}", "&#1;"];
        let expected: [&[u8]; 4] = [
            b" a+b%20",
            b"<Error>",
            "\u{e9}\u{1f600}".as_bytes(),
            b"\x01",
        ];
        assert_eq!(keys("", &plain), expected);
        assert_eq!(keys("<EncodingType/>", &plain), expected);

        // It claims to encode and does not.
        let url = "<EncodingType>url</EncodingType>";
        assert_eq!(keys(url, &["100% \u{e9}"]), ["100% \u{e9}".as_bytes()]);
        assert_eq!(keys(url, &["%", "%2", "%zz"]), [&b"%"[..], b"%2", b"%zz"]);
    }

    #[test]
    fn adversary_66_what_an_object_needs_is_needed() {
        for (object, expected) in [
            ("<Size>1</Size>", Rule::Xml),
            ("<Key>a</Key>", Rule::Xml),
            ("<Key>a</Key><Size>-1</Size>", Rule::Number),
            ("<Key>a</Key><Size>5.0</Size>", Rule::Number),
            (
                "<Key>a</Key><Size>18446744073709551616</Size>",
                Rule::Number,
            ),
            ("<Key>a<b/></Key><Size>1</Size>", Rule::Xml),
        ] {
            let page = parse(&format!("<Contents>{object}</Contents>"));
            assert_eq!(rule(page.unwrap_err()), expected, "{object}");
        }
        let page = parse("<Contents><Size>1</Size><ETag/><New/><Key>a</Key></Contents>").unwrap();
        assert_eq!(page.objects[0].etag, None);
        assert_eq!(parse("").unwrap(), ListObjectsV2Output::default());
        assert_eq!(rule(parse("<CommonPrefixes/>").unwrap_err()), Rule::Xml);
        assert_eq!(rule(parse("<IsTruncated/>").unwrap_err()), Rule::Xml);
    }

    #[test]
    fn adversary_64_a_page_that_leads_nowhere_is_an_error() {
        let first = ListObjectsV2::new(bucket());
        let page = |token: Option<&str>| ListObjectsV2Output {
            is_truncated: true,
            next_continuation_token: token.map(str::to_owned),
            ..ListObjectsV2Output::default()
        };
        let stuck = |request: &ListObjectsV2, page| request.next_page(&page).unwrap_err().rule();
        assert_eq!(stuck(&first, page(None)), Rule::Paging);
        let empty = "<IsTruncated>true</IsTruncated><NextContinuationToken/>";
        assert_eq!(stuck(&first, parse(empty).unwrap()), Rule::Paging);

        // A page without keys may well be followed by others.
        let second = first.next_page(&page(Some("a"))).unwrap().unwrap();
        assert_eq!(second.continuation_token.as_deref(), Some("a"));
        assert_eq!(stuck(&second, page(Some("a"))), Rule::Paging);
        let third = second.next_page(&page(Some("b"))).unwrap().unwrap();
        let last = ListObjectsV2Output {
            is_truncated: false,
            ..page(Some("c"))
        };
        assert_eq!(third.next_page(&last), Ok(None));
    }

    #[test]
    fn adversary_64_a_page_is_limited() {
        let prefix = "<CommonPrefixes><Prefix>a</Prefix></CommonPrefixes>";
        let object = "<Contents><Key>a</Key><Size>1</Size></Contents>";
        let most = format!("{}{}", prefix.repeat(5_000), object.repeat(5_000));
        assert_eq!(parse(&most).unwrap().objects.len(), 5_000);
        let more = format!("{most}{object}");
        assert_eq!(rule(parse(&more).unwrap_err()), Rule::Size);
        let million = object.repeat(1_000_000);
        assert_eq!(rule(parse(&million).unwrap_err()), Rule::Size);
    }

    #[test]
    fn an_error_or_another_document_is_no_page() {
        let body = b"<Error><Code>NoSuchBucket</Code></Error>";
        let operation = ListObjectsV2::new(bucket());
        let error = operation.parse(&head(404, &[]), body).unwrap_err();
        assert!(refused(error).is("NoSuchBucket"));
        let error = operation.parse(&head(200, &[]), body).unwrap_err();
        assert_eq!(refused(error).status, 200);
        for body in ["", "<html></html>", "<ListBucketResult>", "{}"] {
            let error = operation.parse(&head(200, &[]), body.as_bytes());
            assert_eq!(rule(error.unwrap_err()), Rule::Xml, "{body}");
        }
    }
}
