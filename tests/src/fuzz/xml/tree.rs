//! A slow reader of XML, written without a library: it makes a tree of the whole document.
//!
//! It is there to say what a document means that was taken, so it is in no hurry to refuse one.

/// An element, and all that is in it.
#[derive(Debug, Default)]
pub(super) struct Element {
    /// Without its prefix.
    pub(super) name: String,
    /// The text that stands right in it, references replaced.
    pub(super) text: String,
    pub(super) children: Vec<Element>,
}

/// A document.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) root: Element,
    /// Where the root's closing tag ends.
    pub(super) end: usize,
    /// Where something may stand that tells nothing: behind the opening tag of the root, and
    /// behind the closing tags of its children and of theirs.
    pub(super) gaps: Vec<usize>,
}

impl Tree {
    /// Reads a document; `None` where this reader can't make sense of it.
    pub(super) fn read(document: &[u8]) -> Option<Self> {
        let mut scanner = Scanner {
            text: std::str::from_utf8(document).ok()?,
            at: 0,
        };
        let mut open: Vec<Element> = Vec::new();
        let mut gaps = Vec::new();
        loop {
            match scanner.next()? {
                Piece::Nothing => continue,
                Piece::Text(text) => {
                    if let Some(element) = open.last_mut() {
                        element.text.push_str(&text);
                    }
                    continue;
                }
                Piece::Open { name, is_empty } => {
                    open.push(Element {
                        name,
                        ..Element::default()
                    });
                    if !is_empty {
                        if open.len() == 1 {
                            gaps.push(scanner.at);
                        }
                        continue;
                    }
                }
                Piece::Close => {}
            }
            let closed = open.pop()?;
            match open.last_mut() {
                Some(parent) => {
                    parent.children.push(closed);
                    if open.len() < 3 {
                        gaps.push(scanner.at);
                    }
                }
                None => {
                    return Some(Self {
                        root: closed,
                        end: scanner.at,
                        gaps,
                    });
                }
            }
        }
    }
}

impl Element {
    /// The text of the last child of this name.
    pub(super) fn last(&self, name: &str) -> Option<&str> {
        let named = self.children.iter().rev().find(|child| child.name == name);
        named.map(|child| child.text.as_str())
    }

    /// All children of this name.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }
}

enum Piece {
    /// Empty where the tag closes the element too.
    Open {
        name: String,
        is_empty: bool,
    },
    Text(String),
    Close,
    /// A comment, a processing instruction, or white space outside of the root.
    Nothing,
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl Scanner<'_> {
    fn next(&mut self) -> Option<Piece> {
        let rest = &self.text[self.at..];
        if let Some(inner) = rest.strip_prefix("<!--") {
            self.at += 4 + inner.find("-->")? + 3;
            return Some(Piece::Nothing);
        }
        if let Some(inner) = rest.strip_prefix("<![CDATA[") {
            let len = inner.find("]]>")?;
            self.at += 9 + len + 3;
            return Some(Piece::Text(inner[..len].to_owned()));
        }
        if let Some(inner) = rest.strip_prefix("<?") {
            self.at += 2 + inner.find("?>")? + 2;
            return Some(Piece::Nothing);
        }
        if let Some(inner) = rest.strip_prefix("</") {
            self.at += 2 + inner.find('>')? + 1;
            return Some(Piece::Close);
        }
        if let Some(inner) = rest.strip_prefix('<') {
            let len = tag_len(inner)?;
            self.at += 1 + len + 1;
            let tag = &inner[..len];
            let name = tag.strip_suffix('/').unwrap_or(tag);
            let name = name.split([' ', '\t', '\r', '\n']).next()?;
            let local = name.split_once(':').map_or(name, |(_, local)| local);
            return Some(Piece::Open {
                name: local.to_owned(),
                is_empty: tag.ends_with('/'),
            });
        }
        let len = rest.find('<')?;
        self.at += len;
        unescaped(&rest[..len]).map(Piece::Text)
    }
}

/// How long a tag is up to its `>`, which may also stand in an attribute.
fn tag_len(inner: &str) -> Option<usize> {
    let mut quote = None;
    for (at, c) in inner.char_indices() {
        match (quote, c) {
            (None, '>') => return Some(at),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            _ => {}
        }
    }
    None
}

fn unescaped(text: &str) -> Option<String> {
    let mut whole = String::new();
    let mut rest = text;
    while let Some((before, reference)) = rest.split_once('&') {
        whole.push_str(before);
        let (name, behind) = reference.split_once(';')?;
        whole.push(match name {
            "lt" => '<',
            "gt" => '>',
            "amp" => '&',
            "apos" => '\'',
            "quot" => '"',
            name => {
                let number = name.strip_prefix('#')?;
                let number = match number.strip_prefix('x') {
                    Some(hex) => u32::from_str_radix(hex, 16),
                    None => number.parse(),
                };
                char::from_u32(number.ok()?)?
            }
        });
        rest = behind;
    }
    whole.push_str(rest);
    Some(whole)
}
