use core::fmt;
use std::borrow::Cow;

use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesDecl, BytesRef, BytesStart, Event};

use crate::error::{Rule, Violation};

/// The deepest nesting. S3's documents have four levels.
const MAX_DEPTH: usize = 16;

/// The most attributes of one element. S3's have two: a namespace and a type.
const MAX_ATTRIBUTES: usize = 32;

/// The longest text of one element, in bytes. The longest that S3 sends is a key of 1,024 bytes,
/// each of them escaped.
const MAX_TEXT: usize = 64 * 1024;

/// The longest XML declaration, in bytes.
const MAX_DECLARATION: usize = 256;

/// Reads one document, an element at a time, in a single pass over the bytes.
///
/// Names are local: a namespace prefix is dropped, and what it stands for is not looked at, since
/// servers disagree about S3's namespace. Comments and processing instructions are skipped. There
/// are no entities but XML's own five: a `DOCTYPE` is refused, so nothing can expand or be fetched.
///
/// The order of calls is [`root`](Self::root), then [`child`](Self::child) until it is `None`, and
/// [`end`](Self::end). Each child is consumed by [`text`](Self::text), by [`skip`](Self::skip), or
/// by calling `child` until it is `None`.
pub(crate) struct Reader<'a> {
    events: quick_xml::Reader<&'a [u8]>,
    /// How many elements are open.
    depth: usize,
    stage: Stage,
}

/// Where in the document the reader is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing but white space was seen.
    Start,
    /// Something was seen, but not the root.
    Prolog,
    /// The root was opened.
    Root,
}

/// What a document is made of, once comments and the like are gone.
enum Token<'a> {
    Open(String),
    Text(Cow<'a, str>),
    Close,
    Eof,
}

impl<'a> Reader<'a> {
    /// A reader of `body`, which may be padded with white space on both sides.
    ///
    /// # Errors
    /// A body of more than `limit` bytes.
    pub(crate) fn new(body: &'a [u8], limit: usize) -> Result<Self, Violation> {
        if body.len() > limit {
            let expected = format!("a document of at most {limit} bytes");
            let seen = format!("{} bytes", body.len());
            return Err(Violation::new(Rule::Size, expected, seen));
        }
        let mut events = quick_xml::Reader::from_reader(body);
        // `<a/>` then reads as `<a></a>`, so that no caller needs to tell them apart.
        events.config_mut().expand_empty_elements = true;
        Ok(Self {
            events,
            depth: 0,
            stage: Stage::Start,
        })
    }

    /// Opens the root element; its name.
    pub(crate) fn root(&mut self) -> Result<String, Violation> {
        loop {
            match self.token()? {
                Token::Open(name) => return Ok(name),
                Token::Text(text) if is_whitespace(&text) => {}
                Token::Text(text) => return Err(malformed("an XML document", &*text)),
                Token::Close | Token::Eof => {
                    return Err(malformed("an XML document", "nothing but white space"));
                }
            }
        }
    }

    /// Opens the next child of the open element; its name. `None` where that element ends instead,
    /// which closes it.
    pub(crate) fn child(&mut self) -> Result<Option<String>, Violation> {
        loop {
            match self.token()? {
                Token::Open(name) => return Ok(Some(name)),
                Token::Close => return Ok(None),
                Token::Text(text) if is_whitespace(&text) => {}
                Token::Text(text) => return Err(malformed("an element", &*text)),
                Token::Eof => return Err(cut_short()),
            }
        }
    }

