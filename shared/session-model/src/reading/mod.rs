//! Changes: how a device keeps its local copy of the list up to date.
//!
//! A device that syncs by `updateTime` alone never learns of deletes, of custom data set on other devices, of edits, or of anything
//! that the feed delivers late. A *sync pass* reports all of these. It begins where the previous pass ended. A device that applies
//! everything that a pass reports shows what a fresh full list would show, once no more writes are done.
//!
//! This does not need an order of all changes. A low watermark is enough:
//!
//! - **The writer** sets `changeTime` to the clock of its request. The exception is a message or recall on a session item whose new
//!   `updateTime` is at most [`LATE_MS`] old ([`is_in_window`]), because the index by `updateTime` contains that one. Group items
//!   always get a change time.
//! - **The reader** of a pass that starts at clock c with position P gets the session items with `changeTime` ≥ P, those with
//!   `updateTime` ≥ P − [`LATE_MS`], and each group whose session item or group item satisfies one of these. When the pass has
//!   ended, the next P is c − [`WINDOW_MS`].
//!
//! A write that was done before the pass began is read by it, since reads of session items are strongly consistent. A write that is
//! done later has a `changeTime` above c − [`WINDOW_MS`], or an `updateTime` above c − [`WINDOW_MS`] − [`LATE_MS`]. This holds as
//! long as the difference of clocks, the time that a write takes to reach the table, and the lag of a group item's eventually
//! consistent read together take less than [`WINDOW_MS`]. The price is that changes of the last few minutes are reported again.
//!
//! `tests/changes` explores this.

mod changes;
mod cursor;
mod list_query;
mod page;
mod sync_pass;
mod sync_token;

use crate::time::Timestamp;

pub use changes::{
    ChangeReads, ChangesPage, Keys, Memberships, PageRequest, Start, UpdatedItems, read_changes,
};
pub use cursor::Cursor;
pub use list_query::{Flag, Limit, ListQuery, Window};
pub use page::Page;
pub use sync_pass::{ChangeKey, Phase, SyncPass};
pub use sync_token::{SyncToken, TokenRejection, UnverifiedToken};

/// The maximum delay with which a message or recall may be recorded after its own time and still be found by its `updateTime`: 4
/// minutes.
pub const LATE_MS: u64 = 4 * 60 * 1000;
/// The maximum sum of the difference of two clocks, the time that a write takes to reach the table, and the lag of a group item's
/// read: 6 minutes. If a request was frozen with its function, it is sent when the function thaws. DynamoDB rejects it only if it
/// was signed more than 5 minutes ago. The remaining minute is for the rest.
pub const WINDOW_MS: u64 = 6 * 60 * 1000;

/// The writer's rule: whether a message or recall that is recorded on a session item at `now` is found by its `updateTime`, and
/// therefore gets no change time.
#[must_use]
pub fn is_in_window(update_time: Timestamp, now: Timestamp) -> bool {
    update_time >= now.earlier_by(LATE_MS)
}
