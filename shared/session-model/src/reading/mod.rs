//! Changes: how a device keeps its own copy of the list.
//!
//! A device that pulls by `updateTime` alone never learns of deletes, of texts set on other devices, of edits, nor of anything
//! that the feed delivers late. A *pass* tells all of that: it begins where the pass before it ended, and whoever applies what it
//! says holds what a fresh full list would show, once writes rest.
//!
//! No order of all changes is needed for that, only a low watermark:
//!
//! - **The writer** stamps `changeTime` = the clock of its call, except a message or recall on a session item whose new `updateTime` is
//!   at most [`LATE_MS`] old ([`is_in_window`]): the index by `updateTime` shows that one. Group items are always stamped.
//! - **The reader** of a pass that starts at clock c with position P is told the session items with `changeTime` ≥ P, those with
//!   `updateTime` ≥ P − [`LATE_MS`], and each group whose session item or group item satisfies one of these. When the pass has ended, the next P is
//!   c − [`WINDOW_MS`].
//!
//! A write that was done before the pass began is read by it, since session items are read strongly. One that is done later has a stamp
//! above c − [`WINDOW_MS`], or an `updateTime` above that − [`LATE_MS`], as long as clocks, the way of a write to the table, and the
//! lag of a group item's eventual read take less than [`WINDOW_MS`] together. The price is that what changed in the last minutes is told
//! again.
//!
//! `tests/changes` explores that.

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

/// How much later than it says a message or recall may be recorded and still be found by its `updateTime`: 4 minutes.
pub const LATE_MS: u64 = 4 * 60 * 1000;
/// How long two clocks, the way of a write, and the lag of a group item's read take together at most: 6 minutes. A request that was frozen
/// with its function leaves when it thaws, and DynamoDB rejects it only when it was signed more than 5 minutes ago; a minute is for
/// the rest.
pub const WINDOW_MS: u64 = 6 * 60 * 1000;

/// The writer's rule: whether a message or recall that is recorded on a session item at `now` is found by its `updateTime`, and so is
/// not stamped.
#[must_use]
pub fn is_in_window(update_time: Timestamp, now: Timestamp) -> bool {
    update_time >= now.earlier_by(LATE_MS)
}
