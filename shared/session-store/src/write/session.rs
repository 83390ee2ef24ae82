//! Writing one user's sessions: ext, delete, record and edit.

use session_model::{
    GroupId, RecentSession, SessionId, SessionItem, Timestamp,
    group::{Membership, Written},
    item::{Ext, is_in_window},
    register::{Entry, Position, edits::Edit},
};

use super::{
    optimistic::{self, AmendableItem, Snapshot, record},
    update::{ReturnValues, Update, Updated},
};
use crate::{
    Sessions, StoreError,
    codec::{
        item::{self, n, s},
        schema::{TOMBSTONE_DAYS, UPDATE_TIME, expires_at},
    },
};

/// The maximum number of attempts at a delete while the session item changes concurrently.
const MAX_TRIES: usize = 5;
/// The attributes that a delete removes.
const SHOWN: &str = "updateTime, lastMsg, lastMsgType, ext";

/// The result of a delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deleted {
    /// The session is deleted, or did not exist.
    Done,
    /// The session shows something newer than what was to be deleted, and is kept.
    Newer,
}

impl Sessions<'_> {
    /// Sets or removes the user's custom data, and returns the session. A session that does not exist or is deleted is shown from
    /// `now` on, without a last message. A live one keeps its place in the list.
    pub async fn set_ext(
        &self,
        id: &SessionId,
        ext: &Ext,
        now: Timestamp,
    ) -> Result<RecentSession, StoreError> {
        let update = Update::default()
            .set("updateTime = if_not_exists(updateTime, :now)")
            .remove("expiresAt")
            .with_change_time(now)
            .with(":now", n(now));
        let update = match ext.text() {
            Some(text) => update.set("ext = :ext").with(":ext", s(text)),
            None => update.remove("ext"),
        };
        let (Updated::Done(mut item) | Updated::ConditionFailed(mut item)) =
            self.update(id, update, ReturnValues::AllNew).await?;
        let session_item = item::session_item(&mut item)?;
        let session = match id.group().filter(|_| session_item.is_member()) {
            None => session_item.into_session(id.clone()),
            Some(group) => {
                let group_item = self.store.group_item(&group, false).await;
                self.group_session(&group, session_item, group_item)?
            }
        };
        session.ok_or(StoreError::MalformedItem(UPDATE_TIME))
    }

    /// Deletes the session, unless `up_to` is given and the session's `updateTime` is after it. Such a session shows what its user
    /// may not have seen. The position of a deleted session is kept as a tombstone for 31 days after `now`, so that a late copy of
    /// what was deleted does not restore it. Deleting a session that does not exist or is already deleted is a success and changes
    /// nothing.
    pub async fn delete(
        &self,
        id: &SessionId,
        up_to: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Deleted, StoreError> {
        let expires_at = expires_at(now, TOMBSTONE_DAYS);
        if let Some(group) = id.group() {
            return self.delete_group(&group, up_to, expires_at, now).await;
        }
        let update = Update::default()
            .set("expiresAt = :e")
            .remove(SHOWN)
            .only_if("attribute_exists(updateTime)")
            .with_change_time(now)
            .with(":e", n(expires_at));
        let (update, return_values) = match up_to {
            None => (update, ReturnValues::None),
            Some(time) => (
                update.only_if("updateTime <= :up_to").with(":up_to", n(time)),
                ReturnValues::OnConditionFailure,
            ),
        };
        match self.update(id, update, return_values).await? {
            // Nothing else in the item is read, because the condition depends only on `updateTime`.
            Updated::ConditionFailed(item) if item.contains_key(UPDATE_TIME) => Ok(Deleted::Newer),
            _ => Ok(Deleted::Done),
        }
    }

    /// Merges what a message copy reports about a p2p session. This is the merge rule as one conditional write, while there are no
    /// edits. A failed condition is a success: the session item already has that content, or something newer.
    pub async fn record(&self, id: &SessionId, entry: &Entry, now: Timestamp) -> Result<(), StoreError> {
        let item = SessionItemRef { sessions: self, id, now };
        let written = item.update(Update::record(entry, change_time_of_item(entry, now))).await?;
        record(&item, written, |held| held.value.record(entry, now)).await?;
        Ok(())
    }

    /// Merges an edit of a message of a p2p session.
    pub async fn edit(&self, id: &SessionId, edit: &Edit, now: Timestamp) -> Result<(), StoreError> {
        let item = SessionItemRef { sessions: self, id, now };
        Ok(optimistic::edit(&item, |held| held.value.edit(edit, now)).await?)
    }

    /// Deletes a group's session. The tombstone is at the position that the user sees, which is the group item's, unless they do
    /// not see the group item or their own is greater. The tombstone expires only if the session item records no membership. What
    /// it hides from a member does not expire, and a late copy must not make a member of somebody who has left.
    async fn delete_group(
        &self,
        group: &GroupId,
        up_to: Option<Timestamp>,
        expires_at: u64,
        now: Timestamp,
    ) -> Result<Deleted, StoreError> {
        let id = group.session_id();
        for _ in 0..MAX_TRIES {
            let (session_item, group_item) =
                tokio::try_join!(self.session_item(id), self.store.group_item(group, true))?;
            let session_item = session_item.unwrap_or_default();
            let seen = group_item.as_ref().and_then(|group_item| {
                group_item.position_seen_by(group, self.user, session_item.membership)
            });
            match session_item.clone().into_group_session(group, self.user, group_item.clone()) {
                None => return Ok(Deleted::Done),
                Some(session) if up_to.is_some_and(|time| session.update_time > time) => {
                    return Ok(Deleted::Newer);
                }
                Some(_) => {}
            }
            let read = session_item.register.as_ref().map(|held| &held.position);
            let update =
                tombstone(read, seen.max(read), session_item.membership, expires_at).with_change_time(now);
            if let Updated::Done(_) = self.update(id, update, ReturnValues::None).await? {
                return Ok(Deleted::Done);
            }
        }
        Err(StoreError::Throttled("overtaken by other writes of the session".into()))
    }

    async fn update(
        &self,
        id: &SessionId,
        update: Update,
        return_values: ReturnValues,
    ) -> Result<Updated, StoreError> {
        self.store.update(&self.store.sessions_table, self.key(id), update, return_values).await
    }
}

