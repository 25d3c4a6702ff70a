//! Writes answers, in all the ways in which servers may write the same thing.

use super::facts::{Facts, Fields, Kind, UPLOAD};
use crate::fuzz::Draw;
use crate::model::digest::Algorithm;
use crate::model::{date, encode};

/// What tells nothing, and may stand between elements.
pub(super) const IGNORABLE: [&str; 9] = [
    " \r\n\t",
    "<!-- </ListBucketResult> & -->",
    "<Unknown/>",
    "<x:New a='1' b=\"&lt;>\"><Key>other</Key><![CDATA[<&]]>&amp;&#10;</x:New>",
    "<?pi <Key> ?>",
    "<Owner><ID>1</ID><DisplayName/></Owner>",
    "<_/>",
    "<Error><Code>InternalError</Code></Error>",
    "<size>1</size><etag>x</etag>",
];

/// An answer of any content.
pub(super) fn compose(kind: Kind, draw: &mut Draw<'_>) -> Facts {
    let mut facts = Facts::default();
    let entries = draw.below(4);
    match kind {
        Kind::Objects => {
            for _ in 0..entries {
                let mut fields = vec![("Key", name(draw)), ("Size", size(draw))];
                if draw.flag() {
                    fields.push(("ETag", visible(draw)));
                }
                if draw.flag() {
                    fields.push(("LastModified", moment(draw)));
                }
                if draw.flag() {
                    fields.push(("StorageClass", visible(draw)));
                }
                facts.records.push(("Contents", fields));
            }
            for _ in 0..draw.below(3) {
                let fields = vec![("Prefix", name(draw))];
                facts.records.push(("CommonPrefixes", fields));
            }
            facts.truncated(draw.flag());
            let token = draw.flag().then(|| text(draw));
            facts.maybe("NextContinuationToken", token);
        }
        Kind::Uploads => {
            for _ in 0..entries {
                let mut fields = vec![("Key", name(draw)), ("UploadId", text(draw))];
                if draw.flag() {
                    fields.push(("Initiated", moment(draw)));
                }
                facts.records.push(("Upload", fields));
            }
            facts.truncated(draw.flag());
            let key = name(draw);
            facts.maybe("NextKeyMarker", Some(key).filter(|key| !key.is_empty()));
            let upload = draw.flag().then(|| text(draw));
            facts.maybe("NextUploadIdMarker", upload);
        }
        Kind::Parts => {
            for _ in 0..entries {
                let number = (1 + draw.below(10_000)).to_string().into_bytes();
                let mut fields = vec![("PartNumber", number), ("Size", size(draw))];
                tag_and_checksum(draw, &mut fields);
                facts.records.push(("Part", fields));
            }
            facts.truncated(draw.flag());
            let marker = draw.flag().then(|| 1 + draw.below(10_000));
            facts.maybe(
                "NextPartNumberMarker",
                marker.map(|m| m.to_string().into_bytes()),
            );
        }
        Kind::Complete => tag_and_checksum(draw, &mut facts.fields),
        Kind::Create => facts.fields.push(("UploadId", text(draw))),
    }
    facts
}

/// The document that says so, in a spelling that `draw` chooses.
pub(super) fn write(kind: Kind, facts: &Facts, draw: &mut Draw<'_>) -> Vec<u8> {
    // A key that is no text can only be written percent-encoded.
    let encoded = draw.byte() % 4 != 1 || !all_text(facts);
    let prolog = draw.pick(&[
        "",
        "<?xml version='1.0' encoding=\"UTF-8\"?>\n",
        "\u{feff}",
        " \n",
    ]);
    let mut writer = Writer {
        draw,
        text: (*prolog).to_owned(),
        encoded,
    };
    let noise = writer.open(kind.root());
    if matches!(kind, Kind::Objects | Kind::Uploads) && encoded {
        writer.element("EncodingType", b"url");
    }
    if kind == Kind::Parts && noise {
        writer.element("UploadId", UPLOAD.as_bytes());
    }
    for (name, fields) in &facts.records {
        writer.open(name);
        writer.fields(fields);
        writer.close(name);
    }
    writer.fields(&facts.fields);
    // Behind the root no element may stand.
    let end = format!("</{}>\n<!-- end -->", kind.root());
    writer.text.push_str(&end);
    writer.text.into_bytes()
}

struct Writer<'d, 'b> {
    draw: &'d mut Draw<'b>,
    text: String,
    encoded: bool,
}

