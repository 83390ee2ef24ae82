//! Group items.

use std::collections::BTreeSet;

use crate::{
    group::{ListDigest, ListId, ListOrder, MemberAt, Membership, Rank},
    id::{Account, GroupId, MemberHash},
    register::{
        Message, Position, Register,
        amendments::{Amendment, Amendments, Change},
    },
    time::Timestamp,
};

/// The one item of a group: its newest message, and the newest list of its members if there is one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct GroupItem {
    /// The newest message, or its recall; `None` while no message is known.
    pub register: Option<Register>,
    /// The amendments, which are stored next to the register. They are read only to be merged.
    pub amendments: Amendments,
    /// The time of the newest change.
    pub change_time: Option<Timestamp>,
    /// The time of the newest whole list. Without one, every user whose session item marks them as a member is a member.
    pub listed_at: Option<Timestamp>,
    /// The id of what reported that list. Like the digest, it is not read to be shown.
    pub list_id: Option<ListId>,
    /// The digest of that list.
    pub list_digest: Option<ListDigest>,
    /// Equals `list_digest` while `member_hashes` is exactly that list.
    pub list_key: Option<ListDigest>,
    /// The members by the newest list, without those who have left since.
    pub member_hashes: BTreeSet<MemberHash>,
    /// The number of changes of `member_hashes`.
    pub members_version: u64,
}

impl GroupItem {
    /// Merges a message at `now`. Returns whether that changed the group item.
    pub fn record(&mut self, message: &Message, now: Timestamp) -> bool {
        let changed = self.amendments.record(&mut self.register, message);
        if changed {
            self.change_time = Some(now);
        }
        changed
    }

    /// Merges an amendment at `now`. Returns whether that changed the group item. Every change to what is shown gets a change time;
    /// an amendment that waits for its message does not.
    pub fn amend(&mut self, amendment: &Amendment, now: Timestamp) -> bool {
        let change = self.amendments.amend(self.register.as_mut(), amendment);
        if change == Change::Shown {
            self.change_time = Some(now);
        }
        change != Change::Nothing
    }

    /// The position of the stored list among all lists; `None`, which is below every list, if there is no list.
    #[must_use]
    pub fn list_order(&self) -> Option<ListOrder> {
        Some(ListOrder { time: self.listed_at?, id: self.list_id.clone()?, digest: self.list_digest? })
    }

    /// Sets the position of the stored list.
    pub(crate) fn set_list_order(&mut self, ListOrder { time, id, digest }: ListOrder) {
        self.listed_at = Some(time);
        self.list_id = Some(id);
        self.list_digest = Some(digest);
    }

    /// Whether a user with this membership sees the group item. Their session item must mark them as a member, and the newest list
    /// must contain them or be older than the newest membership event in their session item.
    #[must_use]
    pub fn is_seen_by(&self, group: &GroupId, user: &Account, membership: Option<Membership>) -> bool {
        let Some(membership) = membership.filter(Membership::is_member) else { return false };
        let Some(listed_at) = self.listed_at else { return true };
        membership.at > MemberAt { time: listed_at, rank: Rank::List }
            || self.member_hashes.contains(&group.member_hash(user))
    }

    /// The position of the group item's message, if a user with this membership sees it.
    #[must_use]
    pub fn position_seen_by(
        &self,
        group: &GroupId,
        user: &Account,
        membership: Option<Membership>,
    ) -> Option<&Position> {
        let register = self.register.as_ref().filter(|_| self.is_seen_by(group, user, membership))?;
        Some(&register.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn membership(time: u64, rank: Rank, since: Option<u64>) -> Membership {
        Membership { at: MemberAt { time: ms(time), rank }, since: since.map(ms) }
    }

    #[test]
    fn a_group_item_is_shown_to_its_members_only() {
        let (group, alice): (GroupId, Account) = ("team|1".parse().unwrap(), "alice".parse().unwrap());
        let unlisted = GroupItem::default();
        let without_her = GroupItem { listed_at: Some(ms(5)), ..GroupItem::default() };
        let hashes = BTreeSet::from([group.member_hash(&alice)]);
        let with_her = GroupItem { member_hashes: hashes, ..without_her.clone() };
        for (membership, expected) in [
            (None, [false; 3]),
            (Some(membership(9, Rank::Leave, None)), [false; 3]),
            (Some(membership(4, Rank::Join, Some(4))), [true, false, true]),
            (Some(membership(5, Rank::Join, Some(5))), [true, false, true]),
            (Some(membership(5, Rank::List, Some(5))), [true, false, true]),
            (Some(membership(6, Rank::Join, Some(6))), [true, true, true]),
        ] {
            let seen = [&unlisted, &without_her, &with_her]
                .map(|group_item| group_item.is_seen_by(&group, &alice, membership));
            assert_eq!(seen, expected, "{membership:?}");
        }
    }
}
