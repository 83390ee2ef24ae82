//! A user's item of a session: its register, and what the user did to the session themselves.

use super::{
    change_time::is_in_window,
    ext::Ext,
    group_item::GroupItem,
    recent_session::{LastMsgType, RecentSession},
    version::Version,
};
use crate::{
    group::Membership,
    id::{Account, GroupId, MessageId, SessionId},
    register::{
        LastMsg, Message, Position, Register,
        amendments::{Amendment, Amendments, Change},
    },
    time::Timestamp,
};

/// One user's session item of one session. It shows a session if and only if it has an [`update_time`](SessionItem::update_time).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SessionItem {
    /// What the feed reported, merged; `None` while no message is known.
    pub register: Option<Register>,
    /// The amendments, which are stored next to the register. They are read only to be merged.
    pub amendments: Amendments,
    /// The time of the newest change that [`update_time`](SessionItem::update_time) does not show.
    pub change_time: Option<Timestamp>,
    /// When the user set an ext on a session that did not exist or was deleted, or left a group without a notice. While there is no
    /// message, it is the session's `updateTime`.
    pub placeholder: Option<Timestamp>,
    /// The user's custom data.
    pub ext: Ext,
    /// In a group, what is known of the user's membership.
    pub membership: Option<Membership>,
}

/// The result of a delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deleted {
    /// The session is deleted, or did not exist.
    Done,
    /// The session has a newer version than the one that was to be deleted, and is kept.
    Newer,
}

impl SessionItem {
    /// Merges a message at `now`. Returns whether that changed the session item.
    pub fn record(&mut self, message: &Message, now: Timestamp) -> bool {
        let changed = self.amendments.record(&mut self.register, message);
        if changed {
            self.placeholder = None;
            self.set_change_time(now);
        }
        changed
    }

    /// Merges an amendment at `now`. Returns whether that changed the session item. An amendment that waits for its message gets no
    /// change time.
    pub fn amend(&mut self, amendment: &Amendment, now: Timestamp) -> bool {
        let change = self.amendments.amend(self.register.as_mut(), amendment);
        match (change, amendment) {
            (Change::Shown, Amendment::Edit(_)) => self.change_time = Some(now),
            (Change::Shown, Amendment::Recall(_)) => self.set_change_time(now),
            (Change::Nothing | Change::Pending, _) => {}
        }
        change != Change::Nothing
    }

    /// Sets the change time, unless the new `updateTime` shows the change.
    fn set_change_time(&mut self, now: Timestamp) {
        if !self.update_time().is_some_and(|time| is_in_window(time, now)) {
            self.change_time = Some(now);
        }
    }

    /// Deletes a session of two users at `now`. What it shows is removed, and its position stays as a tombstone. With a `version`, a
    /// session whose position is greater is kept. A delete has no effect on a session that does not exist or is already deleted.
    pub fn delete(&mut self, version: Option<&Version>, now: Timestamp) -> Deleted {
        self.delete_seen(self.update_time().is_some(), None, version, now)
    }

    /// Deletes a group's session as its user sees it. The tombstone also hides the message of the group item.
    pub fn delete_in_group(
        &mut self,
        group: &GroupId,
        user: &Account,
        group_item: Option<&GroupItem>,
        version: Option<&Version>,
        now: Timestamp,
    ) -> Deleted {
        let is_shown = self.clone().into_group_session(group, user, group_item.cloned()).is_some();
        let seen = group_item.and_then(|item| item.position_seen_by(group, user, self.membership));
        self.delete_seen(is_shown, seen, version, now)
    }

    fn delete_seen(
        &mut self,
        is_shown: bool,
        seen: Option<&Position>,
        version: Option<&Version>,
        now: Timestamp,
    ) -> Deleted {
        if !is_shown {
            return Deleted::Done;
        }
        let position = self.register.as_ref().map(|held| &held.position).max(seen).cloned();
        if version.is_some_and(|version| !version.covers(position.as_ref())) {
            return Deleted::Newer;
        }
        self.register = position.map(Register::tombstone);
        self.placeholder = None;
        self.ext = Ext::default();
        self.change_time = Some(now);
        Deleted::Done
    }

    /// Sets the user's custom data at `now`. A session that is not shown is shown from then on, without a message.
    pub fn set_ext(&mut self, ext: Ext, now: Timestamp) {
        if self.update_time().is_none() {
            self.placeholder = Some(self.placeholder_at(now));
        }
        self.ext = ext;
        self.change_time = Some(now);
    }

    /// When the session last changed, or `None` if it does not exist or is deleted. In a group of which the user is a member, the
    /// group item may be newer.
    #[must_use]
    pub fn update_time(&self) -> Option<Timestamp> {
        self.register.as_ref().and_then(Register::update_time).or_else(|| self.shown_placeholder())
    }

    /// The `updateTime` that is stored, and by which the item is indexed. It may be that of a placeholder that is not shown.
    #[must_use]
    pub fn stored_update_time(&self) -> Option<Timestamp> {
        self.register.as_ref().and_then(Register::update_time).or(self.placeholder)
    }

    /// The placeholder, if it is shown. A user who is not a member of the group does not see a placeholder from before the newest
    /// event about their membership.
    fn shown_placeholder(&self) -> Option<Timestamp> {
        self.placeholder.filter(|time| Some(*time) >= self.left_at())
    }

    /// When the user left the group, if they have.
    fn left_at(&self) -> Option<Timestamp> {
        self.membership.filter(|membership| !membership.is_member()).map(|left| left.at.time)
    }

    /// The time of a placeholder that is set at `now` and shown, although the user may have left the group later, by a clock that is
    /// ahead.
    #[must_use]
    pub fn placeholder_at(&self, now: Timestamp) -> Timestamp {
        self.left_at().map_or(now, |left| left.max(now))
    }

    /// The session as its user sees it, or `None` if it does not exist or is deleted.
    #[must_use]
    pub fn into_session(self, session_id: SessionId) -> Option<RecentSession> {
        let update_time = self.update_time()?;
        let ext = self.ext.text().map(str::to_owned);
        let (position, last_msg) = self.register.map(|held| (held.position, held.last_msg)).unzip();
        let version = Version::from(position);
        let (last_msg_type, last_msg) = match last_msg.flatten() {
            None => (None, None),
            Some(LastMsg::Message(text)) => (Some(LastMsgType::Message), Some(text)),
            Some(LastMsg::Recall { notice, .. }) => (Some(LastMsgType::Recall), Some(notice)),
        };
        Some(RecentSession { session_id, update_time, version, ext, last_msg, last_msg_type })
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
    /// group item. A user whom a newer list has dropped sees no placeholder, because there is no session that it stands for.
    #[must_use]
    pub fn into_group_session(
        mut self,
        group: &GroupId,
        user: &Account,
        group_item: Option<GroupItem>,
    ) -> Option<RecentSession> {
        if let Some(group_item) = group_item {
            if group_item.is_seen_by(group, user, self.membership) {
                // At one position the group item's is shown: what a user keeps of the notice when they leave is shorter.
                let newer =
                    |register: &Register| self.register.as_ref().is_none_or(|own| !own.supersedes(register));
                if let Some(register) = group_item.register.filter(newer) {
                    self.register = Some(register);
                    self.placeholder = None;
                }
            } else if self.is_member() {
                self.placeholder = None;
            }
        }
        self.into_session(group.session_id().clone())
    }
}

#[cfg(test)]
mod tests;
