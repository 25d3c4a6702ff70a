use std::fmt;

use sans3_core::trace::Record;
use serde_json::Value;

/// Why a trace was not replayed to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It is no trace, or not whole. What came before was the same.
    Unreadable(Unreadable),
    /// The same inputs came to something else.
    Different(Difference),
}

/// A record that can't be read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unreadable {
    /// Which one, from 1: also the number of its line.
    pub record: u64,
    /// What should be there.
    pub expected: String,
    /// What is.
    pub seen: String,
}

/// Where a replay came to something else than the trace.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// The number of the record, from 1: also that of its line.
    pub record: u64,
    /// The place in the record, as `/` and the names and numbers that lead there (RFC 6901).
    pub place: String,
    /// What the trace has there, as JSON.
    pub expected: String,
    /// What the replay came to.
    pub seen: String,
    /// Which version of the core recorded the trace.
    pub core: String,
}

impl Difference {
    pub(super) fn between(
        record: u64,
        core: &str,
        expected: &Record,
        seen: Option<&Record>,
    ) -> Self {
        let value = |record: &Record| serde_json::to_value(record).unwrap_or_default();
        let (expected, seen) = (value(expected), seen.map(value).unwrap_or_default());
        let mut place = String::new();
        let (expected, seen) = narrow(&expected, &seen, &mut place);
        Self {
            record,
            place,
            expected: expected.to_string(),
            seen: seen.to_string(),
            core: core.into(),
        }
    }
}

/// The smallest parts that hold all of the difference.
fn narrow<'a>(
    mut expected: &'a Value,
    mut seen: &'a Value,
    place: &mut String,
) -> (&'a Value, &'a Value) {
    loop {
        let step = match (expected, seen) {
            (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
                let pairs = left.iter().zip(right).enumerate();
                only(pairs.map(|(at, (left, right))| (at.to_string(), left, right)))
            }
            (Value::Object(left), Value::Object(right)) if left.keys().eq(right.keys()) => {
                let pairs = left.iter().zip(right.values());
                only(pairs.map(|((name, left), right)| (name.clone(), left, right)))
            }
            _ => None,
        };
        let Some((name, left, right)) = step else {
            return (expected, seen);
        };
        place.push('/');
        place.push_str(&name);
        (expected, seen) = (left, right);
    }
}

/// The pair that differs, if there is exactly one.
fn only<'a>(
    pairs: impl Iterator<Item = (String, &'a Value, &'a Value)>,
) -> Option<(String, &'a Value, &'a Value)> {
    let mut different = pairs.filter(|(_, left, right)| left != right);
    let first = different.next()?;
    different.next().is_none().then_some(first)
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(Unreadable {
                record,
                expected,
                seen,
            }) => write!(
                f,
                "record {record} is unreadable: expected {expected}, got {seen}"
            ),
            Self::Different(difference) => difference.fmt(f),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            record,
            place,
            expected,
            seen,
            core,
        } = self;
        write!(
            f,
            "record {record} came to something else at {place}: expected {expected}, got {seen} \
             (recorded by version {core})"
        )
    }
}

impl std::error::Error for Failure {}