    /// The text of the open element, unescaped and with its white space; closes the element.
    ///
    /// Line ends stay as they are, against XML 1.0, section 2.11: a server that writes a bare CR
    /// means a key that contains one.
    pub(crate) fn text(&mut self) -> Result<Cow<'a, str>, Violation> {
        let mut whole = Cow::Borrowed("");
        loop {
            match self.token()? {
                Token::Text(piece) => {
                    if whole.len() + piece.len() > MAX_TEXT {
                        let expected = "at most 64 KiB of text in an element";
                        return Err(Violation::new(Rule::Size, expected, &*whole));
                    }
                    whole += piece;
                }
                Token::Close => return Ok(whole),
                Token::Open(name) => return Err(malformed("text", format!("<{name}>"))),
                Token::Eof => return Err(cut_short()),
            }
        }
    }

    /// Closes the open element, whatever is in it.
    pub(crate) fn skip(&mut self) -> Result<(), Violation> {
        let outside = self.depth.saturating_sub(1);
        while self.depth > outside {
            if matches!(self.token()?, Token::Eof) {
                return Err(cut_short());
            }
        }
        Ok(())
    }

    /// Checks that the root is closed and that nothing but white space and comments follows it.
    pub(crate) fn end(mut self) -> Result<(), Violation> {
        loop {
            match self.token()? {
                Token::Eof if self.depth == 0 => return Ok(()),
                Token::Eof => return Err(cut_short()),
                Token::Text(text) if is_whitespace(&text) => {}
                Token::Text(text) => return Err(malformed("the end of the document", &*text)),
                Token::Open(name) => {
                    return Err(malformed("the end of the document", format!("<{name}>")));
                }
                Token::Close => {}
            }
        }
    }

    fn token(&mut self) -> Result<Token<'a>, Violation> {
        loop {
            let event = self.events.read_event().map_err(|error| self.broken(error));
            let token = match event? {
                // An empty element never comes: the reader is told to expand it.
                Event::Start(tag) | Event::Empty(tag) => self.open(&tag)?,
                Event::End(_) => {
                    self.depth = self.depth.saturating_sub(1);
                    Token::Close
                }
                Event::Text(text) => Token::Text(text.into_inner()),
                Event::CData(text) => Token::Text(text.into_inner()),
                Event::GeneralRef(reference) => Token::Text(resolve(&reference)?.into()),
                Event::Decl(declaration) => {
                    self.declaration(&declaration)?;
                    continue;
                }
                Event::DocType(_) => return Err(malformed("no document type", "<!DOCTYPE")),
                Event::Comment(_) | Event::PI(_) => {
                    self.leave_start();
                    continue;
                }
                Event::Eof => Token::Eof,
            };
            return Ok(token);
        }
    }

    fn open(&mut self, tag: &BytesStart<'_>) -> Result<Token<'a>, Violation> {
        if self.depth == MAX_DEPTH {
            let expected = format!("at most {MAX_DEPTH} elements inside each other");
            return Err(Violation::new(Rule::Size, expected, "more"));
        }
        for (index, attribute) in tag.attributes().enumerate() {
            if index == MAX_ATTRIBUTES {
                let expected = format!("at most {MAX_ATTRIBUTES} attributes");
                return Err(Violation::new(Rule::Size, expected, "more"));
            }
            attribute.map_err(|error| self.broken(error))?;
        }
        let name = tag.local_name().into_inner();
        if name.is_empty() {
            return Err(malformed("an element with a name", "<>"));
        }
        self.stage = Stage::Root;
        self.depth += 1;
        Ok(Token::Open(name.to_owned()))
    }

    /// A declaration must come first and must not claim another encoding than UTF-8.
    fn declaration(&mut self, declaration: &BytesDecl<'_>) -> Result<(), Violation> {
        if self.stage != Stage::Start {
            return Err(malformed("an XML declaration only at the start", "another"));
        }
        self.leave_start();
        if declaration.len() > MAX_DECLARATION {
            let expected = "an XML declaration of at most 256 bytes";
            return Err(Violation::new(Rule::Size, expected, "a longer one"));
        }
        let Some(encoding) = declaration.encoding() else {
            return Ok(());
        };
        let encoding = encoding.map_err(|error| self.broken(error))?;
        let known = ["utf-8", "utf8", "us-ascii"];
        if known.iter().any(|name| encoding.eq_ignore_ascii_case(name)) {
            return Ok(());
        }
        let seen = encoding.as_bytes();
        Err(Violation::new(Rule::Encoding, "a document in UTF-8", seen))
    }

    fn leave_start(&mut self) {
        if self.stage == Stage::Start {
            self.stage = Stage::Prolog;
        }
    }

    fn broken(&self, error: impl Into<quick_xml::Error>) -> Violation {
        let error = error.into();
        let at = self.events.error_position();
        let rule = match error {
            quick_xml::Error::Encoding(_) => Rule::Encoding,
            _ => Rule::Xml,
        };
        let seen = format!("an error near byte {at}: {error}");
        Violation::new(rule, "a well-formed XML document in UTF-8", seen)
    }
}

impl fmt::Debug for Reader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("position", &self.events.buffer_position())
            .field("depth", &self.depth)
            .finish_non_exhaustive()
    }
}

/// Whether all of `text` is XML's white space (XML 1.0, section 2.3).
fn is_whitespace(text: &str) -> bool {
    text.bytes()
        .all(|b| matches!(b, b' ' | b'\t' | b'\r' | b'\n'))
}

/// What a reference stands for: a character by its number, or one of XML's five entities. The
/// control characters that only XML 1.1 allows are taken: keys contain them, and servers write them.
fn resolve(reference: &BytesRef<'_>) -> Result<String, Violation> {
    let character = reference.resolve_char_ref().ok().flatten();
    let text = character
        .map(String::from)
        .or_else(|| resolve_xml_entity(reference).map(str::to_owned));
    text.ok_or_else(|| {
        let seen = reference.as_bytes();
        malformed("a character or one of the five entities of XML", seen)
    })
}

fn malformed(expected: &'static str, seen: impl AsRef<[u8]>) -> Violation {
    Violation::new(Rule::Xml, expected, seen)
}

