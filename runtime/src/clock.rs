//! Wall time, which the core can't read by itself.

use std::time::{SystemTime, UNIX_EPOCH};

use sans3_core::time::UnixTime;

/// Wall time, for signatures. A clock before 1970 reads as 1970.
pub fn wall() -> UnixTime {
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    UnixTime::from_seconds(i64::try_from(seconds).unwrap_or(i64::MAX))
}
