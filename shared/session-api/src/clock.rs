//! The clock: the one place that asks for the time of day.

use std::time::{SystemTime, UNIX_EPOCH};

use session_model::Timestamp;

/// The time now.
#[expect(clippy::disallowed_methods, reason = "this is the edge at which the time enters")]
pub(crate) fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
}
