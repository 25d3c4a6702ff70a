//! What is printed, and where: for people, or as JSON lines.
//!
//! Data goes to stdout and everything else to stderr. With `--json` every line is one object with a
//! member `event`; the lines go to stdout, or to stderr where stdout carries an object's bytes.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};

use crate::args::OutputArgs;
use crate::exit::Failure;

/// Where output goes, and in which form.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    args: OutputArgs,
    /// Whether stdout carries an object's bytes.
    stdout_is_data: bool,
}

impl Output {
    pub(crate) const fn new(args: OutputArgs) -> Self {
        Self {
            args,
            stdout_is_data: false,
        }
    }

    /// The same, for a command that writes an object to stdout.
    #[must_use]
    pub(crate) const fn with_data_on_stdout(self) -> Self {
        Self {
            stdout_is_data: true,
            ..self
        }
    }

    pub(crate) const fn is_json(&self) -> bool {
        self.args.json
    }

    /// Whether a progress bar may be drawn: on a terminal that shows nothing else.
    pub(crate) fn wants_bar(&self) -> bool {
        let terminal_is_free = !(self.stdout_is_data && io::stdout().is_terminal());
        let wanted = !self.args.json && !self.args.quiet && !self.args.no_progress;
        wanted && terminal_is_free && io::stderr().is_terminal()
    }

    /// Whether events about progress are wanted.
    pub(crate) const fn wants_progress_events(&self) -> bool {
        self.args.json && !self.args.no_progress && !self.args.quiet
    }

    /// A line that the user asked for: stdout.
    ///
    /// # Errors
    /// stdout can't be written, because its reader has gone for example.
    pub(crate) fn data(
        &self,
        human: impl FnOnce() -> String,
        event: impl FnOnce() -> Event,
    ) -> Result<(), Failure> {
        if self.args.json {
            self.event(event())
        } else {
            print_stdout(&human())
        }
    }

    /// What a command prints as a whole, in whichever form it was made: stdout.
    ///
    /// # Errors
    /// As [`data`](Self::data).
    #[expect(clippy::unused_self, reason = "nothing is printed but through this")]
    pub(crate) fn document(&self, text: &str) -> Result<(), Failure> {
        print_stdout(text)
    }

    /// A line about what happened: stderr, unless it is to be quiet. As JSON it is always told.
    ///
    /// # Errors
    /// As [`data`](Self::data), with `--json` alone: what can't be said on stderr can't be helped.
    pub(crate) fn news(
        &self,
        human: impl FnOnce() -> String,
        event: impl FnOnce() -> Event,
    ) -> Result<(), Failure> {
        if self.args.json {
            return self.event(event());
        }
        if !self.args.quiet {
            print_stderr(&human());
        }
        Ok(())
    }

    /// A warning: the command goes on.
    ///
    /// # Errors
    /// As [`news`](Self::news).
    pub(crate) fn warn(&self, text: &str) -> Result<(), Failure> {
        let human = || format!("sans3: warning: {}", plain(text));
        self.news(human, || Event::new("warning").text("message", text))
    }

    /// Why the command failed: always told, on stderr for people and as an event for programs.
    pub(crate) fn failure(&self, failure: &Failure) {
        if self.args.json {
            let event = Event::new("error")
                .text("kind", failure.kind.name())
                .number("exit_code", u64::from(failure.kind.code()))
                .text("message", &failure.message)
                .maybe_text("advice", failure.advice.as_deref());
            // Where stdout is gone, there is still stderr.
            if self.event(event).is_ok() && self.stdout_is_data {
                return;
            }
        }
        print_stderr(&format!("sans3: {}", plain(&failure.message)));
        if let Some(advice) = &failure.advice {
            print_stderr(&format!("  -> {}", plain(advice)));
        }
    }

    pub(crate) fn event(&self, event: Event) -> Result<(), Failure> {
        let line = event.finish();
        if self.stdout_is_data {
            print_stderr(&line);
            Ok(())
        } else {
            print_stdout(&line)
        }
    }
}

fn print_stdout(line: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")
        .and_then(|()| stdout.flush())
        .map_err(|error| Failure::stdout(&error))
}

