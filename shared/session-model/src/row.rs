//! The whole row a user keeps for a session: its register, and what he did to it himself.

use crate::{
    Edit, Edits, Entry, Ext, LastMsg, LastMsgType, Membership, RecentSession, Register, SessionId, Timestamp,
};

/// One user's row of one session. It shows as a session iff it has an [`update_time`](Row::update_time).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Row {
    /// What the feed said, merged; none while no message is known.
    pub register: Option<Register>,
    /// What is known of edits, beside the register. Read only where it is merged.
    pub edits: Edits,
    /// When the user set an ext on a session that did not exist or was deleted: the time it shows without a message.
    pub placeholder: Option<Timestamp>,
    /// His private text.
    pub ext: Ext,
    /// In a group: what is known of his membership.
    pub membership: Option<Membership>,
}

impl Row {
    /// Merges what a copy of the feed says; answers whether that changed the row.
    pub fn record(&mut self, entry: Entry) -> bool {
        let applies = self.edits.merge(&mut self.register, entry.into());
        if applies {
            self.placeholder = None;
        }
        applies
    }

    /// Merges an edit; answers whether that changed the row.
    pub fn edit(&mut self, edit: &Edit) -> bool {
        self.edits.take(self.register.as_mut(), edit)
    }

    /// The user deletes the session: what it shows goes, the position stays as a tombstone. Without effect on a session
    /// that is absent or deleted already.
    pub fn delete(&mut self) {
        if self.update_time().is_some() {
            self.register = self.register.take().map(|held| Register::tombstone(held.position));
            self.placeholder = None;
            self.ext = Ext::default();
        }
    }

    /// The user sets his text at `now`; an absent or deleted session shows from then on, without a message.
    pub fn set_ext(&mut self, ext: Ext, now: Timestamp) {
        if self.update_time().is_none() {
            self.placeholder = Some(now);
        }
        self.ext = ext;
    }

    /// When the session last changed; none when it is absent or deleted.
    #[must_use]
    pub fn update_time(&self) -> Option<Timestamp> {
        self.register.as_ref().and_then(Register::update_time).or(self.placeholder)
    }

    /// The session as its user sees it; none when it is absent or deleted.
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
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Position, register::tests::registers};

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

    fn shown(row: &Row) -> Option<u64> {
        row.update_time().map(Timestamp::as_millis)
    }

    #[test]
    fn only_what_is_newer_than_the_tombstone_revives_a_deleted_session() {
        let mut row = Row::default();
        row.record(message(10));
        row.delete();
        assert_eq!(shown(&row), None);
        assert!(!row.record(message(10)) && !row.record(message(9)) && !row.record(recall(10, 50)));
        assert_eq!(shown(&row), None);
        assert!(row.record(recall(11, 50)));
        assert_eq!(shown(&row), Some(50));
    }

    #[test]
    fn the_time_of_a_session_may_move_backwards() {
        let mut row = Row::default();
        row.set_ext("mine".parse().unwrap(), Timestamp::from_millis(100));
        assert_eq!(shown(&row), Some(100));
        row.record(message(10));
        assert_eq!(shown(&row), Some(10), "a placeholder gives way to a late message");
        row.record(recall(10, 50));
        row.record(message(11));
        assert_eq!(shown(&row), Some(11), "so does a notice to a newer message");
    }

    #[test]
    fn an_ext_does_not_move_a_live_session_and_goes_with_a_deleted_one() {
        let mut row = Row::default();
        row.record(message(10));
        row.set_ext("mine".parse().unwrap(), Timestamp::from_millis(100));
        assert_eq!((shown(&row), row.ext.text()), (Some(10), Some("mine")));
        row.delete();
        assert_eq!(row.ext.text(), None);
        row.set_ext("again".parse().unwrap(), Timestamp::from_millis(200));
        assert_eq!(shown(&row), Some(200));
        assert!(!row.record(message(10)), "the tombstone still holds under the placeholder");
    }

    proptest! {
        #[test]
        fn a_row_that_its_user_leaves_alone_is_its_register(history in prop::collection::vec(registers(), 0..8)) {
            let mut row = Row::default();
            let mut merged = None;
            for register in history {
                let Some(last_msg) = register.last_msg.clone() else { continue };
                row.record(Entry { position: register.position.clone(), last_msg });
                merged = Some(Register::merge(merged, register));
            }
            prop_assert_eq!(row, Row { register: merged, ..Row::default() });
        }
    }
}