/// The change time of what is recorded on a session item, or `None` if its `updateTime` shows it.
pub(crate) fn change_time_of_item(entry: &Entry, now: Timestamp) -> Option<Timestamp> {
    (!is_in_window(entry.update_time(), now)).then_some(now)
}

/// A user's session item of a p2p session.
struct SessionItemRef<'a> {
    sessions: &'a Sessions<'a>,
    id: &'a SessionId,
    now: Timestamp,
}

impl SessionItemRef<'_> {
    async fn update(&self, update: Update) -> Result<Written<Snapshot<SessionItem>>, StoreError> {
        match self.sessions.update(self.id, update, ReturnValues::OnConditionFailure).await? {
            Updated::Done(_) => Ok(Written::Done),
            Updated::ConditionFailed(item) => Ok(Written::ConditionFailed(optimistic::session_item(item)?)),
        }
    }
}

impl AmendableItem for SessionItemRef<'_> {
    type Snapshot = Snapshot<SessionItem>;
    type Error = StoreError;

    async fn read(&self) -> Result<Snapshot<SessionItem>, StoreError> {
        let store = self.sessions.store;
        let item = store.read(&store.sessions_table, self.sessions.key(self.id), true, None).await?;
        optimistic::session_item(item.unwrap_or_default())
    }

    async fn replace(
        &self,
        before: &Snapshot<SessionItem>,
        after: &Snapshot<SessionItem>,
    ) -> Result<Written<Snapshot<SessionItem>>, StoreError> {
        let expires_at = expires_at(self.now, TOMBSTONE_DAYS);
        self.update(optimistic::replacement(before, &after.value, expires_at)).await
    }
}

/// Deletes a group's session if its session item has the position `read` and this membership. The tombstone is then at `position`.
fn tombstone(
    read: Option<&Position>,
    position: Option<&Position>,
    membership: Option<Membership>,
    expires_at: u64,
) -> Update {
    let mut update = Update::default().remove(SHOWN);
    if let Some(position) = position {
        update = update
            .set("msgTime = :t, msgId = :id")
            .with(":t", n(position.time))
            .with(":id", s(position.id.as_str()));
    }
    update = match membership {
        None => {
            update.only_if("attribute_not_exists(memberAt)").set("expiresAt = :e").with(":e", n(expires_at))
        }
        Some(held) if held.is_member() => update.only_if("attribute_exists(memberSince)"),
        Some(_) => update.only_if("attribute_not_exists(memberSince)"),
    };
    match read {
        None => update.only_if("attribute_not_exists(msgTime)"),
        Some(read) => update
            .only_if("msgTime = :read_t AND msgId = :read_id")
            .with(":read_t", n(read.time))
            .with(":read_id", s(read.id.as_str())),
    }
}
