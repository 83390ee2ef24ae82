//! A user's item of a session: its register, and what the user did to the session themselves.

use super::{
    change_time::is_in_window,
    ext::Ext,
    group_item::GroupItem,
    recent_session::{LastMsgType, RecentSession},
};
use crate::{
    group::Membership,
    id::{Account, GroupId, MessageId, SessionId},
    register::{
        Entry, LastMsg, Position, Register,
        edits::{Edit, Edits},
    },
    time::Timestamp,
};

/// One user's session item of one session. It shows a session if and only if it has an [`update_time`](SessionItem::update_time).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SessionItem {
    /// What the feed reported, merged; `None` while no message is known.
    pub register: Option<Register>,
    /// The edits, which are stored next to the register. They are read only to be merged.
    pub edits: Edits,
    /// The time of the newest change that [`update_time`](SessionItem::update_time) does not show.
    pub change_time: Option<Timestamp>,
    /// When the user set an ext on a session that did not exist or was deleted, or left a group without a notice. It is the
    /// session's `updateTime` while there is no message.
    pub placeholder: Option<Timestamp>,
    /// The user's custom data.
    pub ext: Ext,
    /// In a group, what is known of the user's membership.
    pub membership: Option<Membership>,
}

impl SessionItem {
    /// Merges an entry of the feed at `now`. Returns whether that changed the session item.
    pub fn record(&mut self, entry: &Entry, now: Timestamp) -> bool {
        if !self.edits.merge(&mut self.register, entry.clone().into()) {
            return self.edits.forget(entry);
        }
        self.placeholder = None;
        if !is_in_window(entry.update_time(), now) {
            self.change_time = Some(now);
        }
        true
    }

    /// Merges an edit at `now`. Returns whether that changed the session item.
    pub fn edit(&mut self, edit: &Edit, now: Timestamp) -> bool {
        self.edits.take(self.register.as_mut(), &mut self.change_time, edit, now)
    }

    /// Deletes the session at `now`. What it shows is removed, and its position stays as a tombstone. This has no effect on a
    /// session that does not exist or is already deleted.
    pub fn delete(&mut self, now: Timestamp) {
        self.delete_in_group(None, now);
    }

    /// Deletes a group's session, in which the user sees the message of the group item at `seen`. The tombstone also hides that
    /// message.
    pub fn delete_in_group(&mut self, seen: Option<&Position>, now: Timestamp) {
        let own = self.register.as_ref().map(|held| &held.position);
        if self.update_time().is_none() && seen <= own {
            return;
        }
        self.register = own.max(seen).cloned().map(Register::tombstone);
        self.placeholder = None;
        self.ext = Ext::default();
        self.change_time = Some(now);
    }

    /// Sets the user's custom data at `now`. A session that does not exist or is deleted is shown from then on, without a message.
    pub fn set_ext(&mut self, ext: Ext, now: Timestamp) {
        if self.update_time().is_none() {
            self.placeholder = Some(now);
        }
        self.ext = ext;
        self.change_time = Some(now);
    }

    /// When the session last changed, or `None` if it does not exist or is deleted.
    #[must_use]
    pub fn update_time(&self) -> Option<Timestamp> {
        self.register.as_ref().and_then(Register::update_time).or(self.placeholder)
    }

    /// The session as its user sees it, or `None` if it does not exist or is deleted.
    #[must_use]
    pub fn into_session(self, session_id: SessionId) -> Option<RecentSession> {
        let update_time = self.update_time()?;
        let ext = self.ext.text().map(str::to_owned);
        let (last_msg_type, last_msg) = match self.register.and_then(|held| held.last_msg) {
            None => (None, None),
            Some(LastMsg::Message(text)) => (Some(LastMsgType::Message), Some(text)),
            Some(LastMsg::Recall { notice, .. }) => (Some(LastMsgType::Recall), Some(notice)),
        };
        Some(RecentSession { session_id, update_time, ext, last_msg, last_msg_type })
    }

    /// Whether the session item marks its user as a member of the group.
    #[must_use]
    pub fn is_member(&self) -> bool {
        self.membership.is_some_and(|membership| membership.is_member())
    }

    /// Creates an empty session at `time`, if that is newer than the held register. It is stored as a tombstone with a placeholder:
    /// a position without a message, which is shown from that time on.
    pub(crate) fn record_empty(&mut self, time: Timestamp, now: Timestamp) -> bool {
        let empty = Register::tombstone(Position { time, id: MessageId::NONE });
        let applies = self.register.as_ref().is_none_or(|held| empty.position > held.position);
        if applies {
            self.register = Some(empty);
            self.placeholder = Some(time);
            self.change_time = Some(now);
        }
        applies
    }

