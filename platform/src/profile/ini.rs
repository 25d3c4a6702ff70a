//! The syntax of AWS's shared files: sections, settings, and settings beneath settings.
//!
//! The rules are those of the AWS SDKs ("Format of the config file" in their reference guide),
//! with one leniency of the AWS CLI: a section whose settings are all indented is read as it was
//! meant. No problem quotes the text at fault, since that may be a secret.

use zeroize::Zeroizing;

/// A file's sections, in its order.
#[derive(Default)]
pub(super) struct Document {
    pub(super) sections: Vec<Section>,
}

/// The lines under one `[header]`.
pub(super) struct Section {
    /// The text between the brackets, without the space around it.
    pub(super) header: String,
    pub(super) settings: Vec<Setting>,
}

/// One `key = value`.
pub(super) struct Setting {
    /// In lower case: keys are the same in either.
    pub(super) key: String,
    pub(super) value: Zeroizing<String>,
    /// Counted from 1.
    pub(super) line: usize,
    /// The indented lines that follow, not interpreted, with their numbers.
    pub(super) nested: Vec<(usize, Zeroizing<String>)>,
    indent: usize,
}

/// What is wrong with a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) line: usize,
    pub(super) what: &'static str,
}

impl Document {
    /// Reads a whole file. Every line is checked, whether it will be used or not.
    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut document = Self::default();
        for (index, raw) in text.split('\n').enumerate() {
            let raw = raw.strip_suffix('\r').unwrap_or(raw);
            let line = index + 1;
            document
                .line(raw, line)
                .map_err(|what| Problem { line, what })?;
        }
        Ok(document)
    }

    /// The sections whose header satisfies `matches`, in the file's order: one may stand in several
    /// pieces.
    pub(super) fn sections(&self, matches: impl Fn(&str) -> bool) -> Vec<&Section> {
        let sections = self.sections.iter();
        sections
            .filter(|section| matches(&section.header))
            .collect()
    }

    fn line(&mut self, raw: &str, line: usize) -> Result<(), &'static str> {
        let text = trim(raw);
        if text.is_empty() || text.starts_with(['#', ';']) {
            return Ok(());
        }
        if text.chars().any(|c| c.is_control() && c != '\t') {
            return Err("a control character; if it isn't visible, type the line anew");
        }
        let indent = raw.len() - raw.trim_start_matches(BLANK).len();
        let section = self.sections.last_mut();
        let above = section.and_then(|section| section.settings.last_mut());
        if let Some(above) = above.filter(|above| indent > above.indent) {
            let nested = Zeroizing::new(without_comment(text).to_owned());
            above.nested.push((line, nested));
            return Ok(());
        }
        if let Some(rest) = text.strip_prefix('[') {
            self.sections.push(Section {
                header: header(rest)?,
                settings: Vec::new(),
            });
            return Ok(());
        }
        let (key, value) = split(text)?;
        let section = self
            .sections
            .last_mut()
            .ok_or("a setting before the first [section]; begin the file with [default]")?;
        section.settings.push(Setting {
            key,
            value: Zeroizing::new(value.to_owned()),
            line,
            nested: Vec::new(),
            indent,
        });
        Ok(())
    }
}

impl Section {
    /// The last setting under this key: a later one replaces those before it.
    pub(super) fn setting(&self, key: &str) -> Option<&Setting> {
        self.settings.iter().rev().find(|found| found.key == key)
    }
}

impl Setting {
    /// The value, which may not go over several lines.
    pub(super) fn single(&self) -> Result<&str, Problem> {
        match self.nested.first() {
            None => Ok(&self.value),
            Some(&(line, _)) => Err(Problem {
                line,
                what: "a second line for a setting that takes one; remove its indentation if it \
                       is a setting of its own",
            }),
        }
    }

    /// The last nested setting under this key, with its line.
    pub(super) fn nested(&self, key: &str) -> Result<Option<(usize, &str)>, Problem> {
        let mut found = None;
        for (line, text) in &self.nested {
            let (name, value) = split(text).map_err(|what| Problem { line: *line, what })?;
            if name == key {
                found = Some((*line, value));
            }
        }
        Ok(found)
    }
}

const BLANK: [char; 2] = [' ', '\t'];

fn trim(text: &str) -> &str {
    text.trim_matches(BLANK)
}

