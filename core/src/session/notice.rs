use core::time::Duration;

use crate::attempt::AttemptId;
use crate::error::Cause;
use crate::operation::OperationKind;
use crate::recent::Recent;

/// How many notices are kept for a driver that does not fetch them.
const CAPACITY: usize = 1024;

/// A failed attempt and what was done about it: for logs and for people.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Notice {
    /// The attempt.
    pub attempt: AttemptId,
    /// Its operation.
    pub operation: OperationKind,
    /// Which attempt at the same thing it was, from 1.
    pub number: u32,
    /// What went wrong.
    pub cause: Cause,
    /// What is done about it.
    pub reaction: Reaction,
}

/// What a session does about a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reaction {
    /// Send the request (or what is missing of it) again, after this delay.
    Retry {
        /// The delay.
        after: Duration,
    },
    /// Read the object as one stream, because its server ignores ranges.
    Stream,
    /// Read ranges again, because the whole does not have the checksum that the server declares.
    Reread,
    /// Look at the object, because the failure alone does not tell.
    Reconcile,
    /// Nothing: it failed for good.
    GiveUp,
}

/// The last notices.
pub(crate) type Notices = Recent<Notice, CAPACITY>;
