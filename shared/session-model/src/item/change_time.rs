//! When an item gets a change time.

use crate::time::Timestamp;

/// The maximum delay with which a message or recall may be recorded after its own time and still be found by its `updateTime`: 4
/// minutes.
pub const LATE_MS: u64 = 4 * 60 * 1000;

/// The writer's rule: whether a message or recall that is recorded on a session item at `now` is found by its `updateTime`, and
/// therefore gets no change time.
#[must_use]
pub fn is_in_window(update_time: Timestamp, now: Timestamp) -> bool {
    update_time >= now.earlier_by(LATE_MS)
}
