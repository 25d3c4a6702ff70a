//! The little XML that S3's documents need: a writer, and a reader of `CompleteMultipartUpload`.

use quick_xml::Reader;
use quick_xml::events::Event;

/// Writes one document, element by element.
pub(crate) struct Writer {
    text: String,
    open: Vec<&'static str>,
}

impl Writer {
    /// A document whose root carries S3's namespace, as all but error documents do.
    pub(crate) fn namespaced(root: &'static str) -> Self {
        Self::start(root, " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"")
    }

    pub(crate) fn new(root: &'static str) -> Self {
        Self::start(root, "")
    }

    fn start(root: &'static str, attributes: &str) -> Self {
        let mut text = String::with_capacity(512);
        text.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        push_all(&mut text, &["<", root, attributes, ">"]);
        let open = vec![root];
        Self { text, open }
    }

    pub(crate) fn open(&mut self, name: &'static str) {
        push_all(&mut self.text, &["<", name, ">"]);
        self.open.push(name);
    }

    pub(crate) fn close(&mut self) {
        if let Some(name) = self.open.pop() {
            push_all(&mut self.text, &["</", name, ">"]);
        }
    }

    pub(crate) fn text(&mut self, name: &str, value: &str) {
        push_all(&mut self.text, &["<", name, ">"]);
        escape_into(value, &mut self.text);
        push_all(&mut self.text, &["</", name, ">"]);
    }

    /// An element that is left out where there is no value.
    pub(crate) fn maybe(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    pub(crate) fn finish(mut self) -> String {
        while !self.open.is_empty() {
            self.close();
        }
        self.text
    }
}

fn push_all(text: &mut String, pieces: &[&str]) {
    pieces.iter().for_each(|piece| text.push_str(piece));
}

/// Escapes as S3 does: control characters become references, although XML 1.0 forbids most.
fn escape_into(value: &str, text: &mut String) {
    let mut rest = value;
    while let Some((at, c)) = rest
        .char_indices()
        .find(|(_, c)| matches!(c, '&' | '<' | '>' | '"') || c.is_control())
    {
        text.push_str(&rest[..at]);
        match c {
            '&' => text.push_str("&amp;"),
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            '"' => text.push_str("&quot;"),
            c => text.push_str(&format!("&#x{:x};", u32::from(c))),
        }
        rest = &rest[at + c.len_utf8()..];
    }
    text.push_str(rest);
}

/// Reads `<root><record><name>text</name>…</record>…</root>`, the shape of the documents that
/// clients send, and has each name and text taken by its record. Other elements are skipped; `None`
/// if the document is not well-formed, has another root, or carries a document type, and where a
/// record does.
pub(crate) fn records<R: Default>(
    document: &[u8],
    root: &str,
    record: &str,
    take: impl Fn(&mut R, &str, &str) -> Option<()>,
) -> Option<Vec<R>> {
    let mut reader = Reader::from_reader(document);
    let mut depth = 0_usize;
    let mut within = false;
    let mut records: Vec<R> = Vec::new();
    let mut text = String::new();
    let mut closed = false;
    loop {
        match reader.read_event().ok()? {
            Event::Start(_) | Event::Empty(_) if closed => return None,
            Event::Start(start) => {
                text.clear();
                let name = start.local_name();
                match depth {
                    0 if name.as_ref() != root => return None,
                    1 => {
                        within = name.as_ref() == record;
                        if within {
                            records.push(R::default());
                        }
                    }
                    _ => {}
                }
                depth += 1;
            }
            Event::Text(piece) => text.push_str(&piece),
            Event::CData(piece) => text.push_str(&piece),
            Event::GeneralRef(name) => text.push(resolve(&name)?),
            // The reader has seen to it that it has the name of what it ends.
            Event::End(end) => {
                depth = depth.checked_sub(1)?;
                if depth == 2 && within {
                    take(records.last_mut()?, end.local_name().as_ref(), &text)?;
                    text.clear();
                }
                closed = depth == 0;
            }
            Event::Empty(start) => {
                let name = start.local_name();
                match depth {
                    0 => return (name.as_ref() == root).then(Vec::new),
                    1 if name.as_ref() == record => records.push(R::default()),
                    _ => {}
                }
            }
            Event::Eof => return closed.then_some(records),
            Event::Decl(_) | Event::Comment(_) | Event::PI(_) => {}
            Event::DocType(_) => return None,
        }
    }
}

fn resolve(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix('x') {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(record: &mut Vec<(String, String)>, name: &str, text: &str) -> Option<()> {
        record.push((name.to_owned(), text.to_owned()));
        Some(())
    }

    #[test]
    fn what_is_written_can_be_read() {
        let mut writer = Writer::namespaced("List");
        for key in ["a&b<\u{1}>\"", ""] {
            writer.open("Part");
            writer.text("Key", key);
            writer.close();
        }
        let records = records(writer.finish().as_bytes(), "List", "Part", note).unwrap();
        assert_eq!(records[0], [("Key".into(), "a&b<\u{1}>\"".into())]);
        assert_eq!(records[1], [("Key".into(), String::new())]);
    }

    #[test]
    fn what_clients_may_write_otherwise_is_read_too() {
        let document = "\u{feff}<?xml version='1.0'?>\n<a x=\"</a>\" y='>'><!-- <r> -->\
                        <other><n>0</n></other>\
                        <s:r ><s:n\t>1<![CDATA[<&]]>&#x32;</s:n ></s:r>\
                        <r/><r><n/><n>4</n></r></a>\n<!-- end -->";
        let records = records(document.as_bytes(), "a", "r", note).unwrap();
        let field = |text: &str| ("n".to_owned(), text.to_owned());
        assert_eq!(records, [vec![field("1<&2")], vec![], vec![field("4")]]);
    }

    #[test]
    fn a_record_may_refuse_what_it_is_given() {
        let refuse = |_: &mut (), _: &str, _: &str| None;
        let document = b"<a><r><n>1</n></r></a>";
        assert_eq!(records(document, "a", "r", refuse), None);
    }

    #[test]
    fn broken_documents_are_refused() {
        let no_root = ["", "x", "<b/>", "<b><a/></b>"];
        let broken = [
            "<a>",
            "<a></b>",
            "<a></a><a></a>",
            "<!DOCTYPE a><a></a>",
            "<a>&x;</a>",
            "<a>&amp</a>",
            "<a>&#xd800;</a>",
            "<a><!-- </a>",
            "<a><![CDATA[ </a>",
            "<a><?></a>",
            "<a",
            "<a x='>",
            "<a><r></a></r>",
            "<a><r><n>1</r></n></a>",
        ];
        for bad in no_root.into_iter().chain(broken) {
            assert_eq!(records(bad.as_bytes(), "a", "r", note), None, "{bad}");
        }
    }
}
