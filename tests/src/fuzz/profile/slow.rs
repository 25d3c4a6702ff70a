//! Well-formed files: what they say, and one of the ways in which they may be written.

use crate::fuzz::Draw;

pub(super) const PROFILES: [&str; 4] = ["default", "work", "wörk", "a-b"];

const KEYS: [&str; 6] = [
    "region",
    "endpoint_url",
    "aws_access_key_id",
    "aws_secret_access_key",
    "aws_session_token",
    "output",
];

/// A file as a list of sections in their order; a profile may have several.
pub(super) struct File {
    sections: Vec<(&'static str, Vec<(&'static str, String)>)>,
    is_config: bool,
}

/// A file of any content.
pub(super) fn compose(draw: &mut Draw<'_>, is_config: bool) -> File {
    let mut sections = Vec::new();
    for _ in 0..draw.below(4) {
        let name = *draw.pick(&PROFILES);
        let mut settings = Vec::new();
        for _ in 0..draw.below(5) {
            let key = *draw.pick(&KEYS);
            settings.push((key, value(key, draw)));
        }
        sections.push((name, settings));
    }
    File {
        sections,
        is_config,
    }
}

fn value(key: &str, draw: &mut Draw<'_>) -> String {
    let word = draw.word(12, b"abcXYZ019/+=#;[]%:.-_\"'");
    // At a value's start these begin a comment, if there is a space before them.
    let word = word.trim_start_matches(['#', ';']).to_owned();
    match key {
        "aws_secret_access_key" | "aws_session_token" => format!("canary{word}"),
        _ => word,
    }
}

impl File {
    pub(super) fn has(&self, profile: &str) -> bool {
        self.sections.iter().any(|(name, _)| *name == profile)
    }

    /// What counts is what was said last; nothing is as good as not said.
    pub(super) fn setting(&self, profile: &str, key: &str) -> Option<&str> {
        let sections = self.sections.iter().filter(|(name, _)| *name == profile);
        let settings = sections.flat_map(|(_, settings)| settings);
        let last = settings.rev().find(|(name, _)| *name == key);
        last.map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// The file's text, in a layout that `draw` chooses.
    pub(super) fn text(&self, draw: &mut Draw<'_>) -> String {
        let end = *draw.pick(&["\n", "\r\n"]);
        let mut text = (*draw.pick(&["", "\u{feff}", "# comment = [x\n\n"])).to_owned();
        for (name, settings) in &self.sections {
            let kind = match (self.is_config, *name) {
                (true, "default") | (false, _) => "",
                (true, _) => "profile ",
            };
            let quote = if !kind.is_empty() && draw.flag() {
                "\""
            } else {
                ""
            };
            let blank = *draw.pick(&["", " ", "\t"]);
            let tail = *draw.pick(&["", " # tail", "\t;tail ]"]);
            text.push_str(&format!(
                "[{blank}{kind}{quote}{name}{quote}{blank}]{tail}{end}"
            ));
            // Settings may be indented, if all of them are.
            let indent = *draw.pick(&["", "", "  ", "\t"]);
            for (key, value) in settings {
                let key = if draw.flag() {
                    key.to_ascii_uppercase()
                } else {
                    (*key).to_owned()
                };
                let equals = *draw.pick(&["=", " = ", "\t=", "=  "]);
                let tail = *draw.pick(&["", " ", " # it", "\t; it"]);
                text.push_str(&format!("{indent}{key}{equals}{value}{tail}{end}"));
                let between = *draw.pick(&["", "", "\n", "  # other = 1\n", ";x\r\n"]);
                text.push_str(between);
            }
        }
        text
    }
}