/// The text in the brackets; `rest` is the line after the opening one.
fn header(rest: &str) -> Result<String, &'static str> {
    let (name, tail) = rest
        .split_once(']')
        .ok_or("a section header without its closing ]")?;
    let tail = trim(tail);
    if !tail.is_empty() && !tail.starts_with(['#', ';']) {
        return Err("text after a section header; put it on a line of its own");
    }
    if trim(name).is_empty() {
        return Err("a section header without a name");
    }
    Ok(trim(name).to_owned())
}

fn split(text: &str) -> Result<(String, &str), &'static str> {
    let (key, value) = text
        .split_once('=')
        .ok_or("neither a [section] nor a setting, which has the form key = value")?;
    let key = trim(key);
    if key.is_empty() {
        return Err("a setting without a name before its =");
    }
    Ok((key.to_ascii_lowercase(), trim(without_comment(value))))
}

/// A comment behind a value begins at a `#` or `;` that follows white space; without the space
/// before it, it belongs to the value.
fn without_comment(value: &str) -> &str {
    let mut after_blank = false;
    for (at, c) in value.char_indices() {
        if after_blank && matches!(c, '#' | ';') {
            return trim(&value[..at]);
        }
        after_blank = BLANK.contains(&c);
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str, key: &str) -> Option<String> {
        let document = Document::parse(text).unwrap();
        let setting = document.sections.last()?.setting(key)?;
        Some(setting.single().unwrap().to_owned())
    }

    fn problem(text: &str) -> (usize, &'static str) {
        let problem = Document::parse(text).err().expect("the text is malformed");
        (problem.line, problem.what)
    }

    #[test]
    fn values_are_trimmed_and_keys_ignore_case() {
        for text in [
            "[a]\nRegion = x",
            "[a]\r\nregion=x\r\n",
            "\u{feff}[a]\nregion =\tx\t\n",
            "[ a ] # note\n region = x ; note\n",
            "# note\n\n; note\n[a];note\nregion=x #note=1",
            "[a]\nregion = y\nregion = x",
        ] {
            assert_eq!(value(text, "region").as_deref(), Some("x"), "{text:?}");
        }
    }

    #[test]
    fn a_value_keeps_the_marks_that_are_no_comments() {
        assert_eq!(value("[a]\nk = x#y;z=1", "k").as_deref(), Some("x#y;z=1"));
        assert_eq!(value("[a]\nk = # nothing", "k").as_deref(), Some(""));
        assert_eq!(value("[a]\nk = é ü", "k").as_deref(), Some("é ü"));
    }

    #[test]
    fn an_indented_section_is_read_as_it_was_meant() {
        let text = "[a]\n  k = 1\n  l = 2\n[b]\n\tm = 3\n";
        let document = Document::parse(text).unwrap();
        let keys: Vec<_> = document.sections[0]
            .settings
            .iter()
            .map(|s| &s.key)
            .collect();
        assert_eq!(keys, ["k", "l"]);
        assert_eq!(document.sections[1].settings[0].line, 5);
    }

    #[test]
    fn deeper_lines_belong_to_the_setting_above() {
        let text = "[a]\ns3 =\n  endpoint_url = http://x # note\n\n  # note\n  b = 2\nk = 1\n";
        let document = Document::parse(text).unwrap();
        let section = &document.sections[0];
        let s3 = section.setting("s3").unwrap();
        assert_eq!(s3.nested("endpoint_url"), Ok(Some((3, "http://x"))));
        assert_eq!(s3.nested("b"), Ok(Some((6, "2"))));
        assert_eq!(s3.nested("k"), Ok(None));
        assert_eq!(section.setting("k").unwrap().single(), Ok("1"));
        assert_eq!(s3.single().unwrap_err().line, 3);
    }

    #[test]
    fn malformed_lines_are_told_by_number_and_never_quoted() {
        for (text, line) in [
            ("k = canary", 1),
            ("[a]\ncanary", 2),
            ("[a]\n\n= canary", 3),
            ("[canary", 1),
            ("[] # canary", 1),
            ("[a] canary", 1),
            ("[a]\nk = canary\u{1b}[2J", 2),
            ("[a]\nk = can\rary", 2),
            ("[a]\nk = canary\0", 2),
        ] {
            let (at, what) = problem(text);
            assert_eq!(at, line, "{text:?}: {what}");
            assert!(!what.contains("canary"), "{what}");
        }
    }
}
