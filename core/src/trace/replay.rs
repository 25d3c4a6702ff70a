use core::fmt;

use super::{Head, Heard, Record};
use crate::session::{Input, Machine as _, Session};
use crate::sign::Credentials;

/// Why a record can't be replayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplayError {
    /// It begins a trace, and does not belong inside of one.
    SecondHead,
    /// A transfer whose operation is not one of this crate's.
    Foreign(String),
}

impl Head {
    /// A session like the one whose trace begins so, which tells `sink` what it does. Where that
    /// one had credentials, it has others.
    pub fn session(self, sink: impl FnMut(Record) + Send + 'static) -> Session {
        Session::recorded(self.config.into(), self.seed, sink)
    }
}

impl Record {
    /// Does to `session` what the record says was done. What came of it is for the session's own
    /// record to tell.
    ///
    /// # Errors
    /// The record tells of nothing that can be done.
    pub fn replay(self, session: &mut Session) -> Result<(), ReplayError> {
        match self {
            Self::Head(_) => return Err(ReplayError::SecondHead),
            Self::Insert(now, _, spec) => spec.insert(session, now)?,
            Self::Poll(now, _) => drop(session.poll(now)),
            Self::Input(now, heard) | Self::Stale(now, heard) => {
                // Recorded, with what became of it.
                let _ = session.input(heard.into(), now);
            }
            // Recorded as well.
            Self::Take(id, _) => drop(session.take_any(id)),
            Self::End => {}
        }
        Ok(())
    }
}

impl From<Heard> for Input {
    fn from(heard: Heard) -> Self {
        match heard {
            Heard::Outcome(outcome, _) => Self::Outcome(outcome),
            Heard::Progress(attempt, bytes) => Self::Progress { attempt, bytes },
            Heard::Released(transfer, up_to) => Self::Released { transfer, up_to },
            Heard::Supplied(transfer, up_to, end) => Self::Supplied {
                transfer,
                up_to,
                end,
            },
            Heard::SupplyFailed(transfer, error) => Self::SupplyFailed { transfer, error },
            Heard::Credentials(result) => Self::Credentials(result.map(|()| stand_in())),
            Heard::Concurrency(bound) => Self::Concurrency(bound),
            Heard::Cancel(transfer) => Self::Cancel(transfer),
        }
    }
}

/// Credentials in place of those that no trace tells. What they sign differs in nothing but the
/// fields that no trace tells either.
pub(super) fn stand_in() -> Credentials {
    Credentials::new("REPLAY", "REPLAY", None).expect("visible characters are credentials")
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SecondHead => f.write_str("a trace can't begin twice"),
            Self::Foreign(name) => {
                write!(
                    f,
                    "{name} is no operation of this library, so it can't be repeated"
                )
            }
        }
    }
}

impl core::error::Error for ReplayError {}
