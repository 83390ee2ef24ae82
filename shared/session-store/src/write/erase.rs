//! Erasing a user: deleting every item of their partition, whatever it contains, so that nothing of it comes back.
//!
//! First comes the marker (see `session_model::erasure`). Then the user leaves each of their groups, as the membership protocol says.
//! Session items of p2p sessions are deleted in batches, before the marker if the partition is too full for it.

use std::time::Duration;

use aws_sdk_dynamodb::types::{DeleteRequest, ReturnConsumedCapacity, WriteRequest};
use futures_util::{StreamExt, TryStreamExt, stream};
use session_model::{GroupId, SessionId, Timestamp, erasure::ERASURE_MS, group};
use tokio::time::{Instant, sleep};

use super::update::{ReturnValues, Update, Updated};
use crate::{
    Sessions, StoreError,
    codec::{
        item::{Attributes, Item, n, s},
        schema::{ERASED, FIRST_AT, SESSION_ID, TOMBSTONE_DAYS, USER_ID, expires_at},
    },
    read::erased::marker_key,
};

/// The maximum number of items that one query returns.
const PAGE: i32 = 500;
/// The number of items that one request deletes, which is the limit of `BatchWriteItem`.
const BATCH: usize = 25;
/// The number of concurrent requests that delete a batch. A partition can process about 1,000 units a second, and a session item
/// costs 3 or 4.
const CONCURRENCY: usize = 4;
/// The number of groups that are left concurrently.
const GROUPS_CONCURRENCY: usize = 16;

/// The result of erasing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Erased {
    /// The number of items that were deleted.
    pub session_items: usize,
    /// When to erase again: immediately if there may be more items, or once nothing can be under way any more that was sent before.
    /// `None` if the user is erased.
    pub again_in: Option<Duration>,
}