    /// The session of a group as its user sees it: the greater of the user's own register and the group item's, if they see the
    /// group item.
    #[must_use]
    pub fn into_group_session(
        mut self,
        group: &GroupId,
        user: &Account,
        group_item: Option<GroupItem>,
    ) -> Option<RecentSession> {
        if let Some(group_item) =
            group_item.filter(|group_item| group_item.is_seen_by(group, user, self.membership))
        {
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
    use proptest::prelude::*;

    use super::*;
    use crate::group::{MemberAt, Rank};
    use crate::register::tests::registers;

    /// So early that everything is recorded in the window.
    const NOW: Timestamp = Timestamp::from_millis(1);

    fn message(time: u64) -> Entry {
        let time = Timestamp::from_millis(time);
        Entry {
            position: Position { time, id: (*time.to_string()).into() },
            last_msg: LastMsg::Message(format!("sent at {time}").into()),
        }
    }

    fn recall(time: u64, at: u64) -> Entry {
        let at = Timestamp::from_millis(at);
        let last_msg = LastMsg::Recall { at, notice: format!("recalled at {at}").into() };
        Entry { last_msg, ..message(time) }
    }

    fn shown(session_item: &SessionItem) -> Option<u64> {
        session_item.update_time().map(Timestamp::as_millis)
    }

    #[test]
    fn only_newer_events_revive_a_deleted_session() {
        let mut session_item = SessionItem::default();
        session_item.record(&message(10), NOW);
        session_item.delete(NOW);
        assert_eq!(shown(&session_item), None);
        assert!(
            !session_item.record(&message(10), NOW)
                && !session_item.record(&message(9), NOW)
                && !session_item.record(&recall(10, 50), NOW)
        );
        assert_eq!(shown(&session_item), None);
        assert!(session_item.record(&recall(11, 50), NOW));
        assert_eq!(shown(&session_item), Some(50));
    }

    #[test]
    fn the_time_of_a_session_may_move_backwards() {
        let mut session_item = SessionItem::default();
        session_item.set_ext("mine".parse().unwrap(), Timestamp::from_millis(100));
        assert_eq!(shown(&session_item), Some(100));
        session_item.record(&message(10), NOW);
        assert_eq!(shown(&session_item), Some(10), "a placeholder gives way to a late message");
        session_item.record(&recall(10, 50), NOW);
        session_item.record(&message(11), NOW);
        assert_eq!(shown(&session_item), Some(11), "so does a notice to a newer message");
    }

    #[test]
    fn an_ext_does_not_move_a_session_and_is_deleted_with_it() {
        let mut session_item = SessionItem::default();
        session_item.record(&message(10), NOW);
        session_item.set_ext("mine".parse().unwrap(), Timestamp::from_millis(100));
        assert_eq!((shown(&session_item), session_item.ext.text()), (Some(10), Some("mine")));
        session_item.delete(NOW);
        assert_eq!(session_item.ext.text(), None);
        session_item.set_ext("again".parse().unwrap(), Timestamp::from_millis(200));
        assert_eq!(shown(&session_item), Some(200));
        assert!(!session_item.record(&message(10), NOW), "the tombstone still holds under the placeholder");
    }

    #[test]
    fn changes_that_update_time_does_not_show_get_a_change_time() {
        const LATE: u64 = 4 * 60 * 1000;
        let at = Timestamp::from_millis;
        let with_change_time = |change: &dyn Fn(&mut SessionItem)| {
            let mut session_item = SessionItem::default();
            session_item.record(&message(10), NOW);
            assert_eq!(session_item.change_time, None, "a message on time shows by itself");
            change(&mut session_item);
            session_item.change_time
        };
        assert_eq!(
            with_change_time(&|session_item| _ = session_item.record(&message(11), at(11 + LATE))),
            None,
            "just on time"
        );
        assert_eq!(
            with_change_time(&|session_item| _ = session_item.record(&message(11), at(12 + LATE))),
            Some(at(12 + LATE)),
            "late"
        );
        assert_eq!(with_change_time(&|session_item| _ = session_item.record(&recall(10, 20), at(20))), None);
        assert_eq!(
            with_change_time(&|session_item| _ = session_item.record(&recall(10, 20), at(21 + LATE))),
            Some(at(21 + LATE))
        );
        assert_eq!(
            with_change_time(&|session_item| _ = session_item.record(&message(9), at(12 + LATE))),
            None,
            "nothing changes"
        );
        assert_eq!(with_change_time(&|session_item| session_item.delete(at(20))), Some(at(20)));
        assert_eq!(
            with_change_time(&|session_item| session_item.set_ext("x".parse().unwrap(), at(20))),
            Some(at(20))
        );
    }

    #[test]
    fn the_greater_of_both_registers_is_shown() {
        let ms = Timestamp::from_millis;
        let register = |time: u64, last_msg: Option<LastMsg>| Register {
            position: Position { time: ms(time), id: "m".into() },
            last_msg,
        };
        let message = |time: u64| register(time, Some(LastMsg::Message(format!("at {time}").into())));
        let (group, alice): (GroupId, Account) = ("team|1".parse().unwrap(), "alice".parse().unwrap());
        let group_item = |register| Some(GroupItem { register, ..GroupItem::default() });
        let session_item = |register, placeholder: Option<u64>| SessionItem {
            register,
            placeholder: placeholder.map(ms),
            ext: "mine".parse().unwrap(),
            membership: Some(Membership {
                at: MemberAt { time: ms(1), rank: Rank::Join },
                since: Some(ms(1)),
            }),
            ..SessionItem::default()
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

    proptest! {
        #[test]
        fn a_session_item_without_user_changes_equals_its_register(history in prop::collection::vec(registers(), 0..8)) {
            let mut session_item = SessionItem::default();
            let mut merged = None;
            for register in history {
                let Some(last_msg) = register.last_msg.clone() else { continue };
                session_item.record(&Entry { position: register.position.clone(), last_msg }, NOW);
                merged = Some(Register::merge(merged, register));
            }
            prop_assert_eq!(session_item, SessionItem { register: merged, ..SessionItem::default() });
        }
    }
}
