//! What happens in a group.

use std::collections::BTreeSet;

use super::member_list::MemberList;
use crate::{
    id::{Account, GroupId},
    register::Entry,
    time::Timestamp,
};

/// One thing that happens in a group: a message, a change of members, or both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MembershipEvent {
    /// When: its place among all changes of members.
    pub time: Timestamp,
    /// What the group's sessions show of it; none for a change of members that no message tells.
    pub entry: Option<Entry>,
    /// All members from then on, where they are known.
    pub list: Option<MemberList>,
    /// Who joined. With a list, they are in it.
    pub joined: BTreeSet<Account>,
    /// Who left: each keeps the session with the message that says so, or an empty one.
    pub left: BTreeSet<Account>,
}

impl MembershipEvent {
    /// A message or recall that says nothing of members.
    #[must_use]
    pub fn of_entry(entry: Entry) -> Self {
        Self { time: entry.position.time, entry: Some(entry), ..Self::default() }
    }

    /// Members who joined and left.
    #[must_use]
    pub fn of_changes(time: Timestamp, joined: BTreeSet<Account>, left: BTreeSet<Account>) -> Self {
        Self { time, joined, left, ..Self::default() }
    }

    /// A whole list of members. Who is not in it is dropped without notice.
    #[must_use]
    pub fn of_list(group: &GroupId, time: Timestamp, members: &BTreeSet<Account>) -> Self {
        Self { time, list: Some(MemberList::new(group, time, members)), ..Self::default() }
    }
}