fn cut_short() -> Violation {
    malformed("a closed document", "its end inside an element")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 8 << 20;

    /// The text of all children of the root, by name.
    fn read(body: impl AsRef<[u8]>) -> Result<Vec<(String, String)>, Violation> {
        let mut xml = Reader::new(body.as_ref(), LIMIT)?;
        xml.root()?;
        let mut children = Vec::new();
        while let Some(name) = xml.child()? {
            children.push((name, xml.text()?.into_owned()));
        }
        xml.end()?;
        Ok(children)
    }

    /// As [`read`], for the text of a single child.
    fn only(body: impl AsRef<[u8]>) -> String {
        let [(_, text)] = &read(body).unwrap()[..] else {
            panic!("not a single child");
        };
        text.clone()
    }

    /// The rule that reading all of `body` breaks.
    fn rule(body: impl AsRef<[u8]>) -> Rule {
        let mut xml = Reader::new(body.as_ref(), LIMIT).unwrap();
        let outcome = xml.root().and_then(|_| xml.skip()).and_then(|()| xml.end());
        outcome.unwrap_err().rule()
    }

    #[test]
    fn text_is_unescaped_and_keeps_its_spaces() {
        assert_eq!(only("<r><a> x\t</a></r>"), " x\t");
        assert_eq!(only("<r><a>&lt;&amp;&gt;&quot;&apos;</a></r>"), "<&>\"'");
        assert_eq!(only("<r><a>&#34;&#x1F600;&#1;</a></r>"), "\"\u{1f600}\u{1}");
        assert_eq!(only("<r><a>a<!-- x -->b<?pi?>c</a></r>"), "abc");
        assert_eq!(only("<r><a>1<![CDATA[<&]]>2</a></r>"), "1<&2");
        assert_eq!(only("<r><a>x\r\ny\rz</a></r>"), "x\r\ny\rz");
        assert_eq!(only("<r><a/></r>"), "");
        assert_eq!(only("<r><a>\u{fffe}</a></r>"), "\u{fffe}");
    }

    #[test]
    fn padding_prolog_and_byte_order_mark_are_accepted() {
        for body in [
            "<r><a>1</a></r>",
            "\u{feff}<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<r><a>1</a></r>\n",
            "  \r\n\t \n<?xml version='1.0' encoding='utf-8' standalone='yes'?><r><a>1</a></r>",
            "<!-- x --><?pi?><r>\n  <a>1</a>\n</r><!-- x --> <?pi?>",
        ] {
            assert_eq!(only(body), "1", "{body}");
        }
    }

    #[test]
    fn adversary_66_namespaces_and_prefixes_do_not_matter() {
        for body in [
            "<r xmlns='http://s3.amazonaws.com/doc/2006-03-01/'><a>1</a></r>",
            "<s3:r xmlns:s3='x'><s3:a>1</s3:a></s3:r>",
            "<r><a xsi:type='CanonicalUser' xmlns:xsi='x'>1</a></r>",
        ] {
            assert_eq!(read(body).unwrap(), [("a".into(), "1".into())], "{body}");
        }
    }

    #[test]
    fn a_document_must_be_whole() {
        let whole = "<?xml version='1.0'?><r><a k='v'>x&amp;y<![CDATA[z]]></a><!-- c --></r>";
        assert!(read(whole).is_ok());
        for cut in 0..whole.len() {
            assert!(read(&whole[..cut]).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn nothing_may_stand_around_the_root() {
        for body in [
            "<r></r><r></r>",
            "<r></r>x",
            "x<r></r>",
            "&lt;<r></r>",
            "<r></r></r>",
            "<r></s>",
            "<r>&nbsp;</r>",
            "<r>a & b</r>",
            "<r>&#0;</r>",
            "<r>&#xD800;</r>",
            "<r></r><?xml version='1.0'?>",
            "<?xml version='1.0'?><?xml version='1.0'?><r></r>",
            "<r a='1' a='2'></r>",
            "<r a=1></r>",
            "< ></ >",
            "",
            "   ",
            "{\"Code\":\"AccessDenied\"}",
        ] {
            assert_eq!(rule(body), Rule::Xml, "{body}");
        }
        assert_eq!(read("<r>x<a>1</a></r>").unwrap_err().rule(), Rule::Xml);
        assert_eq!(read("<r><a>x<b/></a></r>").unwrap_err().rule(), Rule::Xml);
    }

    #[test]
    fn other_encodings_are_refused() {
        let utf16: Vec<u8> = "\u{feff}<r></r>"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        assert_eq!(rule(utf16), Rule::Encoding);
        assert_eq!(rule(b"<r>\xe9</r>"), Rule::Encoding);
        let claimed = "<?xml version='1.0' encoding='ISO-8859-1'?><r></r>";
        assert_eq!(rule(claimed), Rule::Encoding);
    }

    #[test]
    fn adversary_62_document_types_and_entities_are_refused() {
        let laughs = "<!DOCTYPE lolz [<!ENTITY lol 'lol'><!ENTITY lol2 '&lol;&lol;&lol;&lol;'>]>\
                      <r><a>&lol2;</a></r>";
        let external = "<!DOCTYPE r SYSTEM 'http://127.0.0.1/x.dtd'><r></r>";
        let file = "<!DOCTYPE r [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><r><a>&x;</a></r>";
        for body in [
            laughs,
            external,
            file,
            "<!doctype html><r></r>",
            "<!DOCTYPE r><r/>",
        ] {
            assert_eq!(rule(body), Rule::Xml, "{body}");
        }
        assert_eq!(rule("<r><a>&lol2;</a></r>"), Rule::Xml);
    }

    #[test]
    fn adversary_63_a_million_levels_stop_at_the_limit() {
        let body = "<a>".repeat(1_000_000);
        assert_eq!(rule(&body), Rule::Size);
        let deepest = format!("{}{}", "<a>".repeat(16), "</a>".repeat(16));
        let mut xml = Reader::new(deepest.as_bytes(), LIMIT).unwrap();
        xml.root().unwrap();
        xml.skip().unwrap();
        xml.end().unwrap();
    }

    #[test]
    fn adversary_63_a_million_attributes_stop_at_the_limit() {
        // Distinct names, so that looking for duplicates among all of them would be quadratic.
        let attributes: String = (0..500_000).map(|n| format!(" a{n}=''")).collect();
        assert_eq!(rule(format!("<r{attributes}></r>")), Rule::Size);
        let spaces: String = (0..300_000).map(|n| format!(" xmlns:a{n}='x'")).collect();
        assert_eq!(rule(format!("<r{spaces}></r>")), Rule::Size);
        let declaration = format!("<?xml version='1.0'{attributes}?><r></r>");
        assert_eq!(rule(declaration), Rule::Size);
    }

    #[test]
    fn adversary_63_text_and_size_are_limited() {
        let long = |len| format!("<r><a>{}</a></r>", "x".repeat(len));
        assert_eq!(only(long(MAX_TEXT)).len(), MAX_TEXT);
        assert_eq!(read(long(MAX_TEXT + 1)).unwrap_err().rule(), Rule::Size);
        let references = format!("<r><a>{}</a></r>", "&#120;".repeat(MAX_TEXT + 1));
        assert_eq!(read(references).unwrap_err().rule(), Rule::Size);

        let huge = long(100_000_000);
        let refused = Reader::new(huge.as_bytes(), LIMIT).unwrap_err();
        assert_eq!(refused.rule(), Rule::Size);
    }

    #[test]
    fn skipping_leaves_nothing_behind() {
        let mut xml = Reader::new(b"<r><u><v>1</v>text<w/></u><a>2</a></r>", LIMIT).unwrap();
        assert_eq!(xml.root().unwrap(), "r");
        assert_eq!(xml.child().unwrap().as_deref(), Some("u"));
        xml.skip().unwrap();
        assert_eq!(xml.child().unwrap().as_deref(), Some("a"));
        assert_eq!(xml.text().unwrap(), "2");
        assert_eq!(xml.child().unwrap(), None);
        xml.end().unwrap();
    }

    #[test]
    fn what_just_fits_the_limits_is_read() {
        assert!(Reader::new(b"<r/>", 4).is_ok());
        assert_eq!(Reader::new(b"<r/>", 3).unwrap_err().rule(), Rule::Size);
        let with_attributes = |count| {
            let attributes: String = (0..count).map(|n| format!(" a{n}=''")).collect();
            format!("<r{attributes}><a>1</a></r>")
        };
        assert_eq!(only(with_attributes(MAX_ATTRIBUTES)), "1");
        assert_eq!(rule(with_attributes(MAX_ATTRIBUTES + 1)), Rule::Size);
        let declared = |len| format!("<?{:len$}?><r><a>1</a></r>", "xml version='1.0'");
        assert_eq!(only(declared(MAX_DECLARATION)), "1");
        assert_eq!(rule(declared(MAX_DECLARATION + 1)), Rule::Size);
    }

    #[test]
    fn an_open_root_is_no_end() {
        let mut xml = Reader::new(b"<r>", LIMIT).unwrap();
        xml.root().unwrap();
        assert_eq!(xml.end().unwrap_err().rule(), Rule::Xml);
    }

    #[test]
    fn debug_tells_where_the_reader_is() {
        let mut xml = Reader::new(b"<r></r>", LIMIT).unwrap();
        xml.root().unwrap();
        let shown = format!("{xml:?}");
        assert!(
            shown.contains("position: 3") && shown.contains("depth: 1"),
            "{shown}"
        );
    }
}
