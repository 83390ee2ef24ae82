//! Teams and super teams.
//!
//! A group has one item, its [`GroupItem`](crate::item::GroupItem): the newest message, and the list of members if the feed
//! delivers it. A message to a group of any size is one write of the group item. When a member's list is read, the group items of
//! their groups are merged into it. Membership is stored in session items, one per user and group, along with what the user did to
//! the session themselves.

mod event;
mod member_list;
mod membership;
mod protocol;
#[cfg(test)]
mod tests;
mod writes;

pub use event::MembershipEvent;
pub use member_list::{ListDigest, ListId, ListOrder, MemberList};
pub use membership::{MemberAt, Membership, Rank};
pub use protocol::{Applied, ErasedUsers, GroupStore, Interrupted, LeftOut, SessionsWritten, apply, erase};
pub use writes::{GroupWrite, SessionWrite, Written};
