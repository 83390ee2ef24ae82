//! One user's sessions: get, set ext, delete, record.

use aws_sdk_dynamodb::{
    operation::update_item::{UpdateItemError, builders::UpdateItemFluentBuilder},
    types::{ReturnConsumedCapacity, ReturnValue},
};
use session_model::{Account, Entry, Ext, LastMsg, LastMsgType, RecentSession, Row, SessionId, Timestamp};

use crate::{
    Store, StoreError,
    item::{self, Item, n, s},
    table::{SESSION_ID, TOMBSTONE_SECONDS, USER_ID},
};

/// True of a row that holds nothing, or a position before (`:t`, `:id`).
const OLDER: &str = "attribute_not_exists(msgTime) OR msgTime < :t OR (msgTime = :t AND msgId < :id)";

/// What came of recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merged {
    /// The row changed.
    Applied,
    /// The row holds the same or something newer.
    Superseded,
}

/// The sessions of one user.
#[derive(Clone, Copy, Debug)]
pub struct Sessions<'a> {
    pub(crate) store: &'a Store,
    pub(crate) user: &'a Account,
}

impl<'a> Sessions<'a> {
    pub(crate) fn new(store: &'a Store, user: &'a Account) -> Self {
        Self { store, user }
    }

    /// The session; none when it is absent or deleted. Read strongly.
    pub async fn get(&self, id: &SessionId) -> Result<Option<RecentSession>, StoreError> {
        Ok(self.row(id).await?.into_session(id.clone()))
    }

    /// Everything the user's row of the session holds, also under a deleted one. Read strongly.
    pub async fn row(&self, id: &SessionId) -> Result<Row, StoreError> {
        let store = self.store;
        let output = store
            .client
            .get_item()
            .table_name(&*store.sessions_table)
            .key(USER_ID, s(self.user.as_str()))
            .key(SESSION_ID, s(id.as_str()))
            .consistent_read(true)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await?;
        store.meter.add_read(output.consumed_capacity());
        output.item.map_or_else(|| Ok(Row::default()), |mut item| item::row(&mut item))
    }

    /// Sets or removes the user's text, and answers the session. An absent or deleted session shows from `now` on,
    /// without a last message; a live one stays where it is.
    pub async fn set_ext(
        &self,
        id: &SessionId,
        ext: &Ext,
        now: Timestamp,
    ) -> Result<RecentSession, StoreError> {
        let show = "updateTime = if_not_exists(updateTime, :now)";
        let update =
            self.update(id).expression_attribute_values(":now", n(now)).return_values(ReturnValue::AllNew);
        let update = match ext.text() {
            Some(text) => update
                .update_expression(format!("SET ext = :ext, {show} REMOVE expiresAt"))
                .expression_attribute_values(":ext", s(text)),
            None => update.update_expression(format!("SET {show} REMOVE ext, expiresAt")),
        };
        let output = update.send().await?;
        self.store.meter.add_write(output.consumed_capacity());
        let mut item = output.attributes.unwrap_or_default();
        let session = item::row(&mut item)?.into_session(id.clone());
        session.ok_or(StoreError::MalformedItem(crate::table::UPDATE_TIME))
    }

    /// Deletes the session. Its position stays as a tombstone for 30 days after `now`, so that a late copy of what was
    /// deleted does not bring it back. Deleting what is absent or deleted is a success and changes nothing.
    pub async fn delete(&self, id: &SessionId, now: Timestamp) -> Result<(), StoreError> {
        let expires_at = now.as_millis() / 1000 + TOMBSTONE_SECONDS;
        let update = self
            .update(id)
            .update_expression("SET expiresAt = :e REMOVE updateTime, lastMsg, lastMsgType, ext")
            .condition_expression("attribute_exists(updateTime)")
            .expression_attribute_values(":e", n(expires_at));
        self.send_conditional(update).await.map(|_| ())
    }

    /// Merges what a copy of the feed says of the session: the merge rule as one conditional write.
    pub async fn record(&self, id: &SessionId, entry: &Entry) -> Result<Merged, StoreError> {
        let (text, last_msg_type, update_time, condition) = match &entry.last_msg {
            LastMsg::Message(text) => (text, LastMsgType::Message, entry.position.time, OLDER.to_owned()),
            LastMsg::Recall { at, notice } => (
                notice,
                LastMsgType::Recall,
                *at,
                format!(
                    "{OLDER} OR (msgTime = :t AND msgId = :id AND \
                     (lastMsgType = :message OR (lastMsgType = :type AND updateTime < :u)))"
                ),
            ),
        };
        let mut update = self
            .update(id)
            .update_expression(
                "SET lastMsg = :m, lastMsgType = :type, updateTime = :u, msgTime = :t, msgId = :id REMOVE expiresAt",
            )
            .condition_expression(condition)
            .expression_attribute_values(":m", s(text))
            .expression_attribute_values(":type", n(last_msg_type.as_number()))
            .expression_attribute_values(":u", n(update_time))
            .expression_attribute_values(":t", n(entry.position.time))
            .expression_attribute_values(":id", s(&entry.position.id));
        if last_msg_type == LastMsgType::Recall {
            update = update.expression_attribute_values(":message", n(LastMsgType::Message.as_number()));
        }
        self.send_conditional(update).await
    }

    fn update(&self, id: &SessionId) -> UpdateItemFluentBuilder {
        let key = Item::from([
            (USER_ID.to_owned(), s(self.user.as_str())),
            (SESSION_ID.to_owned(), s(id.as_str())),
        ]);
        self.store
            .client
            .update_item()
            .table_name(&*self.store.sessions_table)
            .set_key(Some(key))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
    }

    /// A failed condition is a no-op and a success: the row already says what the write would, or something newer.
    async fn send_conditional(&self, update: UpdateItemFluentBuilder) -> Result<Merged, StoreError> {
        match update.send().await {
            Ok(output) => {
                self.store.meter.add_write(output.consumed_capacity());
                Ok(Merged::Applied)
            }
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(UpdateItemError::is_conditional_check_failed_exception) =>
            {
                self.store.meter.add_refused_write();
                Ok(Merged::Superseded)
            }
            Err(error) => Err(error.into()),
        }
    }
}