/// Nobody can be told that stderr is gone.
fn print_stderr(line: &str) {
    drop(writeln!(io::stderr().lock(), "{line}"));
}

/// One JSON object, built member by member in the order in which they are added.
#[derive(Debug)]
pub(crate) struct Event(String);

impl Event {
    /// An event of this name.
    pub(crate) fn new(name: &str) -> Self {
        Self("{".to_owned()).text("event", name)
    }

    #[must_use]
    pub(crate) fn text(mut self, name: &str, value: &str) -> Self {
        self.name(name);
        self.string(value);
        self
    }

    #[must_use]
    pub(crate) fn maybe_text(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.text(name, value),
            None => self.raw(name, "null"),
        }
    }

    #[must_use]
    pub(crate) fn number(self, name: &str, value: u64) -> Self {
        self.raw(name, &value.to_string())
    }

    #[must_use]
    pub(crate) fn maybe_number(self, name: &str, value: Option<u64>) -> Self {
        match value {
            Some(value) => self.number(name, value),
            None => self.raw(name, "null"),
        }
    }

    #[must_use]
    pub(crate) fn flag(self, name: &str, value: bool) -> Self {
        self.raw(name, if value { "true" } else { "false" })
    }

    /// A key: as text and, where it is not UTF-8 and the text therefore not all of it, once more
    /// percent-encoded as `key_encoded`.
    #[must_use]
    pub(crate) fn key(self, name: &str, key: &[u8]) -> Self {
        match std::str::from_utf8(key) {
            Ok(text) => self.text(name, text),
            Err(_) => self.text(name, &String::from_utf8_lossy(key)).text(
                &format!("{name}_encoded"),
                &sans3_core::endpoint::encode_path(key),
            ),
        }
    }

    fn raw(mut self, name: &str, value: &str) -> Self {
        self.name(name);
        self.0.push_str(value);
        self
    }

    fn name(&mut self, name: &str) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        self.string(name);
        self.0.push(':');
    }

    fn string(&mut self, value: &str) {
        self.0.push('"');
        for c in value.chars() {
            match c {
                '"' => self.0.push_str("\\\""),
                '\\' => self.0.push_str("\\\\"),
                c if moves_cursor(c) => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        // Writing to a string can't fail.
                        let _ = write!(self.0, "\\u{unit:04x}");
                    }
                }
                c => self.0.push(c),
            }
        }
        self.0.push('"');
    }

    fn finish(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

/// Text for a terminal: nothing in it can move the cursor, hide text, or begin a line.
pub(crate) fn plain(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if moves_cursor(c) {
            escaped.extend(c.escape_default());
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// As [`plain`], of bytes that need not be text.
pub(crate) fn plain_bytes(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(&plain(chunk.valid()));
        for byte in chunk.invalid() {
            // Writing to a string can't fail.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// Control characters, and those that reorder or hide the text around them (Unicode TR 36,
/// section 3).
fn moves_cursor(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_json() {
        let event = Event::new("x")
            .text("quote", "a\"b\\c")
            .number("n", u64::MAX)
            .maybe_number("none", None)
            .flag("yes", true)
            .key("key", b"k\xff");
        assert_eq!(
            event.finish(),
            r#"{"event":"x","quote":"a\"b\\c","n":18446744073709551615,"none":null,"yes":true,"#
                .to_owned()
                + "\"key\":\"k\u{fffd}\",\"key_encoded\":\"k%FF\"}"
        );
    }

    #[test]
    fn adversary_93_no_key_can_drive_a_terminal() {
        let hostile = "\u{1b}[2J\u{1b}]52;c;x\u{7}\r\n\u{202e}\u{e0041}é";
        let text = plain_bytes(hostile.as_bytes());
        assert_eq!(
            text,
            "\\u{1b}[2J\\u{1b}]52;c;x\\u{7}\\r\\n\\u{202e}\\u{e0041}é"
        );
        assert_eq!(plain_bytes(b"a\xff\xc3b"), "a\\xff\\xc3b");
        let json = Event::new("x").text("key", hostile).finish();
        assert!(!json.chars().any(moves_cursor), "{json}");
        assert!(json.contains("\\udb40\\udc41é"), "{json}");
    }
}
