//! The single-item writes of the membership protocol: the effect of each, and its condition.
//!
//! The store sends them to DynamoDB as conditional updates. The tests that explore the protocol apply them here. A test on real
//! engines checks that both do the same.

use std::collections::BTreeSet;

use super::{
    member_list::{ListOrder, MemberList},
    membership::{MemberAt, Membership, Rank},
};
use crate::{
    id::{Account, MemberHash},
    item::{GroupItem, SessionItem},
    register::Message,
    time::Timestamp,
};

/// The result of a conditional write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written<T> {
    /// The condition held.
    Done,
    /// The condition failed. Contains the item as it is.
    ConditionFailed(T),
}

/// A conditional write of a group item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupWrite {
    /// A message together with the time of its list, if the group item has exactly that list and nothing newer of either.
    RecordListed {
        /// The message to record.
        message: Message,
        /// The order of the list.
        list: ListOrder,
    },
    /// A message, if it is newer than the group item's register.
    Record(Message),
    /// The order of the group item's list, if the group item still has exactly that list and none newer.
    RaiseListedAt(ListOrder),
    /// A newer list, or the stored one if some of its members are missing, if the members have not changed since they were read.
    StoreList {
        /// The version of the members when they were read.
        version: u64,
        /// The order of the list.
        list: ListOrder,
        /// The hashes of the list, without those whose session items record that they have left since, or could not be written.
        hashes: BTreeSet<MemberHash>,
        /// Whether these are the whole list.
        exact: bool,
    },
    /// Members who left at a time, if the stored list is older than that or there is none.
    RemoveMembers {
        /// When they left.
        time: Timestamp,
        /// The hashes of those who left.
        hashes: BTreeSet<MemberHash>,
    },
}

impl GroupWrite {
    /// Creates the write that stores a list without these accounts.
    #[must_use]
    pub fn store_list(list: &MemberList, read: &GroupItem, without: &BTreeSet<Account>) -> Self {
        let members = list.members().iter().filter(|(account, _)| !without.contains(*account));
        Self::StoreList {
            version: read.members_version,
            list: list.order().clone(),
            hashes: members.map(|(_, hash)| *hash).collect(),
            exact: without.is_empty(),
        }
    }

    /// Applies the write at `now`. Returns whether its condition held.
    pub fn apply(&self, group_item: &mut GroupItem, now: Timestamp) -> bool {
        if !self.holds(group_item) {
            return false;
        }
        group_item.change_time = Some(now);
        match self.clone() {
            Self::RecordListed { message, list } => {
                group_item.record(&message, now);
                group_item.set_list_order(list);
            }
            Self::Record(message) => drop(group_item.record(&message, now)),
            Self::RaiseListedAt(list) => group_item.set_list_order(list),
            Self::StoreList { list, hashes, exact, .. } => {
                group_item.member_hashes = hashes;
                group_item.list_key = exact.then_some(list.digest);
                group_item.set_list_order(list);
                group_item.members_version += 1;
            }
            Self::RemoveMembers { hashes, .. } => {
                group_item.member_hashes.retain(|hash| !hashes.contains(hash));
                group_item.list_key = None;
                group_item.members_version += 1;
            }
        }
        true
    }

    fn holds(&self, group_item: &GroupItem) -> bool {
        match self {
            Self::RecordListed { message, list } => {
                message.is_newer_than(group_item.register.as_ref()) && has_list(group_item, list)
            }
            Self::Record(message) => message.is_newer_than(group_item.register.as_ref()),
            Self::RaiseListedAt(list) => has_list(group_item, list),
            Self::StoreList { version, list, .. } => {
                let stored = group_item.list_order();
                let is_incomplete = stored.as_ref() == Some(list) && group_item.list_key.is_none();
                group_item.members_version == *version && (stored.as_ref() < Some(list) || is_incomplete)
            }
            Self::RemoveMembers { time, .. } => group_item.listed_at < Some(*time),
        }
    }
}

/// Whether the group item has exactly this list, and none newer.
fn has_list(group_item: &GroupItem, list: &ListOrder) -> bool {
    group_item.list_key == Some(list.digest) && group_item.list_order().as_ref() <= Some(list)
}

/// A conditional write of a session item of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionWrite {
    /// The user is a member, unless the session item records a greater event.
    Become(MemberAt),
    /// The user left at this time, unless the session item records a greater event.
    Leave(Timestamp),
    /// The message that reports the leaving, if it is newer than the session item's register.
    Record(Message),
    /// A leaving without a message: an empty session with that time, if it is newer than the session item's register.
    RecordEmpty(Timestamp),
}

impl SessionWrite {
    /// Applies the write at `now`. Returns whether its condition held.
    pub fn apply(&self, session_item: &mut SessionItem, now: Timestamp) -> bool {
        match self {
            Self::Become(at) => {
                let applies = session_item.membership.is_none_or(|held| held.at <= *at);
                if applies {
                    let since = session_item.membership.and_then(|held| held.since).unwrap_or(at.time);
                    session_item.membership = Some(Membership { at: *at, since: Some(since) });
                    session_item.change_time = Some(now);
                }
                applies
            }
            Self::Leave(time) => {
                let at = MemberAt { time: *time, rank: Rank::Leave };
                let applies = session_item.membership.is_none_or(|held| held.at <= at);
                if applies {
                    session_item.membership = Some(Membership { at, since: None });
                    session_item.change_time = Some(now);
                }
                applies
            }
            Self::Record(message) => session_item.record(message, now),
            Self::RecordEmpty(time) => session_item.record_empty(*time, now),
        }
    }
}
