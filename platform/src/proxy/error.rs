use core::fmt;

/// A proxy, or a list of hosts that go without one, that can't be used as it is given. Holds
/// nothing of a proxy's URL but its scheme: the rest may be a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyError {
    variable: Option<&'static str>,
    problem: Problem,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// Not Unicode.
    Encoding,
    /// A scheme other than `http`.
    Scheme(String),
    /// A part of the URL is not what it must be.
    Url(&'static str),
    /// An entry of the list, and what it should have been.
    Entry(String, &'static str),
}

impl ProxyError {
    /// The environment variable that it stands in, if it came from one.
    pub const fn variable(&self) -> Option<&'static str> {
        self.variable
    }

    pub(super) fn within(self, variable: &'static str) -> Self {
        Self {
            variable: Some(variable),
            ..self
        }
    }
}

impl From<Problem> for ProxyError {
    fn from(problem: Problem) -> Self {
        Self {
            variable: None,
            problem,
        }
    }
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.variable {
            Some(variable) => write!(f, "{variable}: ")?,
            None => f.write_str("proxy: ")?,
        }
        match &self.problem {
            Problem::Encoding => f.write_str("expected UTF-8 text"),
            Problem::Scheme(scheme) => write!(
                f,
                "a proxy by {scheme} is not supported; give one that is spoken to in plain HTTP, \
                 as http://host:port (https requests go through it in a tunnel)"
            ),
            Problem::Url(expected) => write!(
                f,
                "expected http://[user:password@]host[:port] with {expected}"
            ),
            Problem::Entry(entry, expected) => write!(f, "expected {expected}, found {entry:?}"),
        }
    }
}

impl std::error::Error for ProxyError {}
