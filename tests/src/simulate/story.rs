/// What happened in a run, for people. Costs nothing where nobody listens.
#[derive(Clone, Debug, Default)]
pub(super) struct Story {
    lines: Option<Vec<String>>,
    prefix: String,
}

impl Story {
    pub(super) fn told() -> Self {
        Self {
            lines: Some(Vec::new()),
            prefix: String::new(),
        }
    }

    /// What the following lines begin with.
    pub(super) fn at(&mut self, prefix: impl FnOnce() -> String) {
        if self.lines.is_some() {
            self.prefix = prefix();
        }
    }

    pub(super) fn tell(&mut self, line: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{}{}", self.prefix, line()));
        }
    }

    pub(super) fn into_lines(self) -> Vec<String> {
        self.lines.unwrap_or_default()
    }
}
