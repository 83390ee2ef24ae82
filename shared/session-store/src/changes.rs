//! One page of the changes in a user's list.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::KeysAndAttributes;
use futures_util::{StreamExt, TryStreamExt, stream};
use session_model::{
    GroupId, GroupItem, SessionId, SessionItem, Timestamp,
    reading::{
        ChangeKey, ChangeReads, ChangesPage, Keys, Memberships, PageRequest, Start, SyncPass, UpdatedItems,
        read_changes,
    },
};

use crate::{
    Sessions, StoreError,
    group_items::{self, CONCURRENT_REQUESTS, PER_REQUEST},
    item::{self, Attributes, Item, n},
    list::QueryPage,
    raw_item::RawItem,
    schema::{BY_CHANGE_TIME, BY_UPDATE_TIME, CHANGE_TIME, UPDATE_TIME},
};

impl Sessions<'_> {
    /// Reads one page of a sync pass at `now`; see `session_model::changes`. The first reads of a pass are done concurrently over 2
    /// connections.
    pub async fn changes(
        &self,
        sync_pass: &SyncPass,
        of: PageRequest,
        now: Timestamp,
    ) -> Result<ChangesPage, StoreError> {
        read_changes(self, self.user, sync_pass, of, now).await
    }

    /// The position of a session item in an index by time, as a key to continue from.
    fn place(&self, attribute: &str, key: &ChangeKey) -> Item {
        let mut place = self.key(&key.session_id);
        place.insert(attribute.to_owned(), n(key.time));
        place
    }
}

impl ChangeReads for Sessions<'_> {
    type Error = StoreError;

    async fn start(
        &self,
        change_times: (Timestamp, Timestamp),
        least_update_time: Timestamp,
        limit: usize,
    ) -> Result<Start, StoreError> {
        // Only 2 reads are concurrent, as in the list: a third connection would cost a cold start more than the short queries take
        // one after the other.
        let short =
            async { Ok((self.keys(change_times, None, limit).await?, Sessions::memberships(self).await?)) };
        let (updated, (keys, memberships)) =
            tokio::try_join!(self.updated(least_update_time, None, limit), short)?;
        Ok(Start { keys, updated, memberships })
    }

    async fn keys(
        &self,
        (from, to): (Timestamp, Timestamp),
        after: Option<&ChangeKey>,
        limit: usize,
    ) -> Result<Keys, StoreError> {
        let key = |item: Item| {
            let time = item.number(CHANGE_TIME)?.ok_or(StoreError::MalformedItem(CHANGE_TIME))?;
            Ok(ChangeKey { time: Timestamp::from_millis(time), session_id: item::session_id(&item)? })
        };
        let mut start = after.map(|key| self.place(CHANGE_TIME, key));
        loop {
            let request = self
                .query(BY_CHANGE_TIME)
                .key_condition_expression("userId = :user AND changeTime BETWEEN :from AND :to")
                .expression_attribute_values(":from", n(from))
                // The upper bound is 1 higher, because DynamoDB may reject a start key that is on the bound itself.
                .expression_attribute_values(":to", n(to.later_by(1)))
                .limit(i32::try_from(limit).unwrap_or(i32::MAX));
            let output = request.set_exclusive_start_key(start).send().await?;
            self.store.meter.add_read(output.consumed_capacity());
            start = output.last_evaluated_key;
            let items = output.items.unwrap_or_default().into_iter();
            let keys = items.filter_map(|item| self.store.readable(key(item)).transpose());
            let mut keys = keys.collect::<Result<Vec<_>, StoreError>>()?;
            if keys.is_empty() && start.is_some() {
                // A pass continues after the last key that it was given, so it needs at least one key, or the end.
                continue;
            }
            let found = keys.len();
            keys.retain(|key| key.time <= to);
            return Ok(Keys { more: start.is_some() && keys.len() == found, keys });
        }
    }

    async fn session_items(
        &self,
        ids: Vec<SessionId>,
    ) -> Result<HashMap<SessionId, Option<SessionItem>>, StoreError> {
        let keys = ids.iter().map(|id| self.key(id)).collect();
        let wanted = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true);
        let mut session_items = HashMap::with_capacity(ids.len());
        let read = |mut item: RawItem<'_>| (item::session_id(&item), item::session_item(&mut item));
        for (id, session_item) in self.store.batch(&self.store.sessions_table, wanted, read).await? {
            // The id was requested, so it is valid.
            session_items.insert(id?, self.store.readable(session_item)?);
        }
        Ok(session_items)
    }

    async fn updated(
        &self,
        least_update_time: Timestamp,
        after: Option<&ChangeKey>,
        limit: usize,
    ) -> Result<UpdatedItems, StoreError> {
        let mut start = after.map(|key| self.place(UPDATE_TIME, key));
        loop {
            let request = self
                .query(BY_UPDATE_TIME)
                .key_condition_expression("userId = :user AND updateTime >= :least")
                .expression_attribute_values(":least", n(least_update_time.earlier_by(1)))
                .scan_index_forward(false)
                .limit(i32::try_from(limit).unwrap_or(i32::MAX));
            let QueryPage { mut session_items, next } = self.send_query(request, start).await?;
            if session_items.is_empty() && next.is_some() {
                start = next;
                continue;
            }
            let found = session_items.len();
            session_items.retain(|(_, session_item)| session_item.update_time() >= Some(least_update_time));
            return Ok(UpdatedItems { more: next.is_some() && session_items.len() == found, session_items });
        }
    }

    async fn memberships(&self) -> Result<Memberships, StoreError> {
        Sessions::memberships(self).await
    }

    async fn group_items(&self, groups: Vec<GroupId>) -> Result<HashMap<GroupId, GroupItem>, StoreError> {
        let chunks: Vec<Vec<Item>> =
            groups.chunks(PER_REQUEST).map(|chunk| chunk.iter().map(group_items::key).collect()).collect();
        let read = |keys: Vec<Item>| self.store.group_items(keys);
        let group_items = stream::iter(chunks.into_iter().map(read)).buffer_unordered(CONCURRENT_REQUESTS);
        group_items.try_concat().await
    }
}
