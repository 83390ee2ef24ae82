//! Writing one user's sessions: ext, delete, record and amend.

use session_model::{
    GroupId, RecentSession, SessionId, SessionItem, Timestamp,
    group::{Membership, Written},
    item::{Deleted, Ext, Version, is_in_window},
    register::{
        Message, Position,
        amendments::{Amendment, Recall},
    },
};

use super::{
    optimistic::{self, AmendableItem, Snapshot},
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

impl Sessions<'_> {
    /// Sets or removes the user's custom data, and returns the session. A session that does not exist or is deleted is shown from
    /// `now` on, without a last message. A live one keeps its place in the list. Returns `None` if the user does not see the session
    /// all the same, because a newer list of the group's members has dropped them.
    pub async fn set_ext(
        &self,
        id: &SessionId,
        ext: &Ext,
        now: Timestamp,
    ) -> Result<Option<RecentSession>, StoreError> {
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
        let mut session_item = item::session_item(&mut item)?;
        if session_item.update_time().is_none() {
            session_item = self.show_placeholder(id, session_item, now).await?;
        }
        match id.group().filter(|_| session_item.is_member()) {
            None => Ok(session_item.into_session(id.clone())),
            Some(group) => {
                let group_item = self.store.group_item(&group, false).await;
                self.group_session(&group, session_item, group_item).await
            }
        }
    }

    /// Raises the time of a placeholder from before the user left the group, so that it is shown.
    async fn show_placeholder(
        &self,
        id: &SessionId,
        session_item: SessionItem,
        now: Timestamp,
    ) -> Result<SessionItem, StoreError> {
        let time = session_item.placeholder_at(now);
        let update = Update::default()
            .set("updateTime = :t")
            .only_if(
                "attribute_not_exists(memberSince) AND attribute_not_exists(lastMsg) AND updateTime < :t",
            )
            .with_change_time(now)
            .with(":t", n(time));
        match self.update(id, update, ReturnValues::OnConditionFailure).await? {
            Updated::Done(_) => Ok(SessionItem { placeholder: Some(time), ..session_item }),
            Updated::ConditionFailed(mut changed) => item::session_item(&mut changed),
        }
    }

    /// Deletes the session, unless a `version` is given and the session's position is greater. Such a session shows what its user may
    /// not have seen. The position of a deleted session is kept as a tombstone for 31 days after `now`, so that a late copy of what
    /// was deleted does not restore it. Deleting a session that does not exist or is already deleted is a success and changes
    /// nothing.
    pub async fn delete(
        &self,
        id: &SessionId,
        version: Option<&Version>,
        now: Timestamp,
    ) -> Result<Deleted, StoreError> {
        let expires_at = expires_at(now, TOMBSTONE_DAYS);
        if let Some(group) = id.group() {
            return self.delete_group(&group, version, expires_at, now).await;
        }
        let update = Update::default()
            .set("expiresAt = :e")
            .remove(SHOWN)
            .only_if("attribute_exists(updateTime)")
            .with_change_time(now)
            .with(":e", n(expires_at));
        let (update, return_values) = match version.map(Version::position) {
            None => (update, ReturnValues::None),
            Some(None) => (update.only_if("attribute_not_exists(msgTime)"), ReturnValues::OnConditionFailure),
            Some(Some(position)) => (
                update
                    .only_if(
                        "attribute_not_exists(msgTime) OR msgTime < :t OR (msgTime = :t AND msgId <= :id)",
                    )
                    .with(":t", n(position.time))
                    .with(":id", s(position.id.as_str())),
                ReturnValues::OnConditionFailure,
            ),
        };
        match self.update(id, update, return_values).await? {
            // A session that is shown was kept for its version.
            Updated::ConditionFailed(item) if item.contains_key(UPDATE_TIME) => Ok(Deleted::Newer),
            _ => Ok(Deleted::Done),
        }
    }

    /// Merges a message of a p2p session. While there are no amendments, this is the merge rule as one conditional write. A failed
    /// condition is a success: the session item already has that message, or a newer one.
    pub async fn record(&self, id: &SessionId, message: &Message, now: Timestamp) -> Result<(), StoreError> {
        let item = SessionItemRef { sessions: self, id, now };
        let written =
            item.update(Update::record(message, change_time_of_item(message.position.time, now))).await?;
        optimistic::record(&item, written, |held| held.value.record(message, now)).await?;
        Ok(())
    }

    /// Merges the edit or recall of a message of a p2p session.
    pub async fn amend(
        &self,
        id: &SessionId,
        amendment: &Amendment,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let item = SessionItemRef { sessions: self, id, now };
        let blind = |recall: &Recall| Update::recall(recall, change_time_of_item(recall.at, now));
        let written = match amendment {
            Amendment::Recall(recall) => Some(item.update(blind(recall)).await?),
            Amendment::Edit(_) => None,
        };
        Ok(optimistic::amend(&item, written, |held| held.value.amend(amendment, now)).await?)
    }

    /// Deletes a group's session. The tombstone is at the position that the user sees, which is the group item's, unless they do
    /// not see the group item or their own is greater. The tombstone expires only if the session item records no membership. What
    /// it hides from a member does not expire, and a late copy must not make a member of somebody who has left.
    async fn delete_group(
        &self,
        group: &GroupId,
        version: Option<&Version>,
        expires_at: u64,
        now: Timestamp,
    ) -> Result<Deleted, StoreError> {
        let id = group.session_id();
        for _ in 0..MAX_TRIES {
            let session_item = self.session_item(id).await?.unwrap_or_default();
            // Only of a member: reading another group's item would be charged by its length, and its time would reveal that.
            let group_item =
                if session_item.is_member() { self.store.group_item(group, true).await? } else { None };
            let seen = group_item.as_ref().and_then(|group_item| {
                group_item.position_seen_by(group, self.user, session_item.membership)
            });
            if session_item.clone().into_group_session(group, self.user, group_item.clone()).is_none() {
                return Ok(Deleted::Done);
            }
            let read = session_item.register.as_ref().map(|held| &held.position);
            let position = seen.max(read);
            if version.is_some_and(|version| !version.covers(position)) {
                return Ok(Deleted::Newer);
            }
            let update = tombstone(read, position, session_item.membership, expires_at).with_change_time(now);
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

/// The change time of a session item that gets this `updateTime`, or `None` if the `updateTime` shows the change.
pub(crate) fn change_time_of_item(update_time: Timestamp, now: Timestamp) -> Option<Timestamp> {
    (!is_in_window(update_time, now)).then_some(now)
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
