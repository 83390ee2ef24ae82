//! Erasing a user: deleting every item of their partition, whatever it contains, so that nothing of it comes back.
//!
//! First comes the marker (see `session_model::erasure`). Then each group's item of the user is turned into that of somebody who has
//! left, the group item stops naming them, and their item is deleted. Session items of p2p sessions are deleted in batches.

use std::time::Duration;

use aws_sdk_dynamodb::{
    operation::delete_item::DeleteItemError,
    types::{DeleteRequest, ReturnConsumedCapacity, WriteRequest},
};
use futures_util::{StreamExt, TryStreamExt, stream};
use session_model::{
    GroupId, SessionId, Timestamp,
    erasure::ERASURE_MS,
    group::{GroupWrite, SessionWrite},
};
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
        let mut first_at = match self.mark(now).await {
            Ok(first_at) => Some(first_at),
            // The partition is full. There is room once something is deleted.
            Err(StoreError::Rejected(_)) => None,
            Err(error) => return Err(error),
        };
        let (mut session_items, mut start, mut is_empty) = (0, None, true);
        loop {
            let (keys, next) = self.keys_after(start).await?;
            let left = self.delete_all(keys.clone(), until, now).await?;
            session_items += keys.len() - left;
            is_empty &= left == 0;
            if first_at.is_none() {
                first_at = Some(self.mark(now).await?);
            }
            let is_at_end = next.is_none();
            if is_at_end || session_items >= max_items || Instant::now() >= until {
                let again_in = match first_at {
                    Some(first_at) if is_empty && is_at_end => self.unmark(first_at, now).await?,
                    // What is left was written by a clock that is ahead.
                    _ if session_items == 0 => Some(Duration::from_secs(1)),
                    _ => Some(Duration::ZERO),
                };
                return Ok(Erased { session_items, again_in });
            }
            start = next;
        }
    }

    /// Writes the marker. Returns when the erasure began.
    async fn mark(&self, now: Timestamp) -> Result<Timestamp, StoreError> {
        let update = Update::default()
            .set("erasedAt = :now, firstAt = if_not_exists(firstAt, :now), expiresAt = :e")
            .with_change_time(now)
            .with(":now", n(now))
            .with(":e", n(expires_at(now, TOMBSTONE_DAYS)));
        let key = marker_key(self.user.as_str());
        let (Updated::Done(marker) | Updated::ConditionFailed(marker)) =
            self.store.update(&self.store.sessions_table, key, update, ReturnValues::AllNew).await?;
        let first_at = marker.number(FIRST_AT)?.ok_or(StoreError::MalformedItem(FIRST_AT))?;
        Ok(Timestamp::from_millis(first_at))
    }

    /// Ends the erasure, if nothing can be under way any more that was sent before it began. Otherwise, returns how long that takes.
    async fn unmark(&self, first_at: Timestamp, now: Timestamp) -> Result<Option<Duration>, StoreError> {
        let ends = first_at.later_by(ERASURE_MS);
        if now < ends {
            return Ok(Some(Duration::from_millis(ends.as_millis() - now.as_millis())));
        }
        let (key, update) = (marker_key(self.user.as_str()), Update::default().remove("firstAt"));
        self.store.update(&self.store.sessions_table, key, update, ReturnValues::None).await?;
        Ok(None)
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

    /// Deletes the items with these keys. Returns how many are left.
    async fn delete_all(&self, keys: Vec<Item>, until: Instant, now: Timestamp) -> Result<usize, StoreError> {
        let group = |key: &Item| {
            let id: Option<SessionId> = key.string(SESSION_ID).ok().flatten()?.parse().ok();
            id.and_then(|id| id.group())
        };
        let (of_groups, others): (Vec<_>, Vec<_>) = keys.into_iter().partition(|key| group(key).is_some());
        let batches: Vec<_> = others.chunks(BATCH).map(|keys| self.delete_batch(keys, until)).collect();
        let left = stream::iter(batches)
            .buffer_unordered(CONCURRENCY)
            .try_fold(0, async |sum, left| Ok(sum + left))
            .await?;
        let groups: Vec<_> = of_groups.iter().filter_map(group).collect();
        let leave = |group: GroupId| async move {
            if Instant::now() >= until { Ok(false) } else { self.leave_for_good(&group, now).await }
        };
        stream::iter(groups.into_iter().map(leave))
            .buffer_unordered(GROUPS_CONCURRENCY)
            .try_fold(left, async |sum, is_deleted| Ok(sum + usize::from(!is_deleted)))
            .await
    }

    /// Leaves a group, and deletes the user's item of it. Returns whether the item is deleted: it is not if the user has joined again.
    /// An item that cannot be understood or written is deleted, too.
    async fn leave_for_good(&self, id: &GroupId, now: Timestamp) -> Result<bool, StoreError> {
        let group = self.store.group(id, now);
        let is_left = match group.write_session(self.user, &SessionWrite::Leave(now)).await {
            Ok(_) => true,
            Err(error) if error.is_of_one_item() => false,
            Err(error) => return Err(error),
        };
        let hashes = [id.member_hash(self.user)].into();
        match group.merge_group(&GroupWrite::RemoveMembers { time: now, hashes }).await {
            Err(error) if !error.is_of_one_item() => return Err(error),
            _ => {}
        }
        let request = self
            .store
            .client
            .delete_item()
            .table_name(&*self.store.sessions_table)
            .set_key(Some(self.key(id.session_id())))
            .set_condition_expression(is_left.then(|| "attribute_not_exists(memberSince)".to_owned()))
            .return_consumed_capacity(ReturnConsumedCapacity::Total);
        match request.send().await {
            Ok(output) => {
                self.store.meter.add_write(output.consumed_capacity());
                Ok(true)
            }
            Err(error) => match error.as_service_error() {
                Some(DeleteItemError::ConditionalCheckFailedException(_)) => {
                    self.store.meter.add_failed_condition();
                    Ok(false)
                }
                _ => Err(error.into()),
            },
        }
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