impl Writer<'_, '_> {
    /// Opens an element; whether it got an attribute.
    fn open(&mut self, name: &str) -> bool {
        let attributes = self.draw.pick(&[
            "",
            " xmlns='http://s3.amazonaws.com/doc/2006-03-01/'",
            " a=\">\" b='\"'",
        ]);
        self.text.push_str(&format!("<{name}{attributes}>"));
        self.ignorable();
        !attributes.is_empty()
    }

    fn close(&mut self, name: &str) {
        self.text.push_str(&format!("</{name}>"));
        self.ignorable();
    }

    fn fields(&mut self, fields: &Fields) {
        if fields.iter().any(|(name, _)| name.starts_with("Checksum")) && self.draw.flag() {
            self.element("ChecksumType", b"FULL_OBJECT");
        }
        for (name, value) in fields {
            self.element(name, value);
        }
    }

    fn element(&mut self, name: &str, value: &[u8]) {
        let is_name = matches!(name, "Key" | "Prefix" | "NextKeyMarker");
        let value = if is_name && self.encoded {
            let keep = if self.draw.flag() { &b""[..] } else { b"/" };
            encode::encode(value, keep)
        } else {
            String::from_utf8_lossy(value).into_owned()
        };
        if value.is_empty() && self.draw.flag() {
            self.text.push_str(&format!("<{name} />"));
        } else {
            self.text.push_str(&format!("<{name}>"));
            // Space around a name belongs to it; around anything else it is only layout.
            let pad = !is_name && !name.contains("Id") && !name.contains("Token");
            let pad = if pad {
                *self.draw.pick(&["", " ", "\n\t"])
            } else {
                ""
            };
            self.text.push_str(pad);
            self.escaped(&value);
            self.text.push_str(pad);
            self.text.push_str(&format!("</{name}>"));
        }
        self.ignorable();
    }

    fn escaped(&mut self, value: &str) {
        for c in value.chars() {
            let style = if c.is_ascii_alphanumeric() {
                0
            } else {
                self.draw.byte()
            };
            let code = u32::from(c);
            match (c, style % 4) {
                // No reference may name it, and no server means it.
                ('\0', _) => self.text.push(c),
                ('&', 0) => self.text.push_str("&amp;"),
                ('<', 0) => self.text.push_str("&lt;"),
                ('>', 0) => self.text.push_str("&gt;"),
                ('"', 0) => self.text.push_str("&quot;"),
                ('\'', 0) => self.text.push_str("&apos;"),
                (c, 0) if !c.is_control() => self.text.push(c),
                (c, 1) if c != ']' => self.text.push_str(&format!("<![CDATA[{c}]]>")),
                (_, 2) => self.text.push_str(&format!("&#{code};")),
                _ => self.text.push_str(&format!("<!-- & -->&#x{code:x};<?pi?>")),
            }
        }
    }

    fn ignorable(&mut self) {
        if self.draw.byte() % 4 == 1 {
            let ignorable = self.draw.pick(&IGNORABLE);
            self.text.push_str(ignorable);
        }
    }
}

fn all_text(facts: &Facts) -> bool {
    let records = facts.records.iter().flat_map(|(_, fields)| fields);
    let mut values = records.chain(&facts.fields).map(|(_, value)| value);
    values.all(|value| std::str::from_utf8(value).is_ok_and(|text| !text.contains('\0')))
}

/// Any bytes.
fn name(draw: &mut Draw<'_>) -> Vec<u8> {
    draw.bytes(24).to_vec()
}

/// Text that XML can write, and at least a character of it.
fn text(draw: &mut Draw<'_>) -> Vec<u8> {
    let text = draw.text(24).replace('\0', "0");
    if text.is_empty() {
        b"t".to_vec()
    } else {
        text.into_bytes()
    }
}

fn visible(draw: &mut Draw<'_>) -> Vec<u8> {
    let alphabet: Vec<u8> = (b'!'..=b'~').collect();
    let word = draw.word(16, &alphabet).into_bytes();
    if word.is_empty() { b"v".to_vec() } else { word }
}

fn size(draw: &mut Draw<'_>) -> Vec<u8> {
    draw.number().to_string().into_bytes()
}

fn moment(draw: &mut Draw<'_>) -> Vec<u8> {
    let seconds = i64::try_from(draw.number() % 253_402_300_800).unwrap_or(0);
    date::iso(seconds).into_bytes()
}

fn tag_and_checksum(draw: &mut Draw<'_>, fields: &mut Fields) {
    if draw.flag() {
        fields.push(("ETag", visible(draw)));
    }
    if draw.flag() {
        let algorithm = *draw.pick(&Algorithm::ALL);
        let value = algorithm.digest(&[draw.bytes(8).to_vec().into()]);
        fields.push((algorithm.element(), value.base64().into_bytes()));
    }
}
