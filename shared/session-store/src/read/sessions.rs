//! Reading one user's sessions, for lists and changes.

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    operation::query::builders::QueryFluentBuilder,
    types::{KeysAndAttributes, ReturnConsumedCapacity},
};
use futures_util::{TryStreamExt, stream::FuturesUnordered};
use session_model::{
    GroupId, GroupItem, SessionId, SessionItem, Timestamp,
    reading::{
        ByUpdateTime, ChangeKeys, ChangesPage, IndexKey, ListQuery, Memberships, PageRequest,
        RecentSessionList, SessionReader, StartAt, SyncPass, read_changes, read_list,
    },
};

use super::group_items::{self, PER_REQUEST};
use crate::{
    Sessions, StoreError,
    client::capture::CaptureResponse,
    codec::{
        item::{self, Attributes, Item, n, s},
        raw_item::RawItem,
        response::{self, QueryResponse},
        schema::{
            BY_CHANGE_TIME, BY_MEMBERSHIP, BY_UPDATE_TIME, CHANGE_TIME, ERASED, SESSION_ID, UPDATE_TIME,
        },
    },
};

/// Whether this is the marker of an erased user.
fn is_marker(item: &Item) -> bool {
    item.get(SESSION_ID).and_then(|id| id.as_s().ok()).is_some_and(|id| id == ERASED)
}

/// One response to a query, without the session items that cannot be read, and the key from which it continues.
struct QueryPage {
    session_items: Vec<(SessionId, SessionItem)>,
    next: Option<Item>,
}

impl Sessions<'_> {
    /// Reads one page of the user's list: see [`read_list`].
    pub async fn list(&self, query: &ListQuery, now: Timestamp) -> Result<RecentSessionList, StoreError> {
        Box::pin(read_list(self, self.user, query, now)).await
    }

    /// Reads one page of a sync pass, at `now`: see [`read_changes`]. Returns `None` if the user was erased since.
    pub async fn changes(
        &self,
        sync_pass: &SyncPass,
        of: PageRequest,
        now: Timestamp,
    ) -> Result<Option<ChangesPage>, StoreError> {
        // On the heap: the future is large.
        Box::pin(read_changes(self, self.user, sync_pass, of, now)).await
    }

    /// The position of a session item in an index by time, as a key. DynamoDB does not require that the item exists.
    fn index_key(&self, attribute: &str, key: &IndexKey) -> Item {
        let mut item = self.key(&key.session_id);
        item.insert(attribute.to_owned(), n(key.time));
        item
    }

    fn query(&self, index: &str) -> QueryFluentBuilder {
        self.store
            .client
            .query()
            .table_name(&*self.store.sessions_table)
            .index_name(index)
            .consistent_read(true)
            .expression_attribute_values(":user", s(self.user.as_str()))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
    }

    async fn send_query(
        &self,
        query: QueryFluentBuilder,
        start: Option<Item>,
    ) -> Result<QueryPage, StoreError> {
        let response = CaptureResponse::of_query();
        query.set_exclusive_start_key(start).customize().interceptor(response.clone()).send().await?;
        let response = response.take();
        let response: QueryResponse<'_> = response::read(response.as_ref())?;
        self.store.meter.add_read_units(response.read_units());
        let next = response.next()?;
        let session_items = response
            .into_session_items()
            .filter_map(|session_item| self.store.readable(session_item).transpose());
        Ok(QueryPage { next, session_items: session_items.collect::<Result<_, _>>()? })
    }
}

