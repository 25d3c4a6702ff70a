//! Wall time.

use std::time::{SystemTime, UNIX_EPOCH};

use sans3_core::time::UnixTime;

/// The time now; a clock before 1970 counts as 1970.
pub(crate) fn now() -> UnixTime {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    UnixTime::from_seconds(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}
