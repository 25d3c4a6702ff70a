/// The namespace of every document that S3 is sent (Amazon S3 API Reference).
const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// Writes a document without indentation. Element names are ours and need no escaping; texts are
/// escaped here.
#[derive(Debug)]
pub(crate) struct Writer {
    text: String,
    open: Vec<&'static str>,
}

impl Writer {
    /// A document with an open root element in S3's namespace.
    pub(crate) fn new(root: &'static str) -> Self {
        let text = format!("<{root} xmlns=\"{NAMESPACE}\">");
        let open = vec![root];
        Self { text, open }
    }

    /// Opens an element.
    pub(crate) fn open(&mut self, name: &'static str) {
        self.tag("<", name);
        self.open.push(name);
    }

    /// Closes the element opened last.
    pub(crate) fn close(&mut self) {
        if let Some(name) = self.open.pop() {
            self.tag("</", name);
        }
    }

    /// Writes an element that has only text.
    pub(crate) fn element(&mut self, name: &str, text: &str) {
        self.tag("<", name);
        self.escaped(text);
        self.tag("</", name);
    }

    /// The document, with everything that is still open closed.
    pub(crate) fn finish(mut self) -> String {
        while !self.open.is_empty() {
            self.close();
        }
        self.text
    }

    fn tag(&mut self, mark: &str, name: &str) {
        self.text.push_str(mark);
        self.text.push_str(name);
        self.text.push('>');
    }

    /// Markup as entities. CR, LF and TAB as numbers, which keeps them from being normalised
    /// (XML 1.0, sections 2.4 and 2.11).
    fn escaped(&mut self, text: &str) {
        let mut rest = text;
        while let Some((at, entity)) = first_entity(rest) {
            self.text.push_str(&rest[..at]);
            self.text.push_str(entity);
            rest = &rest[at + 1..];
        }
        self.text.push_str(rest);
    }
}

/// Where the first character stands that is written as an entity, and which.
fn first_entity(text: &str) -> Option<(usize, &'static str)> {
    text.bytes().enumerate().find_map(|(at, byte)| {
        let entity = match byte {
            b'&' => "&amp;",
            b'<' => "&lt;",
            b'>' => "&gt;",
            b'"' => "&quot;",
            b'\'' => "&apos;",
            b'\r' => "&#13;",
            b'\n' => "&#10;",
            b'\t' => "&#9;",
            _ => return None,
        };
        Some((at, entity))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::Reader;

    #[test]
    fn a_document_is_closed_and_in_the_namespace() {
        let mut xml = Writer::new("A");
        xml.open("B");
        xml.element("C", "1");
        assert_eq!(
            xml.finish(),
            "<A xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><B><C>1</C></B></A>"
        );
    }

    #[test]
    fn text_survives_the_round_trip() {
        let text = "\"a\" <b> & 'c' ]]> \r\n\t \u{1f600} &amp; -->";
        let mut xml = Writer::new("R");
        xml.element("T", text);
        let written = xml.finish();
        assert!(!written.contains("]]>") && !written.contains('\r'));
        let mut reader = Reader::new(written.as_bytes(), 4096).unwrap();
        reader.root().unwrap();
        reader.child().unwrap();
        assert_eq!(reader.text().unwrap(), text);
    }
}
