//! Entity tags, compared byte for byte.

use core::fmt;

use crate::error::{Rule, Violation};

/// The longest entity tag that is kept. S3's are at most 40 bytes; a server that sends kilobytes
/// would have them echoed in every `If-Match`.
const MAX_LEN: usize = 1024;

/// An entity tag exactly as the server sent it, quotes included (RFC 9110, section 8.8.3).
///
/// It is opaque: S3's is an MD5 of the content only for some objects, so nothing is read into it
/// but equality. A weak tag (`W/"…"`) or an unquoted one identifies no bytes and can't pin a
/// version; see [`ETag::is_strong`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ETag(Box<str>);

impl ETag {
    /// Takes the value of an `ETag` header or element.
    ///
    /// # Errors
    /// A tag that is empty, longer than 1,024 bytes, or holds anything but visible ASCII: it could
    /// not be sent back.
    pub fn new(text: &str) -> Result<Self, Violation> {
        let fits = !text.is_empty() && text.len() <= MAX_LEN;
        if !fits || !text.bytes().all(|b| b.is_ascii_graphic()) {
            let seen = format!(
                "{} bytes: {}",
                text.len(),
                crate::error::excerpt(text.as_bytes())
            );
            return Err(Violation::new(
                Rule::ETag,
                "an entity tag of 1 to 1,024 visible ASCII characters",
                seen,
            ));
        }
        Ok(Self(text.into()))
    }

    /// The tag as sent, quotes included.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the tag is strong, and so stands for exactly one sequence of bytes. Only such a tag
    /// may pin the ranges of a download.
    pub fn is_strong(&self) -> bool {
        let inner = self
            .0
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'));
        inner.is_some_and(|tag| !tag.is_empty() && !tag.contains('"'))
    }

    /// The text between the quotes, or all of it where there are none: some servers quote the tag
    /// in a header and leave the quotes out in a listing.
    pub fn unquoted(&self) -> &str {
        self.0
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'))
            .unwrap_or(&self.0)
    }

    /// The MD5 that the tag would be if it is one: 32 hexadecimal digits between quotes, without
    /// the `-N` of a multipart upload. That it looks like an MD5 does not prove that it is one.
    pub fn as_md5(&self) -> Option<[u8; 16]> {
        let hex = self.unquoted();
        if hex.len() != 32 || !hex.is_ascii() {
            return None;
        }
        let mut md5 = [0; 16];
        for (byte, pair) in md5.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
            let pair = core::str::from_utf8(pair).ok()?;
            if pair.starts_with('+') {
                return None;
            }
            *byte = u8::from_str_radix(pair, 16).ok()?;
        }
        Some(md5)
    }
}

impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_quoted_tag_is_strong() {
        let strong = |text: &str| ETag::new(text).unwrap().is_strong();
        assert!(strong("\"abc\""));
        for weak in ["W/\"abc\"", "abc", "\"\"", "\"a", "\"a\"b\""] {
            assert!(!strong(weak), "{weak}");
        }
    }

    #[test]
    fn tags_that_cannot_be_sent_back_are_refused() {
        for bad in ["", "\"a\r\nx\"", "\"\u{e9}\"", "\" \"", &"x".repeat(1025)] {
            assert!(ETag::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_md5_is_recognised_and_a_multipart_tag_is_not() {
        let tag = ETag::new("\"d41d8cd98f00b204e9800998ecf8427e\"").unwrap();
        assert_eq!(tag.as_md5().unwrap()[..4], [0xd4, 0x1d, 0x8c, 0xd9]);
        let multipart = ETag::new("\"d41d8cd98f00b204e9800998ecf8427e-2\"").unwrap();
        assert_eq!(multipart.as_md5(), None);
    }
}