impl Sessions<'_> {
    /// Deletes the user's items until none are left, `max_items` are deleted, or `within` has passed. Reads are strongly consistent,
    /// so a repeat does not find what is already deleted.
    pub async fn erase(
        &self,
        max_items: usize,
        within: Duration,
        now: Timestamp,
    ) -> Result<Erased, StoreError> {
        let until = Instant::now() + within;
        let mut first_at = self.mark(now).await?;
        let (mut session_items, mut start, mut is_empty) = (0, None, true);
        loop {
            let (keys, next) = self.keys_after(start).await?;
            let found = keys.len();
            let left = self.delete_all(keys, first_at.is_some(), until, now).await?;
            session_items += found - left;
            is_empty &= left == 0;
            if first_at.is_none() {
                first_at = self.mark(now).await?;
            }
            let is_at_end = next.is_none();
            if is_at_end || session_items >= max_items || Instant::now() >= until {
                let again_in = self.again_in(first_at, session_items, is_empty && is_at_end, now).await?;
                return Ok(Erased { session_items, again_in });
            }
            start = next;
        }
    }

    /// When to erase again, after a request that deleted this many items. Ends the erasure if nothing can be under way any more that
    /// was sent before it began.
    async fn again_in(
        &self,
        first_at: Option<Timestamp>,
        session_items: usize,
        is_empty: bool,
        now: Timestamp,
    ) -> Result<Option<Duration>, StoreError> {
        let Some(first_at) = first_at else {
            return match session_items {
                0 => Err(StoreError::Rejected("no room for the marker".into())),
                _ => Ok(Some(Duration::ZERO)),
            };
        };
        let ends = first_at.later_by(ERASURE_MS);
        Ok(match (session_items, is_empty) {
            // The erasure was abandoned, and the account was used since.
            (1.., _) if now >= ends => {
                self.begin(now).await?;
                Some(if is_empty { Duration::from_millis(ERASURE_MS) } else { Duration::ZERO })
            }
            (_, true) if now >= ends => {
                self.end().await?;
                None
            }
            (_, true) => Some(Duration::from_millis(ends.as_millis() - now.as_millis())),
            // What is left was written by a clock that is ahead.
            (0, false) => Some(Duration::from_secs(1)),
            (1.., false) => Some(Duration::ZERO),
        })
    }

    /// Writes the marker. Returns when the erasure began, or `None` if the partition is too full for the marker.
    async fn mark(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let update = Update::default()
            .set("erasedAt = :now, firstAt = if_not_exists(firstAt, :now), expiresAt = :e")
            .with_change_time(now)
            .with(":now", n(now))
            .with(":e", n(expires_at(now, TOMBSTONE_DAYS)));
        let marker = match self.update_marker(update, ReturnValues::AllNew).await {
            Ok(Updated::Done(marker) | Updated::ConditionFailed(marker)) => marker,
            Err(StoreError::Rejected(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        if let Ok(Some(first_at)) = marker.number(FIRST_AT) {
            return Ok(Some(Timestamp::from_millis(first_at)));
        }
        self.begin(now).await?;
        Ok(Some(now))
    }

    /// Sets in the marker when the erasure began.
    async fn begin(&self, now: Timestamp) -> Result<(), StoreError> {
        let update = Update::default().set("firstAt = :now").with(":now", n(now));
        self.update_marker(update, ReturnValues::None).await.map(drop)
    }

    /// Removes from the marker when the erasure began, so that a later erasure is a new one.
    async fn end(&self) -> Result<(), StoreError> {
        self.update_marker(Update::default().remove("firstAt"), ReturnValues::None).await.map(drop)
    }

    async fn update_marker(
        &self,
        update: Update,
        return_values: ReturnValues,
    ) -> Result<Updated, StoreError> {
        let key = marker_key(self.user.as_str());
        self.store.update(&self.store.sessions_table, key, update, return_values).await
    }

    /// The keys of some of the user's items, without the marker, and the key to continue from.
    async fn keys_after(&self, start: Option<Item>) -> Result<(Vec<Item>, Option<Item>), StoreError> {
        let request = self
            .store
            .client
            .query()
            .table_name(&*self.store.sessions_table)
            .key_condition_expression("userId = :user")
            .expression_attribute_values(":user", s(self.user.as_str()))
            .projection_expression(format!("{USER_ID}, {SESSION_ID}"))
            .consistent_read(true)
            .limit(PAGE)
            .set_exclusive_start_key(start)
            .return_consumed_capacity(ReturnConsumedCapacity::Total);
        let output = request.send().await?;
        self.store.meter.add_read(output.consumed_capacity());
        let mut keys = output.items.unwrap_or_default();
        keys.retain(|key| key.get(SESSION_ID) != Some(&s(ERASED)));
        Ok((keys, output.last_evaluated_key))
    }

    /// Deletes the items with these keys, those of groups only with `of_groups`. Returns how many are left. A group is not left before
    /// there is a marker, because a late event could make the user a member again.
    async fn delete_all(
        &self,
        keys: Vec<Item>,
        of_groups: bool,
        until: Instant,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        let (mut groups, mut others) = (Vec::new(), Vec::new());
        for key in keys {
            let id: Option<SessionId> = key.string(SESSION_ID).ok().flatten().and_then(|id| id.parse().ok());
            match id.and_then(|id| id.group()) {
                Some(group) => groups.push(group),
                None => others.push(key),
            }
        }
        let batches: Vec<_> = others.chunks(BATCH).map(|keys| self.delete_batch(keys, until)).collect();
        let left = stream::iter(batches)
            .buffer_unordered(CONCURRENCY)
            .try_fold(0, async |sum, left| Ok(sum + left))
            .await?;
        if !of_groups {
            return Ok(left + groups.len());
        }
        let leave = |id: GroupId| async move {
            let is_deleted = Instant::now() < until
                && group::erase(&self.store.group(&id, now), &id, self.user, now).await?;
            Ok(usize::from(!is_deleted))
        };
        stream::iter(groups.into_iter().map(leave))
            .buffer_unordered(GROUPS_CONCURRENCY)
            .try_fold(left, async |sum, left| Ok(sum + left))
            .await
    }

    async fn delete_batch(&self, keys: &[Item], until: Instant) -> Result<usize, StoreError> {
        let delete = |key: &Item| {
            let delete = DeleteRequest::builder().set_key(Some(key.clone())).build();
            let delete = delete.map_err(|_| StoreError::Failed("request not built".into()))?;
            Ok(WriteRequest::builder().delete_request(delete).build())
        };
        let mut writes = keys.iter().map(delete).collect::<Result<Vec<_>, StoreError>>()?;
        let mut pause = Duration::from_millis(50);
        // What DynamoDB leaves unprocessed because of load is sent again while there is time.
        while !writes.is_empty() && Instant::now() < until {
            let table = self.store.sessions_table.to_string();
            let request = self.store.client.batch_write_item().request_items(&table, writes);
            let output = request.return_consumed_capacity(ReturnConsumedCapacity::Total).send().await?;
            output.consumed_capacity().iter().for_each(|consumed| self.store.meter.add_write(Some(consumed)));
            writes = output.unprocessed_items.and_then(|mut left| left.remove(&table)).unwrap_or_default();
            if !writes.is_empty() {
                sleep(pause).await;
                pause *= 2;
            }
        }
        Ok(writes.len())
    }
}
