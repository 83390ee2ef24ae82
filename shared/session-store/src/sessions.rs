//! One user's sessions. Lists and changes are in `read::sessions`, writes in `write::session`, erasure in `write::erase`.

use session_model::{Account, GroupId, GroupItem, RecentSession, SessionId, SessionItem};

use crate::{
    Store, StoreError,
    codec::{
        item::{self, Item, s},
        schema::{SESSION_ID, USER_ID},
    },
};

/// The sessions of one user.
#[derive(Clone, Copy, Debug)]
pub struct Sessions<'a> {
    pub(crate) store: &'a Store,
    pub(crate) user: &'a Account,
}

impl Sessions<'_> {
    /// Returns the session, or `None` if it does not exist or is deleted. The read of the user's own session item is strongly
    /// consistent, that of a group item eventually consistent unless that shows a member nothing. A group item that cannot be read shows its members their own session
    /// items, as in a list.
    pub async fn get(&self, id: &SessionId) -> Result<Option<RecentSession>, StoreError> {
        match id.group() {
            None => Ok(self.session_item(id).await?.unwrap_or_default().into_session(id.clone())),
            Some(group) => {
                let (session_item, group_item) =
                    tokio::join!(self.session_item(id), self.store.group_item(&group, false));
                self.group_session(&group, session_item?.unwrap_or_default(), group_item).await
            }
        }
    }

    /// Returns the session of a group, from the user's own session item and the result of an eventually consistent read of the group
    /// item. If that has no group item or shows a member no session, it may be from before the first message or the newest list, so
    /// the group item is read once more.
    pub(crate) async fn group_session(
        &self,
        group: &GroupId,
        session_item: SessionItem,
        group_item: Result<Option<GroupItem>, StoreError>,
    ) -> Result<Option<RecentSession>, StoreError> {
        let is_absent = matches!(group_item, Ok(None));
        if !session_item.is_member() {
            return self.merged(group, session_item, group_item);
        }
        let session = self.merged(group, session_item.clone(), group_item);
        if is_absent || matches!(session, Ok(None)) {
            return self.merged(group, session_item, self.store.group_item(group, true).await);
        }
        session
    }

    /// Merges a user's session item and the group item, as far as that was read. If the session item shows nothing by itself and the
    /// group item cannot be read, it is unknown whether there is a session.
    fn merged(
        &self,
        group: &GroupId,
        session_item: SessionItem,
        group_item: Result<Option<GroupItem>, StoreError>,
    ) -> Result<Option<RecentSession>, StoreError> {
        let unreadable = group_item.as_ref().err().cloned();
        let group_item = self.store.readable(group_item)?.flatten();
        match (session_item.into_group_session(group, self.user, group_item), unreadable) {
            (None, Some(error)) => Err(error),
            (session, _) => Ok(session),
        }
    }

    /// Reads the user's session item of the session without its amendments, even if the session is deleted. Strongly consistent.
    pub(crate) async fn session_item(&self, id: &SessionId) -> Result<Option<SessionItem>, StoreError> {
        let item = self.store.read(&self.store.sessions_table, self.key(id), true, None).await?;
        item.map(|mut item| item::session_item(&mut item)).transpose()
    }

    pub(crate) fn key(&self, id: &SessionId) -> Item {
        Item::from([(USER_ID.to_owned(), s(self.user.as_str())), (SESSION_ID.to_owned(), s(id.as_str()))])
    }
}
