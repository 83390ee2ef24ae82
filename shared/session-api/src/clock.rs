//! The clock: the one place that asks for the time of day.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use session_model::Timestamp;

/// By how many milliseconds the time is ahead of the machine's: where somebody tries what will be in a month.
static AHEAD_MS: AtomicU64 = AtomicU64::new(0);

/// Moves the clock ahead of the machine's, at start-up.
pub(crate) fn move_ahead(ms: u64) {
    AHEAD_MS.store(ms, Ordering::Relaxed);
}

/// The time now.
#[expect(clippy::disallowed_methods, reason = "this is the edge at which the time enters")]
pub(crate) fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let ms = u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX);
    Timestamp::from_millis(ms.saturating_add(AHEAD_MS.load(Ordering::Relaxed)))
}
