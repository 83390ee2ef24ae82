//! What the service is about, without AWS, HTTP, clock or environment: sessions and their ids, pages of a list,
//! the message copy of the feed, and the merge rule that decides what a session shows.
//!
//! Every type here is made by parsing and is valid once it exists. Nothing does I/O; times are arguments.

mod account;
mod account_case;
mod changes;
mod cursor;
mod edits;
mod ext;
mod fields;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod group;
mod invalid;
mod json_object;
mod json_text;
mod last_msg;
mod list_query;
mod message_copy;
mod message_id;
mod page;
mod register;
mod session;
mod session_id;
mod session_item;
mod timestamp;

pub use account::Account;
pub use account_case::AccountCase;
pub use changes::{
    ChangeKey, ChangeReads, ChangesPage, Keys, LATE_MS, Memberships, PageRequest, Phase, Start, SyncPass,
    SyncToken, TokenRejection, UnverifiedToken, UpdatedItems, WINDOW_MS, is_in_window, read_changes,
};
pub use cursor::Cursor;
pub use edits::{AmendableItem, Edit, Edits, InvalidEdits, edit, record};
pub use ext::Ext;
pub use fields::Fields;
pub use group::{
    GroupId, GroupItem, GroupStore, GroupWrite, Interrupted, ListDigest, MemberAt, MemberHash, MemberList,
    Membership, MembershipEvent, Rank, SessionWrite, Written, apply,
};
pub use invalid::{InvalidField, InvalidValue, Place};
pub use json_object::{JsonObject, JsonValue};
pub use json_text::JsonText;
pub use list_query::{Flag, Limit, ListQuery, Window};
pub use message_copy::{Effect, FeedEvent, MessageCopy, NotApplied};
pub use message_id::MessageId;
pub use page::Page;
pub use register::{Entry, LastMsg, Position, Register};
pub use session::{LastMsgType, RecentSession, RecentSessionChanges, RecentSessionList};
pub use session_id::{SessionId, SessionType};
pub use session_item::SessionItem;
pub use timestamp::{Ahead, Timestamp};
