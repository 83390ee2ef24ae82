//! Reading: one user's list, page by page, and what has changed in it.
//!
//! Both are read through the [`SessionReader`] and fill their pages in the same way.

mod changes;
mod cursor;
mod list;
mod list_query;
mod page;
mod parameters;
mod reader;
mod sync_pass;
mod sync_token;

pub use changes::{ChangesPage, RecentSessionChanges, read_changes};
pub use cursor::Cursor;
pub use list::{RecentSessionList, read_list};
pub use list_query::ListQuery;
pub use page::{MAX_TEXT_BYTES, PageRequest};
pub use parameters::{Flag, Limit, Window};
pub use reader::{ByUpdateTime, ChangeKeys, IndexKey, Memberships, SessionReader, StartAt};
pub use sync_pass::{Phase, SyncPass, WINDOW_MS};
pub use sync_token::{SyncToken, TokenRejection, UnverifiedToken};
