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
        Self {
            text: format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{root}{attributes}>"),
            open: vec![root],
        }
    }

    pub(crate) fn open(&mut self, name: &'static str) {
        self.text.push_str(&format!("<{name}>"));
        self.open.push(name);
    }

    pub(crate) fn close(&mut self) {
        if let Some(name) = self.open.pop() {
            self.text.push_str(&format!("</{name}>"));
        }
    }

    pub(crate) fn text(&mut self, name: &str, value: &str) {
        self.text.push_str(&format!("<{name}>"));
        escape_into(value, &mut self.text);
        self.text.push_str(&format!("</{name}>"));
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

/// Escapes as S3 does: control characters become references, although XML 1.0 forbids most.
fn escape_into(value: &str, text: &mut String) {
    for c in value.chars() {
        match c {
            '&' => text.push_str("&amp;"),
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            '"' => text.push_str("&quot;"),
            c if c.is_control() => text.push_str(&format!("&#x{:x};", u32::from(c))),
            c => text.push(c),
        }
    }
}

/// One record of a document: names and texts of its elements.
pub(crate) type Record = Vec<(String, String)>;

/// Reads `<root><record><name>text</name>…</record>…</root>`, the shape of the documents that
/// clients send. Other elements are skipped; `None` if the document is not well-formed, has another
/// root, or carries a document type.
pub(crate) fn records(document: &[u8], root: &str, record: &str) -> Option<Vec<Record>> {
    let mut reader = Reader::from_reader(document);
    let mut path: Vec<String> = Vec::new();
    let mut records: Vec<Record> = Vec::new();
    let mut text = String::new();
    let mut closed = false;
    loop {
        match reader.read_event().ok()? {
            Event::Start(_) | Event::Empty(_) if closed => return None,
            Event::Start(start) => {
                path.push(start.local_name().as_ref().to_owned());
                text.clear();
                if path[0] != root {
                    return None;
                }
                if path.len() == 2 && path[1] == record {
                    records.push(Record::new());
                }
            }
            Event::Text(piece) => text.push_str(&piece),
            Event::CData(piece) => text.push_str(&piece),
            Event::GeneralRef(name) => text.push(resolve(&name)?),
            Event::End(_) => {
                let name = path.pop()?;
                if path.len() == 2 && path[1] == record {
                    records.last_mut()?.push((name, std::mem::take(&mut text)));
                }
                closed = path.is_empty();
            }
            Event::Empty(start) => {
                let name = start.local_name().as_ref().to_owned();
                match path.len() {
                    0 => return (name == root).then(Vec::new),
                    1 if name == record => records.push(Record::new()),
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

    #[test]
    fn what_is_written_can_be_read() {
        let mut writer = Writer::namespaced("List");
        for key in ["a&b<\u{1}>\"", ""] {
            writer.open("Part");
            writer.text("Key", key);
            writer.close();
        }
        let records = records(writer.finish().as_bytes(), "List", "Part").unwrap();
        assert_eq!(records[0], [("Key".into(), "a&b<\u{1}>\"".into())]);
        assert_eq!(records[1], [("Key".into(), String::new())]);
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
        ];
        for bad in no_root.into_iter().chain(broken) {
            assert_eq!(records(bad.as_bytes(), "a", "r"), None, "{bad}");
        }
    }
}
