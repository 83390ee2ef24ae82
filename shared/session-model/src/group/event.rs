//! Events in a group.

use std::collections::BTreeSet;

use super::member_list::{ListId, MemberList};
use crate::{
    id::{Account, GroupId},
    register::Message,
    time::Timestamp,
};

/// One event in a group: a message, a change of members, or both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MembershipEvent {
    /// The time of the event, which orders it among all changes of members.
    pub time: Timestamp,
    /// The message; `None` for a change of members without one.
    pub message: Option<Message>,
    /// All members from then on, if they are known.
    pub list: Option<MemberList>,
    /// The accounts that joined. If there is a list, it contains them.
    pub joined: BTreeSet<Account>,
    /// The accounts that left. Each of them keeps the session, which shows the notice or, without one, is empty.
    pub left: BTreeSet<Account>,
    /// The message that reports the leaving, as those who left see it.
    pub notice: Option<Message>,
}

impl MembershipEvent {
    /// A change of the members who joined and left.
    #[must_use]
    pub fn of_changes(time: Timestamp, joined: BTreeSet<Account>, left: BTreeSet<Account>) -> Self {
        Self { time, joined, left, ..Self::default() }
    }

    /// A whole list of members from the backend. Members who are not in it are dropped without notice.
    #[must_use]
    pub fn of_list(group: &GroupId, time: Timestamp, members: &BTreeSet<Account>) -> Self {
        let list = MemberList::new(group, time, ListId::of_backend(), members);
        Self { time, list: Some(list), ..Self::default() }
    }
}
