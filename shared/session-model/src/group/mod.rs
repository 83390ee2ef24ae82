//! Teams and super teams.
//!
//! A group has one item, its [`GroupItem`](crate::item::GroupItem): the newest message, and where the feed tells it the list of members. A message to a
//! group of any size is one write of the group item; each member's list merges the group items of their groups when it is read. Who is
//! a member is kept in session items, one per user and group, beside what the user did to the session themselves.

mod event;
mod member_list;
mod membership;
mod protocol;
mod writes;

pub use event::MembershipEvent;
pub use member_list::{ListDigest, MemberHash, MemberList};
pub use membership::{MemberAt, Membership, Rank};
pub use protocol::{GroupStore, Interrupted, apply};
pub use writes::{GroupWrite, SessionWrite, Written};
