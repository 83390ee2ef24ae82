//! The clock: the only place that reads the time of day.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use session_model::Timestamp;

/// The number of milliseconds by which the service's time is ahead of the machine's, for trying what happens in a month, for
/// example.
static AHEAD_MS: AtomicU64 = AtomicU64::new(0);

/// Moves the clock ahead of the machine's time, at start-up.
pub(crate) fn move_ahead(ms: u64) {
    AHEAD_MS.store(ms, Ordering::Relaxed);
}

/// The current time.
#[expect(clippy::disallowed_methods, reason = "this is the edge at which the time enters")]
pub(crate) fn now() -> Timestamp {
    // A clock before 1970 counts as 1970. Its skew is logged.
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let ms = u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX);
    Timestamp::from_millis(ms.saturating_add(AHEAD_MS.load(Ordering::Relaxed)))
}
