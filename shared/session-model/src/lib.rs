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
mod row;
mod session;
mod session_id;
mod timestamp;

pub use account::Account;
pub use account_case::AccountCase;
pub use changes::{
    ChangeKey, ChangeReads, ChangesPage, Keys, LATE_MS, Memberships, PageOf, Pass, Phase, Start, SyncToken,
    TokenRefusal, UpdatedRows, WINDOW_MS, WrittenToken, read_changes, shows_by_itself,
};
pub use cursor::Cursor;
pub use edits::{Edit, Edits, InvalidEdits, MessageItem, edit, record};
pub use ext::Ext;
pub use fields::Fields;
pub use group::{
    GroupEvent, GroupId, GroupItems, Head, HeadWrite, Interrupted, ListDigest, MemberAt, MemberHash,
    MemberList, Membership, Rank, RowWrite, Written, apply,
};
pub use invalid::{InvalidField, InvalidValue, Place};
pub use json_object::{JsonObject, JsonValue};
pub use json_text::JsonText;
pub use list_query::{Flag, Limit, ListQuery, Window};
pub use message_copy::{Effect, Event, MessageCopy, NotApplied};
pub use message_id::MessageId;
pub use page::Page;
pub use register::{Entry, LastMsg, Position, Register};
pub use row::Row;
pub use session::{LastMsgType, RecentSession, RecentSessionChanges, RecentSessionList};
pub use session_id::{SessionId, SessionType};
pub use timestamp::{Ahead, Timestamp};
