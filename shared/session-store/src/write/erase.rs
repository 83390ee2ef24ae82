//! Erasing a user: deleting every session item of their partition, whatever it contains.

use std::time::Duration;

use aws_sdk_dynamodb::types::{DeleteRequest, ReturnConsumedCapacity, WriteRequest};
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::time::{Instant, sleep};

use crate::{
    Sessions, StoreError,
    codec::{
        item::{Item, s},
        schema::{SESSION_ID, USER_ID},
    },
};

/// The maximum number of session items that one query returns.
const PAGE: i32 = 500;
/// The number of session items that one request deletes, which is the limit of `BatchWriteItem`.
const BATCH: usize = 25;
/// The number of concurrent delete requests. A partition can process about 1,000 units a second, and a session item costs 3 or 4.
const CONCURRENCY: usize = 4;

/// The result of erasing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Erased {
    /// The number of session items that were deleted.
    pub session_items: usize,
    /// Whether there may be more.
    pub remaining: bool,
}

impl Sessions<'_> {
    /// Deletes the user's session items until none are left, `max_items` are deleted, or `within` has passed. Reads are strongly
    /// consistent, so a repeat does not find what is already deleted.
    pub async fn erase(&self, max_items: usize, within: Duration) -> Result<Erased, StoreError> {
        let until = Instant::now() + within;
        let (mut session_items, mut start) = (0, None);
        loop {
            let (keys, next) = self.keys_after(start).await?;
            let left = self.delete_all(&keys, until).await?;
            session_items += keys.len() - left;
            if left == 0 && next.is_none() {
                return Ok(Erased { session_items, remaining: false });
            }
            if session_items >= max_items || Instant::now() >= until {
                return Ok(Erased { session_items, remaining: true });
            }
            start = next;
        }
    }

    /// The keys of some session items, and the key to continue from.
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
        Ok((output.items.unwrap_or_default(), output.last_evaluated_key))
    }

    /// Deletes these session items. Returns how many it did not get to.
    async fn delete_all(&self, keys: &[Item], until: Instant) -> Result<usize, StoreError> {
        let batches: Vec<_> = keys.chunks(BATCH).map(|keys| self.delete_batch(keys, until)).collect();
        stream::iter(batches)
            .buffer_unordered(CONCURRENCY)
            .try_fold(0, async |sum, left| Ok(sum + left))
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