impl SessionReader for Sessions<'_> {
    type Error = StoreError;
    type Next = Item;

    async fn both<A: Send, B: Send>(
        &self,
        one: impl Future<Output = Result<A, StoreError>> + Send,
        other: impl Future<Output = Result<B, StoreError>> + Send,
    ) -> Result<(A, B), StoreError> {
        tokio::try_join!(one, other)
    }

    async fn by_update_time(
        &self,
        (min, max): (Timestamp, Timestamp),
        start: StartAt<Item>,
        limit: usize,
    ) -> Result<ByUpdateTime<Item>, StoreError> {
        // The query must not start from a key that is equal to its own end, which DynamoDB may reject.
        let (mut start, end) = match start {
            StartAt::Beginning => (None, min),
            StartAt::Behind(key) => {
                let end = if key.time == min { min.earlier_by(1) } else { min };
                (Some(self.index_key(UPDATE_TIME, &key)), end)
            }
            StartAt::Next(key) => (Some(key), min),
        };
        loop {
            let request = self
                .query(BY_UPDATE_TIME)
                .key_condition_expression("userId = :user AND updateTime BETWEEN :min AND :max")
                .expression_attribute_values(":min", n(end))
                .expression_attribute_values(":max", n(max))
                .scan_index_forward(false)
                .limit(i32::try_from(limit).unwrap_or(i32::MAX));
            let QueryPage { session_items, next } = self.send_query(request, start).await?;
            if session_items.is_empty() && next.is_some() {
                // The caller continues behind what it gets, so it gets something, or the end.
                start = next;
                continue;
            }
            let mut found = Vec::with_capacity(session_items.len());
            let mut is_at_end = next.is_none();
            for (id, session_item) in session_items {
                let time = session_item.stored_update_time().ok_or(StoreError::MalformedItem(UPDATE_TIME));
                match self.store.readable(time)? {
                    Some(time) if time >= min => found.push((id, session_item)),
                    Some(_) => is_at_end = true,
                    None => {}
                }
            }
            return Ok(ByUpdateTime { session_items: found, next: next.filter(|_| !is_at_end) });
        }
    }

    async fn change_keys(
        &self,
        (from, to): (Timestamp, Timestamp),
        after: Option<&IndexKey>,
        limit: usize,
    ) -> Result<ChangeKeys, StoreError> {
        let time = |item: &Item| {
            let time = item.number(CHANGE_TIME)?.ok_or(StoreError::MalformedItem(CHANGE_TIME))?;
            Ok(Timestamp::from_millis(time))
        };
        let key = |item: Item| Ok(IndexKey { time: time(&item)?, session_id: item::session_id(&item)? });
        let mut erased_at = None;
        let mut start = after.map(|key| self.index_key(CHANGE_TIME, key));
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
            let mut items = output.items.unwrap_or_default();
            if let Some(index) = items.iter().position(is_marker) {
                erased_at = self.store.readable(time(&items.remove(index)))?;
            }
            let keys = items.into_iter().filter_map(|item| self.store.readable(key(item)).transpose());
            let mut keys = keys.collect::<Result<Vec<_>, StoreError>>()?;
            if keys.is_empty() && start.is_some() {
                // A pass continues after the last key that it was given, so it needs at least one key, or the end.
                continue;
            }
            let found = keys.len();
            keys.retain(|key| key.time <= to);
            return Ok(ChangeKeys { more: start.is_some() && keys.len() == found, keys, erased_at });
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

    async fn memberships(&self) -> Result<Memberships, StoreError> {
        let mut memberships = Memberships::new();
        let mut start = None;
        loop {
            let request = self.query(BY_MEMBERSHIP).key_condition_expression("userId = :user");
            let QueryPage { session_items, next } = self.send_query(request, start).await?;
            for (id, session_item) in session_items {
                let group = GroupId::try_from(id).map_err(|_| StoreError::MalformedItem(SESSION_ID));
                let group = self.store.readable(group)?;
                memberships.extend(group.map(|group| (group, session_item)));
            }
            start = next;
            if start.is_none() {
                return Ok(memberships);
            }
        }
    }

    fn group_items_at_once(&self) -> usize {
        self.store.group_items_at_once
    }

    async fn group_items(&self, groups: Vec<GroupId>) -> Result<HashMap<GroupId, GroupItem>, StoreError> {
        let chunks: Vec<Vec<Item>> =
            groups.chunks(PER_REQUEST).map(|chunk| chunk.iter().map(group_items::key).collect()).collect();
        let read = |keys: Vec<Item>| self.store.group_items(keys);
        // All at once, since the caller requests at most as many as fit in memory.
        chunks.into_iter().map(read).collect::<FuturesUnordered<_>>().try_concat().await
    }
}
