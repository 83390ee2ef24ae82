//! Items: a user's session item, a group's item, and the session that a user sees of them.

mod change_time;
mod ext;
mod group_item;
mod recent_session;
mod session_item;
mod version;

pub use change_time::{LATE_MS, is_in_window};
pub use ext::Ext;
pub use group_item::GroupItem;
pub use recent_session::{LastMsgType, RecentSession};
pub use session_item::{Deleted, SessionItem};
pub use version::Version;
