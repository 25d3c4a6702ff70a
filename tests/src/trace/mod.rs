//! Replays what a session did, from a trace of it: see [`sans3_core::trace`].
//!
//! ```
//! use std::sync::{Arc, Mutex};
//!
//! use sans3_core::session::{Machine as _, Session};
//! use sans3_core::time::Instant;
//! use sans3_testkit::{drive, trace};
//!
//! let records = Arc::new(Mutex::new(Vec::new()));
//! let sink = Arc::clone(&records);
//! let mut session = Session::recorded(drive::config(), 7, move |record| {
//!     sink.lock().unwrap().push(record);
//! });
//! let _ = session.poll(Instant::ZERO);
//! let text = trace::to_lines(&records.lock().unwrap());
//!
//! let replayed = trace::replay(text.as_bytes())?;
//! assert_eq!((replayed.records, replayed.is_complete), (2, false));
//! # Ok::<_, trace::Failure>(())
//! ```

mod failure;

use std::collections::VecDeque;
use std::io::BufRead;
use std::sync::{Arc, Mutex, PoisonError};

use sans3_core::session::Session;
use sans3_core::trace::{Head, Heard, Record, VERSION};
use serde_json::Value;

pub use failure::{Difference, Failure, Unreadable};

/// A trace that led to the same steps and requests again.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Replayed {
    /// How many records it has, its head included.
    pub records: u64,
    /// How many requests were compared.
    pub requests: u64,
    /// Whether the recording was ended. Where it was not, the program may have been killed, or
    /// lines are missing at the end.
    pub is_complete: bool,
    /// Which version of the core recorded it.
    pub core: String,
}

/// What was recorded of the session that replays.
type Seen = Arc<Mutex<VecDeque<Record>>>;

/// Replays a trace to its end.
///
/// # Errors
/// The first record that can't be read, or whose replay came to something else.
pub fn replay(trace: impl BufRead) -> Result<Replayed, Failure> {
    let mut lines = Lines::new(trace);
    let head = lines.head()?;
    let core = head.core.clone();
    let seen = Seen::default();
    let sink = Arc::clone(&seen);
    let mut session = head.session(move |record| queue(&sink).push_back(record));
    queue(&seen).clear();
    let (mut requests, mut is_complete) = (0, false);
    while let Some(record) = lines.next()? {
        if is_complete {
            return Err(lines.unreadable("nothing after the end", "another record"));
        }
        if let Record::Input(_, Heard::Outcome(_, Some(_))) = &record {
            requests += 1;
        }
        is_complete = record == Record::End;
        if !is_complete {
            lines.repeat(record, &core, &mut session, &seen)?;
        }
    }
    Ok(Replayed {
        records: lines.number,
        requests,
        is_complete,
        core,
    })
}

/// Records as they stand in a file.
///
/// # Panics
/// Where a record has no form in JSON, which is a bug.
pub fn to_lines(records: &[Record]) -> String {
    let line = |record| match serde_json::to_string(record) {
        Ok(line) => line + "\n",
        Err(error) => panic!("a record can't be written: {error}"),
    };
    records.iter().map(line).collect()
}

fn queue(seen: &Seen) -> std::sync::MutexGuard<'_, VecDeque<Record>> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A trace, line by line.
struct Lines<R> {
    trace: R,
    /// Of the line that was read last, from 1.
    number: u64,
}

impl<R: BufRead> Lines<R> {
    const fn new(trace: R) -> Self {
        Self { trace, number: 0 }
    }

    /// The first line. Its version is looked at before anything else, for what follows may be of
    /// another form.
    fn head(&mut self) -> Result<Head, Failure> {
        let expected = "the head of a trace, {\"sans3-trace\": ..}";
        let Some(line) = self.line()? else {
            self.number = 1;
            return Err(self.unreadable(expected, "an empty file"));
        };
        let value: Value = self.parse(&line)?;
        let Some(head) = value.get("sans3-trace") else {
            return Err(self.unreadable(expected, "something else"));
        };
        let version = head.get("version").and_then(Value::as_u64);
        if version != Some(VERSION.into()) {
            let expected = format!("a trace of version {VERSION}");
            let seen = version.map_or("one that says no version".into(), |version| {
                format!("version {version}; replay it by the program that it is of")
            });
            return Err(self.unreadable(expected, seen));
        }
        match self.parse(&line)? {
            Record::Head(head) => Ok(head),
            _ => Err(self.unreadable(expected, "something else")),
        }
    }

    fn next(&mut self) -> Result<Option<Record>, Failure> {
        let Some(line) = self.line()? else {
            return Ok(None);
        };
        self.parse(&line).map(Some)
    }

    /// Does what the record says, and compares what comes of it.
    fn repeat(
        &self,
        record: Record,
        core: &str,
        session: &mut Session,
        seen: &Seen,
    ) -> Result<(), Failure> {
        let expected = record.clone();
        record
            .replay(session)
            .map_err(|error| self.unreadable("something to replay", error.to_string()))?;
        let found = queue(seen).pop_front();
        if found.as_ref() == Some(&expected) {
            return Ok(());
        }
        Err(Failure::Different(Difference::between(
            self.number,
            core,
            &expected,
            found.as_ref(),
        )))
    }

    /// The next line without its end; `None` after the last one.
    fn line(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        let mut line = Vec::new();
        let read = self.trace.read_until(b'\n', &mut line);
        self.number += 1;
        match read {
            Err(error) => Err(self.unreadable("a readable file", error.to_string())),
            Ok(0) => {
                self.number -= 1;
                Ok(None)
            }
            Ok(_) if line.pop() == Some(b'\n') => Ok(Some(line)),
            Ok(_) => Err(self.unreadable("a whole line", "the end of the file within it")),
        }
    }

    fn parse<'a, T: serde::Deserialize<'a>>(&self, line: &'a [u8]) -> Result<T, Failure> {
        serde_json::from_slice(line).map_err(|error| self.unreadable("a record", error.to_string()))
    }

    fn unreadable(&self, expected: impl Into<String>, seen: impl Into<String>) -> Failure {
        Failure::Unreadable(Unreadable {
            record: self.number,
            expected: expected.into(),
            seen: seen.into(),
        })
    }
}
