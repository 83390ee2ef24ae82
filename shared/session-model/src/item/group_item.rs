//! Group items.

use std::collections::BTreeSet;

use super::{recent_session::RecentSession, session_item::SessionItem};
use crate::{
    group::{ListDigest, MemberAt, MemberHash, Membership, Rank},
    id::{Account, GroupId},
    register::{
        Entry, Position, Register,
        edits::{Edit, Edits},
    },
    time::Timestamp,
};

/// The one item of a group: its newest message, and the newest list of its members if there is one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct GroupItem {
    /// The newest message or recall; `None` while no message is known.
    pub register: Option<Register>,
    /// The edits, which are stored next to the register. They are read only to be merged.
    pub edits: Edits,
    /// The time of the newest change.
    pub change_time: Option<Timestamp>,
    /// The time of the newest whole list. Without one, every user whose session item marks them as a member is a member.
    pub listed_at: Option<Timestamp>,
    /// The digest of the newest whole list.
    pub list_digest: Option<ListDigest>,
    /// Equals `list_digest` while `member_hashes` is exactly that list.
    pub list_key: Option<ListDigest>,
    /// The members by the newest list, without those who have left since.
    pub member_hashes: BTreeSet<MemberHash>,
    /// The number of changes of `member_hashes`.
    pub members_version: u64,
}

impl GroupItem {
    /// Merges an entry of the feed at `now`. Returns whether that changed the group item.
    pub fn record(&mut self, entry: &Entry, now: Timestamp) -> bool {
        if !self.edits.merge(&mut self.register, entry.clone().into()) {
            return self.edits.forget(entry);
        }
        self.change_time = Some(now);
        true
    }

    /// Merges an edit at `now`. Returns whether that changed the group item.
    pub fn edit(&mut self, edit: &Edit, now: Timestamp) -> bool {
        self.edits.take(self.register.as_mut(), &mut self.change_time, edit, now)
    }

    /// The position of the stored list among all lists; `None`, which is below every list, if there is no list.
    #[must_use]
    pub fn list_order(&self) -> Option<(Timestamp, ListDigest)> {
        Some((self.listed_at?, self.list_digest?))
    }

    /// Whether a user with this session item sees the group item. Their session item must mark them as a member, and the newest
    /// list must contain them or be older than the newest membership event in their session item.
    #[must_use]
    pub fn is_seen_by(&self, group: &GroupId, user: &Account, session_item: &SessionItem) -> bool {
        let Some(membership) = session_item.membership.filter(Membership::is_member) else {
            return false;
        };
        let Some(listed_at) = self.listed_at else { return true };
        membership.at > MemberAt { time: listed_at, rank: Rank::List }
            || self.member_hashes.contains(&group.member_hash(user))
    }

    /// The position of the group item's message, if a user with this session item sees it.
    #[must_use]
    pub fn position_seen_by(
        &self,
        group: &GroupId,
        user: &Account,
        session_item: &SessionItem,
    ) -> Option<&Position> {
        let register = self.register.as_ref().filter(|_| self.is_seen_by(group, user, session_item))?;
        Some(&register.position)
    }
}

impl SessionItem {
    /// The session of a group as its user sees it: the greater of the user's own register and the group item's, if they see the
    /// group item.
    #[must_use]
    pub fn into_group_session(
        mut self,
        group: &GroupId,
        user: &Account,
        group_item: Option<GroupItem>,
    ) -> Option<RecentSession> {
        if let Some(group_item) = group_item.filter(|group_item| group_item.is_seen_by(group, user, &self)) {
            let newer =
                |group_item: &Register| self.register.as_ref().is_none_or(|own| group_item.supersedes(own));
            if let Some(register) = group_item.register.filter(newer) {
                self.register = Some(register);
                self.placeholder = None;
            }
        }
        self.into_session(group.session_id().clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::register::LastMsg;

    fn ms(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn register(time: u64, last_msg: Option<LastMsg>) -> Register {
        Register { position: Position { time: ms(time), id: "m".into() }, last_msg }
    }

    fn message(time: u64) -> Register {
        register(time, Some(LastMsg::Message(format!("at {time}").into())))
    }

    fn member(time: u64, rank: Rank, since: Option<u64>) -> SessionItem {
        let at = MemberAt { time: ms(time), rank };
        SessionItem { membership: Some(Membership { at, since: since.map(ms) }), ..SessionItem::default() }
    }

    #[test]
    fn a_group_item_is_shown_to_its_members_only() {
        let (group, alice): (GroupId, Account) = ("team|1".parse().unwrap(), "alice".parse().unwrap());
        let unlisted = GroupItem::default();
        let without_her = GroupItem { listed_at: Some(ms(5)), ..GroupItem::default() };
        let hashes = BTreeSet::from([group.member_hash(&alice)]);
        let with_her = GroupItem { member_hashes: hashes, ..without_her.clone() };
        for (session_item, expected) in [
            (SessionItem::default(), [false; 3]),
            (member(9, Rank::Leave, None), [false; 3]),
            (member(4, Rank::Join, Some(4)), [true, false, true]),
            (member(5, Rank::Join, Some(5)), [true, false, true]),
            (member(5, Rank::List, Some(5)), [true, false, true]),
            (member(6, Rank::Join, Some(6)), [true, true, true]),
        ] {
            let seen = [&unlisted, &without_her, &with_her]
                .map(|group_item| group_item.is_seen_by(&group, &alice, &session_item));
            assert_eq!(seen, expected, "{session_item:?}");
        }
    }

    #[test]
    fn the_greater_of_both_registers_is_shown() {
        let (group, alice): (GroupId, Account) = ("team|1".parse().unwrap(), "alice".parse().unwrap());
        let group_item = |register| Some(GroupItem { register, ..GroupItem::default() });
        let session_item = |register, placeholder: Option<u64>| SessionItem {
            register,
            placeholder: placeholder.map(ms),
            ext: "mine".parse().unwrap(),
            ..member(1, Rank::Join, Some(1))
        };
        let shown = |session_item: SessionItem, group_item| {
            let session = session_item.into_group_session(&group, &alice, group_item)?;
            assert_eq!(session.ext.as_deref(), Some("mine"));
            Some((session.update_time.as_millis(), session.last_msg.map(|text| text.plain().into_owned())))
        };
        let at = |time: u64| Some((time, Some(format!("at {time}"))));
        assert_eq!(shown(session_item(None, None), group_item(Some(message(5)))), at(5));
        assert_eq!(shown(session_item(Some(message(4)), None), group_item(Some(message(5)))), at(5));
        assert_eq!(shown(session_item(Some(message(6)), None), group_item(Some(message(5)))), at(6));
        assert_eq!(
            shown(session_item(None, Some(9)), group_item(Some(message(5)))),
            at(5),
            "a placeholder gives way"
        );
        assert_eq!(
            shown(session_item(Some(register(5, None)), None), group_item(Some(message(5)))),
            None,
            "deleted"
        );
        assert_eq!(
            shown(session_item(Some(register(5, None)), Some(9)), group_item(Some(message(5)))),
            Some((9, None))
        );
        assert_eq!(
            shown(session_item(Some(register(5, None)), Some(9)), group_item(Some(message(6)))),
            at(6)
        );
        assert_eq!(shown(session_item(None, None), group_item(None)), None);
        assert_eq!(shown(session_item(None, Some(9)), None), Some((9, None)));
    }
}
