//! Erased users: no event from before the erasure brings anything back.
//!
//! Erasing leaves a marker with the time of the last request. An event that was under way when the marker was written may still
//! restore an item. So an erasure is repeated until nothing like that can be under way any more. An event that arrives later than
//! that is late, so whoever applies it reads the marker first. An event that is not late reads nothing.
//!
//! A request that finds something when the erasure could have ended begins it again: the erasure was abandoned, and the account used since.

use crate::{
    item::{LATE_MS, is_in_window},
    reading::WINDOW_MS,
    time::Timestamp,
};

/// How long an erasure is repeated after its first request: 10 minutes. That is how long an event from before the erasure may be in
/// the window, and how long its write may take.
pub const ERASURE_MS: u64 = LATE_MS + WINDOW_MS;

/// Whether an event of this time, which is applied at `now`, is so late that the markers of its users must be read.
#[must_use]
pub fn may_be_erased(event: Timestamp, now: Timestamp) -> bool {
    !is_in_window(event, now)
}

/// Whether an event of this time is from before the erasure.
#[must_use]
pub fn is_erased(event: Timestamp, erased_at: Timestamp) -> bool {
    event <= erased_at
}
